// The live set: every block that is alive, found by address without locks.
//
// A sparse shadow of the address space: the directory maps each 128 KiB range to a chunk with one word per 32 bytes.
// Blocks of small size classes can share a granule; each further one goes to the same granule of a further chunk of the
// range. Large blocks go to a side table. A word is only ever written by the thread that has the block, except the
// claim of an empty word, which is a compare-and-swap; so nothing here can be torn or block. Where the allocator never
// starts two blocks in one granule there is nothing to claim and a plain store does, see quick.c (a locked instruction
// would wait for the word's cache line, every time).
#include "malloc/probe.h"

#define DIR_PROBES 64u

static inline uint64_t mix(uint64_t x)
{
    x *= 0x9e3779b97f4a7c15ull;
    return x ^ x >> 29;
}

struct seep_live_range *probe_live_range(struct probe_region *r, uint64_t key)
{
    uint32_t mask = r->layout.live_dir - 1;
    uint32_t at = probe_live_hash(key);
    for (uint32_t i = 0; i < DIR_PROBES; i++) {
        struct seep_live_range *e = &r->live_dir[(at + i) & mask];
        uint64_t have = load_acquire(&e->key);
        if (likely(have == key))
            return e;
        if (!have)
            return NULL;
    }
    return NULL;
}

