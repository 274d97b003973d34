// `seep run`: the main job.
#include "run/run.h"
#include "cmd/command.h"
#include "cmd/confirm.h"
#include "cmd/default_baseline.h"
#include "cmd/gates.h"
#include "cmd/load_run_profile.h"
#include "cmd/report_run.h"
#include "cmd/variants.h"
#include "load/validate.h"

#include <stdlib.h>
#include <string.h>

struct run_opts {
    struct cmd_run_profile profile;
    const char *results, *name, *output, *baseline;
    bool detach, quiet, confirm;
    struct cmd_variants variants;
};

static const struct run_opts defaults = {.output = "log", .variants = {.format = "text", .rounds = 1}};

static const struct cmd_option options[] = {
    CMD_RUN_PROFILE_OPTIONS(struct run_opts, profile),
    CMD_OPTION_RESULTS(struct run_opts, results),
    {.name = "name",
     .arg = "ID",
     .type = CMD_STRING,
     .offset = offsetof(struct run_opts, name),
     .help = "the run's id (default: date, time and four random digits)"},
    {.name = "baseline",
     .arg = "RUN",
     .type = CMD_STRING,
     .offset = offsetof(struct run_opts, baseline),
     .help = "the run that gates with vs: baseline are compared with (the one of seep baseline)"},
    {.name = "output",
     .arg = "WHERE",
     .type = CMD_CHOICE,
     .choices = "log|tee|inherit",
     .offset = offsetof(struct run_opts, output),
     .help = "the target's output: captured, captured and shown, or left on this terminal (default log)"},
    {.name = "detach",
     .type = CMD_FLAG,
     .offset = offsetof(struct run_opts, detach),
     .help = "go into the background once the target is ready"},
    {.name = "confirm",
     .type = CMD_FLAG,
     .offset = offsetof(struct run_opts, confirm),
     .help = "afterwards replay it under valgrind, as seep confirm does; the run's exit status stays"},
    {.name = "quiet",
     .letter = 'q',
     .type = CMD_FLAG,
     .offset = offsetof(struct run_opts, quiet),
     .help = "no progress lines"},
    {.name = "variant",
     .arg = "NAME=WHAT",
     .type = CMD_LIST,
     .offset = offsetof(struct run_opts, variants.variants),
     .help = "run this variant too: WHAT is a profile, or KEY=VALUE as of -o (repeatable; at least two names)"},
    {.name = "rounds",
     .arg = "N",
     .type = CMD_INT,
     .min = 1,
     .max = 20,
     .offset = offsetof(struct run_opts, variants.rounds),
     .help = "with --variant: run all of them so often, there and back (default 1)"},
    {.name = "at-once",
     .type = CMD_FLAG,
     .offset = offsetof(struct run_opts, variants.at_once),
     .help = "with --variant: all variants of a round at the same time"},
    {.name = "gate",
     .arg = "GATE",
     .type = CMD_LIST,
     .offset = offsetof(struct run_opts, variants.gates),
     .help = "with --variant: a gate across variants, e.g. 'p99(b) - p99(a) < 1ms' (repeatable)"},
    {.name = "instances",
     .arg = "NAME=N",
     .type = CMD_LIST,
     .offset = offsetof(struct run_opts, variants.instances),
     .help = "with --variant: the variant is so many instances; the comparison then says how throughput scales"},
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .type = CMD_CHOICE,
     .choices = "text|json|md|html",
     .offset = offsetof(struct run_opts, variants.format),
     .help = "with --variant: how the comparison is written (default text)"},
    {.name = "comparison",
     .letter = 'O',
     .arg = "FILE",
     .type = CMD_STRING,
     .offset = offsetof(struct run_opts, variants.output),
     .help = "with --variant: write the comparison to FILE, whole or not at all, instead of standard output"},
    {0},
};

static const char *const description[] = {
    "Runs a program for the time given, drives its load, samples memory and every other leakable resource, attributes "
    "heap "
    "growth to call stacks, judges growth rates against budgets, checks that the program shuts down in order, and says "
    "PASS, FAIL "
    "or INCONCLUSIVE with an exit code and a report.",
    "Without a profile the target may be any command: its heap, each of its call stacks and its descriptors are judged "
    "against "
    "1 MB/h, 1 MB/h and 1/h. An end with status 0 before the time is over is then no fault.",
    "The first Ctrl-C stops the target in order and judges what was measured; a second one ends it at once. Ctrl-\\ "
    "leaves the "
    "target running: see seep resume.",
    NULL,
};

static const struct cmd_example examples[] = {
    {"seep run --duration 2m -- redis-server --port 7001", "any program, no profile"},
    {"seep run -p pr-10m -- ./server", "the ten-minute leak check of a pull request"},
    {"seep run -p nightly-24h -p ours.yaml --detach", "a day's soak in the background"},
    {"seep run -p ours.yaml --variant a=a.yaml --variant b=b.yaml --rounds 3 --gate 'memory(b) <= memory(a)'",
     "two builds on the same load"},
    {0},
};

static int run(int argc, char **argv, void *opts);

