// Starts threads that never end, each with 32 KiB of stack in use.
#include "why_pace.h"

#include <pthread.h>

static void *sleeper(void *arg)
{
    volatile char used[32 << 10];
    for (size_t i = 0; i < sizeof used; i += 64)
        used[i] = 1;
    for (;;)
        pause();
    return arg;
}

__attribute__((noinline)) static void step(unsigned n)
{
    pthread_t t;
    (void)n;
    if (pthread_create(&t, NULL, sleeper, NULL) == 0)
        pthread_detach(t);
}

int main(void)
{
    return why_pace(step, 20);
}
