// The inside of the engine, shared by engine.c (phases, the turn, opening and closing) and engine_requests.c (starting
// and ending requests). Nobody else includes it.
#ifndef SEEP_LOAD_ENGINE_STATE_H
#define SEEP_LOAD_ENGINE_STATE_H

#include "load/engine.h"
#include "load/origin.h"
#include "load/request.h"
#include "load/schedule.h"
#include "load/transport.h"
#include "load/users.h"

#define LATE_NS 10000000 // started later than this is late

enum engine_phase { ENGINE_IDLE, ENGINE_RUNNING, ENGINE_FINISHING };

enum { TRANSPORTS_MAX = 8 };

struct slot {
    struct exchange x; // the first: done() is given this
    struct engine *engine;
    int scenario;
    int user; // -1 in the open model
    bool busy;
    int64_t intended_ns;
    int next_free; // slot, -1: the last
};

struct scenario_state {
    struct exchange_spec spec;
    struct request_text text;
    struct transport *transport; // one of the engine's
    int series;                  // where its requests are counted
    bool told[LOAD_ERRORS];      // the first error of a kind was noted
};

struct engine {
    const struct profile_load *load;
    struct load_tally *tally; // not owned
    struct load_share share;
    struct engine_hooks hooks;
    uv_check_t check;
    uv_poll_t alarm;
    uv_timer_t house;
    int handles; // still closing
    int alarm_fd;
    int64_t alarm_ns, house_ns;
    struct transport *transport[TRANSPORTS_MAX]; // n_transports, each of another kind
    int n_transports;
    struct origin_table origins;

    struct load_schedule schedule;
    struct load_pick pick;
    struct load_arrivals due, next; // what the clock has passed, and what is to start next
    int next_scenario;              // of `next`; -1: not chosen yet
    struct load_users users;
    struct load_rng rng;

    struct scenario_state *scenario; // n_scenarios
    struct slot *slot;               // n_slots
    int n_slots, n_made, in_flight;
    int first_free; // slot, -1: none

    enum engine_phase phase;
    double from_s;
    int64_t begin_ns, end_ns, deadline_ns; // end: by load.duration; deadline: of finishing. INT64_MAX: none
    int64_t full_ns;                       // the last moment at which all slots were busy
    struct load_generator generator;       // of what is over; engine_generator() adds what is going on
    uint64_t cpu_begin_us;
};

// The moment of the monotonic clock at which the schedule is at t_s; INT64_MAX: never.
static inline int64_t engine_moment(const struct engine *e, double t_s)
{
    double ns = (t_s - e->from_s) * 1e9;
    return ns < 9e18 ? e->begin_ns + (int64_t)ns : INT64_MAX;
}

static inline bool engine_slot_available(const struct engine *e)
{
    return e->in_flight < e->n_slots;
}

static inline uint64_t engine_us(int64_t ns)
{
    return ns < 0 ? 0 : ((uint64_t)ns + 500) / 1000;
}

// engine_requests.c.
void engine_done(struct exchange *x, enum exchange_end end, int64_t now_ns);
// Each returns whether it did anything; starts are bounded, so that replies are taken in between.
bool engine_start_arrivals(struct engine *e, int64_t now_ns);
bool engine_start_users(struct engine *e, int64_t now_ns);
void engine_cancel_all(struct engine *e);
// Open model: gives up what waited for a connection and now never starts.
void engine_drop_waiting(struct engine *e, int64_t now_ns);

#endif
