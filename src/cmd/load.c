// `seep load`: the load driver alone, on a profile, with the profile's http gates judged on what it saw.
#include "load/load.h"
#include "base/clock.h"
#include "base/esc.h"
#include "cmd/command.h"
#include "cmd/gates.h"
#include "judge/gate.h"
#include "load/summary.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { READY_WITHIN_S = 20, STOP_GRACE_S = 10, WINDOWS = 256 };

struct load_opts {
    struct cmd_list overrides;
    const char *format;
    double duration_s;
    bool quiet;
};

static const struct cmd_option options[] = {
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .type = CMD_CHOICE,
     .choices = "text|json",
     .offset = offsetof(struct load_opts, format),
     .help = "of the result: text or json (default text)"},
    {.name = "duration",
     .letter = 'd',
     .arg = "TIME",
     .type = CMD_DURATION,
     .offset = offsetof(struct load_opts, duration_s),
     .help = "how long (default load.duration, else run.duration)"},
    {.name = "override",
     .letter = 'o',
     .arg = "KEY=VALUE",
     .type = CMD_LIST,
     .offset = offsetof(struct load_opts, overrides),
     .help = "override a key of the profile (repeatable)"},
    {.name = "quiet",
     .letter = 'q',
     .type = CMD_FLAG,
     .offset = offsetof(struct load_opts, quiet),
     .help = "no progress while it runs"},
    {0},
};

static const char *const description[] = {
    "Drives the load of a profile without starting or watching a target, and prints what came of it: requests, errors "
    "by kind, response times from the intended and from the real start. Several profiles are merged in order.",
    "The gates of the profile on http.* and load.* are judged; other gates do not apply here. With one of them failed "
    "the exit status is 1; with the generator itself the bottleneck they are inconclusive and it stays 0.",
    NULL,
};

static const struct cmd_example examples[] = {
    {"seep load ours.yaml", "drive the load of ours.yaml"},
    {"seep load ours.yaml -d 30s -o load.rate=500/s -f json", "half a minute at another rate, as JSON"},
    {0},
};

// A stretch of time and what happened in it: the judge's ticks. When all are used, neighbours are joined, so that a
// load of any length fits.
struct windows {
    size_t n;
    double every_s;                       // least length of one
    double end_s[WINDOWS];                // rising
    uint64_t *requests, *errors, *passes; // WINDOWS x lines
    uint64_t *bucket;                     // WINDOWS x HIST_COARSE, per line after each other
    struct load_hist *last;               // per line: the histogram at the end of the last window
    struct load_counts *last_counts;
    int lines; // the rows of the load's series table
};

struct driver {
    const struct load_opts *opts;
    struct profile *profile;
    struct load *load;
    struct windows windows;
    int signal_fd;
    int interrupted_by;
    double length_s;
    int64_t begin_ns;
    bool line_open; // a live line stands on the terminal
};

// ---- windows --------------------------------------------------------------------------------------------------------

static int windows_open(struct windows *w, int series, struct seep_err *err)
{
    size_t lines = (size_t)series;
    *w = (struct windows){.lines = series, .every_s = 1};
    w->requests = calloc(lines * WINDOWS, sizeof *w->requests);
    w->errors = calloc(lines * WINDOWS, sizeof *w->errors);
    w->passes = calloc(lines * WINDOWS, sizeof *w->passes);
    w->bucket = calloc(lines * WINDOWS * HIST_COARSE, sizeof *w->bucket);
    w->last = calloc(lines, sizeof *w->last);
    w->last_counts = calloc(lines, sizeof *w->last_counts);
    if (w->requests && w->errors && w->passes && w->bucket && w->last && w->last_counts)
        return 0;
    return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the load's windows.");
}

static void windows_close(struct windows *w)
{
    free(w->requests);
    free(w->errors);
    free(w->passes);
    free(w->bucket);
    free(w->last);
    free(w->last_counts);
}

static uint64_t *window_bucket(const struct windows *w, int line, size_t i)
{
    return w->bucket + ((size_t)line * WINDOWS + i) * HIST_COARSE;
}

static void windows_halve(struct windows *w)
{
    for (size_t i = 0; i < WINDOWS / 2; i++) {
        w->end_s[i] = w->end_s[2 * i + 1];
        for (int line = 0; line < w->lines; line++) {
            uint64_t *const counts[] = {w->requests, w->errors, w->passes};
            for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
                uint64_t *c = counts[k] + (size_t)line * WINDOWS;
                c[i] = c[2 * i] + c[2 * i + 1];
            }
            for (size_t b = 0; b < HIST_COARSE; b++)
                window_bucket(w, line, i)[b] = window_bucket(w, line, 2 * i)[b] + window_bucket(w, line, 2 * i + 1)[b];
        }
    }
    w->n = WINDOWS / 2;
    w->every_s *= 2;
}

