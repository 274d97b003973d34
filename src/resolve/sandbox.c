// The resolver process locks itself in: see sandbox.h.
//
// Method: everything the process will ever need arrives as a descriptor, so it may read, map memory and talk to its
// socket, nothing else. A forbidden call returns EPERM instead of killing: libdw tries to open alternative files and
// goes on without them, which is what we want. Executable memory cannot be made, other processes, the network and the
// file system cannot be reached. open() is answered by us instead of the kernel, see sandbox_offer().
#include "resolve/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)
#define SANDBOX_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SANDBOX_ARCH AUDIT_ARCH_AARCH64
#else
#error "the resolver's system call filter knows only x86-64 and aarch64"
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZED 1
#else
#define SANDBOX_SANITIZED 0
#endif

#define LOAD(field)    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define ALLOW(name)    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1), RETURN(SECCOMP_RET_ALLOW)
#define TRAP(name)     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1), RETURN(SECCOMP_RET_TRAP)
// Allowed only when the low half of the third argument has no PROT_EXEC.
#define ALLOW_NOEXEC(name)                                                                                             \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 4), LOAD(args[2]),                                             \
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1), RETURN(SECCOMP_RET_ERRNO | EPERM),                      \
        RETURN(SECCOMP_RET_ALLOW)

static const struct sock_filter filter[] = {
    LOAD(arch),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SANDBOX_ARCH, 1, 0),
    RETURN(SECCOMP_RET_KILL_PROCESS),
    LOAD(nr),
    // The x32 numbers of x86-64 would bypass the list below.
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
    RETURN(SECCOMP_RET_KILL_PROCESS),
    ALLOW(read),
    ALLOW(pread64),
    ALLOW(lseek),
    ALLOW(fstat),
    ALLOW(newfstatat), // glibc's fstat on some versions; no descriptor of a directory is ever held
    ALLOW(close),
    ALLOW(dup),
    ALLOW(fcntl),
    ALLOW(munmap),
    ALLOW(mremap),
    ALLOW(madvise),
    ALLOW(brk),
    ALLOW(futex),
    ALLOW(getrandom),
    ALLOW(sched_yield),
    ALLOW(clock_gettime),
    ALLOW(setitimer),
    ALLOW(rt_sigreturn),
    ALLOW(rt_sigprocmask),
    ALLOW(gettid),
    ALLOW(getpid),
    ALLOW(exit),
    ALLOW(exit_group),
    ALLOW(restart_syscall),
    ALLOW(recvmsg),
    ALLOW(sendmsg),
    ALLOW(sendto),
#ifdef __NR_poll
    ALLOW(poll),
#endif
    ALLOW(ppoll),
#if SANDBOX_SANITIZED
    // Sanitizer run times report on standard error and stop their world at exit.
    ALLOW(write),
    ALLOW(sigaltstack),
    ALLOW(rt_sigaction),
    ALLOW(prctl),
#endif
    TRAP(openat),
#ifdef __NR_open
    TRAP(open),
#endif
#ifdef __NR_readlink
    // libdw asks where its file lies, and looks for no relative name beside it when it is not told: no path has links.
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_readlink, 0, 1),
    RETURN(SECCOMP_RET_ERRNO | EINVAL),
#endif
    ALLOW_NOEXEC(mmap),
    ALLOW_NOEXEC(mprotect),
    RETURN(SECCOMP_RET_ERRNO | EPERM),
};

// ---- the one file that may be opened

static int offered = -1;

void sandbox_offer(int fd)
{
    offered = fd;
}

static void on_forbidden(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    long answer = -EPERM;
    (void)sig, (void)info;
    if (offered >= 0)
        answer = dup(offered);
#if defined(__x86_64__)
    u->uc_mcontext.gregs[REG_RAX] = answer;
#else
    u->uc_mcontext.regs[0] = (unsigned long long)answer;
#endif
}

static int answer_for_the_kernel(void)
{
    struct sigaction a = {.sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO};
    return sigaction(SIGSYS, &a, NULL);
}

static int limit(int what, rlim_t value)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)what, &now) != 0)
        return -1;
    if (now.rlim_max != RLIM_INFINITY && value > now.rlim_max)
        value = now.rlim_max;
    struct rlimit wanted = {value, value};
    return setrlimit((__rlimit_resource_t)what, &wanted);
}

int sandbox_limits(void)
{
    if (limit(RLIMIT_NOFILE, 1024) != 0 || limit(RLIMIT_CORE, 0) != 0 || limit(RLIMIT_FSIZE, 0) != 0)
        return -1;
    return 0;
}

int sandbox_enter(void)
{
    // Undumpable: a taken-over resolver cannot be used to read our memory through a core, nor the user's ptrace.
    if (answer_for_the_kernel() != 0 || prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    struct sock_fprog program = {.len = sizeof filter / sizeof filter[0],
                                 .filter = (struct sock_filter *)(uintptr_t)filter};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
