// Requests: a slot is taken, the request starts, ends, is judged and counted, and the slot is free again.
//
// What comes back was sent by anyone; the transports bound it. Called from the engine's turn only.
#include "base/clock.h"
#include "load/engine_state.h"

#include <math.h>
#include <stdio.h>

enum { BATCH = 256, DROP_BATCH = 65536 };
#define SELF_DROP_NS 1000000000 // what the generator itself is late by this much is dropped, not sent as a burst

// ---- slots ----------------------------------------------------------------------------------------------------------

static struct slot *slot_take(struct engine *e)
{
    int taken = e->first_free;
    if (taken >= 0)
        e->first_free = e->slot[taken].next_free;
    else
        taken = e->n_made++;
    return &e->slot[taken];
}

static void slot_give(struct engine *e, struct slot *s)
{
    s->busy = false;
    s->next_free = e->first_free;
    e->first_free = (int)(s - e->slot);
}

static struct load_counts *counts_of(struct engine *e, int scenario)
{
    return &e->tally->counts[e->scenario[scenario].series];
}

// ---- the end of a request -------------------------------------------------------------------------------------------

struct result {
    bool ok;
    enum load_error kind; // when not ok
    bool timed;           // its durations count: there was a whole reply, or the time ran out
    const struct exchange_reply *reply;
};

static void note_error(struct engine *e, int scenario, const struct result *r)
{
    struct scenario_state *st = &e->scenario[scenario];
    if (st->told[r->kind])
        return;
    st->told[r->kind] = true;
    char text[256];
    if (r->kind == LOAD_ERR_STATUS)
        snprintf(text, sizeof text, "scenario %s: first reply with an unexpected status: %d",
                 e->load->scenarios[scenario].name, r->reply->status);
    else
        snprintf(text, sizeof text, "scenario %s: first error of kind %s%s%s", e->load->scenarios[scenario].name,
                 load_error_name(r->kind), r->reply->why ? ": " : "", r->reply->why ? r->reply->why : "");
    e->hooks.on_note(e->hooks.ctx, text);
}

static void count_result(struct engine *e, int scenario, const struct result *r)
{
    struct load_counts *c = counts_of(e, scenario);
    c->completed++;
    if (r->ok)
        c->ok++;
    else
        c->error[r->kind]++;
    int status = r->reply->status;
    if (status > 0)
        tally_status(e->tally, e->scenario[scenario].series, status);
    c->sent_bytes += r->reply->sent_bytes;
    c->received_bytes += r->reply->header_bytes + r->reply->body_bytes;
    c->passes++; // a scenario of one step
    c->passes_failed += !r->ok;
}

// A user whose requests fail before they reach anything would otherwise fail as fast as the machine can.
static int64_t back_off_ns(struct engine *e, struct load_user *user, const struct result *r)
{
    if (r->ok || r->timed) {
        user->failures = 0;
        return 0;
    }
    unsigned doublings = user->failures < 7 ? user->failures : 7;
    user->failures++;
    double ms = fmin(1000, 10 << doublings) * (0.5 + rng_unit(&e->rng) / 2);
    return (int64_t)(ms * 1e6);
}

static void user_back(struct engine *e, int i, const struct result *r, int64_t now_ns)
{
    const struct profile_think *think = &e->load->think;
    double think_s = think->min_s;
    if (think->kind == THINK_UNIFORM)
        think_s += rng_unit(&e->rng) * (think->max_s - think->min_s);
    int64_t wait_ns = back_off_ns(e, &e->users.user[i], r);
    int64_t think_ns = (int64_t)(think_s * 1e9);
    users_wait(&e->users, i, now_ns + (wait_ns > think_ns ? wait_ns : think_ns));
}

static enum load_error kind_of(enum exchange_end end)
{
    static const enum load_error kind[] = {
        [EXCHANGE_DNS] = LOAD_ERR_DNS,         [EXCHANGE_CONNECT] = LOAD_ERR_CONNECT,
        [EXCHANGE_TLS] = LOAD_ERR_TLS,         [EXCHANGE_RESET] = LOAD_ERR_RESET,
        [EXCHANGE_TIMEOUT] = LOAD_ERR_TIMEOUT, [EXCHANGE_PROTOCOL] = LOAD_ERR_PROTOCOL,
        [EXCHANGE_BODY] = LOAD_ERR_BODY,       [EXCHANGE_LOCAL] = LOAD_ERR_LOCAL,
    };
    return kind[end];
}

static bool status_expected(const struct profile_scenario *s, int status)
{
    if (s->steps[0].expect.n_status == 0)
        return status >= 200 && status <= 399;
    for (int i = 0; i < s->steps[0].expect.n_status; i++) {
        if (status >= s->steps[0].expect.status[i].low && status <= s->steps[0].expect.status[i].high)
            return true;
    }
    return false;
}

static struct result judge(const struct profile_scenario *s, const struct exchange *x, enum exchange_end end,
                           int64_t service_ns)
{
    struct result r = {.reply = &x->reply, .timed = end == EXCHANGE_WHOLE || end == EXCHANGE_TIMEOUT};
    if (end != EXCHANGE_WHOLE)
        r.kind = kind_of(end);
    else if (!status_expected(s, x->reply.status))
        r.kind = LOAD_ERR_STATUS;
    else if (s->steps[0].expect.under_s > 0 && (double)service_ns > s->steps[0].expect.under_s * 1e9)
        r.kind = LOAD_ERR_SLOW;
    else
        r.ok = true;
    return r;
}

