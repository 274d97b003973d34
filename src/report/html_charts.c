// Which series make which chart, drawn small: at most a thousand points a line, extremes kept.
#include "base/jsonw.h"
#include "report/html.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS_MAX = 1000, CHARTS_MAX = 16, STACK_LINES = 5 };

struct html_charts {
    const struct report *r;
    struct html_chart charts[CHARTS_MAX];
    size_t n;
    char *labels[CHARTS_MAX * HTML_LINES_MAX]; // owned
    size_t n_labels;
};

// pattern: a series, or "name*" for all that begin so. Labelled series are shown one line a label.
struct line_spec {
    const char *pattern, *label; // label NULL: the rest of the name, or the labels' value
};
struct chart_spec {
    const char *title;
    enum html_unit unit;
    struct line_spec lines[HTML_LINES_MAX];
};

static const struct chart_spec specs[] = {
    {"Resident memory",
     HTML_BYTES,
     {{S_RSS, "resident"},
      {S_RSS_ANON, "anonymous"},
      {S_RSS_FILE, "file"},
      {S_RSS_SHMEM, "shared"},
      {S_PSS, "PSS"},
      {S_SWAP, "swap"}}},
    {"Heap",
     HTML_BYTES,
     {{S_HEAP_LIVE, "live"},
      {S_ALLOC_ALLOCATED, "allocated"},
      {S_ALLOC_ACTIVE, "active"},
      {S_ALLOC_RESIDENT, "resident"},
      {S_HEAP_RESIDENT, "resident"},
      {S_ALLOC_RETAINED, "retained"}}},
    {"Open descriptors", HTML_COUNT, {{S_FD, "all"}, {S_FD_PREFIX "*", NULL}}},
    {"Threads and processes", HTML_COUNT, {{S_THREADS, "threads"}, {S_CHILDREN, "children"}, {S_ZOMBIES, "zombies"}}},
    {"CPU, of one core", HTML_RATIO, {{S_CPU, "target"}, {S_PROBE_CPU, "probe"}, {S_SEEP_CPU, "seep"}}},
    {"Requests", HTML_RATE, {{S_HTTP_REQUESTS, "all"}, {S_HTTP_ERRORS, "failed"}, {S_HTTP_REQUESTS "*", NULL}}},
    {"Latency", HTML_SECONDS, {{S_HTTP_P50, "p50"}, {S_HTTP_P95, "p95"}, {S_HTTP_P99, "p99"}, {S_HTTP_P999, "p99.9"}}},
    {"Allocations", HTML_RATE, {{S_HEAP_ALLOCS, "allocations"}}},
    {"Page faults", HTML_RATE, {{S_FAULTS_MINOR, "minor"}, {S_FAULTS_MAJOR, "major"}}},
    {"Dependencies: resident memory", HTML_BYTES, {{S_DEP_RSS "*", NULL}}},
    {"Dependencies: CPU, of one core", HTML_RATIO, {{S_DEP_CPU "*", NULL}}},
    {"Disk traffic", HTML_BYTES_RATE, {{S_IO_READ, "read"}, {S_IO_WRITE, "written"}}},
};

static size_t bins_of(size_t n)
{
    return n <= POINTS_MAX ? n : POINTS_MAX / 2;
}

static size_t points_of(size_t n)
{
    return n <= POINTS_MAX ? n : POINTS_MAX / 2 * 2;
}

// Each bin keeps its least and its largest value, in the order they came, at its first and third quarter.
static void thin(const double *y, size_t n, double *out)
{
    size_t bins = bins_of(n);
    if (bins == n) {
        memcpy(out, y, n * sizeof *out);
        return;
    }
    for (size_t b = 0; b < bins; b++) {
        size_t lo = SIZE_MAX, hi = SIZE_MAX;
        for (size_t i = b * n / bins; i < (b + 1) * n / bins; i++) {
            if (!isfinite(y[i]))
                continue;
            if (lo == SIZE_MAX || y[i] < y[lo])
                lo = i;
            if (hi == SIZE_MAX || y[i] > y[hi])
                hi = i;
        }
        out[2 * b] = lo == SIZE_MAX ? NAN : y[lo < hi ? lo : hi];
        out[2 * b + 1] = lo == SIZE_MAX ? NAN : y[lo < hi ? hi : lo];
    }
}

