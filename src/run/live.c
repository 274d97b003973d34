// The status line: see live.h. All bytes of the target are escaped; a line never wraps.
#include "run/live.h"
#include "base/esc.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LIVE_POINTS 1200

int live_init(struct run_live *l, int fd, double total_s, double interval_s, struct seep_err *err)
{
    *l = (struct run_live){.fd = fd,
                           .total_s = total_s,
                           .interval_s = interval_s,
                           .budget_per_s = NAN,
                           .load_rate_per_s = NAN,
                           .load_p99_s = NAN,
                           .width = 100};
    l->terminal = fd >= 0 && isatty(fd);
    l->cap = LIVE_POINTS;
    l->t_s = malloc(3 * LIVE_POINTS * sizeof *l->t_s);
    if (!l->t_s)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the status line");
    l->heap = l->t_s + LIVE_POINTS;
    l->rss = l->heap + LIVE_POINTS;
    return 0;
}

void live_free(struct run_live *l)
{
    free(l->t_s);
    l->t_s = NULL;
}

static void put(struct run_live *l, const char *data, size_t len)
{
    while (l->fd >= 0 && len > 0) {
        ssize_t n = write(l->fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) { // the terminal is gone: the run goes on without it
            l->fd = -1;
            return;
        }
        data += n;
        len -= (size_t)n;
    }
}

void live_clear(struct run_live *l)
{
    if (l->terminal && l->shown)
        put(l, "\r\033[K", 4);
    l->shown = false;
}

void live_say(struct run_live *l, const char *text)
{
    struct seep_buf b;
    buf_init(&b, 4096);
    buf_str(&b, "seep: ");
    esc_term(&b, text, strlen(text));
    buf_char(&b, '\n');
    live_clear(l);
    if (b.data)
        put(l, b.data, b.len);
    buf_free(&b);
    snprintf(l->last_event, sizeof l->last_event, "%.110s", text);
}

// When the room is full every second point goes: slopes and intervals hardly notice, memory stays fixed.
static void thin(struct run_live *l)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->n; i += 2, kept++) {
        l->t_s[kept] = l->t_s[i];
        l->heap[kept] = l->heap[i];
        l->rss[kept] = l->rss[i];
    }
    l->n = kept;
}

static void judge_now(struct run_live *l)
{
    double *y = l->judge_heap ? l->heap : l->rss;
    for (size_t i = 0; i < l->n; i++)
        if (!isfinite(y[i]))
            return;
    struct judge_series series = {.t_s = l->t_s, .y = y, .n = l->n};
    struct judge_options options = JUDGE_OPTIONS_DEFAULT;
    options.budget_per_s = isfinite(l->budget_per_s) ? l->budget_per_s : 1e6 / 3600;
    options.quantum = l->judge_heap ? 0 : 4096;
    if (l->n >= 40 && judge_trend(&series, &options, &l->growth) == 0)
        l->has_growth = isfinite(l->growth.slope_per_s);
}

static void note_load(struct run_live *l, const struct run_tick *t)
{
    if (!t->n_loads)
        return;
    double done = (double)t->loads[0].counts.completed;
    int64_t passed = t->time.mono_ns - l->load_at_ns;
    l->load_rate_per_s = l->load_at_ns && passed > 0 ? (done - l->load_done) * 1e9 / (double)passed : NAN;
    l->load_p99_s = t->loads[0].quantile_s[3];
    l->load_done = done;
    l->load_at_ns = t->time.mono_ns;
}

void live_tick(struct run_live *l, const struct run_tick *t, double elapsed_s)
{
    note_load(l, t);
    double heap = t->value[RUN_S_HEAP_LIVE], rss = t->value[RUN_S_RSS];
    l->judge_heap = !isnan(heap);
    if (isnan(heap) && isnan(rss))
        return;
    if (l->n == l->cap)
        thin(l);
    l->t_s[l->n] = elapsed_s;
    l->heap[l->n] = heap;
    l->rss[l->n++] = rss - (isnan(t->value[RUN_S_PROBE_RSS]) ? 0 : t->value[RUN_S_PROBE_RSS]);
    if (elapsed_s >= l->next_judge_s) {
        judge_now(l);
        l->next_judge_s = elapsed_s + fmax(1, l->total_s / 200);
    }
}

