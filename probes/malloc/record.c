// What a hooked call writes: totals of the thread, the block, the counters of its stack.
//
// Two kinds of callers. The usual one owns its thread's slot and, if the slot is among the first, a shard of every
// stack's counters, and adds without locked instructions. A nested one (a signal handler that interrupted the probe)
// uses only the shared slot and shard, with locked adds, and does not walk.
//
// Sampling is Poisson in bytes: a thread counts down an exponentially distributed number of bytes; the allocation that
// crosses zero is recorded with the weight 1/p, p = 1 - exp(-size/mean). The exponential has no memory, so drawing anew
// whenever the control word changes biases nothing, and the weight follows from the block's size and the mean of its
// epoch, so alloc and free agree for ever.
#include "malloc/probe.h"

#include <string.h>

// ---- threads ----

int probe_enter(const void *frame)
{
    struct probe_tls *t = &probe_tls;
    uintptr_t busy = t->busy, here = (uintptr_t)frame;
    // A frame below ours on the same stack that claims to be at work was left by longjmp.
    if (unlikely(busy) && !(busy < here && busy >= t->stack_low && here < t->stack_high))
        return 0;
    t->busy = here;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return 1;
}

// The first thread is there as long as its process is, if only as a zombie.
static int thread_gone(uint32_t pid, uint32_t tid)
{
    return tid != pid && sys3(SYS_tgkill, pid, tid, 0) == -3;
}

