// The way of almost every block in and out of the books, in as few instructions as can be; everything else is record.c.
//
// Two kinds are quick. In exact mode: a thread with a shard of its own, a small block that is the first of its granule.
// Under glibc no two blocks start in one granule and the word before a block says how large it is; other allocators are
// asked, and the granule is claimed. Between two samples: nothing but the totals. Whatever does not fit is handed on
// untouched, so that this file decides nothing of its own. Fewer instructions are worth more than their own time here:
// they leave more of the program's work within the processor's reach while it waits for memory.
#include "malloc/probe.h"

// Neither at work below a handler nor within the allocator's own new or delete.
static inline int is_undisturbed(const struct probe_tls *t)
{
    return likely(!(t->busy | t->passing));
}

static inline int is_exact_and_own(const struct probe_tls *t, uint64_t word)
{
    return likely(!SEEP_WORD_MEAN(word) && (uint8_t)(t->slot - 1) < SEEP_SHARDS - 1);
}

// Where the word of a small block lies, if its range has a chunk.
static inline uint64_t *cell_of(struct probe_region *r, uintptr_t address)
{
    uint64_t key = (address >> SEEP_RANGE_SHIFT) + 1;
    struct seep_live_range *range = &r->live_dir[probe_live_hash(key) & (r->layout.live_dir - 1)];
    if (unlikely(load_acquire(&range->key) != key) && !(range = probe_live_range(r, key)))
        return NULL;
    uint32_t chunk = load_acquire(&range->chunk[0]);
    return likely(chunk) ? (uint64_t *)probe_chunk(r, chunk) + probe_live_granule(address) : NULL;
}

static inline struct seep_shard *own_shard(struct probe_region *r, const struct probe_tls *t, uint32_t stack)
{
    return &probe_stack(r, stack)->own[t->slot - 1].shard;
}

// ---- a block is born ----

