// Chunks of the region's pool. Only ever handed out: a run's tables grow to their ceiling and stay there.
#include "malloc/probe.h"

// Reads from a chunk before anybody writes: at a read the kernel maps the pages around as well, at a write only the
// one.
static uint32_t chunk_first_sight(const struct probe_region *r, uint32_t chunk)
{
    (void)load_relaxed((uint64_t *)probe_chunk(r, chunk));
    return chunk;
}

uint32_t probe_chunk_new(struct probe_region *r)
{
    uint64_t spare = __atomic_exchange_n(&r->header->pool_spare, 0, __ATOMIC_ACQ_REL);
    if (spare && spare < r->layout.pool_chunks)
        return (uint32_t)spare;
    uint64_t committed = load_acquire(&r->control->committed_bytes);
    uint64_t end = committed < r->mapped_bytes ? committed : r->mapped_bytes;
    uint64_t limit = end > r->layout.pool_offset ? (end - r->layout.pool_offset) / SEEP_CHUNK_BYTES : 0;
    uint64_t next = load_relaxed(&r->header->pool_next);
    do {
        if (next >= limit || next >= r->layout.pool_chunks) {
            add_relaxed(&r->header->pool_full, 1);
            return 0;
        }
    } while (
        !__atomic_compare_exchange_n(&r->header->pool_next, &next, next + 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return chunk_first_sight(r, (uint32_t)next);
}

void probe_chunk_unused(struct probe_region *r, uint32_t chunk)
{
    __atomic_store_n(&r->header->pool_spare, chunk, __ATOMIC_RELEASE);
}

uint32_t probe_chunk_at(struct probe_region *r, uint32_t *cell)
{
    uint32_t chunk = load_acquire(cell);
    if (likely(chunk))
        return chunk;
    uint32_t fresh = probe_chunk_new(r);
    if (!fresh)
        return 0;
    if (__atomic_compare_exchange_n(cell, &chunk, fresh, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return fresh;
    probe_chunk_unused(r, fresh);
    return chunk;
}
