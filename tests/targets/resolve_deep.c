// Vice: stops itself deep in a chain of calls without frame pointers. Arguments: plain | signal | altstack, and a
// depth. flags: -O2 -g -fomit-frame-pointer -fno-optimize-sibling-calls -fno-ipa-cp
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile int sink;
static int by_signal;

__attribute__((noinline, noclone)) void stop_here(void)
{
    raise(SIGSTOP);
    sink++;
}

__attribute__((noinline, noclone)) void on_signal(int signo)
{
    char frame[200];
    memset(frame, signo, sizeof frame);
    stop_here();
    sink += frame[sink & 127];
}

__attribute__((noinline, noclone)) void leaf(int x)
{
    if (by_signal)
        *(volatile int *)(unsigned long)sink = x; // null: the handler interrupts this very instruction
    else
        stop_here();
    sink += x;
}

__attribute__((noinline, noclone)) void dig(int depth)
{
    volatile char frame[72];
    frame[depth % 72] = (char)depth;
    if (depth > 1)
        dig(depth - 1);
    else
        leaf(depth);
    sink += frame[depth % 72];
}

int main(int argc, char **argv)
{
    static char alternate[65536];
    by_signal = argc > 1 && strcmp(argv[1], "plain") != 0;
    struct sigaction action = {.sa_handler = on_signal};
    if (argc > 1 && strcmp(argv[1], "altstack") == 0) {
        stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
        sigaltstack(&stack, NULL);
        action.sa_flags = SA_ONSTACK;
    }
    sigaction(SIGSEGV, &action, NULL);
    dig(argc > 2 ? atoi(argv[2]) : 5);
    printf("%d\n", sink);
    return 0;
}