// The word of a block into its cell. -1: not that simple.
static inline int cell_take(struct probe_region *r, uint64_t *cell, uint64_t word)
{
    uint64_t none = load_relaxed(cell);
    if (unlikely(none || load_relaxed(&probe_journal_on)))
        return -1;
    if (likely(load_relaxed(&probe_heads) == PROBE_HEADS_AGREE)) {
        store_release(cell, word);
        return 0;
    }
    return !load_relaxed(&r->header->unseen_frees) &&
                   __atomic_compare_exchange_n(cell, &none, word, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
               ? 0
               : -1;
}

// The block as alloc_recorded() of record.c would write it. -1: not one for here, nothing was done.
static inline int exact_alloc(struct probe_region *r, struct probe_tls *t, uint64_t word, void *p, size_t size,
                              const uintptr_t *frame)
{
    uint64_t *cell = cell_of(r, (uintptr_t)p);
    if (unlikely(size >= SEEP_LARGE_BYTES || (uintptr_t)p & 7 || !cell))
        return -1;
    __builtin_prefetch(cell, 1);
    t->busy = (uintptr_t)frame;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    unsigned flags;
    size_t usable = probe_usable(p, size), slack = usable > size ? usable - size : 0;
    uint32_t stack = probe_stack_id_here(r, frame, SEEP_CLASS_HEAP, &flags);
    struct seep_thread_slot *s = &r->threads[t->slot];
    probe_bump(&s->alloc_bytes, usable, 0);
    probe_bump(&s->alloc_blocks, 1, 0);
    probe_bump(&s->walks, 1, 0);
    probe_bump(&s->walk_hits, (flags & WALK_HIT) != 0, 0);
    slack = slack < SEEP_SLACK_UNKNOWN ? slack : SEEP_SLACK_UNKNOWN;
    uint32_t epoch = SEEP_WORD_EPOCH(word);
    if (likely(cell_take(r, cell, SEEP_LIVE_WORD((uintptr_t)p >> 3 & 3, epoch, stack, size, slack)) == 0)) {
        struct seep_shard *shard = own_shard(r, t, stack);
        probe_bump(&shard->alloc_bytes, size, 0);
        probe_bump(&shard->alloc_blocks_q8, SEEP_BLOCK_Q8, 0);
    } else {
        struct probe_block b = {.size = size, .stack = stack, .epoch = epoch, .slack = (uint32_t)slack};
        probe_insert_block(r, p, usable, &b, 0, 0);
    }
    probe_leave();
    return 0;
}

void probe_on_alloc(void *p, size_t size, const void *frame)
{
    struct probe_region *r = probe_ready();
    struct probe_tls *t = &probe_tls;
    if (likely(r)) {
        uint64_t word = load_acquire(&r->control->word);
        if (likely((word | PROBE_WORD_SEEN) == t->word) && is_undisturbed(t)) {
            if (is_exact_and_own(t, word) && exact_alloc(r, t, word, p, size, frame) == 0)
                return;
            // Between two samples there is nothing to do but count, and counting needs no protection from handlers.
            int64_t left = t->countdown - (int64_t)(size ? size : 1);
            if (SEEP_WORD_MEAN(word) && likely(left >= 0)) {
                t->countdown = left;
                probe_count_total(r, probe_usable(p, size), COUNT_ALLOC, 0);
                return;
            }
        }
    }
    probe_alloc_general(p, size, frame);
}

// ---- and dies ----

static inline int exact_free(struct probe_region *r, struct probe_tls *t, void *p, const void *frame,
                             struct probe_freed *f)
{
    uint64_t *cell = cell_of(r, (uintptr_t)p);
    if (unlikely(!cell))
        return -1;
    uint64_t word = load_relaxed(cell);
    uint32_t slack = SEEP_LIVE_SLACK(word);
    if (unlikely(!(word & 1) || SEEP_LIVE_SUB(word) != ((uintptr_t)p >> 3 & 3) || slack == SEEP_SLACK_UNKNOWN ||
                 load_relaxed(&r->control->mean_of_epoch[SEEP_LIVE_EPOCH(word)]) || load_relaxed(&probe_journal_on)))
        return -1;
    t->busy = (uintptr_t)frame;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    store_relaxed(cell, 0);
    f->word = word;
    f->known = PROBE_KNOWN_PACKED;
    f->counted = 1;
    f->usable = SEEP_LIVE_SIZE(word) + slack;
    struct seep_thread_slot *s = &r->threads[t->slot];
    struct seep_shard *shard = own_shard(r, t, SEEP_LIVE_STACK(word));
    probe_bump(&s->free_bytes, f->usable, 0);
    probe_bump(&s->free_blocks, 1, 0);
    probe_bump(&shard->free_bytes, SEEP_LIVE_SIZE(word), 0);
    probe_bump(&shard->free_blocks_q8, SEEP_BLOCK_Q8, 0);
    probe_leave();
    return 0;
}

void probe_on_free(void *p, const void *frame, struct probe_freed *f)
{
    struct probe_region *r = probe_ready();
    struct probe_tls *t = &probe_tls;
    if (likely(r)) {
        uint64_t word = load_acquire(&r->control->word);
        __builtin_prefetch((const char *)p - 16, 1); // free itself will want it: let the miss overlap ours
        if (likely(t->word) && is_undisturbed(t)) {  // a thread that only frees need not follow each tick
            if (is_exact_and_own(t, word) && exact_free(r, t, p, frame, f) == 0)
                return;
            if (SEEP_WORD_MEAN(word) && likely(probe_filtered_out(r, p))) { // no sample: as above
                f->usable = probe_usable(p, 0);
                f->counted = 1;
                f->known = PROBE_KNOWN_NOT;
                probe_count_total(r, f->usable, COUNT_FREE, 0);
                return;
            }
        }
    }
    probe_free_general(p, frame, f);
}
