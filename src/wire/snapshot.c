// One look at everything that is counted: totals, and each stack's counters. Work is bounded by the region's size.
#include "wire/region.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

static void add_threads(const struct wire *w, struct wire_totals *t)
{
    const struct seep_thread_slot *slot = (const struct seep_thread_slot *)(w->base + w->layout.threads_offset);
    for (uint32_t i = 0; i < SEEP_THREAD_SLOTS; i++) {
        t->usable_free_bytes += wire_load64(&slot[i].free_bytes);
        t->free_blocks += wire_load64(&slot[i].free_blocks);
    }
    for (uint32_t i = 0; i < SEEP_THREAD_SLOTS; i++) {
        t->usable_alloc_bytes += wire_load64(&slot[i].alloc_bytes);
        t->alloc_blocks += wire_load64(&slot[i].alloc_blocks);
        t->walks += wire_load64(&slot[i].walks);
        t->walk_hits += wire_load64(&slot[i].walk_hits);
    }
}

static void read_totals(const struct wire *w, struct wire_totals *t)
{
    const struct seep_header *h = wire_header(w);
    memset(t, 0, sizeof *t);
    add_threads(w, t);
    t->unknown_frees = wire_load64(&h->unknown_frees);
    t->unseen_frees = wire_load64(&h->unseen_frees);
    t->nested = wire_load64(&h->nested);
    t->pool_full = wire_load64(&h->pool_full);
    t->stack_overflow = wire_load64(&h->stack_overflow);
    t->live_overflow = wire_load64(&h->live_overflow);
    t->break_bytes = (int64_t)wire_load64(&h->break_bytes);
    t->samples_lost = wire_load64(&h->samples_lost);
    t->truncated_walks = wire_load64(&h->truncated_walks);
    t->slow_walks = wire_load64(&h->slow_walks);
    t->known_wrong = wire_load64(&h->known_wrong);
    t->rule_misses = wire_load64(&h->rule_misses);
    t->rule_flushes = wire_load64(&h->rule_flushes);
    t->ring_lost = wire_load64(&h->ring_lost);
    t->map_overflow = wire_load64(&h->map_overflow);
    t->module_overflow = wire_load64(&h->module_overflow);
    t->inherited_frees = wire_load64(&h->inherited_frees);
    t->inherited_free_bytes = wire_load64(&h->inherited_free_bytes);
    t->early_bytes = wire_load64(&h->early_bytes);
    t->child_timeouts = wire_load64(&h->child_timeouts);
    uint64_t used = wire_load64(&h->pool_next);
    t->pool_used_bytes = (used < w->layout.pool_chunks ? used : w->layout.pool_chunks) * SEEP_CHUNK_BYTES;
    t->pool_bytes = (uint64_t)w->layout.pool_chunks * SEEP_CHUNK_BYTES;
}

// Sums the shards of a copied entry. Nothing is let below zero, whatever stood there.
static void sum_shards(const struct seep_stack *s, struct wire_stack *out)
{
    double ab = 0, an = 0, fb = 0, fn = 0;
    for (uint32_t i = 0; i < SEEP_SHARDS; i++) {
        const struct seep_shard *h = i ? &s->own[i - 1].shard : &s->shared;
        ab += (double)h->alloc_bytes;
        an += (double)h->alloc_blocks_q8 / SEEP_BLOCK_Q8;
        fb += (double)h->free_bytes;
        fn += (double)h->free_blocks_q8 / SEEP_BLOCK_Q8;
    }
    double ib = (double)s->own[0].inherited_bytes, in = (double)s->own[0].inherited_blocks_q8 / SEEP_BLOCK_Q8;
    out->inherited_bytes = ib < ab ? ib : ab;
    out->inherited_blocks = in < an ? in : an;
    out->alloc_bytes = ab - out->inherited_bytes;
    out->alloc_blocks = an - out->inherited_blocks;
    out->live_bytes = ab > fb ? ab - fb : 0;
    out->live_blocks = an > fn ? an - fn : 0;
}

