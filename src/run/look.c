// Looking at a run from another process: status, wait, stop. See run.h.
#include "base/fs.h"
#include "base/units.h"
#include "keeper/link.h"
#include "linux/exe.h"
#include "linux/host.h"
#include "linux/locks.h"
#include "linux/pidfd.h"
#include "report/names.h"
#include "run/attach.h"
#include "run/control.h"
#include "run/hour.h"
#include "run/machine.h"
#include "run/run.h"
#include "run/state.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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
    bool answered = reply->magic == CONTROL_MAGIC;
    out->alive = RUN_ALIVE;
    if (answered && reply->state < RUN_STATES)
        snprintf(out->phase, sizeof out->phase, "%s", run_state_names[reply->state]);
    out->pid = reply->pid;
    out->target_pid = reply->target_pid;
    out->elapsed_s = reply->elapsed_s;
    out->total_s = reply->total_s;
    out->ticks = reply->ticks;
    snprintf(out->line, sizeof out->line, "%s", reply->line);
}

// The lock of the store is held from a supervisor's first moment to its last, its socket is there in between only; and
// one that has as many clients as it takes closes the next.
static bool look_for_writer(int dir_fd, int proc_fd, struct run_look *out)
{
    int fd = openat(dir_fd, "run.lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    pid_t holder = fd >= 0 ? linux_flock_holder(proc_fd, fd) : 0;
    if (fd >= 0)
        close(fd);
    if (holder) {
        out->alive = RUN_ALIVE;
        out->pid = holder;
    }
    return holder != 0;
}

static bool lives(int proc_fd, pid_t pid, uint64_t starttime_ticks)
{
    struct linux_process p;
    if (pid <= 0 || starttime_ticks == 0 || linux_process_open(proc_fd, pid, starttime_ticks, &p, NULL))
        return false;
    bool alive = linux_process_alive(&p);
    linux_process_close(&p);
    return alive;
}

// An attached program has no keeper: it is looked for itself.
static void look_for_attached(int dir_fd, int proc_fd, struct run_look *out)
{
    struct store *st = NULL;
    char *text = NULL;
    pid_t pid;
    uint64_t start;
    if (store_open_read(dir_fd, &st, NULL))
        return;
    store_get_meta(st, M_ATTACHED, &text, NULL);
    store_close(st);
    if (attach_parse(text, &pid, &start) && lives(proc_fd, pid, start)) {
        out->alive = RUN_ORPHANED;
        out->target_pid = pid;
    }
    free(text);
}

static bool of_this_boot(const struct keeper_start_record *start)
{
    char text[64] = "", hex[33];
    struct linux_host host;
    int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    linux_host_read(root, &host);
    if (root >= 0)
        close(root);
    linux_hex(start->boot_id, sizeof start->boot_id, hex);
    for (size_t i = 0, n = 0; host.boot_id[i] && n < sizeof text - 1; i++)
        if (host.boot_id[i] != '-')
            text[n++] = host.boot_id[i];
    return strcmp(text, hex) == 0;
}

// Its keeper does not answer, which a busy machine can do to it as well: its record says whom to look for.
static void look_by_record(int dir_fd, int proc_fd, struct run_look *out)
{
    struct keeper_start_record start;
    if (keeper_read_start_record(dir_fd, &start, NULL) != 1 || !of_this_boot(&start))
        return;
    if (lives(proc_fd, start.keeper_pid, start.keeper_starttime_ticks))
        out->alive = RUN_ORPHANED;
    if (lives(proc_fd, start.target_pid, start.target_starttime_ticks))
        out->target_pid = start.target_pid;
}

bool run_keeper_lives(int dir_fd)
{
    struct run_look look = {.alive = RUN_BROKEN};
    int proc_fd = linux_proc_open(NULL);
    if (proc_fd < 0)
        return false;
    look_by_record(dir_fd, proc_fd, &look);
    close(proc_fd);
    return look.alive == RUN_ORPHANED;
}

static void look_for_keeper(int dir_fd, int proc_fd, struct run_look *out)
{
    struct keeper_link link;
    struct keeper_stats stats;
    struct seep_err err;
    memset(&link, 0, sizeof link);
    if (keeper_attach(dir_fd, false, &link, &err) == 0 && keeper_status(&link, &stats, &err) == 0) {
        out->alive = RUN_ORPHANED;
        out->target_pid = stats.state == KEEPER_RUNNING ? stats.target_pid : 0;
    } else {
        look_by_record(dir_fd, proc_fd, out);
        if (out->alive == RUN_ORPHANED || err.code != SEEP_E_TARGET)
            snprintf(out->trouble, sizeof out->trouble, "%.199s", err.text);
    }
    keeper_close(&link);
}

// No supervisor answers, and there is no end record.
static void look_around(int dir_fd, struct run_look *out)
{
    int proc_fd = linux_proc_open(NULL);
    if (proc_fd < 0 || !look_for_writer(dir_fd, proc_fd, out)) {
        look_for_keeper(dir_fd, proc_fd, out);
        if (out->alive == RUN_BROKEN)
            look_for_attached(dir_fd, proc_fd, out);
    }
    if (proc_fd >= 0)
        close(proc_fd);
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
        look_around(dir_fd, out);
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

// Is there nobody any more at the other end? What it still said, late, is read and dropped.
static bool is_closed(int fd)
{
    struct control_reply late;
    ssize_t n;
    while ((n = recv(fd, &late, sizeof late, MSG_DONTWAIT)) > 0)
        ;
    return n == 0 || (errno != EAGAIN && errno != EINTR);
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
        if (n > 0 && is_closed(fd))
            return true;
        if (n < 0 && errno != EINTR)
            return true;
    }
}

static bool writer_lives(int dir_fd)
{
    struct run_look look;
    int proc_fd = linux_proc_open(NULL);
    bool at_work = proc_fd >= 0 && look_for_writer(dir_fd, proc_fd, &look);
    if (proc_fd >= 0)
        close(proc_fd);
    return at_work;
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
    if (rc == 0 && !found && writer_lives(dir_fd))
        rc = seep_fail(err, SEEP_E_LIMIT, "The run's supervisor is at work but takes no more clients now, or not yet");
    else if (rc == 0 && !found)
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
    int fd = control_ask(dir_fd, CONTROL_STOP, ASK_MS, &reply, err), rc = 0;
    if (fd < 0)
        rc = seep_fail(err, SEEP_E_TARGET,
                       "No supervisor is at work on '%.200s'; if the target still runs, use: seep finish", dir);
    else if (reply.magic != CONTROL_MAGIC)
        rc = seep_fail(err, SEEP_E_TARGET, "%.300s; it stops as soon as it takes the order", err ? err->text : "");
    if (fd >= 0)
        close(fd);
    close(dir_fd);
    return rc;
}
