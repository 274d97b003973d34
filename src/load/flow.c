// One user's way through an iteration: steps one after the other, repetitions, pauses, transactions, redirects.
//
// Everything happens in the engine's turn or in a transport's done(): an exchange that ends starts the next one at once
// when nothing is to be waited for. What reached nothing is backed off from, so that no failure can turn into a loop.
#include "base/clock.h"
#include "load/engine_state.h"

#include <time.h>

enum { HOPS_MAX = 10 };

static void want(struct flow *f, int64_t intended_ns, int64_t now_ns);
static void go_on(struct flow *f, int64_t intended_ns, int64_t now_ns);

// ---- which step is next ---------------------------------------------------------------------------------------------

// One of the group that begins at `first`, by weight.
static int pick_of_group(const struct steps_plan *steps, int first, struct load_rng *rng)
{
    const struct step_plan *group = &steps->step[first];
    int n = group->step->group_n;
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += group[i].step->weight;
    double at = rng_unit(rng) * sum;
    for (int i = 0; i < n - 1; i++) {
        at -= group[i].step->weight;
        if (at < 0)
            return first + i;
    }
    return first + n - 1;
}

static int step_at(const struct steps_plan *steps, int at, struct load_rng *rng)
{
    return steps->step[at].step->group_n > 1 ? pick_of_group(steps, at, rng) : at;
}

int flow_first(const struct steps_plan *steps, struct load_rng *rng)
{
    return step_at(steps, 0, rng);
}

static void choose(struct flow *f)
{
    int i;
    if (f->part == FLOW_ITERATION && f->first >= 0)
        i = f->first;
    else
        i = step_at(f->steps, f->at, &f->drive->engine->rng);
    const struct profile_step *s = f->steps->step[i].step;
    f->step = &f->steps->step[i];
    f->at = s->group_n > 1 ? s->group_first + s->group_n : i + 1;
    f->left = s->repeat - 1;
}

// ---- transactions ---------------------------------------------------------------------------------------------------

static void transaction_leave(struct flow *f)
{
    if (f->transaction >= 0)
        tally_pass(f->drive->engine->tally, f->transaction, engine_us(f->transaction_end_ns - f->transaction_ns),
                   f->transaction_ok);
    f->transaction = -1;
}

static void transaction_enter(struct flow *f)
{
    if (f->transaction == f->step->transaction)
        return;
    transaction_leave(f);
    f->transaction = f->step->transaction;
    f->transaction_ns = f->intended_ns;
    f->transaction_ok = true;
}

// ---- the end --------------------------------------------------------------------------------------------------------

static void rest(struct flow *f)
{
    struct drive *d = f->drive;
    // Of an arrival the first request was offered; without the user's setup it never comes.
    if (f->user >= 0 && f->first >= 0)
        d->engine->tally->counts[f->scenario->steps.step[f->first].series].dropped++;
    f->first = -1;
    f->busy = f->paused = false;
    f->transaction = -1;
}

// The iteration's end; reached: its last exchange got as far as the server.
static void end_iteration(struct flow *f, bool ok, bool reached, int64_t now_ns)
{
    struct drive *d = f->drive;
    transaction_leave(f);
    tally_pass(d->engine->tally, f->scenario->series, engine_us(now_ns - f->began_ns), ok);
    rest(f);
    drive_flow_over(d, f, reached, now_ns);
}

static void end_part(struct flow *f, bool ok, bool reached, int64_t now_ns)
{
    if (f->part == FLOW_SETUP || f->part == FLOW_TEARDOWN) {
        rest(f);
        drive_own_over(f->drive, ok, now_ns);
    } else if (f->part == FLOW_USER_SETUP && ok) {
        f->session->set_up = true;
        f->part = FLOW_ITERATION;
        f->steps = &f->scenario->steps;
        f->at = 0;
        go_on(f, now_ns, now_ns);
    } else {
        end_iteration(f, ok, reached, now_ns);
    }
}

