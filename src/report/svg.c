// Charts as plain SVG: what a reader without scripts, a printer, and a build without npm see.
//
// Colours are classes (l0, l1, ...) that the style sheet fills in for light and dark. Coordinates are ours; the only
// foreign text is a label, which goes through html_name().
#include "report/html.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { W = 640, H = 230, LEFT = 66, RIGHT = 14, TOP = 10, BOTTOM = 26 };

char *html_format(char *out, size_t size, double value, enum html_unit unit)
{
    switch (unit) {
    case HTML_BYTES:
        return units_bytes(out, size, value);
    case HTML_BYTES_RATE:
        units_bytes(out, size - 3, value);
        strcat(out, "/s");
        return out;
    case HTML_RATIO:
        return units_value(out, size, value, UNIT_RATIO);
    case HTML_SECONDS:
        return units_duration(out, size, value);
    case HTML_RATE:
        return units_value(out, size, value, UNIT_PER_SECOND);
    case HTML_COUNT:
        break;
    }
    snprintf(out, size, "%.4g", value);
    return out;
}

struct frame {
    double x0, x1, y0, y1; // data ranges
};

static double px(const struct frame *f, double x)
{
    return LEFT + (x - f->x0) / (f->x1 - f->x0) * (W - LEFT - RIGHT);
}

static double py(const struct frame *f, double y)
{
    return H - BOTTOM - (y - f->y0) / (f->y1 - f->y0) * (H - TOP - BOTTOM);
}

// The least of 1, 2, 2.5, 5 times a power of ten that is at least x.
static double nice(double x)
{
    double p = pow(10, floor(log10(x))), m = x / p;
    return (m <= 1 ? 1 : m <= 2 ? 2 : m <= 2.5 ? 2.5 : m <= 5 ? 5 : 10) * p;
}

static double nice_time(double x)
{
    static const double steps[] = {1,   2,   5,    10,   15,   30,    60,    120,   300,
                                   600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (x <= steps[i])
            return steps[i];
    return 86400 * ceil(x / 86400);
}

static bool find_range(const struct html_chart *c, struct frame *f)
{
    double lo = INFINITY, hi = -INFINITY;
    for (size_t l = 0; l < c->n_lines; l++)
        for (size_t i = 0; i < c->n; i++)
            if (isfinite(c->lines[l].y[i])) {
                lo = fmin(lo, c->lines[l].y[i]);
                hi = fmax(hi, c->lines[l].y[i]);
            }
    if (!(hi >= lo) || c->n < 2 || !(c->x[c->n - 1] > c->x[0]))
        return false;
    // Zero belongs into the picture unless all values are far from it: growth must not look larger than it is.
    if (lo > 0 && (lo < 0.75 * hi || c->unit == HTML_COUNT))
        lo = 0;
    if (hi == lo)
        hi = lo + (lo == 0 ? 1 : fabs(lo) * 0.1);
    double step = nice((hi - lo) / 4);
    *f = (struct frame){c->x[0], c->x[c->n - 1], floor(lo / step) * step, ceil(hi / step) * step};
    if (f->y0 == f->y1)
        f->y1 = f->y0 + step;
    return true;
}

static void put_axes(const struct html_chart *c, const struct frame *f, struct seep_buf *out)
{
    char text[48];
    double step = nice((f->y1 - f->y0) / 4), y0 = f->y0;
    for (int i = 0; y0 + i * step <= f->y1 * (1 + 1e-9) + 1e-12 && i < 12; i++) {
        double y = py(f, y0 + i * step);
        buf_printf(out,
                   "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"ax\" x=\"%d\" y=\"%.1f\" "
                   "text-anchor=\"end\">%s</text>",
                   LEFT, y, W - RIGHT, LEFT - 6, y + 4, html_format(text, sizeof text, y0 + i * step, c->unit));
    }
    step = nice_time((f->x1 - f->x0) / 7);
    for (double x = ceil(f->x0 / step) * step; x <= f->x1; x += step)
        buf_printf(out, "<text class=\"ax\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s%s</text>", px(f, x), H - 8,
                   x < 0 ? "-" : "", units_duration(text, sizeof text, fabs(x)));
}

static void put_band(const struct frame *f, const char *kind, double from, double to, struct seep_buf *out)
{
    from = fmax(from, f->x0);
    to = fmin(to, f->x1);
    if (!(to > from))
        return;
    double width = fmax(px(f, to) - px(f, from), 1);
    buf_printf(out, "<rect class=\"band %s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>", kind, px(f, from),
               TOP, width, H - TOP - BOTTOM);
}

static void put_bands(const struct report *r, const struct frame *f, struct seep_buf *out)
{
    put_band(f, "idle", f->x0, r->measure_from_s, out);
    put_band(f, "idle", r->measure_to_s, f->x1, out);
    if (isfinite(r->warmup_end_s))
        put_band(f, "warm", r->measure_from_s, r->warmup_end_s, out);
    for (size_t i = 0; i < r->n_faults && i < 500; i++)
        put_band(f, "fault", r->faults[i].from_s, r->faults[i].to_s, out);
    for (size_t i = 0; i < r->n_events && i < 500; i++) {
        const struct report_event *e = &r->events[i];
        if (strcmp(e->kind, E_GAP) == 0 || strcmp(e->kind, E_PAUSED) == 0 || strcmp(e->kind, E_SUSPENDED) == 0)
            put_band(f, "gap", e->from_s, e->to_s, out);
    }
}

static void put_line(const struct html_chart *c, const struct frame *f, size_t l, struct seep_buf *out)
{
    const double *y = c->lines[l].y;
    double last = NAN;
    // A line is broken where a value is missing, so that a gap is seen as one. Series that are only read at some ticks
    // (PSS) would vanish: a hole is a break only when the series has few of them.
    size_t holes = 0;
    for (size_t i = 0; i < c->n; i++)
        holes += !isfinite(y[i]);
    bool sparse = holes * 2 > c->n;
    buf_printf(out, "<path class=\"line l%zu\" d=\"", l);
    for (size_t i = 0; i < c->n; i++) {
        if (isfinite(y[i]))
            buf_printf(out, "%c%.1f %.1f", isfinite(last) ? 'L' : 'M', px(f, c->x[i]), py(f, y[i]));
        if (isfinite(y[i]) || !sparse)
            last = y[i];
    }
    buf_str(out, "\"/>");
}

void html_svg(const struct report *r, const struct html_chart *c, struct seep_buf *out)
{
    struct frame f;
    if (!find_range(c, &f)) {
        buf_str(out, "<p class=\"none\">Not measured often enough to draw.</p>");
        return;
    }
    buf_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s over time\">", W, H, c->title);
    put_bands(r, &f, out);
    put_axes(c, &f, out);
    for (size_t l = c->n_lines; l > 0; l--) // the first line is the most important: on top
        put_line(c, &f, l - 1, out);
    buf_str(out, "</svg>");
}

