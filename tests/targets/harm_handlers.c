// Timers fire signals into threads that do nothing but allocate; the handlers allocate too, on the thread's own stack
// and on an alternate one, and some leave by siglongjmp. Legal only with an allocator that may be interrupted
// (harm_arena). usage: harm_handlers SIGNALS
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile int caught, stop, wanted;
static __thread sigjmp_buf out;
static __thread volatile int may_jump;

static void handler(int sig)
{
    int n = __atomic_add_fetch(&caught, 1, __ATOMIC_RELAXED);
    if (n >= wanted)
        stop = 1;
    char *p = malloc((size_t)(n % 500 + 1));
    p = realloc(p, 700);
    memset(p, sig, 700);
    if (n % 3)
        free(p);
    if (n % 16 == 0 && may_jump)
        siglongjmp(out, 1);
}

static __attribute__((noinline, noclone)) int allocate(int depth)
{
    char *volatile p = malloc((size_t)depth * 30 + 1);
    p[0] = (char)depth;
    int sum = depth ? allocate(depth - 1) : 0;
    sum += p[0];
    free(p);
    return sum;
}

static void *work(void *arg)
{
    // siglongjmp lets the next signal in while it still stands on this stack: several of the kernel's large frames pile
    // up.
    static __thread char alternate[1 << 18];
    stack_t ss = {.ss_sp = alternate, .ss_size = sizeof alternate};
    if ((size_t)arg % 2)
        sigaltstack(&ss, NULL);
    timer_t timer;
    struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    ev._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    struct itimerspec every = {.it_interval.tv_nsec = 50000 + 7000 * (long)(size_t)arg, .it_value.tv_nsec = 50000};
    if (timer_create(CLOCK_MONOTONIC, &ev, &timer) != 0 || timer_settime(timer, 0, &every, NULL) != 0)
        return (void *)1;
    may_jump = 0;
    while (!stop) {
        if (sigsetjmp(out, 1) == 0) {
            may_jump = 1;
            for (int i = 0; i < 20 && !stop; i++)
                if (allocate(20) != 210)
                    return (void *)2;
        }
        may_jump = 0;
    }
    timer_delete(timer);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t t[3];
    void *bad[3];
    wanted = argc > 1 ? atoi(argv[1]) : 1000;
    struct sigaction a = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &a, NULL);
    for (size_t i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, work, (void *)i);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], &bad[i]);
    printf("%s %p %p %p\n", caught >= wanted ? "done" : "short", bad[0], bad[1], bad[2]);
    return 0;
}
