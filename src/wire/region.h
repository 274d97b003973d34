// Inside wire/: the mapped region and the copies made out of it.
#ifndef SEEP_WIRE_REGION_H
#define SEEP_WIRE_REGION_H

#include "seep_region.h"
#include "wire/wire.h"

#define WIRE_MAGIC 0x57495245u

struct wire {
    uint32_t magic;
    int fd;
    uint64_t bytes;               // fstat's, the only size that counts
    struct seep_layout layout;    // computed from it
    const uint8_t *base;          // the whole region, read only
    struct seep_control *control; // the one page range we may write
    uint64_t mean[SEEP_EPOCHS];   // ours: sampling mean of each epoch, 0 exact
    uint64_t word;                // ours: what we last wrote, not what stands there
    uint64_t ring_tail;           // ours
    unsigned ring_stuck;          // calls that found the next record unfinished
    uint64_t tick_wanted;
};

// Single loads that the compiler may not repeat.
static inline uint64_t wire_load64(const void *p)
{
    return __atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE);
}
static inline uint32_t wire_load32(const void *p)
{
    return __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
}

static inline const struct seep_header *wire_header(const struct wire *w)
{
    return (const struct seep_header *)w->base;
}

// Chunk of the pool, NULL for a number that is none or lies beyond what is committed.
const void *wire_chunk(const struct wire *w, uint32_t chunk);
// Copies stack entry `id` out. -1: not there or not ready.
int wire_copy_stack(const struct wire *w, uint32_t id, struct seep_stack *out);
// Number of ids to look at: what the header says, bounded by what can be.
uint32_t wire_stack_ids(const struct wire *w);
// Copies the frames of a copied entry; returns their number, 0 when they do not hold together.
size_t wire_copy_frames(const struct wire *w, const struct seep_stack *s, struct wire_frame *out, size_t max);
void wire_decode_frame(const struct wire *w, uint64_t word, struct wire_frame *out);
// Mean sampling interval of an epoch as WE set it; 0 exact.
uint64_t wire_mean_of(const struct wire *w, uint32_t epoch);

// Grows an array to hold `need` of `each` bytes; -1 without memory.
int wire_reserve(void **array, size_t *room, size_t need, size_t each);

#endif
