// The ready check: see ready.h.
#include "run/ready.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "load/http_check.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTEMPT_S 1.0
#define PAUSE_MS  50
#define LOG_LIMIT (2u << 20) // the bounded head of the target's log

extern char **environ;

static void say(struct run_ready *rd, const char *what, const char *why)
{
    snprintf(rd->last_answer, sizeof rd->last_answer, "%s: %s.", what, why);
}

static bool try_http(struct run_ready *rd, const char *url)
{
    struct seep_err err = {0};
    int status = 0;
    if (load_http_check(url, ATTEMPT_S, &status, &err)) {
        snprintf(rd->last_answer, sizeof rd->last_answer, "%.250s", err.text);
        return false;
    }
    if (status >= 200 && status < 400)
        return true;
    char text[40];
    snprintf(text, sizeof text, "status %d", status);
    say(rd, url, text);
    return false;
}

static bool connect_to(const struct addrinfo *ai, char *why, size_t size)
{
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, ai->ai_protocol);
    if (fd < 0)
        return false;
    int rc = connect(fd, ai->ai_addr, ai->ai_addrlen), code = rc ? errno : 0;
    if (rc && code == EINPROGRESS) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        socklen_t len = sizeof code;
        if (poll(&p, 1, (int)(ATTEMPT_S * 1000)) == 1)
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len);
        else
            code = ETIMEDOUT;
    }
    close(fd);
    if (code)
        snprintf(why, size, "%s", strerror(code));
    return code == 0;
}

static bool try_tcp(struct run_ready *rd, const char *where)
{
    char host[256];
    const char *colon = strrchr(where, ':');
    size_t len = colon ? (size_t)(colon - where) : 0;
    if (!colon || len >= sizeof host) {
        say(rd, where, "is not host:port");
        return false;
    }
    bool bracketed = len >= 2 && where[0] == '[' && where[len - 1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(bracketed ? len - 2 : len), where + bracketed);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    char why[128] = "no address";
    int rc = getaddrinfo(host[0] ? host : "127.0.0.1", colon + 1, &hints, &list);
    if (rc) {
        say(rd, where, gai_strerror(rc));
        return false;
    }
    bool ok = false;
    for (const struct addrinfo *ai = list; ai && !ok; ai = ai->ai_next)
        ok = connect_to(ai, why, sizeof why);
    freeaddrinfo(list);
    if (!ok)
        say(rd, where, why);
    return ok;
}

static bool try_log(struct run_ready *rd, const char *text)
{
    struct seep_buf log;
    struct seep_err err;
    buf_init(&log, LOG_LIMIT);
    bool found = false;
    fs_read_file(rd->dir_fd, "target.log", &log, &err); // a log past the limit still has its head in the buffer
    if (log.len > 0)
        found = memmem(log.data, log.len, text, strlen(text)) != NULL;
    buf_free(&log);
    if (!found)
        snprintf(rd->last_answer, sizeof rd->last_answer, "The target has not printed '%.150s' yet.", text);
    return found;
}

// The command's output is of no interest and its end is: 0 is ready. Killed when it outlasts the attempt fivefold.
static bool try_command(struct run_ready *rd, char *const *argv)
{
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    pid_t pid;
    int rc = posix_spawnp(&pid, argv[0], &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    if (rc) {
        say(rd, argv[0], strerror(rc));
        return false;
    }
    int status = 0;
    int64_t end = clock_mono_ns() + (int64_t)(5 * ATTEMPT_S * 1e9);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (clock_mono_ns() > end || atomic_load(&rd->cancel)) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            break;
        }
        poll(NULL, 0, 10);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    say(rd, argv[0], WIFEXITED(status) ? "exited with an error status" : "was killed or took too long");
    return false;
}

static bool attempt(struct run_ready *rd)
{
    const struct profile_target *t = &rd->profile->target;
    switch (t->ready.kind) {
    case READY_HTTP:
        return try_http(rd, t->ready.what);
    case READY_TCP:
        return try_tcp(rd, t->ready.what);
    case READY_LOG:
        return try_log(rd, t->ready.what);
    case READY_COMMAND:
        return try_command(rd, t->ready.argv);
    case READY_NONE:
        break;
    }
    return true;
}

void run_ready_wait(struct run_ready *rd)
{
    int64_t begin = clock_mono_ns();
    int64_t end = begin + (int64_t)(rd->profile->target.ready.within_s * 1e9);
    rd->ready = false;
    rd->last_answer[0] = 0;
    while (!atomic_load(&rd->cancel)) {
        if (attempt(rd)) {
            rd->ready = true;
            break;
        }
        if (clock_mono_ns() >= end)
            break;
        poll(NULL, 0, PAUSE_MS);
    }
    rd->after_s = (double)(clock_mono_ns() - begin) / 1e9;
}
