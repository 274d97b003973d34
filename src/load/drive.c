// One load of the profile at work: its setup, arrivals or users, its end and teardown.
//
// What waits for a free user or connection is not queued but remembered as a position in the schedule; only users who
// are within an iteration wait in line for a connection, and of those there are as many as the pool holds.
#include "base/clock.h"
#include "load/engine_state.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

enum {
    BATCH = 256, // starts of a turn's round, so that replies are taken in between
    DROP_BATCH = 65536,
    USERS_STEP = 20,  // new users per housekeeping, at most: 1000 a second, within any listen backlog
    POOL_MIN = 16384, // users of an open load whose iterations pause
};
#define SELF_DROP_NS 1000000000 // what the generator itself is late by this much is dropped, not sent as a burst

static bool is_open(const struct drive *d)
{
    return d->load->open_model;
}

static double schedule_now(const struct drive *d, int64_t now_ns)
{
    return d->from_s + (double)(now_ns - d->begin_ns) / 1e9;
}

// ---- opening and closing --------------------------------------------------------------------------------------------

static void count_places(struct drive *d)
{
    double whole = is_open(d) ? d->load->connections : ceil(schedule_max(&d->schedule));
    int part = share_part(d->share, whole < INT_MAX ? (int)whole : INT_MAX);
    d->n_slots = part < 1 ? 1 : part;
    d->n_flows = is_open(d) && d->plan.pauses && d->n_slots < POOL_MIN ? POOL_MIN : d->n_slots;
}

static int open_flows(struct drive *d, struct seep_err *err)
{
    d->flow = calloc((size_t)d->n_flows, sizeof *d->flow);
    d->session = d->plan.needs_sessions ? calloc((size_t)d->n_flows, sizeof *d->session) : NULL;
    if (!d->flow || (d->plan.needs_sessions && !d->session))
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for %d users of the load %s.", d->n_flows,
                         d->load->name);
    for (int i = 0; i < d->n_flows; i++) {
        d->flow[i] = (struct flow){.drive = d, .user = i, .first = -1, .transaction = -1};
        if (!d->session)
            continue;
        d->flow[i].session = &d->session[i];
        session_open(&d->session[i], &d->plan.sessions, (uint64_t)share_number(d->share, i) + 1);
    }
    session_open(&d->shared, &d->plan.sessions, 0);
    d->own = (struct flow){.drive = d, .user = -1, .first = -1, .transaction = -1, .session = &d->shared};
    return users_open(&d->users, d->n_flows, err);
}

// A load that does not say itself over how many processes it goes is split over all of them only when the command line
// asked for more than the profile does.
static struct load_share share_of(const struct engine *e, const struct profile_load *l, int index)
{
    bool asked = e->part.processes != profile_load_workers(e->profile);
    int over = asked || l->workers > e->part.processes ? e->part.processes : l->workers;
    return share_of_load(index, share_split(l, over), e->part.process, e->part.processes);
}

int drive_open(struct drive *d, struct engine *e, int index, struct seep_err *err)
{
    d->engine = e;
    d->load = &e->profile->loads[index];
    d->share = share_of(e, d->load, index);
    d->end_ns = d->deadline_ns = d->pause_ns = INT64_MAX;
    d->ready_end = &d->ready;
    if (d->load->exec.present)
        return drive_exec_open(d, index, err);
    if (schedule_build(d->load, &d->schedule, err) < 0 || pick_build(d->load, &d->pick, err) < 0 ||
        plan_read(&d->plan, e->profile, index, e->tally, d->share.index, d->share.of, err) < 0)
        return -1;
    count_places(d);
    struct transport_setup setup = plan_setup(d->load);
    setup.loop = e->loop;
    setup.connections = d->n_slots;
    setup.done = flow_done;
    return plan_connect(&d->plan, &setup, err) < 0 ? -1 : open_flows(d, err);
}

void drive_close_transports(struct drive *d)
{
    if (d->load->exec.present)
        return;
    for (int i = 0; d->session && i < d->n_flows; i++)
        plan_leave(&d->plan, &d->session[i]);
    plan_leave(&d->plan, &d->shared);
    plan_disconnect(&d->plan);
}

void drive_close(struct drive *d)
{
    exec_close(d->exec);
    if (d->load->exec.present)
        return;
    for (int i = 0; d->session && i < d->n_flows; i++)
        session_close(&d->session[i]);
    session_close(&d->shared);
    free(d->session);
    free(d->flow);
    users_close(&d->users);
    pick_free(&d->pick);
    schedule_free(&d->schedule);
    plan_free(&d->plan);
}

// ---- phases ---------------------------------------------------------------------------------------------------------

