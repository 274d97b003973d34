// Where the growth of resident memory sits: straight lines through its parts over the judged window.
//
// Lines, not the best model of each part: least squares is linear in the values, so the slopes of parts that add up to
// the whole add up to the slope of the whole, when all are fitted over the same ticks. What the parts leave over is
// fitted as a series of its own: its errors are much smaller than those of the parts, which go up and down together.
// The interval of each allows for the lag-1 correlation of its residuals, as the per-stack test does.
#include "report/build.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct judge_rate unknown = {.slope_per_s = NAN, .lo_per_s = NAN, .hi_per_s = NAN};
enum { POINTS_MIN = 10 };
static const double z95 = 1.645; // one-sided 95 %

static double lag1(const double *e, size_t n)
{
    double cross = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        square += e[i] * e[i];
        cross += i > 0 ? e[i] * e[i - 1] : 0;
    }
    return square > 0 ? cross / square : 0;
}

// Less than a byte over the window is what rounding leaves of nothing.
static double visible(double slope, double span_s)
{
    return fabs(slope * span_s) < 1 ? 0 : slope;
}

// y is overwritten by its residuals.
static struct judge_rate line_rate(const double *t, double *y, size_t n)
{
    if (n < POINTS_MIN)
        return unknown;
    double tm = 0, ym = 0, sxx = 0, sxy = 0, sse = 0, nn = (double)n;
    for (size_t i = 0; i < n; i++) {
        tm += t[i] / nn;
        ym += y[i] / nn;
    }
    for (size_t i = 0; i < n; i++) {
        sxx += (t[i] - tm) * (t[i] - tm);
        sxy += (t[i] - tm) * (y[i] - ym);
    }
    double slope = sxy / sxx;
    for (size_t i = 0; i < n; i++) {
        y[i] -= ym + slope * (t[i] - tm);
        sse += y[i] * y[i];
    }
    double r1 = lag1(y, n), r = fmin(fmax(r1 + 2 * (1 + 2 * fmax(r1, 0)) / nn, 0), .95);
    double half = z95 * sqrt(sse / (nn - 2) / sxx * (1 + r) / (1 - r));
    double span = t[n - 1] - t[0];
    return (struct judge_rate){.slope_per_s = visible(slope, span),
                               .lo_per_s = visible(slope - half, span),
                               .hi_per_s = visible(slope + half, span)};
}

// Aligned values of all that the parts are made of; NULL where there is no such series.
enum source {
    RSS,
    RSS_ANON,
    HEAP,
    HEAP_UNTOUCHED,
    HEAP_RESIDENT,
    ALLOC_RESIDENT,
    THREAD_STACKS,
    MMAP,
    RSS_FILE,
    RSS_SHMEM,
    PROBE,
    SOURCES
};

// A look that is taken more rarely than the others holds until the next one; before the first, that one.
static void hold(double *y, size_t n)
{
    double last = NAN;
    for (size_t i = 0; i < n && isnan(last); i++)
        last = y[i];
    for (size_t i = 0; i < n; i++)
        last = y[i] = isnan(y[i]) ? last : y[i];
}

static int read_sources(struct build *b, double *v[SOURCES], struct seep_err *err)
{
    static const char *const names[SOURCES] = {[RSS] = S_RSS,
                                               [RSS_ANON] = S_RSS_ANON,
                                               [HEAP_UNTOUCHED] = S_HEAP_UNTOUCHED,
                                               [HEAP_RESIDENT] = S_HEAP_RESIDENT,
                                               [ALLOC_RESIDENT] = S_ALLOC_RESIDENT,
                                               [MMAP] = S_MMAP_ANON,
                                               [RSS_FILE] = S_RSS_FILE,
                                               [THREAD_STACKS] = S_THREAD_STACKS,
                                               [RSS_SHMEM] = S_RSS_SHMEM,
                                               [PROBE] = S_PROBE_RSS};
    for (int i = 0; i < SOURCES; i++) {
        bool with_probe = i == RSS || i == RSS_SHMEM; // its region is not the target's growth
        bool by_allocator;
        int failed = i == HEAP    ? build_heap(b, &v[i], &by_allocator, err)
                     : with_probe ? build_resident(b, names[i], &v[i], err)
                                  : build_values(b, names[i], "", &v[i], err);
        if (failed)
            return -1;
    }
    if (v[HEAP_UNTOUCHED] != NULL)
        hold(v[HEAP_UNTOUCHED], b->ticks.n);
    return 0;
}

static double value_of(double *const v[SOURCES], enum source s, size_t i)
{
    return v[s] == NULL ? NAN : v[s][i];
}

// What of the live bytes is resident: not what was allocated and never written to. Small blocks that were not written
// to either show by what the allocator holds resident: more than that no live bytes can be; where its mappings are not
// known, no more than all anonymous memory.
static double live_resident_at(double *const v[SOURCES], size_t i)
{
    double untouched = value_of(v, HEAP_UNTOUCHED, i), most = value_of(v, HEAP_RESIDENT, i);
    double live = value_of(v, HEAP, i) - (isfinite(untouched) ? untouched : 0);
    return fmax(0, fmin(live, isfinite(most) ? most : value_of(v, RSS_ANON, i)));
}

// What the allocator holds resident beyond what is live: its mappings as the kernel counts them, so that the parts add
// up; its own figure only where those are not known. Where nobody told the program's own mappings apart (it was
// attached to), they are among the resident ones, and what of these is the allocator's is unknown.
static double fragmentation_at(double *const v[SOURCES], size_t i)
{
    if (v[HEAP_RESIDENT] == NULL)
        return value_of(v, ALLOC_RESIDENT, i) - live_resident_at(v, i);
    if (!isfinite(value_of(v, MMAP, i)))
        return NAN;
    return value_of(v, HEAP_RESIDENT, i) - live_resident_at(v, i);
}

