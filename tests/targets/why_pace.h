// Steps at an even pace until SIGTERM, for the targets of the cases "why it grows". The steps make up for time in which
// the machine was busy, so that growth stays a straight line.
#ifndef TARGETS_WHY_PACE_H
#define TARGETS_WHY_PACE_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t why_stop;

static void why_on_term(int sig)
{
    (void)sig;
    why_stop = 1;
}

static double why_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// Calls step(n) for n = 0, 1, 2, ... `hz` times a second.
static int why_pace(void (*step)(unsigned n), double hz)
{
    double began = why_now();
    struct sigaction act = {.sa_handler = why_on_term};
    sigaction(SIGTERM, &act, NULL);
    for (unsigned n = 0; !why_stop;) {
        unsigned due = (unsigned)((why_now() - began) * hz);
        for (; n < due && !why_stop; n++)
            step(n);
        usleep(5000);
    }
    return 0;
}

#endif
