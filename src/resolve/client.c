// The client: starts the resolver process, asks it, and ends it when it crashes or stalls. See resolve.h and client.h.
#include "resolve/client.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEFAULT_DEADLINE_MS = 20000, DEFAULT_CPU_S = 15 };

static const char *const default_roots[] = {"/usr/lib/debug"};

static bool copy_roots(struct resolve *r, const char *const *roots, size_t n)
{
    r->debug_roots = calloc(n + 1, sizeof *r->debug_roots);
    for (size_t i = 0; r->debug_roots && i < n; i++) {
        r->debug_roots[i] = strdup(roots[i]);
        if (!r->debug_roots[i])
            return false;
        r->n_debug_roots++;
    }
    return r->debug_roots != NULL;
}

struct resolve *resolve_start(const struct resolve_options *opts, struct seep_err *err)
{
    static const struct resolve_options none;
    if (!opts)
        opts = &none;
    struct resolve *r = calloc(1, sizeof *r);
    if (!r) {
        seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the resolver's client.");
        return NULL;
    }
    r->magic = CLIENT_MAGIC;
    r->sock = -1;
    r->debuginfod = opts->debuginfod;
    r->deadline_ms = opts->deadline_ms ? opts->deadline_ms : DEFAULT_DEADLINE_MS;
    r->cpu_limit_s = opts->cpu_limit_s ? opts->cpu_limit_s : DEFAULT_CPU_S;
    r->memory_limit = opts->memory_limit ? opts->memory_limit : 4ULL << 30;
    buf_init(&r->in, PROTO_BODY_MAX);
    buf_init(&r->out, PROTO_BODY_MAX);
    r->cache = cache_new(opts->cache_limit ? opts->cache_limit : 16ULL << 20);
    bool ok =
        opts->debug_roots ? copy_roots(r, opts->debug_roots, opts->n_debug_roots) : copy_roots(r, default_roots, 1);
    r->exe = opts->exe ? strdup(opts->exe) : NULL;
    if (!ok || !r->cache || (opts->exe && !r->exe)) {
        resolve_stop(r);
        seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the resolver's client.");
        return NULL;
    }
    return r;
}

void resolve_stop(struct resolve *r)
{
    if (!r)
        return;
    SEEP_CHECK_OBJ(r, CLIENT_MAGIC);
    client_end_process(r);
    for (size_t i = 0; i < r->n_debug_roots; i++)
        free(r->debug_roots[i]);
    free(r->debug_roots);
    free(r->exe);
    free(r->known);
    cache_free(r->cache);
    buf_free(&r->in);
    buf_free(&r->out);
    r->magic = 0;
    free(r);
}

void resolve_get_stats(const struct resolve *r, struct resolve_stats *out)
{
    SEEP_CHECK_OBJ(r, CLIENT_MAGIC);
    *out = r->stats;
    out->cache_bytes = cache_bytes(r->cache);
    out->pid = r->pid > 0 ? (int)r->pid : 0;
}

void client_end_process(struct resolve *r)
{
    if (r->sock >= 0)
        close(r->sock);
    r->sock = -1;
    if (r->pid > 0) {
        kill(r->pid, SIGKILL); // not reaped yet, so the number is still this process's
        while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    r->pid = 0;
    memset(r->slots, 0, sizeof r->slots);
}

static int spawn_exe(const struct resolve *r, int sock, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return ENOMEM;
    if (posix_spawnattr_init(&attr) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return ENOMEM;
    }
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setpgroup(&attr, 0); // an interrupt from the terminal is the supervisor's business
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    int rc = posix_spawn_file_actions_adddup2(&actions, sock, 3);
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    char *argv[] = {(char[]){"seep"}, (char[]){"resolver"}, NULL}, *envp[] = {NULL};
    if (rc == 0)
        rc = posix_spawn(pid, r->exe, &actions, &attr, argv, envp);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static int start_process(struct resolve *r)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    pid_t pid = -1;
    if (r->exe) {
        if (spawn_exe(r, pair[1], &pid) != 0)
            pid = -1;
    } else if ((pid = fork()) == 0) {
        _exit(resolve_main(pair[1]));
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return -1;
    }
    r->sock = pair[0];
    r->pid = pid;
    r->stats.starts++;
    r->unpacked_bytes = 0;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) // their shadow needs terabytes of address space
    struct rlimit limit = {r->memory_limit, r->memory_limit};
    if (prlimit(pid, RLIMIT_AS, &limit, NULL) != 0) {
        client_end_process(r);
        return -1;
    }
#endif
    return 0;
}

enum ask client_ask(struct resolve *r, enum proto_type type, int fd)
{
    if (r->sock < 0 && start_process(r) != 0)
        return ASK_NO_PROCESS;
    int64_t deadline = proto_now_ns() + (int64_t)r->deadline_ms * 1000000;
    struct proto_head head = {
        .magic = PROTO_MAGIC, .type = type, .seq = ++r->seq, .len = (uint32_t)r->out.len, .cpu_s = r->cpu_limit_s};
    struct proto_head reply;
    int rc = proto_send(r->sock, &head, r->out.data, fd, deadline);
    if (rc == 0)
        rc = proto_recv(r->sock, &reply, &r->in, NULL, deadline);
    if (rc == 0 && reply.type == head.type && reply.seq == head.seq)
        return ASK_OK;
    bool late = rc < 0 && errno == ETIMEDOUT;
    client_end_process(r);
    if (late)
        r->stats.timeouts++;
    else
        r->stats.crashes++;
    return late ? ASK_LATE : ASK_CRASHED;
}

void client_strike(struct resolve *r, uint32_t known, enum ask outcome)
{
    enum { CRASH = 1, TIMEOUT = 4 };
    if (outcome == ASK_CRASHED || outcome == ASK_LATE)
        r->known[known].strikes += outcome == ASK_LATE ? TIMEOUT : CRASH;
}

const char *client_ask_reason(enum ask outcome)
{
    switch (outcome) {
    case ASK_LATE:
        return "The resolver did not answer in time on this file and was ended.";
    case ASK_CRASHED:
        return "The resolver crashed on this file.";
    default:
        return "The resolver process cannot be started.";
    }
}
