// Allocates in signal handlers (on an alternate stack too small for anything lavish, and on the thread's own), leaves
// handlers by longjmp, and keeps its own count of what is live at the end. The main code does not itself allocate while
// signals fly, except where they are blocked: what is legal here stays legal. With "wild" it allocates everywhere,
// through a lock-free arena of the kind some programs bring along: only a live count at the end is wanted then.
// usage: probe_signals SIGNALS
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile unsigned long blocks, bytes;
static void *kept[64];
static sigjmp_buf out;
static volatile int jump;

static __attribute__((noinline)) void in_handler(int n)
{
    unsigned slot = (unsigned)n % 64;
    if (kept[slot]) {
        free(kept[slot]);
        bytes -= 100 + slot;
        blocks--;
    }
    kept[slot] = malloc(100 + slot);
    bytes += 100 + slot;
    blocks++;
}

static void handler(int sig)
{
    static int n;
    (void)sig;
    in_handler(n++);
    if (jump)
        siglongjmp(out, 1);
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 1000;
    void *stack = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t ss = {.ss_sp = stack, .ss_size = 16384};
    sigaltstack(&ss, NULL);
    struct sigaction a = {.sa_handler = handler, .sa_flags = SA_ONSTACK}, b = {.sa_handler = handler};
    sigaction(SIGUSR1, &a, NULL);
    sigaction(SIGUSR2, &b, NULL);
    for (volatile int i = 0; i < n; i++) {
        jump = i % 16 == 0;
        if (sigsetjmp(out, 1) == 0)
            raise(i & 1 ? SIGUSR1 : SIGUSR2);
    }
    dprintf(1, "live %lu %lu\n", blocks, bytes);
    char c;
    return read(0, &c, 1) < 0;
}
