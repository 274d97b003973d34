// Recognising stacks: see tap_trie.h.
//
// A node is a frame reached on one path. Its shapes say how far up the return address of the frame stands, with what
// must hold for rbp; a shape and the address found there lead to the next node. One function has one shape, but for
// those that move their stack pointer by an amount of their own (alloca) or align it.
#include "run/tap_trie.h"

#include <stdlib.h>
#include <string.h>

#define SHAPES  4
#define NO_RULE INT32_MIN // rbp does not matter here
#define IN_REG  INT32_MIN // rbp stands in its register still

struct shape {
    int32_t up;    // from the frame's stack pointer to its caller's
    int32_t bp;    // rbp from the frame's stack pointer on, or NO_RULE
    int32_t bp_at; // where that rbp was saved, from the first frame's stack pointer on, or IN_REG
};

struct node {
    uint64_t value; // return address, or the root
    uint32_t parent, slot;
    int32_t up;
    uint32_t n_shapes;
    struct shape shape[SHAPES];
};

struct tap_trie {
    struct node *nodes; // 0 is not used
    uint32_t n_nodes, max_nodes, cap_nodes;
    uint32_t *places; // open addressing: node
    size_t n_places;
};

struct tap_trie *tap_trie_new(size_t max_nodes)
{
    struct tap_trie *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->max_nodes = (uint32_t)max_nodes;
    t->cap_nodes = 1024;
    t->n_nodes = 1;
    t->n_places = 4096;
    t->nodes = calloc(t->cap_nodes, sizeof *t->nodes);
    t->places = calloc(t->n_places, sizeof *t->places);
    if (!t->nodes || !t->places) {
        tap_trie_free(t);
        return NULL;
    }
    return t;
}

void tap_trie_free(struct tap_trie *t)
{
    if (!t)
        return;
    free(t->nodes);
    free(t->places);
    free(t);
}

void tap_trie_clear(struct tap_trie *t)
{
    memset(t->places, 0, t->n_places * sizeof *t->places);
    t->n_nodes = 1;
}

static size_t place_of(const struct tap_trie *t, uint32_t parent, int32_t up, uint64_t value)
{
    uint64_t h = (value ^ (uint64_t)parent << 40 ^ (uint64_t)(uint32_t)up << 20) * 0x9e3779b97f4a7c15ull;
    size_t at = (h ^ h >> 29) & (t->n_places - 1);
    for (; t->places[at]; at = (at + 1) & (t->n_places - 1)) {
        const struct node *n = &t->nodes[t->places[at]];
        if (n->value == value && n->parent == parent && n->up == up)
            break;
    }
    return at;
}

static bool grow(struct tap_trie *t)
{
    if (t->n_nodes >= t->max_nodes)
        return false;
    if (t->n_nodes == t->cap_nodes) {
        struct node *grown = realloc(t->nodes, 2 * (size_t)t->cap_nodes * sizeof *grown);
        if (!grown)
            return false;
        t->nodes = grown;
        t->cap_nodes *= 2;
    }
    if (2 * (size_t)t->n_nodes < t->n_places)
        return true;
    uint32_t *places = calloc(2 * t->n_places, sizeof *places);
    if (!places)
        return false;
    free(t->places);
    t->places = places;
    t->n_places *= 2;
    for (uint32_t i = 1; i < t->n_nodes; i++)
        t->places[place_of(t, t->nodes[i].parent, t->nodes[i].up, t->nodes[i].value)] = i;
    return true;
}

static uint32_t child(const struct tap_trie *t, uint32_t parent, int32_t up, uint64_t value)
{
    return t->places[place_of(t, parent, up, value)];
}

static uint32_t make_child(struct tap_trie *t, uint32_t parent, int32_t up, uint64_t value)
{
    uint32_t have = child(t, parent, up, value);
    if (have || !grow(t))
        return have;
    uint32_t id = t->n_nodes++;
    t->nodes[id] = (struct node){.value = value, .parent = parent, .up = up};
    t->places[place_of(t, parent, up, value)] = id;
    return id;
}

static bool word(const struct linux_uprobe_record *r, int64_t at, uint64_t *value)
{
    if (at < 0 || (uint64_t)at + sizeof *value > r->stack_bytes)
        return false;
    memcpy(value, r->stack + at, sizeof *value);
    return true;
}

static bool holds(const struct shape *s, const struct linux_uprobe_record *r, int64_t at)
{
    uint64_t bp = r->value[6];
    if (s->bp == NO_RULE)
        return true;
    if (s->bp_at != IN_REG && !word(r, s->bp_at, &bp))
        return false;
    return (int64_t)(bp - r->value[7]) == at + s->bp;
}

uint32_t tap_trie_find(const struct tap_trie *t, uint64_t root, const struct linux_uprobe_record *r)
{
    uint32_t id = child(t, 0, 0, root);
    int64_t at = 0; // of the frame's stack pointer, in the copy
    while (id) {
        const struct node *n = &t->nodes[id];
        uint32_t next = 0;
        for (uint32_t i = 0; i < n->n_shapes && !next; i++) {
            uint64_t value;
            if (holds(&n->shape[i], r, at) && word(r, at + n->shape[i].up - 8, &value))
                next = child(t, id, n->shape[i].up, value);
            if (next)
                at += n->shape[i].up;
        }
        if (!next)
            return n->slot;
        id = next;
    }
    return 0;
}

static bool add_shape(struct node *n, const struct shape *s)
{
    for (uint32_t i = 0; i < n->n_shapes; i++)
        if (memcmp(&n->shape[i], s, sizeof *s) == 0)
            return true;
    if (n->n_shapes == SHAPES)
        return false;
    n->shape[n->n_shapes++] = *s;
    return true;
}

// The step from frame i to its caller, as it can be found again in a copy. False: not by a return address there.
static bool shape_of(const struct linux_uprobe_record *r, const struct resolve_unwound *u, size_t i, struct shape *s)
{
    uint64_t base = r->value[7], value;
    int64_t up = (int64_t)(u->sp[i + 1] - u->sp[i]), rel = (int64_t)(u->bp[i] - u->sp[i]);
    if (up <= 0 || up > INT32_MAX || !word(r, (int64_t)(u->sp[i + 1] - base) - 8, &value) || value != u->pc[i + 1])
        return false;
    *s = (struct shape){.up = (int32_t)up, .bp = NO_RULE, .bp_at = IN_REG};
    if (rel >= 0 && rel <= up) { // it points into the frame, so the frame may have been found by it
        s->bp = (int32_t)rel;
        if (u->bp_at[i])
            s->bp_at = (int32_t)(int64_t)(u->bp_at[i] - base);
    }
    return true;
}

bool tap_trie_add(struct tap_trie *t, uint64_t root, const struct linux_uprobe_record *r,
                  const struct resolve_unwound *u, size_t n, uint32_t slot)
{
    struct shape s;
    for (size_t i = 0; i + 1 < n; i++)
        if (u->exact[i + 1] || !shape_of(r, u, i, &s))
            return false;
    uint32_t id = make_child(t, 0, 0, root);
    for (size_t i = 0; id && i + 1 < n; i++) {
        shape_of(r, u, i, &s);
        if (!add_shape(&t->nodes[id], &s))
            return false;
        id = make_child(t, id, s.up, u->pc[i + 1]);
    }
    if (id)
        t->nodes[id].slot = slot + 1;
    return id != 0;
}
