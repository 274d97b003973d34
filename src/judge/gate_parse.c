// From the text of a gate to struct judge_gate: see gate.h for the grammar. The text comes from a profile and is
// hostile until parsed: every name has a ceiling, every error a column.
#include "base/near.h"
#include "base/units.h"
#include "judge/gate.h"

#include <ctype.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define ANY_LABEL "*" // for keys: a scraped series has what labels it has

// Everything a step of the parser needs.
struct parser {
    const struct judge_gate_text *text;
    const char *const *scraped;
    size_t n_scraped;
    struct judge_gate *out;
    struct judge_gate_where *where;
    struct seep_err *err;
};

static int fail_at(const struct parser *p, const char *field, size_t offset)
{
    if (p->where)
        *p->where = (struct judge_gate_where){.field = field, .column = offset + 1};
    return -1;
}

#define FAIL(p, field, offset, ...)                                                                                    \
    (seep_fail((p)->err, SEEP_E_USAGE, __VA_ARGS__), fail_at((p), (field), (size_t)(offset)))

static const char *skip_space(const char *s)
{
    while (*s == ' ' || *s == '\t')
        s++;
    return s;
}

// Parses a quantity that fills the rest of text from `from` on, into the base unit.
static int quantity(const struct parser *p, const char *field, const char *text, const char *from, enum seep_unit unit,
                    double *out)
{
    size_t bad = 0;
    if (units_parse_as(from, unit, out, &bad, p->err) != 0)
        return fail_at(p, field, (size_t)(from - text) + bad);
    return 0;
}

static const char *metric_candidate(size_t i, const void *ctx)
{
    const struct parser *p = ctx;
    size_t built_in = 0;
    while (judge_metrics[built_in].name)
        built_in++;
    if (i < built_in)
        return judge_metrics[i].name;
    return i - built_in < p->n_scraped ? p->scraped[i - built_in] : NULL;
}

static void take_metric(const struct judge_metric *m, struct judge_gate *g)
{
    snprintf(g->metric, sizeof g->metric, "%s", m->name);
    snprintf(g->gauge, sizeof g->gauge, "%s", m->gauge ? m->gauge : "");
    g->kind = m->kind;
    g->unit = m->unit;
    g->quantile = m->quantile;
}

static const struct judge_metric *built_in_at(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-");
    const struct judge_metric *m = judge_metrics;
    while (m->name && (strlen(m->name) != len || strncmp(m->name, text, len) != 0))
        m++;
    return m->name ? m : NULL;
}

// The name of a metric as Prometheus has them, where a pattern of the profile lets it through.
static size_t take_pattern(const struct parser *p, const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:");
    char name[JUDGE_NAME_MAX - 8];
    if (len == 0 || len >= sizeof name)
        return 0;
    snprintf(name, sizeof name, "%.*s", (int)len, text);
    for (size_t i = 0; i < p->n_scraped; i++)
        if (strpbrk(p->scraped[i], "*?[") && fnmatch(p->scraped[i], name, 0) == 0) {
            snprintf(p->out->gauge, sizeof p->out->gauge, "%s", name);
            return len;
        }
    return 0;
}

// A scraped series may hold any character in its name, so the longest listed one that the text begins with is taken; or
// one that a listed pattern lets through. Behind it may stand labels, and then ".growth". Returns the length of the
// name, 0 when there is none.
static size_t take_scraped(const struct parser *p, const char *text)
{
    size_t best = 0;
    for (size_t i = 0; i < p->n_scraped; i++) {
        size_t len = strlen(p->scraped[i]);
        if (len > best && len < JUDGE_NAME_MAX - 8 && strncmp(text, p->scraped[i], len) == 0 &&
            (strchr(" \t<>{", text[len]) || strncmp(text + len, ".growth", 7) == 0)) {
            best = len;
            snprintf(p->out->gauge, sizeof p->out->gauge, "%s", p->scraped[i]);
        }
    }
    if (best == 0 && !built_in_at(text)) // a pattern that lets everything through takes no gate from us
        best = take_pattern(p, text);
    if (best == 0)
        return 0;
    snprintf(p->out->metric, sizeof p->out->metric, "%s", p->out->gauge);
    p->out->kind = JUDGE_M_GAUGE;
    p->out->scraped = true;
    return best;
}

static void take_growth(const struct parser *p, const char **s)
{
    struct judge_gate *g = p->out;
    if (!g->scraped || strncmp(*s, ".growth", 7) != 0 || !strchr(" \t<>{", (*s)[7]))
        return;
    size_t len = strlen(g->metric);
    snprintf(g->metric + len, sizeof g->metric - len, ".growth");
    g->kind = JUDGE_M_GROWTH;
    *s += 7;
}

