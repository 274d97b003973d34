// Forgets a buffer whenever a request is bad, beside a crowd of blocks that are given out again before they are written
// to: what free lists and older requests left in them points at the forgotten ones by chance.
#include "why_pace.h"

static char *crowd[600];

__attribute__((noinline)) static void hustle(void)
{
    static unsigned x = 7;
    for (int i = 0; i < 10; i++) {
        x = x * 1103515245u + 12345u;
        unsigned k = (x >> 8) % 600;
        free(crowd[k]);
        crowd[k] = malloc(16 + (x >> 16) % 600);
        memset(crowd[k], 1, 8);
    }
}

__attribute__((noinline)) static int parse(unsigned n)
{
    char *volatile copy = malloc(400);
    memset(copy, 0x5a, 400);
    if (n % 5 == 0) {
        copy = NULL; // forgotten on the way out
        return -1;
    }
    free(copy);
    return 0;
}

__attribute__((noinline)) static void step(unsigned n)
{
    parse(n);
    hustle();
}

int main(void)
{
    return why_pace(step, 400);
}
