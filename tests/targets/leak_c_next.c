// flags: -O3 -fno-omit-frame-pointer
// The next build of leak_c: more code before the old, other optimisation, so that nothing lies where it lay. What
// allocates is the same, and has to be recognised as such.
#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline)) static int new_feature(int x)
{
    char text[64];
    return snprintf(text, sizeof text, "feature %d", x * 3);
}

__attribute__((constructor)) static void use_feature(void)
{
    static volatile int sum;
    for (int i = 0; i < 3; i++)
        sum += new_feature(i);
}

#include "leak_c.c"
