// System calls by hand: they touch no errno, are no cancellation points, and bring no symbol versions with them.
#ifndef PROBE_SYS_H
#define PROBE_SYS_H

#include <stdint.h>
#include <sys/syscall.h>

#ifndef __x86_64__
#error "the probe knows x86-64 only; sys.h, walk.c and cfi.c are what another machine needs"
#endif

extern uint32_t probe_no_syscalls __attribute__((
    visibility("hidden"))); // the program asked the kernel to kill it for system calls: none of ours any more

static inline long sys6(long n, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long ret;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}

static inline long sys3(long n, long a, long b, long c)
{
    return sys6(n, a, b, c, 0, 0, 0);
}

static inline int sys_failed(long ret)
{
    return (unsigned long)ret > -4096ul;
}

// Whether eight bytes at `address` can be read. rt_sigprocmask copies the new mask in before it looks at `how`, so an
// impossible `how` changes nothing and EFAULT says "not readable": one cheap call that every sandbox lets through.
static inline int sys_readable(uintptr_t address)
{
    return !probe_no_syscalls && sys6(SYS_rt_sigprocmask, 0x7fff, (long)address, 0, 8, 0, 0) != -14;
}

struct sys_timespec {
    long sec, nsec;
};

static inline uint64_t sys_clock_ns(int clock)
{
    struct sys_timespec ts = {0, 0};
    if (probe_no_syscalls)
        return 0;
    sys3(SYS_clock_gettime, clock, (long)&ts, 0);
    return (uint64_t)ts.sec * 1000000000u + (uint64_t)ts.nsec;
}

static inline uint64_t sys_now_ns(void)
{
    return sys_clock_ns(1); // CLOCK_MONOTONIC
}

static inline uint64_t sys_cpu_ns(void)
{
    return sys_clock_ns(3); // CLOCK_THREAD_CPUTIME_ID
}

#endif
