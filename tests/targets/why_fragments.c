// Live bytes stay, resident bytes grow: each block is shrunk in place to a few bytes once another lies behind it, and
// every later one is larger than the holes that leaves.
#include "why_pace.h"

#define PINS (1 << 20)

static char *volatile pin[PINS];

__attribute__((noinline)) static void step(unsigned n)
{
    static char *before;
    size_t size = 4000 + 16 * (size_t)n;
    char *p = malloc(size);
    memset(p, 1, size);
    pin[n % PINS] = realloc(before, 24);
    before = p;
}

int main(void)
{
    return why_pace(step, 100);
}
