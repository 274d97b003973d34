// One process's facts: see proc.h.
#include "linux/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "linux/text.h"

#define FD_BUDGET_NS 20000000
#define PATH_BYTES   96

int linux_proc_open(struct seep_err *err)
{
    int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return seep_fail_errno(err, errno, "/proc cannot be opened; seep needs it mounted");
    return fd;
}

long linux_ticks_per_second(void)
{
    long hz = sysconf(_SC_CLK_TCK);
    return hz > 0 ? hz : 100;
}

ssize_t linux_proc_read(int proc_fd, pid_t pid, const char *name, char *buf, size_t size, struct seep_err *err)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%d/%s", (int)pid, name);
    ssize_t got = text_read(proc_fd, path, buf, size);
    if (got < 0) {
        // A file that this kernel lacks looks like a process that is gone; the directory tells them apart.
        int saved = errno;
        snprintf(path, sizeof path, "%d", (int)pid);
        if (saved == ENOENT && faccessat(proc_fd, path, F_OK, 0) == 0)
            saved = EOPNOTSUPP;
        return text_fail(err, saved, pid, name);
    }
    return got;
}

// --- stat
// ----------------------------------------------------------------------------------------------------------------

enum { // numbers of proc(5), counted from the field after the name
    F_PPID = 4,
    F_PGRP = 5,
    F_SESSION = 6,
    F_MINFLT = 10,
    F_MAJFLT = 12,
    F_UTIME = 14,
    F_STIME = 15,
    F_THREADS = 20,
    F_STARTTIME = 22,
    F_VSIZE = 23,
    F_RSS = 24,
    F_LAST = F_RSS
};

// The name is what stands between the first '(' and the last ')': it may hold both, blanks and newlines.
static bool split_stat(char *text, struct linux_stat *out, int64_t field[F_LAST + 1])
{
    char *open = strchr(text, '('), *close = strrchr(text, ')');
    if (!open || !close || close < open || close[1] != ' ' || !close[2])
        return false;
    size_t len = (size_t)(close - open - 1);
    len = len < sizeof out->comm - 1 ? len : sizeof out->comm - 1;
    memcpy(out->comm, open + 1, len);
    out->comm[len] = '\0';
    out->state = close[2];
    char *at = close + 3;
    for (int f = 4; f <= F_LAST; f++) {
        char *end;
        if (*at != ' ')
            return false;
        errno = 0;
        field[f] = strtoll(at, &end, 10);
        if (end == at || errno)
            return false;
        at = end;
    }
    return true;
}

static int read_stat(int proc_fd, pid_t pid, const char *name, struct linux_stat *out, struct seep_err *err)
{
    char text[1024];
    int64_t f[F_LAST + 1], us = 1000000 / linux_ticks_per_second(), page = sysconf(_SC_PAGESIZE);
    memset(out, 0, sizeof *out);
    if (linux_proc_read(proc_fd, pid, name, text, sizeof text, err) < 0)
        return -1;
    if (!split_stat(text, out, f))
        return seep_fail(err, SEEP_E_CORRUPT, "the kernel's line about process %d is not as documented", (int)pid);
    out->pid = pid;
    out->ppid = (pid_t)f[F_PPID];
    out->pgrp = (pid_t)f[F_PGRP];
    out->session = (pid_t)f[F_SESSION];
    out->minflt = f[F_MINFLT];
    out->majflt = f[F_MAJFLT];
    out->utime_us = text_scaled(f[F_UTIME], us);
    out->stime_us = text_scaled(f[F_STIME], us);
    out->threads = f[F_THREADS];
    out->starttime_ticks = (uint64_t)f[F_STARTTIME];
    out->vsize_bytes = f[F_VSIZE];
    out->rss_bytes = text_scaled(f[F_RSS], page);
    return 0;
}

int linux_stat_read(int proc_fd, pid_t pid, struct linux_stat *out, struct seep_err *err)
{
    return read_stat(proc_fd, pid, "stat", out, err);
}

