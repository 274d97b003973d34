// Driving a load from the command line: see load_drive.h.
#include "cmd/load_drive.h"
#include "base/clock.h"
#include "base/esc.h"
#include "base/units.h"
#include "cmd/command.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { READY_WITHIN_S = 20, STOP_GRACE_S = 10, REPORT_MS = 500 };

int load_drive_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int load_drive_open(struct load_drive *d, struct seep_err *err)
{
    struct load_options options = {.report_interval_ms = REPORT_MS};
    if (load_start(d->profile, "/proc/self/exe", &options, &d->load, err) < 0)
        return -1;
    return load_windows_open(&d->windows, d->load, err);
}

void load_drive_close(struct load_drive *d)
{
    load_free(d->load);
    d->load = NULL;
    load_windows_close(&d->windows);
}

// ---- watching -------------------------------------------------------------------------------------------------------

static void end_line(struct load_drive *d)
{
    if (d->line_open)
        fputc('\n', stderr);
    d->line_open = false;
}

static void tell_events(struct load_drive *d)
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

static void live_line(struct load_drive *d)
{
    if (d->quiet || !isatty(STDERR_FILENO))
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

// One look at workers and signals; waits at most `ms`.
static void look(struct load_drive *d, int ms)
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
        load_windows_take(&d->windows, d->load, false);
        live_line(d);
    }
}

static bool over(const struct load_drive *d, double limit_s)
{
    return d->interrupted_by || load_state(d->load) == LOAD_LOST ||
           (double)(clock_mono_ns() - d->begin_ns) / 1e9 >= limit_s;
}

static int stop(struct load_drive *d, struct seep_err *err)
{
    int stop_signal = d->interrupted_by;
    d->interrupted_by = 0; // a second signal cuts the grace short
    int failed = load_state(d->load) == LOAD_LOST ? 0 : load_stop(d->load, STOP_GRACE_S, err);
    d->begin_ns = clock_mono_ns();
    while (!failed && load_state(d->load) == LOAD_STOPPING && !over(d, STOP_GRACE_S + 5))
        look(d, 100);
    if (stop_signal)
        d->interrupted_by = stop_signal;
    load_windows_take(&d->windows, d->load, true);
    end_line(d);
    return failed;
}

int load_drive_run(struct load_drive *d, struct seep_err *err)
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
    if (stop(d, err) < 0)
        return -1;
    if (load_state(d->load) == LOAD_LOST)
        return seep_fail(err, SEEP_E_SYSTEM, "The load worker was lost; the figures are what it told until then.");
    return 0;
}

// ---- gates ----------------------------------------------------------------------------------------------------------

static bool is_amount(const struct judge_gate *g)
{
    return g->kind == JUDGE_M_REQUESTS || g->kind == JUDGE_M_ITERATIONS;
}

static bool is_ours(const struct judge_gate *g)
{
    return g->kind == JUDGE_M_QUANTILE || g->kind == JUDGE_M_ERRORS || g->kind == JUDGE_M_RATE ||
           g->kind == JUDGE_M_AVAILABILITY || is_amount(g);
}

// Within a step of a search there is only that step; what it amounts to, and what it is next to a baseline, says
// nothing of the level.
static bool fits_step(struct judge_gate *g)
{
    g->over = JUDGE_OVER_WHOLE;
    g->over_s = NAN;
    g->for_s = 0;
    return !is_amount(g) && g->kind != JUDGE_M_RATE && !g->vs_baseline && !g->warn_only;
}

static bool parse_gate(const struct profile_gate *g, bool in_step, struct judge_gate *out)
{
    struct judge_gate_text text = {
        .gate = g->expr, .over = g->over, .for_time = g->hold_for, .warn = g->warn, .vs = g->vs, .floor = g->floor};
    struct seep_err err;
    return judge_gate_parse(&text, NULL, 0, out, NULL, &err) == 0 && is_ours(out) && (!in_step || fits_step(out));
}

int load_drive_judge(const struct load_drive *d, double from_s, double to_s, const struct load_summary *sum,
                     bool in_step, struct load_judged **out)
{
    struct judge_load *line = calloc((size_t)d->windows.lines, sizeof *line);
    *out = calloc((size_t)d->profile->n_gates + 1, sizeof **out);
    int n = 0;
    if (line)
        load_windows_judge(&d->windows, d->load, line);
    struct judge_data data = {
        .from_s = from_s, .to_s = to_s, .load = line, .n_loads = line ? (size_t)d->windows.lines : 0};
    for (int i = 0; line && *out && i < d->profile->n_gates; i++) {
        struct load_judged *j = &(*out)[n];
        if (!parse_gate(&d->profile->gates[i], in_step, &j->gate))
            continue;
        judge_gate_eval(&j->gate, &data, &j->result);
        if (sum && sum->saturated && !is_amount(&j->gate)) {
            j->result.status = JUDGE_S_INCONCLUSIVE;
            snprintf(j->result.reason, sizeof j->result.reason, "%s", sum->why_saturated);
        }
        n++;
    }
    free(line);
    return n;
}