static int unknown_metric(const struct parser *p, const char *text, const char *at, size_t len)
{
    char word[JUDGE_NAME_MAX];
    snprintf(word, sizeof word, "%.*s", (int)(len < 60 ? len : 60), at);
    const char *near = near_find(word, metric_candidate, p);
    if (len == 0)
        return FAIL(p, "gate", at - text, "A gate begins with the name of a metric, as in 'heap.growth < 1MB/h'.");
    return FAIL(p, "gate", at - text, "There is no metric '%s'%s%s%s.", word, near ? "; did you mean '" : "",
                near ? near : "", near ? "'?" : "");
}

// Reads the metric name at *s and moves behind it; *built_in is its row, NULL for a scraped series.
static int parse_metric(const struct parser *p, const char *text, const char **s, const struct judge_metric **built_in)
{
    const char *at = *s;
    size_t len = take_scraped(p, at);
    *built_in = NULL;
    if (len == 0) {
        const struct judge_metric *m = built_in_at(at);
        len = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-");
        if (!m)
            return unknown_metric(p, text, at, len);
        take_metric(m, p->out);
        *built_in = m;
    }
    *s = at + len;
    take_growth(p, s);
    return 0;
}

static bool is_listed(const char *keys, const char *word, size_t len)
{
    for (; *keys; keys += strcspn(keys, " "), keys += *keys == ' ')
        if (strcspn(keys, " ") == len && strncmp(keys, word, len) == 0)
            return true;
    return false;
}

// One "key=value" at *s; the value may be quoted to hold commas and braces.
static int parse_label(const struct parser *p, const char *text, const char **s, const char *keys)
{
    const char *at = skip_space(*s);
    size_t key = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    struct judge_label *l = &p->out->label[p->out->n_labels];
    if (key == 0 || (strcmp(keys, ANY_LABEL) != 0 && !is_listed(keys, at, key)))
        return FAIL(p, "gate", at - text, "The labels of '%s' are: %s; as in {%.*s=login}.", p->out->metric, keys,
                    (int)strcspn(keys, " "), keys);
    for (size_t i = 0; i < p->out->n_labels; i++)
        if (strlen(p->out->label[i].key) == key && strncmp(p->out->label[i].key, at, key) == 0)
            return FAIL(p, "gate", at - text, "The label '%.*s' is given twice.", (int)key, at);
    const char *value = skip_space(at + key);
    if (*value != '=')
        return FAIL(p, "gate", value - text, "After the label's name comes '=' and its value.");
    value = skip_space(value + 1);
    bool quoted = *value == '"';
    value += quoted;
    size_t len = strcspn(value, quoted ? "\"" : ",}= \t\"");
    if (len == 0 || len >= JUDGE_LABEL_MAX || (quoted && value[len] != '"'))
        return FAIL(p, "gate", value - text, "The value of the label '%.*s' is missing, too long or not closed.",
                    (int)key, at);
    snprintf(l->key, sizeof l->key, "%.*s", (int)key, at);
    snprintf(l->value, sizeof l->value, "%.*s", (int)len, value);
    p->out->n_labels++;
    *s = skip_space(value + len + quoted);
    return 0;
}

static int parse_labels(const struct parser *p, const char *text, const char **s, const char *keys)
{
    if (**s != '{' && strncmp(p->out->metric, "metric.", 7) == 0)
        return FAIL(p, "gate", *s - text, "'%s' is that of a metric of the load: say which, as in %s{name=search}.",
                    p->out->metric, p->out->metric);
    if (**s != '{')
        return 0;
    if (!keys)
        return FAIL(p, "gate", *s - text, "The metric '%s' has no labels.", p->out->metric);
    do {
        (*s)++; // '{' or ','
        if (p->out->n_labels == JUDGE_LABELS_MAX)
            return FAIL(p, "gate", *s - text, "There are more than %d labels.", JUDGE_LABELS_MAX);
        if (parse_label(p, text, s, keys) != 0)
            return -1;
    } while (**s == ',');
    if (**s != '}')
        return FAIL(p, "gate", *s - text, "The labels are not closed: '}' is missing.");
    (*s)++;
    take_growth(p, s);
    return 0;
}