// Its part of the iterations after which the load ends.
static uint64_t limit_of(const struct drive *d)
{
    uint64_t whole = (uint64_t)d->load->iterations, of = (uint64_t)d->share.of, index = (uint64_t)d->share.index;
    return index >= of ? 0 : whole / of + (index < whole % of);
}

void drive_begin(struct drive *d, int64_t now_ns)
{
    struct engine *e = d->engine;
    double from_s = e->from_s - d->load->start_s;
    d->from_s = from_s > 0 ? from_s : 0;
    d->begin_ns = from_s < 0 ? now_ns + (int64_t)(-from_s * 1e9) : now_ns;
    d->end_ns = d->load->duration_s > 0 ? drive_moment(d, d->load->duration_s) : INT64_MAX;
    d->full_ns = 0;
    d->phase = DRIVE_RUNNING;
    if (d->load->exec.present) {
        drive_exec_begin(d);
        return;
    }
    d->begun = 0;
    d->limit = limit_of(d);
    d->next_scenario = NULL;
    for (int i = 0; is_open(d) && i < 2; i++) { // its seed is its own, and the same in all processes
        struct load_arrivals *a = i ? &d->next : &d->due;
        arrivals_start(a, &d->schedule, d->load->poisson, d->share, d->from_s,
                       e->arrival_seed + (uint64_t)(d - e->drive) * 0x9e3779b97f4a7c15u);
        arrivals_add_bursts(a, &d->load->bursts, d->from_s);
    }
    for (int i = 0; d->session && i < d->n_flows; i++)
        session_reset(&d->session[i], &d->shared);
}

void drive_over(struct drive *d)
{
    d->phase = DRIVE_OVER;
    d->deadline_ns = INT64_MAX;
}

static struct load_counts *counts_of_next(struct drive *d)
{
    return &d->engine->tally->counts[d->next_scenario->steps.step[d->next_first].series];
}

static void choose_next(struct drive *d)
{
    if (d->next_scenario)
        return;
    d->next_scenario = &d->plan.scenario[pick_next(&d->pick, &d->engine->rng)];
    d->next_first = flow_first(&d->next_scenario->steps, &d->engine->rng);
}

static void next_arrival(struct drive *d)
{
    counts_of_next(d)->offered++;
    arrivals_take(&d->next);
    d->next_scenario = NULL;
}

static bool limit_reached(const struct drive *d)
{
    return d->load->iterations > 0 && d->begun >= d->limit;
}

// What waited for a connection and now never starts. The last few, not even late, are as if never asked for.
static void drop_waiting(struct drive *d, int64_t now_ns)
{
    while (!limit_reached(d) && drive_moment(d, d->next.next_s) < now_ns - LATE_NS) {
        choose_next(d);
        counts_of_next(d)->dropped++;
        next_arrival(d);
    }
}

static void cancel_idle(struct drive *d)
{
    for (int i = 0; i < d->n_flows; i++) {
        if (d->flow[i].busy && !d->flow[i].under_way)
            flow_cancel(&d->flow[i]);
    }
    d->ready = NULL;
    d->ready_end = &d->ready;
    d->n_ready = 0;
}

static void set_deadline(struct drive *d, double grace_s, int64_t now_ns)
{
    int64_t deadline_ns = grace_s < 1e9 ? now_ns + (int64_t)(grace_s * 1e9) : INT64_MAX;
    if (deadline_ns < d->deadline_ns)
        d->deadline_ns = deadline_ns;
}

void drive_finish(struct drive *d, double grace_s, int64_t now_ns)
{
    set_deadline(d, grace_s, now_ns);
    if (d->phase == DRIVE_SETUP) {
        flow_cancel(&d->own);
        drive_over(d);
    } else if (d->phase == DRIVE_WAITING) {
        drive_teardown(d, now_ns);
    } else if (d->phase == DRIVE_RUNNING && d->load->exec.present) {
        d->phase = DRIVE_FINISHING;
        set_deadline(d, drive_exec_finish(d, grace_s), now_ns);
    } else if (d->phase == DRIVE_RUNNING) {
        if (is_open(d))
            drop_waiting(d, now_ns);
        d->phase = DRIVE_FINISHING;
        users_stop(&d->users);
        cancel_idle(d);
    }
}

void drive_cancel_all(struct drive *d)
{
    if (d->exec)
        exec_kill(d->exec);
    if (d->load->exec.present)
        return;
    for (int i = 0; i < d->n_flows; i++)
        flow_cancel(&d->flow[i]);
    flow_cancel(&d->own);
    d->ready = NULL;
    d->ready_end = &d->ready;
    d->n_ready = 0;
}

