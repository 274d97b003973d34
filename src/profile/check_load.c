// What must hold in the loads of a profile, key against key; and what follows from it: names, the model, connections.
// See schema.h, load_types.h.
#include "profile/profile.h"
#include "profile/schema.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int name_it(const struct load_context *ctx, char **name, const char *prefix, int number)
{
    char text[24];
    int len = number ? snprintf(text, sizeof text, "%s%d", prefix, number) : snprintf(text, sizeof text, "%s", prefix);
    if (!*name && !(*name = arena_text(ctx->arena, text, (size_t)len)))
        return seep_fail(ctx->err, SEEP_E_SYSTEM, "Memory ran out while a profile was read");
    return 0;
}

// Which model a load is: rate and users exclude each other, stages follow or decide.
static int check_model(const struct load_context *ctx, const struct node *load, struct profile_load *l)
{
    const struct node *rate = node_get(load, "rate", NULL), *users = node_get(load, "users", NULL);
    bool has_rate = node_given(load, "rate"), has_users = node_given(load, "users");
    if (has_rate && has_users)
        return node_fail(ctx->err, users,
                         "A load has a rate (open model) or users (closed), not both; rate is in line "
                         "%d of %.80s. Set the other to null.",
                         rate->line, rate->source->name);
    if (!has_rate && !has_users && !l->n_stages)
        return node_fail(ctx->err, load, "A load needs rate (such as 100/s), users (such as 20), or stages.");
    if ((has_rate || has_users) && l->rate_per_s <= 0 && l->users <= 0 && !l->n_stages)
        return node_fail(ctx->err, has_rate ? rate : users,
                         "load.%s must be more than zero, or stages must lead away from it.",
                         has_rate ? "rate" : "users");
    const struct node *stages = node_get(load, "stages", NULL);
    if (!has_rate && !has_users)
        l->open_model = l->stages[0].rate;
    for (int i = 0; i < l->n_stages; i++)
        if (l->stages[i].rate != l->open_model)
            return node_fail(ctx->err, node_get(node_item(stages, i), "to", NULL),
                             "This load is %s, so stages go to %s.", l->open_model ? "open (a rate)" : "closed (users)",
                             l->open_model ? "a rate, such as 500/s" : "a number of users, without a unit");
    return 0;
}

// Keys that only one of the two models has.
static int check_model_keys(const struct load_context *ctx, const struct node *load, const struct profile_load *l)
{
    if (l->think.kind != THINK_NONE && l->open_model)
        return node_fail(ctx->err, node_under(load, "think"),
                         "Think time belongs to users (closed model); with a rate nobody waits.");
    if (l->poisson && !l->open_model)
        return node_fail(ctx->err, node_under(load, "poisson"), "poisson belongs to a rate (open model).");
    if (l->bursts.present && !l->open_model)
        return node_fail(ctx->err, node_under(load, "bursts"),
                         "bursts belong to a rate (open model); a user's burst is a step with repeat.");
    if (l->hatch_per_s > 0 && (l->open_model || l->n_stages))
        return node_fail(ctx->err, node_under(load, "hatch"),
                         "hatch says how a fixed number of users begins (closed model without stages).");
    if (l->pace_per_s > 0 && l->open_model)
        return node_fail(ctx->err, node_under(load, "pace"),
                         "pace belongs to users (closed model); a load has one rate.");
    for (int i = 0; i < l->n_scenarios; i++)
        if (l->open_model && l->scenarios[i].think.kind != THINK_NONE)
            return node_fail(ctx->err, node_under(node_item(node_under(load, "scenarios"), i), "think"),
                             "Think time after an iteration belongs to users (closed model); a step may have one.");
    return 0;
}

static double most_users(const struct profile_load *l)
{
    double most = l->users;
    for (int i = 0; i < l->n_stages; i++)
        most = fmax(most, l->stages[i].to);
    return fmax(most, 1);
}

// Users need a connection each; a rate gets by with what is said, or 128.
static int settle_connections(const struct load_context *ctx, const struct node *load, struct profile_load *l)
{
    double most = l->open_model ? 128 : most_users(l);
    bool own = l->connection == CONNECTION_PER_USER;
    if (own && l->open_model && l->sessions != SESSIONS_KEPT)
        return node_fail(ctx->err, node_under(load, "connection"),
                         "per-user connections belong to users that are kept: users: N, or sessions: kept.");
    if (l->connections == CONNECTIONS_AUTO)
        l->connections = most > CONNECTIONS_MAX ? CONNECTIONS_MAX : (int)ceil(most);
    if (own && !l->open_model && most > l->connections)
        return node_fail(ctx->err, node_under(load, "connections"),
                         "%.0f users with a connection each do not fit into %d connections.", most, l->connections);
    if (l->workers > l->connections || (!l->open_model && l->workers > most))
        return node_fail(ctx->err, node_under(load, "workers"), "There are more processes than %s to share.",
                         l->workers > l->connections ? "connections" : "users");
    return 0;
}