// The load ends while the iteration is under way: it is neither a success nor a failure.
static void cut(struct flow *f, int64_t now_ns)
{
    rest(f);
    drive_flow_over(f->drive, f, true, now_ns);
}

void flow_cancel(struct flow *f)
{
    struct drive *d = f->drive;
    struct load_counts *c = f->step && f->step->series >= 0 ? &d->engine->tally->counts[f->step->series] : NULL;
    if (!f->busy)
        return;
    if (f->under_way) {
        f->step->transport->ops->cancel(f->step->transport, &f->x);
        f->under_way = false;
        d->in_flight--;
        if (c)
            c->cancelled++;
    } else if (c && !f->paused) {
        c->dropped++; // it waited for a connection
    }
    if (f->paused && f->user >= 0)
        users_unpause(&d->users, f->user);
    rest(f);
    if (f->user >= 0)
        drive_flow_over(d, f, true, 0);
}

// ---- on to the next -------------------------------------------------------------------------------------------------

static bool may_go_on(const struct flow *f)
{
    return f->user < 0 || f->drive->phase == DRIVE_RUNNING;
}

static bool is_last(const struct flow *f)
{
    return f->left == 0 && f->at == f->steps->n && f->part == FLOW_ITERATION;
}

static void proceed(struct flow *f, int64_t intended_ns, int64_t now_ns)
{
    f->paused = false;
    if (f->left > 0) {
        f->left--;
        want(f, intended_ns, now_ns);
    } else {
        go_on(f, intended_ns, now_ns);
    }
}

static void go_on(struct flow *f, int64_t intended_ns, int64_t now_ns)
{
    if (f->at == f->steps->n) {
        end_part(f, f->ok, true, now_ns);
        return;
    }
    choose(f);
    want(f, intended_ns, now_ns);
}

static void pause_until(struct flow *f, int64_t wake_ns)
{
    f->paused = true;
    if (f->user >= 0)
        users_pause(&f->drive->users, f->user, wake_ns);
    else
        f->drive->pause_ns = wake_ns;
}

// Setup and teardown are not retried: a pause is all they need.
static int64_t back_off_ns(struct flow *f, bool reached)
{
    if (f->user >= 0)
        return drive_back_off_ns(f->drive, f->user, reached);
    return reached ? 0 : 100 * 1000000;
}

static int64_t think_ns(struct flow *f)
{
    const struct profile_think *t = &f->step->step->think;
    double s = t->kind == THINK_NONE ? 0 : t->min_s;
    if (t->kind == THINK_UNIFORM)
        s += rng_unit(&f->drive->engine->rng) * (t->max_s - t->min_s);
    return (int64_t)(s * 1e9);
}

// After an exchange that is judged and counted.
static void after(struct flow *f, const struct outcome *o, int64_t now_ns)
{
    bool reached = o->ok || o->timed;
    f->ok = f->ok && o->ok;
    f->transaction_ok = f->transaction_ok && o->ok;
    f->transaction_end_ns = now_ns;
    if (!o->ok && f->step->step->on_failure == ON_FAILURE_STOP) {
        end_part(f, false, reached, now_ns);
    } else if (is_last(f)) {
        end_part(f, f->ok, reached, now_ns);
    } else if (!may_go_on(f)) {
        cut(f, now_ns);
    } else {
        int64_t wait_ns = back_off_ns(f, reached), think = f->left == 0 ? think_ns(f) : 0;
        wait_ns = think > wait_ns ? think : wait_ns;
        if (wait_ns > 0)
            pause_until(f, now_ns + wait_ns);
        else
            proceed(f, now_ns, now_ns);
    }
}

void flow_wake(struct flow *f, int64_t now_ns)
{
    int64_t wake_ns = f->user >= 0 ? f->drive->users.user[f->user].wake_ns : f->drive->pause_ns;
    f->drive->pause_ns = f->user >= 0 ? f->drive->pause_ns : INT64_MAX;
    proceed(f, wake_ns, now_ns);
}

