// Vice: its unwind rules have no search table (.eh_frame without .eh_frame_hdr).
// flags: -O2 -g -fomit-frame-pointer -fno-optimize-sibling-calls -Wl,--no-eh-frame-hdr
#include <signal.h>
#include <stdio.h>

static volatile int sink;

__attribute__((noinline, noclone)) void stop_here(void)
{
    raise(SIGSTOP);
    sink++;
}

__attribute__((noinline, noclone)) void second(int x)
{
    volatile int frame[20];
    frame[x % 20] = x;
    stop_here();
    sink += frame[x % 20];
}

__attribute__((noinline, noclone)) void first(int x)
{
    volatile int frame[9];
    frame[x % 9] = x;
    second(x + 1);
    sink += frame[x % 9];
}

int main(int argc, char **argv)
{
    (void)argv;
    first(argc);
    printf("%d\n", sink);
    return 0;
}
