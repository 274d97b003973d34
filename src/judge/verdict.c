// The one word and the one number of a run: see verdict.h.
#include "judge/verdict.h"
#include "base/check.h"

#include <stdio.h>
#include <string.h>

const char *judge_final_name(enum judge_final verdict)
{
    static const char *const name[JUDGE_FINALS] = {"pass", "fail", "inconclusive", "target_failed", "error"};
    SEEP_CHECK((unsigned)verdict < JUDGE_FINALS);
    return name[verdict];
}

static void count(const enum judge_status *status, size_t n, struct judge_final_word *out)
{
    size_t *slot[JUDGE_STATUSES] = {
        [JUDGE_S_PASS] = &out->n_pass,
        [JUDGE_S_FAIL] = &out->n_fail,
        [JUDGE_S_INCONCLUSIVE] = &out->n_inconclusive,
        [JUDGE_S_SKIPPED] = &out->n_skipped,
        [JUDGE_S_WARN] = &out->n_warn,
    };
    for (size_t i = 0; i < n; i++) {
        SEEP_CHECK((unsigned)status[i] < JUDGE_STATUSES);
        (*slot[status[i]])++;
    }
}

static void settle(struct judge_final_word *out, enum judge_final verdict, int exit_code, const char *reason)
{
    out->verdict = verdict;
    out->exit_code = exit_code;
    snprintf(out->reason, sizeof out->reason, "%s", reason);
}

void judge_final(const enum judge_status *status, size_t n, const struct judge_outcome *outcome,
                 struct judge_final_word *out)
{
    memset(out, 0, sizeof *out);
    count(status, n, out);
    if (outcome->error) {
        settle(out, JUDGE_FINAL_ERROR, 6, "seep itself failed");
        return;
    }
    if (outcome->target_failed)
        settle(out, JUDGE_FINAL_TARGET_FAILED, 4, "the target failed");
    else if (out->n_fail > 0)
        settle(out, JUDGE_FINAL_FAIL, 1, out->n_fail == 1 ? "a gate failed" : "several gates failed");
    else if (outcome->shutdown == JUDGE_S_FAIL)
        settle(out, JUDGE_FINAL_FAIL, 5, "only the shutdown failed");
    else if (out->n_inconclusive > 0 || outcome->shutdown == JUDGE_S_INCONCLUSIVE)
        settle(out, JUDGE_FINAL_INCONCLUSIVE, 3, "a gate could not be decided");
    else if (outcome->evidence_missing)
        settle(out, JUDGE_FINAL_INCONCLUSIVE, 3, "there is not enough evidence to judge");
    else if (out->n_pass + out->n_warn == 0 && outcome->shutdown != JUDGE_S_PASS)
        settle(out, JUDGE_FINAL_INCONCLUSIVE, 3, "no gate was judged");
    else
        settle(out, JUDGE_FINAL_PASS, 0, "all gates passed");
    if (outcome->interrupted_by > 0)
        out->exit_code = 128 + outcome->interrupted_by;
}