static bool is_growth(enum judge_metric_kind kind)
{
    return kind == JUDGE_M_STACK_GROWTH || kind == JUDGE_M_GROWTH || kind == JUDGE_M_TOTAL_GROWTH ||
           kind == JUDGE_M_PER_REQUEST;
}

// Values that come one by one, or are counted.
static bool is_mark(enum judge_metric_kind kind)
{
    return kind == JUDGE_M_MAX || kind == JUDGE_M_INCREASE;
}

static int parse_op(const struct parser *p, const char *text, const char **s)
{
    const char *at = skip_space(*s);
    if (*at != '<' && *at != '>')
        return FAIL(p, "gate", at - text, "After '%s' comes '<', '<=', '>' or '>=' and a limit.", p->out->metric);
    bool less = *at == '<', equal = at[1] == '=';
    if (!less && is_growth(p->out->kind))
        return FAIL(p, "gate", at - text, "'%s' can only be limited from above, with '<'.", p->out->metric);
    p->out->op = less ? (equal ? JUDGE_OP_LE : JUDGE_OP_LT) : (equal ? JUDGE_OP_GE : JUDGE_OP_GT);
    *s = skip_space(at + 1 + equal);
    return 0;
}

// A scraped series has the unit its limit is written in; its growth then is per time.
static int scraped_unit(const struct parser *p, const char *text, const char *at)
{
    static const enum judge_unit of[] = {
        [UNIT_NONE] = JUDGE_U_COUNT,  [UNIT_BYTES] = JUDGE_U_BYTES,      [UNIT_SECONDS] = JUDGE_U_SECONDS,
        [UNIT_RATIO] = JUDGE_U_RATIO, [UNIT_PER_SECOND] = JUDGE_U_PER_S, [UNIT_BYTES_PER_SECOND] = JUDGE_U_BYTES_PER_S,
    };
    struct seep_quantity q;
    size_t bad = 0;
    if (units_parse(at, &q, &bad, p->err) != 0)
        return fail_at(p, "gate", (size_t)(at - text) + bad);
    p->out->unit = of[q.unit];
    if (p->out->kind == JUDGE_M_GROWTH && q.unit != UNIT_PER_SECOND && q.unit != UNIT_BYTES_PER_SECOND)
        return FAIL(p, "gate", at - text, "A growth is limited by a rate, as in 10/h or 1MB/h.");
    return 0;
}

static int parse_limit(const struct parser *p, const char *text, const char *at, bool unit_by_limit)
{
    struct judge_gate *g = p->out;
    g->vs_baseline = p->text->vs != NULL;
    if (*at == '\0')
        return FAIL(p, "gate", at - text, "The limit is missing.");
    if (g->vs_baseline)
        return quantity(p, "gate", text, at, UNIT_RATIO, &g->limit);
    if ((g->scraped || unit_by_limit) && scraped_unit(p, text, at) != 0)
        return -1;
    if (quantity(p, "gate", text, at, judge_unit_of(g->unit), &g->limit) != 0)
        return -1;
    if (is_growth(g->kind) && g->limit < 0)
        return FAIL(p, "gate", at - text, "A growth budget cannot be negative.");
    return 0;
}

static int check_vs(const struct parser *p)
{
    const struct judge_gate_text *t = p->text;
    if (t->vs && strcmp(t->vs, "baseline") != 0)
        return FAIL(p, "vs", 0, "'vs' knows only 'baseline'.");
    if (t->vs && is_growth(p->out->kind))
        return FAIL(p, "vs", 0, "'%s' is compared with its budget; growth is compared between runs by 'seep compare'.",
                    p->out->metric);
    bool less = p->out->op == JUDGE_OP_LT || p->out->op == JUDGE_OP_LE;
    if (t->vs && (less ? p->out->limit < 0 : p->out->limit > 0))
        return FAIL(p, "vs", 0,
                    "Against a baseline '<' takes the share that may be gained and '>' the one that may be lost, as in "
                    "'http.p99 < 10%%' or 'http.rate > -10%%'.");
    if (t->floor && !t->vs)
        return FAIL(p, "floor", 0, "'floor' belongs to 'vs: baseline'.");
    if (t->floor && p->out->scraped)
        return quantity(p, "floor", t->floor, t->floor, UNIT_NONE, &p->out->floor);
    if (t->floor)
        return quantity(p, "floor", t->floor, t->floor, judge_unit_of(p->out->unit), &p->out->floor);
    return 0;
}

