// A requirement on stored runs: which runs count, and what is asked of each.
//
// The newest runs decide. A run that could not decide (inconclusive, too short, too many gaps) is passed over and told;
// one that failed is never passed over for an older one that passed. So rerunning until it passes leaves a trace: the
// failing run of the same binary stands before all older ones until a newer one passes.
#include "proof/internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

// ---- which runs -----------------------------------------------------------------------------------------------------

static int take_file(struct proof_asked *a, const char *path)
{
    char sha256[65], build_id[129];
    struct seep_err err = {0};
    if (a->n_files == PROOF_TARGETS_MAX)
        return seep_fail(NULL, SEEP_E_LIMIT, "too many");
    if (proof_identity_of(path, sha256, build_id, &err)) {
        proof_set(a->item, PROOF_MISSING, proof_say(a->w, "What is to be released is not there: %s", err.text));
        return -1;
    }
    a->files[a->n_files++] = (struct proof_file){
        .path = path, .sha256 = report_strdup(a->w->arena, sha256), .build_id = report_strdup(a->w->arena, build_id)};
    return 0;
}

static int take_files(struct proof_asked *a)
{
    const struct checklist_run *r = a->run;
    char **targets = r->n_target > 0 ? r->target : a->w->p->list->target;
    int n = r->n_target > 0 ? r->n_target : a->w->p->list->n_target;
    for (int i = 0; i < n; i++)
        if (take_file(a, targets[i]))
            return -1;
    for (int i = 0; i < r->n_identity; i++)
        if (take_file(a, r->identity[i]))
            return -1;
    return 0;
}

// By content: the path may be another one, in a container or a build directory.
static bool run_had(const struct proof_run *run, const char *sha256)
{
    if (run->sha256 && !strcmp(run->sha256, sha256))
        return true;
    json_t *list = run->identity ? json_loads(run->identity, 0, NULL) : NULL;
    bool found = false;
    for (size_t i = 0; !found && i < json_array_size(list); i++) {
        const char *one = json_string_value(json_object_get(json_array_get(list, i), "sha256"));
        found = one && !strcmp(one, sha256);
    }
    json_decref(list);
    return found;
}

static bool right_binary(const struct proof_asked *a, const struct proof_run *run)
{
    for (size_t i = 0; i < a->n_files; i++)
        if (!run_had(run, a->files[i].sha256))
            return false;
    return true;
}

static bool young_enough(const struct proof_asked *a, const struct proof_run *run)
{
    double age_s = (double)(a->w->p->made_ns - run->ended_ns) / 1e9;
    return a->run->within_s == PROFILE_AUTO || age_s <= a->run->within_s;
}

// Past what clocks of two machines differ by: a run with such a date would never grow old.
static bool ended_in_the_future(const struct proof_asked *a, const struct proof_run *run)
{
    return run->ended_ns - a->w->p->made_ns > 300 * (int64_t)1000000000;
}

// The run just looked at is another's copy: the same samples are evidence once. It is taken back.
static bool take_back_copy(struct proof_item *item)
{
    for (size_t i = 0; i + 1 < item->n_runs; i++)
        if (!strcmp(item->runs[i].digest, item->runs[item->n_runs - 1].digest)) {
            item->n_runs--;
            return true;
        }
    return false;
}

// How the runs of the profile fell out, for the sentence when none is left.
struct tally {
    size_t of_profile, going_on, other_binary, too_old, passed_over, in_future, copies;
    const char *first_passed_over;
};

static const char *nothing(struct proof_asked *a, const struct tally *t, size_t have)
{
    const struct checklist_run *q = a->run;
    char limit[32];
    if (t->first_passed_over)
        return proof_say(a->w, "%s%s", t->first_passed_over, have > 0 ? "; older ones do not make up for it" : "");
    if (have > 0)
        return proof_say(a->w, "%zu of %d runs are there, and they are right%s", have, q->runs,
                         t->copies > 0 ? "; copies of them are no evidence of their own" : "");
    if (t->in_future > 0)
        return proof_say(a->w, "%zu runs of %s on this binary ended in the future: a clock was wrong", t->in_future,
                         q->profile);
    if (t->too_old > 0)
        return proof_say(a->w, "%zu runs of %s on this binary are older than %s", t->too_old, q->profile,
                         units_duration(limit, sizeof limit, q->within_s));
    if (t->other_binary > 0)
        return proof_say(a->w, "%zu runs of %s are there, all of other binaries than the one to be released",
                         t->other_binary, q->profile);
    if (t->going_on > 0)
        return proof_say(a->w, "The run of %s has not ended", q->profile);
    return proof_say(a->w, "There is no run of profile %s in %s", q->profile, a->w->opt->results_dir);
}

