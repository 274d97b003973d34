// Asking once whether something is well: see ask.h.
#include "run/ask.h"
#include "base/buf.h"
#include "base/clock.h"
#include "linux/connect.h"
#include "load/http_check.h"
#include "profile/profile.h"
#include "run/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BODY_LIMIT   (1u << 20)
#define OUTPUT_LIMIT (64u << 10)
#define LOOK_MS      10
#define DRAIN_CHUNKS 64

extern char **environ;

static bool say(char why[RUN_ASK_WHY], const char *what, const char *reason)
{
    snprintf(why, RUN_ASK_WHY, "%.120s: %.120s.", what, reason);
    return false;
}

// ---- HTTP

static bool accepted(const struct run_ask_http *ask, int status)
{
    for (int i = 0; i < ask->n_status; i++)
        if (ask->status[i] == status)
            return true;
    return ask->n_status == 0 && status >= 200 && status < 400;
}

static bool holds(const struct seep_buf *text, const char *wanted)
{
    return text->len > 0 && memmem(text->data, text->len, wanted, strlen(wanted)) != NULL;
}

bool run_ask_http(const struct run_ask_http *ask, char why[RUN_ASK_WHY])
{
    struct seep_err err = {0};
    struct seep_buf body;
    int status = 0;
    char *url = profile_expand_env(ask->url, &err), text[40];
    if (!url) {
        snprintf(why, RUN_ASK_WHY, "%.250s", err.text);
        return false;
    }
    buf_init(&body, BODY_LIMIT);
    int rc = ask->contains ? load_http_get(url, NULL, ask->within_s, &status, &body, &err)
                           : load_http_check(url, ask->within_s, &status, &err);
    bool ok = false;
    snprintf(text, sizeof text, "status %d", status);
    if (rc && err.code != SEEP_E_LIMIT)
        snprintf(why, RUN_ASK_WHY, "%.250s", err.text);
    else if (!accepted(ask, status))
        say(why, ask->url, text);
    else if (ask->contains && !holds(&body, ask->contains))
        say(why, ask->url, "the body does not hold the text that is wanted");
    else
        ok = true;
    buf_free(&body);
    free(url);
    return ok;
}

// ---- a connection

bool run_ask_tcp(const char *where, double within_s, char why[RUN_ASK_WHY])
{
    char reason[160];
    struct seep_err err;
    char *place = profile_expand_env(where, &err);
    if (!place) {
        snprintf(why, RUN_ASK_WHY, "%.250s", err.text);
        return false;
    }
    bool ok = linux_connect(place, within_s, reason, sizeof reason) == 0 || say(why, where, reason);
    free(place);
    return ok;
}

// ---- a command

static pid_t spawn(char *const *argv, char *const *env, int out, int *rc)
{
    sigset_t none, all;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    pid_t pid = -1;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (out >= 0)
        posix_spawn_file_actions_adddup2(&files, out, 1);
    else
        posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none); // what we block and ignore is ours alone
    posix_spawnattr_setsigdefault(&attr, &all);
    // A group of its own: its children go with it when it takes too long.
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    *rc = posix_spawnp(&pid, argv[0], &files, &attr, argv, env ? env : environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return pid;
}

// What is past the ceiling is read all the same: a command must not hang because nobody listens. Only so much at a
// time: one that floods must not keep us from looking at the clock.
static void drain(int fd, struct seep_buf *out)
{
    char chunk[4096];
    ssize_t got;
    for (int i = 0; i < DRAIN_CHUNKS && fd >= 0 && (got = read(fd, chunk, sizeof chunk)) > 0; i++)
        buf_add(out, chunk, (size_t)got < OUTPUT_LIMIT - out->len ? (size_t)got : OUTPUT_LIMIT - out->len);
}

static bool cancelled(const struct run_ask_command *ask)
{
    return ask->cancel && atomic_load(ask->cancel);
}

