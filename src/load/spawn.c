// The load worker as a process: see spawn.h.
#include "load/spawn.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKER_FD = 3 };

// posix_spawn does not copy the supervisor's memory map, however large it is, and reports a failed exec.
static int spawn(const char *self_exe, int fd, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&files, fd, WORKER_FD); // also takes CLOEXEC off when fd is 3 already
    posix_spawn_file_actions_addclosefrom_np(&files, WORKER_FD + 1);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    char name[] = "seep", verb[] = "load-worker", fd_text[] = "3";
    char *argv[] = {name, verb, fd_text, NULL};
    int failed = posix_spawn(pid, self_exe, &files, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return failed;
}

int load_worker_spawn(const char *self_exe, int sndbuf, struct load_worker *out, struct seep_err *err)
{
    int pair[2];
    *out = (struct load_worker){.fd = -1, .pidfd = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return seep_fail_errno(err, errno, "The load worker's socket could not be made");
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof sndbuf);
    out->fd = pair[0];
    int failed = spawn(self_exe, pair[1], &out->pid);
    close(pair[1]);
    if (!failed) {
        out->pidfd = pidfd_open(out->pid, 0); // not yet reaped, so the pid is surely its
        if (out->pidfd >= 0)
            return 0;
        failed = errno;
        kill(out->pid, SIGKILL);
        waitpid(out->pid, NULL, 0);
    }
    close(out->fd);
    *out = (struct load_worker){.fd = -1, .pidfd = -1};
    return seep_fail_errno(err, failed, "The load worker could not be started from %s", self_exe);
}

static bool ended_within(int pidfd, int ms)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    int n;
    do
        n = poll(&p, 1, ms);
    while (n < 0 && errno == EINTR);
    return n == 1;
}

static void describe(const siginfo_t *info, char *how, size_t size)
{
    if (info->si_code == CLD_EXITED)
        snprintf(how, size, "exit status %d", info->si_status);
    else
        snprintf(how, size, "killed by signal %d (%s)", info->si_status, strsignal(info->si_status));
}

void load_worker_end(struct load_worker *w, int patience_ms, int within_ms, char *how, size_t size)
{
    if (how)
        snprintf(how, size, "it does not end, even when killed");
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    if (w->pid <= 0)
        return;
    if (!ended_within(w->pidfd, patience_ms))
        pidfd_send_signal(w->pidfd, SIGKILL, NULL, 0);
    siginfo_t info = {0};
    if (ended_within(w->pidfd, within_ms) && waitid(P_PIDFD, (id_t)w->pidfd, &info, WEXITED) == 0 && how)
        describe(&info, how, size);
    close(w->pidfd);
    w->pidfd = -1;
    w->pid = 0;
}

int load_profile_fd(const char *text, struct seep_err *err)
{
    int fd = memfd_create("seep-load-profile", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return seep_fail_errno(err, errno, "The profile could not be handed to the load worker");
    if (fs_write_all(fd, text, strlen(text), err) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}
