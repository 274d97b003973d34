// Starting, resuming and closing runs: see run.h. The life in between is machine.c.
#include "run/run.h"
#include "base/fs.h"
#include "run/attach.h"
#include "run/state.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct run *new_run(void)
{
    struct run *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->magic = RUN_MAGIC;
    r->dir_fd = r->control_fd = r->detach_pipe = -1;
    r->link.fd = -1;
    r->live.fd = -1;
    r->target_lock = r->target.pidfd = -1;
    r->shutdown.after_s = NAN;
    r->shutdown.children_left = -1;
    return r;
}

static void fill_result(const struct run *r, struct run_result *out)
{
    snprintf(out->id, sizeof out->id, "%s", r->id);
    snprintf(out->dir, sizeof out->dir, "%s", r->dir);
    out->exit_code = r->exit_code;
    out->in_background = false;
    out->has_report = r->dir_fd >= 0 && faccessat(r->dir_fd, "report.html", R_OK, 0) == 0;
}

// A verdict whose end could not be stored is none: it may have been reached on half of the evidence.
static void print_report(const struct run *r)
{
    if (r->end_failed)
        fprintf(stderr,
                "seep: the end of run %s could not be stored: %s. What was stored before is kept; once this is "
                "mended, judge it with: seep finish %s\n",
                r->id, r->outcome.text, r->dir);
    else if (r->report_text)
        fputs(r->report_text, stdout);
    fflush(stdout);
}

// A run that was left (SIGQUIT) goes on without us.
static void say_left(struct run *r)
{
    r->exit_code = 128 + SIGINT; // interrupted: there is no verdict yet, and 0 would be one
    fprintf(stderr, "seep: left run %s; the target runs on. Go on with: seep resume %s\n", r->id, r->dir);
}

static int drive(struct run *r, enum run_event first, struct seep_err *err)
{
    if (run_loop_init(r, err))
        return -1;
    if (r->attached)
        attach_watch(r);
    else
        run_watch_keeper(r);
    run_feed(r, first);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    live_clear(&r->live);
    run_loop_close(r);
    return 0;
}

static void end_run(struct run *r)
{
    run_setup_free(r);
    free(r);
}

// ---- detaching: the parent waits until the start is decided

struct detach_word {
    bool started;
    struct run_result result;
    struct seep_err err;
};

void run_detach_tell(struct run *r)
{
    if (r->detach_pipe < 0)
        return;
    struct detach_word word = {.started = true};
    fill_result(r, &word.result);
    word.result.in_background = true;
    fs_write_all(r->detach_pipe, &word, sizeof word, NULL);
    close(r->detach_pipe);
    r->detach_pipe = -1;
}

static void detach_failed(int fd, const struct seep_err *err)
{
    struct detach_word word = {.started = false, .err = *err};
    fs_write_all(fd, &word, sizeof word, NULL);
}

static int wait_for_child(int fd, pid_t pid, struct run_result *out, struct seep_err *err)
{
    struct detach_word word;
    size_t got = 0;
    ssize_t n;
    while (got < sizeof word &&
           ((n = read(fd, (char *)&word + got, sizeof word - got)) > 0 || (n < 0 && errno == EINTR)))
        got += n > 0 ? (size_t)n : 0;
    close(fd);
    if (got == sizeof word && word.started) {
        *out = word.result;
        return 0;
    }
    int status = 0;
    waitpid(pid, &status, 0);
    if (got == sizeof word) {
        *err = word.err;
        return -1;
    }
    // The run came and went before it was ready: its exit status is the answer.
    memset(out, 0, sizeof *out);
    out->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 6;
    return 0;
}

static void into_background(void)
{
    setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        dup2(null, fd);
}

static int start_here(const struct run_options *opt, int detach_pipe, struct run_result *out, struct seep_err *err)
{
    struct run *r = new_run();
    if (!r)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for a run");
    r->opt = *opt;
    r->profile = opt->profile;
    r->baseline = opt->baseline;
    r->detach_pipe = detach_pipe;
    int rc = run_setup_new(r, err);
    if (rc == 0)
        rc = drive(r, RUN_EV_BEGIN, err);
    if (rc == 0) {
        if (r->leave)
            say_left(r);
        else
            print_report(r);
        fill_result(r, out);
    } else if (r->detach_pipe >= 0) {
        detach_failed(r->detach_pipe, err);
    }
    if (r->detach_pipe >= 0)
        close(r->detach_pipe);
    if (rc && r->dir_fd >= 0 && !r->linked && !r->opt.name)
        fprintf(stderr, "seep: the beginning of run %s is kept in %s\n", r->id, r->dir);
    end_run(r);
    return rc;
}

