// The way of almost every block in and out of the books, in as few instructions as can be; everything else is record.c.
//
// Two kinds are quick. In exact mode: a thread with a shard of its own, a small block that is the first of its granule.
// Under glibc no two blocks start in one granule and the word before a block says how large it is; other allocators are
// asked, and the granule is claimed. Between two samples: nothing but the totals. Whatever does not fit is handed on
// untouched, so that this file decides nothing of its own. Fewer instructions are worth more than their own time here:
// they leave more of the program's work within the processor's reach while it waits for memory.
#include "malloc/quick.h"
#include "malloc/known.h"

// Of the threads with a slot only the first have a shard of each stack.
static inline int has_shard(const struct probe_tls *t)
{
    return likely((uint8_t)(t->slot - 1) < SEEP_SHARDS - 1);
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

// The word of a block into its cell. alone: glibc's blocks have it for themselves. -1: not that simple.
static inline int cell_take(struct probe_region *r, uint64_t *cell, uint64_t word, int alone)
{
    uint64_t none = load_relaxed(cell);
    if (unlikely(none || load_relaxed(&probe_journal_on)))
        return -1;
    if (likely(alone)) {
        store_release(cell, word);
        return 0;
    }
    return !load_relaxed(&r->header->unseen_frees) &&
                   __atomic_compare_exchange_n(cell, &none, word, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
               ? 0
               : -1;
}

// probe_stack_id() with the guess built in.
static inline __attribute__((always_inline)) uint32_t stack_here(struct probe_region *r, struct probe_tls *t,
                                                                 const uintptr_t *frame, unsigned *flags)
{
    uintptr_t sp = (uintptr_t)(frame + 2);
    int turn = probe_walk_is_due(t), asked = likely(!turn) && probe_is_bounded(t, sp);
    *flags = WALK_HIT;
    if (likely(asked)) {
        uint32_t id = probe_known_here(r, frame[1], sp, frame[0], t->stack_high, SEEP_CLASS_HEAP);
        if (likely(id))
            return id;
    }
    struct probe_start start = {frame[1], sp, frame[0], SEEP_CLASS_HEAP};
    return probe_look_further(r, &start, asked, turn, flags);
}

// The block as alloc_recorded() of record.c would write it, or handed on.
void probe_exact_alloc(void *p, size_t size, const void *frame, uint64_t word)
{
    struct probe_region *r = &probe_region;
    struct probe_tls *t = &probe_tls;
    uint64_t *cell = has_shard(t) && size < SEEP_LARGE_BYTES && !((uintptr_t)p & 7) ? cell_of(r, (uintptr_t)p) : NULL;
    if (unlikely(!cell)) {
        probe_alloc_general(p, size, frame);
        return;
    }
    __builtin_prefetch(cell, 1);
    t->busy = (uintptr_t)frame;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    unsigned flags;
    uint32_t stack = stack_here(r, t, frame, &flags), epoch = SEEP_WORD_EPOCH(word);
    size_t read = probe_usable_read(p), usable = likely(read) ? read : probe_usable_asked(p, size);
    size_t slack = usable > size ? usable - size : 0;
    slack = slack < SEEP_SLACK_UNKNOWN ? slack : SEEP_SLACK_UNKNOWN;
    struct seep_thread_slot *s = &r->threads[t->slot];
    probe_bump(&s->alloc_bytes, usable, 0);
    probe_bump(&s->alloc_blocks, 1, 0);
    probe_bump(&s->walks, 1, 0);
    probe_bump(&s->walk_hits, (flags & WALK_HIT) != 0, 0);
    word = SEEP_LIVE_WORD((uintptr_t)p >> 3 & 3, epoch, stack, size, slack);
    if (likely(cell_take(r, cell, word, read != 0) == 0)) {
        struct seep_shard *shard = own_shard(r, t, stack);
        probe_bump(&shard->alloc_bytes, size, 0);
        probe_bump(&shard->alloc_blocks_q8, SEEP_BLOCK_Q8, 0);
    } else {
        struct probe_block b = {.size = size, .stack = stack, .epoch = epoch, .slack = (uint32_t)slack};
        probe_insert_block(r, p, usable, &b, 0, 0);
    }
    probe_leave();
}

void probe_between_alloc(const void *p, size_t size)
{
    probe_count_total(&probe_region, probe_usable_asked(p, size), COUNT_ALLOC, 0);
}

void probe_on_alloc(void *p, size_t size, const void *frame)
{
    probe_alloc_here(p, size, frame);
}

// ---- and dies ----

size_t probe_exact_free(void *p, const void *frame, struct probe_freed *f)
{
    struct probe_region *r = &probe_region;
    struct probe_tls *t = &probe_tls;
    uint64_t *cell = has_shard(t) ? cell_of(r, (uintptr_t)p) : NULL;
    uint64_t word = cell ? load_relaxed(cell) : 0;
    uint32_t slack = SEEP_LIVE_SLACK(word);
    if (unlikely(!(word & 1) || SEEP_LIVE_SUB(word) != ((uintptr_t)p >> 3 & 3) || slack == SEEP_SLACK_UNKNOWN ||
                 load_relaxed(&r->control->mean_of_epoch[SEEP_LIVE_EPOCH(word)]) || load_relaxed(&probe_journal_on))) {
        struct probe_freed known;
        return probe_free_general(p, frame, f ? f : &known);
    }
    t->busy = (uintptr_t)frame;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    store_relaxed(cell, 0);
    uint64_t size = SEEP_LIVE_SIZE(word), usable = size + slack;
    if (f) {
        f->word = word;
        f->known = PROBE_KNOWN_PACKED;
        f->counted = 1;
        f->usable = usable;
    }
    struct seep_thread_slot *s = &r->threads[t->slot];
    struct seep_shard *shard = own_shard(r, t, SEEP_LIVE_STACK(word));
    probe_bump(&s->free_bytes, usable, 0);
    probe_bump(&s->free_blocks, 1, 0);
    probe_bump(&shard->free_bytes, size, 0);
    probe_bump(&shard->free_blocks_q8, SEEP_BLOCK_Q8, 0);
    probe_leave();
    return usable;
}

size_t probe_between_free(const void *p)
{
    size_t usable = probe_usable_asked(p, 0);
    probe_count_total(&probe_region, usable, COUNT_FREE, 0);
    return usable;
}

size_t probe_free_apart(void *p, const void *frame)
{
    struct probe_freed f;
    return probe_free_general(p, frame, &f);
}

void probe_on_free(void *p, const void *frame, struct probe_freed *f)
{
    struct probe_region *r = probe_ready();
    const struct probe_tls *t = &probe_tls;
    if (likely(r && t->word) && probe_is_undisturbed(t)) { // as probe_free_here() has it
        if (!SEEP_WORD_MEAN(load_acquire(&r->control->word))) {
            probe_exact_free(p, frame, f);
            return;
        }
        if (likely(probe_filtered_out(r, p))) {
            size_t usable = probe_usable(p, 0);
            f->usable = usable;
            f->counted = 1;
            f->known = PROBE_KNOWN_NOT;
            probe_count_total(r, usable, COUNT_FREE, 0);
            return;
        }
    }
    probe_free_general(p, frame, f);
}