void engine_done(struct exchange *x, enum exchange_end end, int64_t now_ns)
{
    struct slot *s = (struct slot *)x;
    struct engine *e = s->engine;
    struct scenario_state *st = &e->scenario[s->scenario];
    struct result r = judge(&e->load->scenarios[s->scenario], x, end, now_ns - x->started_ns);
    count_result(e, s->scenario, &r);
    if (r.timed) {
        tally_record(e->tally, st->series, LOAD_LATENCY, engine_us(now_ns - s->intended_ns));
        tally_record(e->tally, st->series, LOAD_SERVICE, engine_us(now_ns - x->started_ns));
    }
    if (!r.ok)
        note_error(e, s->scenario, &r);
    if (s->user >= 0)
        user_back(e, s->user, &r, now_ns);
    if (!engine_slot_available(e))
        e->full_ns = now_ns;
    e->in_flight--;
    slot_give(e, s);
}

// ---- the start of a request -----------------------------------------------------------------------------------------

// A late start is the generator's own fault when there was a connection for it all the time.
static bool self_late(const struct engine *e, int64_t intended_ns)
{
    return engine_slot_available(e) && e->full_ns < intended_ns;
}

static void count_start(struct engine *e, struct load_counts *c, int64_t late_ns, int64_t intended_ns)
{
    c->started++;
    if (late_ns <= LATE_NS)
        return;
    c->late++;
    if (self_late(e, intended_ns))
        c->late_self++;
}

// Not even begun: no memory for it. Counted as every other failure.
static void failed_locally(struct engine *e, struct slot *s, int64_t now_ns)
{
    s->x.reply = (struct exchange_reply){0};
    struct result r = {.kind = LOAD_ERR_LOCAL, .reply = &s->x.reply};
    count_result(e, s->scenario, &r);
    note_error(e, s->scenario, &r);
    if (s->user >= 0)
        user_back(e, s->user, &r, now_ns);
    slot_give(e, s);
}

static void start(struct engine *e, int scenario, int user, int64_t intended_ns)
{
    struct slot *s = slot_take(e);
    struct scenario_state *st = &e->scenario[scenario];
    int64_t now_ns = clock_mono_ns();
    *s = (struct slot){.engine = e, .scenario = scenario, .user = user, .intended_ns = intended_ns};
    s->x.spec = &st->spec;
    s->x.origin = st->spec.origin;
    s->x.request = st->spec.constant;
    s->x.started_ns = now_ns;
    count_start(e, counts_of(e, scenario), now_ns - intended_ns, intended_ns);
    if (st->transport->ops->start(st->transport, &s->x) < 0) {
        failed_locally(e, s, now_ns);
        return;
    }
    s->busy = true;
    e->in_flight++;
    if (!engine_slot_available(e))
        e->full_ns = now_ns;
}

// True when the start that is due has waited too long to be made up for.
static bool dropped(struct engine *e, int64_t intended_ns, int64_t now_ns)
{
    struct scenario_state *st = &e->scenario[e->next_scenario];
    bool self = self_late(e, intended_ns);
    int64_t waited_ns = now_ns - intended_ns;
    if (waited_ns <= (self ? SELF_DROP_NS : st->spec.timeout_ns))
        return false;
    struct load_counts *c = counts_of(e, e->next_scenario);
    c->dropped++;
    c->late++;
    if (self)
        c->late_self++;
    else
        tally_record(e->tally, st->series, LOAD_LATENCY, engine_us(waited_ns));
    return true;
}

static void next_arrival(struct engine *e)
{
    counts_of(e, e->next_scenario)->offered++;
    arrivals_take(&e->next);
    e->next_scenario = -1;
}

bool engine_start_arrivals(struct engine *e, int64_t now_ns)
{
    for (int n = 0; n < DROP_BATCH && engine_moment(e, e->due.next_s) <= now_ns; n++)
        arrivals_take(&e->due);
    bool any = false;
    for (int starts = 0, drops = 0; starts < BATCH && drops < DROP_BATCH; any = true) {
        int64_t intended_ns = engine_moment(e, e->next.next_s);
        if (intended_ns > now_ns)
            break;
        if (e->next_scenario < 0)
            e->next_scenario = pick_next(&e->pick, &e->rng);
        if (dropped(e, intended_ns, now_ns)) {
            drops++;
        } else if (engine_slot_available(e)) {
            start(e, e->next_scenario, -1, intended_ns);
            starts++;
        } else {
            break;
        }
        next_arrival(e);
    }
    return any;
}

bool engine_start_users(struct engine *e, int64_t now_ns)
{
    int starts = 0;
    for (; starts < BATCH && users_first_ns(&e->users) <= now_ns && engine_slot_available(e); starts++) {
        int64_t intended_ns = users_first_ns(&e->users);
        int scenario = pick_next(&e->pick, &e->rng);
        counts_of(e, scenario)->offered++;
        start(e, scenario, users_take(&e->users), intended_ns);
    }
    return starts > 0;
}

void engine_cancel_all(struct engine *e)
{
    for (int i = 0; i < e->n_made; i++) {
        struct slot *s = &e->slot[i];
        if (!s->busy)
            continue;
        struct scenario_state *st = &e->scenario[s->scenario];
        st->transport->ops->cancel(st->transport, &s->x);
        counts_of(e, s->scenario)->cancelled++;
        if (s->user >= 0)
            users_wait(&e->users, s->user, 0);
        e->in_flight--;
        slot_give(e, s);
    }
}

// What waited for a connection and now never starts. The last few, not even late, are as if never asked for.
void engine_drop_waiting(struct engine *e, int64_t now_ns)
{
    while (engine_moment(e, e->next.next_s) < now_ns - LATE_NS) {
        if (e->next_scenario < 0)
            e->next_scenario = pick_next(&e->pick, &e->rng);
        counts_of(e, e->next_scenario)->dropped++;
        next_arrival(e);
    }
}
