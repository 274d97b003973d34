// The supervisor's side of the proxy worker: see proxy.h.
#include "base/clock.h"
#include "fault/proto.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPLY_MS 5000
#define END_MS   2000

extern char **environ;

// A run directory may be deeper than a socket's name is long: name it through the directory's descriptor.
static struct sockaddr_un address(int dir_fd)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    snprintf(sa.sun_path, sizeof sa.sun_path, "/proc/self/fd/%d/" FAULT_PROXY_SOCKET, dir_fd);
    return sa;
}

static int make_listener(int dir_fd, struct seep_err *err)
{
    struct sockaddr_un sa = address(dir_fd);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlinkat(dir_fd, FAULT_PROXY_SOCKET, 0);
    mode_t old = umask(0177);
    int rc = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&sa, sizeof sa);
    umask(old);
    if (rc == 0 && listen(fd, 4) == 0)
        return fd;
    int saved = errno;
    if (fd >= 0)
        close(fd);
    return seep_fail_errno(err, saved, "The proxies' socket cannot be put into the run directory");
}

static int spawn_worker(const char *self_exe, int listener, int dir_fd, pid_t follow, uint64_t starttime, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    char name[] = "seep", verb[] = "proxy-worker", who[24], since[32];
    char *argv[] = {name, verb, who, since, NULL};
    snprintf(who, sizeof who, "%d", (int)follow);
    snprintf(since, sizeof since, "%llu", (unsigned long long)starttime);
    int high_listen = fcntl(listener, F_DUPFD_CLOEXEC, 16), high_dir = fcntl(dir_fd, F_DUPFD_CLOEXEC, 16);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    for (int fd = 0; fd < 3; fd++)
        posix_spawn_file_actions_addopen(&files, fd, "/dev/null", fd ? O_WRONLY : O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, high_listen, FAULT_FD_LISTEN);
    posix_spawn_file_actions_adddup2(&files, high_dir, FAULT_FD_DIR);
    posix_spawn_file_actions_addclosefrom_np(&files, FAULT_FD_DIR + 1);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int failed = high_listen < 0 || high_dir < 0 ? EMFILE : posix_spawn(pid, self_exe, &files, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    if (high_listen >= 0)
        close(high_listen);
    if (high_dir >= 0)
        close(high_dir);
    return failed;
}

int fault_proxies_attach(int dir_fd, struct fault_proxies *out, struct seep_err *err)
{
    struct sockaddr_un sa = address(dir_fd);
    *out = (struct fault_proxies){.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
    if (out->fd < 0)
        return seep_fail_errno(err, errno, "No socket can be made for the proxies");
    if (connect(out->fd, (struct sockaddr *)&sa, sizeof sa) == 0)
        return 0;
    int saved = errno;
    close(out->fd);
    out->fd = -1;
    return seep_fail(err, SEEP_E_TARGET, "The process of the proxies is gone (%s)", strerrordesc_np(saved));
}

int fault_proxies_start(const char *self_exe, int dir_fd, pid_t follow, uint64_t follow_starttime,
                        struct fault_proxies *out, struct seep_err *err)
{
    pid_t pid = 0;
    *out = (struct fault_proxies){.fd = -1};
    int listener = make_listener(dir_fd, err);
    if (listener < 0)
        return -1;
    int failed = spawn_worker(self_exe, listener, dir_fd, follow, follow_starttime, &pid);
    close(listener);
    if (failed)
        return seep_fail_errno(err, failed, "The process of the proxies cannot be started");
    if (fault_proxies_attach(dir_fd, out, err)) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return -1;
    }
    out->pid = pid;
    return 0;
}

static int wait_reply(struct fault_proxies *p, struct fault_reply *reply, struct seep_err *err)
{
    int64_t end = clock_mono_ns() + REPLY_MS * 1000000ll;
    for (int64_t left = REPLY_MS; left > 0; left = (end - clock_mono_ns()) / 1000000) {
        struct pollfd poll_fd = {.fd = p->fd, .events = POLLIN};
        if (poll(&poll_fd, 1, (int)left) <= 0)
            continue;
        ssize_t got = recv(p->fd, reply, sizeof *reply, MSG_DONTWAIT);
        if (got == 0)
            break;
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got != (ssize_t)sizeof *reply || reply->magic != FAULT_MAGIC || reply->version != FAULT_VERSION)
            return seep_fail(err, SEEP_E_UNSUPPORTED, "The process of the proxies is of another version of seep");
        if (reply->seq == p->seq)
            return 0;
    }
    return seep_fail(err, SEEP_E_SYSTEM, "The process of the proxies does not answer");
}