// ---- sending --------------------------------------------------------------------------------------------------------

static void wait_for_slot(struct flow *f)
{
    struct drive *d = f->drive;
    f->next_ready = NULL;
    *d->ready_end = f;
    d->ready_end = &f->next_ready;
    d->n_ready++;
}

static void want(struct flow *f, int64_t intended_ns, int64_t now_ns)
{
    struct drive *d = f->drive;
    f->intended_ns = intended_ns;
    f->hops = 0;
    transaction_enter(f);
    // Of an arrival the first request was counted when it fell due.
    if (f->step->series >= 0 && f->first < 0)
        d->engine->tally->counts[f->step->series].offered++;
    if (f->part == FLOW_ITERATION)
        f->first = -1;
    if (drive_slot_available(d))
        flow_send(f, now_ns);
    else
        wait_for_slot(f);
}

// A late start is the generator's own fault when there was a connection for it all the time.
static void count_start(struct flow *f, int64_t now_ns)
{
    struct drive *d = f->drive;
    if (f->step->series < 0)
        return;
    struct load_counts *c = &d->engine->tally->counts[f->step->series];
    c->started++;
    if (now_ns - f->intended_ns <= LATE_NS)
        return;
    c->late++;
    if (drive_slot_available(d) && d->full_ns < f->intended_ns)
        c->late_self++;
}

static void unsent(struct flow *f, enum load_error kind, const char *why, int64_t now_ns)
{
    f->x.reply = (struct exchange_reply){0};
    struct outcome o = {.kind = kind, .why = why};
    outcome_count(f, &o, now_ns);
    after(f, &o, now_ns);
}

static int start(struct flow *f)
{
    struct drive *d = f->drive;
    if (f->step->transport->ops->start(f->step->transport, &f->x) < 0)
        return -1;
    f->under_way = true;
    d->in_flight++;
    if (!drive_slot_available(d))
        d->full_ns = f->x.started_ns;
    return 0;
}

static struct breaker *breaker_of(struct flow *f, const struct exchange_origin *origin)
{
    return &f->drive->plan.breaker[origin->id];
}

// What is backed off from is an error without being sent: how late it would have been says nothing.
static bool backed_off(struct flow *f, int64_t now_ns)
{
    const struct step_plan *s = f->step;
    if (f->user < 0 || breaker_lets(breaker_of(f, s->spec.origin), now_ns))
        return false;
    if (s->series >= 0)
        f->drive->engine->tally->counts[s->series].started++;
    unsent(f, LOAD_ERR_BACK_OFF, "what was sent there before failed at once, again and again", now_ns);
    return true;
}

void flow_send(struct flow *f, int64_t now_ns)
{
    struct step_plan *s = f->step;
    if (backed_off(f, now_ns))
        return;
    count_start(f, now_ns);
    f->service_ns = f->x.started_ns = now_ns;
    f->x.spec = &s->spec;
    f->x.origin = s->spec.origin;
    f->x.home = plan_home(s, f->session);
    f->x.request = s->spec.constant;
    char why[160];
    if (!f->x.request)
        f->x.request = plan_request(s, f->session, &f->drive->engine->rng, why, sizeof why);
    if (!f->x.request) {
        unsent(f, LOAD_ERR_REQUEST, why, now_ns);
        return;
    }
    if (start(f) < 0)
        unsent(f, LOAD_ERR_LOCAL, "there is no memory or descriptor for it", now_ns);
}

// ---- what comes back ------------------------------------------------------------------------------------------------

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void count_hop(struct flow *f)
{
    if (f->step->series < 0)
        return;
    struct load_counts *c = &f->drive->engine->tally->counts[f->step->series];
    c->redirects++;
    c->sent_bytes += f->x.reply.sent_bytes;
    c->received_bytes += f->x.reply.header_bytes + f->x.reply.body_bytes;
}

