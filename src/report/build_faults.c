// Faults of the run, each with how the target came back: from the events that tell of both.
//
// An event's text is "NAME: sentence."; names are the profile's, so a text that begins with none of them is of another
// making and is left to the list of events.
#include "report/build.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The sentence behind "NAME: ", or NULL.
static const char *sentence_of(const char *text, const char *name)
{
    size_t len = strlen(name);
    return strncmp(text, name, len) == 0 && strncmp(text + len, ": ", 2) == 0 ? text + len + 2 : NULL;
}

static const struct profile_fault *fault_of(const struct build *b, const char *text)
{
    for (int i = 0; i < b->profile->n_faults; i++)
        if (sentence_of(text, b->profile->faults[i].name) != NULL)
            return &b->profile->faults[i];
    return NULL;
}

static int by_time(const void *a, const void *b)
{
    const struct report_fault *x = a, *y = b;
    return x->from_s < y->from_s ? -1 : x->from_s > y->from_s;
}

// The row that tells of the recovery from this occurrence begins where the fault ended; the next one's is later.
static const struct report_event *recovery_of(const struct build *b, const struct report_fault *f)
{
    const double apart = 1; // the end of the fault and the look after it are moments of one turn of the loop
    for (size_t i = 0; i < b->r->n_events; i++) {
        const struct report_event *e = &b->r->events[i];
        if (strcmp(e->kind, E_RECOVERY) == 0 && sentence_of(e->text, f->name) != NULL &&
            fabs(e->from_s - f->to_s) < apart)
            return e;
    }
    return NULL;
}

static void add(struct build *b, const struct report_event *e, const struct profile_fault *p)
{
    struct report_fault *f = &b->r->faults[b->r->n_faults++];
    *f = (struct report_fault){.name = report_strdup(b->arena, p->name),
                               .what = sentence_of(e->text, p->name),
                               .from_s = e->from_s,
                               .to_s = e->to_s,
                               .count = e->count,
                               .cut = !p->count_in_gates,
                               .recovery_s = NAN};
    const struct report_event *back = f->name != NULL ? recovery_of(b, f) : NULL;
    if (back == NULL)
        return;
    f->told = true;
    f->sentence = sentence_of(back->text, p->name);
    if (strncmp(f->sentence, "not ", 4) != 0)
        f->recovery_s = back->to_s - back->from_s;
}

int build_faults(struct build *b, struct seep_err *err)
{
    struct report *r = b->r;
    r->faults = report_alloc(b->arena, r->n_events, sizeof *r->faults);
    if (r->faults == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < r->n_events; i++) {
        const struct profile_fault *p = strcmp(r->events[i].kind, E_FAULT) == 0 ? fault_of(b, r->events[i].text) : NULL;
        if (p == NULL)
            continue;
        add(b, &r->events[i], p);
        if (r->faults[r->n_faults - 1].name == NULL)
            return build_no_memory(err);
    }
    qsort(r->faults, r->n_faults, sizeof *r->faults, by_time);
    return 0;
}

// ---- what a gate may say when not every fault was told of

// How often the plan has room for it; what a run that ended early did not come to is missing.
static long planned(const struct profile_fault *f, double duration_s)
{
    if (!(f->every_s > 0))
        return 1;
    long room = (long)floor((duration_s - f->at_s - f->for_s) / f->every_s + 1e-9) + 1;
    return f->times > 0 && f->times < room ? f->times : room;
}

static const char *why_not_done(const struct build *b, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < b->r->n_events; i++) {
        const struct report_event *e = &b->r->events[i];
        const char *at = strcmp(e->kind, E_DEGRADED) == 0 ? strstr(e->text, "The fault '") : NULL;
        if (at == e->text && strncmp(at + 11, name, len) == 0 && at[11 + len] == '\'')
            return e->text;
    }
    return NULL;
}

static bool any_value(const struct build *b, const char *gauge, const char *labels)
{
    for (size_t i = 0; i < b->n_gauges; i++) {
        const struct build_gauge *g = &b->gauges[i];
        if (strcmp(g->name, gauge) == 0 && g->labels != NULL && strcmp(g->labels, labels) == 0 && g->n > 0)
            return true;
    }
    return false;
}

// Why one fault's figure is not known, or NULL.
static const char *doubt_of(struct build *b, const struct profile_fault *f, bool recovery, const char *labels)
{
    long due = planned(f, b->r->planned_s), done = 0, told = 0;
    for (size_t i = 0; i < b->r->n_faults; i++)
        if (strcmp(b->r->faults[i].name, f->name) == 0) {
            done++;
            told += b->r->faults[i].told;
        }
    const char *refused = why_not_done(b, f->name);
    if (refused != NULL)
        return refused;
    if (done < due)
        return report_strf(b->arena, "the fault '%s' took place %ld of %ld times", f->name, done, due);
    if (recovery && told < done)
        return report_strf(b->arena, "whether the target recovered from '%s' is not known", f->name);
    if (!recovery && !any_value(b, S_FAULT_SPREAD, labels))
        return report_strf(b->arena, "what '%s' should spare was not seen while it lasted", f->name);
    return NULL;
}

void build_doubt_faults(struct build *b, struct report_gate *g)
{
    bool recovery = strcmp(g->gate.gauge, S_FAULT_RECOVERY) == 0;
    bool upper = g->gate.op == JUDGE_OP_LT || g->gate.op == JUDGE_OP_LE;
    enum judge_status s = g->result.status;
    bool certain = upper ? s == JUDGE_S_FAIL : s == JUDGE_S_PASS; // what is not known could only be more
    if ((!recovery && strcmp(g->gate.gauge, S_FAULT_SPREAD) != 0) || certain || s == JUDGE_S_SKIPPED)
        return;
    for (int i = 0; i < b->profile->n_faults; i++) {
        const struct profile_fault *f = &b->profile->faults[i];
        char labels[80];
        snprintf(labels, sizeof labels, "fault=%.63s", f->name);
        const struct judge_gauge whom = {.name = g->gate.gauge, .labels = labels};
        bool watched = recovery ? f->n_recovered > 0 || b->profile->n_loads > 0 : f->n_spares > 0;
        const char *why = watched && judge_gauge_matches(&g->gate, &whom) ? doubt_of(b, f, recovery, labels) : NULL;
        if (why == NULL)
            continue;
        g->result.status = JUDGE_S_INCONCLUSIVE;
        snprintf(g->result.reason, sizeof g->result.reason, "%.300s", why);
        return;
    }
}
