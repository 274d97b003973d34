// Vice: the interesting calls are inlined, three deep, into a function that is itself a static one.
// flags: -O2 -g
#include "resolve_marks.h"

#include <stdio.h>

static volatile int sink;

static inline __attribute__((always_inline)) void innermost(int x)
{
    sink += x;
    MARK(); // innermost
    sink ^= x;
}

static inline __attribute__((always_inline)) void middle(int x)
{
    sink += 2 * x;
    innermost(x); // middle calls
    sink -= x;
}

static __attribute__((noinline, noclone)) void outer(int x)
{
    sink = x;
    middle(x + 1); // outer calls
    sink += 7;
}

__attribute__((noinline, visibility("default"))) void exported_plain(int x)
{
    sink = x;
    MARK(); // plain
    sink += 3;
}

static __attribute__((noinline, noclone)) void hidden_plain(int x)
{
    sink = x;
    MARK(); // hidden
    sink += 4;
}

int main(int argc, char **argv)
{
    (void)argv;
    outer(argc);
    exported_plain(argc);
    hidden_plain(argc);
    printf("%d\n", sink);
    return 0;
}
