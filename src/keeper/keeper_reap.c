// Reaps every child of the keeper, finds out why the main process ended, and writes that to disk.
//
// SIGCHLD coalesces, so waitid() runs until there is none; as a subreaper the keeper also gets the orphans of the
// target. An out-of-memory kill is told from any other SIGKILL by the counter of the target's own cgroup; a counter of
// the whole host is only a hint, and without either the sender stays unknown.
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_TMP KEEPER_EXIT_NAME ".tmp"

ssize_t keeper_slurp(int dir_fd, const char *path, char *buf, size_t size)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -1;
    size_t have = 0;
    ssize_t got = 0;
    while (have < size - 1 && (got = read(fd, buf + have, size - 1 - have)) > 0)
        have += (size_t)got;
    close(fd);
    buf[have] = '\0';
    return got < 0 ? -1 : (ssize_t)have;
}

// Field `wanted` (4 and up) of /proc/PID/stat. The command's name may hold blanks, parentheses and newlines, so fields
// are counted from the last ')'.
static uint64_t stat_field(pid_t pid, int wanted)
{
    char path[32], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (keeper_slurp(AT_FDCWD, path, text, sizeof text) <= 0)
        return 0;
    char *at = strrchr(text, ')');
    for (int field = 2; at && field < wanted; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}

uint64_t keeper_starttime(pid_t pid)
{
    return stat_field(pid, 22);
}

pid_t keeper_parent_of(pid_t pid)
{
    return (pid_t)stat_field(pid, 4);
}

// --- out of memory
// ------------------------------------------------------------------------------------------------------

static uint64_t oom_count(const char *path)
{
    static char text[16384]; // vmstat is the longest
    if (!path || keeper_slurp(AT_FDCWD, path, text, sizeof text) <= 0)
        return UINT64_MAX;
    for (const char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        if (!strncmp(line, "oom_kill ", 9))
            return strtoull(line + 9, NULL, 10);
    return UINT64_MAX;
}

void keeper_oom_begin(struct keeper *k)
{
    k->oom_before = oom_count(keeper_string(k, k->cfg->oom_file));
    k->host_oom_before = oom_count("/proc/vmstat");
    k->stats.oom_kills = k->oom_before == UINT64_MAX ? UINT64_MAX : 0;
}

static bool counted_since(uint64_t before, uint64_t now)
{
    return before != UINT64_MAX && now != UINT64_MAX && now > before;
}

static enum keeper_oom judge_oom(struct keeper *k, const siginfo_t *si)
{
    uint64_t now = oom_count(keeper_string(k, k->cfg->oom_file));
    if (k->oom_before != UINT64_MAX && now != UINT64_MAX)
        k->stats.oom_kills = now - k->oom_before;
    if (si->si_code == CLD_EXITED || si->si_status != SIGKILL)
        return KEEPER_OOM_NO;
    if (counted_since(k->oom_before, now))
        return KEEPER_OOM_YES;
    if (k->killed_by_us)
        return KEEPER_OOM_NO;
    return counted_since(k->host_oom_before, oom_count("/proc/vmstat")) ? KEEPER_OOM_POSSIBLE : KEEPER_OOM_UNKNOWN;
}

// --- records
// ------------------------------------------------------------------------------------------------------------

// CRC-32 (IEEE 802.3), bit by bit: two small records a run.
static uint32_t crc32_of(const void *data, size_t len)
{
    uint32_t crc = ~0u;
    for (const uint8_t *p = data, *end = p + len; p < end; p++) {
        crc ^= *p;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

static bool save(struct keeper *k, const char *tmp, const char *name, const void *data, size_t len)
{
    int fd = openat(k->run_dir_fd, tmp, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool ok = pwrite(fd, data, len, 0) == (ssize_t)len && ftruncate(fd, (off_t)len) == 0 && fsync(fd) == 0;
    close(fd);
    return ok && renameat(k->run_dir_fd, tmp, k->run_dir_fd, name) == 0;
}

// The exit record must also fit on a disk that has filled up meanwhile.
void keeper_records_prepare(struct keeper *k)
{
    int fd = openat(k->run_dir_fd, EXIT_TMP, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    (void)!posix_fallocate(fd, 0, sizeof(struct keeper_exit_record));
    close(fd);
}

void keeper_save_start(struct keeper *k)
{
    struct keeper_start_record r = {
        .magic = KEEPER_START_MAGIC,
        .version = KEEPER_VERSION,
        .size_bytes = sizeof r,
        .keeper_pid = getpid(),
        .target_pid = k->pid,
        .keeper_starttime_ticks = keeper_starttime(getpid()),
        .target_starttime_ticks = k->stats.target_starttime_ticks,
        .start_mono_ns = k->start_mono_ns,
        .start_real_ns = k->start_real_ns,
    };
    memcpy(r.boot_id, k->boot_id, sizeof r.boot_id);
    r.crc32 = crc32_of(&r, offsetof(struct keeper_start_record, crc32));
    save(k, KEEPER_START_NAME ".tmp", KEEPER_START_NAME, &r, sizeof r);
}

void keeper_save_exit(struct keeper *k)
{
    k->exit.crc32 = crc32_of(&k->exit, offsetof(struct keeper_exit_record, crc32));
    if (!save(k, EXIT_TMP, KEEPER_EXIT_NAME, &k->exit, sizeof k->exit))
        k->stats.warnings |= KEEPER_WARN_EXIT_UNSAVED;
}

static uint64_t us_of(struct timeval tv)
{
    return (uint64_t)tv.tv_sec * 1000000u + (uint64_t)tv.tv_usec;
}

static void compose_exit(struct keeper *k, const siginfo_t *si, const struct rusage *ru)
{
    k->exit = (struct keeper_exit_record){
        .magic = KEEPER_EXIT_MAGIC,
        .version = KEEPER_VERSION,
        .size_bytes = sizeof k->exit,
        .pid = k->pid,
        .how = si->si_code == CLD_EXITED   ? KEEPER_HOW_EXITED
               : si->si_code == CLD_DUMPED ? KEEPER_HOW_CORE
                                           : KEEPER_HOW_SIGNALLED,
        .oom = (uint8_t)judge_oom(k, si),
        .after_stop = k->stop_signal != 0,
        .killed_by_us = k->killed_by_us,
        .status = si->si_status,
        .si_code = si->si_code,
        .stop_signal = k->stop_signal,
        .starttime_ticks = k->stats.target_starttime_ticks,
        .start_mono_ns = k->start_mono_ns,
        .end_mono_ns = keeper_now_ns(),
        .start_real_ns = k->start_real_ns,
        .end_real_ns = keeper_real_ns(),
        .stop_mono_ns = k->stop_mono_ns,
        .utime_us = us_of(ru->ru_utime),
        .stime_us = us_of(ru->ru_stime),
        .maxrss_kib = (uint64_t)ru->ru_maxrss,
        .minflt = (uint64_t)ru->ru_minflt,
        .majflt = (uint64_t)ru->ru_majflt,
        .inblock = (uint64_t)ru->ru_inblock,
        .oublock = (uint64_t)ru->ru_oublock,
        .nvcsw = (uint64_t)ru->ru_nvcsw,
        .nivcsw = (uint64_t)ru->ru_nivcsw,
    };
    memcpy(k->exit.boot_id, k->boot_id, sizeof k->exit.boot_id);
    k->has_exited = true;
}

void keeper_reap(struct keeper *k)
{
    char drain[1024];
    while (read(k->signal_fd, drain, sizeof drain) > 0)
        ;
    for (;;) {
        siginfo_t si = {0};
        struct rusage ru;
        if (syscall(SYS_waitid, P_ALL, 0, &si, WEXITED | WNOHANG, &ru) < 0) {
            if (errno == EINTR)
                continue;
            keeper_happens(k, HAPPENS_ALL_GONE); // ECHILD: every descendant's chain of parents ends at us
            return;
        }
        if (si.si_pid == 0)
            return;
        k->stats.reaped++;
        k->stats_changed = true;
        if (si.si_pid == k->pid && k->state == KEEPER_RUNNING) {
            compose_exit(k, &si, &ru);
            keeper_happens(k, HAPPENS_MAIN_EXIT);
        }
    }
}
