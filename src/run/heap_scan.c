// The regions as the memory scan and the split of resident memory see them: see heap.h.
#include "linux/hold.h"
#include "run/heap_priv.h"
#include "seep_wire.h"

#include <math.h>
#include <unistd.h>

void heap_each_region(struct run_heap *h, heap_view_fn *fn, void *ctx)
{
    for (size_t i = 0; i < h->n_regions; i++) {
        const struct region *g = h->regions[i];
        if (!g->alive || !heap_tells(g))
            continue;
        struct heap_view v = {.pid = g->pid,
                              .region = g->id,
                              .region_fd = wire_fd(g->wire),
                              .memory_fd = g->memory_fd,
                              .stack = g->snapshot.stack,
                              .n_stacks = g->snapshot.stacks,
                              .number = g->number,
                              .n_number = g->n_number};
        fn(&v, ctx);
    }
}

uint32_t heap_number(const struct run_heap *h, uint32_t region, uint32_t id)
{
    for (size_t i = 0; i < h->n_regions; i++)
        if (h->regions[i]->id == region && id < h->regions[i]->n_number && h->regions[i]->number[id] != UINT32_MAX)
            return h->regions[i]->number[id];
    return 0;
}

// ---- pages with content

struct mapped {
    int pagemap_fd;
    double bytes;
    uint64_t least, looked_at; // of a block, and of all of them
};

// Private pages with content as far as they lie in [from, to), which between two program breaks is not whole pages;
// `swapped` counts those that are swapped out too.
static double populated(int pagemap_fd, uint64_t from, uint64_t to, bool swapped)
{
    struct linux_run run[64];
    uint64_t at = from & ~4095ull, end = (to + 4095) & ~4095ull;
    double bytes = 0;
    while (at < end) {
        uint64_t next = end;
        ssize_t n = linux_populated(pagemap_fd, at, end, run, 64, &next, NULL);
        for (ssize_t i = 0; i < n; i++) {
            uint64_t first = run[i].start > from ? run[i].start : from, past = run[i].end < to ? run[i].end : to;
            bytes += (run[i].swapped && !swapped) || run[i].file || past < first ? 0 : (double)(past - first);
        }
        if (n < 0 || next <= at)
            break;
        at = next;
    }
    return bytes;
}

static int add_mapping(void *arg, const struct wire_block *b)
{
    struct mapped *m = arg;
    m->bytes += populated(m->pagemap_fd, b->address, b->address + b->bytes, false);
    return 0;
}

double heap_mapped_resident(struct run_heap *h, int proc_fd)
{
    double sum = NAN;
    for (size_t i = 0; i < h->n_regions; i++) {
        const struct region *g = h->regions[i];
        struct mapped m = {.pagemap_fd = g->alive && g->attached ? linux_pagemap_open(proc_fd, g->pid, NULL) : -1};
        if (m.pagemap_fd < 0)
            continue;
        wire_scan_maps(g->wire, add_mapping, &m);
        close(m.pagemap_fd);
        sum = isnan(sum) ? m.bytes : sum + m.bytes;
    }
    return sum;
}

// ---- live blocks without content

#define LARGE_BYTES   (64u << 10)
#define SAMPLED_MEANS 4             // a block so many times the sampling mean is surely among the samples
#define LOOKED_AT_MAX (16ull << 30) // of address space: eight bytes are read for each page

static int add_untouched(void *arg, const struct wire_block *b)
{
    struct mapped *m = arg;
    uint64_t at = (b->address + 4095) & ~4095ull, end = (b->address + b->bytes) & ~4095ull;
    if (b->bytes < m->least || b->inherited || end <= at)
        return 0;
    if (end - at > LOOKED_AT_MAX - m->looked_at)
        return -1;
    m->looked_at += end - at;
    m->bytes += (double)(end - at) - populated(m->pagemap_fd, at, end, true);
    return 0;
}

// Going through all blocks is dear where there are millions: only when the stacks say that there are large ones.
static bool has_large(const struct region *g, double least)
{
    for (size_t i = 0; i < g->snapshot.stacks; i++)
        if (g->snapshot.stack[i].klass == SEEP_CLASS_HEAP &&
            g->snapshot.stack[i].live_bytes > least / 16 * g->snapshot.stack[i].live_blocks)
            return true;
    return false;
}

double heap_untouched(struct run_heap *h, int proc_fd)
{
    double sum = NAN, least = fmax(LARGE_BYTES, h->sampled ? SAMPLED_MEANS * h->mean_bytes : 0);
    uint64_t looked_at = 0;
    for (size_t i = 0; i < h->n_regions; i++) {
        const struct region *g = h->regions[i];
        struct mapped m = {.pagemap_fd = g->alive && heap_tells(g) ? linux_pagemap_open(proc_fd, g->pid, NULL) : -1,
                           .least = (uint64_t)least,
                           .looked_at = looked_at};
        if (m.pagemap_fd < 0)
            continue;
        int broken_off = has_large(g, least) ? wire_scan_live(g->wire, add_untouched, &m) : 0;
        close(m.pagemap_fd);
        if (broken_off)
            return NAN;
        looked_at = m.looked_at;
        sum = isnan(sum) ? m.bytes : sum + m.bytes;
    }
    return sum;
}
