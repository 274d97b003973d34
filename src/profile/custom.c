// Keys whose values have a form of their own: readiness, limits, signals, accepted exits, dates.
// Each reads from the tree and writes what reads back the same. See schema.h.
#include "profile/checklist.h"
#include "profile/schema.h"

#include <ctype.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(const struct load_context *ctx)
{
    return seep_fail(ctx->err, SEEP_E_SYSTEM, "Memory ran out while a profile was read");
}

static char *joined(const struct load_context *ctx, char *const *words)
{
    struct seep_buf b;
    buf_init(&b, PROFILE_SIZE_MAX);
    for (int i = 0; words[i]; i++)
        buf_printf(&b, "%s%s", i ? " " : "", words[i]);
    char *text = arena_text(ctx->arena, b.data ? b.data : "", b.len);
    buf_free(&b);
    return text;
}

static int check_host_port(const struct load_context *ctx, const struct node *n, const char *text)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    long port = colon && isdigit((unsigned char)colon[1]) ? strtol(colon + 1, &end, 10) : 0;
    if (!colon || colon == text || port < 1 || port > 65535 || *end)
        return node_fail(ctx->err, n, "target.ready.tcp is HOST:PORT, such as 127.0.0.1:8080, not '%.60s'.", text);
    return 0;
}

struct words {
    char **argv;
    int count;
};

static int ready_read(const struct load_context *ctx, const struct schema_key *key, const struct node *n, void *object)
{
    struct profile_ready *t = object;
    if (t->kind != READY_NONE)
        return node_fail(ctx->err, n, "target.ready has two conditions; set the other to null, or take it out.");
    t->kind = (enum profile_ready_kind)key->arg;
    if (t->kind == READY_COMMAND) {
        struct words words = {0};
        static const struct schema_key list = {
            .type = KEY_TEXTS, .offset = offsetof(struct words, argv), .count = offsetof(struct words, count)};
        if (schema_read_value(ctx, &list, "target.ready.command", n, &words))
            return -1;
        if (words.count == 0 || !*words.argv[0])
            return node_fail(ctx->err, n, "target.ready.command is empty.");
        t->argv = words.argv;
        t->what = joined(ctx, words.argv);
        return t->what ? 0 : no_memory(ctx);
    }
    const char *text = schema_text(ctx, n, "target.ready");
    if (!text)
        return -1;
    if (!*text)
        return node_fail(ctx->err, n, "target.ready.%s is empty.", key->name);
    if (t->kind == READY_TCP && !strstr(text, "${") && check_host_port(ctx, n, text))
        return -1;
    t->what = arena_text(ctx->arena, text, strlen(text));
    return t->what ? 0 : no_memory(ctx);
}

static void ready_write(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    const struct profile_ready *t = object;
    if (t->kind != (enum profile_ready_kind)key->arg)
        return;
    if (t->kind != READY_COMMAND) {
        schema_write_text(w, key->name, "", t->what, redact);
        return;
    }
    jsonw_array(w, key->name);
    for (int i = 0; t->argv[i]; i++)
        schema_write_text(w, NULL, i ? t->argv[i - 1] : "", t->argv[i], redact);
    jsonw_end_array(w);
}

const struct key_ops key_ready = {ready_read, ready_write};

static const struct {
    const char *name;
    enum seep_unit unit;
} limit_names[] = {
    {"as", UNIT_BYTES},    {"core", UNIT_BYTES},      {"cpu", UNIT_SECONDS},   {"data", UNIT_BYTES},
    {"fsize", UNIT_BYTES}, {"locks", UNIT_NONE},      {"memlock", UNIT_BYTES}, {"msgqueue", UNIT_BYTES},
    {"nice", UNIT_NONE},   {"nofile", UNIT_NONE},     {"nproc", UNIT_NONE},    {"rss", UNIT_BYTES},
    {"rtprio", UNIT_NONE}, {"sigpending", UNIT_NONE}, {"stack", UNIT_BYTES},
};

static int limit_index(const char *name)
{
    for (size_t i = 0; i < sizeof limit_names / sizeof *limit_names; i++)
        if (!strcmp(limit_names[i].name, name))
            return (int)i;
    return -1;
}

static int limits_read(const struct load_context *ctx, const struct schema_key *key, const struct node *n, void *object)
{
    (void)key;
    struct profile_target *t = object;
    if (n->kind != NODE_MAP)
        return node_fail(ctx->err, n, "target.limits is a map such as {nofile: 1024}, not a %s.", node_kind_name(n));
    t->limits = arena_alloc(ctx->arena, sizeof *t->limits * (size_t)(n->n + 1));
    if (!t->limits)
        return no_memory(ctx);
    for (int i = 0; i < n->n; i++) {
        const char *name = n->keys[i]->text;
        int at = limit_index(name);
        if (at < 0)
            return node_fail(
                ctx->err, n->keys[i],
                "There is no limit '%.40s'; there are as, core, cpu, data, fsize, locks, memlock, msgqueue, "
                "nice, nofile, nproc, rss, rtprio, sigpending, stack.",
                name);
        if (node_is_null(n->items[i]))
            continue;
        char what[60];
        snprintf(what, sizeof what, "target.limits.%s", name);
        const char *text = schema_text(ctx, n->items[i], what);
        if (!text)
            return -1;
        double value = HUGE_VAL;
        if (strcmp(text, "unlimited") != 0 && schema_number(ctx, n->items[i], what, limit_names[at].unit, &value))
            return -1;
        t->limits[t->n_limits++] = (struct profile_limit){(char *)limit_names[at].name, value};
    }
    return 0;
}

