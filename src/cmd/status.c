// `seep status`: a look at a run, from outside.
#include "base/jsonw.h"
#include "base/units.h"
#include "cmd/command.h"
#include "cmd/find_run.h"
#include "run/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct status_opts {
    const char *results, *format;
};

static const struct cmd_option options[] = {
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .type = CMD_CHOICE,
     .choices = "text|json",
     .offset = offsetof(struct status_opts, format),
     .help = "text, or json with the last hour of the load by minutes (default text)"},
    CMD_OPTION_RESULTS(struct status_opts, results),
    {0},
};

static const char *const description[] = {
    "Says whether a run goes on, in which phase and for how long yet, or how it ended. The exit status is 0 while it "
    "goes on, the "
    "run's own when it has ended, and 3 when its supervisor is gone: seep resume or seep finish it then.",
    NULL,
};

static int run(int argc, char **argv, void *opts);

const struct cmd_command cmd_status = {
    .name = "status",
    .summary = "look at a run that goes on, or at how it ended",
    .usage = "RUN",
    .description = description,
    .options = options,
    .opts_size = sizeof(struct status_opts),
    .run = run,
};

static void print_alive(const struct run_look *look)
{
    char now[32], total[32];
    printf("running  %s%ssupervisor %d", look->phase, look->phase[0] ? "  " : "", look->pid);
    if (look->target_pid)
        printf("  target %d", look->target_pid);
    if (!isnan(look->elapsed_s))
        printf("  %s / %s", units_clock(now, sizeof now, look->elapsed_s),
               units_clock(total, sizeof total, look->total_s));
    if (look->ticks != SEEP_UNKNOWN)
        printf("  %lld samples\n", (long long)look->ticks);
    else
        printf("  begins, ends or is too busy to answer\n");
    if (look->line[0])
        printf("%s\n", look->line);
}

static void json_minute(struct jsonw *w, const struct load_minute *m)
{
    jsonw_object(w, NULL);
    jsonw_double(w, "timestamp", (double)m->end_ns / 1e9);
    jsonw_double(w, "seconds", m->seconds);
    jsonw_object(w, "requests");
    jsonw_int(w, "total", (int64_t)m->requests);
    jsonw_int(w, "successful", (int64_t)(m->requests - m->errors));
    jsonw_int(w, "failed", (int64_t)m->errors);
    jsonw_double(w, "errorRate", m->requests ? (double)m->errors / (double)m->requests : NAN);
    jsonw_end_object(w);
    jsonw_object(w, "latency");
    jsonw_double(w, "mean", m->mean_us / 1e3);
    jsonw_double(w, "p50", m->p50_us / 1e3);
    jsonw_double(w, "p95", m->p95_us / 1e3);
    jsonw_double(w, "p99", m->p99_us / 1e3);
    jsonw_end_object(w);
    jsonw_end_object(w);
}

static void json_pid(struct jsonw *w, const char *key, int32_t pid)
{
    if (pid)
        jsonw_int(w, key, pid);
    else
        jsonw_null(w, key);
}

static void print_json(const struct run_look *look, const char *dir)
{
    static const char *const states[] = {
        [RUN_ALIVE] = "running", [RUN_ORPHANED] = "orphaned", [RUN_ENDED] = "ended", [RUN_BROKEN] = "broken"};
    struct load_minute hour[LOAD_MINUTES];
    int n = look->alive == RUN_ALIVE || look->alive == RUN_ENDED ? run_look_hour(dir, hour) : 0;
    struct seep_buf b;
    struct jsonw w;
    buf_init(&b, 1024 * 1024);
    jsonw_init(&w, &b, true);
    jsonw_object(&w, NULL);
    jsonw_string(&w, "schema", "seep.status/1");
    jsonw_string(&w, "state", states[look->alive]);
    jsonw_string(&w, "phase", look->phase[0] ? look->phase : NULL);
    json_pid(&w, "supervisor_pid", look->pid);
    json_pid(&w, "target_pid", look->target_pid);
    jsonw_double(&w, "elapsed_s", look->elapsed_s);
    jsonw_double(&w, "total_s", look->total_s);
    jsonw_int(&w, "ticks", look->ticks);
    if (look->alive == RUN_ENDED)
        jsonw_int(&w, "exit_code", look->exit_code);
    else
        jsonw_null(&w, "exit_code");
    jsonw_string(&w, "line", look->line[0] ? look->line : NULL);
    jsonw_array(&w, "lastHour");
    for (int i = 0; i < n; i++)
        json_minute(&w, &hour[i]);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    printf("%s\n", b.data ? b.data : "");
    buf_free(&b);
}

static void print_text(const struct run_look *look, const char *dir)
{
    if (look->alive == RUN_ALIVE)
        print_alive(look);
    else if (look->alive == RUN_ENDED)
        printf("ended  exit code %d\n", look->exit_code);
    else if (look->alive == RUN_ORPHANED && look->trouble[0])
        printf("orphaned  its supervisor is gone, its keeper lives%s and does not answer now (%s)\n",
               look->target_pid ? " with the target" : "", look->trouble);
    else if (look->alive == RUN_ORPHANED && look->target_pid)
        printf("orphaned  its supervisor is gone, target %d runs on; use: seep resume %s\n", look->target_pid, dir);
    else if (look->alive == RUN_ORPHANED)
        printf("orphaned  its supervisor is gone and its target has ended; use: seep finish %s\n", dir);
    else if (look->trouble[0])
        printf("broken  its supervisor is gone and its keeper cannot be asked (%s); use: seep finish %s\n",
               look->trouble, dir);
    else if (look->target_pid)
        printf("broken  its supervisor and its keeper are gone, target %d lives on as nobody's child; use: seep finish "
               "%s\n",
               look->target_pid, dir);
    else
        printf("broken  its supervisor and its keeper are gone; use: seep finish %s\n", dir);
}

static int run(int argc, char **argv, void *opts)
{
    const struct status_opts *o = opts;
    struct seep_err err = {0};
    struct run_look look;
    char *dir = cmd_find_run(cmd_results_dir(o->results), argc == 1 ? argv[0] : NULL, &err);
    if (!dir || run_look(dir, &look, &err)) {
        free(dir);
        return cmd_fail(&err);
    }
    if (o->format && !strcmp(o->format, "json"))
        print_json(&look, dir);
    else
        print_text(&look, dir);
    free(dir);
    return look.alive == RUN_ALIVE ? CMD_PASS : look.alive == RUN_ENDED ? look.exit_code : CMD_INCONCLUSIVE;
}
