// Faults on the timeline: see faults.h.
//
// A fault that lasts (a pause, a toxic, a limit) is idle or active. One that ends a process goes through more steps:
// going (told to end, or killed), down (nobody is left; until the fault is over), rising (started again). A crash of a
// target that is to be restarted is handled as a fault without a name.
#include "run/faults.h"
#include "run/deps.h"
#include "run/fault_effect.h"
#include "run/state.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS       500 // windows of the watches
#define LEFTOVERS_NS  1000000000ll
#define SHORT_LIFE_NS 1000000000ll
#define SHORT_LIVES   5 // that many in a row: it will never stay up
#define NEVER         INT64_MAX

enum step { STEP_IDLE, STEP_ACTIVE, STEP_GOING, STEP_DOWN, STEP_RISING };

struct fault {
    const struct profile_fault *want;
    unsigned slot;
    enum step step;
    int begun; // how often
    double next_s;
    struct seep_time began;
    int64_t end_ns, patience_ns, exit_seen_ns;
    bool failed; // could not be done: it is not tried again
    bool forced; // asked to end, it did not in time
    struct run_watch *watch;
};

struct run_faults {
    struct fault *fault;
    int n;
    bool running;
    uv_timer_t timer, look;
    bool timers;
    // The target's lives
    int restarts, short_lives;
    int stored_pid;  // of a run that is taken over: the process there was; 0: none
    enum step crash; // STEP_GOING..STEP_RISING: a crash is being followed by a start
    int64_t crash_due_ns, crash_exit_ns, life_began_ns;
    struct seep_time ended; // the last life
    char obituary[300];
};

static bool ends_process(const struct fault *f)
{
    return f->want->kind == FAULT_KILL || f->want->kind == FAULT_RESTART;
}

// ---- begin and end of one occurrence

// For a successor of this process, which must know what time to cut.
static void remember(struct run *r, const struct fault *f, bool active)
{
    char key[96];
    snprintf(key, sizeof key, M_FAULT_PREFIX "%.63s", f->want->name);
    if (active)
        run_meta_f(r, key, "%lld %lld %lld %d", (long long)f->began.mono_ns, (long long)f->began.real_ns,
                   (long long)f->began.boot_ns, f->begun);
    else
        run_meta(r, key, "");
}

static void fault_failed(struct run *r, struct fault *f, const char *why)
{
    f->failed = true;
    f->step = STEP_IDLE;
    remember(r, f, false);
    run_event_note(r, E_DEGRADED, "The fault '%s' could not be done: %.300s.", f->want->name, why);
    if (f->watch)
        run_watch_give_up(r, f->watch, true);
}

static void plan_next(struct run *r, struct fault *f)
{
    const struct profile_fault *w = f->want;
    bool more = w->every_s > 0 && (w->times == 0 || f->begun < w->times) && !f->failed;
    f->next_s = more ? f->next_s + w->every_s : INFINITY;
    if (f->next_s + w->for_s > r->duration_s)
        f->next_s = INFINITY;
}

static void finish(struct run *r, struct fault *f)
{
    char what[200], text[400];
    struct seep_time now = clock_read();
    fault_effect_describe(f->want, what, sizeof what);
    int n = snprintf(text, sizeof text, "%.63s: %s", f->want->name, what);
    if (f->forced)
        n += snprintf(text + n, sizeof text - (size_t)n, "; it did not end within %g s of the signal and was killed",
                      fault_effect_patience_s(r, f->want));
    snprintf(text + n, sizeof text - (size_t)n, ".");
    run_event_span(r, E_FAULT, f->began, now, f->begun, text);
    f->step = STEP_IDLE;
    remember(r, f, false);
    if (f->watch)
        run_watch_over(r, f->watch);
}

static void begin(struct run *r, struct fault *f)
{
    struct seep_err err = {0};
    const struct profile_fault *w = f->want;
    if (f->watch)
        run_watch_give_up(r, f->watch, false); // the time before is not recovered from yet
    f->began = clock_read();
    f->begun++;
    f->end_ns = f->began.mono_ns + (int64_t)(w->for_s * 1e9);
    f->patience_ns =
        w->kind == FAULT_RESTART ? f->began.mono_ns + (int64_t)(fault_effect_patience_s(r, w) * 1e9) : NEVER;
    f->exit_seen_ns = 0;
    f->forced = false;
    plan_next(r, f);
    if (ends_process(f))
        run_deps_expect(r, fault_effect_whom(w), true);
    f->step = ends_process(f) ? STEP_GOING : STEP_ACTIVE; // before: its end may be told while the order is given
    if (fault_effect_set(r, f->want, f->slot, true, &err)) {
        fault_failed(r, f, err.text);
        return;
    }
    remember(r, f, true);
    if (f->watch)
        run_watch_begin(r, f->watch);
    run_show(r);
}

