// Reading a tree by the table of keys: types, units, ranges, defaults, unknown keys. See schema.h.
#include "base/check.h"
#include "base/near.h"
#include "profile/runtext.h"
#include "profile/schema.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SHOWN = 120, VALUE_SHOWN = 60 };

static int no_memory(const struct load_context *ctx)
{
    return seep_fail(ctx->err, SEEP_E_SYSTEM, "Memory ran out while a profile was read");
}

static const char *document(const struct load_context *ctx)
{
    return ctx->document ? ctx->document : "profile";
}

static void join(char *out, size_t size, const char *path, const char *name)
{
    snprintf(out, size, "%s%s%s", path, *path ? "." : "", name);
}

// The text of a scalar, run-time references and all.
static const char *any_text(const struct load_context *ctx, const struct node *n, const char *what)
{
    if (n->kind != NODE_SCALAR) {
        node_fail(ctx->err, n, "%s is a text, not a %s.", what, node_kind_name(n));
        return NULL;
    }
    if (n->plain && !*n->text) {
        node_fail(ctx->err, n, "%s has no value; write null for its default, or '' for an empty text.", what);
        return NULL;
    }
    return node_expand(ctx, n);
}

const char *schema_text(const struct load_context *ctx, const struct node *n, const char *what)
{
    const char *text = any_text(ctx, n, what);
    const char *reference = text ? runtext_find(text) : NULL;
    if (!reference)
        return text;
    node_fail(ctx->err, n, "%.*s} belongs to what a load sends and expects; %s is fixed before it runs.",
              (int)strcspn(reference, "}"), reference, what);
    return NULL;
}

static const char *unit_wanted(enum seep_unit unit)
{
    static const char *const texts[] = {
        [UNIT_NONE] = "a bare number",
        [UNIT_BYTES] = "a size with its unit, such as 10MB",
        [UNIT_SECONDS] = "a duration with its unit, such as 30s or 10m",
        [UNIT_RATIO] = "a percentage, such as 1%",
        [UNIT_PER_SECOND] = "a rate, such as 100/s",
        [UNIT_BYTES_PER_SECOND] = "a growth rate, such as 1MB/h",
    };
    return texts[unit];
}

int schema_number(const struct load_context *ctx, const struct node *n, const char *what, enum seep_unit unit,
                  double *out)
{
    const char *text = schema_text(ctx, n, what);
    if (!text)
        return -1;
    struct seep_quantity q;
    size_t at = 0;
    struct seep_err why;
    if (text[0] == '0' && isdigit((unsigned char)text[1]))
        return node_fail(ctx->err, n, "%s begins with a zero; write the number in decimal without it.", what);
    if (units_parse(text, &q, &at, &why))
        return node_fail_at(ctx->err, n, n->text == text ? at : 0, "%s wants %s; %s.", what, unit_wanted(unit),
                            why.text);
    if (q.unit != unit && !(q.unit == UNIT_NONE && q.value == 0))
        return node_fail(ctx->err, n, "%s wants %s, not '%.*s'.", what, unit_wanted(unit), VALUE_SHOWN, text);
    if (q.value < 0)
        return node_fail(ctx->err, n, "%s cannot be negative.", what);
    *out = q.value;
    return 0;
}

static bool is_word(const struct schema_key *key, const char *text)
{
    return ((key->flags & KEY_AUTO) && !strcmp(text, "auto")) || ((key->flags & KEY_OFF) && !strcmp(text, "off")) ||
           ((key->flags & KEY_FOREVER) && !strcmp(text, "forever"));
}

static int range_error(const struct load_context *ctx, const struct schema_key *key, const struct node *n,
                       const char *path)
{
    char low[40] = "0", high[40] = "";
    if (key->type == KEY_INT) {
        snprintf(low, sizeof low, "%.0f", key->min);
        snprintf(high, sizeof high, "%.0f", key->max);
    } else {
        units_value(low, sizeof low, key->min, key->unit);
        units_value(high, sizeof high, key->max, key->unit);
    }
    if (key->max == 0)
        return node_fail(ctx->err, n, "%s must be at least %s.", path, low);
    return node_fail(ctx->err, n, "%s must lie between %s and %s.", path, low, high);
}

