// Are the conditions of a fault good? Those on the load are looked at twice a second, from its counters as they come
// in, because the run's own ticks may lie minutes apart; those on anything else tick by tick. Each kind is a channel
// with windows of its own.
//
// From the fault's begin until the target has recovered, or has not: in how many windows was one of `spares` broken?
// That share is fault.spread; a cascade may begin when the fault itself, a restart say, is long over. After it: when did the stretch of good windows begin that lasted `good_for`, in every channel? That time is fault.recovery; when
// there is none within `watch`, the target has not recovered. A window in which nothing is known says nothing: it
// neither makes nor breaks a stretch. A stretch needs three windows of the load that say something, or two ticks; it
// begins with the first window of the load, and with the first good tick, because nobody looked between two of them.
#include "run/fault_condition.h"
#include "run/faults.h"
#include "run/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_CONDITION "http.errors < 1%"

enum phase { WATCH_OFF, WATCH_DURING, WATCH_AFTER };
enum channel_kind { OF_LOAD, OF_TICKS, CHANNELS };
static const int speaking_windows[CHANNELS] = {3, 2};

struct channel {
    bool recovers;                // has conditions of `recovered`
    int64_t report_ns, before_ns; // this window's end and begin
    int64_t good_since_ns;        // 0: no stretch
    int speaking;                 // windows of the stretch that said something
};

struct run_watch {
    const struct profile_fault *fault;
    struct run_condition *recovered, *spares;
    int n_recovered, n_spares;
    struct load_hist *scratch;
    enum phase phase;
    struct seep_time began, over; // of the fault
    struct channel channel[CHANNELS];
    int64_t windows, bad;
};

// ---- making one

static int open_all(struct run *r, char *const *texts, int n, struct run_condition **out, int *n_out,
                    struct seep_err *err)
{
    *out = calloc((size_t)n + 1, sizeof **out);
    if (!*out)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for conditions");
    for (*n_out = 0; *n_out < n; (*n_out)++)
        if (run_condition_open(r->profile, texts[*n_out], &(*out)[*n_out], err))
            return -1;
    return 0;
}

int run_watch_new(struct run *r, const struct profile_fault *f, struct run_watch **out, struct seep_err *err)
{
    static char fallback[] = DEFAULT_CONDITION;
    char *only[] = {fallback};
    bool own = f->n_recovered > 0, load = r->profile->n_loads > 0;
    *out = NULL;
    if (!own && f->n_spares == 0 && !load)
        return 0;
    struct run_watch *w = calloc(1, sizeof *w);
    if (!w || !(w->scratch = calloc(1, sizeof *w->scratch))) {
        free(w);
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory to watch a fault");
    }
    w->fault = f;
    *out = w;
    if (open_all(r, own ? f->recovered : only, own ? f->n_recovered : load, &w->recovered, &w->n_recovered, err) ||
        open_all(r, f->spares, f->n_spares, &w->spares, &w->n_spares, err))
        return -1;
    for (int i = 0; i < w->n_recovered; i++)
        w->channel[w->recovered[i].ticked ? OF_TICKS : OF_LOAD].recovers = true;
    return 0;
}

static void close_all(struct run_condition *c, int n)
{
    for (int i = 0; c && i <= n; i++)
        run_condition_close(&c[i]);
    free(c);
}

void run_watch_free(struct run_watch *w)
{
    if (!w)
        return;
    close_all(w->recovered, w->n_recovered);
    close_all(w->spares, w->n_spares);
    free(w->scratch);
    free(w);
}

// ---- windows

// One bad condition makes the window bad; it is good when one at least is good and none is bad.
static enum run_answer load_window(struct run *r, struct run_watch *w, struct run_condition *c, int n, double seconds)
{
    enum run_answer all = RUN_ANSWER_NONE;
    for (int i = 0; i < n; i++) {
        enum run_answer one = run_condition_ask(r, &c[i], w->scratch, seconds);
        all = one > all ? one : all;
        run_condition_remember(r, &c[i]);
    }
    return all;
}

static enum run_answer tick_window(struct run_condition *c, int n, const struct run_tick *t)
{
    enum run_answer all = RUN_ANSWER_NONE;
    for (int i = 0; i < n; i++) {
        enum run_answer one = c[i].ticked ? run_condition_tick(&c[i], t) : RUN_ANSWER_NONE;
        all = one > all ? one : all;
    }
    return all;
}

// ---- what comes of it

static void labels_of(const struct run_watch *w, char *out, size_t size)
{
    snprintf(out, size, "fault=%.63s", w->fault->name);
}

static void tell_spread(struct run *r, struct run_watch *w)
{
    char labels[80];
    if (w->n_spares == 0 || w->windows == 0)
        return;
    labels_of(w, labels, sizeof labels);
    run_point(r, S_FAULT_SPREAD, labels, UNIT_RATIO, SERIES_GAUGE, (double)w->bad / (double)w->windows);
    if (w->bad > 0)
        run_event_note(r, E_WARNING,
                       "The fault '%s' spread: what it should have spared was not well in %lld of %lld windows.",
                       w->fault->name, (long long)w->bad, (long long)w->windows);
}

static void recovered(struct run *r, struct run_watch *w, int64_t since_ns)
{
    char labels[80], text[160];
    struct seep_time back = w->over;
    int64_t took = since_ns > w->over.mono_ns ? since_ns - w->over.mono_ns : 0;
    labels_of(w, labels, sizeof labels);
    back.mono_ns += took, back.real_ns += took, back.boot_ns += took;
    snprintf(text, sizeof text, "%.63s: recovered %.1f s after it was over.", w->fault->name, (double)took / 1e9);
    run_event_span(r, E_RECOVERY, w->over, back, SEEP_UNKNOWN, text);
    run_point(r, S_FAULT_RECOVERY, labels, UNIT_SECONDS, SERIES_GAUGE, (double)took / 1e9);
    tell_spread(r, w);
    w->phase = WATCH_OFF;
}

