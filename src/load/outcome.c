// What came of an exchange: judged by what its step expects, its values taken, counted, and told of when it is the
// first of its kind. Called from flow.c.
#include "load/engine_state.h"

#include <stdio.h>

static enum load_error kind_of(enum exchange_end end)
{
    static const enum load_error kind[] = {
        [EXCHANGE_DNS] = LOAD_ERR_DNS,         [EXCHANGE_REFUSED] = LOAD_ERR_REFUSED,
        [EXCHANGE_CONNECT] = LOAD_ERR_CONNECT, [EXCHANGE_TLS] = LOAD_ERR_TLS,
        [EXCHANGE_RESET] = LOAD_ERR_RESET,     [EXCHANGE_CLOSED] = LOAD_ERR_CLOSED,
        [EXCHANGE_TIMEOUT] = LOAD_ERR_TIMEOUT, [EXCHANGE_PROTOCOL] = LOAD_ERR_PROTOCOL,
        [EXCHANGE_HEAD] = LOAD_ERR_HEAD,       [EXCHANGE_BODY] = LOAD_ERR_BODY,
        [EXCHANGE_DECODE] = LOAD_ERR_DECODE,   [EXCHANGE_LOCAL] = LOAD_ERR_LOCAL,
    };
    return kind[end];
}

// What a whole reply fails by; o->ok when nothing.
static void check(struct flow *f, int64_t service_ns, struct outcome *o)
{
    struct load_plan *p = &f->drive->plan;
    struct template_scope scope = {0};
    if (f->session)
        scope = session_scope(f->session, &f->drive->engine->rng);
    enum check_end end = check_reply(f->step->check, &f->x.reply, service_ns, &scope, &p->check_room, &o->failure);
    o->ok = end == CHECK_PASSED;
    o->kind = end == CHECK_STATUS ? LOAD_ERR_STATUS : end == CHECK_SLOW ? LOAD_ERR_SLOW : LOAD_ERR_CHECK;
    const char *name = NULL;
    if (f->step->step->n_extract == 0 || !(o->ok || end == CHECK_SLOW))
        return;
    if (plan_extract(f->step, f->session, &f->x.reply, &f->drive->engine->rng, &name))
        return;
    o->ok = false;
    o->kind = LOAD_ERR_EXTRACT;
    o->why = name;
}

struct outcome outcome_of(struct flow *f, enum exchange_end end, int64_t now_ns)
{
    struct outcome o = {.why = f->x.reply.why,
                        .whole = end == EXCHANGE_WHOLE,
                        .timed = end == EXCHANGE_WHOLE || end == EXCHANGE_TIMEOUT};
    if (end == EXCHANGE_WHOLE)
        check(f, now_ns - f->service_ns, &o);
    else
        o.kind = kind_of(end);
    return o;
}

static void describe(const struct flow *f, const struct outcome *o, char *text, size_t size)
{
    char checked[240];
    if (o->kind == LOAD_ERR_STATUS && !f->step->spec.raw) {
        snprintf(text, size, "first reply with an unexpected status: %d", f->x.reply.status);
    } else if (o->kind == LOAD_ERR_CHECK || o->kind == LOAD_ERR_STATUS) {
        check_describe(&o->failure, checked, sizeof checked);
        snprintf(text, size, "first reply that is not as expected: %s", checked);
    } else if (o->kind == LOAD_ERR_EXTRACT) {
        snprintf(text, size, "first reply without a value for %s", o->why ? o->why : "a variable");
    } else {
        snprintf(text, size, "first error of kind %s%s%s", load_error_name(o->kind), o->why ? ": " : "",
                 o->why ? o->why : "");
    }
}

// "scenario login: ...", with the step's name when there are several.
static void tell(const struct flow *f, const struct outcome *o)
{
    struct step_plan *s = f->step;
    char text[320], where[200];
    if (s->told[o->kind])
        return;
    s->told[o->kind] = true;
    describe(f, o, text, sizeof text);
    if (!s->scenario)
        snprintf(where, sizeof where, "%s of load %s, step %s", s->part, s->plan->load->name, s->step->name);
    else if (f->scenario->steps.n > 1)
        snprintf(where, sizeof where, "scenario %s, step %s", s->scenario, s->step->name);
    else
        snprintf(where, sizeof where, "scenario %s", s->scenario);
    engine_note(f->drive->engine, "%s: %s", where, text);
}

static void count(struct flow *f, const struct outcome *o, int64_t now_ns)
{
    struct load_tally *t = f->drive->engine->tally;
    int series = f->step->series;
    struct load_counts *c = &t->counts[series];
    const struct exchange_reply *r = &f->x.reply;
    c->completed++;
    if (o->ok)
        c->ok++;
    else
        c->error[o->kind]++;
    if (r->status > 0)
        tally_status(t, series, r->status);
    c->sent_bytes += r->sent_bytes;
    c->received_bytes += r->header_bytes + r->body_bytes;
    if (!o->timed)
        return;
    tally_record(t, series, LOAD_LATENCY, engine_us(now_ns - f->intended_ns));
    tally_record(t, series, LOAD_SERVICE, engine_us(now_ns - f->service_ns));
}

static void measure(struct flow *f, const struct outcome *o, int64_t now_ns)
{
    struct load_plan *p = &f->drive->plan;
    struct template_scope scope = {0};
    if (f->session)
        scope = session_scope(f->session, &f->drive->engine->rng);
    const struct measure_case c = {.reply = &f->x.reply,
                                   .whole = o->whole,
                                   .timed = o->timed,
                                   .ok = o->ok,
                                   .latency_ns = now_ns - f->intended_ns,
                                   .service_ns = now_ns - f->service_ns,
                                   .scope = &scope,
                                   .room = &p->check_room,
                                   .scratch = &p->value_text};
    for (int i = 0; i < f->step->n_measures; i++)
        measure_take(f->step->measure[i], f->drive->engine->tally, &c);
}

void outcome_count(struct flow *f, const struct outcome *o, int64_t now_ns)
{
    if (f->step->series >= 0)
        count(f, o, now_ns);
    if (f->step->n_measures)
        measure(f, o, now_ns);
    if (!o->ok)
        tell(f, o);
}