static int check_transport(const struct load_context *ctx, const struct node *load, const struct profile_load *l)
{
    const struct node *tls = node_under(load, "tls");
    if (!l->tls.cert != !l->tls.key)
        return node_fail(ctx->err, tls, "tls.cert and tls.key belong together; one of them is missing.");
    if (l->tls.insecure && l->tls.ca)
        return node_fail(ctx->err, tls, "tls.insecure accepts any certificate, whatever tls.ca says; take one out.");
    if (check_unix(ctx, node_under(load, "unix"), l->unix_path))
        return -1;
    return check_headers(ctx, l, node_under(load, "headers"), l->headers, l->n_headers);
}

static int check_names(const struct load_context *ctx, const struct node *load, const struct profile_load *l)
{
    const struct node *variables = node_under(load, "variables"), *data = node_under(load, "data");
    for (int i = 0; i < l->n_variables; i++) {
        const struct profile_pair *v = &l->variables[i];
        if (!check_is_name(v->key) || !strcmp(v->key, "id"))
            return node_fail(ctx->err, node_under(variables, v->key),
                             "'%.40s' cannot be the name of a session variable: letters, digits, '.', '_' and '-', "
                             "and not id.",
                             v->key);
        if (check_runtext(ctx, l, node_under(variables, v->key), v->value))
            return -1;
    }
    for (int i = 0; i < l->n_data; i++)
        if (!check_is_name(l->data[i].name) || strchr(l->data[i].name, '.'))
            return node_fail(ctx->err, node_under(data, l->data[i].name),
                             "'%.40s' cannot be the name of a table: letters, digits, '_' and '-'.", l->data[i].name);
    return 0;
}

static int check_scenarios(const struct load_context *ctx, const struct node *load, struct profile_load *l)
{
    const struct node *list = node_under(load, "scenarios");
    if (l->n_scenarios == 0)
        return node_fail(ctx->err, list, "load.scenarios is empty: there is nothing to request.");
    for (int i = 0; i < l->n_scenarios; i++) {
        if (name_it(ctx, &l->scenarios[i].name, "s", i + 1))
            return -1;
        for (int k = 0; k < i; k++)
            if (!strcmp(l->scenarios[k].name, l->scenarios[i].name))
                return node_fail(ctx->err, node_item(list, i),
                                 "Two scenarios are called '%.60s'; gates could not tell them apart.",
                                 l->scenarios[i].name);
        if (check_scenario(ctx, l, node_item(list, i), &l->scenarios[i]))
            return -1;
    }
    return check_steps(ctx, l, node_under(load, "setup"), l->setup, l->n_setup) ||
                   check_steps(ctx, l, node_under(load, "user_setup"), l->user_setup, l->n_user_setup) ||
                   check_steps(ctx, l, node_under(load, "teardown"), l->teardown, l->n_teardown)
               ? -1
               : 0;
}

static bool is_of(const struct profile_load *l, const char *of)
{
    for (int i = 0; i < l->n_scenarios; i++) {
        const struct profile_scenario *s = &l->scenarios[i];
        size_t len = strlen(s->name);
        if (!strcmp(s->name, of))
            return true;
        for (int k = 0; k < s->n_steps; k++)
            if ((s->steps[k].transaction && !strcmp(s->steps[k].transaction, of)) ||
                (!strncmp(s->name, of, len) && of[len] == '.' && !strcmp(s->steps[k].name, of + len + 1)))
                return true;
    }
    return false;
}

static int check_metric(const struct load_context *ctx, const struct node *n, const struct profile_load *l,
                        struct profile_metric *m)
{
    static const char *const kinds[] = {[METRIC_TREND] = "trend", [METRIC_RATE] = "rate", [METRIC_COUNTER] = "counter"};
    if (!check_is_name(m->name))
        return node_fail(ctx->err, n, "'%.40s' cannot be the name of a metric: letters, digits, '.', '_' and '-'.",
                         m->name);
    if (m->kind == METRIC_NONE)
        return node_fail(ctx->err, n, "A metric needs the key 'trend', 'rate' or 'counter'.");
    if (m->of && !is_of(l, m->of))
        return node_fail(ctx->err, node_under(n, "of"),
                         "'%.60s' is no scenario, no SCENARIO.STEP and no transaction here.", m->of);
    m->value.name = m->name;
    const struct node *inner = node_under(n, kinds[m->kind]);
    if (m->source == METRIC_VALUE)
        return check_value(ctx, l, inner, &m->value);
    return m->source == METRIC_CHECKS ? check_expect(ctx, l, inner, &m->match) : 0;
}

