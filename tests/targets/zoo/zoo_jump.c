// longjmp: over frames of every kind, out of a handler on a stack of its own, and again and again from one place, which
// leaves behind on the stack what callers remembered of it looked like.
#include "zoo.h"

#include <setjmp.h>
#include <string.h>

#ifndef FIRST
#define FIRST 3900
#endif
enum { AFTER = FIRST + 1, DEEPER, OUT_OF_HANDLER, SAME_PLACE, SAME_OTHER };

static jmp_buf back;
static sigjmp_buf out;
static void (*volatile const jump)(struct __jmp_buf_tag *, int) = longjmp;

static ZOO_NOINLINE void lose(size_t size)
{
    zoo_kept = malloc(size);
}

static ZOO_NOINLINE void dive(unsigned depth)
{
    volatile char room[64 + 32];
    memset((char *)room, (int)depth, sizeof room);
    if (depth)
        dive(depth - 1);
    else
        jump(back, 1);
    zoo_kept = NULL;
}

static ZOO_NOINLINE void after_a_jump(void)
{
    if (setjmp(back) == 0)
        dive(5);
    lose(AFTER);
    zoo_kept = NULL;
}

static ZOO_NOINLINE void before_a_jump(unsigned depth)
{
    if (depth) {
        before_a_jump(depth - 1);
    } else {
        lose(DEEPER);
        jump(back, 1);
    }
    zoo_kept = NULL;
}

static ZOO_NOINLINE void jumps_away(void)
{
    if (setjmp(back) == 0)
        before_a_jump(2);
    zoo_kept = NULL;
}

static void on_fault(int sig)
{
    (void)sig;
    siglongjmp(out, 1);
}

static ZOO_NOINLINE void fault_here(void)
{
    __asm__ volatile("ud2");
    zoo_kept = NULL;
}

static ZOO_NOINLINE void out_of_a_handler(void)
{
    if (sigsetjmp(out, 1) == 0)
        fault_here();
    lose(OUT_OF_HANDLER);
    zoo_kept = NULL;
}

// The same return addresses at the same depth, by another way each second time.
static ZOO_NOINLINE void one_way(size_t size)
{
    lose(size);
    zoo_kept = NULL;
}

static ZOO_NOINLINE void other_way(size_t size)
{
    static volatile int ways; // lest the compiler folds this and one_way into one
    ways++;
    lose(size);
    zoo_kept = NULL;
}

static ZOO_NOINLINE void by_turns(void)
{
    for (volatile int turn = 0; turn < 4; turn++) {
        if (setjmp(back) == 0)
            dive(3);
        if (turn % 2)
            one_way(SAME_PLACE);
        else
            other_way(SAME_OTHER);
    }
    zoo_kept = NULL;
}

static ZOO_NOINLINE void once_round(void)
{
    after_a_jump();
    jumps_away();
    out_of_a_handler();
    by_turns();
    zoo_kept = NULL;
}

int main(void)
{
    static char room[65536];
    stack_t own = {.ss_sp = room, .ss_size = sizeof room};
    struct sigaction a;
    sigaltstack(&own, NULL);
    memset(&a, 0, sizeof a);
    a.sa_handler = on_fault;
    a.sa_flags = SA_ONSTACK;
    sigaction(SIGILL, &a, NULL);
#define BELOW ";once_round;zoo_live~;main"
    zoo_says(AFTER, "exact", "lose;after_a_jump" BELOW);
    zoo_says(DEEPER, "exact", "lose;before_a_jump;before_a_jump;before_a_jump;jumps_away" BELOW);
    zoo_says(OUT_OF_HANDLER, "exact", "lose;out_of_a_handler" BELOW);
    zoo_says(SAME_PLACE, "exact", "lose;one_way;by_turns" BELOW);
    zoo_says(SAME_OTHER, "exact", "lose;other_way;by_turns" BELOW);
    zoo_live(once_round);
}
