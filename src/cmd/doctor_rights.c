// What we may do on this machine: each right is used once, on ourselves or on a child made for it.
#include "base/fs.h"
#include "cmd/doctor.h"
#include "linux/cgroup.h"
#include "linux/host.h"
#include "linux/pidfd.h"
#include "linux/uprobe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static const char delegate[] = "Run seep as root, or below a group that is delegated to you (systemd-run --user "
                               "--scope -p Delegate=yes seep ...); without one the target's memory and number of "
                               "processes are not limited, and an out-of-memory kill is told by its signal only.";

static void control_groups(struct doctor *d)
{
    struct linux_cgroup cg;
    struct seep_err err;
    char hex[33], name[64];
    if (fs_random_hex(hex, &err)) {
        doctor_add(d, "control groups", DOCTOR_LIMITED, false, delegate, "%s", err.text);
        return;
    }
    snprintf(name, sizeof name, "seep-doctor-%.12s", hex);
    if (linux_cgroup_create(NULL, NULL, name, &cg, &err)) {
        doctor_add(d, "control groups", DOCTOR_LIMITED, false, delegate, "%s", err.text);
        return;
    }
    bool whole = cg.memory_dir[0] && cg.pids_dir[0];
    bool removed = linux_cgroup_remove(&cg, &err) == 0;
    if (!removed)
        doctor_add(d, "control groups", DOCTOR_LIMITED, false, delegate, "a group was made but not removed: %s",
                   err.text);
    else
        doctor_add(d, "control groups", whole ? DOCTOR_OK : DOCTOR_LIMITED, false, delegate, "%s%s%s",
                   linux_cgroup_kind_name(cg.kind),
                   cg.why_not[0] ? ": "
                   : whole       ? ", made and removed one"
                                 : "",
                   cg.why_not);
}

static void pidfd(struct doctor *d)
{
    struct linux_process p;
    struct seep_err err;
    int proc = linux_proc_open(&err);
    bool works = proc >= 0 && linux_process_open(proc, getpid(), 0, &p, &err) == 0;
    if (works)
        linux_process_close(&p);
    if (proc >= 0)
        close(proc);
    doctor_add(d, "pidfd", works ? DOCTOR_OK : DOCTOR_MISSING, true,
               "Processes cannot be held by descriptor; use Linux 5.4 or newer with /proc mounted, and a container "
               "profile that permits pidfd_open.",
               "%s", works ? "processes can be held by descriptor" : err.text);
}