static int read_number(const struct load_context *ctx, const struct schema_key *key, const char *path,
                       const struct node *n, double *field)
{
    const char *text = schema_text(ctx, n, path);
    if (!text)
        return -1;
    if (is_word(key, text)) {
        *field = strcmp(text, "forever") ? PROFILE_AUTO : INFINITY;
        return 0;
    }
    double v;
    if (schema_number(ctx, n, path, key->unit, &v))
        return -1;
    if ((key->flags & KEY_POSITIVE) && v <= 0)
        return node_fail(ctx->err, n, "%s must be more than zero.", path);
    if (v < key->min || (key->max > 0 && v > key->max))
        return range_error(ctx, key, n, path);
    *field = v;
    return 0;
}

static int read_int(const struct load_context *ctx, const struct schema_key *key, const char *path,
                    const struct node *n, int *field)
{
    double v;
    const char *text = schema_text(ctx, n, path);
    if (text && is_word(key, text)) {
        *field = (int)PROFILE_AUTO;
        return 0;
    }
    if (!text || schema_number(ctx, n, path, UNIT_NONE, &v))
        return -1;
    if (v < key->min || v > key->max)
        return range_error(ctx, key, n, path);
    *field = (int)v;
    if ((double)*field != v)
        return node_fail(ctx->err, n, "%s wants a whole number.", path);
    return 0;
}

static int read_bool(const struct load_context *ctx, const char *path, const struct node *n, bool *field)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true}, {"false", false}, {"yes", true}, {"no", false}, {"on", true}, {"off", false}};
    const char *text = schema_text(ctx, n, path);
    if (!text)
        return -1;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i].word) != 0)
            continue;
        *field = words[i].value;
        return 0;
    }
    return node_fail(ctx->err, n, "%s is true or false, not '%.*s'.", path, VALUE_SHOWN, text);
}

struct choices {
    const char *list;
    char word[40];
};

static const char *choice_name(size_t i, const void *ctx)
{
    struct choices *c = (struct choices *)ctx; // its word is scratch
    const char *p = c->list;
    for (; i > 0 && p; i--)
        p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL;
    if (!p)
        return NULL;
    snprintf(c->word, sizeof c->word, "%.*s", (int)strcspn(p, "|"), p);
    return c->word;
}

static int read_choice(const struct load_context *ctx, const struct schema_key *key, const char *path,
                       const struct node *n, int *field)
{
    const char *text = schema_text(ctx, n, path), *word;
    if (!text)
        return -1;
    struct choices c = {.list = key->choices};
    for (size_t i = 0; (word = choice_name(i, &c)) != NULL; i++) {
        if (strcmp(word, text) != 0)
            continue;
        *field = (int)i;
        return 0;
    }
    return node_fail(ctx->err, n, "%s is one of %s, not '%.*s'.", path, key->choices, VALUE_SHOWN, text);
}

bool check_is_name(const char *text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(text);
    return len >= 1 && len <= 63 && strspn(text, allowed) == len && !strchr("._-", text[0]);
}

// A path that a file gives is meant from where the file is, and stays right when the run is resumed from elsewhere.
static int read_path(const struct load_context *ctx, const struct node *n, const char *before, const char *text,
                     char **field)
{
    char dir[PATH_MAX] = "", full[2 * PATH_MAX];
    const char *name = n->source->name, *slash = strrchr(name, '/');
    if (!*text)
        return node_fail(ctx->err, n, "This path is empty.");
    snprintf(full, sizeof full, "%.*s", slash ? (int)(slash - name) : 1, slash ? name : ".");
    bool fixed = text[0] == '/' || !strncmp(text, "${", 2) || !realpath(slash == name ? "/" : full, dir);
    const char *from = fixed ? "" : dir, *between = fixed ? "" : "/";
    if ((size_t)snprintf(full, sizeof full, "%s%s%s%s", before, from, between, text) >= sizeof full)
        return node_fail(ctx->err, n, "This path is longer than any file's.");
    *field = arena_text(ctx->arena, full, strlen(full));
    return *field ? 0 : no_memory(ctx);
}