int linux_thread_stat_read(int proc_fd, pid_t pid, pid_t tid, struct linux_stat *out, struct seep_err *err)
{
    char name[48];
    snprintf(name, sizeof name, "task/%d/stat", (int)tid);
    int rc = read_stat(proc_fd, pid, name, out, err);
    out->pid = tid;
    return rc;
}

int linux_statm_read(int proc_fd, pid_t pid, struct linux_statm *out, struct seep_err *err)
{
    char text[256];
    long long n[6];
    int64_t page = sysconf(_SC_PAGESIZE);
    if (linux_proc_read(proc_fd, pid, "statm", text, sizeof text, err) < 0)
        return -1;
    if (sscanf(text, "%lld %lld %lld %lld %lld %lld", &n[0], &n[1], &n[2], &n[3], &n[4], &n[5]) != 6)
        return seep_fail(err, SEEP_E_CORRUPT, "statm of process %d is not as documented", (int)pid);
    *out = (struct linux_statm){.size_bytes = text_scaled(n[0], page),
                                .resident_bytes = text_scaled(n[1], page),
                                .shared_bytes = text_scaled(n[2], page),
                                .text_bytes = text_scaled(n[3], page),
                                .data_bytes = text_scaled(n[5], page)};
    return 0;
}

// --- status, smaps_rollup, io
// -----------------------------------------------------------------------------------------

static uint64_t mask_of(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at ? strtoull(at + strlen(key), NULL, 16) : 0;
}

static void ids_of(const char *text, const char *key, int64_t *real, int64_t *effective)
{
    const char *at = strstr(text, key);
    char *end;
    *real = *effective = SEEP_UNKNOWN;
    if (!at)
        return;
    *real = strtoll(at + strlen(key), &end, 10);
    *effective = strtoll(end, NULL, 10);
}

int linux_status_read(int proc_fd, pid_t pid, struct linux_status *out, struct seep_err *err)
{
    char text[8192];
    if (linux_proc_read(proc_fd, pid, "status", text, sizeof text, err) < 0)
        return -1;
    *out = (struct linux_status){.rss_anon_bytes = SEEP_UNKNOWN,
                                 .rss_file_bytes = SEEP_UNKNOWN,
                                 .rss_shmem_bytes = SEEP_UNKNOWN,
                                 .swap_bytes = SEEP_UNKNOWN,
                                 .vm_hwm_bytes = SEEP_UNKNOWN,
                                 .threads = SEEP_UNKNOWN,
                                 .voluntary_switches = SEEP_UNKNOWN,
                                 .involuntary_switches = SEEP_UNKNOWN,
                                 .tgid = SEEP_UNKNOWN,
                                 .no_new_privs = SEEP_UNKNOWN,
                                 .seccomp = SEEP_UNKNOWN,
                                 .seccomp_filters = SEEP_UNKNOWN,
                                 .tracer_pid = SEEP_UNKNOWN};
    const struct text_want wants[] = {
        {"RssAnon:", &out->rss_anon_bytes, 1024},
        {"RssFile:", &out->rss_file_bytes, 1024},
        {"RssShmem:", &out->rss_shmem_bytes, 1024},
        {"VmSwap:", &out->swap_bytes, 1024},
        {"VmHWM:", &out->vm_hwm_bytes, 1024},
        {"Threads:", &out->threads, 1},
        {"voluntary_ctxt_switches:", &out->voluntary_switches, 1},
        {"nonvoluntary_ctxt_switches:", &out->involuntary_switches, 1},
        {"Tgid:", &out->tgid, 1},
        {"NoNewPrivs:", &out->no_new_privs, 1},
        {"Seccomp:", &out->seccomp, 1},
        {"Seccomp_filters:", &out->seccomp_filters, 1},
        {"TracerPid:", &out->tracer_pid, 1},
    };
    // The first line holds the name; the kernel escapes newlines in it, so no line can be forged.
    text_fields(text, wants, sizeof wants / sizeof *wants);
    out->sig_pending = mask_of(text, "\nShdPnd:");
    out->sig_blocked = mask_of(text, "\nSigBlk:");
    out->sig_ignored = mask_of(text, "\nSigIgn:");
    out->sig_caught = mask_of(text, "\nSigCgt:");
    ids_of(text, "\nUid:", &out->uid, &out->euid);
    ids_of(text, "\nGid:", &out->gid, &out->egid);
    return 0;
}

