// Variants side by side: see variants.h.
//
// Each variant of each round is a `seep run` of its own, as a child, so that one cannot disturb another's supervisor
// and each is stored as any run. Rounds go there and back (a b, b a, a b, ...): what drifts on the machine meanwhile
// touches all alike. Figures are medians over the rounds; gates across variants are expressions over them, in the
// language of scrape/expr.h.
#include "cmd/variants.h"
#include "base/jsonw.h"
#include "base/units.h"
#include "cmd/report_run.h"
#include "report/compare.h"
#include "scrape/expr.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { VARIANTS_MAX = 8, ROUNDS_MAX = 20, FIGURES_MAX = 64, ARGS_MAX = 512, NAME_BYTES = 32 };

struct figure {
    char name[64];
    enum judge_unit unit;
    double value[VARIANTS_MAX][ROUNDS_MAX]; // NaN unknown
};

struct group {
    const struct cmd_variants *opt;
    const struct cmd_run_profile *profile;
    const char *results, *name;
    int argc;
    char **argv;
    char variant[VARIANTS_MAX][NAME_BYTES];
    double instances[VARIANTS_MAX];
    int n, rounds;
    int status[VARIANTS_MAX][ROUNDS_MAX];
    int regressions[VARIANTS_MAX]; // rounds in which compare found it worse than the first variant
    struct figure figure[FIGURES_MAX];
    size_t n_figures;
};

// ---- what is asked for

static int variant_of(const struct group *g, const char *text, size_t len)
{
    for (int i = 0; i < g->n; i++)
        if (strlen(g->variant[i]) == len && !strncmp(g->variant[i], text, len))
            return i;
    return -1;
}

static int take_names(struct group *g, struct seep_err *err)
{
    for (int i = 0; i < g->opt->variants.n; i++) {
        const char *text = g->opt->variants.items[i];
        size_t len = strcspn(text, "=");
        bool good = len > 0 && len < NAME_BYTES && text[len] == '=' && text[len + 1] && isalpha((unsigned char)text[0]);
        for (size_t k = 0; k < len; k++)
            good &= isalnum((unsigned char)text[k]) || text[k] == '_';
        if (!good)
            return seep_fail(err, SEEP_E_USAGE,
                             "--variant is NAME=PROFILE or NAME=KEY=VALUE, as in a=ours.yaml, not '%.60s'", text);
        if (variant_of(g, text, len) >= 0)
            continue;
        if (g->n == VARIANTS_MAX)
            return seep_fail(err, SEEP_E_USAGE, "There are more than %d variants", VARIANTS_MAX);
        g->instances[g->n] = NAN;
        snprintf(g->variant[g->n++], NAME_BYTES, "%.*s", (int)len, text);
    }
    return g->n < 2 ? seep_fail(err, SEEP_E_USAGE, "Two variants at least are needed to compare") : 0;
}

static int take_instances(struct group *g, struct seep_err *err)
{
    for (int i = 0; i < g->opt->instances.n; i++) {
        const char *text = g->opt->instances.items[i];
        size_t len = strcspn(text, "=");
        int k = variant_of(g, text, len);
        char *end = NULL;
        long n = text[len] ? strtol(text + len + 1, &end, 10) : 0;
        if (k < 0 || n < 1 || n > 100000 || *end)
            return seep_fail(err, SEEP_E_USAGE, "--instances is NAME=N with the name of a variant, not '%.60s'", text);
        g->instances[k] = (double)n;
    }
    return 0;
}

// ---- running one

struct args {
    char *list[ARGS_MAX];
    int n;
    char text[3][160];
};

static void arg(struct args *a, const char *word)
{
    if (a->n < ARGS_MAX - 1)
        a->list[a->n++] = (char *)word;
}

static void two(struct args *a, const char *option, const char *word)
{
    arg(a, option);
    arg(a, word);
}

static bool is_override(const char *text)
{
    return strchr(text, '=') != NULL;
}

static void run_name(const struct group *g, int variant, int round, char *out, size_t size)
{
    snprintf(out, size, "%.90s-%.31s-%d", g->name, g->variant[variant], round + 1);
}

