// The steps up to the end of the measured time: start, ready, baseline, measure, drain, close. See machine.c for their
// order.
#include "run/actions.h"
#include "run/attach.h"
#include "run/identity.h"
#include "run/state.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDLE_SAMPLES 10
#define STACK_POINTS 72 // per run; names.h says why

double run_elapsed_s(const struct run *r)
{
    if (!r->has_measure)
        return NAN;
    int64_t end = r->measure_ended.mono_ns ? r->measure_ended.mono_ns : clock_mono_ns();
    return (double)(end - r->measure_began.mono_ns) / 1e9;
}

// ---- notes: events that go with the next tick

void run_event_span(struct run *r, const char *kind, struct seep_time from, struct seep_time to, int64_t count,
                    const char *text)
{
    if (!r->notes)
        r->notes = tick_new();
    if (!r->notes || tick_event(r->notes, kind, from, to, count, text))
        r->notes_lost++;
}

void run_event_note(struct run *r, const char *kind, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct seep_time now = clock_read();
    run_event_span(r, kind, now, now, SEEP_UNKNOWN, text);
}

void run_point(struct run *r, const char *name, const char *labels, enum seep_unit unit, enum store_series_kind kind,
               double value)
{
    if (!r->notes)
        r->notes = tick_new();
    for (size_t i = 0; r->notes && i < r->notes->n_points; i++) {
        struct tick_point *p = &r->notes->points[i];
        if (strcmp(p->name, name) != 0 || strcmp(p->labels, labels) != 0)
            continue;
        p->value = fmax(p->value, value);
        return;
    }
    if (!r->notes || tick_point(r->notes, name, labels, unit, kind, value))
        r->notes_lost++;
}

void run_take_notes(struct run *r, struct run_tick *t)
{
    if (!r->notes)
        return;
    t->events = r->notes->events;
    t->n_events = r->notes->n_events;
    r->notes->events = NULL;
    r->notes->n_events = 0;
    t->points = r->notes->points;
    t->n_points = r->notes->n_points;
    r->notes->points = NULL;
    r->notes->n_points = 0;
    tick_free(r->notes);
    r->notes = NULL;
}

// ---- starting

// The target is started once all that it depends on is ready.
static void deps_done(struct run *r, const char *why)
{
    struct seep_err err;
    if (why)
        seep_fail(&err, SEEP_E_SYSTEM, "%s", why);
    if (why || keeper_begin(&r->link, &err)) {
        run_error(r, &err);
        run_feed(r, RUN_EV_START_FAILED);
    }
}

void run_act_begin(struct run *r)
{
    if (r->attached) {
        attach_begin(r);
        return;
    }
    run_deps_begin(r, deps_done);
}

static void ready_job(uv_work_t *req)
{
    struct run *r = req->data;
    run_ready_wait(&r->ready);
    if (!r->ready.ready)
        return;
    identity_read(r->sampler.proc_fd, r->target_pid, r->profile, &r->identity, NULL);
}

static void ready_done(uv_work_t *req, int status)
{
    struct run *r = req->data;
    (void)status;
    r->readying = false;
    if (r->ready.ready)
        run_feed(r, RUN_EV_READY);
    else if (!atomic_load(&r->ready.cancel))
        run_feed(r, RUN_EV_NOT_READY);
    run_after_job(r);
}

void run_act_readying(struct run *r)
{
    if (r->adopting) {
        run_feed(r, RUN_EV_READY);
        return;
    }
    r->ready.want = &r->profile->target.ready;
    r->ready.dir_fd = r->dir_fd;
    atomic_store(&r->ready.cancel, false);
    r->readying = true;
    uv_queue_work(&r->loop, &r->ready_work, ready_job, ready_done);
}

void run_act_not_ready(struct run *r)
{
    char within[32];
    r->outcome.target_failed = true;
    units_duration(within, sizeof within, r->profile->target.ready.within_s);
    snprintf(r->outcome.text, sizeof r->outcome.text, "The target was not ready within %s. %.300s", within,
             r->ready.last_answer);
    run_act_stop(r);
}

// ---- phases of ticks

static void enter_phase(struct run *r, enum store_phase phase, double interval_s, double total_s)
{
    run_event_note(r, E_PHASE, "%s", run_state_names[r->state]);
    run_ticks_begin(r, phase, interval_s, total_s);
}

static void start_load(struct run *r)
{
    struct seep_err err;
    // Often enough that a tick's counts are hardly older than its samples: growth per operation rests on both.
    double longest = r->profile->n_faults ? 250 : 1000; // watches of faults look twice a second
    double report_ms = fmin(longest, fmax(50, r->interval_s * 1000 / 5));
    struct load_options options = {.report_interval_ms = (int)report_ms};
    if (load_start(r->profile, "/proc/self/exe", &options, &r->load, &err)) {
        r->load = NULL;
        run_error(r, &err);
        run_feed(r, RUN_EV_STOP);
        return;
    }
    run_watch_load(r);
}

