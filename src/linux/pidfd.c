// Processes by descriptor: see pidfd.h.
#include "linux/pidfd.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
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

int linux_process_wait(const struct linux_process *p, int timeout_ms, struct seep_err *err)
{
    struct pollfd f = {.fd = p->pidfd, .events = POLLIN};
    int rc = p->pidfd < 0 ? 1 : poll(&f, 1, timeout_ms);
    if (rc < 0 && errno != EINTR)
        return seep_fail_errno(err, errno, "process %d cannot be waited for", (int)p->pid);
    return rc > 0;
}

// struct pidfd_info of linux/pidfd.h in its first version; the headers of Debian 12 are older than it.
struct info {
    uint64_t mask, cgroupid;
    uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    int32_t exit_code;
};
_Static_assert(sizeof(struct info) == 64, "the size is part of the request's number");
#define INFO_EXIT (1u << 3)
#define GET_INFO  _IOWR(0xFF, 11, struct info)

bool linux_process_exit_status(const struct linux_process *p, int *wait_status)
{
    struct info info = {.mask = INFO_EXIT};
    if (p->pidfd < 0 || ioctl(p->pidfd, GET_INFO, &info) || !(info.mask & INFO_EXIT))
        return false;
    *wait_status = info.exit_code;
    return true;
}
