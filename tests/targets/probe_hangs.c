// Two threads that allocate: one leaks all the time, the other calls itself "hangs" after a second and allocates from a
// place of its own, where a probe with a fault built in (tests/fault/hanging_probe.c) does not come back from. Says
// how it went on, and ends at SIGTERM.
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

static atomic_int came_back, stop;
static void *volatile kept;

static void on_term(int signal)
{
    (void)signal;
    stop = 1;
}

static void nap(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

__attribute__((noinline)) static void *a_place_of_its_own(void)
{
    void *p = malloc(77);
    *(volatile char *)p = 1;
    return p;
}

static void *hang(void *arg)
{
    nap(1000);
    prctl(PR_SET_NAME, "hangs");
    kept = a_place_of_its_own();
    came_back = 1;
    return arg;
}

int main(void)
{
    pthread_t other;
    struct sigaction act = {.sa_handler = on_term};
    sigaction(SIGTERM, &act, NULL);
    pthread_create(&other, NULL, hang, NULL);
    while (!stop) {
        kept = malloc(1000);
        nap(2);
    }
    printf("%s\n", came_back ? "came back" : "still there");
    fflush(stdout);
    _Exit(came_back ? 0 : 1);
}
