// report_build(): from a run's store to a struct report, in a fixed order of small steps.
#include "report/build.h"
#include "base/check.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

int build_no_memory(struct seep_err *err)
{
    return seep_fail(err, SEEP_E_SYSTEM, "There is not enough memory to build the report.");
}

static int load_profile(struct build *b, struct seep_err *err)
{
    if (b->opt.profile != NULL) {
        b->profile = b->opt.profile;
        return 0;
    }
    char *dump = NULL;
    if (store_get_meta(b->st, M_PROFILE, &dump, err) != 0)
        return -1;
    if (dump == NULL)
        return seep_fail(err, SEEP_E_CORRUPT,
                         "The run has no profile in its store: it ended before it began, or is not a run of seep.");
    int failed = profile_parse(dump, strlen(dump), "(the run's profile)", &b->own_profile, err);
    free(dump);
    b->profile = b->own_profile;
    return failed;
}

// Every step needs those before it: meta and ticks come first, gates need gauges, load and stacks, the verdict needs
// all.
static int (*const steps[])(struct build *, struct seep_err *) = {
    build_meta,   build_ticks,    build_events,   build_faults,  build_gauges,  build_load,
    build_marked, build_growths,  build_marks,    build_scraped, build_explain, build_stacks_read,
    build_gates,  build_score,    build_measures, build_stacks,  build_confirm, build_evidence,
    build_reload, build_shutdown, build_final,    build_charts,
};

static void build_free(struct build *b)
{
    build_stacks_free(b);
    store_free_ticks(&b->ticks);
    store_free_series(b->series, b->n_series);
    profile_free(b->own_profile);
}

static struct report *new_report(void)
{
    struct report *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->magic = REPORT_MAGIC;
    r->arena = report_arena_new();
    if (r->arena == NULL) {
        free(r);
        return NULL;
    }
    return r;
}

int report_build(struct store *st, const struct report_options *options, struct report **out, struct seep_err *err)
{
    *out = NULL;
    struct report *r = new_report();
    struct build *b = calloc(1, sizeof *b);
    if (r == NULL || b == NULL) {
        report_free(r);
        free(b);
        return build_no_memory(err);
    }
    *b = (struct build){.r = r, .st = st, .arena = r->arena, .judge_options = JUDGE_OPTIONS_DEFAULT};
    if (options != NULL)
        b->opt = *options;
    r->live = b->opt.live;
    r->cut = b->opt.cut;
    int failed = load_profile(b, err);
    for (size_t i = 0; !failed && i < sizeof steps / sizeof steps[0]; i++)
        failed = steps[i](b, err);
    build_free(b);
    free(b);
    if (failed) {
        report_free(r);
        return -1;
    }
    *out = r;
    return 0;
}

void report_free(struct report *r)
{
    if (r == NULL)
        return;
    SEEP_CHECK_OBJ(r, REPORT_MAGIC);
    if (r->has_load)
        load_summary_free(&r->load);
    report_arena_free(r->arena);
    r->magic = 0;
    free(r);
}

const struct report_measure *report_find_measure(const struct report *r, const char *name)
{
    for (size_t i = 0; i < r->n_measures; i++)
        if (strcmp(r->measures[i].name, name) == 0)
            return &r->measures[i];
    return NULL;
}

const struct report_growth *report_find_growth(const struct report *r, const char *name)
{
    for (size_t i = 0; i < r->n_growths; i++)
        if (strcmp(r->growths[i].name, name) == 0)
            return &r->growths[i];
    return NULL;
}