static int read_text(const struct load_context *ctx, const struct schema_key *key, const char *path,
                     const struct node *n, char **field)
{
    const char *text = key->flags & KEY_RUNTIME ? any_text(ctx, n, path) : schema_text(ctx, n, path);
    if (!text)
        return -1;
    if (key->flags & KEY_FILE)
        return read_path(ctx, n, "", text, field);
    if (key->flags & KEY_UNIX_FILE && !strncmp(text, "unix:", 5))
        return read_path(ctx, n, "unix:", text + 5, field);
    if (key->type == KEY_NAME && !check_is_name(text))
        return node_fail(ctx->err, n, "%s is made of letters, digits, '.', '_' and '-' (at most 63), not '%.*s'.", path,
                         VALUE_SHOWN, text);
    *field = arena_text(ctx->arena, text, strlen(text));
    return *field ? 0 : no_memory(ctx);
}

static int read_texts(const struct load_context *ctx, const struct schema_key *key, const char *path,
                      const struct node *n, void *object)
{
    char ***field = (char ***)((char *)object + key->offset);
    int *count = (int *)((char *)object + key->count);
    if (n->kind == NODE_MAP)
        return node_fail(ctx->err, n, "%s is a list of texts, not a map.", path);
    int many = n->kind == NODE_LIST ? n->n : 1;
    char **texts = arena_alloc(ctx->arena, sizeof *texts * (size_t)(many + 1));
    if (!texts)
        return no_memory(ctx);
    for (int i = 0; i < many; i++)
        if (read_text(ctx, key, path, n->kind == NODE_LIST ? n->items[i] : n, &texts[i]))
            return -1;
    *field = many == 0 && (key->flags & KEY_UNSET_IS_NULL) ? NULL : texts;
    *count = many;
    return 0;
}

static int read_pairs(const struct load_context *ctx, const struct schema_key *key, const char *path,
                      const struct node *n, void *object)
{
    struct profile_pair **field = (struct profile_pair **)((char *)object + key->offset);
    int *count = (int *)((char *)object + key->count);
    if (n->kind != NODE_MAP)
        return node_fail(ctx->err, n, "%s is a map of names to texts, not a %s.", path, node_kind_name(n));
    struct profile_pair *pairs = arena_alloc(ctx->arena, sizeof *pairs * (size_t)(n->n + 1));
    if (!pairs)
        return no_memory(ctx);
    for (int i = 0; i < n->n; i++) {
        char inner[PATH_SHOWN];
        join(inner, sizeof inner, path, n->keys[i]->text);
        bool unset = node_is_null(n->items[i]);
        if (unset && !(key->flags & KEY_NULLS))
            continue;
        struct profile_pair *pair = &pairs[(*count)++];
        pair->key = (char *)n->keys[i]->text;
        if (!unset && read_text(ctx, key, inner, n->items[i], &pair->value))
            return -1;
    }
    *field = pairs;
    return 0;
}

static void fill_where(struct profile_where *where, const struct node *n)
{
    // A gate's own text is what is pointed at, not the map around it or its quote.
    const struct node *at = n->kind == NODE_MAP && node_get(n, "gate", NULL) ? node_get(n, "gate", NULL) : n;
    bool real = strcmp(at->source->name, "(default)") != 0;
    *where = (struct profile_where){.file = at->source->name};
    if (!real)
        return;
    where->line = at->line;
    where->column = at->column + (at->kind == NODE_SCALAR && !at->plain);
}

// A bare text where a map is wanted stands for the map with one key.
static struct node *as_map(const struct load_context *ctx, const struct schema_key *key, const struct node *n)
{
    struct node *map = node_new(ctx->arena, NODE_MAP, n->source, n->line, n->column);
    struct node *name = node_new(ctx->arena, NODE_SCALAR, n->source, n->line, n->column);
    if (!map || !name || node_add(ctx->arena, map, name, (struct node *)n)) {
        no_memory(ctx);
        return NULL;
    }
    name->text = key->scalar_key;
    return map;
}