static struct seep_live_range *range_make(struct probe_region *r, uint64_t key)
{
    uint32_t mask = r->layout.live_dir - 1;
    uint32_t at = probe_live_hash(key);
    for (uint32_t i = 0; i < DIR_PROBES; i++) {
        struct seep_live_range *e = &r->live_dir[(at + i) & mask];
        uint64_t have = load_acquire(&e->key);
        if (!have && __atomic_compare_exchange_n(&e->key, &have, key, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return e;
        if (have == key)
            return e;
    }
    return NULL;
}

static inline uint32_t side_hash(uintptr_t address)
{
    return (uint32_t)(mix(address >> 4) >> 20);
}

static __attribute__((noinline)) void journal_side(const struct seep_side_block *table, uintptr_t address,
                                                   const struct probe_block *was)
{
    probe_journal(&probe_region, address, was, table == probe_region.maps ? SEEP_JOURNAL_MAPS : SEEP_JOURNAL_LIVE);
}

int probe_side_insert(struct seep_side_block *table, uint32_t entries, uintptr_t address, const struct probe_block *b)
{
    uint32_t at = side_hash(address);
    if (unlikely(load_relaxed(&probe_journal_on)))
        journal_side(table, address, NULL);
    for (uint32_t i = 0; i < SEEP_SIDE_PROBES; i++) {
        struct seep_side_block *e = &table[(at + i) & (entries - 1)];
        uint64_t have = load_relaxed(&e->address);
        if (have != 0 && have != SEEP_SIDE_GONE)
            continue;
        if (!__atomic_compare_exchange_n(&e->address, &have, SEEP_SIDE_BUSY, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            continue;
        store_relaxed(&e->size, b->size);
        store_relaxed(&e->stack, b->stack);
        store_relaxed(&e->epoch, b->epoch);
        store_relaxed(&e->slack, b->slack | (b->inherited ? SEEP_SIDE_INHERITED : 0));
        store_release(&e->address, address);
        return 0;
    }
    return -1;
}

int probe_side_remove(struct seep_side_block *table, uint32_t entries, uintptr_t address, struct probe_block *b)
{
    uint32_t at = side_hash(address);
    for (uint32_t i = 0; i < SEEP_SIDE_PROBES; i++) {
        struct seep_side_block *e = &table[(at + i) & (entries - 1)];
        uint64_t have = load_acquire(&e->address);
        if (!have)
            return -1;
        if (have != address)
            continue;
        *b = (struct probe_block){.size = e->size,
                                  .stack = e->stack,
                                  .epoch = e->epoch,
                                  .slack = (uint32_t)e->slack & SEEP_SLACK_UNKNOWN,
                                  .inherited = e->slack >= SEEP_SIDE_INHERITED};
        if (unlikely(load_relaxed(&probe_journal_on)))
            journal_side(table, address, b);
        return __atomic_compare_exchange_n(&e->address, &have, SEEP_SIDE_GONE, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)
                   ? 0
                   : -1;
    }
    return -1;
}

static inline uint64_t word_of(uintptr_t address, const struct probe_block *b)
{
    return SEEP_LIVE_WORD(address >> 3 & 3, b->epoch, b->stack, b->size, b->slack) | (uint64_t)b->inherited << 3;
}

void probe_live_ahead(struct probe_region *r, uintptr_t address)
{
    struct seep_live_range *range = probe_live_range(r, (address >> SEEP_RANGE_SHIFT) + 1);
    uint32_t chunk = range ? load_acquire(&range->chunk[0]) : 0;
    if (likely(chunk))
        __builtin_prefetch((uint64_t *)probe_chunk(r, chunk) + probe_live_granule(address), 1);
}

void probe_block_of(uint64_t word, struct probe_block *b)
{
    *b = (struct probe_block){.size = SEEP_LIVE_SIZE(word),
                              .stack = SEEP_LIVE_STACK(word),
                              .epoch = SEEP_LIVE_EPOCH(word),
                              .slack = SEEP_LIVE_SLACK(word),
                              .inherited = (word & SEEP_LIVE_INHERITED) != 0};
}

// Code that binds to the allocator itself (RTLD_DEEPBIND, another namespace) frees blocks that were allocated through
// us, and their addresses come again. What is in the way at the very place of the new block is found for nothing;
// once that has happened every place is looked at.
static inline void unseen_before(struct probe_region *r, uintptr_t address, struct probe_block *gone)
{
    if (likely(!load_relaxed(&r->header->unseen_frees)) || probe_live_remove(r, address, gone) < 0)
        gone->stack = SEEP_STACK_NONE;
}

int probe_live_insert(struct probe_region *r, uintptr_t address, const struct probe_block *b, struct probe_block *gone)
{
    unseen_before(r, address, gone);
    if (b->size >= SEEP_LARGE_BYTES || (address & 7))
        return probe_side_insert(r->side, r->layout.side, address, b);
    uint64_t key = (address >> SEEP_RANGE_SHIFT) + 1;
    struct seep_live_range *range = probe_live_range(r, key);
    if (unlikely(!range) && !(range = range_make(r, key)))
        return probe_side_insert(r->side, r->layout.side, address, b);
    uint32_t granule = probe_live_granule(address);
    uint64_t word = word_of(address, b);
    if (unlikely(load_relaxed(&probe_journal_on)))
        probe_journal(r, address, NULL, SEEP_JOURNAL_LIVE);
    for (uint32_t level = 0; level < SEEP_LIVE_LEVELS; level++) {
        uint32_t chunk = probe_chunk_at(r, &range->chunk[level]);
        if (unlikely(!chunk))
            break;
        uint64_t *cell = (uint64_t *)probe_chunk(r, chunk) + granule, empty = 0;
        uint64_t have = load_relaxed(cell);
        if (have && SEEP_LIVE_SUB(have) == (address >> 3 & 3)) { // nobody else can have this address: a plain store
            probe_block_of(have, gone);
            store_release(cell, word);
            return 0;
        }
        if (have)
            continue;
        if (likely(__atomic_compare_exchange_n(cell, &empty, word, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED)))
            return 0;
    }
    return probe_side_insert(r->side, r->layout.side, address, b);
}

// The word of this address among the levels of its range.
static inline uint64_t *cell_find(struct probe_region *r, uintptr_t address, uint64_t *word)
{
    struct seep_live_range *range = probe_live_range(r, (address >> SEEP_RANGE_SHIFT) + 1);
    if (!range)
        return NULL;
    uint32_t granule = probe_live_granule(address), sub = address >> 3 & 3;
    for (uint32_t level = 0; level < SEEP_LIVE_LEVELS; level++) {
        uint32_t chunk = load_acquire(&range->chunk[level]);
        if (!chunk)
            return NULL;
        uint64_t *cell = (uint64_t *)probe_chunk(r, chunk) + granule;
        *word = load_relaxed(cell);
        if (likely((*word & 1) && SEEP_LIVE_SUB(*word) == sub))
            return cell;
    }
    return NULL;
}

int probe_live_remove(struct probe_region *r, uintptr_t address, struct probe_block *b)
{
    uint64_t word = 0;
    uint64_t *cell = address & 7 ? NULL : cell_find(r, address, &word);
    if (unlikely(!cell))
        return probe_side_remove(r->side, r->layout.side, address, b);
    probe_block_of(word, b);
    if (unlikely(load_relaxed(&probe_journal_on)))
        probe_journal(r, address, b, SEEP_JOURNAL_LIVE);
    // Not an exchange: only a double free by the program itself could race here, and that is undefined already.
    store_relaxed(cell, 0);
    return 0;
}
