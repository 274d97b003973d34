// The inside of the engine, shared by its files. Nobody else includes it.
//
//   engine.c      the loop's turn, the alarm, opening and closing
//   drive.c       one load: its phases, arrivals, users
//   drive_once.c  its setup and teardown
//   drive_exec.c  a load that is another program
//   flow.c        one user's way through an iteration: which exchange is next, and when
//   outcome.c     what came of an exchange: judged, counted, told
#ifndef SEEP_LOAD_ENGINE_STATE_H
#define SEEP_LOAD_ENGINE_STATE_H

#include "load/engine.h"
#include "load/exec.h"
#include "load/plan.h"
#include "load/schedule.h"
#include "load/session.h"
#include "load/users.h"

#define LATE_NS         10000000 // started later than this is late
#define ENGINE_HOUSE_NS 20000000 // between two housekeepings, which say how many users there are

enum engine_phase { ENGINE_IDLE, ENGINE_RUNNING, ENGINE_FINISHING };

enum drive_phase {
    DRIVE_IDLE,
    DRIVE_SETUP,     // its setup steps are under way, here or in another process
    DRIVE_WAITING,   // for the setups of the others, and for its start
    DRIVE_RUNNING,   // iterations begin
    DRIVE_FINISHING, // none begin; exchanges under way may end
    DRIVE_ALONE,     // this part is over, those of other processes are not; the teardown is to follow
    DRIVE_TEARDOWN,
    DRIVE_OVER,
};

enum flow_part { FLOW_SETUP, FLOW_USER_SETUP, FLOW_ITERATION, FLOW_TEARDOWN };

// One user on its way through steps, and the exchange it has under way. Reused from iteration to iteration.
struct flow {
    struct exchange x; // the first: done() is given this
    struct drive *drive;
    struct session *session;
    const struct scenario_plan *scenario; // of the iteration; NULL: none
    const struct steps_plan *steps;       // gone through at present
    struct step_plan *step;               // under way, or to be sent next
    int user;                             // its number; -1: the drive's own, for setup and teardown
    int first;                            // of the scenario's steps, chosen when the iteration fell due; -1: none
    int at;                               // the next of the steps
    int left;                             // repetitions of `step` still to come
    int hops;                             // redirects followed
    enum flow_part part;
    bool busy, paused, under_way; // within an iteration; waiting in the heap; the transport has it
    bool ok;                      // of this iteration, so far
    int64_t began_ns;             // the iteration's intended start
    int64_t intended_ns;          // of the exchange
    int64_t service_ns;           // when its first hop was started
    int transaction;              // series; -1: not within one
    bool transaction_ok;
    int64_t transaction_ns, transaction_end_ns;
    struct flow *next_ready;
};

// One load of the profile at work.
struct drive {
    struct engine *engine;
    const struct profile_load *load;
    struct load_share share; // of this process
    struct load_plan plan;
    enum drive_phase phase;
    struct exec *exec; // the load is that program, and the rest is empty; NULL: it is not
    bool exec_begun;
    int64_t again_ns, sample_ns; // when it is started again, and its counters are taken

    struct load_schedule schedule;
    struct load_pick pick;
    struct load_arrivals due, next;            // what the clock has passed, and what is to start next
    const struct scenario_plan *next_scenario; // of `next`; NULL: not chosen yet
    int next_first;                            // of its steps
    struct load_users users;
    struct flow *flow; // n_flows: one a user
    int n_flows;
    struct flow own;                 // setup and teardown
    struct session *session, shared; // of the flows; of setup, whose variables all sessions begin with
    struct flow *ready, **ready_end; // those whose next exchange waits for a connection
    int n_ready;
    int n_slots, in_flight; // exchanges at once, at most and now

    uint64_t begun, limit;                 // iterations, since the load began and at most (when the load has a limit)
    uint64_t iteration;                    // how many, over all begins
    double from_s;                         // of its schedule, at begin_ns
    int64_t begin_ns, end_ns, deadline_ns; // end: by its duration; deadline: of finishing. INT64_MAX: none
    int64_t full_ns;                       // the last moment at which all slots were busy
    int64_t pause_ns;                      // of `own`; INT64_MAX: none
    bool told;                             // that an iteration cannot begin
};