static void window_line(struct windows *w, const struct load *l, int line, size_t i, struct load_hist *scratch)
{
    const struct load_counts *c = load_counts(l, line);
    const struct load_counts *before = &w->last_counts[line];
    bool transaction = load_series_of(l)->row[line].kind == LOAD_SERIES_TRANSACTION;
    const struct load_hist *h = load_hist(l, line, transaction ? LOAD_PASS : LOAD_LATENCY);
    size_t at = (size_t)line * WINDOWS + i;
    w->passes[at] = c->passes - before->passes;
    w->requests[at] = transaction ? w->passes[at] : c->completed - before->completed;
    w->errors[at] = transaction ? c->passes_failed - before->passes_failed : load_errors(c) - load_errors(before);
    *scratch = *h;
    memset(window_bucket(w, line, i), 0, HIST_COARSE * sizeof(uint64_t));
    if (hist_subtract(scratch, &w->last[line], NULL) == 0) // always: cumulative histograms only grow
        hist_rebin(scratch, hist_coarse_edges_us(), HIST_COARSE, window_bucket(w, line, i));
    w->last[line] = *h;
    w->last_counts[line] = *c;
}

// Closes a window when it is long enough, or at the end.
static void windows_take(struct windows *w, const struct load *l, bool last)
{
    double now_s = (double)load_generator(l)->running_ns / 1e9, begun_s = w->n ? w->end_s[w->n - 1] : 0;
    if (now_s <= begun_s || (!last && now_s < begun_s + w->every_s))
        return;
    if (w->n == WINDOWS)
        windows_halve(w);
    struct load_hist *scratch = calloc(1, sizeof *scratch);
    if (!scratch)
        return; // the next one is longer
    for (int line = 0; line < w->lines; line++)
        window_line(w, l, line, w->n, scratch);
    w->end_s[w->n++] = now_s;
    free(scratch);
}

// ---- driving --------------------------------------------------------------------------------------------------------

static void end_line(struct driver *d)
{
    if (d->line_open)
        fputc('\n', stderr);
    d->line_open = false;
}

static void tell_events(struct driver *d)
{
    struct load_event e;
    while (load_next_event(d->load, &e)) {
        struct seep_buf safe;
        buf_init(&safe, 8192);
        esc_term(&safe, e.text, strlen(e.text));
        end_line(d);
        fprintf(stderr, "seep: %s\n", safe.data ? safe.data : "");
        buf_free(&safe);
    }
}

static void live_line(struct driver *d)
{
    if (d->opts->quiet || !isatty(STDERR_FILENO))
        return;
    const struct load_counts *c = load_counts(d->load, LOAD_ALL);
    const struct load_generator *g = load_generator(d->load);
    double seconds = (double)g->running_ns / 1e9,
           p99_us = hist_quantile(load_hist(d->load, LOAD_ALL, LOAD_LATENCY), .99);
    char at[32], of[32], n[32], p99[32];
    fprintf(stderr, "\r\033[K  %s / %s  %s requests  %.0f /s  errors %llu  p99 %s  in flight %u",
            units_clock(at, sizeof at, seconds), units_clock(of, sizeof of, d->length_s),
            units_count(n, sizeof n, (double)c->completed), seconds > 0 ? (double)c->completed / seconds : 0,
            (unsigned long long)load_errors(c), isnan(p99_us) ? "-" : units_duration(p99, sizeof p99, p99_us / 1e6),
            g->in_flight);
    fflush(stderr);
    d->line_open = true;
}

