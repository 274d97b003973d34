// Calls every reader of a region once and demands that what comes out stays within its bounds, whatever the region
// holds. For tests and fuzzers of src/wire/; a violation aborts.
#ifndef SEEP_TESTS_READ_REGION_H
#define SEEP_TESTS_READ_REGION_H

#include "wire/wire.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_REGION_NEED(what)                                                                                         \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what);                                  \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

enum { READ_REGION_STACKS = 1000, READ_REGION_ROWS = 5000 };

static inline int read_region_bytes(double v)
{
    return isfinite(v) && v >= 0;
}

static inline void read_region_snapshot(struct wire *w)
{
    struct wire_snapshot s = {0};
    struct wire_module m;
    struct seep_err err;
    READ_REGION_NEED(wire_snapshot(w, READ_REGION_STACKS, 1, &s, &err) == 0);
    READ_REGION_NEED(s.stacks <= READ_REGION_STACKS);
    READ_REGION_NEED(read_region_bytes(s.totals.live_bytes) && read_region_bytes(s.totals.live_blocks));
    for (size_t i = 0; i < s.stacks; i++) {
        const struct wire_stack *k = &s.stack[i];
        READ_REGION_NEED(k->first_frame + (size_t)k->frames <= s.frames);
        READ_REGION_NEED(read_region_bytes(k->live_bytes) && read_region_bytes(k->live_blocks));
        READ_REGION_NEED(read_region_bytes(k->alloc_bytes) && read_region_bytes(k->alloc_blocks));
        for (unsigned f = 0; f < k->frames; f++)
            (void)wire_module(w, s.frame[k->first_frame + f].module, &m);
    }
    wire_snapshot_free(&s);
}

static inline void read_region_live(struct wire *w)
{
    struct wire_age_profile age = {0};
    struct wire_blocks blocks = {0};
    struct seep_err err;
    READ_REGION_NEED(wire_age_profile(w, READ_REGION_ROWS, &age, &err) == 0);
    READ_REGION_NEED(age.rows <= READ_REGION_ROWS);
    for (size_t i = 0; i < age.rows; i++)
        READ_REGION_NEED(read_region_bytes(age.row[i].bytes) && read_region_bytes(age.row[i].var_bytes2));
    READ_REGION_NEED(wire_live_blocks(w, NULL, 0, READ_REGION_ROWS, &blocks, &err) == 0);
    READ_REGION_NEED(blocks.blocks <= READ_REGION_ROWS);
    wire_age_profile_free(&age);
    wire_blocks_free(&blocks);
}

static inline void read_region_events(struct wire *w)
{
    static struct wire_copy copy;
    struct wire_allocator a;
    struct wire_mark marks[WIRE_MARKS_MAX];
    for (int i = 0; i < 64; i++)
        if (wire_ring_read(w, &copy) == 1)
            READ_REGION_NEED(copy.frames <= 128 && copy.stack_bytes <= sizeof copy.bytes);
    (void)wire_allocator_stats(w, &a);
    (void)wire_marks(w, marks);
}

static inline void read_region(struct wire *w)
{
    struct wire_hello h;
    struct wire_module m;
    wire_hello(w, &h);
    READ_REGION_NEED(strnlen(h.exe_path, sizeof h.exe_path) < sizeof h.exe_path);
    for (uint32_t i = 0; i < wire_modules(w); i++)
        if (wire_module(w, i, &m) == 0)
            READ_REGION_NEED(m.build_id_bytes <= 32 && strnlen(m.path, sizeof m.path) < sizeof m.path &&
                             m.start < m.end);
    read_region_snapshot(w);
    read_region_live(w);
    read_region_events(w);
}

#endif
