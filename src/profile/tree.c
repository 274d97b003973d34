// Trees of profiles: building, laying one over another, `-o` overrides, variables. See tree.h.
#include "profile/tree.h"
#include "base/buf.h"
#include "base/near.h"
#include "profile/runtext.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { VARS_DEPTH_MAX = 8, EXPANDED_MAX = 64 * 1024 };

struct node *node_new(struct arena *a, enum node_kind kind, const struct source *s, int line, int column)
{
    struct node *n = arena_alloc(a, sizeof *n);
    if (n)
        *n = (struct node){.kind = kind, .source = s, .line = line, .column = column, .text = ""};
    return n;
}

static int grow(struct arena *a, struct node *n)
{
    int cap = n->cap ? n->cap * 2 : 8;
    struct node **items = arena_alloc(a, sizeof *items * (size_t)cap);
    struct node **keys = arena_alloc(a, sizeof *keys * (size_t)cap);
    if (!items || !keys)
        return -1;
    if (n->n) {
        memcpy(items, n->items, sizeof *items * (size_t)n->n);
        memcpy(keys, n->keys, sizeof *keys * (size_t)n->n);
    }
    n->items = items;
    n->keys = keys;
    n->cap = cap;
    return 0;
}

int node_add(struct arena *a, struct node *to, struct node *key, struct node *value)
{
    if (to->n == to->cap && grow(a, to))
        return -1;
    to->keys[to->n] = key;
    to->items[to->n++] = value;
    return 0;
}

struct node *node_get(const struct node *map, const char *key, int *index)
{
    for (int i = 0; map && map->kind == NODE_MAP && i < map->n; i++) {
        if (strcmp(map->keys[i]->text, key) != 0)
            continue;
        if (index)
            *index = i;
        return map->items[i];
    }
    return NULL;
}

bool node_is_null(const struct node *n)
{
    return n->kind == NODE_SCALAR && n->plain &&
           (!strcmp(n->text, "~") || !strcmp(n->text, "null") || !strcmp(n->text, "Null") || !strcmp(n->text, "NULL"));
}

const struct node *node_under(const struct node *n, const char *key)
{
    const struct node *value = n->kind == NODE_MAP ? node_get(n, key, NULL) : NULL;
    return value && !node_is_null(value) ? value : n;
}

bool node_given(const struct node *n, const char *key)
{
    return node_under(n, key) != n;
}

int node_count(const struct node *n)
{
    return n->kind == NODE_LIST ? n->n : 1;
}

const struct node *node_item(const struct node *n, int i)
{
    return n->kind == NODE_LIST ? n->items[i] : n;
}

const char *node_kind_name(const struct node *n)
{
    static const char *const names[] = {"text", "list", "map"};
    return names[n->kind];
}

struct node *node_merge(struct arena *a, struct node *earlier, struct node *later)
{
    if (!earlier || earlier->kind != NODE_MAP || later->kind != NODE_MAP)
        return later;
    for (int i = 0; i < later->n; i++) {
        int at;
        if (node_get(earlier, later->keys[i]->text, &at)) {
            struct node *merged = node_merge(a, earlier->items[at], later->items[i]);
            if (!merged)
                return NULL;
            earlier->items[at] = merged;
            earlier->keys[at] = later->keys[i];
        } else if (node_add(a, earlier, later->keys[i], later->items[i])) {
            return NULL;
        }
    }
    return earlier;
}

// One step of an override's path: where it goes, made when it is missing.
struct step {
    struct arena *arena;
    const struct source *source;
    struct seep_err *err;
};

static int no_memory(struct seep_err *err)
{
    return seep_fail(err, SEEP_E_SYSTEM, "Memory ran out while a profile was put together");
}

// An item is found by its place, or by the `name` it has.
static struct node **named_item(struct node *list, const char *name)
{
    for (int i = 0; i < list->n; i++) {
        const struct node *has = list->items[i]->kind == NODE_MAP ? node_get(list->items[i], "name", NULL) : NULL;
        if (has && has->kind == NODE_SCALAR && !strcmp(has->text, name))
            return &list->items[i];
    }
    return NULL;
}

