// Gates across variants: see variants_group.h.
//
// A side of a gate is a quantity or an expression over figures of variants, "p99(b) - p99(a)",
// "http.p99{scenario=x}(b)". Each figure becomes a name that the language of scrape/expr.h knows, and both sides are
// evaluated once a round: what the gate is judged by is their difference over the rounds (judge/paired.h).
#include "base/units.h"
#include "cmd/variants_group.h"
#include "judge/gate.h"
#include "scrape/expr.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE_BYTES = 512, REFERENCES_MAX = 32 };

// ---- figures by the names people write

static const struct {
    const char *word, *figure;
} other_words[] = {{"memory", "rss"}, {"throughput", "http.rate"}};

// Figures of a run that are no metrics of gates.
static const struct {
    const char *name;
    enum judge_unit unit;
} own_figures[] = {
    {"rss", JUDGE_U_BYTES},
    {"heap", JUDGE_U_BYTES},
    {"fd", JUDGE_U_COUNT},
    {"threads", JUDGE_U_COUNT},
    {"http.mean", JUDGE_U_SECONDS},
    {"http.max", JUDGE_U_SECONDS},
    {"cpu", JUDGE_U_RATIO},
    {"cpu.per_request", JUDGE_U_SECONDS},
    {"disk.read_per_request", JUDGE_U_BYTES},
    {"disk.write_per_request", JUDGE_U_BYTES},
    {"net.per_request", JUDGE_U_BYTES},
};

// "http.p99{load=a,scenario=b}" holds all labels of "{scenario=b}".
static bool holds_labels(const char *figure, const char *labels)
{
    const char *have = strchr(figure, '{');
    while (labels && *labels && *labels != '}') {
        size_t len = strcspn(labels, ",}");
        const char *at = have;
        bool found = false;
        while (at && *at && *at != '}' && !found) {
            size_t own = strcspn(++at, ",}");
            found = own == len && !strncmp(at, labels, len);
            at += own;
        }
        if (!found)
            return false;
        labels += len + (labels[len] == ',');
    }
    return true;
}

static int labels_in(const char *name)
{
    int n = 0;
    for (const char *at = strchr(name, '{'); at && *at && *at != '}'; at++)
        n += *at == '{' || *at == ',';
    return n;
}

// The figure `base` with all those labels and the fewest beside them; -1: there is none, or several.
static int find_exact(const struct variants *v, const char *base, size_t len, const char *labels)
{
    int best = -1, fewest = 0;
    bool several = false;
    for (size_t i = 0; i < v->n_figures; i++) {
        const char *name = v->figure[i].name;
        if (strncmp(name, base, len) != 0 || (name[len] && name[len] != '{') || !holds_labels(name, labels))
            continue;
        int n = labels_in(name);
        several = best >= 0 && n == fewest;
        if (best < 0 || n < fewest) {
            best = (int)i;
            fewest = n;
        }
    }
    return several ? -1 : best;
}

// text: "p99{scenario=x}", len bytes.
static int find_figure(const struct variants *v, const char *text, size_t len)
{
    char name[SIDE_BYTES], full[SIDE_BYTES + 8];
    snprintf(name, sizeof name, "%.*s", (int)len, text);
    size_t base = strcspn(name, "{");
    const char *labels = name[base] ? name + base + 1 : NULL;
    for (size_t i = 0; i < sizeof other_words / sizeof other_words[0]; i++)
        if (strlen(other_words[i].word) == base && !strncmp(name, other_words[i].word, base))
            return find_exact(v, other_words[i].figure, strlen(other_words[i].figure), labels);
    int exact = find_exact(v, name, base, labels);
    snprintf(full, sizeof full, "http.%.*s", (int)base, name);
    return exact >= 0 ? exact : find_exact(v, full, strlen(full), labels);
}

// The unit of a name before anything ran; false: not known, a series or metric of the profile's.
static bool known_unit(const char *name, enum judge_unit *unit)
{
    for (size_t i = 0; i < sizeof own_figures / sizeof own_figures[0]; i++)
        if (!strcmp(own_figures[i].name, name)) {
            *unit = own_figures[i].unit;
            return true;
        }
    for (const struct judge_metric *m = judge_metrics; m->name; m++)
        if (!strcmp(m->name, name) && !m->unit_by_limit) {
            *unit = m->unit;
            return true;
        }
    return false;
}