static void baseline(struct run *r)
{
    if (!r->profile->n_loads || (r->adopting && r->has_measure)) {
        if (r->profile->n_loads)
            start_load(r);
        run_feed(r, RUN_EV_PHASE_DONE);
        return;
    }
    start_load(r);
    if (r->load)
        enter_phase(r, PHASE_BASELINE, r->idle_interval_s, IDLE_SAMPLES * r->idle_interval_s);
}

// `seep finish` before the time was over: what there is is judged, and nobody may take it for the whole.
static void note_cut_short(struct run *r)
{
    double measured_s = 0;
    if (r->has_measure && r->has_last_stored)
        measured_s = fmax(0, (double)(r->last_stored.mono_ns - r->measure_began.mono_ns) / 1e9);
    if (measured_s + r->interval_s >= r->duration_s || r->outcome.text[0])
        return;
    r->outcome.stopped = true;
    snprintf(r->outcome.text, sizeof r->outcome.text,
             "The supervisor was gone after %.0f s of %.0f s, and the run was finished by request.", measured_s,
             r->duration_s);
}

void run_act_baseline(struct run *r)
{
    run_detach_tell(r);
    run_target_facts(r);
    if (r->finish_only) {
        note_cut_short(r);
        run_feed(r, RUN_EV_STOP);
    } else if (r->adopting && r->has_measure)
        baseline(r);
    else
        run_probes_edge(r, false, baseline);
}

void run_act_measure(struct run *r)
{
    double left = r->duration_s;
    r->stack_every = (int64_t)fmax(1, floor(r->duration_s / r->interval_s / STACK_POINTS));
    if (r->has_measure) { // going on after an interruption: the clock of the duration never stopped
        left -= run_elapsed_s(r);
        if (left <= 0) {
            run_feed(r, RUN_EV_PHASE_DONE);
            return;
        }
    } else {
        r->measure_began = clock_read();
        r->has_measure = true;
        run_meta_f(r, "measure.mono", "%lld", (long long)r->measure_began.mono_ns);
        run_meta_f(r, "measure.real", "%lld", (long long)r->measure_began.real_ns);
        run_meta_f(r, "measure.boot", "%lld", (long long)r->measure_began.boot_ns);
    }
    r->load_wanted = r->load != NULL;
    run_load_look(r);
    enter_phase(r, PHASE_MEASURE, r->interval_s, left);
    run_faults_begin(r);
    run_probes_begin(r);
    // After a resume the ticks keep to the grid of the first start.
    if (r->adopting)
        run_ticks_align(r, r->measure_began.mono_ns);
}

static void load_off(struct run *r)
{
    struct seep_err err;
    r->load_wanted = false;
    if (load_stop(r->load, 2.0, &err))
        run_event_note(r, E_LOAD, "%s.", err.text);
    enter_phase(r, PHASE_DRAIN, r->idle_interval_s, fmax(r->drain_s, 0.01));
}

static void drain(struct run *r)
{
    if (r->load)
        load_off(r);
    else
        run_feed(r, RUN_EV_PHASE_DONE);
}

void run_act_drain(struct run *r)
{
    struct seep_err err;
    r->measure_ended = clock_read();
    run_faults_end(r);
    run_probes_end(r);
    if (r->load) // at once; what goes wrong is told when it is asked again
        load_stop(r->load, 2.0, &err);
    run_probes_edge(r, true, drain);
}

static bool reloads(struct run *r)
{
    if (r->load && r->profile->run.reload)
        return true;
    run_feed(r, RUN_EV_PHASE_DONE);
    return false;
}

void run_act_settle(struct run *r)
{
    if (reloads(r))
        enter_phase(r, PHASE_SETTLE, r->idle_interval_s, IDLE_SAMPLES * r->idle_interval_s);
}

void run_act_reload(struct run *r)
{
    if (!reloads(r))
        return;
    r->load_wanted = true;
    run_load_look(r);
    enter_phase(r, PHASE_RELOAD, r->interval_s, r->duration_s);
}

void run_act_redrain(struct run *r)
{
    if (reloads(r))
        load_off(r);
}

void run_act_close(struct run *r)
{
    if (!r->load) {
        run_feed(r, RUN_EV_PHASE_DONE);
        return;
    }
    enter_phase(r, PHASE_CLOSE, r->idle_interval_s, IDLE_SAMPLES * r->idle_interval_s);
}