// "+3.21 [3.05, 3.38] MB/h" would be exact; people read "+3.21 MB/h [3.05, 3.38]": all three in one unit, that of the
// largest, so that a slope of a few bytes with an interval of megabytes is not written in bytes.
static void add_growth(const struct run_live *l, struct seep_buf *b)
{
    char largest[40], budget[40], *unit;
    double slope = l->growth.slope_per_s, lo = l->growth.lo_per_s, hi = l->growth.hi_per_s;
    if (!l->has_growth)
        return;
    bool ends = isfinite(lo) && isfinite(hi);
    double most = ends ? fmax(fabs(slope), fmax(fabs(lo), fabs(hi))) : fabs(slope);
    double shown = strtod(units_rate_per_h(largest, sizeof largest, most), &unit);
    double factor = shown > 0 ? 3600 / pow(1000, round(log10(most * 3600 / shown) / 3)) : 3600;
    int decimals = shown >= 100 ? 0 : shown >= 10 ? 1 : 2;
    buf_printf(b, "  %+.*f%s", decimals, slope * factor, unit);
    if (ends)
        buf_printf(b, " [%.*f, %.*f]", decimals, lo * factor, decimals, hi * factor);
    if (isfinite(l->budget_per_s))
        buf_printf(b, "  budget %s", units_rate_per_h(budget, sizeof budget, l->budget_per_s));
}

static void add_load(const struct run_live *l, struct seep_buf *b)
{
    char rate[40], p99[40];
    if (isnan(l->load_rate_per_s))
        return;
    buf_printf(b, "  load %s/s", units_count(rate, sizeof rate, l->load_rate_per_s));
    if (!isnan(l->load_p99_s))
        buf_printf(b, " p99 %s", units_duration(p99, sizeof p99, l->load_p99_s));
}

static void add_numbers(const struct run_live *l, struct seep_buf *b, const struct run_tick *t)
{
    char text[40];
    if (!t)
        return;
    double rss = t->value[RUN_S_RSS];
    if (!isnan(rss)) {
        rss -= isnan(t->value[RUN_S_PROBE_RSS]) ? 0 : t->value[RUN_S_PROBE_RSS];
        buf_printf(b, "  rss %s", units_bytes(text, sizeof text, rss));
    }
    if (!isnan(t->value[RUN_S_HEAP_LIVE]))
        buf_printf(b, "  heap %s", units_bytes(text, sizeof text, t->value[RUN_S_HEAP_LIVE]));
    add_growth(l, b);
    if (!isnan(t->value[RUN_S_FD]))
        buf_printf(b, "  fds %.0f", t->value[RUN_S_FD]);
    if (!isnan(t->value[RUN_S_THREADS]))
        buf_printf(b, "  threads %.0f", t->value[RUN_S_THREADS]);
    add_load(l, b);
}

static void add_bar(struct seep_buf *b, double share)
{
    int full = (int)(20 * fmin(1, fmax(0, share)));
    buf_char(b, '[');
    for (int i = 0; i < 20; i++)
        buf_char(b, i < full ? '#' : '-');
    buf_char(b, ']');
}

static void compose(struct run_live *l, struct seep_buf *b, const char *phase, double elapsed_s,
                    const struct run_tick *t)
{
    char now[32], total[32];
    buf_printf(b, "seep: %s  ", l->title);
    if (!isnan(elapsed_s)) {
        add_bar(b, elapsed_s / l->total_s);
        buf_printf(b, " %s / %s", units_clock(now, sizeof now, elapsed_s),
                   units_clock(total, sizeof total, l->total_s));
    }
    if (strcmp(phase, "measure"))
        buf_printf(b, "  %s", phase);
    add_numbers(l, b, t);
    if (l->last_event[0]) {
        buf_str(b, "  ");
        esc_term(b, l->last_event, strlen(l->last_event));
    }
}

static int terminal_width(const struct run_live *l)
{
    struct winsize ws;
    if (ioctl(l->fd, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 20)
        return ws.ws_col;
    return l->width;
}

void live_show(struct run_live *l, const char *phase, double elapsed_s, const struct run_tick *t)
{
    struct seep_buf b;
    buf_init(&b, 2048);
    compose(l, &b, phase, elapsed_s, t);
    snprintf(l->line, sizeof l->line, "%s", b.data ? b.data : "");
    if (l->terminal && b.data) {
        size_t width = (size_t)terminal_width(l) - 1, len = b.len < width ? b.len : width;
        put(l, "\r", 1);
        put(l, b.data, len);
        put(l, "\033[K", 3);
        l->shown = true;
    } else if (!isnan(elapsed_s) && elapsed_s >= l->next_plain_s && b.data) {
        buf_char(&b, '\n');
        put(l, b.data, b.len);
        l->next_plain_s = elapsed_s + fmax(10, l->total_s / 20);
    }
    buf_free(&b);
}
