// What almost every allocation passes through of known.c, which tells how it works: here so that it can be built into
// quick.c.
#ifndef PROBE_KNOWN_H
#define PROBE_KNOWN_H

#include "malloc/probe.h"

#include <emmintrin.h>

#define KNOWN_PRIME_A 0x9e3779b97f4a7c15ull
#define KNOWN_PRIME_B 0xd6e8feb86659fd93ull
#define KNOWN_PRIME_C 0xa0761d6478bd642full
#define KNOWN_STEP    4u // slots taken at a time
_Static_assert(KNOWN_STEP * sizeof(uint16_t) == sizeof(uint64_t), "a step's offsets are one word");

// Offsets are kept less this: SSE2, which every x86-64 has, compares 16 bits as signed numbers only.
#define KNOWN_OFFSET_BIAS 32768u

// Written once, before there is a region.
struct probe_known_keys {
    uint64_t frame;
    uint64_t slot[SEEP_SHAPE_SLOTS + KNOWN_STEP];
    uint64_t sum[SEEP_SHAPE_SLOTS + 1]; // of the first so many slots' keys
};
extern struct probe_known_keys probe_known_keys __attribute__((visibility("hidden")));

static inline uint64_t probe_known_fold(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

// The sum over n slots, a multiple of KNOWN_STEP. No offset counts for more than the reach: a shape that changes under
// our eyes cannot lead beyond the stack.
static inline __attribute__((always_inline)) uint64_t probe_known_sum(const uint16_t *offset, uint32_t n,
                                                                      uint16_t reach, uintptr_t sp)
{
    const uint64_t *middle = (const uint64_t *)(sp + 8ul * KNOWN_OFFSET_BIAS), *key = probe_known_keys.slot;
    __m128i most = _mm_set1_epi16((short)(reach - KNOWN_OFFSET_BIAS));
    uint64_t a = 0, b = 0;
    for (uint32_t i = 0; i < n; i += KNOWN_STEP) {
        int16_t at[KNOWN_STEP] __attribute__((aligned(8)));
        __m128i four = _mm_loadl_epi64((const __m128i *)(const void *)(offset + i));
        _mm_storel_epi64((__m128i *)(void *)at, _mm_min_epi16(four, most));
        __asm__("" : "+m"(at)); // from memory again: gcc takes a vector apart with twice the instructions
        a += middle[at[0]] * key[i];
        b += middle[at[1]] * key[i + 1];
        a += middle[at[2]] * key[i + 2];
        b += middle[at[3]] * key[i + 3];
    }
    return a + b;
}

// What the stack above sp holds where the shape says, 0 when that cannot be told. That a shape changed meanwhile shows
// in its sequence. The values of pointers count from sp: what that takes from each word is taken from the sum at once.
static inline __attribute__((always_inline)) uint64_t probe_known_hash(const struct seep_shape *shape, uintptr_t pc,
                                                                       uintptr_t sp, uintptr_t bp, uintptr_t high,
                                                                       unsigned klass)
{
    const struct probe_known_keys *keys = &probe_known_keys;
    uint32_t sequence = load_acquire(&shape->sequence);
    uint32_t values = load_relaxed(&shape->values), n = values + load_relaxed(&shape->pointers);
    uint16_t reach = load_relaxed(&shape->reach);
    if (unlikely(sequence & 1 || n - 1 >= SEEP_SHAPE_SLOTS || sp + 8ul * reach + 8 > high))
        return 0;
    uint64_t kind = (uint64_t)load_relaxed(&probe_generation) << 8 | klass;
    uint64_t h = shape->salt + probe_known_sum(shape->offset, n, reach, sp);
    h -= sp * (keys->sum[n] - keys->sum[values]);
    h += (bp - sp) * (keys->frame & (0 - (uint64_t)(shape->frame & 1)));
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    h = probe_known_fold(h ^ pc, (kind * KNOWN_PRIME_B) ^ KNOWN_PRIME_C);
    return likely(load_relaxed(&shape->sequence) == sequence) ? h : 0;
}

// ---- remembered ids ----

static inline struct seep_known_slot *probe_known_at(struct probe_region *r, uint64_t hash)
{
    return &r->known[(hash >> 20) & (r->layout.known - 1) & ~1u]; // and the one after it
}

static inline uint32_t probe_known_find(struct probe_region *r, uint64_t hash)
{
    const struct seep_known_slot *k = probe_known_at(r, hash);
    uint64_t stack = load_relaxed(&k[0].stack);
    if (likely((load_relaxed(&k[0].check) ^ stack) == hash))
        return (uint32_t)stack;
    stack = load_relaxed(&k[1].stack);
    return (load_relaxed(&k[1].check) ^ stack) == hash ? (uint32_t)stack : SEEP_STACK_NONE;
}

// ---- which shape to try first ----

// By pc and how deep the stack is: threads that run the same code at the same depth share it.
static inline uint16_t *probe_known_last(struct probe_region *r, uintptr_t pc, uintptr_t sp)
{
    uint64_t h = (pc ^ (probe_thread_pointer() - sp) << 21) * KNOWN_PRIME_A;
    return &r->guesses[(h >> 40) & (r->layout.guesses - 1)];
}

// probe_known_guess() at the place.
static inline __attribute__((always_inline)) uint32_t
probe_known_here(struct probe_region *r, uintptr_t pc, uintptr_t sp, uintptr_t bp, uintptr_t high, unsigned klass)
{
    uint32_t shape = load_relaxed(probe_known_last(r, pc, sp));
    if (unlikely(shape == 0 || shape >= r->layout.shapes))
        return SEEP_STACK_NONE;
    uint64_t hash = probe_known_hash(&r->shapes[shape], pc, sp, bp, high, klass);
    return likely(hash) ? probe_known_find(r, hash) : SEEP_STACK_NONE;
}

#endif
