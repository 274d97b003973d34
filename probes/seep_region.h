// Where everything lies in a region, and how one is made. Pure functions of the region's size: keeper, probe and reader
// each compute the same layout and none believes what the region says about itself. libc only, no heap.
#ifndef SEEP_REGION_H
#define SEEP_REGION_H

#include "seep_wire.h"

#include <stddef.h>
#include <string.h>

#define SEEP_REGION_MIN_BYTES (8ull << 20)
#define SEEP_REGION_MAX_BYTES (64ull << 30)

// Offsets in bytes from the start of the region, counts in entries. Everything below pool_offset is needed from the
// start; the pool is consumed chunk by chunk and may be committed ahead of its use.
struct seep_layout {
    uint64_t total_bytes;
    uint64_t control_offset;
    uint64_t threads_offset;
    uint64_t marks_offset;
    uint64_t mark_counts_offset;
    uint64_t modules_offset;
    uint64_t rules_offset;
    uint64_t shapes_offset;
    uint64_t guesses_offset;
    uint64_t known_offset;
    uint64_t filter_offset;
    uint64_t index_offset;
    uint64_t stack_dir_offset;
    uint64_t frame_dir_offset;
    uint64_t live_dir_offset;
    uint64_t side_offset;
    uint64_t maps_offset;
    uint64_t journal_offset;
    uint64_t ring_offset;
    uint64_t pool_offset;
    uint32_t modules, rules, shapes, guesses, known, filter, index, stacks, live_dir, side, maps, journal, ring,
        pool_chunks;
};

static inline uint64_t seep_pow2_at_least(uint64_t n)
{
    uint64_t p = 1;
    while (p < n)
        p <<= 1;
    return p;
}

static inline uint64_t seep_layout_place(uint64_t *cursor, uint64_t bytes)
{
    uint64_t at = *cursor;
    *cursor = (at + bytes + 4095) & ~4095ull;
    return at;
}

// total_bytes: whole chunks between SEEP_REGION_MIN_BYTES and SEEP_REGION_MAX_BYTES. Returns 0, or -1 for a size that
// cannot be a region.
static inline int seep_layout_compute(uint64_t total_bytes, struct seep_layout *l)
{
    if (total_bytes < SEEP_REGION_MIN_BYTES || total_bytes > SEEP_REGION_MAX_BYTES || total_bytes % SEEP_CHUNK_BYTES)
        return -1;
    int big = total_bytes >= (48ull << 20);
    uint64_t most_chunks = total_bytes / SEEP_CHUNK_BYTES, at = 0, index = seep_pow2_at_least(total_bytes / 512);
    memset(l, 0, sizeof *l);
    l->total_bytes = total_bytes;
    l->modules = big ? 1024 : 256;
    l->rules = big ? 16384 : 4096;
    l->shapes = big ? 4096 : 512;
    l->guesses = big ? 16384 : 2048;
    l->known = big ? 32768 : 4096;
    l->filter = big ? 65536 : 16384;
    l->index = (uint32_t)(index > SEEP_STACK_IDS_MAX ? SEEP_STACK_IDS_MAX : index);
    l->stacks = l->index - l->index / 4;
    l->live_dir = (uint32_t)seep_pow2_at_least(2 * most_chunks);
    l->side = (uint32_t)seep_pow2_at_least(total_bytes / 4096);
    l->maps = big ? 4096 : 1024;
    l->journal = big ? 32768 : 4096;
    l->ring = big ? 32 : 8;
    seep_layout_place(&at, sizeof(struct seep_header));
    l->control_offset = seep_layout_place(&at, sizeof(struct seep_control));
    l->threads_offset = seep_layout_place(&at, sizeof(struct seep_thread_slot) * SEEP_THREAD_SLOTS);
    l->marks_offset = seep_layout_place(&at, sizeof(struct seep_mark_name) * SEEP_MARKS);
    l->mark_counts_offset = seep_layout_place(&at, sizeof(struct seep_mark_counts) * SEEP_THREAD_SLOTS);
    l->modules_offset = seep_layout_place(&at, sizeof(struct seep_module) * l->modules);
    l->rules_offset = seep_layout_place(&at, sizeof(struct seep_rule_slot) * l->rules);
    l->shapes_offset = seep_layout_place(&at, sizeof(struct seep_shape) * l->shapes);
    l->guesses_offset = seep_layout_place(&at, 2ull * l->guesses * (1 + SEEP_GUESS_WAYS));
    l->known_offset = seep_layout_place(&at, sizeof(struct seep_known_slot) * l->known);
    l->filter_offset = seep_layout_place(&at, l->filter);
    l->index_offset = seep_layout_place(&at, 8ull * l->index);
    l->stack_dir_offset = seep_layout_place(&at, 4ull * (l->stacks / SEEP_STACKS_PER_CHUNK + 1));
    l->frame_dir_offset = seep_layout_place(&at, 4ull * most_chunks);
    l->live_dir_offset = seep_layout_place(&at, sizeof(struct seep_live_range) * (uint64_t)l->live_dir);
    l->side_offset = seep_layout_place(&at, sizeof(struct seep_side_block) * (uint64_t)l->side);
    l->maps_offset = seep_layout_place(&at, sizeof(struct seep_side_block) * (uint64_t)l->maps);
    l->journal_offset = seep_layout_place(&at, sizeof(struct seep_journal_entry) * (uint64_t)l->journal);
    at = (at + SEEP_CHUNK_BYTES - 1) & ~(uint64_t)(SEEP_CHUNK_BYTES - 1);
    l->ring_offset = seep_layout_place(&at, (uint64_t)l->ring * SEEP_RING_SLOT_BYTES);
    l->pool_offset = at;
    if (at + 16 * SEEP_CHUNK_BYTES > total_bytes)
        return -1;
    l->pool_chunks = (uint32_t)((total_bytes - at) / SEEP_CHUNK_BYTES);
    return 0;
}

