// Logs of histograms in the format of HdrHistogram (version 1.3), which its tools merge, plot and compare.
//
// An interval without a tag is the whole load; one with a tag is the series whose labels it names, with ';' for the
// comma that the format has for itself. Values are microseconds, the column Interval_Max is milliseconds.
#ifndef SEEP_REPORT_HDR_H
#define SEEP_REPORT_HDR_H

#include "load/hist.h"
#include "report/report.h"

// The comments at the top; started_ns on the real clock.
void hdr_log_head(struct seep_buf *out, int64_t started_ns, const char *what);

struct hdr_interval {
    const char *tag;          // labels of a series; "" for the whole
    double start_s, length_s; // from the start in the head
};
// One line; none for an empty histogram. -1 when it cannot be compressed for lack of memory.
int hdr_log_interval(struct seep_buf *out, const struct hdr_interval *at, const struct load_hist *h,
                     struct seep_err *err);

#endif
