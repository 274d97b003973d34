// Steps: lists of exchanges, in which {one_of: [...]} stands for several of which one is chosen. They are kept flat,
// each step with the place and size of its group. See schema.h, load_types.h.
#include "profile/schema.h"

#include <stdio.h>
#include <string.h>

static int no_memory(const struct load_context *ctx)
{
    return seep_fail(ctx->err, SEEP_E_SYSTEM, "Memory ran out while a profile was read");
}

static const struct node *one_of(const struct node *item)
{
    return item->kind == NODE_MAP ? node_get(item, "one_of", NULL) : NULL;
}

static int add(const struct load_context *ctx, struct step_nodes *out, const struct node *n, int first, int size)
{
    if (out->n == PROFILE_STEPS_MAX)
        return node_fail(ctx->err, n, "There are more than %d steps here.", PROFILE_STEPS_MAX);
    if (node_is_null(n))
        return node_fail(ctx->err, n, "A step is empty.");
    out->node[out->n] = n;
    out->group_first[out->n] = first;
    out->group_n[out->n++] = size;
    return 0;
}

static int add_group(const struct load_context *ctx, struct step_nodes *out, const struct node *item,
                     const struct node *group)
{
    if (item->n != 1)
        return node_fail(ctx->err, item, "one_of stands alone; names, checks and pauses belong to the steps in it.");
    if (group->kind != NODE_LIST || group->n < 2)
        return node_fail(ctx->err, group, "one_of is a list of at least two steps, of which one is chosen.");
    int first = out->n;
    for (int i = 0; i < group->n; i++) {
        if (one_of(group->items[i]))
            return node_fail(ctx->err, group->items[i], "A one_of cannot stand inside another.");
        if (add(ctx, out, group->items[i], first, group->n))
            return -1;
    }
    return 0;
}

int steps_nodes(const struct load_context *ctx, const struct node *n, struct step_nodes *out)
{
    out->n = 0;
    int many = n->kind == NODE_LIST ? n->n : 1;
    for (int i = 0; i < many; i++) {
        const struct node *item = n->kind == NODE_LIST ? n->items[i] : n, *group = one_of(item);
        if (group ? add_group(ctx, out, item, group) : add(ctx, out, item, out->n, 0))
            return -1;
    }
    return 0;
}

static int steps_read(const struct load_context *ctx, const struct schema_key *key, const struct node *n, void *object)
{
    static const struct schema_key item = {.type = KEY_LIST,
                                           .sub = schema_step,
                                           .scalar_key = "request",
                                           .where = offsetof(struct profile_step, where) + 1};
    struct step_nodes nodes;
    if (steps_nodes(ctx, n, &nodes))
        return -1;
    struct profile_step *steps = arena_alloc(ctx->arena, sizeof *steps * (size_t)(nodes.n + 1));
    if (!steps)
        return no_memory(ctx);
    for (int i = 0; i < nodes.n; i++) {
        char path[60];
        snprintf(path, sizeof path, "%s.%d", key->name, i);
        if (schema_read_item(ctx, &item, path, nodes.node[i], &steps[i]))
            return -1;
        steps[i].group_first = nodes.group_first[i];
        steps[i].group_n = nodes.group_n[i];
    }
    *(struct profile_step **)((char *)object + key->offset) = steps;
    *(int *)((char *)object + key->count) = nodes.n;
    return 0;
}

static void write_step(struct jsonw *w, const struct profile_step *s, bool redact)
{
    jsonw_object(w, NULL);
    schema_write(w, schema_step, s, redact);
    jsonw_end_object(w);
}

// A scenario written as one request has its step in itself, and its request under its own keys.
static bool is_sugar(const void *object, const struct profile_step *steps)
{
    return steps == &((const struct profile_scenario *)object)->single;
}

static void steps_write(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    const struct profile_step *steps = *(struct profile_step *const *)((const char *)object + key->offset);
    int n = *(const int *)((const char *)object + key->count);
    if (!n || is_sugar(object, steps))
        return;
    jsonw_array(w, key->name);
    for (int i = 0; i < n; i++) {
        if (steps[i].group_n && i == steps[i].group_first) {
            jsonw_object(w, NULL);
            jsonw_array(w, "one_of");
        }
        write_step(w, &steps[i], redact);
        if (steps[i].group_n && i == steps[i].group_first + steps[i].group_n - 1) {
            jsonw_end_array(w);
            jsonw_end_object(w);
        }
    }
    jsonw_end_array(w);
}

const struct key_ops key_steps = {steps_read, steps_write};