static void thin_axis(const double *t, size_t n, double *out)
{
    size_t bins = bins_of(n);
    for (size_t b = 0; bins < n && b < bins; b++) {
        double from = t[b * n / bins], to = t[(b + 1) * n / bins - 1];
        out[2 * b] = from + (to - from) / 4;
        out[2 * b + 1] = from + (to - from) * 3 / 4 + 1e-9;
    }
    if (bins == n)
        memcpy(out, t, n * sizeof *out);
}

static char *make_label(struct html_charts *hc, const char *text)
{
    char *label = strdup(text);
    if (label != NULL)
        hc->labels[hc->n_labels++] = label;
    return label;
}

static int add_line(struct html_charts *hc, struct html_chart *c, const struct report_series *s, const char *label)
{
    if (c->n_lines == HTML_LINES_MAX)
        return 0;
    bool any = false;
    for (size_t i = 0; i < hc->r->n_ticks && !any; i++)
        any = isfinite(s->values[i]) && (s->values[i] != 0 || c->n_lines == 0);
    if (!any) // lines at zero all the time are noise in a legend
        return 0;
    double *y = malloc((c->n + 1) * sizeof *y);
    if (y == NULL || make_label(hc, label) == NULL) {
        free(y);
        return -1;
    }
    thin(s->values, hc->r->n_ticks, y);
    c->lines[c->n_lines++] = (struct html_line){.label = hc->labels[hc->n_labels - 1], .y = y};
    return 0;
}

static bool matches(const char *pattern, const struct report_series *s)
{
    size_t len = strlen(pattern);
    if (pattern[len - 1] != '*')
        return strcmp(pattern, s->name) == 0 && s->labels[0] == '\0';
    if (strncmp(pattern, s->name, len - 1) != 0)
        return false;
    return s->name[len - 1] != '\0' ? s->labels[0] == '\0' : s->labels[0] != '\0';
}

static const char *label_of(const struct line_spec *l, const struct report_series *s)
{
    if (l->label != NULL)
        return l->label;
    const char *value = strchr(s->labels, '=');
    return value != NULL ? value + 1 : s->name + strlen(l->pattern) - 1;
}

static int add_lines(struct html_charts *hc, struct html_chart *c, const struct line_spec *l)
{
    for (size_t i = 0; i < hc->r->n_series; i++)
        if (matches(l->pattern, &hc->r->series[i]) &&
            add_line(hc, c, &hc->r->series[i], label_of(l, &hc->r->series[i])) != 0)
            return -1;
    return 0;
}

static int new_chart(struct html_charts *hc, const char *title, enum html_unit unit, size_t n)
{
    struct html_chart *c = &hc->charts[hc->n++];
    *c = (struct html_chart){.title = title, .unit = unit, .n = n, .x = malloc((n + 1) * sizeof *c->x)};
    return c->x == NULL ? -1 : 0;
}

static int add_chart(struct html_charts *hc, const struct chart_spec *spec)
{
    if (new_chart(hc, spec->title, spec->unit, points_of(hc->r->n_ticks)) != 0)
        return -1;
    struct html_chart *c = &hc->charts[hc->n - 1];
    if (hc->r->n_ticks > 0)
        thin_axis(hc->r->t_s, hc->r->n_ticks, c->x);
    for (size_t i = 0; i < HTML_LINES_MAX && spec->lines[i].pattern != NULL; i++)
        if (add_lines(hc, c, &spec->lines[i]) != 0)
            return -1;
    if (c->n_lines == 0) {
        free(c->x);
        hc->n--;
    }
    return 0;
}