static double part_at(double *const v[SOURCES], enum judge_part part, size_t i)
{
    switch (part) {
    case JUDGE_PART_HEAP:
        return live_resident_at(v, i);
    case JUDGE_PART_FRAGMENTATION:
        return fragmentation_at(v, i);
    case JUDGE_PART_THREAD_STACKS:
        return value_of(v, THREAD_STACKS, i);
    case JUDGE_PART_MMAP:
        return value_of(v, MMAP, i);
    case JUDGE_PART_FILE:
        return value_of(v, RSS_FILE, i);
    case JUDGE_PART_SHMEM:
        return value_of(v, RSS_SHMEM, i);
    case JUDGE_PART_PROBE:
        return value_of(v, PROBE, i);
    case JUDGE_PART_UNEXPLAINED:
    case JUDGE_PARTS:
        break;
    }
    return NAN;
}

// The parts that are fitted, and the ticks that have all of them.
struct fit {
    bool with[JUDGE_PARTS];
    size_t *tick;
    size_t n;
    double *t, *y;
};

static bool is_rare(enum judge_part part)
{
    return part == JUDGE_PART_FRAGMENTATION || part == JUDGE_PART_THREAD_STACKS || part == JUDGE_PART_MMAP;
}

static bool has_all(double *const v[SOURCES], const struct fit *f, size_t i)
{
    if (!isfinite(value_of(v, RSS, i)))
        return false;
    for (int p = 0; p < JUDGE_PART_UNEXPLAINED; p++)
        if (f->with[p] && !isfinite(part_at(v, (enum judge_part)p, i)))
            return false;
    return true;
}

static void choose_ticks(const struct build *b, double *const v[SOURCES], struct fit *f)
{
    double from = isfinite(b->r->warmup_end_s) ? b->r->warmup_end_s : 0;
    f->n = 0;
    for (size_t i = b->measure_first; i < b->measure_end; i++)
        if (b->r->t_s[i] >= from && has_all(v, f, i))
            f->tick[f->n++] = i;
}

// Mappings are read more rarely than the rest: where there are too few ticks with them, what they tell stays unknown.
static void choose_parts(const struct build *b, double *const v[SOURCES], struct fit *f)
{
    bool known[JUDGE_PARTS] = {false};
    for (int p = 0; p < JUDGE_PART_UNEXPLAINED; p++) {
        memset(f->with, 0, sizeof f->with);
        f->with[p] = true;
        choose_ticks(b, v, f);
        known[p] = f->n >= POINTS_MIN;
    }
    memcpy(f->with, known, sizeof known);
    choose_ticks(b, v, f);
    if (f->n >= POINTS_MIN)
        return;
    for (int p = 0; p < JUDGE_PARTS; p++)
        f->with[p] = f->with[p] && !is_rare((enum judge_part)p);
    choose_ticks(b, v, f);
}

// What the parts leave of the target's resident memory; the probe's is no part of that.
static double rest_at(double *const v[SOURCES], const struct fit *f, size_t i)
{
    double rest = value_of(v, RSS, i);
    for (int p = 0; p < JUDGE_PART_UNEXPLAINED; p++)
        if (f->with[p] && p != JUDGE_PART_PROBE)
            rest -= part_at(v, (enum judge_part)p, i);
    return rest;
}

// Beside the parts.
enum { THE_WHOLE = JUDGE_PARTS, UNTOUCHED };

static struct judge_rate rate_of(const struct build *b, double *const v[SOURCES], struct fit *f, int part)
{
    if (part == UNTOUCHED ? !f->with[JUDGE_PART_HEAP] : part < JUDGE_PART_UNEXPLAINED && !f->with[part])
        return unknown;
    for (size_t k = 0; k < f->n; k++) {
        size_t i = f->tick[k];
        f->t[k] = b->r->t_s[i];
        f->y[k] = part == THE_WHOLE                ? value_of(v, RSS, i)
                  : part == UNTOUCHED              ? value_of(v, HEAP, i) - live_resident_at(v, i)
                  : part == JUDGE_PART_UNEXPLAINED ? rest_at(v, f, i)
                                                   : part_at(v, (enum judge_part)part, i);
    }
    return line_rate(f->t, f->y, f->n);
}

int build_explain(struct build *b, struct seep_err *err)
{
    size_t room = b->ticks.n + 1;
    double *v[SOURCES] = {0};
    struct fit f = {
        .tick = malloc(room * sizeof *f.tick), .t = malloc(room * sizeof *f.t), .y = malloc(room * sizeof *f.y)};
    int failed = f.tick == NULL || f.t == NULL || f.y == NULL ? build_no_memory(err) : read_sources(b, v, err);
    if (!failed) {
        struct judge_rate parts[JUDGE_PARTS];
        choose_parts(b, v, &f);
        for (int p = 0; p < JUDGE_PARTS; p++)
            parts[p] = rate_of(b, v, &f, p);
        b->r->explained_whole = rate_of(b, v, &f, THE_WHOLE);
        b->r->explained_untouched = rate_of(b, v, &f, UNTOUCHED);
        b->r->explained_known = isfinite(b->r->explained_whole.slope_per_s);
        judge_explain(&b->r->explained_whole, parts, b->r->explained);
    }
    for (int i = 0; i < SOURCES; i++)
        free(v[i]);
    free(f.tick);
    free(f.t);
    free(f.y);
    return failed;
}