static void make_args(const struct group *g, int variant, int round, struct args *a)
{
    const struct cmd_run_profile *p = g->profile;
    size_t len = strlen(g->variant[variant]);
    arg(a, "seep");
    arg(a, "run");
    arg(a, "--quiet");
    run_name(g, variant, round, a->text[0], sizeof a->text[0]);
    two(a, "--name", a->text[0]);
    two(a, "--results", g->results);
    for (int i = 0; i < p->profiles.n; i++)
        two(a, "-p", p->profiles.items[i]);
    for (int pass = 0; pass < 2; pass++) { // its profiles before all overrides, its overrides after them
        for (int i = 0; pass == 1 && i < p->overrides.n; i++)
            two(a, "-o", p->overrides.items[i]);
        for (int i = 0; i < g->opt->variants.n; i++) {
            const char *text = g->opt->variants.items[i];
            if (strncmp(text, g->variant[variant], len) != 0 || text[len] != '=')
                continue;
            if (is_override(text + len + 1) == (pass == 1))
                two(a, pass ? "-o" : "-p", text + len + 1);
        }
    }
    if (p->duration_s > 0) {
        snprintf(a->text[1], sizeof a->text[1], "%.9gs", p->duration_s);
        two(a, "--duration", a->text[1]);
    }
    if (p->interval_s > 0) {
        snprintf(a->text[2], sizeof a->text[2], "%.9gs", p->interval_s);
        two(a, "--interval", a->text[2]);
    }
    if (g->argc)
        arg(a, "--");
    for (int i = 0; i < g->argc; i++)
        arg(a, g->argv[i]);
}

// Each run's own words go to standard error: standard output is the comparison's.
static int start(const struct group *g, int variant, int round, pid_t *pid, struct seep_err *err)
{
    struct args a = {.n = 0};
    posix_spawn_file_actions_t files;
    make_args(g, variant, round, &a);
    if (a.n == ARGS_MAX - 1)
        return seep_fail(err, SEEP_E_LIMIT, "The command line of a variant is too long");
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, 2, 1);
    int rc = posix_spawn(pid, "/proc/self/exe", &files, NULL, a.list, environ);
    posix_spawn_file_actions_destroy(&files);
    return rc ? seep_fail_errno(err, rc, "A variant cannot be started") : 0;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Whether nothing can be compared after this: usage, a target that failed, an error, an interruption.
static bool is_final(int status)
{
    return status == CMD_USAGE || status == CMD_TARGET || status >= CMD_ERROR;
}

static int run_round(struct group *g, int round, int *final, struct seep_err *err)
{
    pid_t pid[VARIANTS_MAX] = {0};
    for (int i = 0; i < g->n && !*final; i++) {
        int k = round % 2 ? g->n - 1 - i : i;
        fprintf(stderr, "seep: variant %s, round %d of %d\n", g->variant[k], round + 1, g->rounds);
        if (start(g, k, round, &pid[k], err))
            *final = CMD_ERROR;
        else if (!g->opt->at_once)
            g->status[k][round] = wait_for(pid[k]);
        if (!*final && !g->opt->at_once && is_final(g->status[k][round]))
            *final = g->status[k][round];
    }
    for (int k = 0; k < g->n && g->opt->at_once; k++) {
        if (pid[k])
            g->status[k][round] = wait_for(pid[k]);
        if (is_final(g->status[k][round]) && !*final)
            *final = g->status[k][round];
    }
    return err->code ? -1 : 0;
}

// ---- figures

static struct figure *figure_of(struct group *g, const char *name, enum judge_unit unit)
{
    for (size_t i = 0; i < g->n_figures; i++)
        if (!strcmp(g->figure[i].name, name))
            return &g->figure[i];
    if (g->n_figures == FIGURES_MAX || strlen(name) >= sizeof g->figure[0].name)
        return NULL;
    struct figure *f = &g->figure[g->n_figures++];
    snprintf(f->name, sizeof f->name, "%s", name);
    f->unit = unit;
    for (int k = 0; k < VARIANTS_MAX; k++)
        for (int r = 0; r < ROUNDS_MAX; r++)
            f->value[k][r] = NAN;
    return f;
}

