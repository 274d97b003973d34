// Pieces of the HTML report. Private to src/report.
//
// Everything foreign goes through html_name(): control characters and bidirectional overrides made visible, then HTML
// escaped. There are no inline styles and no inline handlers: the page's policy forbids both.
#ifndef SEEP_REPORT_HTML_H
#define SEEP_REPORT_HTML_H

#include "report/report.h"

void html_name(struct seep_buf *out, const char *foreign);
// The page up to <body>: policy, title "WORD: RUN - seep" (word is ours), style sheets. run may be NULL.
void html_begin(const char *word, const char *run, const char *nonce, struct seep_buf *out);
// A class name for a status word, e.g. "pass"; from our own tables only.
const char *html_status_class(enum judge_status status);

// html_charts.c: the charts as SVG, and their data for the script. The list of charts is made once.
struct html_charts;
struct html_charts *html_charts_new(const struct report *r); // NULL when memory ran out
void html_charts_free(struct html_charts *charts);
void html_charts_draw(const struct html_charts *charts, struct seep_buf *out);
void html_charts_data(const struct html_charts *charts, struct seep_buf *out); // JSON, safe inside <script>

// svg.c: one chart.
enum { HTML_LINES_MAX = 10 };
struct html_line {
    const char *label;
    double *y; // n, NAN where unknown
};
enum html_unit { HTML_BYTES, HTML_COUNT, HTML_RATE, HTML_BYTES_RATE, HTML_RATIO, HTML_SECONDS };
struct html_chart {
    const char *title;
    enum html_unit unit;
    double *x; // n, seconds
    size_t n;
    struct html_line lines[HTML_LINES_MAX];
    size_t n_lines;
};
void html_svg(const struct report *r, const struct html_chart *chart, struct seep_buf *out);
void html_spark(const double *y, size_t n, struct seep_buf *out);
void html_bars(const double *y, size_t n, struct seep_buf *out);
char *html_format(char *out, size_t size, double value, enum html_unit unit);

// html_parts.c and html_stacks.c: sections.
void html_header(const struct report *r, struct seep_buf *out);
void html_tiles(const struct report *r, struct seep_buf *out);
void html_explained(const struct report *r, struct seep_buf *out);
void html_stacks(const struct report *r, struct seep_buf *out);
void html_flame(const struct report *r, struct seep_buf *out); // html_flame.c
void html_gates(const struct report *r, struct seep_buf *out);
void html_growths(const struct report *r, struct seep_buf *out);
void html_marks(const struct report *r, struct seep_buf *out);   // nothing where none were marked
void html_scraped(const struct report *r, struct seep_buf *out); // nothing where nothing was scraped
void html_load(const struct report *r, struct seep_buf *out);
void html_score(const struct report *r, struct seep_buf *out);  // nothing without requirements
void html_faults(const struct report *r, struct seep_buf *out); // html_faults.c; nothing without faults
void html_shutdown(const struct report *r, struct seep_buf *out);
void html_evidence(const struct report *r, struct seep_buf *out);
void html_events(const struct report *r, struct seep_buf *out);
void html_environment(const struct report *r, struct seep_buf *out);

#endif
