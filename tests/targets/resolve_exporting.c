// Vice: stripped, it still exports one function; a local one lies right behind it.
// flags: -O2 -g -rdynamic -fno-toplevel-reorder
#include "resolve_marks.h"

#include <stdio.h>

static volatile int sink;

__attribute__((noinline)) void exported(int x)
{
    sink = x;
    MARK(); // exported
    sink += 3;
}

static __attribute__((noinline, noclone)) void local(int x)
{
    sink = x;
    MARK(); // local
    sink += 4;
}

int main(int argc, char **argv)
{
    (void)argv;
    exported(argc);
    local(argc);
    printf("%d\n", sink);
    return 0;
}
