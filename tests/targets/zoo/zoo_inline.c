// -O3, link-time optimisation, inlined frames across two source files.
#include "zoo_inline.h"
#include "zoo.h"

#ifndef WITHIN_FIRST
#define WITHIN_FIRST 3101
#endif
enum { WITHIN = WITHIN_FIRST, ACROSS };

ZOO_INLINE void *inner(size_t size)
{
    return zoo_kept = malloc(size);
}

ZOO_INLINE void *middle(size_t size)
{
    void *p = inner(size);
    zoo_kept = p;
    return p;
}

static ZOO_NOINLINE void outer(size_t size)
{
    zoo_kept = middle(size);
}

static __attribute__((noinline, noclone, flatten)) void across(size_t size)
{
    zoo_kept = inline_other(size);
}

static ZOO_NOINLINE void once_round(void)
{
    outer(WITHIN);
    across(ACROSS);
    zoo_kept = NULL;
}

int main(void)
{
    zoo_says(WITHIN, "exact", "inner~;middle~;outer;once_round;zoo_live~;main");
    zoo_says(ACROSS, "exact", "inline_leaf~;inline_other~;across;once_round;zoo_live~;main");
    zoo_live(once_round);
}
