// What must hold between the keys of faults, dependencies, proxies, probes and scraped endpoints. See schema.h.
#include "base/units.h"
#include "profile/schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPENDENCIES_MAX = 16,
    PROXIES_MAX = 16,
    FAULTS_MAX = 64,
    PROBES_MAX = 32,
    SCRAPES_MAX = 8,
    OCCURRENCES_MAX = 10000,
};

static const struct node *item(const struct node *list, int i)
{
    return list->kind == NODE_LIST ? list->items[i] : list;
}

static int too_many(const struct load_context *ctx, const struct node *n, const char *what, int have, int most)
{
    return have > most ? node_fail(ctx->err, n, "There are %d %s; more than %d are not possible.", have, what, most)
                       : 0;
}

// ---- what a name may stand for

static bool is_dependency(const struct profile *p, const char *name)
{
    for (int i = 0; i < p->n_dependencies; i++)
        if (!strcmp(p->dependencies[i].name, name))
            return true;
    return false;
}

static bool is_proxy(const struct profile *p, const char *name)
{
    for (int i = 0; i < p->n_proxies; i++)
        if (!strcmp(p->proxies[i].name, name))
            return true;
    return false;
}

static int check_whom(const struct load_context *ctx, const struct node *n, const struct profile *p, const char *name)
{
    if (!strcmp(name, PROFILE_TARGET) || is_dependency(p, name))
        return 0;
    return node_fail(ctx->err, n, "'%.60s' is neither 'target' nor the name of one of the dependencies.", name);
}

// ---- dependencies and proxies

static int check_dependencies(const struct load_context *ctx, const struct node *root, const struct profile *p)
{
    const struct node *map = node_get(root, "dependencies", NULL);
    if (!p->n_dependencies)
        return 0;
    if (too_many(ctx, map, "dependencies", p->n_dependencies, DEPENDENCIES_MAX))
        return -1;
    for (int i = 0; i < p->n_dependencies; i++) {
        const struct profile_dependency *d = &p->dependencies[i];
        if (!strcmp(d->name, PROFILE_TARGET))
            return node_fail(ctx->err, map->keys[i],
                             "A dependency cannot be called 'target': that is the program under "
                             "test.");
        if (!d->argv || !*d->argv[0])
            return node_fail(ctx->err, map->items[i], "dependencies.%.60s.command is empty.", d->name);
    }
    return 0;
}

// "127.0.0.1:7000", "[::1]:7000", "localhost:7000". Variables of the environment are known only at run time.
static bool address_ok(const char *text, bool loopback)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    if (strstr(text, "${env:"))
        return true;
    long port = colon && colon != text ? strtol(colon + 1, &end, 10) : 0;
    if (port < 1 || port > 65535 || *end)
        return false;
    size_t len = (size_t)(colon - text);
    static const char *const own[] = {"127.0.0.1", "[::1]", "localhost"};
    for (size_t i = 0; loopback && i < sizeof own / sizeof *own; i++)
        if (strlen(own[i]) == len && !strncmp(own[i], text, len))
            return true;
    return !loopback;
}

static int check_proxies(const struct load_context *ctx, const struct node *root, const struct profile *p)
{
    const struct node *map = node_get(root, "proxies", NULL);
    if (!p->n_proxies)
        return 0;
    if (too_many(ctx, map, "proxies", p->n_proxies, PROXIES_MAX))
        return -1;
    for (int i = 0; i < p->n_proxies; i++) {
        const struct profile_proxy *x = &p->proxies[i];
        if (!address_ok(x->listen, true))
            return node_fail(ctx->err, node_get(map->items[i], "listen", NULL),
                             "A proxy listens on 127.0.0.1:PORT, localhost:PORT or [::1]:PORT, not on '%.60s'.",
                             x->listen);
        if (!address_ok(x->to, false))
            return node_fail(ctx->err, node_get(map->items[i], "to", NULL),
                             "A proxy goes on to HOST:PORT, not '%.60s'.", x->to);
    }
    return 0;
}

// ---- faults

static int find_kind(const struct load_context *ctx, const struct node *n, const struct profile *p,
                     struct profile_fault *f)
{
    const struct {
        bool given;
        enum profile_fault_kind kind;
        const char *whom;
    } ways[] = {{f->pause != NULL, FAULT_PAUSE, f->pause},
                {f->kill != NULL, FAULT_KILL, f->kill},
                {f->restart != NULL, FAULT_RESTART, f->restart},
                {f->memory_bytes > 0, FAULT_MEMORY, NULL},
                {f->cpu > 0, FAULT_CPU, NULL},
                {f->proxy != NULL, FAULT_TOXIC, NULL}};
    int given = 0;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (!ways[i].given)
            continue;
        given++;
        f->kind = ways[i].kind;
        if (ways[i].whom && check_whom(ctx, n, p, ways[i].whom))
            return -1;
    }
    if (given != 1)
        return node_fail(ctx->err, n,
                         "A fault has %s of the keys pause, kill, restart, proxy, memory and cpu; it has %s.",
                         "exactly one", given ? "several" : "none");
    if (f->proxy && !is_proxy(p, f->proxy))
        return node_fail(ctx->err, n, "There is no proxy '%.60s' in the profile's proxies.", f->proxy);
    return 0;
}

