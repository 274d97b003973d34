// A table that only grows: an array of pointers to values, and the values. Reallocated now and then.
#include "why_pace.h"

static char **registry;
static unsigned used, room;

__attribute__((noinline)) static char *value_new(void)
{
    char *v = calloc(1, 200);
    v[0] = 1;
    return v;
}

__attribute__((noinline)) static void table_grow(void)
{
    room = room ? 2 * room : 1024;
    registry = realloc(registry, room * sizeof *registry);
}

__attribute__((noinline)) static void step(unsigned n)
{
    (void)n;
    if (used == room)
        table_grow();
    registry[used++] = value_new();
}

int main(void)
{
    return why_pace(step, 400);
}