static int take_figures(struct group *g, int round, struct seep_err *err)
{
    struct report *first = NULL;
    int rc = 0;
    for (int k = 0; k < g->n && rc == 0; k++) {
        const struct report_options what = {.skip = REPORT_SKIP_CHARTS, .max_stacks = 20};
        struct report *r = NULL;
        struct compare *c = NULL;
        char name[160];
        run_name(g, k, round, name, sizeof name);
        rc = cmd_build_report_with(g->results, name, &what, &r, err);
        for (size_t i = 0; rc == 0 && i < r->n_measures; i++) {
            struct figure *f = figure_of(g, r->measures[i].name, r->measures[i].unit);
            if (f)
                f->value[k][round] = r->measures[i].measure.value;
        }
        if (rc == 0 && first)
            rc = compare_build(first, r, &(struct compare_options){.share = COMPARE_SHARE_DEFAULT}, &c, err);
        if (c)
            g->regressions[k] += compare_exit_code(c) == CMD_FAIL;
        compare_free(c);
        if (k == 0)
            first = r;
        else
            report_free(r);
    }
    report_free(first);
    return rc;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static double median_of(const struct group *g, const struct figure *f, int variant)
{
    double known[ROUNDS_MAX];
    size_t n = 0;
    for (int r = 0; r < g->rounds; r++)
        if (isfinite(f->value[variant][r]))
            known[n++] = f->value[variant][r];
    qsort(known, n, sizeof *known, by_value);
    return n == 0 ? NAN : n % 2 ? known[n / 2] : (known[n / 2 - 1] + known[n / 2]) / 2;
}

// ---- gates across variants

// "http.p99(b)" becomes http_p99{v="b"}, which the language of expressions knows; memory and throughput are other words
// for rss and http.rate, and "http." may be left out.
static void rewrite(const struct group *g, const char *text, struct seep_buf *out)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
    while (*text) {
        size_t len = isalpha((unsigned char)*text) ? strspn(text, word) : 0;
        size_t inner = len && text[len] == '(' ? strcspn(text + len + 1, ")") : 0;
        if (inner && variant_of(g, text + len + 1, inner) >= 0) {
            for (size_t i = 0; i < len; i++)
                buf_char(out, text[i] == '.' ? '_' : text[i]);
            buf_printf(out, "{v=\"%.*s\"}", (int)inner, text + len + 1);
            text += len + inner + 2;
        } else {
            size_t step = len ? len : 1;
            buf_add(out, text, step);
            text += step;
        }
    }
    buf_char(out, '\0');
}

static void expose(const struct group *g, const struct figure *f, const char *name, struct seep_buf *out)
{
    for (int k = 0; k < g->n; k++) {
        double v = median_of(g, f, k);
        if (!isfinite(v))
            continue;
        for (const char *c = name; *c; c++)
            buf_char(out, *c == '.' ? '_' : *c);
        buf_printf(out, "{v=\"%s\"} %.17g\n", g->variant[k], v);
    }
}

static void expose_all(const struct group *g, struct seep_buf *out)
{
    for (size_t i = 0; i < g->n_figures; i++) {
        const struct figure *f = &g->figure[i];
        if (strchr(f->name, '{'))
            continue;
        expose(g, f, f->name, out);
        if (!strncmp(f->name, "http.", 5))
            expose(g, f, f->name + 5, out);
        if (!strcmp(f->name, "http.rate"))
            expose(g, f, "throughput", out);
        if (!strcmp(f->name, "rss"))
            expose(g, f, "memory", out);
    }
}

static bool want_all(const char *name, void *ctx)
{
    (void)name, (void)ctx;
    return true;
}

static void take_value(const char *labels, double value, void *ctx)
{
    (void)labels;
    *(double *)ctx = value;
}

static int value_of(const struct group *g, const char *text, const struct scrape_table *t, double *out,
                    struct seep_err *err)
{
    struct seep_quantity q;
    struct seep_err none;
    struct scrape_expr *e = NULL;
    struct seep_buf own;
    *out = NAN;
    while (*text == ' ')
        text++;
    if (units_parse(text, &q, NULL, &none) == 0) {
        *out = q.value;
        return 0;
    }
    buf_init(&own, 4096);
    rewrite(g, text, &own);
    int rc = buf_check(&own, "An expression", err) ? -1 : scrape_expr_parse(own.data, &e, NULL, err);
    if (rc == 0 && scrape_expr_eval(e, t, take_value, out) < 0)
        rc = seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
    scrape_expr_free(e);
    buf_free(&own);
    return rc;
}

struct verdict {
    double left, right;
    int status; // CMD_PASS, CMD_FAIL, CMD_INCONCLUSIVE
};

