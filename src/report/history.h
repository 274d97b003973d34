// Many runs of the same thing in a row: for each figure, where it changed for good and which way it drifts.
//
// Place: reports are added one by one, oldest first, and may be freed after that; the judging is judge/history.h. Used
// by `seep compare --history`.
#ifndef SEEP_REPORT_HISTORY_H
#define SEEP_REPORT_HISTORY_H

#include "judge/history.h"
#include "report/report.h"

struct history_run {
    const char *run, *verdict, *build_id;
    int64_t started_ns;
};

struct history_figure {
    const char *name;
    enum judge_unit unit;
    enum judge_better better;
    double floor;
    double *value; // n_runs, NaN where a run has none
    struct judge_history judged;
};

struct history {
    struct history_run *runs; // n_runs, oldest first
    size_t n_runs, room;
    struct history_figure *figures;
    size_t n_figures;
    enum judge_verdict verdict;
    double share;
    struct report_arena *arena;
};

// For at most `room` runs, 1..JUDGE_HISTORY_MAX. NULL when memory ran out.
struct history *history_new(size_t room, double share);
void history_free(struct history *h); // NULL is allowed

// Adds a run; the first one decides which figures there are. -1 when memory ran out or there is no room.
int history_add(struct history *h, const struct report *r, struct seep_err *err);

// Judges all figures: FAIL when one became worse for good at its last change point, INCONCLUSIVE with fewer than
// JUDGE_HISTORY_MIN runs, else PASS.
void history_judge(struct history *h);
int history_exit_code(const struct history *h); // 0, 1, 3

int history_text(const struct history *h, const struct report_style *style, struct seep_buf *out, struct seep_err *err);
// Schema seep.history/1: docs/schema/seep.history.1.json.
int history_json(const struct history *h, struct seep_buf *out, struct seep_err *err);
int history_markdown(const struct history *h, struct seep_buf *out, struct seep_err *err);

#endif