const struct cmd_command cmd_run = {
    .name = "run",
    .summary = "soak a program and judge whether it stays stable",
    .usage = "[-- CMD [ARG]...]",
    .description = description,
    .options = options,
    .examples = examples,
    .opts_size = sizeof(struct run_opts),
    .defaults = &defaults,
    .run = run,
    .first_stops = true,
};

// The figures of the baseline run, judged by this run's gates; NULL without one.
static int read_baseline_of(const struct run_opts *o, const char *name, const struct profile *profile, char **values,
                            struct seep_err *err)
{
    const struct report_options what = {.skip = REPORT_SKIP_STACKS | REPORT_SKIP_CHARTS, .profile = profile};
    const char *missing = NULL;
    struct report *r = NULL;
    *values = NULL;
    if (!name)
        return 0;
    if (cmd_build_report_with(o->results, name, &what, &r, err))
        return -1;
    *values = report_baseline_values(r, &missing);
    int rc = !*values  ? seep_fail(err, SEEP_E_SYSTEM, "memory ran out")
             : missing ? seep_fail(err, SEEP_E_USAGE, "The baseline '%.100s' has no figure for the gate on %.100s",
                                   name, missing)
                       : 0;
    report_free(r);
    return rc;
}

static bool compares(const struct profile *p)
{
    for (int i = 0; i < p->n_gates; i++)
        if (p->gates[i].vs)
            return true;
    return false;
}

// The run that was named, else the one in force for this profile and program, when a gate asks for one.
static int read_baseline(const struct run_opts *o, const struct profile *profile, char **values, struct seep_err *err)
{
    char *name = o->baseline ? strdup(o->baseline) : NULL;
    struct seep_err why = {0};
    if (!name && compares(profile) && profile->target.argc > 0)
        name = cmd_default_baseline(o->results, profile->name, profile->target.argv[0], &why);
    int rc = why.code ? seep_fail(err, why.code, "%s", why.text) : read_baseline_of(o, name, profile, values, err);
    free(name);
    return rc;
}

// An option that says nothing without --variant, or with it, is a mistake and no matter to pass over; NULL: none.
static const char *idle_option(const struct run_opts *o)
{
    const struct cmd_variants *v = &o->variants;
    if (v->variants.n > 0)
        return o->detach                  ? "--detach"
               : o->confirm               ? "--confirm"
               : o->baseline              ? "--baseline"
               : strcmp(o->output, "log") ? "--output"
                                          : NULL;
    return v->gates.n > 0              ? "--gate"
           : v->instances.n > 0        ? "--instances"
           : v->rounds != 1            ? "--rounds"
           : v->at_once                ? "--at-once"
           : v->output                 ? "--comparison"
           : strcmp(v->format, "text") ? "--format"
                                       : NULL;
}

static int refuse_idle(const struct run_opts *o, const char *option)
{
    if (o->variants.variants.n > 0)
        return cmd_usage_error("run", "%s does not go with --variant", option);
    if (!strcmp(option, "--gate"))
        return cmd_usage_error("run", "--gate is for gates across variants (--variant); a gate of the run itself is a "
                                      "key of the profile, such as -o 'gates=[heap.growth < 1MB/h]'");
    if (!strcmp(option, "--format"))
        return cmd_usage_error("run",
                               "--format is for the comparison of variants (--variant); for a run see seep report");
    return cmd_usage_error("run", "%s goes with --variant only", option);
}

static int run(int argc, char **argv, void *opts)
{
    const struct run_opts *o = opts;
    struct profile *profile = NULL;
    struct seep_err err = {0};
    char *baseline = NULL;
    if (o->confirm && o->detach)
        return cmd_usage_error("run", "--confirm waits for the run's end, and --detach does not: see seep confirm");
    const char *idle = idle_option(o);
    if (idle)
        return refuse_idle(o, idle);
    if (o->variants.variants.n > 0)
        return cmd_run_variants(&o->variants, &o->profile, o->results, o->name, argc, argv);
    if (cmd_load_run_profile(&o->profile, (const char *const *)argv, argc, &profile, &err) ||
        cmd_check_gates(profile, &err) || load_validate(profile, &err) || read_baseline(o, profile, &baseline, &err)) {
        free(baseline);
        profile_free(profile);
        return cmd_fail(&err);
    }
    struct run_options ro = {.profile = profile,
                             .baseline = baseline,
                             .results_dir = cmd_results_dir(o->results),
                             .name = o->name,
                             .output = !strcmp(o->output, "tee")       ? RUN_OUTPUT_TEE
                                       : !strcmp(o->output, "inherit") ? RUN_OUTPUT_INHERIT
                                                                       : RUN_OUTPUT_LOG,
                             .detach = o->detach,
                             .quiet = o->quiet};
    struct run_result result = {0};
    int status = cmd_start_run(&ro, &result);
    if (o->confirm && result.has_report && status != CMD_INTERRUPTED && status != CMD_TERMINATED)
        cmd_confirm_run(&(struct cmd_confirming){
            .results = o->results, .word = result.dir, .argv = argv, .argc = argc, .quiet = o->quiet});
    profile_free(profile);
    free(baseline);
    return status;
}
