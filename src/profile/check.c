// What must hold between the keys of a profile, after each has been read by itself. See schema.h.
#include "base/units.h"
#include "profile/schema.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// The node at a path of map keys, or the nearest one above that exists: where an error about it points.
static const struct node *at_path(const struct node *root, const char *section, const char *key)
{
    const struct node *inner = node_get(root, section, NULL);
    const struct node *value = inner && key ? node_get(inner, key, NULL) : NULL;
    return value ? value : inner ? inner : root;
}

static int check_target(const struct load_context *ctx, const struct node *root, const struct profile *p)
{
    const struct profile_target *t = &p->target;
    const struct node *at = at_path(root, "target", "command");
    if (t->argv && !*t->argv[0])
        return node_fail(ctx->err, at, "target.command begins with an empty word.");
    if (t->argv && t->argc == 1 && at->kind == NODE_SCALAR && strpbrk(t->argv[0], " \t"))
        return node_fail(ctx->err, at, "target.command is a list of words: write [./server, --port, \"8080\"].");
    const struct node *env = at_path(root, "target", "env");
    for (int i = 0; i < t->n_env; i++)
        if (!*t->env[i].key || strchr(t->env[i].key, '='))
            return node_fail(ctx->err, env, "'%.40s' is not a name an environment can hold.", t->env[i].key);
    if (t->ready.kind == READY_HTTP && strncmp(t->ready.what, "http://", 7) != 0 &&
        strncmp(t->ready.what, "https://", 8) != 0 && strncmp(t->ready.what, "${", 2) != 0)
        return node_fail(ctx->err, at_path(root, "target", "ready"),
                         "target.ready.http is a URL that begins with http:// or https://, not '%.60s'.",
                         t->ready.what);
    return 0;
}

static int check_run(const struct load_context *ctx, const struct node *root, const struct profile *p)
{
    const struct profile_run *r = &p->run;
    char length[32];
    units_duration(length, sizeof length, r->duration_s);
    if (r->interval_s > r->duration_s)
        return node_fail(ctx->err, at_path(root, "run", "interval"), "run.interval is longer than run.duration (%s).",
                         length);
    if (r->warmup_s >= r->duration_s)
        return node_fail(ctx->err, at_path(root, "run", "warmup"),
                         "run.warmup leaves nothing of run.duration (%s) to judge.", length);
    if (r->reload && !p->load.present)
        return node_fail(ctx->err, at_path(root, "run", "reload"),
                         "run.reload runs the load once more: there is none.");
    return 0;
}

// Which model a load is: rate and users exclude each other, stages follow or decide.
static int check_model(const struct load_context *ctx, const struct node *load, struct profile_load *l)
{
    const struct node *rate = node_get(load, "rate", NULL), *users = node_get(load, "users", NULL);
    if (l->rate_per_s > 0 && l->users > 0)
        return node_fail(ctx->err, users,
                         "A load has a rate (open model) or users (closed), not both; rate is in line "
                         "%d of %.80s. Set the other to null.",
                         rate->line, rate->source->name);
    if (l->rate_per_s <= 0 && l->users <= 0 && !l->n_stages)
        return node_fail(ctx->err, load, "A load needs rate (such as 100/s), users (such as 20), or stages.");
    const struct node *stages = node_get(load, "stages", NULL);
    if (l->rate_per_s <= 0 && l->users <= 0)
        l->open_model = l->stages[0].rate;
    for (int i = 0; i < l->n_stages; i++) {
        const struct node *stage = stages->kind == NODE_LIST ? stages->items[i] : stages;
        const struct node *to = node_get(stage, "to", NULL);
        if (l->stages[i].rate != l->open_model)
            return node_fail(ctx->err, to, "This load is %s, so stages go to %s.",
                             l->open_model ? "open (a rate)" : "closed (users)",
                             l->open_model ? "a rate, such as 500/s" : "a number of users, without a unit");
    }
    if (l->think != THINK_NONE && l->open_model)
        return node_fail(ctx->err, node_get(load, "think", NULL),
                         "Think time belongs to users (closed model); with a rate nobody waits.");
    if (l->poisson && !l->open_model)
        return node_fail(ctx->err, node_get(load, "poisson", NULL), "poisson belongs to a rate (open model).");
    return 0;
}

static bool is_token(const char *text)
{
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("!#$%&'*+-.^_`|~", *p))
            return false;
    return *text != 0;
}

static int check_scenario(const struct load_context *ctx, const struct node *n, struct profile_scenario *s)
{
    const struct node *request = node_get(n, "request", NULL);
    const struct node *at = request ? request : n;
    for (char *c = s->method; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    if (strncmp(s->url, "http://", 7) != 0 && strncmp(s->url, "https://", 8) != 0 && strncmp(s->url, "${", 2) != 0)
        return node_fail(ctx->err, at, "The url of a request begins with http:// or https://, not '%.60s'.", s->url);
    if (strpbrk(s->url, " \t\r\n"))
        return node_fail(ctx->err, at, "There is white space in the url '%.60s'; write %%20.", s->url);
    for (int i = 0; i < s->n_headers; i++) {
        if (!is_token(s->headers[i].key))
            return node_fail(ctx->err, at, "'%.40s' cannot be the name of a header.", s->headers[i].key);
        if (strpbrk(s->headers[i].value, "\r\n"))
            return node_fail(ctx->err, at, "The header '%.40s' has a line break in its value.", s->headers[i].key);
    }
    return 0;
}

static int check_load(const struct load_context *ctx, const struct node *root, struct profile *p)
{
    struct profile_load *l = &p->load;
    if (!l->present)
        return 0;
    const struct node *load = node_get(root, "load", NULL), *list = node_get(load, "scenarios", NULL);
    if (check_model(ctx, load, l))
        return -1;
    if (l->n_scenarios == 0)
        return node_fail(ctx->err, list, "load.scenarios is empty: there is nothing to request.");
    for (int i = 0; i < l->n_scenarios; i++) {
        struct profile_scenario *s = &l->scenarios[i];
        const struct node *n = list->kind == NODE_LIST ? list->items[i] : list;
        char number[16];
        int len = snprintf(number, sizeof number, "s%d", i + 1);
        if (!s->name && !(s->name = arena_text(ctx->arena, number, (size_t)len)))
            return seep_fail(ctx->err, SEEP_E_SYSTEM, "Memory ran out while a profile was read");
        for (int k = 0; k < i; k++)
            if (!strcmp(l->scenarios[k].name, s->name))
                return node_fail(ctx->err, n, "Two scenarios are called '%.60s'; gates could not tell them apart.",
                                 s->name);
        if (check_scenario(ctx, n, s))
            return -1;
    }
    return 0;
}

static int check_gates(const struct load_context *ctx, const struct node *root, const struct profile *p)
{
    const struct node *gates = node_get(root, "gates", NULL);
    for (int i = 0; i < p->n_gates; i++)
        if (!p->gates[i].expr[strspn(p->gates[i].expr, " \t")])
            return node_fail(ctx->err, gates ? gates : root, "gates.%d is empty.", i);
    return 0;
}

int profile_check(const struct load_context *ctx, const struct node *root, struct profile *p)
{
    if (check_target(ctx, root, p) || check_run(ctx, root, p) || check_load(ctx, root, p))
        return -1;
    return check_gates(ctx, root, p) || profile_check_faults(ctx, root, p) ? -1 : 0;
}