static void end(struct run *r, struct fault *f)
{
    struct seep_err err = {0};
    if (fault_effect_set(r, f->want, f->slot, false, &err) && r->state < RUN_STOPPING)
        run_event_note(r, E_WARNING, "The fault '%s' could not be undone: %.300s.", f->want->name, err.text);
    finish(r, f);
}

// ---- processes that end and come again

// Some ignore the request to end, and some leave children behind.
static void press(struct run *r, struct fault *f, int64_t now)
{
    struct seep_err err;
    int left = 0;
    const char *name = fault_effect_whom(f->want);
    if (!fault_effect_up(r, name) && !f->exit_seen_ns)
        f->exit_seen_ns = now;
    bool leftovers = f->exit_seen_ns && now - f->exit_seen_ns > LEFTOVERS_NS;
    if (now < f->patience_ns && !leftovers)
        return;
    f->forced |= now >= f->patience_ns && !f->exit_seen_ns;
    f->patience_ns = NEVER;
    f->exit_seen_ns = 0;
    if (fault_effect_on_target(name))
        keeper_kill_all(&r->link, &left, &err);
    else
        run_deps_signal(r, name, SIGKILL, KEEPER_SIGNAL_AGAIN, &err);
}

static void rise(struct run *r, struct fault *f)
{
    struct seep_err err;
    f->step = STEP_RISING;
    if (fault_effect_start_again(r, fault_effect_whom(f->want), &err))
        fault_failed(r, f, err.text);
}

static void turn_one(struct run *r, struct fault *f, int64_t now)
{
    if (f->step == STEP_IDLE && !f->failed && run_elapsed_s(r) >= f->next_s)
        begin(r, f);
    if (f->step == STEP_ACTIVE && now >= f->end_ns)
        end(r, f);
    if (f->step == STEP_GOING && fault_effect_gone(r, fault_effect_whom(f->want)))
        f->step = STEP_DOWN;
    if (f->step == STEP_GOING)
        press(r, f, now);
    if (f->step == STEP_DOWN && now >= f->end_ns)
        rise(r, f);
    if (f->step == STEP_RISING && fault_effect_up(r, fault_effect_whom(f->want))) {
        run_deps_expect(r, fault_effect_whom(f->want), false);
        finish(r, f);
    }
}

// ---- a target that crashed

static void turn_crash(struct run *r, int64_t now)
{
    struct run_faults *all = r->faults;
    struct seep_err err;
    int left = 0;
    if (all->crash == STEP_GOING && r->tree_empty)
        all->crash = STEP_DOWN;
    if (all->crash == STEP_GOING && now - all->crash_exit_ns > LEFTOVERS_NS) {
        all->crash_exit_ns = now;
        keeper_kill_all(&r->link, &left, &err);
    }
    if (all->crash == STEP_DOWN && now >= all->crash_due_ns) {
        all->crash = STEP_RISING;
        if (keeper_begin(&r->link, &err)) {
            run_error(r, &err);
            all->crash = STEP_IDLE;
        }
    }
}

static bool by_fault(const struct run_faults *all)
{
    for (int i = 0; i < all->n; i++)
        if (all->fault[i].step >= STEP_GOING && fault_effect_on_target(fault_effect_whom(all->fault[i].want)))
            return true;
    return false;
}

bool run_faults_target_exited(struct run *r)
{
    struct run_faults *all = r->faults;
    if (!all || r->keeper_lost || r->state < RUN_BASELINE || r->state >= RUN_STOPPING)
        return false;
    int64_t now = clock_mono_ns(), lived = now - all->life_began_ns;
    bool fault = by_fault(all), done = r->exit.how == KEEPER_HOW_EXITED && r->exit.status == 0;
    if (!fault && (!r->profile->target.restart || (done && r->profile->target.life != LIFE_SERVICE)))
        return false;
    all->ended = clock_read();
    run_exit_text(r, all->obituary, sizeof all->obituary);
    if (fault) {
        run_faults_turn(r);
        return true;
    }
    all->short_lives = all->restarts > 0 && lived < SHORT_LIFE_NS ? all->short_lives + 1 : 0;
    if (all->short_lives >= SHORT_LIVES)
        return false;
    all->crash = STEP_GOING;
    all->crash_exit_ns = now;
    all->crash_due_ns = now + (100000000ll << all->short_lives);
    run_faults_turn(r);
    return true;
}

