// Keys of the load whose values have a form of their own: models, stages, think time, accepted answers, metrics. Each
// reads from the tree and writes what reads back the same. See schema.h.
#include "profile/schema.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static int no_memory(const struct load_context *ctx)
{
    return seep_fail(ctx->err, SEEP_E_SYSTEM, "Memory ran out while a profile was read");
}

static bool is_class(const char *text)
{
    return strlen(text) == 3 && text[0] >= '1' && text[0] <= '5' && !strcmp(text + 1, "xx");
}

static int status_read(const struct load_context *ctx, const struct node *n, struct profile_status *out)
{
    const char *text = schema_text(ctx, n, "expect.status");
    double v;
    if (!text)
        return -1;
    if (!strcmp(text, "any")) {
        *out = (struct profile_status){100, 599};
        return 0;
    }
    if (is_class(text)) {
        *out = (struct profile_status){(text[0] - '0') * 100, (text[0] - '0') * 100 + 99};
        return 0;
    }
    if (strspn(text, "0123456789.") < strlen(text))
        return node_fail(ctx->err, n, "expect.status is a code such as 200, a class such as 2xx, or any, not '%.40s'.",
                         text);
    if (schema_number(ctx, n, "expect.status", UNIT_NONE, &v))
        return -1;
    if (v != floor(v) || v < 100 || v > 599)
        return node_fail(ctx->err, n, "expect.status lies between 100 and 599.");
    *out = (struct profile_status){(int)v, (int)v};
    return 0;
}

static int statuses_read(const struct load_context *ctx, const struct schema_key *key, const struct node *n,
                         void *object)
{
    struct profile_status **field = (struct profile_status **)((char *)object + key->offset);
    int *count = (int *)((char *)object + key->count);
    if (n->kind == NODE_MAP)
        return node_fail(ctx->err, n, "expect.status is a list such as [200, 401].");
    struct profile_status *list = arena_alloc(ctx->arena, sizeof *list * (size_t)(node_count(n) + 1));
    if (!list)
        return no_memory(ctx);
    for (int i = 0; i < node_count(n); i++)
        if (status_read(ctx, node_item(n, i), &list[i]))
            return -1;
    *field = list;
    *count = node_count(n);
    return 0;
}

static void statuses_write(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    (void)redact;
    const struct profile_status *list = *(struct profile_status *const *)((const char *)object + key->offset);
    int n = *(const int *)((const char *)object + key->count);
    if (!n)
        return;
    jsonw_array(w, key->name);
    for (int i = 0; i < n; i++) {
        char text[8];
        snprintf(text, sizeof text, "%cxx", '0' + list[i].low / 100 % 10);
        if (list[i].low == list[i].high)
            jsonw_int(w, NULL, list[i].low);
        else
            jsonw_string(w, NULL, list[i].high - list[i].low > 99 ? "any" : text);
    }
    jsonw_end_array(w);
}

const struct key_ops key_statuses = {statuses_read, statuses_write};

static int presence_read(const struct load_context *ctx, const struct schema_key *key, const struct node *n,
                         void *object)
{
    struct schema_key plain = {.type = KEY_BOOL};
    bool there = false;
    if (schema_read_value(ctx, &plain, "present", n, &there))
        return -1;
    *(enum profile_presence *)((char *)object + key->offset) = there ? PRESENCE_THERE : PRESENCE_ABSENT;
    return 0;
}

static void presence_write(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    (void)redact;
    enum profile_presence presence = *(const enum profile_presence *)((const char *)object + key->offset);
    if (presence != PRESENCE_ANY)
        jsonw_bool(w, key->name, presence == PRESENCE_THERE);
}

const struct key_ops key_presence = {presence_read, presence_write};

static int think_read(const struct load_context *ctx, const struct schema_key *key, const struct node *n, void *object)
{
    struct profile_think *t = (struct profile_think *)((char *)object + key->offset);
    if (n->kind == NODE_MAP || (n->kind == NODE_LIST && n->n != 2 && n->n != 1))
        return node_fail(ctx->err, n, "think is a duration such as 2s, or a range such as [2s, 5s].");
    if (schema_number(ctx, node_item(n, 0), "think", UNIT_SECONDS, &t->min_s) ||
        schema_number(ctx, node_item(n, node_count(n) - 1), "think", UNIT_SECONDS, &t->max_s))
        return -1;
    if (t->max_s < t->min_s)
        return node_fail(ctx->err, n, "think goes from the shorter to the longer pause.");
    t->given = true;
    t->kind = t->max_s <= 0 ? THINK_NONE : t->max_s > t->min_s ? THINK_UNIFORM : THINK_FIXED;
    return 0;
}

static void think_write(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    (void)redact;
    const struct profile_think *t = (const struct profile_think *)((const char *)object + key->offset);
    if (!t->given)
        return;
    jsonw_array(w, key->name);
    schema_quantity(w, NULL, t->min_s, UNIT_SECONDS);
    schema_quantity(w, NULL, t->max_s, UNIT_SECONDS);
    jsonw_end_array(w);
}

const struct key_ops key_think = {think_read, think_write};

// load.rate (arg 1) and load.users (arg 0): which one is given decides the model; check_load.c refuses both.
static int model_read(const struct load_context *ctx, const struct schema_key *key, const struct node *n, void *object)
{
    struct profile_load *l = object;
    double *field = (double *)((char *)object + key->offset);
    if (schema_number(ctx, n, key->arg ? "load.rate" : "load.users", key->arg ? UNIT_PER_SECOND : UNIT_NONE, field))
        return -1;
    if (*field < 0)
        return node_fail(ctx->err, n, "load.%s must not be negative.", key->name);
    if (!key->arg && (*field != floor(*field) || *field > 1e6))
        return node_fail(ctx->err, n, "load.users is a whole number up to 1000000.");
    if (key->arg)
        l->open_model = true;
    return 0;
}

