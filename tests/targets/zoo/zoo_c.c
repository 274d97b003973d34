// Plain C: each entry point, recursion, function pointers, a library through its stubs, calls that are jumps, frames
// of variable size, more frames than are walked, a thread.
#include "zoo.h"
#include "zoo_lib.h"

#include <malloc.h>
#include <pthread.h>
#include <string.h>

#define MAIN "zoo_live~;main"
#ifndef FIRST
#define FIRST 3000
#endif
enum {
    MALLOC = FIRST + 1,
    CALLOC,
    REALLOC,
    MEMALIGN,
    ALIGNED,
    LIBRARY,
    CALLBACK,
    RECURSION,
    TAIL,
    TAIL_MALLOC,
    ALLOCA,
    DEEP,
    THREAD
};

static ZOO_NOINLINE void *by_malloc(size_t size)
{
    return zoo_kept = malloc(size);
}

static ZOO_NOINLINE void *by_calloc(size_t size)
{
    return zoo_kept = calloc(1, size);
}

static ZOO_NOINLINE void *by_realloc(size_t size)
{
    void *p = malloc(16);
    return zoo_kept = realloc(p, size);
}

static ZOO_NOINLINE void *by_memalign(size_t size)
{
    void *p = NULL;
    if (posix_memalign(&p, 64, size) != 0)
        abort();
    return zoo_kept = p;
}

static ZOO_NOINLINE void *by_aligned(size_t size)
{
    return zoo_kept = aligned_alloc(32, size);
}

static ZOO_NOINLINE void recurse(unsigned depth, size_t size)
{
    if (depth)
        recurse(depth - 1, size);
    else
        by_malloc(size);
    zoo_kept = NULL;
}

static ZOO_NOINLINE void *tail_end(size_t size)
{
    static volatile int ends; // lest the compiler folds this and by_malloc into one
    ends++;
    return zoo_kept = malloc(size);
}

static ZOO_NOINLINE void *tail_middle(size_t size)
{
    return tail_end(size); // a jump: this frame is gone
}

static ZOO_NOINLINE void tail_begin(size_t size)
{
    zoo_kept = tail_middle(size);
}

static ZOO_NOINLINE void *tail_malloc(size_t size)
{
    return malloc(size); // a jump into malloc itself
}

static ZOO_NOINLINE void tail_malloc_begin(size_t size)
{
    zoo_kept = tail_malloc(size);
}

static ZOO_NOINLINE void with_alloca(size_t size, size_t n)
{
    char *room = __builtin_alloca(n);
    memset(room, 1, n);
    by_malloc(size);
    zoo_kept = room;
}

static void *thread(void *arg)
{
    (void)arg;
    by_malloc(THREAD);
    zoo_kept = NULL;
    return NULL;
}

static void *(*volatile const sites[])(size_t) = {by_malloc, by_calloc, by_realloc, by_memalign, by_aligned};

static ZOO_NOINLINE void once_round(void)
{
    pthread_t t;
    static unsigned turn;
    for (unsigned i = 0; i < sizeof sites / sizeof *sites; i++)
        sites[i](MALLOC + i);
    zoo_kept = lib_make(LIBRARY);
    zoo_kept = lib_call(by_malloc, CALLBACK);
    recurse(3, RECURSION);
    tail_begin(TAIL);
    tail_malloc_begin(TAIL_MALLOC);
    with_alloca(ALLOCA, 100 + 1000 * (turn++ % 3));
    recurse(200, DEEP);
    if (pthread_create(&t, NULL, thread, NULL) == 0)
        pthread_join(t, NULL);
}

int main(void)
{
    char deep[4096] = "by_malloc";
    for (int i = 1; i < 128; i++)
        strcat(deep, ";recurse");
    zoo_says(MALLOC, "exact", "by_malloc;once_round;" MAIN);
    zoo_says(CALLOC, "exact", "by_calloc;once_round;" MAIN);
    zoo_says(REALLOC, "exact", "by_realloc;once_round;" MAIN);
    zoo_says(MEMALIGN, "exact", "by_memalign;once_round;" MAIN);
    zoo_says(ALIGNED, "exact", "by_aligned;once_round;" MAIN);
    zoo_says(LIBRARY, "exact", "lib_make;once_round;" MAIN);
    zoo_says(CALLBACK, "exact", "by_malloc;lib_call;once_round;" MAIN);
    zoo_says(RECURSION, "exact", "by_malloc;recurse;recurse;recurse;recurse;once_round;" MAIN);
    zoo_says(TAIL, "exact", "tail_end;tail_begin;once_round;" MAIN);
    zoo_says(TAIL_MALLOC, "exact", "tail_malloc_begin;once_round;" MAIN);
    zoo_says(ALLOCA, "exact", "by_malloc;with_alloca;once_round;" MAIN);
    zoo_says(DEEP, "cut", deep);
    zoo_says(THREAD, "exact", "by_malloc;thread");
    zoo_live(once_round);
}
