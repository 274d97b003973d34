// Maps memory and never unmaps it.
#include "why_pace.h"

#include <sys/mman.h>

__attribute__((noinline)) static void *arena_new(void)
{
    char *p = mmap(NULL, 64 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    p[0] = 1;
    return p;
}

__attribute__((noinline)) static void step(unsigned n)
{
    memset(arena_new(), (int)n | 1, 64 << 10);
}

int main(void)
{
    return why_pace(step, 20);
}