static const char *stack_label(const struct report_stack *s)
{
    for (size_t i = 0; i < s->n_frames; i++)
        if (!s->frames[i].library && s->frames[i].function != NULL)
            return s->frames[i].function;
    return "(no name)";
}

// The worst stacks over the measured time.
static int add_stacks(struct html_charts *hc)
{
    const struct report *r = hc->r;
    if (r->n_stacks == 0 || r->stacks[0].n_spark < 2)
        return 0;
    size_t n = r->stacks[0].n_spark;
    if (new_chart(hc, "Live bytes of the first call stacks", HTML_BYTES, n) != 0)
        return -1;
    struct html_chart *c = &hc->charts[hc->n - 1];
    for (size_t i = 0; i < n; i++)
        c->x[i] = r->measure_from_s + (r->measure_to_s - r->measure_from_s) * ((double)i + 0.5) / (double)n;
    for (size_t k = 0; k < r->n_stacks && k < STACK_LINES; k++) {
        if (k > 0 && !r->stacks[k].judge.rejected)
            break;
        char label[200];
        snprintf(label, sizeof label, "#%zu %.150s", r->stacks[k].judge.rank, stack_label(&r->stacks[k]));
        double *y = malloc((n + 1) * sizeof *y);
        if (y == NULL || make_label(hc, label) == NULL) {
            free(y);
            return -1;
        }
        memcpy(y, r->stacks[k].spark, n * sizeof *y);
        c->lines[c->n_lines++] = (struct html_line){.label = hc->labels[hc->n_labels - 1], .y = y};
    }
    return 0;
}

struct html_charts *html_charts_new(const struct report *r)
{
    struct html_charts *hc = calloc(1, sizeof *hc);
    if (hc == NULL)
        return NULL;
    hc->r = r;
    int failed = 0;
    for (size_t i = 0; !failed && i < sizeof specs / sizeof specs[0]; i++) {
        failed = add_chart(hc, &specs[i]);
        if (!failed && i == 1)
            failed = add_stacks(hc);
    }
    if (failed) {
        html_charts_free(hc);
        return NULL;
    }
    return hc;
}

void html_charts_free(struct html_charts *hc)
{
    if (hc == NULL)
        return;
    for (size_t i = 0; i < hc->n; i++) {
        free(hc->charts[i].x);
        for (size_t l = 0; l < hc->charts[i].n_lines; l++)
            free(hc->charts[i].lines[l].y);
    }
    for (size_t i = 0; i < hc->n_labels; i++)
        free(hc->labels[i]);
    free(hc);
}

static void draw_legend(const struct report *r, const struct html_chart *c, struct seep_buf *out)
{
    char text[48];
    buf_str(out, "<ul class=\"legend\">");
    for (size_t l = 0; l < c->n_lines; l++) {
        double last = NAN;
        for (size_t i = c->n; i > 0 && isnan(last); i--)
            last = c->x[i - 1] <= r->measure_to_s ? c->lines[l].y[i - 1] : NAN; // the last one measured
        buf_printf(
            out,
            "<li><svg class=\"dot\" viewBox=\"0 0 10 10\"><circle class=\"f%zu\" cx=\"5\" cy=\"5\" r=\"4\"/></svg>", l);
        html_name(out, c->lines[l].label);
        buf_printf(out, " <b>%s</b></li>", html_format(text, sizeof text, last, c->unit));
    }
    buf_str(out, "</ul>");
}

