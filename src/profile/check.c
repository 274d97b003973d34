// What must hold between the keys of a profile, after each has been read by itself. See schema.h.
#include "base/units.h"
#include "profile/schema.h"

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
    if (r->reload && !p->n_loads)
        return node_fail(ctx->err, at_path(root, "run", "reload"),
                         "run.reload runs the load once more: there is none.");
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
    if (check_target(ctx, root, p) || check_run(ctx, root, p) || check_loads(ctx, root, p))
        return -1;
    return check_gates(ctx, root, p) || profile_check_faults(ctx, root, p) ? -1 : 0;
}
