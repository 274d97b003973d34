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

static pid_t spawn_check(char *const *argv, int *rc)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    pid_t pid = -1;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP); // its children go with it when it takes too long
    *rc = posix_spawnp(&pid, argv[0], &files, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return pid;
}

// The command's output is of no interest and its end is: 0 is ready. It has the rest of the time, at most five
// attempts' worth.
static bool try_command(struct run_ready *rd, char *const *argv, int64_t last_ns)
{
    int rc = 0, status = 0;
    pid_t pid = spawn_check(argv, &rc);
    if (rc) {
        say(rd, argv[0], strerror(rc));
        return false;
    }
    int64_t begin = clock_mono_ns(), end = begin + (int64_t)(5 * ATTEMPT_S * 1e9);
    if (end > last_ns)
        end = last_ns;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (clock_mono_ns() > end || atomic_load(&rd->cancel)) {
            kill(-pid, SIGKILL);
            waitpid(pid, &status, 0);
            // Cut short by the end of the time, it said nothing: the answer of the one before is worth more.
            if (clock_mono_ns() - begin > (int64_t)(ATTEMPT_S / 2 * 1e9) || !rd->last_answer[0])
                say(rd, argv[0], "took too long and was killed");
            return false;
        }
        poll(NULL, 0, 10);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    char text[40];
    snprintf(text, sizeof text, WIFEXITED(status) ? "exited with status %d" : "died of signal %d",
             WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    say(rd, argv[0], text);
    return false;
}

static bool attempt(struct run_ready *rd, int64_t last_ns)
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
        return try_command(rd, t->ready.argv, last_ns);
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
        if (attempt(rd, end)) {
            rd->ready = true;
            break;
        }
        if (clock_mono_ns() >= end)
            break;
        poll(NULL, 0, PAUSE_MS);
    }
    rd->after_s = (double)(clock_mono_ns() - begin) / 1e9;
}