void drive_restart(struct drive *d)
{
    d->phase = DRIVE_IDLE;
    if (d->load->exec.present)
        return;
    for (int i = 0; d->session && i < d->n_flows; i++)
        plan_leave(&d->plan, &d->session[i]);
    plan_leave(&d->plan, &d->shared);
    plan_restart(&d->plan);
}

// ---- iterations -----------------------------------------------------------------------------------------------------

static double think_s(const struct profile_think *t, struct load_rng *rng)
{
    if (t->kind == THINK_NONE)
        return 0;
    return t->min_s + (t->kind == THINK_UNIFORM ? rng_unit(rng) * (t->max_s - t->min_s) : 0);
}

// A user whose requests fail before they reach anything would otherwise fail as fast as the machine can.
int64_t drive_back_off_ns(struct drive *d, int user, bool reached)
{
    struct load_user *u = &d->users.user[user];
    if (reached) {
        u->failures = 0;
        return 0;
    }
    unsigned doublings = u->failures < 7 ? u->failures : 7;
    u->failures++;
    double ms = fmin(1000, 10 << doublings) * (0.5 + rng_unit(&d->engine->rng) / 2);
    return (int64_t)(ms * 1e6);
}

static void user_over(struct drive *d, struct flow *f, bool reached, int64_t now_ns)
{
    const struct profile_think *think =
        f->scenario->scenario->think.given ? &f->scenario->scenario->think : &d->load->think;
    int64_t wait_ns = drive_back_off_ns(d, f->user, reached);
    int64_t think_ns = (int64_t)(think_s(think, &d->engine->rng) * 1e9);
    int64_t wake_ns = now_ns + (think_ns > wait_ns ? think_ns : wait_ns);
    if (d->load->pace_per_s > 0) {
        int64_t paced_ns = f->began_ns + (int64_t)(1e9 / d->load->pace_per_s);
        wake_ns = paced_ns > wake_ns ? paced_ns : wake_ns;
    }
    users_wait(&d->users, f->user, wake_ns);
}

void drive_flow_over(struct drive *d, struct flow *f, bool reached, int64_t now_ns)
{
    if (is_open(d))
        users_release(&d->users, f->user);
    else
        user_over(d, f, reached, now_ns);
}

// True when the start that is due has waited too long to be made up for.
static bool dropped(struct drive *d, int64_t intended_ns, int64_t now_ns)
{
    const struct step_plan *step = &d->next_scenario->steps.step[d->next_first];
    bool self = drive_slot_available(d) && d->full_ns < intended_ns;
    int64_t waited_ns = now_ns - intended_ns;
    if (waited_ns <= (self ? SELF_DROP_NS : step->spec.timeout_ns))
        return false;
    struct load_counts *c = counts_of_next(d);
    c->dropped++;
    c->late++;
    if (self)
        c->late_self++;
    else
        tally_record(d->engine->tally, step->series, LOAD_LATENCY, engine_us(waited_ns));
    return true;
}

static bool place_available(const struct drive *d)
{
    return drive_slot_available(d) && d->users.first_free >= 0;
}

static bool start_arrivals(struct drive *d, int64_t now_ns)
{
    for (int n = 0; n < DROP_BATCH && drive_moment(d, d->due.next_s) <= now_ns; n++)
        arrivals_take(&d->due);
    bool any = false;
    for (int starts = 0, drops = 0; starts < BATCH && drops < DROP_BATCH && !limit_reached(d); any = true) {
        int64_t intended_ns = drive_moment(d, d->next.next_s);
        if (intended_ns > now_ns)
            break;
        choose_next(d);
        if (dropped(d, intended_ns, now_ns)) {
            next_arrival(d);
            drops++;
            continue;
        }
        if (!place_available(d))
            break;
        const struct scenario_plan *scenario = d->next_scenario;
        int first = d->next_first;
        next_arrival(d);
        flow_begin(&d->flow[users_claim(&d->users)], scenario, first, intended_ns, now_ns);
        starts++;
    }
    return any;
}

static bool wake_users(struct drive *d, int64_t now_ns)
{
    int n = 0;
    for (; n < BATCH && users_first_ns(&d->users) <= now_ns; n++) {
        int64_t intended_ns = users_first_ns(&d->users);
        struct flow *f = &d->flow[users_take(&d->users)];
        if (f->paused)
            flow_wake(f, now_ns);
        else if (limit_reached(d))
            d->users.user[f->user].busy = false; // no iteration is left for it
        else
            flow_begin(f, &d->plan.scenario[pick_next(&d->pick, &d->engine->rng)], -1, intended_ns, now_ns);
    }
    return n > 0;
}

static bool send_ready(struct drive *d, int64_t now_ns)
{
    bool any = false;
    for (; d->ready && drive_slot_available(d); any = true) {
        struct flow *f = d->ready;
        d->ready = f->next_ready;
        if (!d->ready)
            d->ready_end = &d->ready;
        d->n_ready--;
        flow_send(f, now_ns);
    }
    return any;
}