static struct node **list_slot(struct step *s, struct node *list, const struct node *key)
{
    char *end;
    struct node **named = isdigit((unsigned char)key->text[0]) ? NULL : named_item(list, key->text);
    if (named)
        return named;
    unsigned long at = strtoul(key->text, &end, 10);
    if (!isdigit((unsigned char)key->text[0]) || *end || at > (unsigned long)list->n || at >= PROFILE_ITEMS_MAX) {
        node_fail(s->err, key,
                  "'%.40s' is neither the number nor the name of an item: the list has %d, counted from 0.", key->text,
                  list->n);
        return NULL;
    }
    if (at == (unsigned long)list->n && node_add(s->arena, list, NULL, NULL)) {
        no_memory(s->err);
        return NULL;
    }
    return &list->items[at];
}

static struct node **map_slot(struct step *s, struct node *map, struct node *key)
{
    int at;
    if (!node_get(map, key->text, &at)) {
        if (node_add(s->arena, map, key, NULL)) {
            no_memory(s->err);
            return NULL;
        }
        at = map->n - 1;
    }
    map->keys[at] = key;
    return &map->items[at];
}

static struct node **slot(struct step *s, struct node **at, struct node *key)
{
    bool number = isdigit((unsigned char)key->text[0]);
    if (!*at || node_is_null(*at) || ((*at)->kind == NODE_SCALAR && (*at)->plain && !*(*at)->text)) {
        *at = node_new(s->arena, number ? NODE_LIST : NODE_MAP, s->source, 1, key->column);
        if (!*at) {
            no_memory(s->err);
            return NULL;
        }
    }
    if ((*at)->kind == NODE_LIST)
        return list_slot(s, *at, key);
    if ((*at)->kind == NODE_MAP)
        return map_slot(s, *at, key);
    node_fail(s->err, key, "'%.40s' cannot be set inside '%.40s', which is text.", key->text, (*at)->text);
    return NULL;
}

static struct node *path_key(struct step *s, const char *path, const char *from, size_t len)
{
    struct node *key = node_new(s->arena, NODE_SCALAR, s->source, 1, (int)(from - path) + 1);
    char *text = arena_text(s->arena, from, len);
    if (!key || !text) {
        no_memory(s->err);
        return NULL;
    }
    key->text = text;
    key->plain = true;
    return key;
}

int node_override(struct arena *a, struct node **root, const struct source *source, struct seep_err *err)
{
    const char *text = source->text, *equals = strchr(text, '=');
    if (!equals || equals == text)
        return seep_fail(err, SEEP_E_USAGE, "-o wants KEY.PATH=VALUE, not '%.100s'", text);
    if (source->len > PROFILE_SIZE_MAX)
        return seep_fail(err, SEEP_E_USAGE, "The override '%.60s...' is longer than 256 KiB", text);
    struct step s = {a, source, err};
    struct node **at = root;
    int depth = 0;
    for (const char *p = text; p < equals; depth++) {
        size_t len = strcspn(p, ".=");
        if (len == 0 || (p[len] == '.' && p + len + 1 >= equals) || depth >= PROFILE_DEPTH_MAX)
            return source_fail(err, source, 1, (int)(p - text) + 1, "This is not a path of keys such as run.duration.");
        struct node *key = path_key(&s, text, p, len);
        at = key ? slot(&s, at, key) : NULL;
        if (!at)
            return -1;
        p += len + (p[len] == '.');
    }
    size_t from = (size_t)(equals - text) + 1;
    struct node *value = node_parse(a, source, from, (int)from, err);
    if (!value)
        return -1;
    // Nothing after '=' means "as if it were not given", like null.
    if (value->kind == NODE_MAP && value->n == 0 && !text[from + strspn(text + from, " \t")]) {
        value->kind = NODE_SCALAR;
        value->plain = true;
        value->text = "null";
    }
    *at = value;
    return 0;
}

