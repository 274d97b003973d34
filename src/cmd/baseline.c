// `seep baseline`: the run that later ones are compared with, as a ratchet that never loosens silently.
#include "proof/baseline.h"
#include "base/clock.h"
#include "base/esc.h"
#include "base/fs.h"
#include "base/jsonw.h"
#include "cmd/command.h"
#include "cmd/default_baseline.h"
#include "cmd/report_run.h"
#include "report/digest.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct baseline_opts {
    const char *results, *reason, *format;
    double share;
};

static const struct baseline_opts defaults = {.format = "text", .share = COMPARE_SHARE_DEFAULT};

static const struct cmd_option options[] = {
    {.name = "reason",
     .arg = "TEXT",
     .type = CMD_STRING,
     .offset = offsetof(struct baseline_opts, reason),
     .help = "with accept: why a run that is worse, or cannot be compared, becomes the baseline"},
    {.name = "threshold",
     .arg = "SHARE",
     .type = CMD_RATIO,
     .offset = offsetof(struct baseline_opts, share),
     .help = "with set: how much of a figure may be lost, e.g. 5% (default 10%)"},
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .type = CMD_CHOICE,
     .choices = "text|json",
     .offset = offsetof(struct baseline_opts, format),
     .help = "with show: how to write it (default text)"},
    CMD_OPTION_RESULTS(struct baseline_opts, results),
    {0},
};

static const char *const description[] = {
    "For each profile and program one run is the baseline: gates with vs: baseline, seep compare baseline RUN, and "
    "sign-offs use it. It stands in baselines.json of the results directory, with the whole history of who, when and "
    "why; "
    "baselines are never pruned.",
    "set takes a run that passed and is nowhere worse than any baseline since the last one that was accepted, so that "
    "many small losses do not add up. It refuses with 1 a run that is worse, and with 3 one that cannot be compared. "
    "accept takes such a run, and keeps the reason.",
    NULL,
};

static const struct cmd_example examples[] = {
    {"seep baseline set last", "the last run, when nothing is worse than before"},
    {"seep baseline accept last --reason \"the cache is twice as large now, by design\"", "a loosening, on record"},
    {"seep baseline show", "what is in force, and how it came to be"},
    {0},
};

static int run(int argc, char **argv, void *opts);

const struct cmd_command cmd_baseline = {
    .name = "baseline",
    .summary = "set, accept or show the runs that others are compared with",
    .usage = "set RUN | accept RUN --reason TEXT | show",
    .description = description,
    .options = options,
    .examples = examples,
    .opts_size = sizeof(struct baseline_opts),
    .defaults = &defaults,
    .run = run,
};

static void who(char *out, size_t size)
{
    char host[128] = "unknown";
    struct passwd *pw = getpwuid(geteuid());
    gethostname(host, sizeof host - 1);
    snprintf(out, size, "%s@%s", pw ? pw->pw_name : "unknown", host);
}

// "FIGURE, FIGURE" of what became worse, for the sentence.
static void worse_figures(const struct compare *c, struct seep_buf *out)
{
    for (size_t i = 0; i < c->n_figures; i++)
        if (c->figures[i].difference.change == JUDGE_CHANGE_REGRESSION)
            buf_printf(out, "%s%s", out->len ? ", " : "", c->figures[i].name);
    if (c->n_worse_stacks > 0)
        buf_printf(out, "%s%zu call stacks", out->len ? ", " : "", c->n_worse_stacks);
}

static int refuse(const char *run, const char *held, const struct compare *c)
{
    struct seep_buf what;
    buf_init(&what, 600);
    worse_figures(c, &what);
    if (c->verdict == JUDGE_FAIL)
        fprintf(
            stderr,
            "seep: Run %s is worse than baseline %s: %s. If that is wanted: seep baseline accept %s --reason TEXT\n",
            run, held, what.data ? what.data : c->headline, run);
    else
        fprintf(stderr,
                "seep: Whether run %s is worse than baseline %s cannot be told: %s. seep baseline accept %s "
                "--reason TEXT takes it all the same\n",
                run, held, c->headline, run);
    buf_free(&what);
    return c->verdict == JUDGE_FAIL ? CMD_FAIL : CMD_INCONCLUSIVE;
}

// Against every baseline since the last accepted one. CMD_PASS, or the exit status with the reason told.
static int hold_ratchet(const struct baseline_opts *o, const struct baseline *b, const struct report *r)
{
    const struct report_options what = {.skip = REPORT_SKIP_CHARTS, .max_stacks = CMD_COMPARED_STACKS};
    const struct compare_options how = {.share = o->share};
    size_t n = 0;
    const struct baseline_entry *held = baseline_held(b, &n);
    int status = CMD_PASS;
    for (size_t i = n; status == CMD_PASS && i-- > 0;) {
        struct report *base = NULL;
        struct compare *c = NULL;
        struct seep_err err = {0};
        if (!strcmp(held[i].run, r->run))
            continue;
        if (cmd_build_report_with(o->results, held[i].run, &what, &base, &err) ||
            compare_build(base, r, &how, &c, &err))
            status = cmd_fail(&err);
        else if (c->verdict != JUDGE_PASS)
            status = refuse(r->run, held[i].run, c);
        compare_free(c);
        report_free(base);
    }
    return status;
}

// A history that is gone must not be a way around the ratchet: the runs' own marks remember.
static int no_forgotten_mark(const struct baseline_opts *o, const struct report *r)
{
    char *run = cmd_marked_baseline(o->results, r->profile_name, baseline_target(r));
    if (!run)
        return CMD_PASS;
    fprintf(stderr,
            "seep: Run %s was a baseline of profile %s, and the history says nothing of it. seep baseline accept %s "
            "--reason TEXT begins a new one\n",
            run, r->profile_name, r->run);
    free(run);
    return CMD_FAIL;
}

