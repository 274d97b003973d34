// What is left on disk, and sentences: exit and start records, the obituary, why a target did not start.
//
// Trust: records are of our own writing but may be torn, foreign or of another version; anything doubtful is an error.
#include "keeper/link.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

struct record_head {
    uint32_t magic;
    uint16_t version, size_bytes;
};

static int read_record(int dir_fd, const char *name, void *out, size_t size, size_t crc_at, uint32_t magic,
                       struct seep_err *err)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? 0 : seep_fail_errno(err, errno, "the record \"%s\" cannot be opened", name);
    struct record_head head;
    uint32_t crc;
    memset(out, 0, size);
    ssize_t got = read(fd, out, size);
    close(fd);
    memcpy(&head, out, sizeof head);
    if (got < (ssize_t)sizeof head || head.magic != magic)
        return seep_fail(err, SEEP_E_CORRUPT, "the record \"%s\" is damaged: it does not begin as one of seep's", name);
    if (head.version != KEEPER_VERSION)
        return seep_fail(err, SEEP_E_UNSUPPORTED,
                         "the record \"%s\" is of version %u, this seep reads version %d; use the seep that wrote it",
                         name, head.version, KEEPER_VERSION);
    memcpy(&crc, (char *)out + crc_at, sizeof crc);
    if (got != (ssize_t)size || head.size_bytes != size || crc != crc32_of(out, crc_at))
        return seep_fail(err, SEEP_E_CORRUPT, "the record \"%s\" is damaged: its checksum does not fit", name);
    return 1;
}

int keeper_read_exit_record(int run_dir_fd, struct keeper_exit_record *rec, struct seep_err *err)
{
    return read_record(run_dir_fd, KEEPER_EXIT_NAME, rec, sizeof *rec, offsetof(struct keeper_exit_record, crc32),
                       KEEPER_EXIT_MAGIC, err);
}

int keeper_read_start_record(int run_dir_fd, struct keeper_start_record *rec, struct seep_err *err)
{
    return read_record(run_dir_fd, KEEPER_START_NAME, rec, sizeof *rec, offsetof(struct keeper_start_record, crc32),
                       KEEPER_START_MAGIC, err);
}

// --- obituary
// ------------------------------------------------------------------------------------------------------------

// "SIGTERM" for 15; "signal 77" for what has no name.
static void keeper_signal_name(int sig, char *name, size_t name_bytes)
{
    const char *abbreviation = sig > 0 ? sigabbrev_np(sig) : NULL;
    if (abbreviation)
        snprintf(name, name_bytes, "SIG%s", abbreviation);
    else
        snprintf(name, name_bytes, "signal %d", sig);
}

static void uptime_text(const struct keeper_exit_record *rec, char *text, size_t size)
{
    if (!rec->start_mono_ns || rec->end_mono_ns < rec->start_mono_ns)
        snprintf(text, size, "an unknown time");
    else
        snprintf(text, size, "%.3g s", (double)(rec->end_mono_ns - rec->start_mono_ns) / 1e9);
}

void keeper_exit_text(const struct keeper_exit_record *rec, char *text, size_t text_bytes)
{
    char up[40], name[24];
    const char *when = rec->after_stop ? " (after seep's stop signal)" : "";
    uptime_text(rec, up, sizeof up);
    keeper_signal_name(rec->status, name, sizeof name);
    if (rec->how == KEEPER_HOW_UNKNOWN)
        snprintf(text, text_bytes, "ended in an unknown way: its keeper was lost");
    else if (rec->how == KEEPER_HOW_EXITED)
        snprintf(text, text_bytes, "exited with status %d after %s%s", rec->status, up, when);
    else if (rec->oom == KEEPER_OOM_YES)
        snprintf(text, text_bytes, "was killed by the kernel after %s: its control group was out of memory%s", up, when);
    else if (rec->killed_by_us && rec->status == SIGKILL)
        snprintf(text, text_bytes, "was killed by seep (SIGKILL) after %s%s", up, when);
    else if (rec->oom == KEEPER_OOM_POSSIBLE)
        snprintf(text, text_bytes,
                 "was killed by SIGKILL after %s, possibly for lack of memory: the host counted an oom kill%s", up, when);
    else if (rec->oom == KEEPER_OOM_UNKNOWN)
        snprintf(text, text_bytes, "was killed by SIGKILL after %s, sender unknown%s", up, when);
    else
        snprintf(text, text_bytes, "was killed by signal %d (%s%s) after %s%s", rec->status, name,
                 rec->how == KEEPER_HOW_CORE ? ", core dumped" : "", up, when);
}

// --- why it did not start
// -------------------------------------------------------------------------------------------------

static int fail_target(struct seep_err *err, int sys_errno, const char *path, const char *why)
{
    seep_fail(err, SEEP_E_TARGET, "\"%s\" did not start: %s", path, why);
    if (err)
        err->sys_errno = sys_errno;
    return -1;
}

// The first bytes decide what an exec failure means: no #!, a foreign machine, a missing interpreter.
static size_t first_bytes(const char *path, unsigned char *head, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd >= 0 ? read(fd, head, size) : -1;
    if (fd >= 0)
        close(fd);
    return got > 0 ? (size_t)got : 0;
}