// What each toxic cannot do without, and that no other toxic's numbers are given.
static int check_toxic(const struct load_context *ctx, const struct node *n, const struct profile_fault *f)
{
    const struct {
        const char *key;
        double value;
        unsigned of; // toxics it belongs to
        unsigned needed;
    } rows[] = {
        {"latency or jitter", f->latency_s + f->jitter_s, 1u << TOXIC_LATENCY, 1u << TOXIC_LATENCY},
        {"rate", f->rate_bytes_per_s, 1u << TOXIC_BANDWIDTH, 1u << TOXIC_BANDWIDTH},
        {"delay", f->delay_s, 1u << TOXIC_SLOW_CLOSE | 1u << TOXIC_SLICER, 1u << TOXIC_SLOW_CLOSE},
        {"timeout", f->timeout_s, 1u << TOXIC_TIMEOUT | 1u << TOXIC_RESET_PEER, 0},
        {"average_size", f->average_size, 1u << TOXIC_SLICER, 1u << TOXIC_SLICER},
        {"size_variation", f->size_variation, 1u << TOXIC_SLICER, 0},
        {"bytes", f->bytes, 1u << TOXIC_LIMIT_DATA, 1u << TOXIC_LIMIT_DATA},
    };
    if ((f->kind == FAULT_TOXIC) != (f->toxic != TOXIC_NONE))
        return node_fail(ctx->err, n, "'proxy' and 'toxic' go together: where, and what is done to connections there.");
    unsigned bit = 1u << f->toxic;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].value > 0 && !(rows[i].of & bit))
            return node_fail(ctx->err, n, "'%s' does not belong to this fault.", rows[i].key);
        if (rows[i].value <= 0 && (rows[i].needed & bit))
            return node_fail(ctx->err, n, "This toxic needs %s.", rows[i].key);
    }
    if (f->average_size > 0 && f->size_variation >= f->average_size)
        return node_fail(ctx->err, n, "size_variation must be less than average_size.");
    return 0;
}

static int check_times(const struct load_context *ctx, const struct node *n, const struct profile *p,
                       const struct profile_fault *f)
{
    bool lasts = f->kind != FAULT_KILL && f->kind != FAULT_RESTART;
    if (lasts && f->for_s <= 0)
        return node_fail(ctx->err, n, "A fault of this kind needs 'for': how long it lasts.");
    if (f->kind == FAULT_RESTART && f->for_s > 0)
        return node_fail(ctx->err, n, "A restart lasts as long as it takes; 'for' belongs to kill.");
    if (f->every_s > 0 && f->every_s <= f->for_s)
        return node_fail(ctx->err, n, "'every' must be longer than 'for'.");
    if (f->times > 0 && f->every_s <= 0)
        return node_fail(ctx->err, n, "'times' goes with 'every'.");
    if (f->every_s > 0 && p->run.duration_s / f->every_s > OCCURRENCES_MAX)
        return node_fail(ctx->err, n, "That is more than %d faults in one run.", OCCURRENCES_MAX);
    if (f->at_s + f->for_s > p->run.duration_s)
        return node_fail(ctx->err, n, "The fault is not over when the measured time is (run.duration).");
    return 0;
}

// "latency-redis", "pause-target", "memory"; a number behind it where that is taken.
static int make_name(const struct load_context *ctx, const struct profile *p, int i)
{
    static const char *const toxics[] = {"none",       "latency", "bandwidth",  "slow_close", "timeout",
                                         "reset_peer", "slicer",  "limit_data", "down"};
    struct profile_fault *f = &p->faults[i];
    char name[160];
    int len = f->pause     ? snprintf(name, sizeof name, "pause-%.60s", f->pause)
              : f->kill    ? snprintf(name, sizeof name, "kill-%.60s", f->kill)
              : f->restart ? snprintf(name, sizeof name, "restart-%.60s", f->restart)
              : f->proxy   ? snprintf(name, sizeof name, "%s-%.60s", toxics[f->toxic], f->proxy)
                           : snprintf(name, sizeof name, "%s", f->cpu > 0 ? "cpu" : "memory");
    for (int k = 0, n = 2; k < i; k++) {
        if (strcmp(p->faults[k].name, name) != 0)
            continue;
        snprintf(name + len, sizeof name - (size_t)len, "-%d", n++);
        k = -1;
    }
    f->name = arena_text(ctx->arena, name, strlen(name));
    return f->name ? 0 : seep_fail(ctx->err, SEEP_E_SYSTEM, "Memory ran out while a profile was read");
}

