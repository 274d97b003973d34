// The facts of a shutdown: see shutdown.h.
#include "run/shutdown.h"
#include "base/buf.h"
#include "report/names.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORT_TRIES 20
#define PORT_PAUSE 50

void shutdown_look_before(struct run_shutdown *sd, int proc_fd, const struct linux_tree *tree)
{
    sd->looked = false;
    sd->n_listeners = 0;
    if (tree->count == 0)
        return;
    size_t beyond = 0;
    int n = linux_listeners(proc_fd, tree->nodes[0].pid, sd->listeners, SHUTDOWN_LISTENERS, &beyond, NULL);
    if (n < 0)
        return;
    sd->n_listeners = linux_listeners_of(proc_fd, tree, sd->listeners, (size_t)n);
    sd->looked = true;
}

void shutdown_look_children(struct run_shutdown *sd, int proc_fd, pid_t root, pid_t main_pid)
{
    struct linux_tree *tree = calloc(1, sizeof *tree);
    sd->children_left = -1;
    sd->children_names[0] = 0;
    if (!tree || linux_tree_walk(proc_fd, root, tree, NULL)) {
        free(tree);
        return;
    }
    sd->children_left = 0;
    size_t used = 0;
    for (size_t i = 0; i < tree->count; i++) {
        const struct linux_tree_node *node = &tree->nodes[i];
        if (node->pid == main_pid || node->state == 'Z' || node->state == 'X')
            continue;
        sd->children_left++;
        char text[160];
        linux_tree_describe(proc_fd, node, text, sizeof text);
        if (used + strlen(text) + 3 < sizeof sd->children_names)
            used += (size_t)snprintf(sd->children_names + used, sizeof sd->children_names - used, "%s%s",
                                     used ? ", " : "", text);
    }
    free(tree);
}

static bool still_used(int proc_fd, const struct linux_listener *l)
{
    if (l->kind == LINUX_NET_TCP)
        return linux_port_in_use(proc_fd, getpid(), l->port, NULL) == 1;
    return false;
}

// Names the listeners that `wanted` says yes to, after giving the kernel a moment.
static int count_ports_left(struct run_shutdown *sd, int proc_fd, struct seep_buf *names)
{
    int left = 0;
    for (int attempt = 0; attempt < PORT_TRIES; attempt++) {
        left = 0;
        buf_clear(names);
        for (size_t i = 0; i < sd->n_listeners; i++) {
            if (!still_used(proc_fd, &sd->listeners[i]))
                continue;
            char text[160];
            linux_listener_text(&sd->listeners[i], text, sizeof text);
            buf_printf(names, "%s%s", left++ ? ", " : "", text);
        }
        if (!left)
            break;
        poll(NULL, 0, PORT_PAUSE);
    }
    return left;
}

// A name below /proc means another file to every process that looks: it says nothing about what is left.
static bool is_socket_file(const struct linux_listener *l)
{
    return l->kind == LINUX_NET_UNIX && l->address[0] == '/' && strncmp(l->address, "/proc/", 6) != 0;
}

// A fact that waits in memory for a full disk is as good as written: the end of the run has room set aside.
static int set_text(struct store *st, const char *key, const char *value, struct seep_err *err)
{
    return store_set_meta(st, key, value, err) < 0 ? -1 : 0;
}

static int write_ports(struct run_shutdown *sd, int proc_fd, struct store *st, struct seep_err *err)
{
    struct seep_buf names;
    buf_init(&names, 8192);
    int tcp = 0;
    for (size_t i = 0; i < sd->n_listeners; i++)
        tcp += sd->listeners[i].kind == LINUX_NET_TCP;
    int rc = 0;
    if (tcp > 0) {
        int left = count_ports_left(sd, proc_fd, &names);
        if (!left)
            for (size_t i = 0; i < sd->n_listeners; i++) {
                char text[160];
                linux_listener_text(&sd->listeners[i], text, sizeof text);
                buf_printf(&names, "%s%s", names.len ? ", " : "", text);
            }
        rc = set_text(st, M_SHUTDOWN_PORT, left ? "no" : "yes", err) ||
             set_text(st, M_SHUTDOWN_PORT_WHAT, names.data, err);
    }
    buf_clear(&names);
    buf_str(&names, "");
    for (size_t i = 0; i < sd->n_listeners; i++)
        if (is_socket_file(&sd->listeners[i]) && linux_socket_file_left(sd->listeners[i].address))
            buf_printf(&names, "%s%s", names.len ? ", " : "", sd->listeners[i].address);
    if (!rc && sd->looked)
        rc = set_text(st, M_SHUTDOWN_FILES, names.data ? names.data : "", err);
    buf_free(&names);
    return rc;
}

static int set_number(struct store *st, const char *key, int decimals, double value, struct seep_err *err)
{
    char text[40];
    snprintf(text, sizeof text, "%.*f", decimals, value);
    return set_text(st, key, text, err);
}

int shutdown_write(struct run_shutdown *sd, int proc_fd, struct store *st, struct seep_err *err)
{
    if (!sd->sent)
        return set_text(st, M_SHUTDOWN_SKIPPED, sd->skipped[0] ? sd->skipped : "The target was not stopped by seep.",
                        err);
    if (set_number(st, M_SHUTDOWN_SIGNAL, 0, sd->signal, err) ||
        set_number(st, M_SHUTDOWN_SENT, 0, (double)sd->sent_at.real_ns, err))
        return -1;
    if (!isnan(sd->after_s) && set_number(st, M_SHUTDOWN_AFTER, 6, sd->after_s, err))
        return -1;
    if (sd->rest && set_text(st, M_SHUTDOWN_REST, "yes", err))
        return -1;
    if (sd->killed && set_text(st, M_SHUTDOWN_KILLED, "yes", err))
        return -1;
    if (sd->children_left >= 0 && (set_number(st, M_SHUTDOWN_CHILDREN, 0, sd->children_left, err) ||
                                   set_text(st, M_SHUTDOWN_CHILDREN_WHAT, sd->children_names, err)))
        return -1;
    return sd->looked ? write_ports(sd, proc_fd, st, err) : 0;
}
