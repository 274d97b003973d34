// Variants side by side: see variants.h.
//
// Each variant of each round is a `seep run` of its own, as a child, so that one cannot disturb another's supervisor
// and each is stored as any run. Rounds go there and back (a b, b a, a b, ...): what drifts on the machine meanwhile
// touches all alike. Only complete rounds are compared, so that every figure has its partners.
#include "cmd/variants.h"
#include "cmd/report_run.h"
#include "cmd/variants_group.h"
#include "report/compare.h"

#include <ctype.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NAME_BYTES = 64 };

// ---- what is asked for

int variants_find(const struct variants_group *g, const char *text, size_t len)
{
    for (int i = 0; i < g->v.n; i++)
        if (strlen(g->v.one[i].name) == len && !strncmp(g->v.one[i].name, text, len))
            return i;
    return -1;
}

static int take_names(struct variants_group *g, struct seep_err *err)
{
    for (int i = 0; i < g->opt->variants.n; i++) {
        const char *text = g->opt->variants.items[i];
        size_t len = strcspn(text, "=");
        bool good = len > 0 && len < VARIANTS_NAME_BYTES && text[len] == '=' && text[len + 1] &&
                    isalpha((unsigned char)text[0]);
        for (size_t k = 0; k < len; k++)
            good &= isalnum((unsigned char)text[k]) || text[k] == '_';
        if (!good)
            return seep_fail(err, SEEP_E_USAGE,
                             "--variant is NAME=PROFILE or NAME=KEY=VALUE, as in a=ours.yaml, not '%.60s'", text);
        if (variants_find(g, text, len) >= 0)
            continue;
        if (g->v.n == VARIANTS_MAX)
            return seep_fail(err, SEEP_E_USAGE, "There are more than %d variants", VARIANTS_MAX);
        struct variants_one *one = &g->v.one[g->v.n++];
        one->instances = NAN;
        snprintf(one->name, sizeof one->name, "%.*s", (int)len, text);
    }
    return g->v.n < 2 ? seep_fail(err, SEEP_E_USAGE, "Two variants at least are needed to compare") : 0;
}

static int take_instances(struct variants_group *g, struct seep_err *err)
{
    for (int i = 0; i < g->opt->instances.n; i++) {
        const char *text = g->opt->instances.items[i];
        size_t len = strcspn(text, "=");
        int k = variants_find(g, text, len);
        char *end = NULL;
        long n = text[len] ? strtol(text + len + 1, &end, 10) : 0;
        if (k < 0 || n < 1 || n > 100000 || *end)
            return seep_fail(err, SEEP_E_USAGE, "--instances is NAME=N with the name of a variant, not '%.60s'", text);
        g->v.one[k].instances = (double)n;
    }
    return 0;
}

// ---- figures of a round

static void put(struct variants *v, int k, int round, const char *name, enum judge_unit unit, double value, bool listed)
{
    struct variants_figure *f = isfinite(value) ? variants_figure(v, name, unit) : NULL;
    if (!f)
        return;
    f->value[k][round] = value;
    f->listed |= listed;
}

static void take_times(struct variants *v, int k, int round, const char *labels, const struct hist_figures *h)
{
    const struct {
        const char *name;
        double us;
    } all[] = {{"p50", h->p50_us},   {"p90", h->p90_us},   {"p95", h->p95_us}, {"p99", h->p99_us},
               {"p999", h->p999_us}, {"mean", h->mean_us}, {"max", h->max_us}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        char name[192];
        snprintf(name, sizeof name, *labels ? "http.%s{%s}" : "http.%s", all[i].name, labels);
        put(v, k, round, name, JUDGE_U_SECONDS, all[i].us / 1e6, !*labels && all[i].name[0] == 'p');
    }
}

static void take_row(struct variants *v, int k, int round, const struct load_summary_row *row)
{
    char name[192];
    const char *labels = row->labels ? row->labels : "";
    take_times(v, k, round, labels, row->kind == LOAD_SERIES_TRANSACTION ? &row->pass : &row->latency);
    snprintf(name, sizeof name, *labels ? "http.rate{%s}" : "http.rate", labels);
    put(v, k, round, name, JUDGE_U_PER_S, row->rate_per_s, false);
    snprintf(name, sizeof name, *labels ? "http.errors{%s}" : "http.errors", labels);
    put(v, k, round, name, JUDGE_U_RATIO, row->error_ratio, false);
}

// What the report judges comes first: it leaves out the time of faults. The summary of the load adds what it has no
// figures for, and the gates of the run what is the profile's own (scraped series, metrics).
static void take_run(struct variants *v, int k, int round, const struct report *r)
{
    v->one[k].round[round].verdict = judge_final_name(r->final.verdict);
    for (size_t i = 0; i < r->n_measures; i++)
        put(v, k, round, r->measures[i].name, r->measures[i].unit, r->measures[i].measure.value, true);
    for (size_t i = 0; i < r->n_gates; i++)
        if (!r->gates[i].gate.vs_baseline)
            put(v, k, round, r->gates[i].gate.name, r->gates[i].result.unit, r->gates[i].result.value, true);
    if (!r->has_load)
        return;
    take_row(v, k, round, &r->load.all);
    for (int i = 0; i < r->load.n_rows; i++)
        take_row(v, k, round, &r->load.row[i]);
}

