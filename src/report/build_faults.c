// Faults of the run, each with how the target came back: from the events that tell of both.
//
// An event's text is "NAME: sentence."; names are the profile's, so a text that begins with none of them is of another
// making and is left to the list of events.
#include "report/build.h"

#include <math.h>
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
