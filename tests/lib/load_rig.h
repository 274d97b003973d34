// What the tests of the load share: servers of ours on loopback, profiles from text, and a loop that waits for events
// with a limit. The test program itself is the worker: its main() must begin with load_rig_worker().
#ifndef SEEP_TESTS_LOAD_RIG_H
#define SEEP_TESTS_LOAD_RIG_H

#include "base/clock.h"
#include "load/load.h"
#include "load/worker.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct rig_server {
    pid_t pid;
    int port;
};

// How far a worker's memory may grow and still count as flat: what a sanitizer was told is free stays for a while.
static inline uint64_t rig_growth_bytes(uint64_t allowed)
{
#ifdef __SANITIZE_ADDRESS__
    return allowed + 256u * 1024 * 1024;
#else
    return allowed;
#endif
}

static inline int load_rig_worker(int argc, char **argv)
{
    return argc == 3 && strcmp(argv[1], "load-worker") == 0 ? load_worker_main(3) : -1;
}

// Starts SEEP_BUILD_DIR/targets/NAME with up to four words and reads its port from its first line.
static inline struct rig_server rig_serve(const char *name, const char *const words[4])
{
    char path[512], line[128];
    int out[2];
    snprintf(path, sizeof path, SEEP_BUILD_DIR "/targets/%s", name);
    assert_int_equal(pipe(out), 0);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, out[1], 1);
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
    char *argv[] = {path, (char *)words[0], (char *)words[1], (char *)words[2], (char *)words[3], NULL};
    struct rig_server s = {0};
    assert_int_equal(posix_spawn(&s.pid, path, &files, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&files);
    close(out[1]);
    FILE *f = fdopen(out[0], "r");
    assert_non_null(fgets(line, sizeof line, f));
    assert_int_equal(sscanf(line, "listening on http://127.0.0.1:%d", &s.port), 1);
    fclose(f);
    return s;
}

static inline int rig_end(struct rig_server s)
{
    int status;
    kill(s.pid, SIGTERM);
    assert_int_equal(waitpid(s.pid, &status, 0), s.pid);
    return status;
}

// How often a vandal_http was asked for `path`, from its own /count.
static inline unsigned long rig_asked(int port, const char *path)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    static const char ask[] = "GET /count HTTP/1.1\r\n\r\n";
    char reply[4096], line[64];
    size_t len = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(send(fd, ask, sizeof ask - 1, 0), sizeof ask - 1);
    while (len < sizeof reply - 1) {
        ssize_t n = recv(fd, reply + len, sizeof reply - 1 - len, 0);
        assert_true(n > 0);
        len += (size_t)n;
        reply[len] = 0;
        if (strstr(reply, "\n/count "))
            break;
    }
    close(fd);
    snprintf(line, sizeof line, "\n%s ", path);
    const char *found = strstr(reply, line);
    assert_non_null(found);
    return strtoul(found + strlen(line), NULL, 10);
}

// What carries the requests of the profiles that follow: "own", "curl"; "auto" when nothing is said.
static const char *rig_engine __attribute__((unused)) = "auto";

// A profile from text in which every @ is the server's port. rig_engine is written into a load in block style.
static inline struct profile *rig_profile(int port, const char *text)
{
    static const char load[] = "\nload:\n";
    const char *at_load = strstr(text, load);
    struct seep_buf b;
    struct seep_err err = {0};
    struct profile *p;
    buf_init(&b, 65536);
    for (; *text; text++) {
        if (at_load && text == at_load + sizeof load - 1)
            buf_printf(&b, "  engine: %s\n", rig_engine);
        if (*text == '@')
            buf_printf(&b, "%d", port);
        else
            buf_char(&b, *text);
    }
    if (profile_parse(b.data, b.len, "test", &p, &err) < 0)
        fail_msg("%s", err.text);
    buf_free(&b);
    return p;
}

static inline struct load *rig_start(struct profile *p)
{
    struct load *l;
    struct seep_err err = {0};
    struct load_options options = {.report_interval_ms = 50, .seed = 42};
    if (load_start(p, "/proc/self/exe", &options, &l, &err) < 0)
        fail_msg("%s", err.text);
    profile_free(p);
    return l;
}

// Polls until `done` says so; false after limit_s, or a minute on a machine that is busy with other things.
static inline bool rig_wait(struct load *l, bool (*done)(struct load *l, uint64_t arg), uint64_t arg, double limit_s)
{
    int64_t until_ns = clock_mono_ns() + (int64_t)((limit_s < 60 ? 60 : limit_s) * 1e9);
    while (!done(l, arg)) {
        if (clock_mono_ns() > until_ns)
            return false;
        struct pollfd p = {.fd = load_fd(l), .events = POLLIN};
        poll(&p, 1, 50);
        load_poll(l);
    }
    return true;
}

static inline bool rig_is(struct load *l, uint64_t state)
{
    return load_state(l) == (enum load_state)state;
}

static inline bool rig_completed(struct load *l, uint64_t n)
{
    return load_counts(l, LOAD_ALL)->completed >= n;
}

static inline struct load *rig_begin(struct profile *p)
{
    struct load *l = rig_start(p);
    struct seep_err err = {0};
    assert_true(rig_wait(l, rig_is, LOAD_READY, 20));
    assert_int_equal(load_begin(l, 0, &err), 0);
    return l;
}

static inline void rig_stop(struct load *l, double grace_s)
{
    struct seep_err err = {0};
    assert_int_equal(load_stop(l, grace_s, &err), 0);
    assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 20));
}

// Runs the load until `n` requests are completed, and stops it.
static inline struct load *rig_run(int port, const char *text, uint64_t n)
{
    struct load *l = rig_begin(rig_profile(port, text));
    if (!rig_wait(l, rig_completed, n, 120))
        fail_msg("only %llu requests completed", (unsigned long long)load_counts(l, LOAD_ALL)->completed);
    rig_stop(l, 5);
    return l;
}

#endif
