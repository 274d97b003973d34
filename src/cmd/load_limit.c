// `seep load --find-limit`: see load_limit.h.
//
// Each level is a load of its own: fresh workers and connections, a time to settle, a time that is measured. The search
// itself is pure (load/limit.h). A level is held when no gate of the profile on the load fails in the measured time and
// at least 95 % of what was to start did start; where the generator is what was too slow, nothing is said of the
// target.
#include "cmd/load_limit.h"
#include "base/units.h"
#include "cmd/command.h"
#include "cmd/load_drive.h"
#include "cmd/load_limit_state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double started_least = 0.95, errors_most = 0.01;
static const double slack_requests = 1.2; // for a quantile's least number of requests, to be sure to have them
static const double fall_s = 0.001;       // a profile's stages take some time
enum { GOOD_WINDOWS = 3, MEASURE_AT_MOST = 10, RECOVER_LEAST_S = 5 };

// ---- levels ---------------------------------------------------------------------------------------------------------

static double base_of(const struct profile_load *l)
{
    double base = l->open_model ? l->rate_per_s : l->users;
    for (int i = 0; i < l->n_stages; i++)
        base = fmax(base, l->stages[i].to);
    return base;
}

static int read_bases(struct limit_run *r, struct seep_err *err)
{
    int open = 0;
    for (int i = 0; i < r->profile->n_loads; i++) {
        const struct profile_load *l = &r->profile->loads[i];
        r->base[i] = base_of(l);
        r->base_sum += r->base[i];
        open += l->open_model;
        if (l->exec.present || !(r->base[i] > 0))
            return seep_fail(err, SEEP_E_USAGE, "The load '%s' has no rate and no users that could be raised.",
                             l->name);
    }
    r->unit = open == r->profile->n_loads ? LIMIT_RATE : open == 0 ? LIMIT_USERS : LIMIT_FACTOR;
    if (r->unit == LIMIT_FACTOR)
        r->base_sum = 1;
    return 0;
}

// Everything that varies with time is taken out: a level is one rate, or one number of users, from beginning to end.
static void set_level(struct limit_run *r, double level)
{
    for (int i = 0; i < r->profile->n_loads; i++) {
        struct profile_load *l = &r->profile->loads[i];
        double value = r->base[i] * level / r->base_sum;
        l->n_stages = 0;
        l->start_s = l->hatch_per_s = l->iterations = 0;
        l->duration_s = PROFILE_AUTO;
        l->bursts.present = false;
        if (l->open_model)
            l->rate_per_s = value;
        else
            l->users = fmax(1, round(value));
    }
}

// ---- one level ------------------------------------------------------------------------------------------------------

// Low rates are measured for longer, so that the quantiles of the gates can be told.
static double measure_for(const struct limit_run *r, double level)
{
    double needed = 0;
    for (int i = 0; i < r->profile->n_gates; i++) {
        const struct judge_gate_text text = {.gate = r->profile->gates[i].expr};
        struct judge_gate g;
        if (judge_gate_parse(&text, NULL, 0, &g, NULL, NULL) == 0 && g.kind == JUDGE_M_QUANTILE)
            needed = fmax(needed, slack_requests / (1 - g.quantile));
    }
    double s = r->unit == LIMIT_RATE ? needed / level : 0;
    return fmin(fmax(r->measure_s, s), r->measure_s * MEASURE_AT_MOST);
}

static void take_figures(const struct load_drive *d, double from_s, struct limit_try *t)
{
    struct judge_load *line = calloc((size_t)d->windows.lines, sizeof *line);
    uint64_t requests = 0, errors = 0;
    if (!line)
        return;
    load_windows_judge(&d->windows, d->load, line);
    const struct judge_load *all = &line[LOAD_ALL];
    size_t from = 0;
    while (from < all->n && all->t_s[from] <= from_s)
        from++;
    for (size_t i = from; i < all->n; i++) {
        requests += all->requests[i];
        errors += all->errors[i];
    }
    double begun_s = from > 0 ? all->t_s[from - 1] : 0, span_s = from < all->n ? all->t_s[all->n - 1] - begun_s : 0;
    t->rate_per_s = span_s > 0 ? (double)requests / span_s : NAN;
    t->error_ratio = requests ? (double)errors / (double)requests : NAN;
    t->p50_us = judge_load_quantile(all, from, all->n, .5) * 1e6;
    t->p95_us = judge_load_quantile(all, from, all->n, .95) * 1e6;
    t->p99_us = judge_load_quantile(all, from, all->n, .99) * 1e6;
    free(line);
}

