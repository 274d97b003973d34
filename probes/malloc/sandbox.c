// Programs that give up system calls: the probe must be gone from their way before the kernel kills them for ours.
//
// A program locks itself in by prctl(2) or by seccomp(2), for which there is no wrapper: sandbox libraries go through
// syscall(3). Both are watched. From then on the probe makes no system call at all in this process, and its children
// do not attach. A program that is started locked in already (more filters than seep itself lives under) never
// attaches.
#include "malloc/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>

#define SECCOMP_NUMBER 317

uint32_t probe_no_syscalls, probe_seccomp;

static void lock_in(void)
{
    struct probe_region *r = probe_get();
    store_relaxed(&probe_seccomp, 1);
    store_relaxed(&probe_no_syscalls, 1);
    if (r)
        __atomic_fetch_or(&r->header->flags, SEEP_HDR_SECCOMP, __ATOMIC_RELAXED);
}

PROBE_EXPORT int prctl(int option, ...)
{
    va_list ap;
    va_start(ap, option);
    unsigned long a = va_arg(ap, unsigned long), b = va_arg(ap, unsigned long), c = va_arg(ap, unsigned long),
                  d = va_arg(ap, unsigned long);
    va_end(ap);
    probe_need_real();
    if (option == PR_SET_SECCOMP)
        lock_in();
    if (likely(probe_real.prctl != NULL))
        return probe_real.prctl(option, a, b, c, d);
    errno = ENOSYS;
    return -1;
}

// Called by the stub below before the call is made. filter NULL: only a question whether the kernel knows the flag.
__attribute__((used)) void probe_before_seccomp(unsigned long operation, unsigned long flags, const void *filter);
void probe_before_seccomp(unsigned long operation, unsigned long flags, const void *filter)
{
    (void)flags;
    if (operation == 0 || (operation == 1 && filter))
        lock_in();
}

__attribute__((used)) void *probe_find_syscall(void);
void *probe_find_syscall(void)
{
    void *real;
    probe_need_real();
    memcpy(&real, &probe_real.syscall, sizeof real);
    return real;
}

// syscall(3) as a jump, not a call: what is forked, cloned onto another stack or vforked through it must find the stack
// as the caller left it. Six registers are kept over our own work; the pushes leave the stack aligned for calls.
__asm__(".text\n"
        ".globl syscall\n"
        ".type syscall, @function\n"
        "syscall:\n"
        "    .cfi_startproc\n"
        "    movq probe_syscall_of_libc(%rip), %rax\n"
        "    cmpq $317, %rdi\n"
        "    je 1f\n"
        "    testq %rax, %rax\n"
        "    je 1f\n"
        "    jmp *%rax\n"
        "1:  pushq %rdi\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    pushq %rsi\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    pushq %rdx\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    pushq %rcx\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    pushq %r8\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    pushq %r9\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    subq $8, %rsp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    cmpq $317, %rdi\n"
        "    jne 2f\n"
        "    movq %rsi, %rdi\n"
        "    movq %rdx, %rsi\n"
        "    movq %rcx, %rdx\n"
        "    call probe_before_seccomp\n"
        "2:  call probe_find_syscall\n"
        "    movq %rax, probe_syscall_of_libc(%rip)\n"
        "    addq $8, %rsp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %r9\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %r8\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rcx\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rdx\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rsi\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rdi\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    testq %rax, %rax\n"
        "    je 3f\n"
        "    jmp *%rax\n"
        "3:  movq $-1, %rax\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size syscall, .-syscall\n"
        ".local probe_syscall_of_libc\n"
        ".comm probe_syscall_of_libc,8,8\n");
_Static_assert(SECCOMP_NUMBER == SYS_seccomp, "the number in the stub");

// The number after `name` at the start of a line of /proc/self/status; -1 when there is no such line.
static long status_number(const char *text, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = text; at; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, name, n) != 0) {
            if (!*at)
                break;
            continue;
        }
        long v = 0;
        for (at += n; *at == '\t' || *at == ' '; at++)
            ;
        for (; *at >= '0' && *at <= '9'; at++)
            v = v * 10 + (*at - '0');
        return v;
    }
    return -1;
}

// Asked once for each program image, by calls that its loader had to make as well. In pieces: what a program has of
// stack is its own.
int probe_is_locked_in(uint32_t filters_of_seep)
{
    char text[512];
    long fd = sys6(SYS_openat, AT_FDCWD, (long)"/proc/self/status", O_RDONLY | O_CLOEXEC, 0, 0, 0), n = 0, got;
    long filters = -1, mode = -1;
    if (sys_failed(fd)) // no /proc here: a question that only the strictest filters answer by killing
        return sys6(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0, 0) != 0;
    while ((got = sys3(SYS_read, fd, (long)text + n, (long)sizeof text - 1 - n)) > 0) {
        text[n + got] = 0;
        long new_filters = status_number(text, "Seccomp_filters:"), new_mode = status_number(text, "Seccomp:");
        filters = new_filters >= 0 ? new_filters : filters;
        mode = new_mode >= 0 ? new_mode : mode;
        const char *last = strrchr(text, '\n'); // a line that goes on in the next piece is looked at again
        n = last ? text + n + got - last : 0;
        n = n == (long)sizeof text - 1 ? 0 : n; // longer than that is none of ours
        memmove(text, last ? last : text, (size_t)n);
    }
    sys3(SYS_close, fd, 0, 0);
    return (filters >= 0 ? filters : mode > 0) > (long)filters_of_seep;
}