void html_spark(const double *y, size_t n, struct seep_buf *out)
{
    double hi = 0;
    for (size_t i = 0; i < n; i++)
        hi = fmax(hi, y[i]);
    buf_str(out, "<svg class=\"spark\" viewBox=\"0 0 120 32\" aria-hidden=\"true\">");
    if (n > 1 && hi > 0) {
        buf_str(out, "<path class=\"sparkfill\" d=\"M1 31");
        for (size_t i = 0; i < n; i++)
            buf_printf(out, "L%.1f %.1f", 1 + 118.0 * (double)i / (double)(n - 1), 31 - 29 * fmax(y[i], 0) / hi);
        buf_str(out, "L119 31Z\"/><path class=\"sparkline\" d=\"");
        for (size_t i = 0; i < n; i++)
            buf_printf(out, "%c%.1f %.1f", i == 0 ? 'M' : 'L', 1 + 118.0 * (double)i / (double)(n - 1),
                       31 - 29 * fmax(y[i], 0) / hi);
        buf_str(out, "\"/>");
    }
    buf_str(out, "</svg>");
}

void html_bars(const double *y, size_t n, struct seep_buf *out)
{
    double hi = 0;
    for (size_t i = 0; i < n; i++)
        hi = fmax(hi, y[i]);
    buf_str(out, "<svg class=\"bars\" viewBox=\"0 0 240 40\" preserveAspectRatio=\"none\" role=\"img\" "
                 "aria-label=\"live bytes by age\">");
    for (size_t i = 0; i < n && hi > 0; i++) {
        double height = 38 * fmax(y[i], 0) / hi, step = 240.0 / (double)n;
        buf_printf(out, "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", (double)i * step,
                   39 - fmax(height, 0.5), step - 2, fmax(height, 0.5));
    }
    buf_str(out, "</svg>");
}