static bool unit_before(const char *text, enum judge_unit *unit)
{
    char name[SIDE_BYTES], full[SIDE_BYTES + 8];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(text, "{("), text);
    for (size_t i = 0; i < sizeof other_words / sizeof other_words[0]; i++)
        if (!strcmp(name, other_words[i].word))
            return known_unit(other_words[i].figure, unit);
    snprintf(full, sizeof full, "http.%s", name);
    return known_unit(name, unit) || known_unit(full, unit);
}

// ---- one side of a gate

// A figure of a variant within the text of a side.
struct reference {
    const char *text; // the figure's name, len bytes
    size_t len;
    int variant;
    size_t end; // length of all of it, with the variant
};

static bool reference_at(const struct variants_group *g, const char *text, struct reference *out)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:";
    size_t len = isalpha((unsigned char)*text) ? strspn(text, word) : 0;
    if (len && text[len] == '{')
        len += strcspn(text + len, "}") + 1;
    if (!len || len > strlen(text) || text[len] != '(')
        return false;
    size_t inner = strcspn(text + len + 1, ")");
    *out = (struct reference){text, len, variants_find(g, text + len + 1, inner), len + inner + 2};
    return out->variant >= 0 && text[len + 1 + inner] == ')';
}

// What a walk over a side finds. With `out` the side is written as an expression.
struct walk {
    struct seep_buf *out;
    bool divides, mixed, unknown, any;
    enum judge_unit unit;
    char missing[80]; // a figure that no run has; "": all are there
};

static void take_unit(struct walk *w, bool known, enum judge_unit unit)
{
    w->unknown |= !known;
    w->mixed |= known && w->any && unit != w->unit;
    if (known) {
        w->unit = unit;
        w->any = true;
    }
}

static void walk_side(const struct variants_group *g, const char *text, struct walk *w)
{
    while (*text) {
        struct reference ref;
        if (!reference_at(g, text, &ref)) {
            size_t step = isalpha((unsigned char)*text) ? strspn(text, "abcdefghijklmnopqrstuvwxyz_.") : 1;
            w->divides |= *text == '/';
            if (w->out)
                buf_add(w->out, text, step ? step : 1);
            text += step ? step : 1;
            continue;
        }
        int i = find_figure(&g->v, ref.text, ref.len);
        enum judge_unit unit = i >= 0 ? g->v.figure[i].unit : JUDGE_U_COUNT;
        bool known = i >= 0 || unit_before(ref.text, &unit);
        take_unit(w, known, unit);
        if (i < 0 && !w->missing[0])
            snprintf(w->missing, sizeof w->missing, "%.*s", (int)(ref.len < 70 ? ref.len : 70), ref.text);
        if (w->out)
            buf_printf(w->out, "f%d{v=\"%d\"}", i < 0 ? 0 : i, ref.variant);
        text += ref.end;
    }
}

struct side {
    bool constant;
    struct seep_quantity quantity;
    struct scrape_expr *expr;
    struct walk walk;
};

static int parse_side(const struct variants_group *g, const char *text, struct side *out, struct seep_err *err)
{
    struct seep_err none;
    struct seep_buf own;
    *out = (struct side){.constant = false};
    text += strspn(text, " ");
    if (units_parse(text, &out->quantity, NULL, &none) == 0) {
        out->constant = true;
        return 0;
    }
    buf_init(&own, 16384);
    out->walk.out = &own;
    walk_side(g, text, &out->walk);
    buf_char(&own, '\0');
    out->walk.out = NULL;
    int rc = buf_check(&own, "An expression", err) ? -1 : scrape_expr_parse(own.data, &out->expr, NULL, err);
    buf_free(&own);
    return rc;
}

static void take_value(const char *labels, double value, void *ctx)
{
    (void)labels;
    *(double *)ctx = value;
}