static int read_map(const struct load_context *ctx, const struct schema_key *key, const char *path,
                    const struct node *n, void *object)
{
    bool stands_for_map = n->kind == NODE_SCALAR || (n->kind == NODE_LIST && (key->flags & KEY_LIST_AS_MAP));
    if (stands_for_map && key->scalar_key && !(n = as_map(ctx, key, n)))
        return -1;
    if (key->present)
        *(bool *)((char *)object + key->present - 1) = true;
    if (key->type == KEY_MAP && key->where)
        fill_where((struct profile_where *)((char *)object + key->where - 1), n);
    return schema_read(ctx, key->sub, path, n, (char *)object + (key->type == KEY_MAP ? key->offset : 0));
}

int schema_read_item(const struct load_context *ctx, const struct schema_key *key, const char *path,
                     const struct node *n, void *item)
{
    if (node_is_null(n))
        return node_fail(ctx->err, n, "%s is empty.", path);
    if (key->where)
        fill_where((struct profile_where *)((char *)item + key->where - 1), n);
    return read_map(ctx, key, path, n, item);
}

// A map of free names to items. A name that is set to null is as if it were not there.
static int read_named(const struct load_context *ctx, const struct schema_key *key, const char *path,
                      const struct node *n, void *object)
{
    if (n->kind != NODE_MAP)
        return node_fail(ctx->err, n, "%s is a map of names, not a %s.", path, node_kind_name(n));
    char *items = arena_alloc(ctx->arena, key->item_size * (size_t)(n->n + 1));
    int *count = (int *)((char *)object + key->count);
    if (!items)
        return no_memory(ctx);
    for (int i = 0; i < n->n; i++) {
        char inner[PATH_SHOWN];
        join(inner, sizeof inner, path, n->keys[i]->text);
        if (node_is_null(n->items[i]))
            continue;
        char *item = items + key->item_size * (size_t)(*count)++;
        *(const char **)(item + key->item_name) = n->keys[i]->text;
        if (schema_read_item(ctx, key, inner, n->items[i], item))
            return -1;
    }
    *(char **)((char *)object + key->offset) = items;
    return 0;
}

static int read_list(const struct load_context *ctx, const struct schema_key *key, const char *path,
                     const struct node *n, void *object)
{
    if (key->flags & KEY_NAMED)
        return read_named(ctx, key, path, n, object);
    int many = n->kind == NODE_LIST ? n->n : 1;
    char *items = arena_alloc(ctx->arena, key->item_size * (size_t)(many + 1));
    if (!items)
        return no_memory(ctx);
    for (int i = 0; i < many; i++) {
        char inner[PATH_SHOWN];
        snprintf(inner, sizeof inner, "%s.%d", path, i);
        bool only = (key->flags & KEY_ONE) && n->kind != NODE_LIST;
        if (schema_read_item(ctx, key, only ? path : inner, n->kind == NODE_LIST ? n->items[i] : n,
                             items + key->item_size * (size_t)i))
            return -1;
    }
    *(char **)((char *)object + key->offset) = items;
    *(int *)((char *)object + key->count) = many;
    return 0;
}

static int read_fixed(const struct load_context *ctx, const struct schema_key *key, const char *path,
                      const struct node *n)
{
    const char *text = schema_text(ctx, n, path);
    if (text && strcmp(text, key->def) != 0)
        return node_fail(ctx->err, n, "%s is %.*s, and this seep knows version %s only.", path, VALUE_SHOWN, text,
                         key->def);
    return text ? 0 : -1;
}

int schema_read_value(const struct load_context *ctx, const struct schema_key *key, const char *path,
                      const struct node *n, void *object)
{
    void *field = (char *)object + key->offset;
    switch (key->type) {
    case KEY_TEXT:
    case KEY_NAME:
        return read_text(ctx, key, path, n, field);
    case KEY_NUMBER:
        return read_number(ctx, key, path, n, field);
    case KEY_INT:
        return read_int(ctx, key, path, n, field);
    case KEY_BOOL:
        return read_bool(ctx, path, n, field);
    case KEY_CHOICE:
        return read_choice(ctx, key, path, n, field);
    case KEY_TEXTS:
        return read_texts(ctx, key, path, n, object);
    case KEY_PAIRS:
        return read_pairs(ctx, key, path, n, object);
    case KEY_MAP:
        return read_map(ctx, key, path, n, object);
    case KEY_LIST:
        return read_list(ctx, key, path, n, object);
    case KEY_CUSTOM:
        return key->ops->read(ctx, key, n, object);
    case KEY_FIXED:
        return read_fixed(ctx, key, path, n);
    }
    SEEP_CHECK(!"a key type the reader does not know");
    return -1;
}

