// The one word and the one number of a run: gate results and how the run ended become verdict and exit code.
#ifndef SEEP_JUDGE_VERDICT_H
#define SEEP_JUDGE_VERDICT_H

#include "judge/judge.h"

enum judge_final {
    JUDGE_FINAL_PASS,
    JUDGE_FINAL_FAIL,
    JUDGE_FINAL_INCONCLUSIVE,
    JUDGE_FINAL_TARGET_FAILED,
    JUDGE_FINAL_ERROR,
    JUDGE_FINALS
};

// How the run itself went, apart from its gates.
struct judge_outcome {
    bool error;                 // seep itself failed
    bool target_failed;         // did not start, never ready, crashed, OOM-killed or left early
    enum judge_status shutdown; // of the shutdown check; SKIPPED when it did not run
    int interrupted_by;         // signal number (SIGINT, SIGTERM) that interrupted seep, 0 none; not set by "seep stop"
    bool evidence_missing;      // e.g. left before there was anything to judge: inconclusive at best
};

struct judge_final_word {
    enum judge_final verdict;
    int exit_code;
    size_t n_pass, n_fail, n_inconclusive, n_skipped, n_warn; // gates, without the shutdown check
    char reason[160];
};

// The word of verdict.json: pass, fail, inconclusive, target_failed, error.
const char *judge_final_name(enum judge_final verdict);

// Precedence: error (6) > target_failed (4) > a gate failed (1) > only the shutdown failed (5) > inconclusive (3) >
// pass (0); interrupted keeps the verdict and exits with 128 + signal. Skipped and warn never change it; no decided
// gate at all is inconclusive. status holds n gate results.
void judge_final(const enum judge_status *status, size_t n, const struct judge_outcome *outcome,
                 struct judge_final_word *out);

#endif