static int add_frames(const struct wire *w, const struct seep_stack *s, struct wire_stack *to,
                      struct wire_snapshot *out)
{
    if (wire_reserve((void **)&out->frame, &out->frame_room, out->frames + SEEP_FRAMES_MAX, sizeof *out->frame) < 0)
        return -1;
    to->first_frame = (uint32_t)out->frames;
    to->frames = (uint16_t)wire_copy_frames(w, s, out->frame + out->frames, SEEP_FRAMES_MAX);
    if (s->frames && !to->frames)
        out->corrupt++;
    out->frames += to->frames;
    return 0;
}

static void add_to_totals(struct wire_totals *t, const struct wire_stack *s)
{
    if (s->klass == SEEP_CLASS_HEAP) {
        t->live_bytes += s->live_bytes;
        t->live_blocks += s->live_blocks;
        t->inherited_bytes += s->inherited_bytes;
        t->inherited_blocks += s->inherited_blocks;
    } else {
        t->map_live_bytes += s->live_bytes;
    }
    t->stacks++;
}

// Past the ceiling what a stack holds goes to (other), which is always the first: nothing is lost but its name.
static void add_to_other(struct wire_snapshot *out, const struct wire_stack *s)
{
    struct wire_stack *other = out->stacks ? &out->stack[0] : NULL;
    out->left_out++;
    if (!other || other->id != SEEP_STACK_OTHER || s->klass != other->klass)
        return;
    other->live_bytes += s->live_bytes;
    other->live_blocks += s->live_blocks;
    other->alloc_bytes += s->alloc_bytes;
    other->alloc_blocks += s->alloc_blocks;
    other->inherited_bytes += s->inherited_bytes;
    other->inherited_blocks += s->inherited_blocks;
}

static int add_stack(struct wire *w, uint32_t id, size_t max, int with_frames, struct wire_snapshot *out)
{
    struct seep_stack s;
    if (wire_copy_stack(w, id, &s) < 0) {
        out->corrupt += id > SEEP_STACK_NESTED && !(s.flags & SEEP_STACK_DEAD);
        return 0;
    }
    struct wire_stack to = {.id = id, .klass = s.klass, .flags = (uint8_t)(s.flags & ~SEEP_STACK_READY)};
    to.frames = s.frames;
    to.birth_epoch = s.birth_epoch % SEEP_EPOCHS;
    sum_shards(&s, &to);
    add_to_totals(&out->totals, &to);
    if (out->stacks == max) {
        add_to_other(out, &to);
        return 0;
    }
    if (wire_reserve((void **)&out->stack, &out->stack_room, out->stacks + 1, sizeof *out->stack) < 0 ||
        (with_frames && add_frames(w, &s, &to, out) < 0))
        return -1;
    out->stack[out->stacks++] = to;
    return 0;
}

int wire_snapshot(struct wire *w, size_t max_stacks, int with_frames, struct wire_snapshot *out, struct seep_err *err)
{
    SEEP_CHECK_OBJ(w, WIRE_MAGIC);
    uint32_t ids = wire_stack_ids(w);
    out->stacks = out->frames = out->corrupt = out->left_out = 0;
    out->word = w->word;
    read_totals(w, &out->totals);
    for (uint32_t id = SEEP_STACK_OTHER; id < ids; id++)
        if (add_stack(w, id, max_stacks ? max_stacks : WIRE_STACKS_DEFAULT, with_frames, out) < 0)
            return seep_fail(err, SEEP_E_LIMIT, "There is no memory to copy %u call stacks.", ids);
    return 0;
}

void wire_snapshot_free(struct wire_snapshot *s)
{
    free(s->stack);
    free(s->frame);
    memset(s, 0, sizeof *s);
}

size_t wire_stack_frames(struct wire *w, uint32_t stack, struct wire_frame *out, size_t max)
{
    SEEP_CHECK_OBJ(w, WIRE_MAGIC);
    struct seep_stack s;
    if (wire_copy_stack(w, stack, &s) < 0)
        return 0;
    return wire_copy_frames(w, &s, out, max);
}