void html_charts_draw(const struct html_charts *hc, struct seep_buf *out)
{
    if (hc->n == 0)
        return;
    buf_str(out, "<section aria-labelledby=\"h-charts\"><h2 id=\"h-charts\">Over time</h2>\n<p class=\"key\">"
                 "<span class=\"k idle\"></span>not measured <span class=\"k warm\"></span>warm-up "
                 "<span class=\"k gap\"></span>gap or pause");
    buf_str(out, hc->r->n_faults > 0 ? " <span class=\"k fault\"></span>fault</p>\n<div class=\"charts\">\n"
                                     : "</p>\n<div class=\"charts\">\n");
    for (size_t i = 0; i < hc->n; i++) {
        buf_printf(out,
                   "<figure class=\"card chart\"><figcaption>%s</figcaption><div class=\"plot\" data-chart=\"%zu\">",
                   hc->charts[i].title, i);
        html_svg(hc->r, &hc->charts[i], out);
        buf_str(out, "</div>");
        draw_legend(hc->r, &hc->charts[i], out);
        buf_str(out, "</figure>\n");
    }
    buf_str(out, "</div></section>\n");
}

// Six digits are finer than any screen, and a quarter of the bytes of all.
static void put_numbers(const double *y, size_t n, bool axis, struct seep_buf *out)
{
    char text[40];
    buf_char(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_char(out, ',');
        if (isfinite(y[i])) {
            snprintf(text, sizeof text, axis ? "%.9g" : "%.6g", y[i]);
            buf_str(out, text);
        } else {
            buf_str(out, "null");
        }
    }
    buf_char(out, ']');
}

static void put_bands(const struct report *r, struct jsonw *w)
{
    jsonw_array(w, "gaps");
    for (size_t i = 0; i < r->n_events && i < 500; i++) {
        const struct report_event *e = &r->events[i];
        if (strcmp(e->kind, E_GAP) != 0 && strcmp(e->kind, E_PAUSED) != 0 && strcmp(e->kind, E_SUSPENDED) != 0)
            continue;
        jsonw_array(w, NULL);
        jsonw_double(w, NULL, e->from_s);
        jsonw_double(w, NULL, e->to_s);
        jsonw_end_array(w);
    }
    jsonw_end_array(w);
    jsonw_array(w, "faults");
    for (size_t i = 0; i < r->n_faults && i < 500; i++) {
        jsonw_array(w, NULL);
        jsonw_double(w, NULL, r->faults[i].from_s);
        jsonw_double(w, NULL, r->faults[i].to_s);
        jsonw_end_array(w);
    }
    jsonw_end_array(w);
    jsonw_double(w, "from", r->measure_from_s);
    jsonw_double(w, "to", r->measure_to_s);
    jsonw_double(w, "warm", r->warmup_end_s);
}

static void put_chart(const struct html_chart *c, struct seep_buf *out)
{
    static const char *const units[] = {"bytes", "count", "rate", "bytes_rate", "ratio", "seconds"};
    buf_printf(out, "{\"unit\":\"%s\",\"labels\":", units[c->unit]);
    struct jsonw w;
    jsonw_init(&w, out, false);
    w.in_html = true;
    jsonw_array(&w, NULL);
    for (size_t l = 0; l < c->n_lines; l++)
        jsonw_string(&w, NULL, c->lines[l].label);
    jsonw_end_array(&w);
    buf_str(out, ",\"data\":[");
    put_numbers(c->x, c->n, true, out);
    for (size_t l = 0; l < c->n_lines; l++) {
        buf_char(out, ',');
        put_numbers(c->lines[l].y, c->n, false, out);
    }
    buf_str(out, "]}");
}

void html_charts_data(const struct html_charts *hc, struct seep_buf *out)
{
    struct jsonw w;
    buf_str(out, "{\"bands\":");
    jsonw_init(&w, out, false);
    w.in_html = true;
    jsonw_object(&w, NULL);
    put_bands(hc->r, &w);
    jsonw_end_object(&w);
    buf_str(out, ",\"charts\":[");
    for (size_t i = 0; i < hc->n; i++) {
        if (i > 0)
            buf_char(out, ',');
        put_chart(&hc->charts[i], out);
    }
    buf_str(out, "]}");
}