// Waits for the end of the command's own process; false when it had to be killed. Its group is killed in either case:
// what it left behind is of no use to anybody.
static bool wait_for(const struct run_ask_command *ask, pid_t pid, int fd, struct seep_buf *out, int *status)
{
    bool ended;
    siginfo_t info;
    for (;;) {
        drain(fd, out);
        info.si_pid = 0;
        ended = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
        if (ended || clock_mono_ns() > ask->last_ns || cancelled(ask))
            break;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        poll(&p, 1, LOOK_MS);
    }
    kill(-pid, SIGKILL); // not reaped yet, so the group is still its own
    waitpid(pid, status, 0);
    drain(fd, out);
    return ended;
}

static bool judge_end(const struct run_ask_command *ask, int status, const struct seep_buf *out, char *why)
{
    char text[40];
    bool exited = WIFEXITED(status);
    snprintf(text, sizeof text, exited ? "exited with status %d" : "died of signal %d",
             exited ? WEXITSTATUS(status) : WTERMSIG(status));
    if (!exited || WEXITSTATUS(status) != ask->exit_code)
        return say(why, ask->argv[0], text);
    if (ask->contains && !holds(out, ask->contains))
        return say(why, ask->argv[0], "its output does not hold the text that is wanted");
    return true;
}

static bool run_command(const struct run_ask_command *ask, char *const *argv, bool *cut, char why[RUN_ASK_WHY])
{
    int rc = 0, status = 0, ends[2] = {-1, -1};
    *cut = false;
    bool listen = ask->contains || ask->output;
    if (listen && pipe2(ends, O_CLOEXEC))
        return say(why, ask->argv[0], "no pipe can be made");
    if (ends[0] >= 0)
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
    pid_t pid = spawn(argv, ask->env, ends[1], &rc);
    if (ends[1] >= 0)
        close(ends[1]);
    struct seep_buf out;
    buf_init(&out, OUTPUT_LIMIT);
    bool ok = false;
    if (rc) {
        say(why, ask->argv[0], strerrordesc_np(rc));
    } else if (!wait_for(ask, pid, ends[0], &out, &status)) {
        *cut = true;
        say(why, ask->argv[0], "took too long and was killed");
    } else {
        ok = judge_end(ask, status, &out, why);
    }
    if (ends[0] >= 0)
        close(ends[0]);
    if (ask->output)
        buf_add(ask->output, out.data, out.len);
    buf_free(&out);
    return ok;
}

bool run_ask_command(const struct run_ask_command *ask, bool *cut, char why[RUN_ASK_WHY])
{
    struct seep_err err;
    char **words = NULL;
    int argc = 0;
    *cut = false;
    if (!ask->expand)
        return run_command(ask, ask->argv, cut, why);
    while (ask->argv[argc])
        argc++;
    bool ok = launch_argv(ask->argv, argc, &words, &err) == 0;
    if (ok)
        ok = run_command(ask, words, cut, why);
    else
        snprintf(why, RUN_ASK_WHY, "%.250s", err.text);
    launch_free(words);
    return ok;
}

bool run_ask_probe(const struct profile_probe *probe, double within_s, const atomic_bool *cancel, char why[RUN_ASK_WHY])
{
    bool cut;
    if (probe->http)
        return run_ask_http(&(struct run_ask_http){.url = probe->http,
                                                   .within_s = within_s,
                                                   .status = probe->status,
                                                   .n_status = probe->n_status,
                                                   .contains = probe->contains},
                            why);
    if (probe->tcp)
        return run_ask_tcp(probe->tcp, within_s, why);
    struct run_ask_command command = {.argv = probe->argv,
                                      .expand = true,
                                      .last_ns = clock_mono_ns() + (int64_t)(within_s * 1e9),
                                      .cancel = cancel,
                                      .exit_code = probe->exit_code,
                                      .contains = probe->contains};
    return run_ask_command(&command, &cut, why);
}
