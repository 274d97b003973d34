// Forgets records: nothing points at them any more.
#include "why_pace.h"

__attribute__((noinline)) static char *record_new(unsigned n)
{
    char *r = malloc(200);
    memset(r, (int)(n & 0x3f), 200);
    return r;
}

__attribute__((noinline)) static void step(unsigned n)
{
    char *volatile kept = record_new(n);
    free(record_new(n));
    kept = NULL; // forgotten
    (void)kept;
}

int main(void)
{
    return why_pace(step, 400);
}