static int check_faults(const struct load_context *ctx, const struct node *root, const struct profile *p)
{
    const struct node *list = node_get(root, "faults", NULL);
    if (p->n_faults && too_many(ctx, list, "faults", p->n_faults, FAULTS_MAX))
        return -1;
    for (int i = 0; i < p->n_faults; i++) {
        const struct node *n = item(list, i);
        struct profile_fault *f = &p->faults[i];
        if (find_kind(ctx, n, p, f) || check_toxic(ctx, n, f) || check_times(ctx, n, p, f))
            return -1;
        if (!f->name && make_name(ctx, p, i))
            return -1;
        for (int k = 0; k < i; k++)
            if (!strcmp(p->faults[k].name, f->name))
                return node_fail(ctx->err, n, "Two faults are called '%.60s'; gates could not tell them apart.",
                                 f->name);
    }
    return 0;
}

// ---- probes and scraped endpoints

static bool is_url(const char *text)
{
    return !strncmp(text, "http://", 7) || !strncmp(text, "https://", 8) || !strncmp(text, "${", 2);
}

static int check_probe(const struct load_context *ctx, const struct node *n, const struct profile_probe *b)
{
    if ((b->http != NULL) + (b->tcp != NULL) + (b->argv != NULL) != 1)
        return node_fail(ctx->err, n, "A probe has exactly one of the keys http, tcp and command.");
    if (b->http && !is_url(b->http))
        return node_fail(ctx->err, node_get(n, "http", NULL),
                         "The http of a probe is a URL that begins with http:// or https://, not '%.60s'.", b->http);
    if (b->tcp && !address_ok(b->tcp, false))
        return node_fail(ctx->err, node_get(n, "tcp", NULL), "The tcp of a probe is HOST:PORT, not '%.60s'.", b->tcp);
    if (b->argv && !*b->argv[0])
        return node_fail(ctx->err, n, "The command of a probe begins with an empty word.");
    if (b->n_status && !b->http)
        return node_fail(ctx->err, n, "'status' belongs to http.");
    if (b->contains && b->tcp)
        return node_fail(ctx->err, n, "'contains' belongs to http and command.");
    return 0;
}

static int check_probes(const struct load_context *ctx, const struct node *root, const struct profile *p)
{
    const struct node *list = node_get(root, "probes", NULL);
    if (p->n_probes && too_many(ctx, list, "probes", p->n_probes, PROBES_MAX))
        return -1;
    for (int i = 0; i < p->n_probes; i++) {
        if (check_probe(ctx, item(list, i), &p->probes[i]))
            return -1;
        for (int k = 0; k < i; k++)
            if (!strcmp(p->probes[k].name, p->probes[i].name))
                return node_fail(ctx->err, item(list, i), "Two probes are called '%.60s'.", p->probes[i].name);
    }
    return 0;
}

static int check_scrapes(const struct load_context *ctx, const struct node *root, const struct profile *p)
{
    const struct node *list = node_get(root, "scrape", NULL);
    if (p->n_scrapes && too_many(ctx, list, "scraped endpoints", p->n_scrapes, SCRAPES_MAX))
        return -1;
    for (int i = 0; i < p->n_scrapes; i++) {
        const struct profile_scrape *s = &p->scrapes[i];
        const struct node *n = item(list, i);
        if (!is_url(s->url))
            return node_fail(ctx->err, n, "The url of a scraped endpoint begins with http:// or https://, not '%.60s'.",
                             s->url);
        if (!s->n_metrics && !s->n_series)
            return node_fail(ctx->err, n, "Nothing is kept of this endpoint: name 'metrics' or 'series'.");
        for (int k = 0; k < i; k++)
            if (!strcmp(p->scrapes[k].name, s->name))
                return node_fail(ctx->err, n, "Two scraped endpoints are called '%.60s'.", s->name);
    }
    return 0;
}

int profile_check_faults(const struct load_context *ctx, const struct node *root, struct profile *p)
{
    return check_dependencies(ctx, root, p) || check_proxies(ctx, root, p) || check_faults(ctx, root, p) ||
                   check_probes(ctx, root, p) || check_scrapes(ctx, root, p)
               ? -1
               : 0;
}