// A fingerprint of everything both sides must agree on beyond the version number: where sections lie and how large
// their entries are. Parts of seep from two builds that differ refuse each other by it instead of misreading each
// other.
static inline uint64_t seep_layout_check(const struct seep_layout *l)
{
    const uint64_t sizes[] = {sizeof(struct seep_header),
                              sizeof(struct seep_control),
                              sizeof(struct seep_thread_slot),
                              sizeof(struct seep_mark_name),
                              sizeof(struct seep_mark_counts),
                              sizeof(struct seep_module),
                              sizeof(struct seep_stack),
                              sizeof(struct seep_live_range),
                              sizeof(struct seep_side_block),
                              sizeof(struct seep_journal_entry),
                              sizeof(struct seep_ring_record),
                              SEEP_RANGE_SHIFT,
                              SEEP_GRANULE_SHIFT,
                              SEEP_LIVE_LEVELS,
                              SEEP_STACK_FIRST,
                              offsetof(struct seep_header, pool_next),
                              offsetof(struct seep_header, allocator),
                              offsetof(struct seep_header, heritage),
                              offsetof(struct seep_stack, own)};
    const uint8_t *bytes = (const uint8_t *)l; // padding was cleared by seep_layout_compute()
    uint64_t h = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < sizeof *l; i++)
        h = (h ^ bytes[i]) * 0x100000001b3ull;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        h = (h ^ sizes[i]) * 0x100000001b3ull;
    return h;
}

// What the keeper must have allocated before it hands the region out.
static inline uint64_t seep_region_first_commit(const struct seep_layout *l)
{
    uint64_t want = l->pool_offset + 128ull * SEEP_CHUNK_BYTES;
    return want > l->total_bytes ? l->total_bytes : want;
}

// The part of the index of stacks that is filled first, in entries from its start: see probes/malloc/stacks.c.
static inline uint32_t seep_index_small(const struct seep_layout *l)
{
    return l->index / 64;
}

// The size to make for a process with this address space limit (UINT64_MAX: none) and this ceiling; 0 when the limit
// leaves no room for a region.
static inline uint64_t seep_region_size_for(uint64_t ceiling_bytes, uint64_t as_limit_bytes)
{
    uint64_t size = ceiling_bytes > SEEP_REGION_MAX_BYTES ? SEEP_REGION_MAX_BYTES : ceiling_bytes;
    if (size > as_limit_bytes / 16)
        size = as_limit_bytes / 16;
    size -= size % SEEP_CHUNK_BYTES;
    return size < SEEP_REGION_MIN_BYTES ? 0 : size;
}

// Initialises a fresh, zero-filled region. header and control: writable views of page 0 and of control_offset.
// mean_bytes: 0 for exact mode.
static inline void seep_region_init(struct seep_header *header, struct seep_control *control,
                                    const struct seep_layout *l, uint64_t committed_bytes, uint32_t epoch,
                                    uint64_t mean_bytes)
{
    header->magic = SEEP_WIRE_MAGIC;
    header->version = SEEP_WIRE_VERSION;
    header->header_bytes = sizeof *header;
    header->total_bytes = l->total_bytes;
    header->layout_check = seep_layout_check(l);
    header->pool_next = 1;
    header->stack_count = SEEP_STACK_FIRST;
    header->module_count = 1;
    for (uint32_t i = 0; i < SEEP_EPOCHS; i++)
        control->mean_of_epoch[i] = mean_bytes;
    control->word = SEEP_WORD(epoch, 0, mean_bytes);
    control->ring_tail = 0;
    __atomic_store_n(&control->committed_bytes, committed_bytes, __ATOMIC_RELEASE);
}

#endif