static double value_of(const struct side *s, const struct scrape_table *t)
{
    double value = NAN;
    if (s->constant)
        return s->quantity.value;
    return scrape_expr_eval(s->expr, t, take_value, &value) < 0 ? NAN : value;
}

// ---- a gate

struct parsed {
    struct side left, right;
    bool less, or_equal;
};

static void parsed_free(struct parsed *p)
{
    scrape_expr_free(p->left.expr);
    scrape_expr_free(p->right.expr);
}

// Where the comparison stands: labels may not hold one.
static int parse(const struct variants_group *g, const char *text, struct parsed *out, struct seep_err *err)
{
    char left[SIDE_BYTES];
    size_t at = strcspn(text, "<>");
    *out = (struct parsed){.less = text[at] == '<', .or_equal = text[at] && text[at + 1] == '='};
    if (!text[at] || at >= sizeof left || strlen(text) - at >= sizeof left)
        return seep_fail(err, SEEP_E_USAGE, "'%.100s' is no gate across variants; write p99(b) - p99(a) < 1ms", text);
    snprintf(left, sizeof left, "%.*s", (int)at, text);
    if (parse_side(g, left, &out->left, err) == 0 &&
        parse_side(g, text + at + 1 + out->or_equal, &out->right, err) == 0)
        return 0;
    char why[300];
    snprintf(why, sizeof why, "%.290s", err->text);
    parsed_free(out);
    return seep_fail(err, SEEP_E_USAGE, "The gate '%.100s' cannot be read: %s", text, why);
}

// A share of two figures has no unit of its own; nor has what mixes units.
static bool unit_of_side(const struct side *s, enum judge_unit *unit)
{
    bool known = !s->constant && s->walk.any && !s->walk.unknown && !s->walk.mixed && !s->walk.divides;
    *unit = known ? s->walk.unit : JUDGE_U_COUNT;
    return known;
}

static enum judge_unit unit_of_gate(const struct parsed *p)
{
    enum judge_unit unit;
    if (unit_of_side(&p->left, &unit) || unit_of_side(&p->right, &unit))
        return unit;
    const struct side *limit = p->right.constant ? &p->right : &p->left;
    return limit->constant && limit->quantity.unit == UNIT_RATIO ? JUDGE_U_RATIO : JUDGE_U_COUNT;
}

static int check_unit(const char *text, const struct parsed *p, struct seep_err *err)
{
    enum judge_unit unit;
    const struct side *limit = p->right.constant ? &p->right : &p->left;
    if (!limit->constant || !unit_of_side(p->right.constant ? &p->left : &p->right, &unit))
        return 0;
    enum seep_unit want = judge_unit_of(unit), have = limit->quantity.unit;
    bool fits = want == have || limit->quantity.value == 0 || (want == UNIT_RATIO && have == UNIT_NONE);
    if (fits)
        return 0;
    return seep_fail(err, SEEP_E_USAGE, "The limit of the gate '%.100s' is not in the unit of what it limits (%s)",
                     text, *units_name(want) ? units_name(want) : "a number");
}

int variants_check_gates(struct variants_group *g, struct seep_err *err)
{
    for (int i = 0; i < g->opt->gates.n; i++) {
        struct parsed p;
        const char *text = g->opt->gates.items[i];
        if (parse(g, text, &p, err))
            return -1;
        int rc = check_unit(text, &p, err);
        if (rc == 0 && p.left.constant && p.right.constant)
            rc = seep_fail(err, SEEP_E_USAGE, "The gate '%.100s' is about no variant", text);
        parsed_free(&p);
        if (rc)
            return -1;
    }
    return 0;
}

int variants_check_figures(struct variants_group *g, struct seep_err *err)
{
    for (int i = 0; i < g->opt->gates.n; i++) {
        struct parsed p;
        const char *text = g->opt->gates.items[i];
        if (parse(g, text, &p, err))
            return -1;
        const struct walk *lost = p.left.walk.missing[0] ? &p.left.walk : &p.right.walk;
        int rc = check_unit(text, &p, err);
        if (rc == 0 && lost->missing[0])
            rc = seep_fail(err, SEEP_E_USAGE,
                           "The gate '%.100s' names the figure '%s', which no run has; -f json lists those there are",
                           text, lost->missing);
        parsed_free(&p);
        if (rc)
            return -1;
    }
    return 0;
}