// "NSpid:\t4711\t12": one number for each PID namespace, the innermost last.
pid_t linux_inner_pid(int proc_fd, pid_t pid)
{
    char text[8192];
    if (linux_proc_read(proc_fd, pid, "status", text, sizeof text, NULL) < 0)
        return pid;
    const char *at = strstr(text, "\nNSpid:");
    long inner = pid, v;
    int n = 0;
    for (at = at ? at + 7 : ""; sscanf(at, "%*[\t ]%ld%n", &v, &n) == 1; at += n)
        inner = v;
    return (pid_t)inner;
}

int linux_rollup_read(int proc_fd, pid_t pid, struct linux_rollup *out, struct seep_err *err)
{
    char text[4096];
    int64_t *field = (int64_t *)out;
    ssize_t got = linux_proc_read(proc_fd, pid, "smaps_rollup", text, sizeof text, err);
    if (got < 0)
        return -1;
    if (got == 0) // a process without memory of its own: a zombie or a kernel thread
        return text_fail(err, ESRCH, pid, "smaps_rollup");
    for (size_t i = 0; i < sizeof *out / sizeof *field; i++)
        field[i] = SEEP_UNKNOWN;
    const struct text_want wants[] = {
        {"Rss:", &out->rss_bytes, 1024},
        {"Pss:", &out->pss_bytes, 1024},
        {"Pss_Anon:", &out->pss_anon_bytes, 1024},
        {"Pss_File:", &out->pss_file_bytes, 1024},
        {"Pss_Shmem:", &out->pss_shmem_bytes, 1024},
        {"Shared_Clean:", &out->shared_clean_bytes, 1024},
        {"Shared_Dirty:", &out->shared_dirty_bytes, 1024},
        {"Private_Clean:", &out->private_clean_bytes, 1024},
        {"Private_Dirty:", &out->private_dirty_bytes, 1024},
        {"Anonymous:", &out->anonymous_bytes, 1024},
        {"LazyFree:", &out->lazy_free_bytes, 1024},
        {"AnonHugePages:", &out->huge_anon_bytes, 1024},
        {"Swap:", &out->swap_bytes, 1024},
        {"SwapPss:", &out->swap_pss_bytes, 1024},
        {"Locked:", &out->locked_bytes, 1024},
    };
    text_fields(text, wants, sizeof wants / sizeof *wants);
    return 0;
}

int linux_io_read(int proc_fd, pid_t pid, struct linux_io *out, struct seep_err *err)
{
    char text[512];
    if (linux_proc_read(proc_fd, pid, "io", text, sizeof text, err) < 0)
        return -1;
    *out = (struct linux_io){.rchar = text_field(text, "rchar:"),
                             .wchar = text_field(text, "wchar:"),
                             .syscr = text_field(text, "syscr:"),
                             .syscw = text_field(text, "syscw:"),
                             .read_bytes = text_field(text, "read_bytes:"),
                             .write_bytes = text_field(text, "write_bytes:"),
                             .cancelled_bytes = text_field(text, "cancelled_write_bytes:")};
    return 0;
}

// --- descriptors
// -----------------------------------------------------------------------------------------------------------

const char *const linux_fd_names[LINUX_FD_KINDS] = {
    [LINUX_FD_FILE] = "file",         [LINUX_FD_SOCKET] = "socket",     [LINUX_FD_PIPE] = "pipe",
    [LINUX_FD_EVENTFD] = "eventfd",   [LINUX_FD_EPOLL] = "epoll",       [LINUX_FD_TIMERFD] = "timerfd",
    [LINUX_FD_SIGNALFD] = "signalfd", [LINUX_FD_MEMFD] = "memfd",       [LINUX_FD_INOTIFY] = "inotify",
    [LINUX_FD_PIDFD] = "pidfd",       [LINUX_FD_IO_URING] = "io_uring", [LINUX_FD_DEVICE] = "device",
    [LINUX_FD_OTHER] = "other",
};