static int take_round(struct variants_group *g, int round, struct seep_err *err)
{
    struct report *first = NULL;
    int rc = 0;
    for (int k = 0; k < g->v.n && rc == 0; k++) {
        const struct report_options what = {.skip = REPORT_SKIP_CHARTS, .max_stacks = 20};
        struct report *r = NULL;
        struct compare *c = NULL;
        rc = cmd_build_report_with(g->results, g->v.one[k].round[round].run, &what, &r, err);
        if (rc == 0)
            take_run(&g->v, k, round, r);
        if (rc == 0 && first)
            rc = compare_build(first, r, &(struct compare_options){.share = COMPARE_SHARE_DEFAULT}, &c, err);
        if (c)
            g->v.one[k].rounds_worse += compare_exit_code(c) == CMD_FAIL;
        compare_free(c);
        if (k == 0)
            first = r;
        else
            report_free(r);
    }
    report_free(first);
    g->v.rounds = rc == 0 ? round + 1 : g->v.rounds;
    return rc;
}

// ---- the comparison

static int write_comparison(const struct variants_group *g, struct seep_err *err)
{
    struct seep_buf out;
    const char *format = g->opt->format;
    int rc = 0;
    buf_init(&out, 8u << 20);
    if (!strcmp(format, "json"))
        variants_json(&g->v, &out);
    else if (!strcmp(format, "md"))
        variants_markdown(&g->v, &out);
    else if (!strcmp(format, "html"))
        rc = variants_html(&g->v, &out, err);
    else
        variants_text(&g->v, &out);
    if (rc == 0)
        rc = buf_check(&out, "The comparison", err) || cmd_write_out(g->opt->output, &out, err) ? -1 : 0;
    buf_free(&out);
    return rc;
}

static int conclude(struct variants_group *g, int *status, struct seep_err *err)
{
    if (variants_judge_gates(g, err))
        return -1;
    for (int i = 0; i < g->v.n_gates; i++) {
        enum judge_status s = g->v.gate[i].status;
        if (s != JUDGE_S_PASS && *status != CMD_FAIL)
            *status = s == JUDGE_S_FAIL ? CMD_FAIL : CMD_INCONCLUSIVE;
    }
    return write_comparison(g, err);
}

static void default_name(char *out, size_t size)
{
    struct tm tm;
    time_t now = time(NULL);
    gmtime_r(&now, &tm);
    strftime(out, size, "variants-%Y%m%d-%H%M%S", &tm);
}

static int run_all(struct variants_group *g, int *final, struct seep_err *err)
{
    int rc = 0;
    for (int r = 0; r < g->v.planned && rc == 0 && !*final; r++) {
        rc = variants_round(g, r, final, err);
        if (rc == 0 && !*final)
            rc = take_round(g, r, err);
        if (rc == 0 && !*final && r == 0)
            rc = variants_check_figures(g, err);
    }
    return rc;
}

static int run_group(struct variants_group *g, struct seep_err *err)
{
    char early[200];
    int final = 0, status = CMD_PASS;
    if (take_names(g, err) || take_instances(g, err) || variants_check_gates(g, err))
        return cmd_fail(err);
    variants_block_signals();
    if (run_all(g, &final, err))
        return cmd_fail(err);
    if (final) {
        snprintf(early, sizeof early, "%s: %d of %d rounds are complete and compared.",
                 g->signal ? "Interrupted" : "A run failed, see above", g->v.rounds, g->v.planned);
        g->v.ended_early = early;
    }
    if (g->v.rounds > 0 && conclude(g, &status, err))
        return cmd_fail(err);
    if (g->v.rounds == 0)
        fputs("seep: no round is complete, so nothing can be compared; its runs are kept\n", stderr);
    return final ? final : status;
}

int cmd_run_variants(const struct cmd_variants *v, const struct cmd_run_profile *profile, const char *results,
                     const char *group, int argc, char **argv)
{
    char name[NAME_BYTES];
    struct seep_err err = {0};
    struct variants_group *g = calloc(1, sizeof *g);
    struct variants_figure *figures = calloc(VARIANTS_FIGURES_MAX, sizeof *figures);
    struct variants_gate *gates = calloc((size_t)v->gates.n + 1, sizeof *gates);
    int rc = CMD_ERROR;
    if (g && figures && gates) {
        default_name(name, sizeof name);
        *g = (struct variants_group){.opt = v, .profile = profile, .argc = argc, .argv = argv};
        g->results = cmd_results_dir(results);
        g->v.name = group ? group : name;
        g->v.at_once = v->at_once;
        g->v.planned = v->rounds > 0 ? (int)v->rounds : 1;
        g->v.figure = figures;
        g->v.gate = gates;
        rc = run_group(g, &err);
    } else {
        seep_fail(&err, SEEP_E_SYSTEM, "There is no memory for the variants");
        rc = cmd_fail(&err);
    }
    free(gates);
    free(figures);
    free(g);
    return rc;
}