static bool foreign_machine(const unsigned char *head, size_t len, unsigned *machine)
{
    Elf64_Ehdr own, that;
    if (len < sizeof that || memcmp(head, ELFMAG, SELFMAG) != 0)
        return false;
    memcpy(&that, head, sizeof that);
    *machine = that.e_machine;
    return first_bytes("/proc/self/exe", (unsigned char *)&own, sizeof own) == sizeof own &&
           that.e_machine != own.e_machine;
}

static size_t vector_bytes(const char *const *list, size_t *longest)
{
    size_t sum = 0;
    for (; list && *list; list++) {
        size_t len = strlen(*list) + 1;
        sum += len + sizeof(char *);
        *longest = len > *longest ? len : *longest;
    }
    return sum;
}

static int too_big(const struct keeper_config *cfg, struct seep_err *err)
{
    char why[300];
    size_t longest = 0, total = vector_bytes(cfg->argv, &longest) + vector_bytes(cfg->envp, &longest);
    long max = sysconf(_SC_ARG_MAX);
    if (longest > 131072)
        snprintf(why, sizeof why, "one argument or variable has %zu bytes, the kernel takes 131072; pass it in a file",
                 longest);
    else
        snprintf(why, sizeof why,
                 "arguments and environment need %zu bytes with seep's own %zu, the kernel takes %ld; pass fewer or "
                 "raise the "
                 "stack limit",
                 total + (cfg->probe_path ? strlen(cfg->probe_path) + 64 : 0),
                 cfg->probe_path ? strlen(cfg->probe_path) + 64 : (size_t)0, max);
    return fail_target(err, E2BIG, cfg->exec_path, why);
}

static int no_exec(const struct keeper_config *cfg, int sys_errno, struct seep_err *err)
{
    unsigned char head[256] = {0};
    unsigned machine = 0;
    char why[400];
    struct stat st;
    size_t len = first_bytes(cfg->exec_path, head, sizeof head - 1);
    if (sys_errno == E2BIG)
        return too_big(cfg, err);
    if (sys_errno == ENOENT && stat(cfg->exec_path, &st) == 0) {
        if (len > 2 && head[0] == '#' && head[1] == '!')
            snprintf(why, sizeof why, "its interpreter \"%.*s\" does not exist; install it or correct the first line",
                     (int)strcspn((char *)head + 2, "\n"), (char *)head + 2);
        else
            snprintf(why, sizeof why, "the loader that it names does not exist; it was built for another system");
        return fail_target(err, sys_errno, cfg->exec_path, why);
    }
    if (foreign_machine(head, len, &machine)) {
        snprintf(why, sizeof why, "it is built for another processor (ELF machine %u); use a build for this machine",
                 machine);
        return fail_target(err, sys_errno, cfg->exec_path, why);
    }
    switch (sys_errno) {
    case ENOENT:
        return fail_target(err, sys_errno, cfg->exec_path, "there is no such file; check the path");
    case EACCES:
        return fail_target(
            err, sys_errno, cfg->exec_path,
            "it may not be executed: check its mode (chmod +x), the directories above it, and that its file "
            "system is not mounted noexec");
    case ENOEXEC:
        return fail_target(err, sys_errno, cfg->exec_path,
                           "it is neither an ELF program nor a script with a #! line; run it through its interpreter");
    case ETXTBSY:
        return fail_target(err, sys_errno, cfg->exec_path, "it is being written to; wait for the build to end");
    default:
        return fail_target(err, sys_errno, cfg->exec_path, strerror(sys_errno));
    }
}

int keeper_start_failure(const struct keeper_config *cfg, const struct keeper_failed *failed, struct seep_err *err)
{
    char why[400];
    const char *reason = strerror(failed->sys_errno);
    switch (failed->stage) {
    case KEEPER_STAGE_EXEC:
        return no_exec(cfg, failed->sys_errno, err);
    case KEEPER_STAGE_FORK:
        snprintf(why, sizeof why, "no new process or pipe could be made (%s); check the limits on processes and files",
                 reason);
        break;
    case KEEPER_STAGE_CGROUP:
        snprintf(why, sizeof why, "it could not join its control group \"%s\" (%s)",
                 failed->detail < KEEPER_JOIN_MAX && cfg->join[failed->detail] ? cfg->join[failed->detail] : "?",
                 reason);
        break;
    case KEEPER_STAGE_RLIMIT:
        snprintf(why, sizeof why,
                 "limit number %llu of target.limits could not be set (%s); a user cannot raise a hard limit",
                 (unsigned long long)failed->detail + 1, reason);
        break;
    case KEEPER_STAGE_IDS:
        snprintf(why, sizeof why, "it could not become user %u, group %u (%s); only root may change the user", cfg->uid,
                 cfg->gid, reason);
        break;
    case KEEPER_STAGE_CWD:
        snprintf(why, sizeof why, "its directory \"%s\" cannot be entered (%s)", cfg->cwd ? cfg->cwd : ".", reason);
        break;
    default:
        snprintf(why, sizeof why, "its session or descriptors could not be set up (%s)", reason);
        break;
    }
    return fail_target(err, failed->sys_errno, cfg->exec_path, why);
}
