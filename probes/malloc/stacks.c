// Interned stacks: one id per distinct sequence of frames and class. Lock-free; past the ceilings everything is
// SEEP_STACK_OTHER, which exists from the start.
//
// The index is a hash table in two parts: a small one, so that a program with a few thousand stacks does not touch a
// page for each, and the rest for what finds no room there. An id never leaves its cell, so whoever looks for a stack
// passes the same cells in the same order as the one who put it there.
#include "malloc/probe.h"

#include <string.h>

#define SMALL_PROBES 8u
#define INDEX_PROBES 64u // of both parts

int probe_stacks_init(struct probe_region *r)
{
    if (!probe_chunk_at(r, &r->stack_dir[0]))
        return -1;
    for (uint32_t id = SEEP_STACK_OTHER; id <= SEEP_STACK_NESTED; id++)
        probe_stack(r, id)->flags = SEEP_STACK_READY;
    return 0;
}

static uint64_t hash_frames(const uint64_t *frame, uint32_t frames, unsigned salt)
{
    uint64_t a = 0x243f6a8885a308d3ull ^ salt, b = 0x13198a2e03707344ull;
    for (uint32_t i = 0; i < frames; i++) {
        unsigned __int128 m = (unsigned __int128)(a ^ frame[i]) * (b | 1);
        a = (uint64_t)m ^ (uint64_t)(m >> 64);
        b += 0xa4093822299f31d0ull;
    }
    a ^= a >> 32;
    a *= 0xd6e8feb86659fd93ull;
    return a ^ a >> 32;
}

static uint64_t *frame_at(const struct probe_region *r, uint64_t offset)
{
    uint32_t chunk = load_acquire(&r->frame_dir[offset / SEEP_FRAMES_PER_CHUNK]);
    return (uint64_t *)probe_chunk(r, chunk) + offset % SEEP_FRAMES_PER_CHUNK;
}

const uint64_t *probe_stack_frames(const struct probe_region *r, const struct seep_stack *s)
{
    return frame_at(r, s->frame_offset);
}

// Room for n frames within one chunk; UINT64_MAX when there is none.
static uint64_t frames_reserve(struct probe_region *r, uint32_t n)
{
    uint64_t old = load_relaxed(&r->header->frame_next), at;
    do {
        at = old;
        if (at % SEEP_FRAMES_PER_CHUNK + n > SEEP_FRAMES_PER_CHUNK)
            at += SEEP_FRAMES_PER_CHUNK - at % SEEP_FRAMES_PER_CHUNK;
        if (at / SEEP_FRAMES_PER_CHUNK >= r->layout.pool_chunks || at > UINT32_MAX - SEEP_FRAMES_PER_CHUNK)
            return UINT64_MAX;
        if (!probe_chunk_at(r, &r->frame_dir[at / SEEP_FRAMES_PER_CHUNK]))
            return UINT64_MAX;
    } while (!__atomic_compare_exchange_n(&r->header->frame_next, &old, at + n, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return at;
}

static int same_stack(const struct probe_region *r, uint32_t id, uint64_t hash, const uint64_t *frame, uint32_t frames,
                      unsigned klass, unsigned flags)
{
    const struct seep_stack *s = probe_stack(r, id);
    return s->hash == hash && s->frames == frames && s->klass == klass && (s->flags & ~SEEP_STACK_READY) == flags &&
           !memcmp(frame_at(r, s->frame_offset), frame, 8ul * frames);
}

static uint32_t stack_new(struct probe_region *r, uint64_t hash, const uint64_t *frame, uint32_t frames, unsigned klass,
                          unsigned flags)
{
    if (load_relaxed(&r->header->stack_count) >= r->layout.stacks)
        return SEEP_STACK_NONE;
    uint64_t offset = frames_reserve(r, frames);
    if (offset == UINT64_MAX)
        return SEEP_STACK_NONE;
    uint64_t id = load_relaxed(&r->header->stack_count);
    do {
        if (id >= r->layout.stacks || !probe_chunk_at(r, &r->stack_dir[id / SEEP_STACKS_PER_CHUNK]))
            return SEEP_STACK_NONE;
    } while (!__atomic_compare_exchange_n(&r->header->stack_count, &id, id + 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    memcpy(frame_at(r, offset), frame, 8ul * frames);
    struct seep_stack *s = probe_stack(r, (uint32_t)id);
    s->hash = hash;
    s->frame_offset = (uint32_t)offset;
    s->frames = (uint16_t)frames;
    s->klass = (uint8_t)klass;
    s->birth_epoch = SEEP_WORD_EPOCH(load_relaxed(&r->control->word));
    store_release(&s->flags, (uint8_t)(flags | SEEP_STACK_READY));
    return (uint32_t)id;
}

// The cell that is looked at as number i.
static uint64_t *index_cell(const struct probe_region *r, uint64_t hash, uint32_t i)
{
    uint32_t small = seep_index_small(&r->layout), rest = r->layout.index - small;
    if (i < SMALL_PROBES)
        return &r->index[((uint32_t)hash + i) & (small - 1)];
    return &r->index[small + ((uint32_t)hash + i) % rest];
}

static uint32_t no_room(struct probe_region *r)
{
    add_relaxed(&r->header->stack_overflow, 1);
    return SEEP_STACK_OTHER;
}

uint32_t probe_intern(struct probe_region *r, const uint64_t *frame, uint32_t frames, unsigned klass, unsigned flags,
                      int *is_new)
{
    uint64_t hash = hash_frames(frame, frames, klass << 8 | flags), tag = hash >> 32;
    uint32_t fresh = SEEP_STACK_NONE;
    *is_new = 0;
    for (uint32_t i = 0; i < INDEX_PROBES; i++) {
        uint64_t *cell = index_cell(r, hash, i);
        uint64_t have = load_acquire(cell);
        while (!have) {
            if (!fresh && !(fresh = stack_new(r, hash, frame, frames, klass, flags)))
                return no_room(r);
            if (__atomic_compare_exchange_n(cell, &have, tag << 32 | fresh, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
                *is_new = 1;
                return fresh;
            }
        }
        if (have >> 32 != tag || !same_stack(r, (uint32_t)have, hash, frame, frames, klass, flags))
            continue;
        if (fresh)
            store_release(&probe_stack(r, fresh)->flags, (uint8_t)(SEEP_STACK_READY | SEEP_STACK_DEAD));
        return (uint32_t)have;
    }
    return fresh ? fresh : no_room(r);
}
