// Marking: what is reached from roots, what perhaps, and how the rest hangs together.
//
// The heap is read once, in the order of addresses. A block that is marked already when it is read marks what it points
// at; of one that is not, the pointers are kept, because it may be reached later. So only what lies "behind" costs
// memory.
#include "scan/internal.h"

#include <stdlib.h>
#include <string.h>

#define HINT 0x80000000u // an edge that is not certain

int scan_graph_init(struct scan *s)
{
    s->first = calloc((size_t)s->known.n + 2, sizeof *s->first);
    if (!s->first)
        s->trouble = SCAN_MEMORY;
    return s->first ? 0 : -1;
}

void scan_graph_free(struct scan *s)
{
    free(s->first);
    free(s->edge);
    free(s->work);
}

static void push(struct scan *s, uint32_t block)
{
    if (scan_room(s, &s->work, &s->room_work, s->n_work, sizeof *s->work, SCAN_BLOCKS_CEILING) == 0)
        s->work[s->n_work++] = block;
}

void scan_mark(struct scan *s, uint32_t block)
{
    if (s->known.mark[block] == SCAN_SURE)
        return;
    s->known.mark[block] = SCAN_SURE;
    if (block < s->position) // its pointers were kept; else it marks when it is read
        push(s, block);
}

void scan_edge(struct scan *s, uint32_t from, uint32_t to, bool hint)
{
    struct scan_known *k = &s->known;
    if (k->mark[from] == SCAN_SURE) {
        if (hint)
            k->flags[to] |= SCAN_F_HINTED;
        else
            scan_mark(s, to);
        return;
    }
    if (k->mark[to] == SCAN_SURE)
        return;
    uint32_t e = to | (hint ? HINT : 0);
    if (s->n_edges > s->first[from] && s->edge[s->n_edges - 1] == e)
        return;
    if (scan_room(s, &s->edge, &s->room_edges, s->n_edges, sizeof *s->edge, SCAN_EDGES_CEILING) == 0)
        s->edge[s->n_edges++] = e;
}

static void fill_to(struct scan *s, uint32_t block)
{
    while (s->filled <= block)
        s->first[s->filled++] = (uint32_t)s->n_edges;
}

void scan_begin_block(struct scan *s, uint32_t block)
{
    fill_to(s, block);
    s->position = block + 1;
}

void scan_end_heap(struct scan *s)
{
    fill_to(s, s->known.n + 1);
    s->position = SCAN_NONE;
}

void scan_spread(struct scan *s)
{
    while (s->n_work > 0 && s->trouble == SCAN_FINE) {
        uint32_t b = s->work[--s->n_work];
        for (uint32_t e = s->first[b]; e < s->first[b + 1]; e++)
            if (s->edge[e] & HINT)
                s->known.flags[s->edge[e] & ~HINT] |= SCAN_F_HINTED;
            else
                scan_mark(s, s->edge[e]);
    }
}

static void maybe(struct scan *s, uint32_t block)
{
    if (s->known.mark[block] != SCAN_UNMARKED)
        return;
    s->known.mark[block] = SCAN_MAYBE;
    push(s, block);
}

void scan_spread_hints(struct scan *s)
{
    for (uint32_t i = 0; i < s->known.n; i++)
        if (s->known.flags[i] & SCAN_F_HINTED)
            maybe(s, i);
    while (s->n_work > 0 && s->trouble == SCAN_FINE) {
        uint32_t b = s->work[--s->n_work];
        for (uint32_t e = s->first[b]; e < s->first[b + 1]; e++)
            maybe(s, s->edge[e] & ~HINT);
    }
}

static uint32_t root_of(uint32_t *parent, uint32_t i)
{
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

int scan_components(struct scan *s, uint32_t **out)
{
    const struct scan_known *k = &s->known;
    uint32_t *parent = malloc(((size_t)k->n + 1) * sizeof *parent);
    if (!parent) {
        s->trouble = SCAN_MEMORY;
        return -1;
    }
    for (uint32_t i = 0; i < k->n; i++)
        parent[i] = i;
    for (uint32_t i = 0; i < k->n; i++) {
        if (k->mark[i] != SCAN_UNMARKED)
            continue;
        for (uint32_t e = s->first[i]; e < s->first[i + 1]; e++) {
            uint32_t to = s->edge[e] & ~HINT;
            if (k->mark[to] == SCAN_UNMARKED)
                parent[root_of(parent, to)] = root_of(parent, i);
        }
    }
    for (uint32_t i = 0; i < k->n; i++)
        parent[i] = root_of(parent, i);
    *out = parent;
    return 0;
}
