// The proxy worker: the control socket, the list of proxies, and when to go. See proxy.h.
#include "base/clock.h"
#include "fault/conn.h"
#include "linux/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PROXIES_MAX = 16, CLIENTS_MAX = 4, LOOK_MS = 500, LONELY_MS = 10000 };

struct worker {
    uv_loop_t loop;
    uv_poll_t listen_poll;
    uv_timer_t look;
    struct fault_proxy proxy[PROXIES_MAX];
    int n_proxies;
    struct client {
        struct worker *worker;
        uv_poll_t poll;
        int fd; // -1: free
    } client[CLIENTS_MAX];
    struct load_rng rng;
    int proc_fd;
    pid_t follow;
    uint64_t follow_starttime;
    int64_t alone_since_ns; // 0: somebody is connected
    bool ending, unsettled; // unsettled: a listener is to come back
};

// ---- what the supervisor asks for

static int resolve(const char *text, struct sockaddr_storage *out, struct seep_err *err)
{
    char host[FAULT_ADDRESS_MAX];
    const char *colon = strrchr(text, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    if (!colon)
        return seep_fail(err, SEEP_E_USAGE, "'%.100s' is not HOST:PORT", text);
    size_t len = (size_t)(colon - text);
    bool bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(bracketed ? len - 2 : len), text + bracketed);
    int rc = getaddrinfo(host, colon + 1, &hints, &list);
    if (rc)
        return seep_fail(err, SEEP_E_SYSTEM, "'%.100s' cannot be resolved: %s", text, gai_strerror(rc));
    memcpy(out, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    return 0;
}

static struct fault_proxy *find(struct worker *w, const char *name)
{
    for (int i = 0; i < w->n_proxies; i++)
        if (!strcmp(w->proxy[i].name, name))
            return &w->proxy[i];
    return NULL;
}

static int open_proxy(struct worker *w, const struct fault_msg *m, struct seep_err *err)
{
    if (find(w, m->name))
        return 0;
    if (w->n_proxies == PROXIES_MAX)
        return seep_fail(err, SEEP_E_LIMIT, "There are more than %d proxies", PROXIES_MAX);
    struct fault_proxy *p = &w->proxy[w->n_proxies];
    *p = (struct fault_proxy){.loop = &w->loop, .rng = &w->rng};
    snprintf(p->name, sizeof p->name, "%s", m->name);
    if (resolve(m->listen, &p->listen_at, err) || resolve(m->to, &p->to, err))
        return -1;
    w->n_proxies++; // its listener's handle belongs to the loop from here on
    if (fault_proxy_listen(p, err) == 0)
        return 0;
    p->name[0] = '\0';
    return -1;
}

static int set_toxic(struct worker *w, const struct fault_msg *m, struct seep_err *err)
{
    struct fault_proxy *p = find(w, m->name);
    if (!p || m->slot >= FAULT_SLOTS)
        return seep_fail(err, SEEP_E_USAGE, "There is no proxy '%s' with a slot %u", m->name, m->slot);
    fault_set_put(&p->set, m->slot, &m->toxic);
    w->unsettled |= !fault_proxy_changed(p);
    return 0;
}

static int act(struct worker *w, const struct fault_msg *m, struct fault_reply *reply, struct seep_err *err)
{
    const struct fault_proxy *p;
    switch (m->type) {
    case FAULT_MSG_OPEN:
        return open_proxy(w, m, err);
    case FAULT_MSG_TOXIC:
        return set_toxic(w, m, err);
    case FAULT_MSG_COUNTS:
        if (!(p = find(w, m->name)))
            return seep_fail(err, SEEP_E_USAGE, "There is no proxy '%s'", m->name);
        reply->counts = p->counts;
        return 0;
    case FAULT_MSG_END:
        w->ending = true;
        return 0;
    default:
        return seep_fail(err, SEEP_E_USAGE, "The proxies do not know what is asked of them");
    }
}

static void answer(struct client *c, struct fault_msg *m)
{
    struct seep_err err = {0};
    struct fault_reply reply = {.magic = FAULT_MAGIC, .version = FAULT_VERSION, .seq = m->seq};
    m->name[sizeof m->name - 1] = m->listen[sizeof m->listen - 1] = m->to[sizeof m->to - 1] = '\0';
    if (act(c->worker, m, &reply, &err)) {
        reply.code = (int32_t)err.code;
        snprintf(reply.text, sizeof reply.text, "%.250s", err.text);
    }
    (void)!send(c->fd, &reply, sizeof reply, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// ---- supervisors

static void closed_client(uv_handle_t *handle)
{
    struct client *c = handle->data;
    close(c->fd);
    c->fd = -1;
}

static void drop(struct client *c)
{
    if (c->fd >= 0 && !uv_is_closing((uv_handle_t *)&c->poll))
        uv_close((uv_handle_t *)&c->poll, closed_client);
}

static void on_message(uv_poll_t *handle, int status, int events)
{
    struct client *c = handle->data;
    struct fault_msg m;
    (void)events;
    ssize_t got = status < 0 ? 0 : recv(c->fd, &m, sizeof m, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got != (ssize_t)sizeof m || m.magic != FAULT_MAGIC || m.version != FAULT_VERSION)
        drop(c);
    else
        answer(c, &m);
    if (c->worker->ending)
        uv_stop(&c->worker->loop);
}

static bool is_ours(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && (peer.uid == geteuid() || peer.uid == 0);
}

static void on_supervisor(uv_poll_t *handle, int status, int events)
{
    struct worker *w = handle->data;
    (void)events;
    int fd = status < 0 ? -1 : accept4(FAULT_FD_LISTEN, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    for (int i = 0; i < CLIENTS_MAX && is_ours(fd); i++) {
        struct client *c = &w->client[i];
        if (c->fd >= 0 || uv_poll_init(&w->loop, &c->poll, fd))
            continue;
        c->fd = fd;
        c->poll.data = c;
        uv_poll_start(&c->poll, UV_READABLE | UV_DISCONNECT, on_message);
        return;
    }
    close(fd);
}

// ---- without a supervisor

static bool followed_is_gone(struct worker *w)
{
    struct linux_stat st;
    return linux_stat_read(w->proc_fd, w->follow, &st, NULL) || st.starttime_ticks != w->follow_starttime;
}

static void undo_all(struct worker *w)
{
    static const struct fault_toxic none;
    for (int i = 0; i < w->n_proxies; i++) {
        for (unsigned slot = 0; slot < FAULT_SLOTS; slot++)
            if (w->proxy[i].set.slot[slot].kind != TOXIC_NONE)
                fault_set_put(&w->proxy[i].set, slot, &none);
        w->unsettled |= !fault_proxy_changed(&w->proxy[i]);
    }
}

static bool alone(const struct worker *w)
{
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (w->client[i].fd >= 0)
            return false;
    return true;
}

static void settle(struct worker *w)
{
    w->unsettled = false;
    for (int i = 0; i < w->n_proxies; i++)
        if (w->proxy[i].name[0])
            w->unsettled |= !fault_proxy_changed(&w->proxy[i]);
}

static void on_look(uv_timer_t *timer)
{
    struct worker *w = timer->data;
    int64_t now = clock_mono_ns();
    if (w->unsettled)
        settle(w);
    if (!alone(w)) {
        w->alone_since_ns = 0;
        return;
    }
    if (!w->alone_since_ns) {
        w->alone_since_ns = now;
        undo_all(w);
    }
    bool unused = w->n_proxies == 0 && now - w->alone_since_ns > LONELY_MS * 1000000ll;
    if (unused || followed_is_gone(w))
        uv_stop(&w->loop);
}

// ---- the process

static void raise_nofile(void)
{
    struct rlimit lim;
    if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < lim.rlim_max) {
        lim.rlim_cur = lim.rlim_max;
        setrlimit(RLIMIT_NOFILE, &lim);
    }
}

int fault_proxy_main(pid_t follow, uint64_t follow_starttime)
{
    static struct worker w;
    w.follow = follow;
    w.follow_starttime = follow_starttime;
    w.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (getrandom(&w.rng.state, sizeof w.rng.state, 0) < 0)
        w.rng.state = (uint64_t)clock_mono_ns();
    raise_nofile();
    if (w.proc_fd < 0 || uv_loop_init(&w.loop))
        return 1;
    for (int i = 0; i < CLIENTS_MAX; i++)
        w.client[i] = (struct client){.worker = &w, .fd = -1};
    uv_timer_init(&w.loop, &w.look);
    w.look.data = w.listen_poll.data = &w;
    if (uv_poll_init(&w.loop, &w.listen_poll, FAULT_FD_LISTEN))
        return 1;
    w.listen_poll.data = &w;
    uv_poll_start(&w.listen_poll, UV_READABLE, on_supervisor);
    uv_timer_start(&w.look, on_look, LOOK_MS, LOOK_MS);
    uv_run(&w.loop, UV_RUN_DEFAULT);
    for (int i = 0; i < w.n_proxies; i++)
        fault_proxy_close(&w.proxy[i]);
    unlinkat(FAULT_FD_DIR, FAULT_PROXY_SOCKET, 0);
    return 0; // connections and sockets end with the process
}