static void model_write(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    (void)redact;
    double value = *(const double *)((const char *)object + key->offset);
    if (value > 0)
        schema_quantity(w, key->name, value, key->arg ? UNIT_PER_SECOND : UNIT_NONE);
}

const struct key_ops key_model_number = {model_read, model_write};

static int stage_read(const struct load_context *ctx, const struct schema_key *key, const struct node *n, void *object)
{
    (void)key;
    struct profile_stage *s = object;
    const char *text = schema_text(ctx, n, "load.stages.to");
    if (!text)
        return -1;
    s->rate = strchr(text, '/') != NULL;
    if (schema_number(ctx, n, "load.stages.to", s->rate ? UNIT_PER_SECOND : UNIT_NONE, &s->to))
        return -1;
    if (!s->rate && (s->to != floor(s->to) || s->to > 1e6))
        return node_fail(ctx->err, n, "A number of users is whole, up to 1000000; a rate has its unit, such as 500/s.");
    return 0;
}

static void stage_write(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    (void)redact;
    const struct profile_stage *s = object;
    schema_quantity(w, key->name, s->to, s->rate ? UNIT_PER_SECOND : UNIT_NONE);
}

const struct key_ops key_stage_to = {stage_read, stage_write};

static int exit_codes_read(const struct load_context *ctx, const struct schema_key *key, const struct node *n,
                           void *object)
{
    int **field = (int **)((char *)object + key->offset), *count = (int *)((char *)object + key->count);
    if (n->kind == NODE_MAP || node_count(n) == 0)
        return node_fail(ctx->err, n, "exec.exit is a list such as [0, 99].");
    int *codes = arena_alloc(ctx->arena, sizeof *codes * (size_t)node_count(n));
    if (!codes)
        return no_memory(ctx);
    for (int i = 0; i < node_count(n); i++) {
        double v;
        if (schema_number(ctx, node_item(n, i), "exec.exit", UNIT_NONE, &v))
            return -1;
        if (v != floor(v) || v > 255)
            return node_fail(ctx->err, node_item(n, i), "exec.exit lies between 0 and 255.");
        codes[i] = (int)v;
    }
    *field = codes;
    *count = node_count(n);
    return 0;
}

static void exit_codes_write(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    (void)redact;
    const int *codes = *(int *const *)((const char *)object + key->offset);
    jsonw_array(w, key->name);
    for (int i = 0; i < *(const int *)((const char *)object + key->count); i++)
        jsonw_int(w, NULL, codes[i]);
    jsonw_end_array(w);
}

const struct key_ops key_exit_codes = {exit_codes_read, exit_codes_write};

// What a metric's bare word means, by the kind it stands under.
static const struct {
    enum profile_metric_kind kind;
    const char *word;
    enum profile_metric_source source;
} metric_words[] = {
    {METRIC_TREND, "latency", METRIC_LATENCY}, {METRIC_TREND, "service", METRIC_SERVICE},
    {METRIC_TREND, "size", METRIC_SIZE},       {METRIC_RATE, "errors", METRIC_ERRORS},
    {METRIC_RATE, "success", METRIC_SUCCESS},  {METRIC_COUNTER, "requests", METRIC_REQUESTS},
    {METRIC_COUNTER, "errors", METRIC_ERRORS}, {METRIC_COUNTER, "size", METRIC_SIZE},
};

enum { METRIC_WORDS = sizeof metric_words / sizeof *metric_words };

static int metric_word(const struct load_context *ctx, const struct schema_key *key, const struct node *n,
                       struct profile_metric *m)
{
    const char *text = schema_text(ctx, n, key->name);
    if (!text)
        return -1;
    for (int i = 0; i < METRIC_WORDS; i++) {
        if (metric_words[i].kind != (enum profile_metric_kind)key->arg || strcmp(metric_words[i].word, text) != 0)
            continue;
        m->source = metric_words[i].source;
        return 0;
    }
    return node_fail(ctx->err, n, "A %s is of %s, not '%.40s'.", key->name, key->type_name, text);
}

// A metric is read into zeroed memory: METRIC_NONE is one of which no kind was given yet.
static int metric_read(const struct load_context *ctx, const struct schema_key *key, const struct node *n, void *object)
{
    struct profile_metric *m = object;
    if (m->kind != METRIC_NONE)
        return node_fail(ctx->err, n, "A metric is a trend, a rate or a counter, one of them; set the other to null.");
    m->kind = (enum profile_metric_kind)key->arg;
    if (n->kind == NODE_SCALAR)
        return metric_word(ctx, key, n, m);
    m->source = m->kind == METRIC_RATE ? METRIC_CHECKS : METRIC_VALUE;
    return schema_read(ctx, key->sub, key->name, n, m->kind == METRIC_RATE ? (void *)&m->match : (void *)&m->value);
}

static void metric_write(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    const struct profile_metric *m = object;
    if (m->kind != (enum profile_metric_kind)key->arg)
        return;
    if (m->source == METRIC_CHECKS || m->source == METRIC_VALUE) {
        jsonw_object(w, key->name);
        schema_write(w, key->sub, m->source == METRIC_CHECKS ? (const void *)&m->match : (const void *)&m->value,
                     redact);
        jsonw_end_object(w);
        return;
    }
    for (int i = 0; i < METRIC_WORDS; i++)
        if (metric_words[i].kind == m->kind && metric_words[i].source == m->source)
            jsonw_string(w, key->name, metric_words[i].word);
}

const struct key_ops key_metric = {metric_read, metric_write};