static int parse_over(const struct parser *p)
{
    const char *text = p->text->over, *at = text ? skip_space(text) : NULL;
    struct judge_gate *g = p->out;
    if (!text || strcmp(at, "whole") == 0)
        return 0;
    bool last = strncmp(at, "last ", 5) == 0, each = strncmp(at, "each ", 5) == 0;
    if (!last && !each)
        return FAIL(p, "over", at - text, "'over' is 'whole', 'last 5m' or 'each 5m'.");
    if (g->kind == JUDGE_M_STACK_GROWTH)
        return FAIL(p, "over", at - text, "'stack.growth' is judged over the whole run.");
    if (is_mark(g->kind) && each)
        return FAIL(p, "over", at - text, "'%s' is judged over the whole run or its last part.", g->metric);
    if (g->kind == JUDGE_M_TOTAL_GROWTH && each)
        return FAIL(p, "over", at - text, "Total growth is judged over the whole run or its last part.");
    at = skip_space(at + 5);
    if (quantity(p, "over", text, at, UNIT_SECONDS, &g->over_s) != 0)
        return -1;
    if (!(g->over_s > 0))
        return FAIL(p, "over", at - text, "The window must be longer than nothing.");
    g->over = last ? JUDGE_OVER_LAST : JUDGE_OVER_EACH;
    return 0;
}

static int parse_for(const struct parser *p)
{
    const char *text = p->text->for_time;
    if (!text)
        return 0;
    if (is_growth(p->out->kind) || is_mark(p->out->kind) || p->out->kind == JUDGE_M_REQUESTS ||
        p->out->kind == JUDGE_M_ITERATIONS)
        return FAIL(p, "for", 0, "'for' belongs to metrics that have a value at every moment, not to '%s'.",
                    p->out->metric);
    if (quantity(p, "for", text, skip_space(text), UNIT_SECONDS, &p->out->for_s) != 0)
        return -1;
    if (p->out->for_s < 0)
        return FAIL(p, "for", 0, "A time cannot be negative.");
    return 0;
}

static int parse_warn(const struct parser *p)
{
    const char *text = p->text->warn;
    struct judge_gate *g = p->out;
    if (!text || strcmp(text, "false") == 0)
        return 0;
    if (strcmp(text, "true") == 0) {
        g->warn_only = true;
        return 0;
    }
    enum seep_unit unit = g->vs_baseline ? UNIT_RATIO : judge_unit_of(g->unit);
    if (quantity(p, "warn", text, skip_space(text), unit, &g->warn) != 0)
        return -1;
    bool less = g->op == JUDGE_OP_LT || g->op == JUDGE_OP_LE;
    if (less ? g->warn >= g->limit : g->warn <= g->limit)
        return FAIL(p, "warn", 0, "The warning comes %s the limit; it must lie on its good side.",
                    g->warn == g->limit ? "with" : "after");
    return 0;
}

static void name_gate(struct judge_gate *g)
{
    size_t used = (size_t)snprintf(g->name, sizeof g->name, "%s", g->metric);
    for (size_t i = 0; i < g->n_labels && used < sizeof g->name; i++)
        used += (size_t)snprintf(g->name + used, sizeof g->name - used, "%s%s=%s", i == 0 ? "{" : ",", g->label[i].key,
                                 g->label[i].value);
    if (g->n_labels > 0 && used < sizeof g->name)
        snprintf(g->name + used, sizeof g->name - used, "}");
}

int judge_gate_parse(const struct judge_gate_text *text, const char *const *scraped, size_t n_scraped,
                     struct judge_gate *out, struct judge_gate_where *where, struct seep_err *err)
{
    struct parser p = {text, scraped, n_scraped, out, where, err};
    const char *s = text->gate ? skip_space(text->gate) : "";
    const struct judge_metric *m;
    *out = (struct judge_gate){.over = JUDGE_OVER_WHOLE, .over_s = NAN, .warn = NAN, .floor = NAN, .limit = NAN};
    if (where)
        *where = (struct judge_gate_where){.field = "gate", .column = 1};
    if (!text->gate)
        return FAIL(&p, "gate", 0, "A gate needs an expression, as in 'heap.growth < 1MB/h'.");
    if (parse_metric(&p, text->gate, &s, &m) != 0 || parse_labels(&p, text->gate, &s, m ? m->labels : ANY_LABEL) != 0 ||
        parse_op(&p, text->gate, &s) != 0 || parse_limit(&p, text->gate, s, m && m->unit_by_limit) != 0)
        return -1;
    if (check_vs(&p) != 0 || parse_over(&p) != 0 || parse_for(&p) != 0 || parse_warn(&p) != 0)
        return -1;
    name_gate(out);
    return 0;
}
