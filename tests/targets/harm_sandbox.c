// Locks itself in with a seccomp filter. "run": only what a computing program needs is allowed, everything else kills;
// allocates on, in the main thread and in one that is there already. "kill NAME... -- CMD": the named system calls kill
// from then on, over exec as well. "deny NAME... -- CMD": they fail with EPERM.
// usage: harm_sandbox run | kill NAME... -- CMD ARG... | deny NAME... -- CMD ARG...
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct sock_filter code[64];
static unsigned short n_code;

static void emit(struct sock_filter f)
{
    code[n_code++] = f;
}

static void on(long number, unsigned action)
{
    emit((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1));
    emit((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

// By the system call of that name, as a sandbox library does it: no wrapper of the C library that anybody could watch.
static int install(unsigned otherwise)
{
    emit((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, otherwise));
    struct sock_fprog program = {.len = n_code, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static void begin(void)
{
    emit((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
}

static volatile int ready, locked_in, done;

static __attribute__((noinline, noclone)) void allocate(int depth)
{
    char pad[600];
    memset(pad, depth, sizeof pad);
    void *volatile p[20];
    for (int i = 0; i < 20; i++)
        p[i] = malloc((size_t)(i * 50 + pad[i] % 7));
    if (depth)
        allocate(depth - 1);
    for (int i = 0; i < 20; i++)
        free(p[i]);
}

static void *beside(void *arg)
{
    free(malloc(10)); // its arena, while that is still allowed
    ready = 1;
    while (!locked_in)
        ;
    for (int i = 0; i < 200; i++)
        allocate(8);
    done = 1;
    for (;;)
        ;
    return arg;
}

static int run_locked_in(void)
{
    static const long allowed[] = {SYS_brk,      SYS_mmap,  SYS_munmap, SYS_mremap,    SYS_madvise,
                                   SYS_mprotect, SYS_futex, SYS_write,  SYS_exit_group};
    pthread_t t;
    pthread_create(&t, NULL, beside, NULL);
    free(malloc(10));
    while (!ready)
        usleep(100);
    begin();
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        on(allowed[i], SECCOMP_RET_ALLOW);
    emit((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
    struct sock_fprog program = {.len = n_code, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        return 77;
    locked_in = 1;
    for (int i = 0; i < 200; i++)
        allocate(8);
    while (!done)
        ;
    if (write(1, "alive\n", 6) != 6)
        return 1;
    syscall(SYS_exit_group, 0);
    return 1;
}

static long number_of(const char *name)
{
    static const struct {
        const char *name;
        long number;
    } known[] = {{"socket", SYS_socket},
                 {"connect", SYS_connect},
                 {"memfd_create", SYS_memfd_create},
                 {"fallocate", SYS_fallocate},
                 {"sendto", SYS_sendto},
                 {"recvmsg", SYS_recvmsg},
                 {"madvise", SYS_madvise},
                 {"tgkill", SYS_tgkill},
                 {"gettid", SYS_gettid},
                 {"rt_sigprocmask", SYS_rt_sigprocmask}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, name))
            return known[i].number;
    fprintf(stderr, "harm_sandbox: unknown call %s\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "run"))
        return run_locked_in();
    int kills = argc > 1 && !strcmp(argv[1], "kill"), i = 2;
    begin();
    for (; i < argc && strcmp(argv[i], "--") != 0; i++)
        on(number_of(argv[i]), kills ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | EPERM);
    if (i + 1 >= argc || install(SECCOMP_RET_ALLOW) != 0)
        return 77;
    execvp(argv[i + 1], argv + i + 1);
    return 127;
}