// t NULL: only whether it can be read.
static int judge_gate(const struct group *g, const char *text, const struct scrape_table *t, struct verdict *out,
                      struct seep_err *err)
{
    char left[512];
    size_t at = strcspn(text, "<>");
    bool less = text[at] == '<', equal = text[at] && text[at + 1] == '=';
    if (!text[at] || at >= sizeof left)
        return seep_fail(err, SEEP_E_USAGE, "'%.100s' is no gate across variants; write p99(b) - p99(a) < 1ms", text);
    snprintf(left, sizeof left, "%.*s", (int)at, text);
    if (value_of(g, left, t, &out->left, err) || value_of(g, text + at + 1 + equal, t, &out->right, err)) {
        char why[300];
        snprintf(why, sizeof why, "%.290s", err->text);
        return seep_fail(err, SEEP_E_USAGE, "The gate '%.100s' cannot be read: %s", text, why);
    }
    double d = out->left - out->right;
    bool good = less ? d < 0 || (equal && d == 0) : d > 0 || (equal && d == 0);
    out->status = isnan(d) ? CMD_INCONCLUSIVE : good ? CMD_PASS : CMD_FAIL;
    return 0;
}

static int check_gates(const struct group *g, struct seep_err *err)
{
    struct scrape_table empty;
    struct verdict v;
    int rc = scrape_table_init(&empty, 0, want_all, NULL) ? seep_fail(err, SEEP_E_SYSTEM, "memory ran out") : 0;
    for (int i = 0; i < g->opt->gates.n && rc == 0; i++)
        rc = judge_gate(g, g->opt->gates.items[i], &empty, &v, err);
    scrape_table_free(&empty);
    return rc;
}

// ---- the comparison

static const char *word_of(int status)
{
    return status == CMD_PASS ? "PASS" : status == CMD_FAIL ? "FAIL" : "INCONCLUSIVE";
}

// Throughput an instance against that of the first variant: 1 is perfect.
static double efficiency(const struct group *g, int k)
{
    for (size_t i = 0; i < g->n_figures; i++)
        if (!strcmp(g->figure[i].name, "http.rate"))
            return median_of(g, &g->figure[i], k) / median_of(g, &g->figure[i], 0) * g->instances[0] / g->instances[k];
    return NAN;
}

static void write_rows(const struct group *g, bool markdown, struct seep_buf *out)
{
    const char *sep = markdown ? " | " : "";
    buf_printf(out, markdown ? "| figure" : "%-26s", "figure");
    for (int k = 0; k < g->n; k++)
        buf_printf(out, markdown ? "%s%s" : "%s%16s", sep, g->variant[k]);
    buf_str(out, markdown ? " |\n|---" : "\n");
    for (int k = 0; markdown && k < g->n; k++)
        buf_str(out, "|---:");
    buf_str(out, markdown ? "|\n" : "");
    for (size_t i = 0; i < g->n_figures; i++) {
        buf_printf(out, markdown ? "| `%s`" : "%-26s", g->figure[i].name);
        for (int k = 0; k < g->n; k++) {
            char v[48];
            judge_format(v, sizeof v, median_of(g, &g->figure[i], k), g->figure[i].unit);
            buf_printf(out, markdown ? "%s%s" : "%s%16s", sep, v);
        }
        buf_str(out, markdown ? " |\n" : "\n");
    }
}

static void write_text(const struct group *g, bool markdown, const struct verdict *v, struct seep_buf *out)
{
    buf_printf(out, "%s%s: %d variants, %d round%s %s; medians\n\n", markdown ? "## " : "", g->name, g->n, g->rounds,
               g->rounds == 1 ? "" : "s", g->opt->at_once ? "at the same time" : "in turn");
    write_rows(g, markdown, out);
    buf_str(out, "\n");
    const char *item = markdown ? "- " : "  ";
    for (int k = 1; k < g->n; k++)
        buf_printf(out, "%s%s is worse than %s in %d of %d rounds (seep compare %s-%s-1 %s-%s-1)\n", item,
                   g->variant[k], g->variant[0], g->regressions[k], g->rounds, g->name, g->variant[0], g->name,
                   g->variant[k]);
    for (int k = 0; k < g->n; k++)
        if (isfinite(efficiency(g, k)))
            buf_printf(out, "%sscaling  %s: %.0f instances, %.2f of the throughput an instance of %s\n", item,
                       g->variant[k], g->instances[k], efficiency(g, k), g->variant[0]);
    for (int i = 0; i < g->opt->gates.n; i++)
        buf_printf(out, "%s%s  %s  (%.6g against %.6g)\n", item, word_of(v[i].status), g->opt->gates.items[i],
                   v[i].left, v[i].right);
}

static void number(struct jsonw *w, const char *key, double value)
{
    if (isfinite(value))
        jsonw_double(w, key, value);
    else
        jsonw_null(w, key);
}