static void limits_write(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    (void)redact;
    const struct profile_target *t = object;
    if (!t->n_limits)
        return;
    jsonw_object(w, key->name);
    for (int i = 0; i < t->n_limits; i++) {
        const struct profile_limit *l = &t->limits[i];
        if (isinf(l->value))
            jsonw_string(w, l->name, "unlimited");
        else
            schema_quantity(w, l->name, l->value, limit_names[limit_index(l->name)].unit);
    }
    jsonw_end_object(w);
}

const struct key_ops key_limits = {limits_read, limits_write};

static int signal_number(const char *text)
{
    if (!strncmp(text, "SIG", 3))
        text += 3;
    for (int i = 1; i < NSIG; i++)
        if (sigabbrev_np(i) && !strcmp(sigabbrev_np(i), text))
            return i;
    char *end;
    long v = isdigit((unsigned char)*text) ? strtol(text, &end, 10) : 0;
    return v >= 1 && v < NSIG && !*end ? (int)v : 0;
}

static int signal_read(const struct load_context *ctx, const struct schema_key *key, const struct node *n, void *object)
{
    const char *text = schema_text(ctx, n, "shutdown.signal");
    if (!text)
        return -1;
    int number = signal_number(text);
    if (!number)
        return node_fail(ctx->err, n, "'%.40s' is no signal; write TERM, INT, QUIT, HUP, USR1, ...", text);
    *(int *)((char *)object + key->offset) = number;
    return 0;
}

static void signal_write(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    (void)redact;
    int number = *(const int *)((const char *)object + key->offset);
    if (sigabbrev_np(number))
        jsonw_string(w, key->name, sigabbrev_np(number));
    else
        jsonw_int(w, key->name, number);
}

const struct key_ops key_signal = {signal_read, signal_write};

static int whole(const struct load_context *ctx, const struct node *n, const char *what, int low, int high, int *out)
{
    double v;
    if (schema_number(ctx, n, what, UNIT_NONE, &v))
        return -1;
    if (v != floor(v) || v < low || v > high)
        return node_fail(ctx->err, n, "%s lies between %d and %d.", what, low, high);
    *out = (int)v;
    return 0;
}

static int exit_read(const struct load_context *ctx, const struct schema_key *key, const struct node *n, void *object)
{
    (void)key;
    struct profile_shutdown *s = object;
    if (n->kind == NODE_MAP || node_count(n) == 0)
        return node_fail(ctx->err, n, "shutdown.exit is a list such as [0, signal].");
    s->exit_codes = arena_alloc(ctx->arena, sizeof *s->exit_codes * (size_t)node_count(n));
    if (!s->exit_codes)
        return no_memory(ctx);
    for (int i = 0; i < node_count(n); i++) {
        const char *text = schema_text(ctx, node_item(n, i), "shutdown.exit");
        if (!text)
            return -1;
        if (!strcmp(text, "signal"))
            s->exit_by_signal = true;
        else if (whole(ctx, node_item(n, i), "shutdown.exit", 0, 255, &s->exit_codes[s->n_exit_codes++]))
            return -1;
    }
    return 0;
}

static void exit_write(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    (void)redact;
    const struct profile_shutdown *s = object;
    jsonw_array(w, key->name);
    for (int i = 0; i < s->n_exit_codes; i++)
        jsonw_int(w, NULL, s->exit_codes[i]);
    if (s->exit_by_signal)
        jsonw_string(w, NULL, "signal");
    jsonw_end_array(w);
}

const struct key_ops key_exit = {exit_read, exit_write};

// `shutdown: off`, or a map.
static int shutdown_read(const struct load_context *ctx, const struct schema_key *key, const struct node *n,
                         void *object)
{
    struct profile_shutdown *s = (struct profile_shutdown *)((char *)object + key->offset);
    if (n->kind == NODE_MAP)
        return schema_read(ctx, key->sub, "shutdown", n, s);
    const char *text = schema_text(ctx, n, "shutdown");
    if (!text)
        return -1;
    if (strcmp(text, "off") != 0)
        return node_fail(ctx->err, n, "shutdown is a map, or off, not '%.40s'.", text);
    struct node *empty = node_new(ctx->arena, NODE_MAP, n->source, n->line, n->column);
    s->skip = true;
    return empty ? schema_read(ctx, key->sub, "shutdown", empty, s) : no_memory(ctx);
}

static void shutdown_write(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    const struct profile_shutdown *s = (const struct profile_shutdown *)((const char *)object + key->offset);
    if (s->skip) {
        jsonw_string(w, key->name, "off");
        return;
    }
    jsonw_object(w, key->name);
    schema_write(w, key->sub, s, redact);
    jsonw_end_object(w);
}

const struct key_ops key_shutdown = {shutdown_read, shutdown_write};

// A day such as 2027-01-31.
static bool is_day(const char *text)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int y, m, d, used = 0;
    if (strlen(text) != 10 || strspn(text, "0123456789-") != 10 ||
        sscanf(text, "%4d-%2d-%2d%n", &y, &m, &d, &used) != 3 || used != 10)
        return false;
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return y >= 1970 && m >= 1 && m <= 12 && d >= 1 && d <= days[m - 1] + (m == 2 && leap);
}

static int date_read(const struct load_context *ctx, const struct schema_key *key, const struct node *n, void *object)
{
    const char *text = schema_text(ctx, n, key->name);
    if (!text)
        return -1;
    if (!is_day(text))
        return node_fail(ctx->err, n, "%s is a day such as 2027-01-31, not '%.40s'.", key->name, text);
    char **field = (char **)((char *)object + key->offset);
    *field = arena_text(ctx->arena, text, strlen(text));
    return *field ? 0 : no_memory(ctx);
}

static void date_write(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    const char *text = *(char *const *)((const char *)object + key->offset);
    if (text)
        schema_write_text(w, key->name, "", text, redact);
}

const struct key_ops key_date = {date_read, date_write};
