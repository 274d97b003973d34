// Does what it is told, one letter at a time: a allocates 20000 blocks, f frees all, r reallocs every second one, t
// does nothing but one malloc and free. Answers each with a line: how many blocks and bytes are live.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MOST 400000

static void *block[MOST];
static unsigned size[MOST];
static unsigned count;
static unsigned long long bytes;
static void *volatile probe; // keeps the compiler from removing a malloc and free that nobody looks at

static void more(void)
{
    static unsigned x = 1;
    for (int i = 0; i < 20000 && count < MOST; i++, count++) {
        x = x * 1664525 + 1013904223;
        size[count] = x % 64 == 0 ? 20000 + (x >> 16) : 8 + (x >> 8) % 1000;
        block[count] = malloc(size[count]);
        bytes += size[count];
    }
}

static void change(void)
{
    for (unsigned i = 0; i < count; i += 2) {
        bytes += size[i] / 2;
        size[i] += size[i] / 2;
        block[i] = realloc(block[i], size[i]);
    }
}

static void none(void)
{
    for (unsigned i = 0; i < count; i++)
        free(block[i]);
    count = 0;
    bytes = 0;
}

int main(void)
{
    char c;
    while (read(0, &c, 1) == 1) {
        if (c == 'a')
            more();
        else if (c == 'r')
            change();
        else if (c == 'f')
            none();
        else
            free(probe = malloc(10));
        char line[64]; // not dprintf: its buffer may still be allocated when the reader of the line looks
        int n = snprintf(line, sizeof line, "live %u %llu\n", count, bytes);
        if (write(1, line, (size_t)n) != n)
            return 1;
    }
    return 0;
}
