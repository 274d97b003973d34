// The engine of the worker: starts requests when the schedule says so, and counts what comes of them.
//
// One libuv loop, no threads of ours. Memory is fixed by the profile: a slot per connection and a user per user; what
// happens is written into the worker's tally (load/tally.h), which is as fixed. What waits for a free connection is not
// queued but remembered as a position in the schedule.
#ifndef SEEP_LOAD_ENGINE_H
#define SEEP_LOAD_ENGINE_H

#include "load/load.h"
#include "load/tally.h"
#include <uv.h>

struct engine;

// p and tally stay the caller's and must outlive the engine. It drives the share of process `process` of `processes` of
// every load; seed is of choices. on_idle is called when a load that began has ended and
// nothing is under way any more; on_note tells, once per scenario and kind of error, of its first occurrence.
struct engine_hooks {
    void (*on_idle)(void *ctx);
    void (*on_note)(void *ctx, const char *text);
    // With other processes only (together.h): the setup of a load ended here, with its variables in fd, which becomes
    // the callee's (-1: it failed); this process's part of a load with a teardown is over.
    void (*on_setup)(void *ctx, int load, int fd);
    void (*on_over)(void *ctx, int load);
    void *ctx;
};
struct engine_part {
    int process, processes;
    uint64_t seed;
};
int engine_open(uv_loop_t *loop, const struct profile *p, struct load_tally *tally, const struct engine_part *part,
                struct engine_hooks hooks, struct engine **out, struct seep_err *err);
// The loop must run until nothing is left before it is closed (handles are closed asynchronously).
void engine_close(struct engine *e);

// at_ns: the moment (CLOCK_MONOTONIC) at which the schedule stands at from_s; seed: of arrivals, the same in all
// processes.
void engine_begin(struct engine *e, double from_s, int64_t at_ns, uint64_t seed);
void engine_stop(struct engine *e, double grace_s);
bool engine_running(const struct engine *e);
// What the others said of a load: its setup ended (fd stays the caller's; -1: it failed), or their parts are over.
void engine_take_setup(struct engine *e, uint32_t load, int fd);
void engine_all_over(struct engine *e, uint32_t load);

void engine_generator(const struct engine *e, struct load_generator *out);

#endif