static int ask(struct fault_proxies *p, struct fault_msg *m, struct fault_reply *reply, struct seep_err *err)
{
    m->magic = FAULT_MAGIC;
    m->version = FAULT_VERSION;
    m->seq = ++p->seq;
    if (p->fd < 0 || send(p->fd, m, sizeof *m, MSG_NOSIGNAL) != (ssize_t)sizeof *m)
        return seep_fail(err, SEEP_E_SYSTEM, "The process of the proxies is gone");
    if (wait_reply(p, reply, err))
        return -1;
    reply->text[sizeof reply->text - 1] = '\0';
    return reply->code ? seep_fail(err, (enum seep_code)reply->code, "%s", reply->text) : 0;
}

static int fill_name(struct fault_msg *m, const char *name, struct seep_err *err)
{
    if (snprintf(m->name, sizeof m->name, "%s", name) >= (int)sizeof m->name)
        return seep_fail(err, SEEP_E_USAGE, "The name '%.40s...' of a proxy is too long", name);
    return 0;
}

int fault_proxy_open(struct fault_proxies *p, const char *name, const char *listen, const char *to,
                     struct seep_err *err)
{
    struct fault_msg m = {.type = FAULT_MSG_OPEN};
    struct fault_reply reply;
    if (fill_name(&m, name, err))
        return -1;
    if (snprintf(m.listen, sizeof m.listen, "%s", listen) >= (int)sizeof m.listen ||
        snprintf(m.to, sizeof m.to, "%s", to) >= (int)sizeof m.to)
        return seep_fail(err, SEEP_E_USAGE, "An address of the proxy '%s' is too long", name);
    return ask(p, &m, &reply, err);
}

int fault_proxy_toxic(struct fault_proxies *p, const char *name, unsigned slot, const struct fault_toxic *toxic,
                      struct seep_err *err)
{
    struct fault_msg m = {.type = FAULT_MSG_TOXIC, .slot = slot, .toxic = *toxic};
    struct fault_reply reply;
    return fill_name(&m, name, err) ? -1 : ask(p, &m, &reply, err);
}

int fault_proxy_counts(struct fault_proxies *p, const char *name, struct fault_proxy_counts *out, struct seep_err *err)
{
    struct fault_msg m = {.type = FAULT_MSG_COUNTS};
    struct fault_reply reply;
    if (fill_name(&m, name, err) || ask(p, &m, &reply, err))
        return -1;
    *out = reply.counts;
    return 0;
}

// A worker that does not go when it is told is killed; one of an earlier supervisor's is not our child, and its socket
// closing tells that it went.
void fault_proxies_end(struct fault_proxies *p)
{
    struct fault_msg m = {.type = FAULT_MSG_END};
    struct fault_reply reply;
    struct seep_err err;
    if (p->fd < 0)
        return;
    ask(p, &m, &reply, &err);
    int64_t end = clock_mono_ns() + END_MS * 1000000ll;
    bool gone = false;
    while (!gone && clock_mono_ns() < end) {
        struct pollfd poll_fd = {.fd = p->fd, .events = POLLIN};
        gone = poll(&poll_fd, 1, 50) == 1 && recv(p->fd, &reply, sizeof reply, MSG_DONTWAIT) == 0;
    }
    if (p->pid > 0) {
        if (!gone)
            kill(p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
    }
    fault_proxies_leave(p);
}

void fault_proxies_leave(struct fault_proxies *p)
{
    if (p->fd >= 0)
        close(p->fd);
    *p = (struct fault_proxies){.fd = -1};
}
