// `seep load`: the load driver alone, on a profile, with the profile's http gates judged on what it saw.
#include "base/clock.h"
#include "base/jsonw.h"
#include "base/units.h"
#include "cmd/command.h"
#include "cmd/gates.h"
#include "cmd/load_drive.h"
#include "cmd/load_limit.h"
#include "load/minutes.h"
#include "load/validate.h"
#include "report/hdr.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct load_opts {
    struct cmd_list overrides;
    const char *format;
    double duration_s;
    bool quiet;
    struct load_limit_opts limit;
};

static const struct cmd_option options[] = {
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .type = CMD_CHOICE,
     .choices = "text|json|hdr",
     .offset = offsetof(struct load_opts, format),
     .help = "of the result: text, json, or hdr, an HdrHistogram log (default text)"},
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
    {.name = "find-limit",
     .type = CMD_FLAG,
     .offset = offsetof(struct load_opts, limit.find),
     .help = "search for the highest load at which the gates hold"},
    {.name = "limit-most",
     .arg = "N",
     .type = CMD_INT,
     .min = 1,
     .max = 100000000,
     .offset = offsetof(struct load_opts, limit.most),
     .help = "search no higher than N requests a second, or users"},
    {.name = "limit-precision",
     .arg = "RATIO",
     .type = CMD_RATIO,
     .offset = offsetof(struct load_opts, limit.precision),
     .help = "how near the limit the search ends (default 5%)"},
    {.name = "limit-settle",
     .arg = "TIME",
     .type = CMD_DURATION,
     .offset = offsetof(struct load_opts, limit.settle_s),
     .help = "at each level, the time before it is measured (default 2s)"},
    {.name = "limit-measure",
     .arg = "TIME",
     .type = CMD_DURATION,
     .offset = offsetof(struct load_opts, limit.measure_s),
     .help = "at each level, the time that is measured (default 10s)"},
    {.name = "at-once",
     .arg = "N",
     .type = CMD_INT,
     .min = 2,
     .max = 10000,
     .offset = offsetof(struct load_opts, limit.at_once),
     .help = "with --find-limit: also compare N requests at once with one after the other"},
    {.name = "at-once-under",
     .arg = "FACTOR",
     .type = CMD_RATIO,
     .offset = offsetof(struct load_opts, limit.at_once_under),
     .help = "fail unless N at once take less than this share of one's time, e.g. 300%"},
    {0},
};

static const char *const description[] = {
    "Drives the load of a profile without starting or watching a target, and prints what came of it: requests, errors "
    "by kind, response times from the intended and from the real start. Several profiles are merged in order.",
    "The gates of the profile on http.* and load.* are judged; other gates do not apply here. With one of them failed "
    "the exit status is 1; with the generator itself the bottleneck they are inconclusive and it stays 0. It is 3 when "
    "another program that drives a load (exec) failed.",
    "--find-limit raises the rate (or the number of users) from that of the profile by doubling until a gate fails, "
    "bisects, and tries the highest level that held twice more; a level that was too much for the generator is tried "
    "again before it counts. Without gates on the load: http.errors < 1%. An open load that starts less than 95 % of "
    "what the level asks for has failed too. Then the load falls back from above the limit to half of it, and the time "
    "until the gates hold again is measured. The exit status is 0 when a limit was found, 3 when there is none to "
    "tell: "
    "nothing held, nothing failed, or the generator was the limit.",
    NULL,
};

static const struct cmd_example examples[] = {
    {"seep load ours.yaml", "drive the load of ours.yaml"},
    {"seep load ours.yaml --find-limit -o vars.base_url=http://127.0.0.1:8080",
     "the highest rate at which the gates hold"},
    {"seep load ours.yaml -d 30s -o load.rate=500/s -f json", "half a minute at another rate, as JSON"},
    {0},
};

// ---- results --------------------------------------------------------------------------------------------------------