bool run_faults_target_emptied(struct run *r)
{
    struct run_faults *all = r->faults;
    if (!all || r->state >= RUN_STOPPING || (!all->crash && !by_fault(all)))
        return false;
    run_faults_turn(r);
    return true;
}

// A fault had ended the target when the supervisor died, and the keeper started it again.
static void started_meanwhile(struct run *r)
{
    char text[200];
    struct run_faults *all = r->faults;
    struct seep_time now = clock_read();
    all->restarts++;
    snprintf(text, sizeof text,
             "The target was ended by a fault whose supervisor was lost, and started again as process %d.",
             r->target_pid);
    run_event_span(r, E_RESTART, r->has_last_stored ? r->last_stored : now, now, all->restarts, text);
    run_point(r, S_RESTARTS, "", UNIT_NONE, SERIES_COUNTER, all->restarts);
}

bool run_faults_target_started(struct run *r)
{
    struct run_faults *all = r->faults;
    if (!all)
        return false;
    all->life_began_ns = clock_mono_ns();
    if (all->stored_pid && all->stored_pid != r->target_pid) {
        all->stored_pid = 0;
        started_meanwhile(r);
        return true;
    }
    if (!all->crash && !by_fault(all))
        return false;
    char text[400];
    all->crash = STEP_IDLE;
    all->restarts++;
    snprintf(text, sizeof text, "The target %s and was started again as process %d.", all->obituary, r->target_pid);
    run_event_span(r, E_RESTART, all->ended, clock_read(), all->restarts, text);
    run_point(r, S_RESTARTS, "", UNIT_NONE, SERIES_COUNTER, all->restarts);
    live_say(&r->live, text);
    run_faults_turn(r);
    return true;
}

bool run_faults_start_failed(struct run *r)
{
    return r->faults && (r->faults->crash || by_fault(r->faults));
}

// ---- time

static void on_timer(uv_timer_t *timer)
{
    run_faults_turn(timer->data);
}

static void on_look(uv_timer_t *timer)
{
    struct run *r = timer->data;
    bool busy = false;
    for (int i = 0; i < r->faults->n; i++) {
        struct run_watch *w = r->faults->fault[i].watch;
        if (!w || !run_watch_busy(w))
            continue;
        run_watch_look(r, w);
        busy |= run_watch_busy(w);
    }
    if (!busy)
        uv_timer_stop(timer);
}

void run_faults_tick(struct run *r, const struct run_tick *t)
{
    for (int i = 0; r->faults && i < r->faults->n; i++)
        if (r->faults->fault[i].watch)
            run_watch_tick(r, r->faults->fault[i].watch, t);
}

static int64_t next_of(const struct run *r, const struct fault *f)
{
    switch (f->step) {
    case STEP_IDLE:
        return isinf(f->next_s) || f->failed ? NEVER : r->measure_began.mono_ns + (int64_t)(f->next_s * 1e9);
    case STEP_GOING:
        return f->exit_seen_ns ? f->exit_seen_ns + LEFTOVERS_NS + 1 : f->patience_ns;
    case STEP_RISING:
        return NEVER;
    default:
        return f->end_ns;
    }
}

static void arm(struct run *r, int64_t now)
{
    struct run_faults *all = r->faults;
    int64_t next = NEVER;
    for (int i = 0; i < all->n; i++) {
        int64_t at = next_of(r, &all->fault[i]);
        next = at < next ? at : next;
    }
    if (all->crash == STEP_DOWN || all->crash == STEP_GOING) {
        int64_t at = all->crash == STEP_DOWN ? all->crash_due_ns : all->crash_exit_ns + LEFTOVERS_NS + 1;
        next = at < next ? at : next;
    }
    uv_update_time(&r->loop);
    if (next == NEVER)
        uv_timer_stop(&all->timer);
    else
        uv_timer_start(&all->timer, on_timer, next > now ? (uint64_t)((next - now) / 1000000 + 1) : 1, 0);
}

