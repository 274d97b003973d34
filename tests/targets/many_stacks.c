// many_stacks STACKS [EACH [SECONDS]]: allocates EACH (1) blocks of 24 bytes from each of so many call stacks, all
// different, then frees every second one. Says what it did, after SECONDS: blocks allocated, blocks and bytes that
// live. No other allocation.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void **kept;
static unsigned long made, each = 1;

void left(unsigned bits, int depth);
void right(unsigned bits, int depth);

__attribute__((noinline)) static void leaf(void)
{
    for (unsigned long i = 0; i < each; i++)
        kept[made++] = malloc(24);
}

static inline __attribute__((always_inline)) void next(unsigned bits, int depth)
{
    if (depth == 0)
        leaf();
    else if (bits & 1)
        left(bits >> 1, depth - 1);
    else
        right(bits >> 1, depth - 1);
    __asm__ volatile("" ::: "memory"); // no jump instead of the call
}

__attribute__((noinline)) void left(unsigned bits, int depth)
{
    next(bits, depth);
}

__attribute__((noinline)) void right(unsigned bits, int depth)
{
    next(bits, depth);
    __asm__ volatile("nop");
}

int main(int argc, char **argv)
{
    static void *room[4 << 20];
    unsigned long stacks = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    each = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    if (stacks * each > sizeof room / sizeof *room || stacks > 1ul << 24)
        return 2;
    kept = room;
    for (unsigned long i = 0; i < stacks; i++)
        left((unsigned)i, 24);
    unsigned long live = 0;
    for (unsigned long i = 0; i < made; i++)
        if (i % 2)
            free(kept[i]);
        else
            live++;
    if (argc > 3)
        sleep((unsigned)atoi(argv[3]));
    char text[80];
    int n = snprintf(text, sizeof text, "%lu %lu %lu\n", made, live, 24 * live); // on the stack: no stream allocates
    _Exit(write(1, text, (size_t)n) != n);
}
