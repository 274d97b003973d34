// What `seep analyze` found in a table, and its two ways out.
//
// The growth objects are those of verdict.json, so that a run's verdict and the one over its exported table compare
// member by member. Names of columns and of the file are foreign text and escaped at the sinks.
#ifndef SEEP_REPORT_ANALYSIS_H
#define SEEP_REPORT_ANALYSIS_H

#include "report/report.h"

struct report_analysis {
    const char *file;
    enum judge_verdict verdict;
    int exit_code;
    const char *headline; // what decided, a sentence
    const char *label;    // why resident and allocated bytes disagree; "" otherwise
    double total_limit;   // NAN: none was asked for
    size_t rows;
    const struct report_growth *series; // name is the column's, gate NULL
    size_t n_series;
    const char *const *notes; // what is odd about the table, finished sentences
    size_t n_notes;
};

int report_analysis_text(const struct report_analysis *a, const struct report_style *style, struct seep_buf *out,
                         struct seep_err *err);
// Schema seep.analysis/1.
int report_analysis_json(const struct report_analysis *a, struct seep_buf *out, struct seep_err *err);

#endif