struct engine {
    const struct profile *profile;
    struct load_tally *tally; // not owned
    struct load_share share;
    struct engine_hooks hooks;
    uv_loop_t *loop;
    uv_check_t check;
    uv_poll_t alarm;
    uv_timer_t house;
    int handles; // still closing
    int alarm_fd;
    int64_t alarm_ns, house_ns;
    struct drive *drive; // n_drives
    int n_drives;
    struct load_rng rng;
    struct engine_part part;
    enum engine_phase phase;
    double from_s;
    int64_t at_ns;         // when the schedules stand at from_s
    uint64_t arrival_seed; // the same in all processes
    bool begun;            // the setups are over, and the loads' clocks run
    int64_t begin_ns;
    struct load_generator generator; // of what is over; engine_generator() adds what is going on
    uint64_t cpu_begin_us;
};

static inline bool drive_slot_available(const struct drive *d)
{
    return d->in_flight < d->n_slots;
}

// The moment of the monotonic clock at which the schedule is at t_s; INT64_MAX: never.
static inline int64_t drive_moment(const struct drive *d, double t_s)
{
    double ns = (t_s - d->from_s) * 1e9;
    return ns < 9e18 ? d->begin_ns + (int64_t)ns : INT64_MAX;
}

static inline uint64_t engine_us(int64_t ns)
{
    return ns < 0 ? 0 : ((uint64_t)ns + 500) / 1000;
}

static inline int64_t drive_earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void engine_note(struct engine *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// drive.c
int drive_open(struct drive *d, struct engine *e, int index, struct seep_err *err);
void drive_close_transports(struct drive *d); // all is cancelled
void drive_close(struct drive *d);
void drive_begin(struct drive *d, int64_t now_ns); // all setups are over
void drive_finish(struct drive *d, double grace_s, int64_t now_ns);
bool drive_turn(struct drive *d, int64_t now_ns); // whether there was anything to do
void drive_house(struct drive *d, int64_t now_ns);
int64_t drive_next_ns(const struct drive *d);
void drive_generator(const struct drive *d, int64_t now_ns, struct load_generator *g); // adds its part
void drive_cancel_all(struct drive *d);
void drive_restart(struct drive *d); // closes all connections
// How long a user waits after an exchange that reached nothing; 0 after others.
int64_t drive_back_off_ns(struct drive *d, int user, bool reached);
void drive_flow_over(struct drive *d, struct flow *f, bool reached, int64_t now_ns);

// drive_once.c
void drive_setup(struct drive *d);
void drive_take_setup(struct drive *d, int fd); // it ended elsewhere: with its variables in fd, or (-1) in failure
void drive_all_over(struct drive *d, int64_t now_ns); // of all processes
void drive_own_over(struct drive *d, bool ok, int64_t now_ns);
void drive_teardown(struct drive *d, int64_t now_ns); // this part is over: teardown, if there is one, is next
void drive_run_teardown(struct drive *d, int64_t now_ns);
void drive_over(struct drive *d); // nothing of it is left to do

// drive_exec.c: what drive.c does for a load that is another program
int drive_exec_open(struct drive *d, int index, struct seep_err *err); // starts nothing
void drive_exec_begin(struct drive *d);
bool drive_exec_turn(struct drive *d, int64_t now_ns);     // whether there was anything to do
double drive_exec_finish(struct drive *d, double grace_s); // tells it to end; how many seconds it has for that
void drive_exec_house(struct drive *d, int64_t now_ns);    // takes its counters when they are due
int64_t drive_exec_next_ns(const struct drive *d);
void drive_exec_generator(const struct drive *d, struct load_generator *g); // adds its part

// flow.c
void flow_begin(struct flow *f, const struct scenario_plan *s, int first, int64_t intended_ns, int64_t now_ns);
void flow_begin_own(struct flow *f, const struct steps_plan *steps, enum flow_part part, int64_t now_ns);
void flow_wake(struct flow *f, int64_t now_ns); // its pause is over
void flow_send(struct flow *f, int64_t now_ns); // a slot is free
void flow_cancel(struct flow *f);               // whatever it does: the iteration is not counted
void flow_done(struct exchange *x, enum exchange_end end, int64_t now_ns);
int flow_first(const struct steps_plan *steps, struct load_rng *rng); // the first step of an iteration

// outcome.c
struct outcome {
    bool ok;
    enum load_error kind;         // when not ok
    bool whole;                   // there was a whole reply
    bool timed;                   // its durations count: there was a whole reply, or the time ran out
    const char *why;              // a clause, or of LOAD_ERR_EXTRACT the variable; may be NULL
    struct check_failure failure; // of LOAD_ERR_CHECK and LOAD_ERR_STATUS
};
struct outcome outcome_of(struct flow *f, enum exchange_end end, int64_t now_ns);
void outcome_count(struct flow *f, const struct outcome *o, int64_t now_ns);

#endif