static int check_metrics(const struct load_context *ctx, const struct node *load, const struct profile *p,
                         struct profile_load *l)
{
    const struct node *metrics = node_under(load, "metrics");
    int total = 0;
    for (const struct profile_load *o = p->loads; o <= l; o++)
        total += o->n_metrics;
    if (total > PROFILE_METRICS_MAX)
        return node_fail(ctx->err, metrics, "There are more than %d metrics in this profile.", PROFILE_METRICS_MAX);
    for (int i = 0; i < l->n_metrics; i++) {
        const struct node *n = node_under(metrics, l->metrics[i].name);
        if (check_metric(ctx, n, l, &l->metrics[i]))
            return -1;
        for (const struct profile_load *o = p->loads; o < l; o++)
            for (int k = 0; k < o->n_metrics; k++)
                if (!strcmp(o->metrics[k].name, l->metrics[i].name))
                    return node_fail(ctx->err, n, "Two loads have a metric '%.60s'; gates could not tell them apart.",
                                     l->metrics[i].name);
    }
    return 0;
}

static int check_exec(const struct load_context *ctx, const struct node *load, const struct profile_load *l)
{
    static const char *const also[] = {"name", "start", "duration", "exec"};
    const struct node *exec = node_under(load, "exec"), *counters = node_under(exec, "counters");
    for (int i = 0; i < load->n; i++) {
        bool known = node_is_null(load->items[i]);
        for (size_t k = 0; k < sizeof also / sizeof *also; k++)
            known |= !strcmp(load->keys[i]->text, also[k]);
        if (!known)
            return node_fail(ctx->err, load->keys[i], "The load is another program (exec), so %.40s says nothing here.",
                             load->keys[i]->text);
    }
    if (l->exec.argc == 0 || !*l->exec.argv[0])
        return node_fail(ctx->err, node_under(exec, "command"), "exec.command is empty.");
    for (int i = 0; i < l->exec.n_counters; i++) {
        const struct profile_exec_counter *c = &l->exec.counters[i];
        const struct node *n = node_under(counters, c->name);
        if (!check_is_name(c->name))
            return node_fail(ctx->err, n, "'%.40s' cannot be the name of a metric: letters, digits, '.', '_' and '-'.",
                             c->name);
        if (!c->regex == !c->json)
            return node_fail(ctx->err, n, "A counter comes from a regex or from json, one of them.");
        if (c->regex ? check_regex(ctx, n->kind == NODE_MAP ? node_under(n, "regex") : n, c->regex, 1)
                     : check_jsonpath(ctx, node_under(n, "json"), c->json))
            return -1;
    }
    return 0;
}

static int check_load(const struct load_context *ctx, const struct node *n, const struct profile *p,
                      struct profile_load *l)
{
    if (l->exec.present)
        return check_exec(ctx, n, l);
    if (!node_given(n, "scenarios"))
        return node_fail(ctx->err, n, "load needs the key 'scenarios' (or exec).");
    if (check_model(ctx, n, l) || check_model_keys(ctx, n, l) || settle_connections(ctx, n, l))
        return -1;
    if (l->iterations != floor(l->iterations))
        return node_fail(ctx->err, node_under(n, "iterations"), "load.iterations wants a whole number.");
    if (check_names(ctx, n, l) || check_transport(ctx, n, l) || check_scenarios(ctx, n, l))
        return -1;
    return check_metrics(ctx, n, p, l);
}

int check_loads(const struct load_context *ctx, const struct node *root, struct profile *p)
{
    const struct node *loads = node_get(root, "load", NULL);
    if (p->n_loads > PROFILE_LOADS_MAX)
        return node_fail(ctx->err, loads, "There are more than %d loads.", PROFILE_LOADS_MAX);
    for (int i = 0; i < p->n_loads; i++) {
        const struct node *n = node_item(loads, i);
        if (name_it(ctx, &p->loads[i].name, p->n_loads == 1 ? "main" : "load", p->n_loads == 1 ? 0 : i + 1))
            return -1;
        for (int k = 0; k < i; k++)
            if (!strcmp(p->loads[k].name, p->loads[i].name))
                return node_fail(ctx->err, node_under(n, "name"),
                                 "Two loads are called '%.60s'; gates could not tell them apart.", p->loads[i].name);
        if (check_load(ctx, n, p, &p->loads[i]))
            return -1;
    }
    return 0;
}
