// A keeper with a real target in a run directory of its own, for the tests called test_keeper_*. Waits are for events
// and have a limit; rig_close() checks that nobody and nothing is left behind.
#ifndef SEEP_TESTS_KEEPER_RIG_H
#define SEEP_TESTS_KEEPER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keeper/link.h"

#define RIG_LIMIT_MS 60000

struct rig {
    char dir[64];
    int dir_fd;
    struct keeper_link link;
    struct keeper_config cfg;
    const char *argv[8];
    char exec_path[256];
    struct seep_err err;
    // what came
    struct keeper_started started;
    struct keeper_failed failed;
    struct keeper_exit_record exit;
    bool has_started, has_failed, has_exited, has_empty, is_lost;
    struct keeper_region regions[KEEPER_REGIONS_MAX];
    int region_fds[KEEPER_REGIONS_MAX];
    size_t region_count;
    int memory_fd; // of the region that came last; -1: none
};

static inline int64_t rig_now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

// target: a name below build/targets, or a path.
static inline void rig_prepare(struct rig *r, const char *target, const char *arg)
{
    static const char *const no_env[] = {"PATH=/usr/bin:/bin", NULL};
    memset(r, 0, sizeof *r);
    snprintf(r->dir, sizeof r->dir, "/tmp/seep-test-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    r->dir_fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(r->dir_fd >= 0);
    if (strchr(target, '/'))
        snprintf(r->exec_path, sizeof r->exec_path, "%s", target);
    else
        snprintf(r->exec_path, sizeof r->exec_path, SEEP_BUILD_DIR "/targets/%s", target);
    r->memory_fd = -1;
    r->argv[0] = target;
    r->argv[1] = arg;
    r->cfg = (struct keeper_config){
        .keeper_path = SEEP_BUILD_DIR "/bin/seep-keeper",
        .run_dir_fd = r->dir_fd,
        .exec_path = r->exec_path,
        .argv = r->argv,
        .envp = no_env,
        .cwd = "/",
    };
}

static inline void rig_ok(struct rig *r, int rc)
{
    if (rc < 0)
        fail_msg("%s", r->err.text);
}

static inline void rig_start(struct rig *r)
{
    rig_ok(r, keeper_start(&r->cfg, &r->link, &r->err));
}

static inline void rig_take(struct rig *r, const struct keeper_event *ev)
{
    switch (ev->kind) {
    case KEEPER_EV_STARTED:
        r->started = ev->u.started;
        r->has_started = true;
        break;
    case KEEPER_EV_START_FAILED:
        r->failed = ev->u.failed;
        r->has_failed = true;
        break;
    case KEEPER_EV_EXITED:
        r->exit = ev->u.exit;
        r->has_exited = true;
        break;
    case KEEPER_EV_EMPTY:
        r->has_empty = true;
        break;
    case KEEPER_EV_LOST:
        r->is_lost = true;
        break;
    case KEEPER_EV_REGION:
        assert_true(r->region_count < KEEPER_REGIONS_MAX);
        r->regions[r->region_count] = ev->u.region;
        r->region_fds[r->region_count++] = ev->fd;
        r->memory_fd = ev->memory_fd;
        break;
    default:
        break;
    }
}

// Takes events until *flag is set.
static inline void rig_until(struct rig *r, const bool *flag)
{
    int64_t deadline = rig_now_ms() + RIG_LIMIT_MS;
    while (!*flag) {
        struct keeper_event ev;
        rig_ok(r, keeper_next_event(&r->link, &ev, &r->err));
        rig_take(r, &ev);
        if (ev.kind != KEEPER_EV_NONE)
            continue;
        if (rig_now_ms() > deadline)
            fail_msg("the event did not come in %d ms", RIG_LIMIT_MS);
        struct pollfd p = {.fd = keeper_fd(&r->link), .events = POLLIN};
        poll(&p, 1, 100);
    }
}

static inline void rig_run(struct rig *r)
{
    rig_start(r);
    rig_ok(r, keeper_begin(&r->link, &r->err));
}

// Runs to the end of everybody.
static inline void rig_run_out(struct rig *r)
{
    rig_run(r);
    rig_until(r, &r->has_empty);
}

static inline char *rig_read(struct rig *r, const char *name, size_t *len)
{
    int fd = openat(r->dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    char *text = calloc(1, (size_t)st.st_size + 1);
    assert_non_null(text);
    assert_int_equal(read(fd, text, (size_t)st.st_size), st.st_size);
    close(fd);
    if (len)
        *len = (size_t)st.st_size;
    return text;
}

// Waits until target.log holds needle.
static inline void rig_until_log(struct rig *r, const char *needle)
{
    for (int64_t deadline = rig_now_ms() + RIG_LIMIT_MS;;) {
        char *log = rig_read(r, KEEPER_LOG_NAME, NULL);
        bool found = log && strstr(log, needle);
        free(log);
        if (found)
            return;
        if (rig_now_ms() > deadline)
            fail_msg("\"%s\" did not come in the log", needle);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

static inline void rig_remove_dir(struct rig *r)
{
    DIR *d = opendir(r->dir);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            unlinkat(r->dir_fd, e->d_name, 0);
    if (d)
        closedir(d);
    for (size_t i = 0; i < r->region_count; i++)
        close(r->region_fds[i]);
    close(r->dir_fd);
    rmdir(r->dir);
}

// The keeper must go when told, take its socket with it, and leave this process without children.
static inline void rig_close(struct rig *r)
{
    rig_ok(r, keeper_shutdown(&r->link, &r->err));
    assert_int_equal(faccessat(r->dir_fd, KEEPER_SOCKET_NAME, F_OK, 0), -1);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    rig_remove_dir(r);
}

#endif