static int slot_take(struct probe_region *r, uint32_t at, uint32_t tid)
{
    uint32_t owner = load_relaxed(&r->threads[at].owner);
    return (!owner || (!probe_no_syscalls && thread_gone(r->pid, owner))) &&
           __atomic_compare_exchange_n(&r->threads[at].owner, &owner, tid, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

// A slot of the thread's own: a free one, or one whose thread is gone. 0: shares slot 0.
static uint8_t slot_claim(struct probe_region *r, uint32_t tid)
{
    for (uint32_t i = 1; i < SEEP_SHARDS; i++) // the first own a shard of every stack: worth a look each time
        if (slot_take(r, i, tid))
            return (uint8_t)i;
    uint64_t start = add_relaxed(&r->header->thread_hint, 1);
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t at = 1 + (uint32_t)((start + i) % (SEEP_THREAD_SLOTS - 1));
        if (slot_take(r, at, tid))
            return (uint8_t)at;
    }
    return 0;
}

// Short threads draw one number each, one after another at the same address: what they begin with must be mixed well.
static uint64_t random_seed(const struct probe_region *r, const struct probe_tls *t, uint32_t tid)
{
    uint64_t z = r->header->attach_time_ns ^ (uint64_t)tid << 32 ^ (uintptr_t)t;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull; // splitmix64
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return (z ^ z >> 31) | 1;
}

static uint64_t random_next(struct probe_tls *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random * 0x2545f4914f6cdd1dull;
}

// ---- a little arithmetic without libm ----

// -ln(u) for u in (0, 1], to 1e-9.
static double minus_log(double u)
{
    union {
        double d;
        uint64_t u;
    } x = {.d = u};
    int exponent = (int)(x.u >> 52 & 2047) - 1023;
    x.u = (x.u & 0xfffffffffffffull) | 1023ull << 52;
    double m = x.d;
    if (m > 1.4142135623730951) {
        m *= 0.5;
        exponent++;
    }
    double z = (m - 1) / (m + 1), z2 = z * z;
    double s = z * (2 + z2 * (2.0 / 3 + z2 * (2.0 / 5 + z2 * (2.0 / 7 + z2 * (2.0 / 9 + z2 * (2.0 / 11))))));
    return -(s + exponent * 0.6931471805599453);
}

// 1 - exp(-x) for x >= 0, to 1e-12 relative.
static double one_minus_exp(double x)
{
    if (x > 40)
        return 1;
    int halvings = 0;
    while (x > 1.0 / 16) {
        x *= 0.5;
        halvings++;
    }
    double p = x * (1 - x / 2 * (1 - x / 3 * (1 - x / 4 * (1 - x / 5 * (1 - x / 6 * (1 - x / 7))))));
    while (halvings--)
        p = p * (2 - p); // 1 - (1 - p)^2
    return p;
}

static int64_t draw_countdown(struct probe_tls *t, uint64_t mean)
{
    double u = ((double)(random_next(t) >> 11) + 1) * 0x1p-53;
    return (int64_t)(minus_log(u) * (double)mean);
}

// Blocks that are no samples are in the live set from now on.
static void exact_seen(struct probe_region *r)
{
    store_relaxed(&r->free_filter, NULL);
    __atomic_fetch_or(&r->header->flags, SEEP_HDR_EXACT_SEEN, __ATOMIC_RELEASE);
}

void probe_thread_refresh(struct probe_region *r, struct probe_tls *t, uint64_t word)
{
    if (t->serial != (uint8_t)r->serial) {
        uint32_t tid = probe_no_syscalls ? 0 : (uint32_t)sys3(SYS_gettid, 0, 0, 0);
        t->serial = (uint8_t)r->serial;
        t->slot = tid ? slot_claim(r, tid) : 0;
        probe_cold_end(r); // who had the slot before may have ended in the midst of a walk
        t->random = random_seed(r, t, tid);
    }
    uint64_t mean = SEEP_WORD_MEAN(word);
    if (mean)
        t->countdown = draw_countdown(t, mean);
    else
        exact_seen(r);
    // Without the bit that the next allocation shall see.
    t->word = (word & ~(uint64_t)SEEP_WORD_OFF) | PROBE_WORD_SEEN;
}

// ---- counters ----

// What a sample of this size stands for.
static __attribute__((noinline, cold)) void weigh(uint64_t mean, uint64_t size, uint64_t *bytes, uint64_t *blocks)
{
    uint64_t counted = size ? size : 1;
    double p = one_minus_exp((double)counted / (double)mean);
    *bytes = (uint64_t)((double)size / p + 0.5);
    *blocks = (uint64_t)(SEEP_BLOCK_Q8 / p + 0.5);
}

void probe_count(struct probe_region *r, uint32_t stack, uint64_t mean, uint64_t size, enum probe_way way, int nested)
{
    struct seep_stack *s = probe_stack(r, stack);
    uint32_t slot = probe_tls.slot;
    int shared = nested || slot == 0 || slot >= SEEP_SHARDS;
    struct seep_shard *shard = shared ? &s->shared : &s->own[slot - 1].shard;
    uint64_t bytes = size, blocks = SEEP_BLOCK_Q8;
    if (unlikely(mean))
        weigh(mean, size, &bytes, &blocks);
    if (way == COUNT_UNFREE) {
        bytes = 0 - bytes;
        blocks = 0 - blocks;
    }
    probe_bump(way == COUNT_ALLOC ? &shard->alloc_bytes : &shard->free_bytes, bytes, shared);
    probe_bump(way == COUNT_ALLOC ? &shard->alloc_blocks_q8 : &shard->free_blocks_q8, blocks, shared);
}

// ---- the filter of sampled mode: which addresses may be samples ----

void probe_filter_add(struct probe_region *r, uintptr_t p, int by)
{
    uint8_t *cell = probe_filter_cell(r, p), old = load_relaxed(cell);
    do {
        if (old == 255) // stuck: this cell lets everything through from now on
            return;
    } while (!__atomic_compare_exchange_n(cell, &old, (uint8_t)(old + by), 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

// ---- a block is born ----

// Somebody freed this block by a way that does not pass by us.
static __attribute__((noinline)) void count_unseen(struct probe_region *r, void *p, const struct probe_block *gone,
                                                   int nested)
{
    uint64_t mean = load_relaxed(&r->control->mean_of_epoch[gone->epoch % SEEP_EPOCHS]);
    add_relaxed(&r->header->unseen_frees, 1);
    probe_count_total(r, gone->size + (gone->slack < SEEP_SLACK_UNKNOWN ? gone->slack : 0), COUNT_FREE, nested);
    probe_count(r, gone->stack, mean, gone->size, COUNT_FREE, nested);
    if (mean)
        probe_filter_add(r, (uintptr_t)p, -1);
}

static int insert_slowly(struct probe_region *r, void *p, const struct probe_block *b, int nested)
{
    struct probe_block gone;
    int ret = probe_live_insert(r, (uintptr_t)p, b, &gone);
    if (unlikely(gone.stack))
        count_unseen(r, p, &gone, nested);
    return ret;
}

void probe_insert_block(struct probe_region *r, void *p, size_t usable, const struct probe_block *b, uint64_t mean,
                        int nested)
{
    if (likely(insert_slowly(r, p, b, nested) == 0)) {
        if (mean)
            probe_filter_add(r, (uintptr_t)p, 1);
        probe_count(r, b->stack, mean, b->size, COUNT_ALLOC, nested);
    } else if (mean) {
        add_relaxed(&r->header->samples_lost, 1);
    } else {
        add_relaxed(&r->header->live_overflow, 1);
        probe_count(r, SEEP_STACK_OTHER, 0, usable, COUNT_ALLOC, nested);
    }
}

static uint32_t slack_of(size_t size, size_t usable)
{
    size_t slack = usable > size ? usable - size : 0;
    return slack < SEEP_SLACK_UNKNOWN ? (uint32_t)slack : SEEP_SLACK_UNKNOWN;
}

static void alloc_nested(struct probe_region *r, void *p, size_t size, size_t usable)
{
    uint64_t word = load_acquire(&r->control->word);
    struct probe_block b = {.size = size, .stack = SEEP_STACK_NESTED, .epoch = SEEP_WORD_EPOCH(word)};
    b.slack = slack_of(size, usable);
    add_relaxed(&r->header->nested, 1);
    probe_still_alive(r);
    probe_count_total(r, usable, COUNT_ALLOC, 1);
    if (!SEEP_WORD_MEAN(word))
        probe_insert_block(r, p, usable, &b, 0, 1);
}

static void answer_tick(struct probe_region *r, uint64_t word)
{
    uint32_t tick = SEEP_WORD_TICK(word);
    uint64_t done = load_relaxed(&r->header->allocator.tick);
    if (done != tick &&
        __atomic_compare_exchange_n(&r->header->allocator.tick, &done, tick, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        probe_allocator_read(r, tick);
}

// The control word changed since this thread last looked.
static __attribute__((noinline)) int word_changed(struct probe_region *r, struct probe_tls *t, uint64_t word,
                                                  const void *frame)
{
    if (word & SEEP_WORD_OFF) {
        probe_turn_off(word & SEEP_WORD_STALLED ? SEEP_OFF_STALLED : SEEP_OFF_CONTROL);
        return -1;
    }
    probe_thread_refresh(r, t, word);
    if (SEEP_WORD_TICK(word) != load_relaxed(&r->header->allocator.tick)) {
        unsigned flags = 0;
        probe_stack_id(r, frame, SEEP_CLASS_HEAP, &flags);
        if (!(flags & SEEP_STACK_SIGNAL)) // never from a handler: the allocator may be at work below
            answer_tick(r, word);
    }
    return 0;
}

// A block that gets its stack: all of them in exact mode, the samples otherwise.
static __attribute__((noinline)) void alloc_recorded(struct probe_region *r, void *p, size_t size, size_t usable,
                                                     const void *frame)
{
    struct probe_tls *t = &probe_tls;
    uint64_t word = t->word, mean = SEEP_WORD_MEAN(word);
    unsigned flags;
    struct probe_block b = {.size = size, .epoch = SEEP_WORD_EPOCH(word), .slack = slack_of(size, usable)};
    probe_live_ahead(r, (uintptr_t)p);
    b.stack = probe_stack_id(r, frame, SEEP_CLASS_HEAP, &flags);
    probe_insert_block(r, p, usable, &b, mean, 0);
    struct seep_thread_slot *s = &r->threads[t->slot];
    probe_bump(&s->walks, 1, t->slot == 0);
    if (flags & WALK_HIT)
        probe_bump(&s->walk_hits, 1, t->slot == 0);
}

static __attribute__((noinline)) void alloc_entered(struct probe_region *r, void *p, size_t size, size_t usable,
                                                    const void *frame)
{
    struct probe_tls *t = &probe_tls;
    if (unlikely(!probe_enter(frame))) {
        alloc_nested(r, p, size, usable);
        return;
    }
    uint64_t word = load_acquire(&r->control->word);
    if (likely((word | PROBE_WORD_SEEN) == t->word || word_changed(r, t, word, frame) == 0)) {
        probe_count_total(r, usable, COUNT_ALLOC, 0);
        if (!SEEP_WORD_MEAN(word) || (t->countdown -= (int64_t)(size ? size : 1)) < 0) {
            if (SEEP_WORD_MEAN(word))
                t->countdown = draw_countdown(t, SEEP_WORD_MEAN(word));
            alloc_recorded(r, p, size, usable, frame);
        }
    }
    probe_leave();
}

void probe_alloc_general(void *p, size_t size, const void *frame)
{
    struct probe_region *r = probe_get();
    struct probe_tls *t = &probe_tls;
    if (unlikely(!r))
        return;
    if (unlikely(t->passing & 1))
        t->passing = (uintptr_t)p | 1;
    alloc_entered(r, p, size, probe_usable(p, size), frame);
}

void probe_alloc_as(void *p, size_t size, size_t usable, const void *frame)
{
    struct probe_region *r = probe_get();
    if (r)
        alloc_entered(r, p, size, usable, frame);
}

// ---- and dies ----

#define PROBE_NOT_TOLD SIZE_MAX // how large the block is: whoever stands behind malloc knows

static void free_unknown(struct probe_region *r, size_t usable, uint64_t mean, int nested)
{
    if (mean)
        return;
    if (load_relaxed(&r->header->heritage) == SEEP_HERITAGE_UNKNOWN) {
        add_relaxed(&r->header->inherited_frees, 1);
        add_relaxed(&r->header->inherited_free_bytes, usable);
        return;
    }
    add_relaxed(&r->header->unknown_frees, 1);
    if (load_relaxed(&r->header->live_overflow))
        probe_count(r, SEEP_STACK_OTHER, 0, usable, COUNT_FREE, nested);
}

static __attribute__((noinline)) void free_entered(struct probe_region *r, void *p, size_t told, const void *frame,
                                                   struct probe_freed *f)
{
    struct probe_tls *t = &probe_tls;
    int nested = !probe_enter(frame);
    uint64_t word = load_acquire(&r->control->word);
    if (unlikely(nested))
        probe_still_alive(r);
    else if (unlikely(t->serial != (uint8_t)r->serial))
        probe_thread_refresh(r, t, word);
    if (!SEEP_WORD_MEAN(word) || !probe_filtered_out(r, p))
        f->known = probe_live_remove(r, (uintptr_t)p, &f->block) == 0 ? PROBE_KNOWN_BLOCK : PROBE_KNOWN_NOT;
    // What the allocator would say costs a cache miss or two; mostly the block's entry knows.
    f->usable = f->known && f->block.slack < SEEP_SLACK_UNKNOWN ? f->block.size + f->block.slack
                : told == PROBE_NOT_TOLD                        ? probe_usable(p, 0)
                                                                : told;
    probe_count_total(r, f->usable, COUNT_FREE, nested);
    if (likely(f->known)) {
        uint64_t mean = load_relaxed(&r->control->mean_of_epoch[f->block.epoch % SEEP_EPOCHS]);
        probe_count(r, f->block.stack, mean, f->block.size, COUNT_FREE, nested);
        if (mean)
            probe_filter_add(r, (uintptr_t)p, -1);
    } else {
        free_unknown(r, f->usable, SEEP_WORD_MEAN(word), nested);
    }
    if (!nested)
        probe_leave();
}

void probe_free_as(void *p, size_t usable, const void *frame, struct probe_freed *f)
{
    struct probe_region *r = probe_get();
    f->counted = r != NULL;
    f->known = PROBE_KNOWN_NOT;
    if (likely(r != NULL))
        free_entered(r, p, usable, frame, f);
}

size_t probe_free_general(void *p, const void *frame, struct probe_freed *f)
{
    struct probe_region *r = probe_get();
    struct probe_tls *t = &probe_tls;
    f->counted = 0;
    f->known = PROBE_KNOWN_NOT;
    if (unlikely(!r))
        return 0;
    if (unlikely(t->passing == ((uintptr_t)p | 2))) { // its delete has told us already
        t->passing = 0;
        return 0;
    }
    f->counted = 1;
    free_entered(r, p, PROBE_NOT_TOLD, frame, f);
    return f->usable;
}

// A realloc failed: the block is as it was.
__attribute__((cold)) void probe_undo_free(void *p, const void *frame, const struct probe_freed *f)
{
    struct probe_region *r = f->counted ? probe_get() : NULL;
    if (!r)
        return;
    int nested = !probe_enter(frame);
    probe_count_total(r, f->usable, COUNT_UNFREE, nested);
    if (f->known) {
        struct probe_block b = f->block, gone; // gone: nothing, it has just been taken out
        if (f->known == PROBE_KNOWN_PACKED)
            probe_block_of(f->word, &b);
        uint64_t mean = load_relaxed(&r->control->mean_of_epoch[b.epoch % SEEP_EPOCHS]);
        if (probe_live_insert(r, (uintptr_t)p, &b, &gone) == 0) {
            probe_count(r, b.stack, mean, b.size, COUNT_UNFREE, nested);
            if (mean)
                probe_filter_add(r, (uintptr_t)p, 1);
        } else {
            add_relaxed(&r->header->live_overflow, 1);
        }
    }
    if (!nested)
        probe_leave();
}
