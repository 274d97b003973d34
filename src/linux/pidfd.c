// Processes by descriptor: see pidfd.h.
#include "linux/pidfd.h"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

int linux_process_open(int proc_fd, pid_t pid, uint64_t starttime_ticks, struct linux_process *p, struct seep_err *err)
{
    struct linux_stat st;
    *p = (struct linux_process){.pid = pid, .pidfd = (int)syscall(SYS_pidfd_open, pid, 0)};
    if (p->pidfd < 0 && errno == ESRCH)
        return seep_fail(err, SEEP_E_TARGET, "there is no process %d", (int)pid);
    if (p->pidfd < 0)
        return seep_fail_errno(err, errno, "process %d cannot be held", (int)pid);
    // The descriptor pins whoever has the pid now; only then is it asked who that is.
    if (linux_stat_read(proc_fd, pid, &st, err) < 0) {
        linux_process_close(p);
        return -1;
    }
    if (starttime_ticks && st.starttime_ticks != starttime_ticks) {
        linux_process_close(p);
        return seep_fail(err, SEEP_E_TARGET, "process %d ended, and its number belongs to another process now",
                         (int)pid);
    }
    p->starttime_ticks = st.starttime_ticks;
    return 0;
}

void linux_process_close(struct linux_process *p)
{
    if (p->pidfd >= 0)
        close(p->pidfd);
    p->pidfd = -1;
}

bool linux_process_alive(const struct linux_process *p)
{
    return linux_process_wait(p, 0, NULL) == 0;
}

int linux_process_signal(const struct linux_process *p, int sig, struct seep_err *err)
{
    if (syscall(SYS_pidfd_send_signal, p->pidfd, sig, NULL, 0) == 0)
        return 0;
    if (errno == ESRCH)
        return seep_fail(err, SEEP_E_TARGET, "process %d has ended", (int)p->pid);
    return seep_fail_errno(err, errno, "process %d cannot be sent signal %d", (int)p->pid, sig);
}

int linux_process_wait(const struct linux_process *p, int timeout_ms, struct seep_err *err)
{
    struct pollfd f = {.fd = p->pidfd, .events = POLLIN};
    int rc = p->pidfd < 0 ? 1 : poll(&f, 1, timeout_ms);
    if (rc < 0 && errno != EINTR)
        return seep_fail_errno(err, errno, "process %d cannot be waited for", (int)p->pid);
    return rc > 0;
}