static void write_json(const struct group *g, const struct verdict *v, struct seep_buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out, true);
    jsonw_object(&w, NULL);
    jsonw_string(&w, "schema", "seep.variants/1");
    jsonw_string(&w, "group", g->name);
    jsonw_int(&w, "rounds", g->rounds);
    jsonw_bool(&w, "at_once", g->opt->at_once);
    jsonw_array(&w, "variants");
    for (int k = 0; k < g->n; k++) {
        jsonw_object(&w, NULL);
        jsonw_string(&w, "name", g->variant[k]);
        jsonw_array(&w, "runs");
        for (int r = 0; r < g->rounds; r++) {
            char name[160];
            run_name(g, k, r, name, sizeof name);
            jsonw_string(&w, NULL, name);
        }
        jsonw_end_array(&w);
        jsonw_int(&w, "rounds_worse", g->regressions[k]);
        number(&w, "instances", g->instances[k]);
        number(&w, "throughput_per_instance_ratio", efficiency(g, k));
        jsonw_object(&w, "figures");
        for (size_t i = 0; i < g->n_figures; i++)
            number(&w, g->figure[i].name, median_of(g, &g->figure[i], k));
        jsonw_end_object(&w);
        jsonw_end_object(&w);
    }
    jsonw_end_array(&w);
    jsonw_array(&w, "gates");
    for (int i = 0; i < g->opt->gates.n; i++) {
        jsonw_object(&w, NULL);
        jsonw_string(&w, "name", g->opt->gates.items[i]);
        jsonw_string(&w, "status",
                     v[i].status == CMD_PASS   ? "pass"
                     : v[i].status == CMD_FAIL ? "fail"
                                               : "inconclusive");
        number(&w, "value", v[i].left);
        number(&w, "limit", v[i].right);
        jsonw_end_object(&w);
    }
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    buf_char(out, '\n');
}

static int conclude(const struct group *g, int *status, struct seep_err *err)
{
    struct scrape_table t = {0};
    struct scrape_counts counts;
    struct seep_buf text, out;
    struct verdict *v = calloc((size_t)g->opt->gates.n + 1, sizeof *v);
    buf_init(&text, 1u << 20);
    buf_init(&out, 4u << 20);
    int rc = !v || scrape_table_init(&t, 0, want_all, NULL) ? seep_fail(err, SEEP_E_SYSTEM, "memory ran out") : 0;
    if (rc == 0) {
        expose_all(g, &text);
        scrape_table_take(&t, text.data ? text.data : "", text.len, 1, &counts);
    }
    for (int i = 0; i < g->opt->gates.n && rc == 0; i++) {
        rc = judge_gate(g, g->opt->gates.items[i], &t, &v[i], err);
        if (rc == 0 && *status != CMD_FAIL && v[i].status != CMD_PASS)
            *status = v[i].status;
    }
    if (rc == 0 && !strcmp(g->opt->format, "json"))
        write_json(g, v, &out);
    else if (rc == 0)
        write_text(g, !strcmp(g->opt->format, "md"), v, &out);
    if (rc == 0)
        rc = cmd_write_out(NULL, &out, err);
    scrape_table_free(&t);
    buf_free(&text);
    buf_free(&out);
    free(v);
    return rc;
}

static void default_name(char *out, size_t size)
{
    struct tm tm;
    time_t now = time(NULL);
    gmtime_r(&now, &tm);
    strftime(out, size, "variants-%Y%m%d-%H%M%S", &tm);
}

int cmd_run_variants(const struct cmd_variants *v, const struct cmd_run_profile *profile, const char *results,
                     const char *group, int argc, char **argv)
{
    char name[64];
    struct seep_err err = {0};
    struct group *g = calloc(1, sizeof *g);
    if (!g)
        return CMD_ERROR;
    default_name(name, sizeof name);
    g->opt = v;
    g->profile = profile;
    g->results = cmd_results_dir(results);
    g->name = group ? group : name;
    g->argc = argc;
    g->argv = argv;
    g->rounds = v->rounds > 0 ? (int)v->rounds : 1;
    int final = 0, status = CMD_PASS;
    int rc = take_names(g, &err) || take_instances(g, &err) || check_gates(g, &err) ? -1 : 0;
    for (int r = 0; r < g->rounds && rc == 0 && !final; r++) {
        rc = run_round(g, r, &final, &err);
        if (rc == 0 && !final)
            rc = take_figures(g, r, &err);
    }
    if (rc == 0 && !final)
        rc = conclude(g, &status, &err);
    free(g);
    return rc ? cmd_fail(&err) : final ? final : status;
}