static void decide(struct proof_asked *a)
{
    struct tally t = {0};
    size_t have = 0;
    const struct proof_runs *all = &a->w->runs;
    for (size_t i = 0; i < all->n && have < (size_t)a->run->runs; i++) {
        const struct proof_run *run = &all->list[i];
        if (!run->profile || strcmp(run->profile, a->run->profile))
            continue;
        t.of_profile++;
        size_t *out = !run->ended                   ? &t.going_on
                      : !right_binary(a, run)       ? &t.other_binary
                      : ended_in_the_future(a, run) ? &t.in_future
                      : !young_enough(a, run)       ? &t.too_old
                                                    : NULL;
        if (out) {
            (*out)++;
            continue;
        }
        struct proof_answer one = proof_look_at(a, run);
        if (one.status == PROOF_FAIL) {
            proof_set(a->item, PROOF_FAIL, one.why);
            return;
        }
        if (one.status == PROOF_PASS && take_back_copy(a->item))
            t.copies++;
        else
            have += one.status == PROOF_PASS;
        if (one.status == PROOF_MISSING && t.passed_over++ == 0)
            t.first_passed_over = one.why;
    }
    if (have < (size_t)a->run->runs) {
        proof_set(a->item, PROOF_MISSING, nothing(a, &t, have));
        return;
    }
    const struct proof_evidence *e = &a->item->runs[0];
    char length[32];
    const char *renamed = e->made_as ? proof_say(a->w, " (made as %s)", e->made_as) : "";
    const char *over = t.passed_over > 0 ? proof_say(a->w, "; %zu undecided passed over", t.passed_over) : "";
    proof_set(a->item, PROOF_PASS,
              have > 1 ? proof_say(a->w, "%zu of %d runs, the newest %s%s: %s%s", have, a->run->runs, e->run, renamed,
                                   e->figures, over)
                       : proof_say(a->w, "Run %s%s: %s measured, %lld samples, %lld gap%s; %s%s", e->run, renamed,
                                   units_duration(length, sizeof length, e->measured_s), (long long)e->samples,
                                   (long long)e->gaps, e->gaps == 1 ? "" : "s", e->figures, over));
}

static void describe(struct proof_asked *a)
{
    const struct checklist_run *q = a->run;
    struct seep_buf b;
    char text[32];
    buf_init(&b, 4000);
    if (q->runs > 1)
        buf_printf(&b, "the newest %d runs", q->runs);
    else
        buf_str(&b, "a run");
    buf_printf(&b, " of %s", q->profile);
    for (size_t i = 0; i < a->n_files; i++)
        buf_printf(&b, "%s %s (%.12s)", i ? " and" : " on", a->files[i].path, a->files[i].sha256);
    if (q->verdict == CHECKLIST_MUST_PASS)
        buf_str(&b, ", passed");
    if (q->within_s != PROFILE_AUTO)
        buf_printf(&b, ", within %s", units_duration(text, sizeof text, q->within_s));
    if (q->at_least_s != PROFILE_AUTO)
        buf_printf(&b, ", at least %s", units_duration(text, sizeof text, q->at_least_s));
    if (q->max_gaps != PROFILE_AUTO)
        buf_printf(&b, ", at most %g gaps", q->max_gaps);
    if (q->shutdown)
        buf_str(&b, ", shut down in order");
    if (q->no_regression)
        buf_printf(&b, ", no regression against %s", q->no_regression);
    if (q->allow_valid)
        buf_str(&b, ", allowances valid");
    for (int i = 0; i < q->n_gates; i++)
        buf_printf(&b, ", gate %s", q->gates[i]);
    for (int i = 0; i < q->n_judged_by; i++)
        buf_printf(&b, "%s%s", i ? " + " : ", judged by ", q->judged_by[i]);
    if (q->grade != PROFILE_GRADE_NONE)
        buf_printf(&b, ", graded %s or better", judge_grade_name((enum judge_grade)q->grade));
    a->item->target = proof_say(a->w, "%s", b.data ? b.data : "");
    buf_free(&b);
}

void proof_check_run(struct proof_work *w, struct proof_item *item)
{
    struct proof_asked *a = calloc(1, sizeof *a);
    item->runs = report_alloc(w->arena, (size_t)item->asked->run.runs + 1, sizeof *item->runs);
    if (!a || !item->runs) {
        free(a);
        proof_set(item, PROOF_MISSING, "memory ran out");
        return;
    }
    *a = (struct proof_asked){.w = w, .item = item, .run = &item->asked->run};
    int failed = take_files(a);
    describe(a);
    if (!failed)
        decide(a);
    if (w->runs.n_unreadable > 0 && item->status != PROOF_FAIL)
        item->evidence =
            proof_say(w, "%s (%zu run%s cannot be read, the first is %s)", item->evidence, w->runs.n_unreadable,
                      w->runs.n_unreadable == 1 ? "" : "s", w->runs.unreadable ? w->runs.unreadable : "unknown");
    free(a);
}
