// Two runs side by side: what became worse, what better, which call stacks are new or steeper, and what that suggests.
//
// Place: two struct report in, one struct compare out, written as text, JSON or Markdown. The statistics are
// judge/compare.h. Trust: as report.h; names are the targets' and are escaped at each sink.
#ifndef SEEP_REPORT_COMPARE_H
#define SEEP_REPORT_COMPARE_H

#include "report/report.h"

#define COMPARE_SHARE_DEFAULT 0.1

struct compare_options {
    double share; // of the base that may be lost; 0: COMPARE_SHARE_DEFAULT
};

struct compare_figure {
    const char *name, *about;
    enum judge_unit unit;
    enum judge_better better;
    bool decisive; // the candidate has a gate on it
    struct judge_measure base, candidate;
    struct judge_difference difference;
};

struct compare_stack {
    const struct report_stack *candidate, *base; // a stack with these frames in each run; one may be NULL
    struct judge_stack_pair rates;               // of all stacks with these frames
    struct judge_stack_difference difference;
};

struct compare {
    const struct report *base, *candidate; // the caller's, must outlive this
    double share;
    enum judge_verdict verdict;
    const char *headline;
    struct compare_figure *figures;
    size_t n_figures, n_regressions;
    struct compare_stack *stacks; // those that changed, worst first
    size_t n_stacks, n_worse_stacks;
    bool stacks_compared;
    const char **notes; // where the two are not like with like
    size_t n_notes;
    const char **advice; // what to look at, in words
    size_t n_advice;
    struct report_arena *arena;
};

// Compares candidate with base. On success *out is the caller's (compare_free); -1 when memory ran out.
int compare_build(const struct report *base, const struct report *candidate, const struct compare_options *options,
                  struct compare **out, struct seep_err *err);
void compare_free(struct compare *c); // NULL is allowed

// Exit status by the rules of every command: 0 no regression, 1 regression, 3 cannot be told.
int compare_exit_code(const struct compare *c);

int compare_text(const struct compare *c, const struct report_style *style, struct seep_buf *out, struct seep_err *err);
// Schema seep.compare/1: docs/schema/seep.compare.1.json.
int compare_json(const struct compare *c, struct seep_buf *out, struct seep_err *err);
// What changed, for a comment on a change; figures that did not change are counted. style: root, limit_bytes.
int compare_markdown(const struct compare *c, const struct report_style *style, struct seep_buf *out,
                     struct seep_err *err);
// Only what changed, in the formats of CI systems.
int compare_junit(const struct compare *c, const struct report_style *style, struct seep_buf *out,
                  struct seep_err *err);
int compare_sarif(const struct compare *c, const struct report_style *style, struct seep_buf *out,
                  struct seep_err *err);
int compare_github(const struct compare *c, const struct report_style *style, struct seep_buf *out,
                   struct seep_err *err);
int compare_tap(const struct compare *c, const struct report_style *style, struct seep_buf *out, struct seep_err *err);
int compare_html(const struct compare *c, const struct report_style *style, struct seep_buf *out, struct seep_err *err);
// The candidate as SARIF with all its growing stacks, each new, updated, unchanged or absent against the base.
int report_sarif_since(const struct compare *c, const struct report_style *style, struct seep_buf *out,
                       struct seep_err *err);

// compare_notes.c, private: fills notes and advice. -1 when memory ran out.
int compare_notes(struct compare *c, struct seep_err *err);

#endif