// One look at worker and signals; waits at most `ms`.
static void look(struct driver *d, int ms)
{
    struct pollfd p[2] = {{.fd = load_fd(d->load), .events = POLLIN}, {.fd = d->signal_fd, .events = POLLIN}};
    if (poll(p, 2, ms) < 0 && errno != EINTR)
        return;
    struct signalfd_siginfo info;
    if ((p[1].revents & POLLIN) && read(d->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        d->interrupted_by = (int)info.ssi_signo;
    int64_t before_ns = load_generator(d->load)->at_ns;
    load_poll(d->load);
    tell_events(d);
    if (load_generator(d->load)->at_ns != before_ns) { // a whole report came in
        windows_take(&d->windows, d->load, false);
        live_line(d);
    }
}

static bool over(const struct driver *d, double limit_s)
{
    return d->interrupted_by || load_state(d->load) == LOAD_LOST ||
           (double)(clock_mono_ns() - d->begin_ns) / 1e9 >= limit_s;
}

// 0, or -1 when the worker was lost or never ready; what it told until then is kept.
static int drive(struct driver *d, struct seep_err *err)
{
    d->begin_ns = clock_mono_ns();
    while (load_state(d->load) == LOAD_STARTING && !over(d, READY_WITHIN_S))
        look(d, 100);
    if (d->interrupted_by)
        return 0;
    if (load_state(d->load) != LOAD_READY)
        return seep_fail(err, SEEP_E_SYSTEM, "The load could not begin: its worker is %s.",
                         load_state_name(load_state(d->load)));
    if (load_begin(d->load, 0, err) < 0)
        return -1;
    d->begin_ns = clock_mono_ns();
    while (load_state(d->load) == LOAD_RUNNING && !over(d, d->length_s)) {
        double left_s = d->length_s - (double)(clock_mono_ns() - d->begin_ns) / 1e9;
        look(d, left_s < 0.2 ? (int)(left_s * 1000) + 1 : 200);
    }
    int stop_signal = d->interrupted_by;
    d->interrupted_by = 0; // a second signal cuts the grace short
    if (load_state(d->load) != LOAD_LOST && load_stop(d->load, STOP_GRACE_S, err) < 0)
        return -1;
    d->begin_ns = clock_mono_ns();
    while (load_state(d->load) == LOAD_STOPPING && !over(d, STOP_GRACE_S + 5))
        look(d, 100);
    if (stop_signal)
        d->interrupted_by = stop_signal;
    windows_take(&d->windows, d->load, true);
    end_line(d);
    if (load_state(d->load) == LOAD_LOST)
        return seep_fail(err, SEEP_E_SYSTEM, "The load worker was lost; the figures are what it told until then.");
    return 0;
}

// ---- gates ----------------------------------------------------------------------------------------------------------

struct judged {
    struct judge_gate gate;
    struct judge_gate_result result;
};

static bool is_ours(const struct judge_gate *g)
{
    return g->kind == JUDGE_M_QUANTILE || g->kind == JUDGE_M_ERRORS || g->kind == JUDGE_M_RATE ||
           g->kind == JUDGE_M_AVAILABILITY || g->kind == JUDGE_M_REQUESTS || g->kind == JUDGE_M_ITERATIONS;
}

static bool parse_gate(const struct profile_gate *g, struct judge_gate *out)
{
    struct judge_gate_text text = {
        .gate = g->expr, .over = g->over, .for_time = g->hold_for, .warn = g->warn, .vs = g->vs, .floor = g->floor};
    struct seep_err err;
    return judge_gate_parse(&text, NULL, 0, out, NULL, &err) == 0 && is_ours(out);
}

static const double *edges_s(void)
{
    static double edge[HIST_COARSE + 1];
    for (int i = 0; i <= HIST_COARSE; i++)
        edge[i] = hist_coarse_edges_us()[i] / 1e6;
    return edge;
}

// Returns how many gates apply; *out is malloc'ed (NULL: none, or no memory).
static int judge(const struct driver *d, const struct load_summary *sum, struct judged **out)
{
    const struct windows *w = &d->windows;
    struct judge_load *line = calloc((size_t)w->lines, sizeof *line);
    *out = calloc((size_t)d->profile->n_gates + 1, sizeof **out);
    int n = 0;
    for (int i = 0; line && i < w->lines; i++)
        line[i] = (struct judge_load){.labels = load_series_of(d->load)->row[i].labels,
                                      .t_s = w->end_s,
                                      .n = w->n,
                                      .requests = w->requests + (size_t)i * WINDOWS,
                                      .errors = w->errors + (size_t)i * WINDOWS,
                                      .passes = w->passes + (size_t)i * WINDOWS,
                                      .edge_s = edges_s(),
                                      .n_buckets = HIST_COARSE,
                                      .bucket = window_bucket(w, i, 0)};
    struct judge_data data = {
        .from_s = 0, .to_s = w->n ? w->end_s[w->n - 1] : 0, .load = line, .n_loads = (size_t)w->lines};
    for (int i = 0; line && *out && i < d->profile->n_gates; i++) {
        struct judged *j = &(*out)[n];
        if (!parse_gate(&d->profile->gates[i], &j->gate))
            continue;
        judge_gate_eval(&j->gate, &data, &j->result);
        if (sum->saturated && j->gate.kind != JUDGE_M_REQUESTS) {
            j->result.status = JUDGE_S_INCONCLUSIVE;
            snprintf(j->result.reason, sizeof j->result.reason, "%s", sum->why_saturated);
        }
        n++;
    }
    free(line);
    return n;
}

// ---- results --------------------------------------------------------------------------------------------------------

static void print_text(const struct load_summary *sum, const struct judged *gate, int n)
{
    struct seep_buf b;
    buf_init(&b, 1024 * 1024);
    load_summary_text(sum, &b);
    for (int i = 0; i < n; i++) {
        char value[32], limit[32];
        const struct judged *j = &gate[i];
        buf_printf(&b, "  gate      %-13s %s  %s %s %s", judge_status_name(j->result.status), j->gate.name,
                   judge_format(value, sizeof value, j->result.value, j->gate.unit), judge_op_name(j->gate.op),
                   judge_format(limit, sizeof limit, j->gate.limit, j->gate.unit));
        if (j->result.status == JUDGE_S_INCONCLUSIVE)
            buf_printf(&b, "  (%s)", j->result.reason);
        buf_char(&b, '\n');
    }
    fputs(b.data ? b.data : "", stdout);
    buf_free(&b);
}

static void print_json(const struct load_summary *sum, const struct judged *gate, int n)
{
    struct seep_buf b;
    struct jsonw w;
    buf_init(&b, 16 * 1024 * 1024);
    jsonw_init(&w, &b, true);
    jsonw_object(&w, NULL);
    jsonw_string(&w, "schema", "seep.load/1");
    load_summary_json(sum, &w, "load");
    jsonw_array(&w, "gates");
    for (int i = 0; i < n; i++) {
        const struct judged *j = &gate[i];
        jsonw_object(&w, NULL);
        jsonw_string(&w, "name", j->gate.name);
        jsonw_string(&w, "status", judge_status_name(j->result.status));
        jsonw_double(&w, "value", j->result.value);
        jsonw_double(&w, "limit", j->gate.limit);
        jsonw_string(&w, "unit", units_name(judge_unit_of(j->gate.unit)));
        jsonw_string(&w, "reason", j->result.reason);
        jsonw_end_object(&w);
    }
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    printf("%s\n", b.data ? b.data : "");
    buf_free(&b);
}

static int finish(const struct driver *d)
{
    struct load_summary sum;
    struct judged *gate;
    struct seep_err err;
    if (load_summary(d->load, &sum, &err) < 0)
        return cmd_fail(&err);
    int n = judge(d, &sum, &gate), status = CMD_PASS;
    for (int i = 0; gate && i < n; i++) {
        if (gate[i].result.status == JUDGE_S_FAIL)
            status = CMD_FAIL;
    }
    if (d->opts->format && strcmp(d->opts->format, "json") == 0)
        print_json(&sum, gate, n);
    else
        print_text(&sum, gate, n);
    free(gate);
    load_summary_free(&sum);
    return d->interrupted_by ? 128 + d->interrupted_by : status;
}

static struct profile *read_profile(const struct load_opts *o, int n, char **names, struct seep_err *err)
{
    struct profile *p = NULL;
    char *shipped = cmd_own_path("share/seep/profiles", err);
    if (!shipped)
        return NULL;
    struct profile_sources sources = {.names = (const char *const *)names,
                                      .n_names = n,
                                      .overrides = o->overrides.items,
                                      .n_overrides = o->overrides.n,
                                      .shipped_dir = shipped};
    int failed = profile_load(&sources, &p, err);
    free(shipped);
    if (!failed && cmd_check_gates(p, err) == 0) {
        if (p->n_loads)
            return p;
        seep_fail(err, SEEP_E_USAGE, "%s has no load: add a `load:` with rate or users, and scenarios.", names[n - 1]);
    }
    profile_free(p);
    return NULL;
}

static int signals_to_fd(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int drive_profile(struct driver *d)
{
    struct seep_err err = {0};
    struct load_options options_load = {.report_interval_ms = 500};
    d->length_s = d->opts->duration_s > 0 ? d->opts->duration_s : load_duration_s(d->profile);
    if (load_start(d->profile, "/proc/self/exe", &options_load, &d->load, &err) < 0 ||
        windows_open(&d->windows, load_series_of(d->load)->n, &err) < 0)
        return cmd_fail(&err);
    int failed = drive(d, &err);
    int status = finish(d);
    return failed ? cmd_fail(&err) : status;
}

static int run(int argc, char **argv, void *opts)
{
    struct driver d = {.opts = opts};
    struct seep_err err = {0};
    if (argc == 0)
        return cmd_usage_error("load", "it wants a profile with a load");
    d.profile = read_profile(opts, argc, argv, &err);
    if (!d.profile)
        return cmd_fail(&err);
    d.signal_fd = signals_to_fd();
    int status = drive_profile(&d);
    load_free(d.load);
    windows_close(&d.windows);
    profile_free(d.profile);
    if (d.signal_fd >= 0)
        close(d.signal_fd);
    return status;
}

const struct cmd_command cmd_load = {
    .name = "load",
    .summary = "drive the load of a profile alone",
    .usage = "PROFILE...",
    .description = description,
    .options = options,
    .examples = examples,
    .opts_size = sizeof(struct load_opts),
    .run = run,
};