void run_faults_turn(struct run *r)
{
    struct run_faults *all = r->faults;
    int64_t now = clock_mono_ns();
    if (!all || !all->timers)
        return;
    turn_crash(r, now);
    bool busy = false;
    for (int i = 0; all->running && i < all->n; i++) {
        turn_one(r, &all->fault[i], now);
        busy |= all->fault[i].watch && run_watch_busy(all->fault[i].watch);
    }
    if (busy && !uv_is_active((uv_handle_t *)&all->look))
        uv_timer_start(&all->look, on_look, LOOK_MS, LOOK_MS);
    arm(r, clock_mono_ns());
}

// ---- the life of it all

int run_faults_setup(struct run *r, struct seep_err *err)
{
    const struct profile *p = r->profile;
    if (p->n_faults == 0 && !p->target.restart)
        return 0;
    r->faults = calloc(1, sizeof *r->faults);
    if (r->faults)
        r->faults->fault = calloc((size_t)p->n_faults + 1, sizeof *r->faults->fault);
    if (!r->faults || !r->faults->fault)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the faults of the profile");
    for (int i = 0; i < p->n_faults; i++) {
        struct fault *f = &r->faults->fault[r->faults->n++];
        *f = (struct fault){.want = &p->faults[i], .slot = (unsigned)i, .next_s = p->faults[i].at_s};
        if (fault_effect_check(r, f->want, err) || run_watch_new(r, f->want, &f->watch, err))
            return -1;
    }
    return 0;
}

static void adopt_fault(struct run *r, struct fault *f)
{
    char key[96], text[400], what[200], *stored = NULL;
    long long mono, real, boot;
    int begun;
    snprintf(key, sizeof key, M_FAULT_PREFIX "%.63s", f->want->name);
    if (store_get_meta(r->store, key, &stored, NULL) == 0 && stored &&
        sscanf(stored, "%lld %lld %lld %d", &mono, &real, &boot, &begun) == 4) {
        fault_effect_describe(f->want, what, sizeof what);
        snprintf(text, sizeof text, "%.63s: %s; the supervisor was lost, and it was undone.", f->want->name, what);
        f->began = (struct seep_time){.mono_ns = mono, .real_ns = real, .boot_ns = boot};
        run_event_span(r, E_FAULT, f->began, clock_read(), begun, text);
        remember(r, f, false);
    }
    free(stored);
}

int run_faults_adopt(struct run *r, struct seep_err *err)
{
    struct run_faults *all = r->faults;
    struct store_event_row *rows = NULL;
    char *pid = NULL;
    size_t n = 0;
    if (!all)
        return 0;
    if (store_read_events(r->store, &rows, &n, err) || store_get_meta(r->store, M_TARGET_PID, &pid, err))
        return -1;
    for (size_t i = 0; i < n; i++)
        all->restarts += !strcmp(rows[i].kind, E_RESTART);
    store_free_events(rows, n);
    all->stored_pid = pid ? (int)strtol(pid, NULL, 10) : 0;
    free(pid);
    for (int i = 0; i < all->n; i++)
        adopt_fault(r, &all->fault[i]);
    return 0;
}

static void make_timers(struct run *r)
{
    if (r->faults->timers)
        return;
    uv_timer_init(&r->loop, &r->faults->timer);
    uv_timer_init(&r->loop, &r->faults->look);
    r->faults->timer.data = r->faults->look.data = r;
    r->faults->timers = true;
}

void run_faults_begin(struct run *r)
{
    struct run_faults *all = r->faults;
    if (!all)
        return;
    make_timers(r);
    for (int i = 0; i < all->n; i++)
        for (struct fault *f = &all->fault[i]; r->adopting && f->next_s < run_elapsed_s(r);) {
            f->begun++;
            plan_next(r, f);
        }
    all->running = true;
    run_point(r, S_RESTARTS, "", UNIT_NONE, SERIES_COUNTER, all->restarts);
    run_faults_turn(r);
}

void run_faults_end(struct run *r)
{
    struct run_faults *all = r->faults;
    if (!all || !all->running)
        return;
    all->running = false;
    for (int i = 0; i < all->n; i++) {
        struct fault *f = &all->fault[i];
        if (f->step == STEP_ACTIVE)
            end(r, f);
        else if (f->step != STEP_IDLE)
            finish(r, f);
        if (f->watch)
            run_watch_give_up(r, f->watch, true);
    }
    uv_timer_stop(&all->look);
}

void run_faults_free(struct run *r)
{
    for (int i = 0; r->faults && i < r->faults->n; i++)
        run_watch_free(r->faults->fault[i].watch);
    if (r->faults)
        free(r->faults->fault);
    free(r->faults);
    r->faults = NULL;
}
