// Signals to everybody below the keeper, and the end of everybody.
//
// Who is below is found by one scan of /proc by parent: nobody leaves, because the keeper is a subreaper. The scan can
// miss a child forked meanwhile, so killing repeats until waitid() says that there is no child. Where there is a
// cgroup it does the killing at once (v2 cgroup.kill; v1 frozen, killed, thawed) and the loop only confirms.
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SCAN_MAX      32768 // processes of the machine looked at
#define KILL_LIMIT_NS 5000000000u
#define ANCESTORS_MAX 128
#define KILL_NAP_MS   5

struct seen {
    pid_t pid, parent;
    bool below;
};
static struct seen seen[SCAN_MAX];

static size_t scan_all(void)
{
    struct entry { // struct linux_dirent64
        uint64_t inode;
        int64_t offset;
        unsigned short length;
        unsigned char type;
        char name[];
    };
    static _Alignas(struct entry) char buf[32768];
    size_t count = 0;
    int dir = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (long got; dir >= 0 && (got = syscall(SYS_getdents64, dir, buf, sizeof buf)) > 0;)
        for (long at = 0; at < got; at += ((struct entry *)(buf + at))->length) {
            pid_t pid = (pid_t)atoi(((struct entry *)(buf + at))->name);
            if (pid > 0 && count < SCAN_MAX)
                seen[count++] = (struct seen){.pid = pid, .parent = keeper_parent_of(pid)};
        }
    if (dir >= 0)
        close(dir);
    return count;
}

static int by_pid(const void *a, const void *b)
{
    pid_t x = ((const struct seen *)a)->pid, y = ((const struct seen *)b)->pid;
    return (x > y) - (x < y);
}

// Marks all descendants, one generation at least a round; proc lists by rising pid, so that bsearch() finds parents.
static size_t scan_descendants(void)
{
    size_t count = scan_all();
    pid_t self = getpid();
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < count; i++) {
            if (seen[i].below)
                continue;
            const struct seen *parent =
                bsearch(&(struct seen){.pid = seen[i].parent}, seen, count, sizeof *seen, by_pid);
            if (seen[i].parent == self || (parent && parent->below))
                more = seen[i].below = true;
        }
    }
    return count;
}

bool keeper_is_descendant(pid_t pid)
{
    for (int i = 0; i < ANCESTORS_MAX && pid > 1; i++) {
        pid = keeper_parent_of(pid);
        if (pid == getpid())
            return true;
    }
    return false;
}

int keeper_signal_main(struct keeper *k, int sig)
{
    if (k->state != KEEPER_RUNNING && k->state != KEEPER_STARTING)
        return ESRCH;
    // Not reaped yet, so the pid is still its own; the pidfd is the belt to these braces.
    int rc = k->pidfd >= 0 ? (int)syscall(SYS_pidfd_send_signal, k->pidfd, sig, NULL, 0) : kill(k->pid, sig);
    return rc < 0 ? errno : 0;
}

// Between the scan and the signal a process may end and its pid be another's: the pidfd pins it, and then its chain of
// parents must still lead here.
static bool signal_descendant(pid_t pid, int sig)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return false;
    bool sent = keeper_is_descendant(pid) && syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) == 0;
    close(fd);
    return sent;
}

int keeper_signal_many(struct keeper *k, int sig, bool group_only)
{
    if (group_only && k->state == KEEPER_RUNNING)
        return kill(-k->pid, sig) < 0 ? errno : 0;
    size_t count = scan_descendants(), sent = 0;
    for (size_t i = 0; i < count; i++)
        sent += seen[i].below && signal_descendant(seen[i].pid, sig);
    k->stats.killed = (uint32_t)sent;
    return sent ? 0 : ESRCH;
}

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, text, strlen(text));
    close(fd);
}

// A frozen group cannot fork, so one pass over its members is all of them.
static void kill_frozen(const char *dir)
{
    static char members[262144];
    char path[4096];
    write_file(dir, "freezer.state", "FROZEN");
    if (snprintf(path, sizeof path, "%s/cgroup.procs", dir) < (int)sizeof path &&
        keeper_slurp(AT_FDCWD, path, members, sizeof members) > 0)
        for (char *at = members; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : NULL) {
            pid_t pid = (pid_t)strtol(at, NULL, 10);
            if (pid > 1 && pid != getpid())
                kill(pid, SIGKILL);
        }
    write_file(dir, "freezer.state", "THAWED");
}

static bool everybody_gone(const struct keeper *k)
{
    return k->state == KEEPER_EMPTY || k->state == KEEPER_WAITING || k->state == KEEPER_LEAVING;
}

bool keeper_kill_everybody(struct keeper *k)
{
    const char *v2 = keeper_string(k, k->cfg->kill_dir), *v1 = keeper_string(k, k->cfg->freezer_dir);
    uint64_t deadline = keeper_now_ns() + KILL_LIMIT_NS;
    uint32_t killed = 0;
    k->killed_by_us = true;
    while (!everybody_gone(k)) {
        if (v2)
            write_file(v2, "cgroup.kill", "1");
        if (v1)
            kill_frozen(v1);
        keeper_signal_many(k, SIGKILL, false);
        killed += k->stats.killed;
        nanosleep(&(struct timespec){.tv_nsec = KILL_NAP_MS * 1000000}, NULL);
        if (k->status_fd >= 0)
            keeper_spawn_status(k);
        keeper_reap(k);
        if (keeper_now_ns() > deadline) {
            k->stats.warnings |= KEEPER_WARN_KILL_INCOMPLETE;
            break;
        }
    }
    k->stats.killed = killed;
    return everybody_gone(k);
}