static void print_text(const struct load_summary *sum, const struct load_judged *gate, int n)
{
    struct seep_buf b;
    buf_init(&b, 1024 * 1024);
    load_summary_text(sum, &b);
    for (int i = 0; i < n; i++) {
        char value[32], limit[32];
        const struct load_judged *j = &gate[i];
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

// The last hour, in the order of time; the minute that went on at the end stands last.
static void json_minutes(struct jsonw *w, struct load *l)
{
    struct load_minute minute[LOAD_MINUTES + 1];
    int n = load_last_hour(l, minute);
    jsonw_array(w, "minutes");
    for (int i = 0; i < n; i++) {
        const struct load_minute *m = &minute[i];
        jsonw_object(w, NULL);
        jsonw_double(w, "end_s", (double)m->end_ns / 1e9);
        jsonw_double(w, "seconds", m->seconds);
        jsonw_int(w, "requests", (int64_t)m->requests);
        jsonw_int(w, "errors", (int64_t)m->errors);
        jsonw_object(w, "latency_us");
        jsonw_double(w, "mean", m->mean_us);
        jsonw_double(w, "p50", m->p50_us);
        jsonw_double(w, "p95", m->p95_us);
        jsonw_double(w, "p99", m->p99_us);
        jsonw_end_object(w);
        jsonw_int(w, "in_flight", m->in_flight);
        jsonw_int(w, "users", m->users);
        jsonw_double(w, "generator_cpu", m->cpu_ratio);
        jsonw_int(w, "generator_rss_bytes", (int64_t)m->rss_bytes);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void print_json(struct load *l, const struct load_summary *sum, const struct load_judged *gate, int n)
{
    struct seep_buf b;
    struct jsonw w;
    buf_init(&b, 16 * 1024 * 1024);
    jsonw_init(&w, &b, true);
    jsonw_object(&w, NULL);
    jsonw_string(&w, "schema", "seep.load/1");
    load_summary_json(sum, &w, "load");
    json_minutes(&w, l);
    jsonw_array(&w, "gates");
    for (int i = 0; i < n; i++) {
        const struct load_judged *j = &gate[i];
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

static bool is_format(const struct load_opts *o, const char *name)
{
    return o->format && strcmp(o->format, name) == 0;
}

static int print_hdr(const struct load_drive *d)
{
    struct seep_err err;
    struct seep_buf b;
    const struct load_hist *h = load_hist(d->load, LOAD_ALL, LOAD_LATENCY);
    int64_t end_ns = clock_read().real_ns;
    buf_init(&b, 64 * 1024 * 1024);
    hdr_log_head(&b, end_ns - load_generator(d->load)->running_ns, "seep load");
    int failed = 0;
    for (int i = 0; !failed && i < load_series_of(d->load)->n; i++) {
        const struct load_series *s = &load_series_of(d->load)->row[i];
        bool transaction = s->kind == LOAD_SERIES_TRANSACTION;
        h = load_hist(d->load, i, transaction ? LOAD_PASS : LOAD_LATENCY);
        const struct hdr_interval at = {
            .tag = s->labels, .start_s = 0, .length_s = (double)load_generator(d->load)->running_ns / 1e9};
        failed = hdr_log_interval(&b, &at, h, &err);
    }
    if (!failed)
        failed = buf_check(&b, "The log of histograms", &err);
    if (!failed)
        fwrite(b.data, 1, b.len, stdout);
    buf_free(&b);
    return failed ? cmd_fail(&err) : CMD_PASS;
}

static int finish(const struct load_drive *d, const struct load_opts *opts)
{
    struct load_summary sum;
    struct load_judged *gate;
    struct seep_err err;
    if (load_summary(d->load, &sum, &err) < 0)
        return cmd_fail(&err);
    const struct load_windows *w = &d->windows;
    int n = load_drive_judge(d, 0, w->n ? w->end_s[w->n - 1] : 0, &sum, false, &gate), status = CMD_PASS;
    for (int i = 0; gate && i < n; i++) {
        if (gate[i].result.status == JUDGE_S_FAIL)
            status = CMD_FAIL;
    }
    if (is_format(opts, "json"))
        print_json(d->load, &sum, gate, n);
    else if (!is_format(opts, "hdr"))
        print_text(&sum, gate, n);
    else if (print_hdr(d) != CMD_PASS)
        status = CMD_ERROR;
    if (status == CMD_PASS && sum.programs_failed > 0)
        status = CMD_INCONCLUSIVE;
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
    if (!failed && !p->n_loads)
        failed = seep_fail(err, SEEP_E_USAGE, "%s has no load: add a `load:` with rate or users, and scenarios.",
                           names[n - 1]);
    if (!failed && cmd_check_gates(p, err) == 0 && load_validate(p, err) == 0)
        return p;
    profile_free(p);
    return NULL;
}

static int drive_profile(struct load_drive *d, const struct load_opts *opts)
{
    struct seep_err err = {0};
    d->length_s = opts->duration_s > 0 ? opts->duration_s : load_duration_s(d->profile);
    if (load_drive_open(d, &err) < 0)
        return cmd_fail(&err);
    int failed = load_drive_run(d, &err);
    int status = finish(d, opts);
    return failed ? cmd_fail(&err) : status;
}

static int run(int argc, char **argv, void *opts)
{
    const struct load_opts *o = opts;
    struct load_drive d = {.quiet = o->quiet};
    struct seep_err err = {0};
    if (argc == 0)
        return cmd_usage_error("load", "it wants a profile with a load");
    struct profile *p = read_profile(o, argc, argv, &err);
    if (!p)
        return cmd_fail(&err);
    d.profile = p;
    d.signal_fd = load_drive_signals();
    int status =
        o->limit.find ? load_limit(p, &o->limit, d.signal_fd, o->quiet, is_format(o, "json")) : drive_profile(&d, o);
    load_drive_close(&d);
    profile_free(p);
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