static const char *var_name(size_t i, const void *ctx)
{
    const struct node *vars = ctx;
    return vars && i < (size_t)vars->n ? vars->keys[i]->text : NULL;
}

static int unknown_var(const struct load_context *ctx, const struct node *n, size_t at, const char *name)
{
    const char *meant = near_find(name, var_name, ctx->vars);
    if (meant)
        return node_fail_at(ctx->err, n, at, "There is no variable '%.50s'; did you mean '%.50s'?", name, meant);
    return node_fail_at(ctx->err, n, at, "The variable '%.50s' is not set; set it with -o vars.%.50s=... or in vars.",
                        name, name);
}

static int expand(const struct load_context *ctx, const struct node *n, struct seep_buf *out, int depth);

// `at` is at "${"; returns the length consumed, 0 on error.
static size_t expand_one(const struct load_context *ctx, const struct node *n, size_t at, struct seep_buf *out,
                         int depth)
{
    const char *p = n->text + at;
    size_t len = strcspn(p, "}");
    if (p[len] != '}') {
        node_fail_at(ctx->err, n, at, "This '${' has no '}'; write '$${' where the characters themselves are meant.");
        return 0;
    }
    char name[64];
    bool env = !strncmp(p, "${env:", 6);
    bool env_name =
        len > 6 && strspn(p + 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == len - 6;
    if (env ? env_name : runtext_is_kept(p)) {
        buf_add(out, p, len + 1);
        return len + 1;
    }
    size_t name_len = len - 2;
    if (name_len == 0 || name_len >= sizeof name) {
        node_fail_at(ctx->err, n, at, "Between '${' and '}' stands the name of a variable, or env:NAME.");
        return 0;
    }
    memcpy(name, p + 2, name_len);
    name[name_len] = 0;
    const struct node *value = node_get(ctx->vars, name, NULL);
    if (!value && ctx->keep_unknown_vars) {
        buf_add(out, p, len + 1);
    } else if (!value) {
        unknown_var(ctx, n, at, name);
        return 0;
    } else if (depth >= VARS_DEPTH_MAX) {
        node_fail_at(ctx->err, n, at, "The variable '%.50s' is defined by itself, or through more than %d others.",
                     name, VARS_DEPTH_MAX);
        return 0;
    } else if (expand(ctx, value, out, depth + 1)) {
        return 0;
    }
    return len + 1;
}

static int expand(const struct load_context *ctx, const struct node *n, struct seep_buf *out, int depth)
{
    if (n->kind != NODE_SCALAR)
        return node_fail(ctx->err, n, "A variable is text, not a %s.", node_kind_name(n));
    for (size_t i = 0; n->text[i];) {
        if (!strncmp(n->text + i, "$${", 3)) {
            // "$${env:" stays, as its like: only what runs at use can tell it from the real thing.
            buf_str(out, runtext_is_kept(n->text + i + 1) ? "$${" : "${");
            i += 3;
        } else if (!strncmp(n->text + i, "${", 2)) {
            size_t len = expand_one(ctx, n, i, out, depth);
            if (!len)
                return -1;
            i += len;
        } else {
            buf_char(out, n->text[i++]);
        }
        if (out->failed)
            return node_fail(ctx->err, n, "This grows past %d KiB when its variables are put in.", EXPANDED_MAX / 1024);
    }
    return 0;
}

const char *node_expand(const struct load_context *ctx, const struct node *n)
{
    if (n->kind == NODE_SCALAR && !strstr(n->text, "${"))
        return n->text;
    struct seep_buf out;
    buf_init(&out, EXPANDED_MAX);
    const char *text = NULL;
    if (expand(ctx, n, &out, 0) == 0) {
        text = arena_text(ctx->arena, out.data ? out.data : "", out.len);
        if (!text)
            no_memory(ctx->err);
    }
    buf_free(&out);
    return text;
}