static bool sealed_memory_works(int *saved_errno)
{
    int fd = memfd_create("seep-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc = -1;
    if (fd >= 0) {
        rc = posix_fallocate(fd, 0, 1 << 16);
        errno = rc ? rc : errno;
        rc = rc ? -1 : fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    }
    *saved_errno = errno;
    if (fd >= 0)
        close(fd);
    return fd >= 0 && rc == 0;
}

static void sealed_memory(struct doctor *d)
{
    int saved = 0;
    bool works = sealed_memory_works(&saved);
    doctor_add(d, "sealed memory", works ? DOCTOR_OK : DOCTOR_MISSING, true,
               "Attribution shares a sealed memfd with the target; permit memfd_create where it is filtered.", "%s%s",
               works ? "memfd with seals" : "memfd with seals does not work: ", works ? "" : strerror(saved));
}

// A child that waits to be killed, at the same addresses as ours: its copy of `mark` is read.
static int read_child(char *out, size_t size)
{
    static char mark[16] = "seep-doctor-mark";
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    if (child < 0)
        return errno;
    struct iovec local = {out, size}, remote = {mark, size};
    ssize_t n = process_vm_readv(child, &local, 1, &remote, 1, 0);
    int saved = n == (ssize_t)size && !memcmp(out, mark, size) ? 0 : n < 0 ? errno : EIO;
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    return saved;
}

static void other_memory(struct doctor *d)
{
    struct linux_host host;
    int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    linux_host_read(root, &host);
    if (root >= 0)
        close(root);
    char copy[16], scope[64];
    int failed = read_child(copy, sizeof copy);
    if (host.ptrace_scope < 0)
        snprintf(scope, sizeof scope, "no Yama");
    else
        snprintf(scope, sizeof scope, "kernel.yama.ptrace_scope %d", host.ptrace_scope);
    doctor_add(
        d, "memory of others", failed ? DOCTOR_LIMITED : DOCTOR_OK, false,
        "Unreachable blocks and the split of mappings cannot be told; set kernel.yama.ptrace_scope to 0 or 1, or "
        "grant SYS_PTRACE to the container.",
        "%s; a child's memory %s%s", scope, failed ? "cannot be read: " : "can be read",
        failed ? strerror(failed) : "");
}

// A process that is no longer below us, as those are that seep attach is for. It ends when `alive` is closed.
static pid_t start_stranger(int alive[2])
{
    int told[2];
    pid_t stranger = -1;
    if (pipe2(told, O_CLOEXEC))
        return -1;
    pid_t child = fork();
    if (child == 0) {
        pid_t pid = fork();
        if (pid == 0) {
            char end;
            close(alive[1]);
            while (read(alive[0], &end, 1) < 0 && errno == EINTR)
                ;
            _exit(0);
        }
        _exit(write(told[1], &pid, sizeof pid) == (ssize_t)sizeof pid ? 0 : 1);
    }
    close(told[1]);
    if (child < 0 || read(told[0], &stranger, sizeof stranger) != (ssize_t)sizeof stranger)
        stranger = -1;
    close(told[0]);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    return stranger;
}

static int read_stranger(void)
{
    static char mark[16] = "seep-doctor-mark";
    char copy[sizeof mark];
    int alive[2];
    if (pipe2(alive, O_CLOEXEC))
        return errno;
    pid_t pid = start_stranger(alive);
    struct iovec local = {copy, sizeof copy}, remote = {mark, sizeof mark};
    ssize_t n = pid > 0 ? process_vm_readv(pid, &local, 1, &remote, 1, 0) : -1;
    int saved = n == (ssize_t)sizeof copy && !memcmp(copy, mark, sizeof copy) ? 0 : n < 0 ? errno : EIO;
    close(alive[0]);
    close(alive[1]);
    return saved;
}

static bool may_trace_all(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return syscall(SYS_capget, &head, data) == 0 &&
           data[CAP_TO_INDEX(CAP_SYS_PTRACE)].effective & CAP_TO_MASK(CAP_SYS_PTRACE);
}

// What is left of attaching where uprobes are refused.
static void strangers_memory(struct doctor *d)
{
    int failed = read_stranger();
    if (failed)
        doctor_add(d, "memory of strangers", DOCTOR_LIMITED, false,
                   "Of a program that it has not started, seep attach knows neither the heap nor what is unreachable, "
                   "and judges the process's totals; set kernel.yama.ptrace_scope to 0, or grant CAP_SYS_PTRACE.",
                   "a process that is no child of ours cannot be read: %s", strerror(failed));
    else if (!may_trace_all())
        doctor_add(d, "memory of strangers", DOCTOR_OK, false, NULL,
                   "can be read, of processes with our user and no more rights than ours (others need CAP_SYS_PTRACE): "
                   "seep attach counts what glibc has given out, also without uprobes");
    else
        doctor_add(d, "memory of strangers", DOCTOR_OK, false, NULL,
                   "can be read: seep attach counts what glibc has given out, also without uprobes");
}

static void descriptors(struct doctor *d)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l)) {
        doctor_add(d, "descriptors", DOCTOR_LIMITED, false, "Permit getrlimit where it is filtered.",
                   "the limit is unknown: %s", strerror(errno));
        return;
    }
    doctor_add(d, "descriptors", l.rlim_cur < 1024 ? DOCTOR_LIMITED : DOCTOR_OK, false,
               "Load needs one descriptor a connection; raise the limit with ulimit -n.",
               "%llu may be open (at most %llu)", (unsigned long long)l.rlim_cur, (unsigned long long)l.rlim_max);
}

// How a program that runs already can be watched.
static void uprobes(struct doctor *d)
{
    struct seep_err err;
    const char *way_out =
        "seep attach judges totals only (see memory of strangers); run it as root, or with CAP_PERFMON "
        "and CAP_BPF from Linux 6.6 on, on a kernel with uprobes, for call stacks. seep run does not need them.";
    struct linux_uprobes *u = linux_uprobe_allowed(&err) == 0 && linux_uprobe_harmless(&err) == 0
                                  ? linux_uprobes_new(NULL, 0, 8, true, &err)
                                  : NULL;
    if (!u)
        doctor_add(d, "uprobes", DOCTOR_MISSING, false, way_out, "%s", err.text);
    else if (linux_uprobes_follows(u))
        doctor_add(d, "uprobes", DOCTOR_OK, false, NULL,
                   "by BPF: seep attach sees the allocator's calls of whole processes, threads to come included");
    else
        doctor_add(
            d, "uprobes", DOCTOR_LIMITED, false,
            "A program that starts threads while it is attached to loses its stacks; BPF uprobes of Linux 6.6 and "
            "CAP_BPF do without that.",
            "by the uprobe PMU only: seep attach sees the allocator's calls of threads that run already");
    linux_uprobes_free(u);
}

void doctor_rights(struct doctor *d)
{
    pidfd(d);
    sealed_memory(d);
    other_memory(d);
    strangers_memory(d);
    uprobes(d);
    control_groups(d);
    descriptors(d);
}