static void fail_try(struct limit_try *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fail_try(struct limit_try *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    t->outcome = LIMIT_FAILED;
    vsnprintf(t->why, sizeof t->why, fmt, ap);
    va_end(ap);
}

static void judge_try(const struct load_drive *d, double from_s, struct limit_try *t)
{
    struct load_judged *gate;
    size_t last = d->windows.n;
    int n = load_drive_judge(d, from_s, last ? d->windows.end_s[last - 1] : 0, NULL, true, &gate);
    for (int i = 0; gate && i < n && t->outcome == LIMIT_HELD; i++) {
        const struct judge_gate_result *res = &gate[i].result;
        if (res->status == JUDGE_S_FAIL)
            fail_try(t, "%s: %s", gate[i].gate.name, res->reason);
        if (res->status == JUDGE_S_INCONCLUSIVE && !t->unsure)
            snprintf(t->why, sizeof t->why, "%s: %s", gate[i].gate.name, res->reason);
        t->unsure |= res->status == JUDGE_S_INCONCLUSIVE;
    }
    if (t->outcome == LIMIT_HELD && n == 0 && !(t->error_ratio < errors_most))
        fail_try(t, "%.3g %% of the requests failed, limit < %.3g %%", t->error_ratio * 100, errors_most * 100);
    if (t->outcome == LIMIT_HELD && t->started_ratio < started_least)
        fail_try(t, "only %.1f %% of what was to start did", t->started_ratio * 100);
    free(gate);
}

// The requests of each measured window, for the evenness of the level that turns out to be the highest.
static void keep_counts(struct limit_run *r, const struct load_drive *d, double from_s)
{
    const struct load_windows *w = &d->windows;
    for (size_t i = 0; i < w->n && r->n_counts < (int)(sizeof r->counts / sizeof *r->counts); i++) {
        double begun_s = i > 0 ? w->end_s[i - 1] : 0, length_s = w->end_s[i] - begun_s;
        if (begun_s >= from_s && length_s > 0.9 * w->every_s) // the last one is cut short
            r->counts[r->n_counts++] = (double)w->requests[i] / length_s;
    }
}

static int conclude(struct limit_run *r, struct load_drive *d, double settle_s, struct limit_try *t,
                    struct seep_err *err)
{
    struct load_summary sum;
    if (load_summary(d->load, &sum, err) < 0)
        return -1;
    const struct load_counts *c = &sum.all.counts;
    t->generator_cpu = sum.cpu_ratio;
    t->started_ratio = c->offered ? (double)c->started / (double)c->offered : NAN;
    take_figures(d, settle_s, t);
    if (sum.saturated) {
        t->outcome = LIMIT_GENERATOR;
        snprintf(t->why, sizeof t->why, "%s", sum.why_saturated);
    } else {
        judge_try(d, settle_s, t);
    }
    if (t->outcome == LIMIT_HELD) {
        if (t->level > r->search.low)
            r->n_counts = 0;
        keep_counts(r, d, settle_s);
    }
    load_summary_free(&sum);
    return 0;
}

// Drives the profile as it stands for length_s; d is closed by the caller in any case.
static int drive(struct limit_run *r, double length_s, struct load_drive *d, struct seep_err *err)
{
    *d = (struct load_drive){.profile = r->profile, .quiet = true, .signal_fd = r->signal_fd, .length_s = length_s};
    if (load_drive_open(d, err) < 0)
        return -1;
    int failed = load_drive_run(d, err);
    r->interrupted_by = d->interrupted_by;
    return failed;
}

static int try_level(struct limit_run *r, double level, struct seep_err *err)
{
    struct limit_try *t = &r->tried[r->n_tried];
    struct load_drive d;
    *t = (struct limit_try){.level = level, .confirmation = level == r->search.low, .generator_cpu = NAN};
    t->rate_per_s = t->started_ratio = t->error_ratio = t->p50_us = t->p95_us = t->p99_us = NAN;
    set_level(r, level);
    int failed = drive(r, r->settle_s + measure_for(r, level), &d, err);
    if (!failed && !r->interrupted_by) {
        failed = conclude(r, &d, r->settle_s, t, err);
        r->n_tried += !failed;
    }
    load_drive_close(&d);
    return failed;
}

static void tell_try(const struct limit_run *r)
{
    static const char *const words[] = {
        [LIMIT_HELD] = "held", [LIMIT_FAILED] = "failed", [LIMIT_GENERATOR] = "generator"};
    const struct limit_try *t = &r->tried[r->n_tried - 1];
    if (!r->quiet)
        fprintf(stderr, "seep: %.6g %s: %s%s%s\n", t->level, load_limit_unit_name(r->unit), words[t->outcome],
                t->why[0] ? ", " : "", t->why);
}

static int search(struct limit_run *r, struct seep_err *err)
{
    double most = r->opts->most ? (double)r->opts->most : INFINITY, first = fmin(r->base_sum, most);
    bool whole = r->unit == LIMIT_USERS;
    limit_start(&r->search, whole ? fmax(1, round(first)) : first, whole ? 1 : first / 1024, most, r->precision, whole);
    for (double level; !isnan(level = limit_next(&r->search)) && !r->interrupted_by;) {
        if (try_level(r, level, err) < 0)
            return -1;
        if (r->interrupted_by)
            break;
        limit_take(&r->search, r->tried[r->n_tried - 1].outcome);
        tell_try(r);
    }
    r->stability = limit_stability(r->counts, r->n_counts);
    return 0;
}

// ---- the way back ---------------------------------------------------------------------------------------------------

static bool good_window(const struct load_drive *d, size_t i)
{
    const struct load_windows *w = &d->windows;
    struct load_judged *gate;
    int n = load_drive_judge(d, i > 0 ? w->end_s[i - 1] : 0, w->end_s[i], NULL, true, &gate);
    bool good = w->requests[i] > 0 && (n > 0 || (double)w->errors[i] < errors_most * (double)w->requests[i]);
    for (int k = 0; gate && k < n; k++)
        good &= gate[k].result.status != JUDGE_S_FAIL;
    free(gate);
    return good;
}

// The first of so many good windows in a row after the fall; they begin where the last bad one ended.
static void find_recovery(struct limit_run *r, const struct load_drive *d, double fell_s)
{
    int good = 0;
    double since_s = fell_s;
    for (size_t i = 0; i < d->windows.n && good < GOOD_WINDOWS; i++) {
        if (d->windows.end_s[i] <= fell_s)
            continue;
        good = good_window(d, i) ? good + 1 : 0;
        if (good == 0)
            since_s = d->windows.end_s[i];
    }
    r->recovery_known = true;
    r->recovered = good == GOOD_WINDOWS;
    r->recovery_s = r->recovered ? since_s - fell_s : NAN;
}

static int measure_recovery(struct limit_run *r, struct seep_err *err)
{
    r->recovery_from = r->search.high;
    r->recovery_to = r->unit == LIMIT_USERS ? fmax(1, round(r->search.low / 2)) : r->search.low / 2;
    double above_s = r->settle_s + r->measure_s / 2, after_s = fmax(r->measure_s, RECOVER_LEAST_S);
    struct profile_stage stage[PROFILE_LOADS_MAX][2], *own[PROFILE_LOADS_MAX];
    set_level(r, r->recovery_from);
    for (int i = 0; i < r->profile->n_loads; i++) {
        struct profile_load *l = &r->profile->loads[i];
        double low = r->base[i] * r->recovery_to / r->base_sum;
        double high = l->open_model ? l->rate_per_s : l->users;
        stage[i][0] = (struct profile_stage){.for_s = above_s, .to = high, .rate = l->open_model};
        stage[i][1] = (struct profile_stage){
            .for_s = fall_s, .to = l->open_model ? low : fmax(1, round(low)), .rate = l->open_model};
        own[i] = l->stages;
        l->stages = stage[i];
        l->n_stages = 2;
    }
    struct load_drive d;
    int failed = drive(r, above_s + after_s, &d, err);
    if (!failed && !r->interrupted_by)
        find_recovery(r, &d, above_s);
    load_drive_close(&d);
    for (int i = 0; i < r->profile->n_loads; i++) {
        r->profile->loads[i].stages = own[i];
        r->profile->loads[i].n_stages = 0;
    }
    return failed;
}

// ---- many at once ---------------------------------------------------------------------------------------------------

static int closed_rate(struct limit_run *r, double users, double *rate_per_s, struct seep_err *err)
{
    struct limit_try t = {0};
    struct load_drive d;
    r->profile->loads[0].users = users;
    int failed = drive(r, r->settle_s + r->measure_s, &d, err);
    if (!failed && !r->interrupted_by)
        take_figures(&d, r->settle_s, &t);
    *rate_per_s = t.rate_per_s;
    load_drive_close(&d);
    return failed;
}

// The first load alone, as N users without a pause against one: the time for N requests over the time for one.
static int measure_at_once(struct limit_run *r, struct seep_err *err)
{
    struct profile_load *l = &r->profile->loads[0];
    int n_loads = r->profile->n_loads;
    set_level(r, r->base_sum);
    r->profile->n_loads = 1;
    l->open_model = l->poisson = false;
    l->rate_per_s = 0;
    l->think = (struct profile_think){0};
    l->pace_per_s = 0;
    l->workers = 1;
    for (int s = 0; s < l->n_scenarios; s++) {
        l->scenarios[s].think = (struct profile_think){0};
        for (int i = 0; i < l->scenarios[s].n_steps; i++)
            l->scenarios[s].steps[i].think = (struct profile_think){0};
    }
    int failed = closed_rate(r, 1, &r->one_rate_per_s, err);
    if (!failed && !r->interrupted_by)
        failed = closed_rate(r, (double)r->opts->at_once, &r->many_rate_per_s, err);
    r->profile->n_loads = n_loads;
    if (failed || r->interrupted_by)
        return failed;
    r->at_once_known = r->one_rate_per_s > 0 && r->many_rate_per_s > 0;
    r->at_once_ratio = (double)r->opts->at_once * r->one_rate_per_s / r->many_rate_per_s;
    return 0;
}

// ---- all of it ------------------------------------------------------------------------------------------------------

const struct limit_try *load_limit_try_at(const struct limit_run *r, double level, bool held)
{
    for (int i = r->n_tried - 1; i >= 0; i--)
        if (r->tried[i].level == level && (r->tried[i].outcome == LIMIT_HELD) == held)
            return &r->tried[i];
    return NULL;
}

bool load_limit_sure(const struct limit_run *r)
{
    const struct limit_try *t = load_limit_try_at(r, r->search.low, true);
    return t && !t->unsure;
}

bool load_limit_at_once_failed(const struct limit_run *r)
{
    return r->at_once_known && r->opts->at_once_under > 0 && !(r->at_once_ratio < r->opts->at_once_under);
}

static int measure_all(struct limit_run *r, struct seep_err *err)
{
    int failed = read_bases(r, err);
    if (!failed)
        failed = search(r, err);
    bool fell = r->search.low > 0 && isfinite(r->search.high);
    if (!failed && !r->interrupted_by && fell)
        failed = measure_recovery(r, err);
    if (!failed && !r->interrupted_by && r->opts->at_once)
        failed = measure_at_once(r, err);
    return failed;
}

static int exit_status(const struct limit_run *r)
{
    if (r->interrupted_by)
        return 128 + r->interrupted_by;
    if (load_limit_at_once_failed(r))
        return CMD_FAIL;
    return limit_found(&r->search) && load_limit_sure(r) ? CMD_PASS : CMD_INCONCLUSIVE;
}

int load_limit(struct profile *p, const struct load_limit_opts *o, int signal_fd, bool quiet, bool json)
{
    struct seep_err err = {0};
    struct limit_run *r = calloc(1, sizeof *r);
    if (!r) {
        seep_fail(&err, SEEP_E_SYSTEM, "There is no memory for the search.");
        return cmd_fail(&err);
    }
    *r = (struct limit_run){.profile = p,
                            .opts = o,
                            .signal_fd = signal_fd,
                            .quiet = quiet,
                            .precision = o->precision > 0 ? o->precision : 0.05,
                            .settle_s = o->settle_s > 0 ? o->settle_s : 2,
                            .measure_s = o->measure_s > 0 ? o->measure_s : 10,
                            .stability = NAN,
                            .recovery_s = NAN};
    int status;
    if (measure_all(r, &err) < 0) {
        status = cmd_fail(&err);
    } else {
        if (json)
            load_limit_print_json(r);
        else
            load_limit_print_text(r);
        status = exit_status(r);
    }
    free(r);
    return status;
}
