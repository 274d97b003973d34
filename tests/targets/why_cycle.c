// Forgets pairs that point at each other, as reference counting does.
#include "why_pace.h"

struct half {
    struct half *other;
    char filling[192];
};

__attribute__((noinline)) static struct half *half_new(void)
{
    struct half *h = calloc(1, sizeof *h);
    h->filling[0] = 1;
    return h;
}

__attribute__((noinline)) static void step(unsigned n)
{
    struct half *volatile pair[2];
    (void)n;
    for (int i = 0; i < 2; i++)
        pair[i] = half_new();
    pair[0]->other = pair[1];
    pair[1]->other = pair[0];
    pair[0] = pair[1] = NULL; // forgotten
}

int main(void)
{
    return why_pace(step, 250);
}