static bool iterations_done(const struct drive *d)
{
    if (!limit_reached(d))
        return false;
    for (int i = 0; i < d->n_flows; i++) {
        if (d->flow[i].busy)
            return false;
    }
    return true;
}

static bool run(struct drive *d, int64_t now_ns)
{
    bool any = wake_users(d, now_ns);
    any = send_ready(d, now_ns) || any;
    return (is_open(d) && start_arrivals(d, now_ns)) || any;
}

bool drive_turn(struct drive *d, int64_t now_ns)
{
    if (d->load->exec.present)
        return drive_exec_turn(d, now_ns);
    bool any = plan_turn(&d->plan, now_ns);
    if (d->own.paused && d->pause_ns <= now_ns) {
        flow_wake(&d->own, now_ns);
        any = true;
    }
    if (d->phase == DRIVE_RUNNING && now_ns >= d->end_ns)
        drive_finish(d, INFINITY, now_ns); // each ends by its own timeout
    if (d->phase == DRIVE_RUNNING)
        any = run(d, now_ns) || any;
    if (now_ns >= d->deadline_ns && d->phase == DRIVE_ALONE) // the others had as long: no more waiting
        drive_run_teardown(d, now_ns);
    if (now_ns >= d->deadline_ns && (d->phase == DRIVE_FINISHING || d->phase == DRIVE_TEARDOWN)) {
        drive_cancel_all(d);
        if (d->phase == DRIVE_TEARDOWN)
            drive_own_over(d, false, now_ns);
    }
    if (d->phase == DRIVE_FINISHING && d->in_flight == 0)
        drive_teardown(d, now_ns);
    return any;
}

// Users of a pace who all began at once would come at once again and again, and never at the rate that was asked for:
// they are spread over its first period. Stages are a hatch of their own.
static double hatch_of(const struct profile_load *l)
{
    if (l->hatch_per_s > 0)
        return l->hatch_per_s;
    return l->pace_per_s > 0 && l->n_stages == 0 ? l->pace_per_s * l->users : INFINITY;
}

void drive_house(struct drive *d, int64_t now_ns)
{
    if (d->load->exec.present) {
        drive_exec_house(d, now_ns);
        return;
    }
    if (d->phase != DRIVE_RUNNING || now_ns < d->begin_ns)
        return;
    if (iterations_done(d))
        drive_finish(d, INFINITY, now_ns);
    if (is_open(d) || d->phase != DRIVE_RUNNING)
        return;
    double wanted = schedule_value(&d->schedule, schedule_now(d, now_ns));
    double hatch = hatch_of(d->load), hatched = isinf(hatch) ? hatch : hatch * (double)(now_ns - d->begin_ns) / 1e9;
    users_set(&d->users, share_part(d->share, (int)lround(fmin(wanted, floor(hatched)))), USERS_STEP, now_ns,
              isinf(hatch) ? 0 : ENGINE_HOUSE_NS);
}

// A full load goes on when an exchange ends; the housekeeping drops.
int64_t drive_next_ns(const struct drive *d)
{
    if (d->load->exec.present)
        return drive_exec_next_ns(d);
    int64_t at_ns = drive_earlier(plan_next_ns(&d->plan), drive_earlier(d->deadline_ns, d->pause_ns));
    if (d->phase != DRIVE_RUNNING)
        return at_ns;
    at_ns = drive_earlier(at_ns, drive_earlier(d->end_ns, users_first_ns(&d->users)));
    if (is_open(d) && place_available(d) && !limit_reached(d))
        at_ns = drive_earlier(at_ns, drive_moment(d, d->next.next_s));
    return at_ns;
}

void drive_generator(const struct drive *d, int64_t now_ns, struct load_generator *g)
{
    struct transport_counters c = {0};
    if (d->load->exec.present) {
        drive_exec_generator(d, g);
        return;
    }
    plan_counters(&d->plan, &c);
    g->connections += c.connections;
    g->retried += c.retried;
    g->in_flight += (uint32_t)d->in_flight;
    if (d->phase != DRIVE_RUNNING || now_ns < d->begin_ns)
        return;
    g->users += (uint32_t)(is_open(d) ? 0 : d->users.active);
    g->waiting += (uint32_t)d->n_ready;
    if (!is_open(d))
        return;
    double rate_per_s = schedule_value(&d->schedule, schedule_now(d, now_ns));
    g->target_rate_per_s = isnan(g->target_rate_per_s) ? rate_per_s : g->target_rate_per_s + rate_per_s;
    g->waiting += (uint32_t)(d->due.taken > d->next.taken ? d->due.taken - d->next.taken : 0);
}
