// A blocking piece of work on a thread of its own, beside the loop's worker pool: what may wait for somebody else's
// program (a scrape, a probe) must not hold up samples. At most one at a time for each errand.
#ifndef SEEP_RUN_ERRAND_H
#define SEEP_RUN_ERRAND_H

#include <stdbool.h>
#include <uv.h>

struct run_errand {
    uv_thread_t thread;
    uv_async_t back;         // wakes the loop when the work is done; open as long as the errand exists
    void (*work)(void *ctx); // on the thread
    void (*done)(void *ctx); // on the loop
    void *ctx;
    bool open, busy;
};

// 0 or -1. The handle is closed with the loop.
int run_errand_open(struct run_errand *e, uv_loop_t *loop, void (*work)(void *), void (*done)(void *), void *ctx);
// False when it is still at work, or no thread can be made.
bool run_errand_start(struct run_errand *e);
// Waits for the work and gives up its result: before the loop is closed.
void run_errand_join(struct run_errand *e);

#endif
