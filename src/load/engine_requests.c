// Requests: a slot is taken, the request starts, ends, is judged and counted, and the slot is free again.
//
// What comes back was sent by anyone; request.c bounds and judges it. Called from the engine's turn only.
#include "base/check.h"
#include "base/clock.h"
#include "load/engine_state.h"

#include <math.h>
#include <stdio.h>

enum { BATCH = 256, DROP_BATCH = 65536 };
#define SELF_DROP_NS 1000000000 // what the generator itself is late by this much is dropped, not sent as a burst

// ---- slots ----------------------------------------------------------------------------------------------------------

// A free slot, preferably one that has this scenario's options already.
static int slot_take(struct engine *e, int scenario)
{
    int *from = &e->scenario[scenario].first_free;
    if (*from < 0 && e->n_made < e->n_slots) {
        e->slot[e->n_made] = (struct slot){.scenario = -1};
        return e->n_made++;
    }
    for (int s = 0; *from < 0; s++)
        from = &e->scenario[s].first_free;
    int taken = *from;
    *from = e->slot[taken].next_free;
    return taken;
}

static void slot_give(struct engine *e, struct slot *s)
{
    s->busy = false;
    s->next_free = e->scenario[s->scenario].first_free;
    e->scenario[s->scenario].first_free = (int)(s - e->slot);
}

static int slot_prepare(struct engine *e, struct slot *s, int scenario)
{
    if (s->easy && s->scenario == scenario)
        return 0;
    s->scenario = scenario;
    if (!s->easy)
        s->easy = curl_easy_init();
    if (!s->easy || request_prepare(s->easy, &e->scenario[scenario].plan, &s->reply, NULL) < 0 ||
        sockets_attach(&e->sockets, s->easy) < 0 || curl_easy_setopt(s->easy, CURLOPT_PRIVATE, s) != CURLE_OK) {
        curl_easy_cleanup(s->easy);
        s->easy = NULL;
        return -1;
    }
    return 0;
}

// ---- the end of a request -------------------------------------------------------------------------------------------

static void note_error(struct engine *e, int scenario, const struct request_result *r, CURLcode code)
{
    struct scenario_state *st = &e->scenario[scenario];
    if (st->told[r->kind])
        return;
    st->told[r->kind] = true;
    char text[256];
    if (r->kind == LOAD_ERR_STATUS)
        snprintf(text, sizeof text, "scenario %s: first reply with an unexpected status: %ld",
                 e->load->scenarios[scenario].name, r->status);
    else
        snprintf(text, sizeof text, "scenario %s: first error of kind %s%s%s", e->load->scenarios[scenario].name,
                 load_error_name(r->kind), code == CURLE_OK ? "" : ": ",
                 code == CURLE_OK ? "" : curl_easy_strerror(code));
    e->hooks.on_note(e->hooks.ctx, text);
}

static void count_result(struct engine *e, int scenario, const struct request_result *r)
{
    struct load_counts *c = &e->scenario[scenario].counts;
    c->completed++;
    if (r->ok)
        c->ok++;
    else
        c->error[r->kind]++;
    if (r->status > 0)
        c->status[r->status >= 100 && r->status <= 599 ? r->status / 100 : 0]++;
    c->sent_bytes += r->sent_bytes;
    c->received_bytes += r->received_bytes;
}

// A user whose requests fail before they reach anything would otherwise fail as fast as the machine can.
static int64_t back_off_ns(struct engine *e, struct load_user *user, const struct request_result *r)
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

static void user_back(struct engine *e, int i, const struct request_result *r, int64_t now_ns)
{
    double think_s = 0;
    if (e->load->think != THINK_NONE)
        think_s = e->load->think_min_s;
    if (e->load->think == THINK_UNIFORM)
        think_s += rng_unit(&e->rng) * (e->load->think_max_s - e->load->think_min_s);
    int64_t wait_ns = back_off_ns(e, &e->users.user[i], r);
    int64_t think_ns = (int64_t)(think_s * 1e9);
    users_wait(&e->users, i, now_ns + (wait_ns > think_ns ? wait_ns : think_ns));
}

static void finished(struct engine *e, struct slot *s, CURLcode code)
{
    int64_t now_ns = clock_mono_ns();
    struct scenario_state *st = &e->scenario[s->scenario];
    struct request_result r;
    request_judge(s->easy, code, &st->plan, &s->reply, now_ns - s->started_ns, &r);
    curl_multi_remove_handle(e->sockets.multi, s->easy);
    count_result(e, s->scenario, &r);
    if (r.timed) {
        hist_record(&st->delta[LOAD_LATENCY], engine_us(now_ns - s->intended_ns));
        hist_record(&st->delta[LOAD_SERVICE], engine_us(now_ns - s->started_ns));
    }
    if (!r.ok)
        note_error(e, s->scenario, &r, code);
    if (s->user >= 0)
        user_back(e, s->user, &r, now_ns);
    if (!engine_slot_available(e))
        e->full_ns = now_ns;
    e->in_flight--;
    slot_give(e, s);
}

bool engine_reap(struct engine *e)
{
    bool any = false;
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(e->sockets.multi, &left)) != NULL; any = true) {
        char *s;
        SEEP_CHECK(m->msg == CURLMSG_DONE && curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &s) == CURLE_OK);
        finished(e, (struct slot *)(void *)s, m->data.result);
    }
    return any;
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

// Not even begun: no memory for a handle. Counted as every other failure.
static void failed_locally(struct engine *e, struct slot *s, int64_t now_ns)
{
    struct request_result r = {.kind = LOAD_ERR_LOCAL};
    count_result(e, s->scenario, &r);
    note_error(e, s->scenario, &r, CURLE_OUT_OF_MEMORY);
    if (s->user >= 0)
        user_back(e, s->user, &r, now_ns);
    slot_give(e, s);
}

static void start(struct engine *e, int scenario, int user, int64_t intended_ns)
{
    struct slot *s = &e->slot[slot_take(e, scenario)];
    int64_t now_ns = clock_mono_ns();
    int bad = slot_prepare(e, s, scenario);
    s->user = user;
    s->intended_ns = intended_ns;
    s->started_ns = now_ns;
    s->reply = (struct request_reply){0};
    count_start(e, &e->scenario[scenario].counts, now_ns - intended_ns, intended_ns);
    if (bad || curl_multi_add_handle(e->sockets.multi, s->easy) != CURLM_OK) {
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
    if (waited_ns <= (self ? SELF_DROP_NS : (int64_t)(st->plan.scenario->timeout_s * 1e9)))
        return false;
    st->counts.dropped++;
    st->counts.late++;
    if (self)
        st->counts.late_self++;
    else
        hist_record(&st->delta[LOAD_LATENCY], engine_us(waited_ns));
    return true;
}

static void next_arrival(struct engine *e)
{
    e->scenario[e->next_scenario].counts.offered++;
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
        e->scenario[scenario].counts.offered++;
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
        curl_multi_remove_handle(e->sockets.multi, s->easy);
        e->scenario[s->scenario].counts.cancelled++;
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
        e->scenario[e->next_scenario].counts.dropped++;
        next_arrival(e);
    }
}