int run_start(const struct run_options *opt, struct run_result *out, struct seep_err *err)
{
    memset(out, 0, sizeof *out);
    if (!opt->detach)
        return start_here(opt, -1, out, err);
    int fds[2];
    if (pipe2(fds, O_CLOEXEC))
        return seep_fail_errno(err, errno, "A pipe cannot be made");
    pid_t pid = fork();
    if (pid < 0)
        return seep_fail_errno(err, errno, "The run cannot go into the background");
    if (pid > 0) {
        close(fds[1]);
        return wait_for_child(fds[0], pid, out, err);
    }
    close(fds[0]);
    into_background();
    struct run_options quiet = *opt;
    quiet.quiet = true;
    int rc = start_here(&quiet, fds[1], out, err);
    _exit(rc ? seep_codes[err->code].exit_status : out->exit_code);
}

// ---- resume and finish

// The keeper that would have removed it is gone; a target that lives on keeps it in use.
static void remove_or_name_cgroup(struct run *r)
{
    struct seep_err err;
    if (!r->cgroup.ours || linux_cgroup_remove(&r->cgroup, &err) == 0)
        return;
    run_event_note(r, E_WARNING, "The control group %.300s is still in use and was left behind.", r->cgroup.dirs[0]);
    r->cgroup.ours = false;
}

// Nobody is left to go on with: the exit record, when there is one, says how the target ended.
static void close_lost(struct run *r)
{
    remove_or_name_cgroup(r);
    struct seep_err err;
    r->tree_empty = true;
    r->have_exit = keeper_read_exit_record(r->dir_fd, &r->exit, &err) == 1;
    struct keeper_start_record start;
    if (keeper_read_start_record(r->dir_fd, &start, &err) != 1 && !r->has_last_stored) {
        r->outcome.error = true;
        snprintf(r->outcome.text, sizeof r->outcome.text,
                 "The supervisor was gone before the target had been started.");
        snprintf(r->shutdown.skipped, sizeof r->shutdown.skipped, "The target was never started.");
        return;
    }
    char text[300] = "is gone, and nobody saw how it ended";
    if (r->have_exit)
        keeper_exit_text(&r->exit, text, sizeof text);
    if (r->has_last_stored)
        r->measure_ended = r->last_stored;
    bool completed = r->exit.how == KEEPER_HOW_EXITED && r->exit.status == 0 && r->profile->target.life == LIFE_JOB;
    bool fine = r->have_exit && (completed || r->exit.after_stop);
    r->outcome.target_failed = !fine;
    if (!r->outcome.text[0])
        snprintf(r->outcome.text, sizeof r->outcome.text, "The supervisor was gone, and the target %s.", text);
    snprintf(r->shutdown.skipped, sizeof r->shutdown.skipped, "The target was gone when the run was taken up again.");
}

static int again(const char *dir, bool quiet, bool finish_only, struct run_result *out, struct seep_err *err)
{
    struct run *r = new_run();
    bool alive = false;
    if (!r)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for a run");
    r->opt.quiet = quiet;
    r->adopting = true;
    r->finish_only = finish_only;
    snprintf(r->dir, sizeof r->dir, "%s", dir);
    int rc = run_setup_again(r, &alive, err);
    if (rc == 0 && r->had_ended) {
        fprintf(stderr, "seep: this run had ended already; its verdict stands (exit code %d)\n", r->exit_code);
    } else if (rc == 0 && alive) {
        r->state = r->attached ? RUN_NEW : RUN_STARTING; // the keeper tells again that it has started, and all since
        rc = drive(r, RUN_EV_BEGIN, err);
    } else if (rc == 0) {
        close_lost(r);
        rc = run_end(r, err);
    }
    if (rc == 0) {
        if (r->leave)
            say_left(r);
        else
            print_report(r);
        fill_result(r, out);
    }
    end_run(r);
    return rc;
}

int run_resume(const char *dir, bool quiet, struct run_result *out, struct seep_err *err)
{
    return again(dir, quiet, false, out, err);
}

int run_finish(const char *dir, bool quiet, struct run_result *out, struct seep_err *err)
{
    return again(dir, quiet, true, out, err);
}
