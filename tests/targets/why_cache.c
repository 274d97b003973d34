// A cache that fills, and from then on replaces its oldest entry: why_cache ENTRIES.
#include "why_pace.h"

static char **slot;
static unsigned slots;

__attribute__((noinline)) static char *cached_new(unsigned n)
{
    char *p = malloc(200);
    memset(p, (int)(n & 0x3f), 200);
    return p;
}

__attribute__((noinline)) static void step(unsigned n)
{
    free(slot[n % slots]);
    slot[n % slots] = cached_new(n);
}

int main(int argc, char **argv)
{
    slots = argc > 1 ? (unsigned)atoi(argv[1]) : 2000;
    slot = calloc(slots, sizeof *slot);
    return why_pace(step, 400);
}
