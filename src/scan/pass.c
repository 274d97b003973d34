// One scan from beginning to end. The order matters, because the target goes on meanwhile:
//
//   blocks, then mappings    what is known
//   the heap, in advance     only in the first look: where chance points (chance.c)
//   roots, then the heap     pointers move from roots into the heap more often than the other way round
//   young blocks             what was made meanwhile may have taken over pointers: its content makes undecided, and
//   what
//                            is reached through young blocks is reached
//   roots once more          what moved from the heap into a variable or a stack while the heap was read
//   spread, then hints       everything sure first
//
// A pointer that moves between two old blocks can still be missed. That is why a block counts as lost only when every
// scan of a run says so.
#include "scan/internal.h"

#include "base/clock.h"
#include "linux/hold.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES ((256u << 10) + 64)

int scan_room(struct scan *s, void *array, size_t *room, size_t n, size_t each, size_t ceiling)
{
    void **p = array;
    if (n < *room)
        return 0;
    size_t want = *room ? 2 * *room : 1024;
    if (want > ceiling)
        want = ceiling;
    void *grown = n < want ? realloc(*p, want * each) : NULL;
    if (!grown) {
        s->trouble = s->trouble ? s->trouble : SCAN_MEMORY;
        return -1;
    }
    *p = grown;
    *room = want;
    return 0;
}

static int load(struct scan *s)
{
    s->buffer = malloc(BUFFER_BYTES);
    s->proc_fd = linux_proc_open(NULL);
    s->pagemap_fd = s->proc_fd >= 0 ? linux_pagemap_open(s->proc_fd, s->box->pid, NULL) : -1;
    if (s->pagemap_fd < 0)
        s->trouble = SCAN_UNREADABLE;
    else if (!s->buffer || scan_known_load(&s->known, s->table))
        s->trouble = SCAN_MEMORY;
    return s->trouble || scan_spans_load(s) || scan_graph_init(s) ? -1 : 0;
}

static int look(struct scan *s)
{
    if (scan_choose(s) || scan_chance_init(s) || scan_held_values(s, true) || scan_sweep_roots(s) ||
        scan_sweep_heap(s) || scan_young_blocks(s) || scan_held_values(s, false) || scan_sweep_roots(s))
        return -1;
    scan_young_spread(s);
    scan_spread_hints(s);
    return s->trouble || scan_conclude(s) ? -1 : 0;
}

static void unload(struct scan *s)
{
    scan_graph_free(s);
    scan_known_free(&s->known);
    scan_young_free(s);
    free(s->chance);
    free(s->span);
    free(s->note);
    free(s->buffer);
    if (s->pagemap_fd >= 0)
        close(s->pagemap_fd);
    if (s->proc_fd >= 0)
        close(s->proc_fd);
}

int scan_pass(struct scan_box *box, struct scan_table *table, int memory_fd)
{
    struct scan s = {.box = box,
                     .table = table,
                     .memory_fd = memory_fd,
                     .proc_fd = -1,
                     .pagemap_fd = -1,
                     .deadline_ns = clock_mono_ns() + (int64_t)(box->limit_s * 1e9)};
    int rc = load(&s) || look(&s) ? -1 : 0;
    if (rc == 0) {
        scan_chance_conclude(&s); // for the holders of this look, and for the next one
        scan_holders(&s);
        box->looks++;
    }
    box->trouble = rc || !s.swapped_bytes ? s.trouble : SCAN_SWAPPED;
    unload(&s);
    return rc;
}
