// What must hold in the texts of a load: references that are put in while it runs, regular expressions, JSON paths,
// comparisons. See schema.h.
#include "profile/jsonpath.h"
#include "profile/runtext.h"
#include "profile/schema.h"

#include <ctype.h>
#include <regex.h>
#include <string.h>

enum { REGEX_MAX = 4096 };

static bool same(const char *name, const char *text, size_t len)
{
    return strlen(name) == len && !memcmp(name, text, len);
}

static bool extracts(const struct profile_step *steps, int n_steps, const struct runtext_part *part)
{
    for (int i = 0; i < n_steps; i++)
        for (int k = 0; k < steps[i].n_extract; k++)
            if (same(steps[i].extract[k].name, part->text, part->len))
                return true;
    return false;
}

static bool is_variable(const struct profile_load *l, const struct runtext_part *part)
{
    for (int i = 0; i < l->n_variables; i++)
        if (same(l->variables[i].key, part->text, part->len))
            return true;
    for (int i = 0; i < l->n_scenarios; i++) {
        const struct profile_scenario *s = &l->scenarios[i];
        if (extracts(s->n_steps ? s->steps : &s->single, s->n_steps ? s->n_steps : 1, part))
            return true;
    }
    return extracts(l->setup, l->n_setup, part) || extracts(l->user_setup, l->n_user_setup, part) ||
           extracts(l->teardown, l->n_teardown, part);
}

static bool is_table(const struct profile_load *l, const struct runtext_part *part)
{
    for (int i = 0; i < l->n_data; i++)
        if (same(l->data[i].name, part->text, part->len))
            return true;
    return false;
}

int check_runtext(const struct load_context *ctx, const struct profile_load *l, const struct node *n, const char *text)
{
    const char *rest = text;
    struct runtext_part part;
    struct seep_err why = {0};
    int more;
    while ((more = runtext_next(text, &rest, &part, &why)) > 0) {
        size_t at = n->text == text ? part.at : 0;
        if (l && part.kind == RUNTEXT_USER && !is_variable(l, &part))
            return node_fail_at(
                ctx->err, n, at,
                "Nothing gives ${user:%.*s} a value; extract it in a step, or set it in load.variables.", (int)part.len,
                part.text);
        if (l && part.kind == RUNTEXT_DATA && !is_table(l, &part))
            return node_fail_at(ctx->err, n, at, "There is no table '%.*s' in load.data.", (int)part.len, part.text);
    }
    return more < 0 ? node_fail_at(ctx->err, n, n->text == text ? part.at : 0, "%s", why.text) : 0;
}

int check_regex(const struct load_context *ctx, const struct node *n, const char *text, size_t groups)
{
    regex_t re;
    char why[128];
    if (strlen(text) > REGEX_MAX)
        return node_fail(ctx->err, n, "This regular expression is longer than %d bytes.", REGEX_MAX);
    int bad = regcomp(&re, text, REG_EXTENDED);
    if (bad) {
        regerror(bad, &re, why, sizeof why);
        return node_fail(ctx->err, n, "'%.60s' is no regular expression: %s.", text, why);
    }
    size_t has = re.re_nsub;
    regfree(&re);
    if (has < groups)
        return node_fail(ctx->err, n, "'%.60s' has no group (in parentheses) that says which part is meant.", text);
    return 0;
}

int check_jsonpath(const struct load_context *ctx, const struct node *n, const char *text)
{
    struct jsonpath path;
    struct seep_err why = {0};
    size_t at = 0;
    if (jsonpath_parse(text, &path, &at, &why))
        return node_fail_at(ctx->err, n, n->text == text ? at : 0, "%s", why.text);
    return 0;
}

int check_bound(const struct load_context *ctx, const struct node *n, const char *text)
{
    struct bound b;
    struct seep_err why = {0};
    return jsonpath_bound(text, &b, &why) ? node_fail(ctx->err, n, "%s", why.text) : 0;
}

bool check_is_token(const char *text)
{
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("!#$%&'*+-.^_`|~", *p))
            return false;
    return *text != 0;
}