// True when another exchange is under way now, for the same step; else *o says why not, if it should have been.
static bool followed(struct flow *f, struct outcome *o, int64_t now_ns)
{
    const struct exchange_request *request = NULL;
    enum plan_redirect to = plan_redirect(f->step, f->session, &f->x, &request);
    if (to == PLAN_REDIRECT_NONE)
        return false;
    bool elsewhere = to == PLAN_REDIRECT_ELSEWHERE;
    if (elsewhere || f->hops == HOPS_MAX) {
        *o = (struct outcome){.kind = elsewhere ? LOAD_ERR_HOST : LOAD_ERR_REDIRECTS,
                              .whole = true,
                              .timed = true,
                              .why = elsewhere ? "it redirects to another host" : "it redirects without end"};
        return false;
    }
    f->hops++;
    count_hop(f);
    f->x.request = request;
    f->x.started_ns = now_ns;
    if (start(f) == 0)
        return true;
    *o = (struct outcome){.kind = LOAD_ERR_LOCAL, .why = "there is no memory or descriptor for it"};
    return false;
}

void flow_done(struct exchange *x, enum exchange_end end, int64_t now_ns)
{
    struct flow *f = (struct flow *)x;
    struct drive *d = f->drive;
    if (!drive_slot_available(d))
        d->full_ns = now_ns;
    d->in_flight--;
    f->under_way = false;
    if (d->load->cookies && x->reply.head)
        cookies_take(&f->session->cookies, x->origin, x->request->target, x->reply.head, x->reply.head_len, time(NULL));
    breaker_take(breaker_of(f, x->origin), end == EXCHANGE_WHOLE || end == EXCHANGE_TIMEOUT, now_ns - x->started_ns);
    struct outcome o = {.ok = true};
    if (end == EXCHANGE_WHOLE && d->load->follow != FOLLOW_OFF && is_redirect(x->reply.status) &&
        f->step->spec.protocol != EXCHANGE_RAW && followed(f, &o, now_ns))
        return;
    if (o.ok)
        o = outcome_of(f, end, now_ns);
    outcome_count(f, &o, now_ns);
    after(f, &o, now_ns);
}

// ---- the beginning --------------------------------------------------------------------------------------------------

static void cannot_begin(struct flow *f, const char *why, int64_t now_ns)
{
    if (!f->drive->told)
        engine_note(f->drive->engine, "load %s: an iteration cannot begin: %s", f->drive->load->name, why);
    f->drive->told = true;
    end_iteration(f, false, false, now_ns);
}

void flow_begin(struct flow *f, const struct scenario_plan *s, int first, int64_t intended_ns, int64_t now_ns)
{
    struct drive *d = f->drive;
    f->scenario = s;
    f->first = first;
    f->busy = f->ok = true;
    f->transaction = -1;
    f->began_ns = intended_ns;
    d->begun++;
    d->iteration++;
    const char *why = NULL;
    bool set_up = true;
    if (f->session) {
        uint64_t number = (d->iteration - 1) * (uint64_t)d->share.of + (uint64_t)d->share.index + 1;
        if (session_begin(f->session, &d->shared, number, &d->engine->rng, &why) < 0) {
            cannot_begin(f, why, now_ns);
            return;
        }
        set_up = f->session->set_up || d->plan.user_setup.n == 0;
    }
    f->part = set_up ? FLOW_ITERATION : FLOW_USER_SETUP;
    f->steps = set_up ? &s->steps : &d->plan.user_setup;
    f->at = 0;
    go_on(f, intended_ns, now_ns);
}

void flow_begin_own(struct flow *f, const struct steps_plan *steps, enum flow_part part, int64_t now_ns)
{
    f->steps = steps;
    f->part = part;
    f->first = -1;
    f->at = 0;
    f->busy = f->ok = true;
    f->transaction = -1;
    f->began_ns = now_ns;
    go_on(f, now_ns, now_ns);
}
