// Maps of free names to maps of keys, such as `dependencies: {redis: {command: [...]}}`: an array of structs that begin
// with their place and name. A map, so that a later profile can change one entry key by key. See schema.h.
#include "profile/schema.h"

#include <stdio.h>

// What every such struct begins with.
struct named {
    struct profile_where where;
    char *name;
};
_Static_assert(offsetof(struct profile_dependency, name) == offsetof(struct named, name), "begins as struct named");
_Static_assert(offsetof(struct profile_proxy, name) == offsetof(struct named, name), "begins as struct named");

static int read_one(const struct load_context *ctx, const struct schema_key *key, const struct node *name,
                    const struct node *value, struct named *out)
{
    static const struct schema_key name_key = {.type = KEY_NAME, .offset = offsetof(struct named, name)};
    char path[96];
    snprintf(path, sizeof path, "%s.%.60s", key->name, name->text);
    if (node_is_null(value))
        return node_fail(ctx->err, value, "%s is empty.", path);
    out->where = (struct profile_where){.file = name->source->name, .line = name->line, .column = name->column};
    return schema_read_value(ctx, &name_key, path, name, out) || schema_read(ctx, key->sub, path, value, out) ? -1 : 0;
}

static int named_read(const struct load_context *ctx, const struct schema_key *key, const struct node *n, void *object)
{
    if (n->kind != NODE_MAP)
        return node_fail(ctx->err, n, "%s is a map of names, as in %s: {NAME: {...}}, not a %s.", key->name, key->name,
                         node_kind_name(n));
    char *items = arena_alloc(ctx->arena, key->item_size * (size_t)(n->n + 1));
    if (!items)
        return seep_fail(ctx->err, SEEP_E_SYSTEM, "Memory ran out while a profile was read");
    for (int i = 0; i < n->n; i++)
        if (read_one(ctx, key, n->keys[i], n->items[i], (struct named *)(items + key->item_size * (size_t)i)))
            return -1;
    *(char **)((char *)object + key->offset) = items;
    *(int *)((char *)object + key->count) = n->n;
    return 0;
}

static void named_write(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    const char *items = *(char *const *)((const char *)object + key->offset);
    int n = *(const int *)((const char *)object + key->count);
    if (!n)
        return;
    jsonw_object(w, key->name);
    for (int i = 0; i < n; i++) {
        const struct named *item = (const struct named *)(items + key->item_size * (size_t)i);
        jsonw_object(w, item->name);
        schema_write(w, key->sub, item, redact);
        jsonw_end_object(w);
    }
    jsonw_end_object(w);
}

const struct key_ops key_named = {named_read, named_write};
