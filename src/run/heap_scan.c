// The regions as the memory scan and the split of resident memory see them: see heap.h.
#include "linux/hold.h"
#include "run/heap_priv.h"

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

// ---- what the programs mapped themselves

struct mapped {
    int pagemap_fd;
    double bytes;
};

static int add_mapping(void *arg, const struct wire_block *b)
{
    struct mapped *m = arg;
    struct linux_run run[64];
    uint64_t at = b->address & ~4095ull, end = (b->address + b->bytes + 4095) & ~4095ull;
    while (at < end) {
        uint64_t next = end;
        ssize_t n = linux_populated(m->pagemap_fd, at, end, run, 64, &next, NULL);
        for (ssize_t i = 0; i < n; i++)
            m->bytes += run[i].swapped || run[i].file ? 0 : (double)(run[i].end - run[i].start);
        if (n < 0 || next <= at)
            return 0;
        at = next;
    }
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
