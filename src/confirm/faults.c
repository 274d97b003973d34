// The profile's faults again while the target is replayed: when, on whom, and which not. See passing.h.
//
// Their times are pressed as the load's stages are; what they do is as strong as in the run. Who ends the target
// itself, or takes memory or CPU from it, is left out: the answer says which and why. Everything is undone before the
// target is asked to end, and a paused one goes on before memcheck is asked.
#include "base/clock.h"
#include "confirm/passing.h"
#include "fault/proxy.h"
#include "run/fault_effect.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum step { STEP_IDLE, STEP_ACTIVE, STEP_GOING, STEP_DOWN };

#define SHORTEST_S 1.0 // a fault lasts so long, when it lasted so long in the run

struct replayed {
    const struct profile_fault *want;
    const char *why_not; // NULL: it is replayed
    enum step step;
    int begun;
    double next_s, for_s, every_s;
    int64_t end_ns, patience_ns;
    char trouble[200]; // "" or what went wrong, a sentence
};

struct confirm_faults {
    int64_t began_ns;
    int n;
    struct replayed fault[];
};

static const char *why_not(const struct profile_fault *f)
{
    if (f->kind == FAULT_MEMORY || f->kind == FAULT_CPU)
        return "Not replayed: valgrind needs many times what the limit leaves";
    if (f->kind != FAULT_PAUSE && f->kind != FAULT_TOXIC && fault_effect_on_target(fault_effect_whom(f)))
        return "Not replayed: memcheck's books end with the process, and with them what grew in it";
    return NULL;
}

static void plan(struct passing *s, struct replayed *f, const struct profile_fault *want)
{
    double press = s->p->press;
    *f = (struct replayed){.want = want, .why_not = why_not(want)};
    f->for_s = fmax(want->for_s * press, fmin(want->for_s, SHORTEST_S));
    f->every_s = want->every_s > 0 ? fmax(want->every_s * press, 2 * f->for_s + SHORTEST_S) : 0;
    f->next_s = want->at_s * press;
    if (!f->why_not && f->next_s + f->for_s > s->p->for_s)
        f->why_not = "Not replayed: it would end after the time under load (--for)";
}

// ---- one occurrence

static void signal_target(struct passing *s, int sig)
{
    pid_t pids[CONFIRM_PIDS_MAX];
    size_t n = confirm_pass_pids(s->p, pids);
    kill(-s->pid, sig); // its group
    for (size_t i = 0; i < n; i++)
        kill(pids[i], sig); // and who left it
}

static int set_toxic(struct passing *s, const struct replayed *f, unsigned slot, bool on, struct seep_err *err)
{
    struct fault_toxic toxic = on ? fault_toxic_of(f->want) : (struct fault_toxic){.kind = TOXIC_NONE};
    struct fault_proxies *p = confirm_deps_proxies(s);
    return p ? fault_proxy_toxic(p, f->want->proxy, slot, &toxic, err)
             : seep_fail(err, SEEP_E_SYSTEM, "there are no proxies");
}

static void switch_it(struct passing *s, struct replayed *f, unsigned slot, bool on)
{
    struct seep_err err = {0};
    const struct profile_fault *w = f->want;
    int sig = on ? SIGSTOP : SIGCONT;
    if (w->kind == FAULT_TOXIC) {
        if (set_toxic(s, f, slot, on, &err))
            snprintf(f->trouble, sizeof f->trouble, "It could not be done: %.150s", err.text);
    } else if (w->kind == FAULT_PAUSE && fault_effect_on_target(w->pause)) {
        signal_target(s, sig);
    } else if (w->kind == FAULT_PAUSE) {
        confirm_dep_signal(s, w->pause, sig, true);
    } else if (on) { // a dependency that ends
        bool asked = w->kind == FAULT_RESTART;
        confirm_dep_signal(s, fault_effect_whom(w), asked ? 0 : SIGKILL, !asked);
    }
}

