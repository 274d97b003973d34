// Answers remembered per (file, offset): an open-addressed table of small blocks with one ceiling for all. See
// client.h.
#include "resolve/client.h"

#include <stdlib.h>
#include <string.h>

struct block {
    uint64_t offset;
    uint32_t known, flags;
    size_t len;
    uint8_t bytes[];
};

struct cache {
    struct block **table;
    size_t n, cap; // cap is a power of two, at most half of it used
    uint64_t bytes, limit;
};

struct cache *cache_new(uint64_t limit)
{
    struct cache *c = calloc(1, sizeof *c);
    if (c)
        c->limit = limit;
    return c;
}

static void forget_all(struct cache *c)
{
    for (size_t i = 0; i < c->cap; i++)
        free(c->table[i]);
    free(c->table);
    *c = (struct cache){.limit = c->limit};
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    forget_all(c);
    free(c);
}

static uint64_t hash_of(uint32_t known, uint64_t offset, uint32_t flags)
{
    uint64_t h = (offset ^ ((uint64_t)known << 40) ^ ((uint64_t)flags << 60)) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static size_t place(struct block *const *table, size_t cap, uint32_t known, uint64_t offset, uint32_t flags)
{
    size_t i = hash_of(known, offset, flags) & (cap - 1);
    while (table[i] && (table[i]->offset != offset || table[i]->known != known || table[i]->flags != flags))
        i = (i + 1) & (cap - 1);
    return i;
}

static bool widen(struct cache *c)
{
    size_t cap = c->cap ? c->cap * 2 : 256;
    struct block **table = calloc(cap, sizeof *table);
    if (!table)
        return false;
    for (size_t i = 0; i < c->cap; i++) {
        struct block *b = c->table[i];
        if (b)
            table[place(table, cap, b->known, b->offset, b->flags)] = b;
    }
    free(c->table);
    c->bytes += (cap - c->cap) * sizeof *table;
    c->table = table;
    c->cap = cap;
    return true;
}

const uint8_t *cache_get(const struct cache *c, uint32_t known, const struct proto_pc *pc, size_t *len)
{
    if (c->cap == 0)
        return NULL;
    const struct block *b = c->table[place(c->table, c->cap, known, pc->offset, pc->flags)];
    if (!b)
        return NULL;
    *len = b->len;
    return b->bytes;
}

void cache_put(struct cache *c, uint32_t known, const struct proto_pc *pc, const uint8_t *bytes, size_t len,
               uint64_t *flushes)
{
    size_t cost = sizeof(struct block) + len;
    // The table may double: that counts too, so the ceiling holds for all memory of the cache.
    uint64_t wider = (c->n + 1) * 2 > c->cap ? (c->cap ? c->cap : 256) * sizeof(void *) : 0;
    if (c->bytes + cost + wider > c->limit) {
        if (c->n > 0)
            ++*flushes;
        forget_all(c);
        if (cost + 256 * sizeof(void *) > c->limit)
            return;
    }
    if ((c->n + 1) * 2 > c->cap && !widen(c))
        return;
    size_t i = place(c->table, c->cap, known, pc->offset, pc->flags);
    struct block *b = c->table[i] ? NULL : malloc(cost);
    if (!b)
        return;
    *b = (struct block){.offset = pc->offset, .known = known, .flags = pc->flags, .len = len};
    memcpy(b->bytes, bytes, len);
    c->table[i] = b;
    c->n++;
    c->bytes += cost;
}

uint64_t cache_bytes(const struct cache *c)
{
    return c->bytes;
}
