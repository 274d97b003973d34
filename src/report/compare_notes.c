// What to bear in mind about a comparison, and what it suggests to look at. Only facts that are in the two reports.
#include "report/arena.h"
#include "report/build.h"
#include "report/compare.h"

#include <math.h>
#include <string.h>

enum { NOTES_MAX = 12 };

static bool same(const char *a, const char *b)
{
    return (a == NULL && b == NULL) || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void note(struct compare *c, const char *text)
{
    if (text != NULL && c->n_notes < NOTES_MAX)
        c->notes[c->n_notes++] = text;
}

static void advise(struct compare *c, const char *text)
{
    if (text != NULL && c->n_advice < NOTES_MAX)
        c->advice[c->n_advice++] = text;
}

static const char *host_fact(const struct report *r, const char *key)
{
    for (size_t i = 0; i < r->n_host; i++)
        if (strcmp(r->host[i].key, key) == 0)
            return r->host[i].value;
    return NULL;
}

static void note_hosts(struct compare *c)
{
    static const char *const keys[] = {"name", "kernel", "cpus", "memory", "libc"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *b = host_fact(c->base, keys[i]), *n = host_fact(c->candidate, keys[i]);
        if (b != NULL && n != NULL && !same(b, n))
            note(c, report_strf(c->arena, "The runs were not on equal machines: %s is %s and %s.", keys[i], b, n));
    }
}

static void note_lengths(struct compare *c)
{
    double b = c->base->measure_to_s - c->base->measure_from_s,
           n = c->candidate->measure_to_s - c->candidate->measure_from_s;
    char x[32], y[32];
    if (fmin(b, n) < .8 * fmax(b, n))
        note(c, report_strf(c->arena, "They are of unequal length: %s and %s of measured time.",
                            units_duration(x, sizeof x, b), units_duration(y, sizeof y, n)));
}

static void note_loads(struct compare *c)
{
    const struct report *b = c->base, *n = c->candidate;
    if (b->has_load != n->has_load)
        note(c, "Only one of the two had a load.");
    if (b->has_load && n->has_load) {
        double x = b->load.offered_rate_per_s, y = n->load.offered_rate_per_s;
        if (isfinite(x) && isfinite(y) && fmin(x, y) < .9 * fmax(x, y))
            note(c, report_strf(c->arena, "The load was not the same: %.4g and %.4g requests a second offered.", x, y));
    }
    if ((b->has_load && b->load.saturated) || (n->has_load && n->load.saturated))
        note(c, "The load generator was the bottleneck in one of the runs: figures of the load are about it.");
}

static void note_likeness(struct compare *c)
{
    const struct report *b = c->base, *n = c->candidate;
    if (!same(b->profile_name, n->profile_name))
        note(c, report_strf(c->arena, "The profiles differ: %s and %s.", b->profile_name, n->profile_name));
    if (!same(b->evidence.attribution, n->evidence.attribution))
        note(c, report_strf(c->arena, "Attribution differs: %s and %s.",
                            b->evidence.attribution == NULL ? "unknown" : b->evidence.attribution,
                            n->evidence.attribution == NULL ? "unknown" : n->evidence.attribution));
    if (b->target.sha256 != NULL && same(b->target.sha256, n->target.sha256))
        note(c, "Both ran the same main executable.");
    if (b->final.verdict != JUDGE_FINAL_PASS)
        note(c, report_strf(c->arena, "The base itself did not pass: %s.", judge_final_name(b->final.verdict)));
    if (b->live || n->live)
        note(c, "A run that still goes on was compared as it is so far.");
    if (b->stacks_known != n->stacks_known)
        note(c, "Call stacks are known of only one of the two and were not compared.");
}

// ---- advice ---------------------------------------------------------------------------------------------------------

static bool regressed(const struct compare *c, const char *name)
{
    for (size_t i = 0; i < c->n_figures; i++)
        if (strcmp(c->figures[i].name, name) == 0)
            return c->figures[i].difference.change == JUDGE_CHANGE_REGRESSION;
    return false;
}

// The first frame of the program's own.
static const struct report_frame *own_frame(const struct report_stack *s)
{
    for (size_t i = 0; i < s->n_frames; i++)
        if (!s->frames[i].library && s->frames[i].function != NULL)
            return &s->frames[i];
    return s->n_frames > 0 ? &s->frames[0] : NULL;
}

static void advise_stack(struct compare *c)
{
    char rate[48];
    if (c->n_worse_stacks == 0)
        return;
    const struct compare_stack *s = &c->stacks[0];
    const struct report_frame *f = own_frame(s->candidate);
    if (f == NULL)
        return;
    judge_format(rate, sizeof rate, s->difference.value, JUDGE_U_BYTES_PER_S);
    const char *where = f->function != NULL ? f->function : f->module;
    const char *what = s->difference.change == JUDGE_STACK_STEEPER ? "grew already and grows faster now"
                       : s->rates.in_base                          ? "did not grow in the base"
                                                                   : "is not in the base";
    if (f->file != NULL)
        advise(c,
               report_strf(c->arena, "Look at %s (%s:%d) first: it %s, by %s.", where, f->file, f->line, what, rate));
    else
        advise(c, report_strf(c->arena, "Look at %s first: it %s, by %s.", where, what, rate));
}

static void advise_memory(struct compare *c)
{
    bool heap = regressed(c, "heap.growth") || regressed(c, "heap");
    bool rss = regressed(c, "rss.growth") || regressed(c, "rss");
    if (heap && c->n_worse_stacks == 0 && c->stacks_compared)
        advise(c, "The heap is larger or grows faster, and no single call stack explains it: many small ones do. "
                  "seep stacks on both runs shows their ranking.");
    if (rss && !heap)
        advise(c, "Resident memory is worse and the live heap is not: look at fragmentation, thread stacks and "
                  "mappings, in 'where the RSS growth sits' of the candidate.");
    if (regressed(c, "fd.growth") || regressed(c, "fd"))
        advise(c, "More descriptors are open: look for files and sockets that are not closed on some path.");
    if (regressed(c, "threads.growth") || regressed(c, "threads"))
        advise(c, "More threads live: look for threads that are started per request and not joined.");
}

static void advise_speed(struct compare *c)
{
    bool median = regressed(c, "http.p50"), tail = regressed(c, "http.p99") || regressed(c, "http.p95");
    bool cost = regressed(c, "cpu.per_request") || regressed(c, "cpu");
    if (tail && !median)
        advise(c, "Only the slowest requests became slower: look for locks, collections, or bursts of I/O.");
    if (median && cost)
        advise(c, "Requests are slower and cost more CPU: a CPU profile of both builds will show where.");
    if (median && !cost)
        advise(c, "Requests are slower at the same CPU: they wait, for I/O, a lock or another service.");
    if (cost && !median)
        advise(c, "The same work costs more CPU, which responses do not show yet: it will at a higher load.");
    if (regressed(c, "http.errors"))
        advise(c, "More requests fail: seep report on the candidate lists the errors by kind.");
    if (regressed(c, "http.rate"))
        advise(c, "Throughput fell: compare the CPU and the response times above to see what limits it.");
}

int compare_notes(struct compare *c, struct seep_err *err)
{
    c->notes = report_alloc(c->arena, NOTES_MAX, sizeof *c->notes);
    c->advice = report_alloc(c->arena, NOTES_MAX, sizeof *c->advice);
    if (c->notes == NULL || c->advice == NULL)
        return build_no_memory(err);
    note_likeness(c);
    note_lengths(c);
    note_loads(c);
    note_hosts(c);
    advise_stack(c);
    advise_memory(c);
    advise_speed(c);
    return 0;
}
