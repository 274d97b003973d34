// The reader of regions against whatever a target may have written: hello, snapshot, live set, copied stacks.
//
// An input is a list of writes: an area of the region, a place in it, and bytes to put there, once or repeated. One
// region serves all inputs; what an input changed is put back after it.
#include "fuzz.h"
#include "read_region.h"
#include "region_server.h"
#include "seep_region.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

enum { REGION = 8 << 20, UNDO_MAX = 1 << 20 };

enum area {
    HEADER,
    CONTROL,
    THREADS,
    MODULES,
    STACK_DIR,
    FRAME_DIR,
    LIVE_DIR,
    SIDE,
    MAPS,
    RING,
    CHUNK_1, // three chunks of the pool that tables can point at, and all of it
    CHUNK_2,
    CHUNK_3,
    POOL,
    AREAS
};

static struct {
    int fd;
    uint8_t *p;
    struct seep_layout l;
    struct {
        uint64_t offset, bytes;
    } area[AREAS];
    struct {
        uint64_t offset;
        uint32_t len;
        uint8_t was[8];
    } undo[UNDO_MAX / 8];
    size_t n_undo;
} rig;

static void set_area(enum area area, uint64_t offset, uint64_t bytes)
{
    rig.area[area].offset = offset;
    rig.area[area].bytes = bytes;
}

static void prepare(void)
{
    const struct seep_layout *l = &rig.l;
    rig.fd = region_make(REGION, 0, 0);
    rig.p = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_SHARED, rig.fd, 0);
    FUZZ_NEED(rig.p != MAP_FAILED && seep_layout_compute(REGION, &rig.l) == 0);
    set_area(HEADER, 0, sizeof(struct seep_header));
    set_area(CONTROL, l->control_offset, sizeof(struct seep_control));
    set_area(THREADS, l->threads_offset, sizeof(struct seep_thread_slot) * SEEP_THREAD_SLOTS);
    set_area(MODULES, l->modules_offset, sizeof(struct seep_module) * l->modules);
    set_area(STACK_DIR, l->stack_dir_offset, 4ull * (l->stacks / SEEP_STACKS_PER_CHUNK + 1));
    set_area(FRAME_DIR, l->frame_dir_offset, 4ull * (REGION / SEEP_CHUNK_BYTES));
    set_area(LIVE_DIR, l->live_dir_offset, sizeof(struct seep_live_range) * (uint64_t)l->live_dir);
    set_area(SIDE, l->side_offset, sizeof(struct seep_side_block) * (uint64_t)l->side);
    set_area(MAPS, l->maps_offset, sizeof(struct seep_side_block) * (uint64_t)l->maps);
    set_area(RING, l->ring_offset, (uint64_t)l->ring * SEEP_RING_SLOT_BYTES);
    for (unsigned c = 1; c <= 3; c++)
        set_area((enum area)(CHUNK_1 + c - 1), l->pool_offset + (uint64_t)c * SEEP_CHUNK_BYTES, SEEP_CHUNK_BYTES);
    set_area(POOL, l->pool_offset, l->total_bytes - l->pool_offset);
}

static void put(uint64_t offset, const uint8_t *bytes, uint32_t len)
{
    if (offset + len > REGION || rig.n_undo == UNDO_MAX / 8)
        return;
    rig.undo[rig.n_undo].offset = offset;
    rig.undo[rig.n_undo].len = len;
    memcpy(rig.undo[rig.n_undo++].was, rig.p + offset, len);
    memcpy(rig.p + offset, bytes, len);
}

static void put_back(void)
{
    for (; rig.n_undo > 0; rig.n_undo--)
        memcpy(rig.p + rig.undo[rig.n_undo - 1].offset, rig.undo[rig.n_undo - 1].was, rig.undo[rig.n_undo - 1].len);
}