static const char *sibling_name(size_t i, const void *ctx)
{
    return ((const struct schema_key *)ctx)[i].name;
}

struct elsewhere {
    const char *name;
    char path[PATH_SHOWN];
};

static void find_elsewhere(const char *path, const struct schema_key *key, void *ctx)
{
    struct elsewhere *e = ctx;
    if (!e->path[0] && !strcmp(key->name, e->name))
        snprintf(e->path, sizeof e->path, "%s", path);
}

static int unknown_key(const struct load_context *ctx, const struct schema_key *keys, const char *path,
                       const struct node *key)
{
    char where[PATH_SHOWN + 8];
    snprintf(where, sizeof where, "%s%s%s", *path ? "'" : "a ", *path ? path : document(ctx), *path ? "'" : "");
    const char *meant = near_find(key->text, sibling_name, keys);
    if (meant)
        return node_fail(ctx->err, key, "There is no key '%.40s' in %s; did you mean '%s'?", key->text, where, meant);
    struct elsewhere e = {.name = key->text};
    schema_each(ctx->root ? ctx->root : schema_profile, "", find_elsewhere, &e);
    if (e.path[0])
        return node_fail(ctx->err, key, "There is no key '%.40s' in %s; did you mean '%s'?", key->text, where, e.path);
    return node_fail(ctx->err, key, "There is no key '%.40s' in %s; `seep %s --keys` lists all.", key->text, where,
                     ctx->root ? "signoff" : "profiles");
}

static const struct schema_key *find_key(const struct schema_key *keys, const char *name)
{
    for (; keys->name; keys++)
        if (!strcmp(keys->name, name))
            return keys;
    return NULL;
}

static int read_default(const struct load_context *ctx, const struct schema_key *key, const char *path, void *object)
{
    if (key->type == KEY_MAP && !key->present) {
        struct node *empty = node_new(ctx->arena, NODE_MAP, source_from(ctx->arena, "(default)", "", 0), 0, 0);
        return empty && empty->source ? read_map(ctx, key, path, empty, object) : no_memory(ctx);
    }
    const char *def = key->flags & KEY_FILLED ? "{}" : key->def;
    if (!def)
        return 0;
    struct source *s = source_from(ctx->arena, "(default)", def, strlen(def));
    struct node *n = s ? node_parse(ctx->arena, s, 0, 0, ctx->err) : NULL;
    return n ? schema_read_value(ctx, key, path, n, object) : -1;
}

int schema_read(const struct load_context *ctx, const struct schema_key *keys, const char *path, const struct node *n,
                void *object)
{
    if (n->kind != NODE_MAP)
        return node_fail(ctx->err, n, "%s%s is a map of keys, not a %s.", *path ? "" : "A ",
                         *path ? path : document(ctx), node_kind_name(n));
    for (int i = 0; i < n->n; i++)
        if (!find_key(keys, n->keys[i]->text))
            return unknown_key(ctx, keys, path, n->keys[i]);
    for (; keys->name; keys++) {
        char inner[PATH_SHOWN];
        join(inner, sizeof inner, path, keys->name);
        const struct node *value = node_get(n, keys->name, NULL);
        bool given = value && !node_is_null(value);
        bool optional_map = keys->type == KEY_MAP && keys->present;
        if (!given && (keys->flags & KEY_REQUIRED))
            return node_fail(ctx->err, value ? value : n, "%s%s needs the key '%s'.", *path ? "" : "A ",
                             *path ? path : document(ctx), keys->name);
        if (given ? schema_read_value(ctx, keys, inner, value, object)
                  : !optional_map && read_default(ctx, keys, inner, object))
            return -1;
    }
    return 0;
}
