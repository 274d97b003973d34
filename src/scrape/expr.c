// Parsing of expressions: see expr.h. The text is a profile's and hostile until parsed: nodes, depth and names have
// ceilings, every error a column.
#include "scrape/expr_node.h"

#include "base/units.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    struct scrape_expr *e;
    const char *text, *at;
    struct seep_err *err;
    size_t *column;
    int depth;
};

static struct expr_node *fail(struct parser *p, const char *at, const char *why)
{
    if (p->column)
        *p->column = (size_t)(at - p->text) + 1;
    seep_fail(p->err, SEEP_E_USAGE, "%s", why);
    return NULL;
}

static struct expr_node *new_node(struct parser *p, enum node_kind kind)
{
    if (p->e->n == NODES_MAX)
        return fail(p, p->at, "The expression is too long.");
    struct expr_node *n = &p->e->node[p->e->n++];
    n->kind = kind;
    return n;
}

static void skip(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

static bool eat(struct parser *p, char c)
{
    skip(p);
    if (*p->at != c)
        return false;
    p->at++;
    return true;
}

static size_t word(const struct parser *p)
{
    size_t n = 0;
    while (isalnum((unsigned char)p->at[n]) || p->at[n] == '_' || p->at[n] == ':')
        n++;
    return isdigit((unsigned char)*p->at) ? 0 : n;
}

static bool is_word(const struct parser *p, size_t len, const char *what)
{
    return strlen(what) == len && !strncmp(p->at, what, len);
}

// ---- selectors

static bool quoted(struct parser *p, char *out, size_t size)
{
    skip(p);
    char quote = *p->at;
    size_t n = 0;
    if (quote != '"' && quote != '\'')
        return false;
    for (p->at++; *p->at && *p->at != quote; p->at++) {
        if (n + 2 >= size)
            return false;
        if (*p->at == '\\' && p->at[1])
            out[n++] = *p->at++;
        out[n++] = *p->at;
    }
    out[n] = '\0';
    if (*p->at != quote)
        return false;
    p->at++;
    return true;
}

static bool parse_matcher(struct parser *p, struct matcher *m)
{
    skip(p);
    size_t key = word(p);
    if (key == 0 || key >= sizeof m->key)
        return fail(p, p->at, "Here a label's name should stand, as in {path=\"/\"}."), false;
    snprintf(m->key, sizeof m->key, "%.*s", (int)key, p->at);
    p->at += key;
    skip(p);
    m->equal = *p->at == '=';
    m->pattern = p->at[0] && p->at[1] == '~';
    bool known = (m->equal && (p->at[1] != '=')) || (*p->at == '!' && (p->at[1] == '=' || p->at[1] == '~'));
    if (!known)
        return fail(p, p->at, "Between a label and its value stands =, !=, =~ or !~."), false;
    p->at += m->equal && !m->pattern ? 1 : 2;
    const char *value = p->at;
    if (!quoted(p, m->value, sizeof m->value))
        return fail(p, value, "The value of a label stands in quotes, and is not longer than 120 characters."), false;
    char whole[sizeof m->value + 8];
    snprintf(whole, sizeof whole, "^(%s)$", m->value);
    if (m->pattern && regcomp(&m->regex, whole, REG_EXTENDED | REG_NOSUB)) {
        m->pattern = false;
        return fail(p, value, "The pattern is not a regular expression."), false;
    }
    return true;
}

static bool parse_matchers(struct parser *p, struct expr_node *n)
{
    if (!eat(p, '{'))
        return true;
    while (!eat(p, '}')) {
        if (n->n_matchers == MATCHERS_MAX)
            return fail(p, p->at, "There are too many labels."), false;
        struct matcher *m = &n->matcher[n->n_matchers++];
        if (!parse_matcher(p, m))
            return false;
        if (!eat(p, ',') && (skip(p), *p->at != '}'))
            return fail(p, p->at, "The labels are not closed: '}' is missing."), false;
    }
    return true;
}

static bool parse_range(struct parser *p, struct expr_node *n)
{
    char text[32];
    struct seep_err err;
    if (!eat(p, '['))
        return true;
    size_t len = strcspn(p->at, "]");
    if (p->at[len] != ']' || len == 0 || len >= sizeof text)
        return fail(p, p->at, "A range stands in brackets, as in [5m]."), false;
    snprintf(text, sizeof text, "%.*s", (int)len, p->at);
    if (units_parse_as(text, UNIT_SECONDS, &n->range_s, NULL, &err) || !(n->range_s > 0) || n->range_s > 86400)
        return fail(p, p->at, "A range is a time up to a day, as in [5m]."), false;
    p->at += len + 1;
    return true;
}

static struct expr_node *parse_selector(struct parser *p, bool range)
{
    skip(p);
    size_t len = word(p);
    const char *from = p->at;
    if (len == 0)
        return fail(p, p->at, "Here the name of a metric should stand.");
    if (len >= SCRAPE_NAME_BYTES)
        return fail(p, p->at, "The name is too long.");
    struct expr_node *n = new_node(p, NODE_SELECTOR);
    if (!n)
        return NULL;
    snprintf(n->name, sizeof n->name, "%.*s", (int)len, from);
    p->at += len;
    if (!parse_matchers(p, n) || !parse_range(p, n))
        return NULL;
    if (n->range_s > 0 && !range)
        return fail(p, from, "A range belongs to rate(), increase() or histogram_quantile().");
    return n;
}

// ---- functions

static struct expr_node *parse_expr(struct parser *p);

static bool parse_by(struct parser *p, struct expr_node *n)
{
    skip(p);
    if (!is_word(p, word(p), "by"))
        return true;
    p->at += 2;
    if (!eat(p, '('))
        return fail(p, p->at, "After 'by' come labels in parentheses."), false;
    while (!eat(p, ')')) {
        skip(p);
        size_t len = word(p), used = strlen(n->keys);
        if (len == 0 || used + len + 2 > sizeof n->keys)
            return fail(p, p->at, "After 'by' come labels in parentheses."), false;
        snprintf(n->keys + used, sizeof n->keys - used, "%s%.*s", used ? "," : "", (int)len, p->at);
        p->at += len;
        eat(p, ',');
    }
    return true;
}

static struct expr_node *parse_change(struct parser *p, enum node_kind kind)
{
    struct expr_node *n = new_node(p, kind);
    if (!n || !eat(p, '('))
        return n ? fail(p, p->at, "Here '(' should stand.") : NULL;
    n->a = parse_selector(p, true);
    if (!n->a)
        return NULL;
    return eat(p, ')') ? n : fail(p, p->at, "Here ')' should stand.");
}

static struct expr_node *parse_aggregate(struct parser *p, enum node_kind kind)
{
    struct expr_node *n = new_node(p, kind);
    if (!n || !parse_by(p, n))
        return NULL;
    if (!eat(p, '('))
        return fail(p, p->at, "Here '(' should stand.");
    n->a = parse_expr(p);
    if (!n->a)
        return NULL;
    if (!eat(p, ')'))
        return fail(p, p->at, "Here ')' should stand.");
    return parse_by(p, n) ? n : NULL;
}

static bool is_function(const struct parser *p, size_t len);

static struct expr_node *parse_quantile(struct parser *p)
{
    struct expr_node *n = new_node(p, NODE_QUANTILE);
    char *end;
    if (!n || !eat(p, '('))
        return n ? fail(p, p->at, "Here '(' should stand.") : NULL;
    skip(p);
    const char *from = p->at;
    n->number = strtod(from, &end);
    if (end == from || !(n->number >= 0 && n->number <= 1))
        return fail(p, from, "A quantile is a number from 0 to 1, as in histogram_quantile(0.99, x).");
    p->at = end;
    if (!eat(p, ','))
        return fail(p, p->at, "After the quantile comes a comma and a histogram.");
    skip(p);
    size_t len = word(p);
    n->a = len > 0 && !is_function(p, len) ? parse_selector(p, true) : parse_expr(p);
    if (!n->a)
        return NULL;
    return eat(p, ')') ? n : fail(p, p->at, "Here ')' should stand.");
}

static const struct {
    const char *name;
    enum node_kind kind;
} functions[] = {
    {"rate", NODE_RATE}, {"increase", NODE_INCREASE},          {"sum", NODE_SUM}, {"avg", NODE_AVG}, {"min", NODE_MIN},
    {"max", NODE_MAX},   {"histogram_quantile", NODE_QUANTILE}};

// A name is a function when a parenthesis, or "by", follows it.
static int function_at(const struct parser *p, size_t len)
{
    const char *after = p->at + len;
    while (isspace((unsigned char)*after))
        after++;
    bool called = *after == '(' || (!strncmp(after, "by", 2) && !isalnum((unsigned char)after[2]));
    for (size_t i = 0; called && i < sizeof functions / sizeof *functions; i++)
        if (is_word(p, len, functions[i].name))
            return (int)i;
    return -1;
}

static bool is_function(const struct parser *p, size_t len)
{
    return function_at(p, len) >= 0;
}

static struct expr_node *parse_name(struct parser *p)
{
    size_t len = word(p);
    int f = function_at(p, len);
    const char *after = p->at + len;
    if (f < 0 && *after == '(')
        return fail(p, p->at, "The functions are rate, increase, sum, avg, min, max and histogram_quantile.");
    if (f < 0)
        return parse_selector(p, false);
    p->at += len;
    enum node_kind kind = functions[f].kind;
    return kind == NODE_QUANTILE                        ? parse_quantile(p)
           : kind == NODE_RATE || kind == NODE_INCREASE ? parse_change(p, kind)
                                                        : parse_aggregate(p, kind);
}

// ---- operators

static struct expr_node *parse_number(struct parser *p)
{
    char *end;
    struct expr_node *n = new_node(p, NODE_NUMBER);
    if (!n)
        return NULL;
    n->number = strtod(p->at, &end);
    if (!isfinite(n->number) || isalpha((unsigned char)*end))
        return fail(p, p->at, "That is not a number.");
    p->at = end;
    return n;
}

static struct expr_node *parse_primary(struct parser *p)
{
    struct expr_node *n = NULL;
    skip(p);
    if (++p->depth > DEPTH_MAX)
        return fail(p, p->at, "The expression is nested too deeply.");
    if (eat(p, '-')) {
        n = new_node(p, NODE_NEGATE);
        if (n && !(n->a = parse_primary(p)))
            n = NULL;
    } else if (eat(p, '(')) {
        n = parse_expr(p);
        if (n && !eat(p, ')'))
            n = fail(p, p->at, "Here ')' should stand.");
    } else if (isdigit((unsigned char)*p->at) || *p->at == '.') {
        n = parse_number(p);
    } else if (word(p) > 0) {
        n = parse_name(p);
    } else {
        n = fail(p, p->at, "Here a metric, a number or a function should stand.");
    }
    p->depth--;
    return n;
}

static struct expr_node *parse_chain(struct parser *p, struct expr_node *(*inner)(struct parser *p), char x,
                                     enum node_kind kind_x, char y, enum node_kind kind_y)
{
    struct expr_node *left = inner(p);
    while (left) {
        enum node_kind kind;
        if (eat(p, x))
            kind = kind_x;
        else if (eat(p, y))
            kind = kind_y;
        else
            break;
        struct expr_node *n = new_node(p, kind);
        if (!n)
            return NULL;
        n->a = left;
        n->b = inner(p);
        left = n->b ? n : NULL;
    }
    return left;
}

static struct expr_node *parse_term(struct parser *p)
{
    return parse_chain(p, parse_primary, '*', NODE_MULTIPLY, '/', NODE_DIVIDE);
}

static struct expr_node *parse_expr(struct parser *p)
{
    return parse_chain(p, parse_term, '+', NODE_ADD, '-', NODE_SUBTRACT);
}

int scrape_expr_parse(const char *text, struct scrape_expr **out, size_t *column, struct seep_err *err)
{
    struct scrape_expr *e = *out = calloc(1, sizeof *e);
    if (!e)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for an expression");
    struct parser p = {.e = e, .text = text, .at = text, .err = err, .column = column};
    e->root = parse_expr(&p);
    if (e->root)
        skip(&p);
    if (e->root && *p.at)
        e->root = fail(&p, p.at, "Here the expression should end.");
    if (e->root)
        return 0;
    scrape_expr_free(e);
    *out = NULL;
    return -1;
}

void scrape_expr_free(struct scrape_expr *e)
{
    for (int i = 0; e && i < e->n; i++)
        for (int k = 0; k < e->node[i].n_matchers; k++)
            if (e->node[i].matcher[k].pattern)
                regfree(&e->node[i].matcher[k].regex);
    free(e);
}

bool expr_is_plain_histogram(const struct expr_node *quantile)
{
    const struct expr_node *s = quantile->a;
    size_t len = s->kind == NODE_SELECTOR ? strlen(s->name) : 0;
    return s->kind == NODE_SELECTOR && (len < 7 || strcmp(s->name + len - 7, "_bucket") != 0);
}

bool scrape_expr_wants(const struct scrape_expr *e, const char *name)
{
    for (int i = 0; i < e->n; i++) {
        const struct expr_node *n = &e->node[i];
        if (n->kind == NODE_SELECTOR && !strcmp(n->name, name))
            return true;
        size_t len = n->kind == NODE_QUANTILE && expr_is_plain_histogram(n) ? strlen(n->a->name) : 0;
        if (len && !strncmp(n->a->name, name, len) && !strcmp(name + len, "_bucket"))
            return true;
    }
    return false;
}

double scrape_expr_longest_s(const struct scrape_expr *e)
{
    double longest = 0;
    for (int i = 0; i < e->n; i++)
        longest = fmax(longest, e->node[i].range_s);
    return longest;
}
