// A plug-in of the zoo; built twice under other names (-DPLUG_B), so that both may lie at the same address in turn.
#include <stdlib.h>

static void *volatile kept;

static __attribute__((noinline)) void *make(size_t size)
{
    return kept = malloc(size);
}

#ifdef PLUG_B
static volatile int padding;
void plug_b_make(size_t size);
void plug_b_make(size_t size)
{
    padding++;
    make(size);
    kept = NULL;
}
#else
void plug_a_make(size_t size);
void plug_a_make(size_t size)
{
    make(size);
    kept = NULL;
}
#endif
