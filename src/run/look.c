// Looking at a run from another process: status, wait, stop. See run.h.
#include "base/fs.h"
#include "base/units.h"
#include "keeper/link.h"
#include "linux/pidfd.h"
#include "report/names.h"
#include "run/attach.h"
#include "run/control.h"
#include "run/hour.h"
#include "run/machine.h"
#include "run/run.h"
#include "store/store.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASK_MS 2000

static int end_record(int dir_fd, bool *found, int *exit_code, struct seep_err *err)
{
    struct store *st = NULL;
    struct seep_time when;
    char *reason = NULL, *json = NULL;
    if (store_open_read(dir_fd, &st, err))
        return -1;
    int rc = store_read_end(st, found, &when, &reason, exit_code, &json, err);
    free(reason);
    free(json);
    store_close(st);
    return rc;
}

static void fill_alive(struct run_look *out, const struct control_reply *reply)
{
    out->alive = RUN_ALIVE;
    snprintf(out->phase, sizeof out->phase, "%s", reply->state < RUN_STATES ? run_state_names[reply->state] : "");
    out->pid = reply->pid;
    out->target_pid = reply->target_pid;
    out->elapsed_s = reply->elapsed_s;
    out->total_s = reply->total_s;
    out->ticks = reply->ticks;
    snprintf(out->line, sizeof out->line, "%s", reply->line);
}

// An attached program has no keeper: it is looked for itself.
static void look_for_attached(int dir_fd, struct run_look *out)
{
    struct store *st = NULL;
    struct linux_process p;
    char *text = NULL;
    pid_t pid;
    uint64_t start;
    struct seep_err none;
    if (store_open_read(dir_fd, &st, &none))
        return;
    store_get_meta(st, M_ATTACHED, &text, NULL);
    store_close(st);
    int proc_fd = attach_parse(text, &pid, &start) ? linux_proc_open(&none) : -1;
    free(text);
    if (proc_fd < 0)
        return;
    if (linux_process_open(proc_fd, pid, start, &p, &none) == 0) {
        out->alive = linux_process_alive(&p) ? RUN_ORPHANED : RUN_BROKEN;
        out->target_pid = out->alive == RUN_ORPHANED ? pid : 0;
        linux_process_close(&p);
    }
    close(proc_fd);
}

static void look_for_keeper(int dir_fd, struct run_look *out)
{
    struct keeper_link link;
    struct keeper_stats stats;
    struct seep_err err;
    memset(&link, 0, sizeof link);
    if (keeper_attach(dir_fd, false, &link, &err)) {
        if (err.code != SEEP_E_TARGET)
            snprintf(out->trouble, sizeof out->trouble, "%.199s", err.text);
        return;
    }
    if (keeper_status(&link, &stats, &err) == 0) {
        out->alive = RUN_ORPHANED;
        out->target_pid = stats.state == KEEPER_RUNNING ? stats.target_pid : 0;
    } else {
        snprintf(out->trouble, sizeof out->trouble, "%.199s", err.text);
    }
    keeper_close(&link);
}

int run_look(const char *dir, struct run_look *out, struct seep_err *err)
{
    struct control_reply reply;
    *out = (struct run_look){
        .alive = RUN_BROKEN, .elapsed_s = NAN, .total_s = NAN, .ticks = SEEP_UNKNOWN, .exit_code = -1};
    int dir_fd = fs_open_dir(dir, false, err);
    if (dir_fd < 0)
        return -1;
    int fd = control_ask(dir_fd, CONTROL_STATUS, ASK_MS, &reply, err);
    if (fd >= 0) {
        fill_alive(out, &reply);
        close(fd);
        close(dir_fd);
        return 0;
    }
    bool found = false;
    int rc = end_record(dir_fd, &found, &out->exit_code, err);
    if (rc == 0 && found) {
        out->alive = RUN_ENDED;
    } else if (rc == 0) {
        out->exit_code = -1;
        look_for_keeper(dir_fd, out);
        if (out->alive == RUN_BROKEN)
            look_for_attached(dir_fd, out);
    }
    close(dir_fd);
    return rc;
}

static int kept_hour(int dir_fd, struct load_minute *out)
{
    struct seep_err none;
    struct store *st = NULL;
    if (store_open_read(dir_fd, &st, &none))
        return 0;
    int n = run_read_hour(st, out);
    store_close(st);
    return n;
}

int run_look_hour(const char *dir, struct load_minute *out)
{
    struct seep_err none;
    struct control_hour hour;
    int dir_fd = fs_open_dir(dir, false, &none);
    if (dir_fd < 0)
        return 0;
    int n = 0;
    if (control_ask_hour(dir_fd, ASK_MS, &hour, &none)) {
        n = kept_hour(dir_fd, out);
    } else {
        n = hour.n;
        memcpy(out, hour.minute, (size_t)n * sizeof *out);
    }
    close(dir_fd);
    return n;
}

// Waits on the supervisor's socket, which closes when it ends; -1 as limit waits for ever.
static bool wait_for_close(int fd, double timeout_s)
{
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLRDHUP};
    int64_t end = clock_mono_ns() + (int64_t)(timeout_s * 1e9);
    for (;;) {
        int64_t left_ms = timeout_s < 0 ? 60000 : (end - clock_mono_ns()) / 1000000;
        if (left_ms <= 0)
            return false;
        int n = poll(&p, 1, left_ms > 60000 ? 60000 : (int)left_ms);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return true;
    }
}

int run_wait(const char *dir, double timeout_s, int *exit_code, struct seep_err *err)
{
    struct control_reply reply;
    int dir_fd = fs_open_dir(dir, false, err);
    if (dir_fd < 0)
        return -1;
    bool found = false;
    int fd = control_ask(dir_fd, CONTROL_STATUS, ASK_MS, &reply, err), rc = 0;
    if (fd >= 0) {
        bool closed = wait_for_close(fd, timeout_s);
        close(fd);
        if (!closed)
            rc = seep_fail(err, SEEP_E_LIMIT, "The run goes on; the time given to wait is over");
    }
    if (rc == 0)
        rc = end_record(dir_fd, &found, exit_code, err);
    if (rc == 0 && !found)
        rc = seep_fail(err, SEEP_E_TARGET,
                       "The run's supervisor is gone without an end record; use: seep resume %.200s, or seep finish",
                       dir);
    close(dir_fd);
    return rc;
}

int run_stop(const char *dir, struct seep_err *err)
{
    struct control_reply reply;
    int dir_fd = fs_open_dir(dir, false, err);
    if (dir_fd < 0)
        return -1;
    int fd = control_ask(dir_fd, CONTROL_STOP, ASK_MS, &reply, err);
    if (fd < 0)
        seep_fail(err, SEEP_E_TARGET,
                  "No supervisor is at work on '%.200s'; if the target still runs, use: seep finish", dir);
    else
        close(fd);
    close(dir_fd);
    return fd < 0 ? -1 : 0;
}
