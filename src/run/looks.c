// Looks at a run that still goes on: has it failed so certainly that it may end before its time? The rule is
// judge/early.h; the verdict of a look comes from the same report_build() that judges the end, with doubled caution.
#include "run/state.h"

#include <math.h>
#include <stdio.h>

static void look_job(uv_work_t *req)
{
    struct run *r = req->data;
    struct store *st = NULL;
    struct report *rep = NULL;
    struct seep_err err;
    struct report_options options = {
        .skip = REPORT_SKIP_CHARTS | REPORT_SKIP_FRAMES, .live = true, .t_scale = 2, .profile = r->profile};
    // An allow list is about names: without them a stack that may grow would end the run.
    struct resolve_options names = {.exe = "/proc/self/exe"};
    if (r->profile->n_allow > 0)
        options.resolver = resolve_start(&names, NULL);
    r->look_failed = false;
    if (store_open_read(r->dir_fd, &st, &err) == 0 && report_build(st, &options, &rep, &err) == 0) {
        for (size_t i = 0; i < rep->n_gates; i++)
            if (rep->gates[i].result.status == JUDGE_S_FAIL && !rep->gates[i].gate.warn_only)
                r->look_failed = true;
    }
    report_free(rep);
    resolve_stop(options.resolver);
    store_close(st);
}

static void look_done(uv_work_t *req, int status)
{
    struct run *r = req->data;
    (void)status;
    r->judging = false;
    enum judge_verdict verdict = r->look_failed ? JUDGE_FAIL : JUDGE_INCONCLUSIVE;
    if (r->state == RUN_MEASURE && judge_early_look(&r->early, run_elapsed_s(r), r->duration_s, verdict)) {
        char at[32];
        r->outcome.stopped = true;
        r->outcome.early = true;
        snprintf(r->outcome.text, sizeof r->outcome.text, "The run ended early, after %s: a gate had certainly failed.",
                 units_duration(at, sizeof at, run_elapsed_s(r)));
        run_feed(r, RUN_EV_STOP);
    }
    run_after_job(r);
}

void run_maybe_judge(struct run *r)
{
    if (!r->profile->run.early_stop || r->state != RUN_MEASURE || r->judging)
        return;
    if (!judge_early_due(&r->early, run_elapsed_s(r), r->duration_s))
        return;
    r->judging = true;
    uv_queue_work(&r->loop, &r->judge_work, look_job, look_done);
}