static int may_set(const struct baseline_opts *o, const struct baseline *b, const struct report *r)
{
    if (r->final.verdict != JUDGE_FINAL_PASS) {
        fprintf(stderr,
                "seep: Run %s did not pass (%s), and a baseline is a run that did. If that is wanted: seep baseline "
                "accept %s --reason TEXT\n",
                r->run, judge_final_name(r->final.verdict), r->run);
        return r->final.verdict == JUDGE_FINAL_INCONCLUSIVE ? CMD_INCONCLUSIVE : CMD_FAIL;
    }
    return b ? hold_ratchet(o, b, r) : no_forgotten_mark(o, r);
}

static int put(const struct baseline_opts *o, const char *how, const struct report *r)
{
    char by[200];
    struct baselines *all = NULL;
    struct seep_err err = {0};
    who(by, sizeof by);
    if (baseline_load(cmd_results_dir(o->results), true, &all, &err))
        return cmd_fail(&err);
    const struct baseline *b = baseline_find(all, r->profile_name, baseline_target(r));
    int status = strcmp(how, "set") ? CMD_PASS : may_set(o, b, r);
    if (status == CMD_PASS && b && !strcmp(baseline_run(b), r->run)) {
        printf("%s is the baseline already\n", r->run);
    } else if (status == CMD_PASS) {
        const struct baseline_entry entry = {.run = (char *)r->run,
                                             .how = (char *)how,
                                             .reason = (char *)o->reason,
                                             .by = by,
                                             .sha256 = (char *)r->target.sha256,
                                             .build_id = (char *)r->target.build_id,
                                             .at_ns = clock_read().real_ns};
        if (baseline_add(all, r->profile_name, baseline_target(r), &entry, &err))
            status = cmd_fail(&err);
        else
            printf("%s is the baseline of profile %s and %s\n", r->run, r->profile_name, baseline_target(r));
    }
    baseline_free(all);
    return status;
}

// The run's own directory name is what others will look for.
static int take_run(const struct baseline_opts *o, const char *how, const char *word)
{
    const struct report_options what = {.skip = REPORT_SKIP_CHARTS, .max_stacks = CMD_COMPARED_STACKS};
    struct report *r = NULL;
    struct seep_err err = {0};
    if (cmd_build_report_with(o->results, word, &what, &r, &err))
        return cmd_fail(&err);
    int status;
    if (r->live)
        status = cmd_usage_error("baseline", "run %s has not ended", r->run);
    else if (!r->run || !fs_name_ok(r->run) || cmd_edited(o->results, r->run, &err))
        status = err.code ? cmd_fail(&err) : cmd_usage_error("baseline", "the run has no name");
    else
        status = put(o, how, r);
    report_free(r);
    return status;
}

// ---- show -----------------------------------------------------------------------------------------------------------

static void put_safe(const char *text)
{
    struct seep_buf b;
    buf_init(&b, 8192);
    esc_term(&b, text, strnlen(text, 2000));
    printf("%s", b.data ? b.data : "");
    buf_free(&b);
}

static void show_text(const struct baselines *all)
{
    char when[32];
    for (size_t i = 0; i < all->n; i++) {
        const struct baseline *b = &all->list[i];
        put_safe(b->profile);
        printf("  ");
        put_safe(b->target);
        printf("  %s\n", baseline_run(b));
        for (size_t k = b->n; k-- > 0;) {
            const struct baseline_entry *e = &b->entries[k];
            printf("  %s  %-6s  %s  by ", clock_iso8601(when, e->at_ns), e->how, e->run);
            put_safe(e->by ? e->by : "unknown");
            if (e->reason) {
                printf(": ");
                put_safe(e->reason);
            }
            printf("\n");
        }
    }
    if (all->n == 0)
        printf("There are no baselines (seep baseline set RUN).\n");
}

static int show(const struct baseline_opts *o)
{
    struct baselines *all = NULL;
    struct seep_err err = {0};
    struct seep_buf text;
    buf_init(&text, 16u << 20);
    int failed = baseline_load(cmd_results_dir(o->results), false, &all, &err);
    if (!failed && strcmp(o->format, "json"))
        show_text(all);
    else if (!failed && baseline_json(all, &text, &err) == 0)
        failed = cmd_write_out(NULL, &text, &err);
    buf_free(&text);
    baseline_free(all);
    return failed || err.code ? cmd_fail(&err) : CMD_PASS;
}

static int run(int argc, char **argv, void *opts)
{
    const struct baseline_opts *o = opts;
    const char *verb = argc > 0 ? argv[0] : "show";
    bool accept = !strcmp(verb, "accept"), set = !strcmp(verb, "set");
    if (!accept && !set && strcmp(verb, "show"))
        return cmd_usage_error("baseline", "there is no '%.40s': set RUN, accept RUN --reason TEXT, or show", verb);
    if (!accept && !set)
        return argc > 1 ? cmd_usage_error("baseline", "show takes no run") : show(o);
    if (argc != 2)
        return cmd_usage_error("baseline", "%s takes one run", verb);
    if (accept && (!o->reason || !o->reason[strspn(o->reason, " \t\n")]))
        return cmd_usage_error("baseline", "accept needs --reason TEXT: why a worse run is right");
    if (set && o->reason)
        return cmd_usage_error("baseline", "set takes no --reason: it refuses what would need one; see accept");
    return take_run(o, verb, argv[1]);
}
