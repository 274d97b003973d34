// What the programs of the zoo share. Each knows its own stacks: every allocation site has a size that no other has,
// and says at the start which functions lead to it, innermost first:
//   zoo SIZE KIND name;name;...      KIND: exact, or cut (must be marked as truncated, and hold no more than this)
// A name that ends in ~ is inlined into the next. tests/lib/zoo.py compares this with what seep makes of it. Then each
// goes round its sites, losing a block at each, until it is ended.
#ifndef ZOO_H
#define ZOO_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ZOO_NOINLINE __attribute__((noinline, noclone))
#define ZOO_INLINE   static inline __attribute__((always_inline))

static void *volatile zoo_kept; // what was allocated last; a store after the call, so that no call is a jump

static inline void zoo_says(size_t size, const char *kind, const char *chain)
{
    printf("zoo %zu %s %s\n", size, kind, chain);
}

static inline void zoo_live(void (*once_round)(void))
{
    fflush(stdout);
    for (;;) {
        once_round();
        usleep(100000);
    }
}

#endif