// One write: area, flags; place in words of four bytes; length and bytes. Repeated: the same eight bytes n times.
static void write_one(struct fuzz_in *in)
{
    uint8_t head = fuzz_u8(in), bytes[256];
    enum area area = (enum area)((head & 0x3f) % AREAS);
    uint64_t at = (uint64_t)fuzz_u24(in) * 4 % rig.area[area].bytes;
    uint32_t len = fuzz_u8(in);
    if (head & 0x80) {
        fuzz_take(in, bytes, 8);
        for (uint32_t i = 0; i < len * 8u && at + 8ull * i + 8 <= rig.area[area].bytes; i++)
            put(rig.area[area].offset + at + 8ull * i, bytes, 8);
        return;
    }
    fuzz_take(in, bytes, len);
    for (uint32_t i = 0; i < len && at + i < rig.area[area].bytes; i += 8)
        put(rig.area[area].offset + at + i, bytes + i, len - i < 8 ? len - i : 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct seep_err err;
    if (rig.p == NULL)
        prepare();
    // Opened before the writes, as a run does it; or after them, as a supervisor that takes a run up again.
    bool late = fuzz_u8(&in) & 1;
    struct wire *w = late ? NULL : wire_open(rig.fd, &err);
    for (int i = 0; i < 4000 && in.left > 0; i++)
        write_one(&in);
    if (late)
        w = wire_open(rig.fd, &err);
    if (w != NULL) {
        read_region(w);
        (void)wire_set_epoch(w, 3, 512 * 1024, &err);
        read_region(w);
    }
    wire_close(w);
    put_back();
    return 0;
}

// ---- seeds: small regions that hold together ------------------------------------------------------------------------

static size_t seed_put(uint8_t *out, size_t n, enum area area, uint64_t at, const void *bytes, size_t len)
{
    for (size_t from = 0; from < len; from += 252) {
        uint64_t word = (at + from) / 4;
        size_t part = len - from < 252 ? len - from : 252;
        const uint8_t head[] = {(uint8_t)area, (uint8_t)word, (uint8_t)(word >> 8), (uint8_t)(word >> 16),
                                (uint8_t)part};
        memcpy(out + n, head, sizeof head);
        memcpy(out + n + sizeof head, (const uint8_t *)bytes + from, part);
        n += sizeof head + part;
    }
    return n;
}

#define SEED_FIELD(n, area, base, type, field, value)                                                                  \
    (n) = seed_put(out, (n), (area), (base) + offsetof(type, field), &(__typeof__(((type *)0)->field)){value},         \
                   sizeof(((type *)0)->field))

static size_t seed_hello(uint8_t *out, size_t n)
{
    SEED_FIELD(n, HEADER, 0, struct seep_header, state, SEEP_PROBE_ON);
    SEED_FIELD(n, HEADER, 0, struct seep_header, pid, 4711);
    SEED_FIELD(n, HEADER, 0, struct seep_header, map_bytes, REGION);
    SEED_FIELD(n, HEADER, 0, struct seep_header, pool_next, 4);
    SEED_FIELD(n, HEADER, 0, struct seep_header, stack_count, 6);
    SEED_FIELD(n, HEADER, 0, struct seep_header, module_count, 2);
    SEED_FIELD(n, HEADER, 0, struct seep_header, frame_next, 16);
    struct seep_module m = {
        .state = 1, .build_id_bytes = 20, .start = 0x401000, .end = 0x409000, .unload_epoch = UINT32_MAX};
    memcpy(m.path, "/usr/bin/x", 11);
    return seed_put(out, n, MODULES, sizeof m, &m, sizeof m);
}

// Stacks in chunk 1, frames in chunk 2, live words in chunk 3.
static size_t seed_stacks(uint8_t *out, size_t n)
{
    const uint32_t chunk = 1, frames = 2;
    n = seed_put(out, n, STACK_DIR, 0, &chunk, sizeof chunk);
    n = seed_put(out, n, FRAME_DIR, 0, &frames, sizeof frames);
    for (unsigned i = 1; i < 6; i++) {
        struct seep_stack s = {.frame_offset = i, .frames = 3, .flags = SEEP_STACK_READY, .birth_epoch = i};
        s.shared = (struct seep_shard){.alloc_bytes = 1000ull * i, .alloc_blocks_q8 = 256, .free_bytes = 10};
        n = seed_put(out, n, CHUNK_1, i * sizeof s, &s, sizeof s);
    }
    for (uint64_t i = 0; i < 16; i++) {
        uint64_t frame = (0x401000 + 16 * i) | 1ull << 48;
        n = seed_put(out, n, CHUNK_2, 8 * i, &frame, sizeof frame);
    }
    return n;
}

static size_t seed_live(uint8_t *out, size_t n)
{
    struct seep_live_range range = {.key = 5, .chunk = {3}};
    struct seep_side_block big = {.address = 0x7f0000000000, .size = 1 << 20, .stack = SEEP_STACK_FIRST, .epoch = 1};
    n = seed_put(out, n, LIVE_DIR, 0, &range, sizeof range);
    n = seed_put(out, n, SIDE, 0, &big, sizeof big);
    n = seed_put(out, n, MAPS, 0, &big, sizeof big);
    for (uint64_t i = 0; i < 8; i++) {
        uint64_t word = SEEP_LIVE_WORD(0, i, SEEP_STACK_FIRST + i % 3, 100, 4);
        n = seed_put(out, n, CHUNK_3, 64 * i, &word, sizeof word);
    }
    return n;
}

static size_t seed_ring(uint8_t *out, size_t n)
{
    static struct seep_ring_record r;
    r = (struct seep_ring_record){.sequence = 1, .stack = SEEP_STACK_FIRST, .frames = 4, .stack_bytes = 64};
    SEED_FIELD(n, HEADER, 0, struct seep_header, ring_head, 1);
    return seed_put(out, n, RING, 0, &r, offsetof(struct seep_ring_record, bytes) + 64);
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    if (i > 5)
        return 0;
    size_t n = 0;
    out[n++] = (uint8_t)(i & 1);
    n = seed_hello(out, n);
    if (i >= 1)
        n = seed_stacks(out, n);
    if (i >= 2)
        n = seed_live(out, n);
    if (i >= 4)
        n = seed_ring(out, n);
    return n;
}