// ---- judging

static bool want_all(const char *name, void *ctx)
{
    (void)name, (void)ctx;
    return true;
}

// All figures of a round as an endpoint would expose them.
static int expose(const struct variants *v, int round, struct scrape_table *t, struct seep_err *err)
{
    struct seep_buf text;
    struct scrape_counts counts;
    if (scrape_table_init(t, 0, want_all, NULL))
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the figures of a round");
    buf_init(&text, 1u << 20);
    for (size_t i = 0; i < v->n_figures; i++)
        for (int k = 0; k < v->n; k++)
            if (isfinite(v->figure[i].value[k][round]))
                buf_printf(&text, "f%zu{v=\"%d\"} %.17g\n", i, k, v->figure[i].value[k][round]);
    int rc = buf_check(&text, "The figures of a round", err);
    if (rc == 0)
        scrape_table_take(t, text.len ? text.data : "", text.len, 1, &counts);
    buf_free(&text);
    return rc;
}

static int judge_one(const struct variants_group *g, const char *text, struct scrape_table *rounds,
                     struct variants_gate *out, struct seep_err *err)
{
    struct parsed p;
    struct judge_paired side;
    double left[VARIANTS_ROUNDS_MAX], right[VARIANTS_ROUNDS_MAX], margin[VARIANTS_ROUNDS_MAX];
    size_t n = (size_t)g->v.rounds;
    if (parse(g, text, &p, err))
        return -1;
    for (size_t r = 0; r < n; r++) {
        left[r] = value_of(&p.left, &rounds[r]);
        right[r] = value_of(&p.right, &rounds[r]);
        margin[r] = left[r] - right[r];
    }
    *out = (struct variants_gate){.text = text, .less = p.less, .or_equal = p.or_equal, .fixed = p.right.constant};
    out->unit = unit_of_gate(&p);
    judge_paired_mean(left, n, &side);
    out->left = side.mean;
    judge_paired_mean(right, n, &side);
    out->right = side.mean;
    judge_paired_mean(margin, n, &out->margin);
    parsed_free(&p);
    return 0;
}

static void conclude(const struct variants *v, struct variants_gate *g)
{
    struct judge_paired p = g->margin;
    if (!g->less) // above is below the other way round
        p = (struct judge_paired){.n = p.n, .mean = -p.mean, .lo = -p.hi, .hi = -p.lo};
    g->status = judge_status_of(judge_paired_below(&p, g->or_equal));
    if (p.n == 0)
        snprintf(g->reason, sizeof g->reason, "no round has all of its figures");
    else if (g->status == JUDGE_S_INCONCLUSIVE)
        snprintf(g->reason, sizeof g->reason,
                 "the rounds differ by more than the distance from the limit: more of "
                 "them, longer ones, or a limit with a margin");
    else if (p.n < (size_t)v->rounds)
        snprintf(g->reason, sizeof g->reason, "%zu of %d rounds have its figures", p.n, v->rounds);
}

int variants_judge_gates(struct variants_group *g, struct seep_err *err)
{
    struct scrape_table *rounds = calloc((size_t)g->v.rounds + 1, sizeof *rounds);
    int rc = rounds ? 0 : seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the rounds");
    int made = 0;
    for (; made < g->v.rounds && rc == 0; made++)
        rc = expose(&g->v, made, &rounds[made], err);
    for (int i = 0; i < g->opt->gates.n && rc == 0; i++) {
        rc = judge_one(g, g->opt->gates.items[i], rounds, &g->v.gate[i], err);
        if (rc == 0)
            conclude(&g->v, &g->v.gate[i]);
    }
    for (int i = 0; i < made; i++)
        scrape_table_free(&rounds[i]);
    free(rounds);
    g->v.n_gates = rc == 0 ? g->opt->gates.n : 0;
    return rc;
}