static void not_recovered(struct run *r, struct run_watch *w, const char *until)
{
    char labels[80], text[400];
    struct seep_time now = clock_read();
    labels_of(w, labels, sizeof labels);
    snprintf(text, sizeof text, "%.63s: not recovered %.1f s after it was over, %s.", w->fault->name,
             (double)(now.mono_ns - w->over.mono_ns) / 1e9, until);
    run_event_span(r, E_RECOVERY, w->over, now, SEEP_UNKNOWN, text);
    run_point(r, S_FAULT_UNRECOVERED, labels, UNIT_SECONDS, SERIES_GAUGE,
              (double)(now.mono_ns - w->over.mono_ns) / 1e9);
    tell_spread(r, w);
    w->phase = WATCH_OFF;
}

static void count_spared(struct run_watch *w, enum run_answer a)
{
    w->windows += a != RUN_ANSWER_NONE;
    w->bad += a == RUN_ANSWER_BAD;
}

static void extend(struct channel *c, enum run_answer a, int64_t begin_ns)
{
    if (a == RUN_ANSWER_BAD) {
        c->good_since_ns = 0;
        c->speaking = 0;
    }
    if (a == RUN_ANSWER_GOOD && !c->good_since_ns)
        c->good_since_ns = begin_ns;
    c->speaking += a == RUN_ANSWER_GOOD;
}

// After every window: is it well by now in each channel, or too late?
static void conclude(struct run *r, struct run_watch *w)
{
    bool good = true, late = true;
    int64_t since = 0, until = INT64_MAX;
    for (int k = 0; k < CHANNELS; k++) {
        const struct channel *c = &w->channel[k];
        if (!c->recovers)
            continue;
        good &= c->good_since_ns && c->speaking >= speaking_windows[k];
        late &= c->report_ns - w->over.mono_ns > (int64_t)(w->fault->watch_s * 1e9);
        since = c->good_since_ns > since ? c->good_since_ns : since;
        until = c->report_ns < until ? c->report_ns : until;
    }
    if (good && until - since >= (int64_t)(w->fault->good_for_s * 1e9))
        recovered(r, w, since);
    else if (late)
        not_recovered(r, w, "and it was not watched for longer");
}

// ---- the outside

bool run_watch_busy(const struct run_watch *w)
{
    return w->phase != WATCH_OFF;
}

static void start_windows(struct run *r, struct run_watch *w)
{
    if (r->load) {
        load_poll(r->load);
        for (int i = 0; i < w->n_recovered; i++)
            run_condition_remember(r, &w->recovered[i]);
        for (int i = 0; i < w->n_spares; i++)
            run_condition_remember(r, &w->spares[i]);
    }
    int64_t now = clock_mono_ns();
    for (int k = 0; k < CHANNELS; k++) {
        struct channel *c = &w->channel[k];
        c->good_since_ns = 0;
        c->speaking = 0;
        c->before_ns = c->report_ns = k == OF_LOAD && r->load ? load_generator(r->load)->at_ns : now;
    }
}

void run_watch_begin(struct run *r, struct run_watch *w)
{
    w->phase = WATCH_DURING;
    w->began = clock_read();
    w->windows = w->bad = 0;
    start_windows(r, w);
}

void run_watch_over(struct run *r, struct run_watch *w)
{
    if (w->phase != WATCH_DURING)
        return;
    run_watch_look(r, w); // what is left of the fault since the last look
    w->phase = w->n_recovered > 0 ? WATCH_AFTER : WATCH_OFF;
    if (w->phase == WATCH_OFF)
        tell_spread(r, w);
    w->over = clock_read();
    start_windows(r, w);
}

void run_watch_look(struct run *r, struct run_watch *w)
{
    struct channel *c = &w->channel[OF_LOAD];
    if (!r->load)
        return;
    load_poll(r->load);
    int64_t at = load_generator(r->load)->at_ns;
    if (at <= c->report_ns)
        return; // no news from the generator yet
    c->before_ns = c->report_ns;
    c->report_ns = at;
    double seconds = fmax(1e-3, (double)(at - c->before_ns) / 1e9);
    count_spared(w, load_window(r, w, w->spares, w->n_spares, seconds));
    if (w->phase != WATCH_AFTER)
        return;
    extend(c, load_window(r, w, w->recovered, w->n_recovered, seconds), c->before_ns);
    conclude(r, w);
}

// Ticks that began before the present phase are of the time before it, but their counters are remembered.
void run_watch_tick(struct run *r, struct run_watch *w, const struct run_tick *t)
{
    struct channel *c = &w->channel[OF_TICKS];
    enum run_answer spared = tick_window(w->spares, w->n_spares, t);
    enum run_answer good = tick_window(w->recovered, w->n_recovered, t);
    int64_t at = t->time.mono_ns;
    if (w->phase != WATCH_OFF && at > w->began.mono_ns)
        count_spared(w, spared);
    if (w->phase != WATCH_AFTER || at <= w->over.mono_ns)
        return;
    c->report_ns = at;
    extend(c, good, at);
    if (c->recovers)
        conclude(r, w);
}

void run_watch_give_up(struct run *r, struct run_watch *w, bool run_over)
{
    if (w->phase == WATCH_AFTER && !run_over)
        not_recovered(r, w, "when it began again");
    else if (w->phase == WATCH_AFTER) {
        run_event_note(r, E_WARNING, "The run ended before it could be told whether the target recovered from '%s'.",
                       w->fault->name);
        tell_spread(r, w);
    }
    w->phase = WATCH_OFF;
}