static void begin(struct passing *s, struct replayed *f, unsigned slot, int64_t now)
{
    const struct profile_fault *w = f->want;
    bool ends = w->kind == FAULT_KILL || w->kind == FAULT_RESTART;
    f->begun++;
    f->step = ends ? STEP_GOING : STEP_ACTIVE;
    f->end_ns = now + (int64_t)(f->for_s * 1e9);
    f->patience_ns = ends ? now + (int64_t)(confirm_dep_patience_s(s, fault_effect_whom(w)) * 1e9) : 0;
    bool more = f->every_s > 0 && (w->times == 0 || f->begun < w->times);
    f->next_s = more ? f->next_s + f->every_s : INFINITY;
    if (f->next_s + f->for_s > s->p->for_s)
        f->next_s = INFINITY;
    switch_it(s, f, slot, true);
}

static void rise(struct passing *s, struct replayed *f)
{
    struct seep_err err = {0};
    if (confirm_dep_start_again(s, fault_effect_whom(f->want), &err))
        snprintf(f->trouble, sizeof f->trouble, "It was not started again: %.150s", err.text);
    f->step = STEP_IDLE;
}

static void turn_one(struct passing *s, struct replayed *f, unsigned slot, int64_t now, double elapsed_s)
{
    if (f->step == STEP_IDLE && !f->why_not && !f->trouble[0] && elapsed_s >= f->next_s)
        begin(s, f, slot, now);
    if (f->step == STEP_ACTIVE && now >= f->end_ns) {
        switch_it(s, f, slot, false);
        f->step = STEP_IDLE;
    }
    if (f->step == STEP_GOING && confirm_dep_gone(s, fault_effect_whom(f->want)))
        f->step = STEP_DOWN;
    if (f->step == STEP_GOING && now >= f->patience_ns)
        confirm_dep_signal(s, fault_effect_whom(f->want), SIGKILL, true);
    if (f->step == STEP_DOWN && now >= f->end_ns)
        rise(s, f);
}

// ---- all of them

void confirm_faults_begin(struct passing *s)
{
    const struct profile *p = s->p->plan;
    if (p->n_faults == 0)
        return;
    s->faults = calloc(1, sizeof *s->faults + (size_t)p->n_faults * sizeof *s->faults->fault);
    if (!s->faults) {
        confirm_pass_fail(s->p, "error", "There is no memory for the faults of the profile");
        return;
    }
    s->faults->began_ns = clock_mono_ns();
    s->faults->n = p->n_faults;
    for (int i = 0; i < p->n_faults; i++)
        plan(s, &s->faults->fault[i], &p->faults[i]);
}

void confirm_faults_turn(struct passing *s)
{
    int64_t now = clock_mono_ns();
    for (int i = 0; s->faults && i < s->faults->n; i++)
        turn_one(s, &s->faults->fault[i], (unsigned)i, now, (double)(now - s->faults->began_ns) / 1e9);
}

void confirm_faults_wake_target(struct passing *s)
{
    for (int i = 0; s->faults && i < s->faults->n; i++) {
        struct replayed *f = &s->faults->fault[i];
        if (f->step != STEP_ACTIVE || f->want->kind != FAULT_PAUSE || !fault_effect_on_target(f->want->pause))
            continue;
        switch_it(s, f, (unsigned)i, false);
        f->step = STEP_IDLE;
    }
}

static void note(struct confirm_fault *out, const struct replayed *f)
{
    out->times = f->begun;
    out->at_s = f->want->at_s;
    out->for_s = f->begun > 0 ? f->for_s : NAN;
    snprintf(out->why, sizeof out->why, "%s",
             f->trouble[0]   ? f->trouble
             : f->why_not    ? f->why_not
             : f->begun == 0 ? "Not replayed: the pass was over before its time came"
                             : "");
}

void confirm_faults_end(struct passing *s)
{
    for (int i = 0; s->faults && i < s->faults->n; i++) {
        struct replayed *f = &s->faults->fault[i];
        if (f->step == STEP_ACTIVE)
            switch_it(s, f, (unsigned)i, false);
        if (f->step >= STEP_GOING) // whoever it is that the target ends with is there again
            rise(s, f);
        if (s->p->fault_results)
            note(&s->p->fault_results[i], f);
    }
    free(s->faults);
    s->faults = NULL;
}