enum linux_fd_kind linux_fd_classify(const char *target)
{
    static const struct {
        const char *prefix;
        enum linux_fd_kind kind;
    } kinds[] = {
        {"socket:[", LINUX_FD_SOCKET},
        {"pipe:[", LINUX_FD_PIPE},
        {"anon_inode:[eventfd", LINUX_FD_EVENTFD},
        {"anon_inode:[eventpoll]", LINUX_FD_EPOLL},
        {"anon_inode:[timerfd]", LINUX_FD_TIMERFD},
        {"anon_inode:[signalfd]", LINUX_FD_SIGNALFD},
        {"anon_inode:inotify", LINUX_FD_INOTIFY},
        {"anon_inode:[inotify]", LINUX_FD_INOTIFY},
        {"anon_inode:[fanotify]", LINUX_FD_INOTIFY},
        {"anon_inode:[pidfd]", LINUX_FD_PIDFD},
        {"pidfd:[", LINUX_FD_PIDFD},
        {"anon_inode:[io_uring]", LINUX_FD_IO_URING},
        {"anon_inode:", LINUX_FD_OTHER},
        {"/memfd:", LINUX_FD_MEMFD},
        {"/dev/shm/", LINUX_FD_FILE},
        {"/dev/", LINUX_FD_DEVICE},
        {"/", LINUX_FD_FILE},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strncmp(target, kinds[i].prefix, strlen(kinds[i].prefix)))
            return kinds[i].kind;
    return LINUX_FD_OTHER;
}

static void count_one(DIR *dir, const char *name, int64_t deadline_ns, struct linux_fds *out)
{
    char target[256];
    int64_t number;
    if (!text_number(name, &number))
        return;
    out->total++;
    if (number > out->highest)
        out->highest = (int)number;
    // The clock costs as much as the link, so it is asked now and then only.
    if (out->unclassified || (out->total % 32 == 0 && clock_mono_ns() > deadline_ns)) {
        out->unclassified++;
        return;
    }
    ssize_t len = readlinkat(dirfd(dir), name, target, sizeof target - 1);
    target[len > 0 ? len : 0] = '\0';
    out->by_kind[len > 0 ? linux_fd_classify(target) : LINUX_FD_OTHER]++;
}

int linux_fds_count(int proc_fd, pid_t pid, int64_t budget_ns, struct linux_fds *out, struct seep_err *err)
{
    char path[PATH_BYTES];
    *out = (struct linux_fds){.highest = -1};
    snprintf(path, sizeof path, "%d/fd", (int)pid);
    int fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return text_fail(err, errno, pid, "fd");
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return seep_fail_errno(err, ENOMEM, "the descriptors of process %d cannot be listed", (int)pid);
    }
    int64_t deadline = clock_mono_ns() + (budget_ns > 0 ? budget_ns : FD_BUDGET_NS);
    for (struct dirent *e; (e = readdir(dir));)
        count_one(dir, e->d_name, deadline, out);
    closedir(dir);
    return 0;
}

// --- the rest
// --------------------------------------------------------------------------------------------------------------

int linux_maps_count(int proc_fd, pid_t pid, int64_t *out, struct seep_err *err)
{
    char path[PATH_BYTES], chunk[16384];
    snprintf(path, sizeof path, "%d/maps", (int)pid);
    int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return text_fail(err, errno, pid, "maps");
    ssize_t got;
    *out = 0;
    while ((got = read(fd, chunk, sizeof chunk)) > 0) // names have their newlines escaped by the kernel
        for (char *at = chunk; (at = memchr(at, '\n', (size_t)(chunk + got - at))); at++)
            ++*out;
    int saved = errno;
    close(fd);
    return got < 0 ? text_fail(err, saved, pid, "maps") : 0;
}

int linux_cmdline_read(int proc_fd, pid_t pid, char *buf, size_t size, size_t *len, struct seep_err *err)
{
    ssize_t got = linux_proc_read(proc_fd, pid, "cmdline", buf, size, err);
    if (got < 0)
        return -1;
    *len = (size_t)got;
    return 0;
}
