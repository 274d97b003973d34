// Through signal frames: on the same stack and on one of its own, interrupted by a trap (stands after the instruction)
// and by a fault (stands on it), and in a function whose frame the rules do not follow by sp and bp alone.
#include "zoo.h"

#include <string.h>
#include <ucontext.h>

#ifndef FIRST
#define FIRST 3400
#endif
enum { TRAP = FIRST + 1, FAULT, TRAP_OWN, FAULT_OWN, NESTED };

static volatile size_t wanted;
static volatile int nested;

static ZOO_NOINLINE void trap_here(void)
{
    __asm__ volatile("int3");
    zoo_kept = NULL;
}

static void on_trap(int sig)
{
    (void)sig;
    zoo_kept = malloc(wanted);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
    if (nested)
        trap_here();
    else
        zoo_kept = malloc(wanted);
    zoo_kept = NULL;
}

static ZOO_NOINLINE void fault_here(void)
{
    __asm__ volatile("ud2");
    zoo_kept = NULL;
}

static void handlers(int own_stack)
{
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = on_trap;
    a.sa_flags = own_stack ? SA_ONSTACK : 0;
    sigaction(SIGTRAP, &a, NULL);
    memset(&a, 0, sizeof a);
    a.sa_sigaction = on_fault;
    a.sa_flags = SA_SIGINFO | (own_stack ? SA_ONSTACK : 0);
    sigaction(SIGILL, &a, NULL);
}

static ZOO_NOINLINE void once_round(void)
{
    for (int own = 0; own < 2; own++) {
        handlers(own);
        wanted = own ? TRAP_OWN : TRAP;
        trap_here();
        wanted = own ? FAULT_OWN : FAULT;
        fault_here();
    }
    wanted = NESTED;
    nested = 1;
    fault_here();
    nested = 0;
    zoo_kept = NULL;
}

int main(void)
{
    static char room[65536];
    stack_t own = {.ss_sp = room, .ss_size = sizeof room};
    sigaltstack(&own, NULL);
    zoo_says(TRAP, "exact", "on_trap;trap_here;once_round;zoo_live~;main");
    zoo_says(FAULT, "exact", "on_fault;fault_here;once_round;zoo_live~;main");
    zoo_says(TRAP_OWN, "exact", "on_trap;trap_here;once_round;zoo_live~;main");
    zoo_says(FAULT_OWN, "exact", "on_fault;fault_here;once_round;zoo_live~;main");
    zoo_says(NESTED, "exact", "on_trap;trap_here;on_fault;fault_here;once_round;zoo_live~;main");
    zoo_live(once_round);
}
