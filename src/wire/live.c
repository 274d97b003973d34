// The live set, block by block: who survived from when, and where the blocks of a suspect lie.
//
// In sampled mode a block of size s under mean m stands for 1/p blocks, p = 1 - exp(-s/m) (Poisson sampling by bytes);
// summing s/p is unbiased (Horvitz and Thompson 1952), and its variance is estimated by the sum of s^2 (1-p) / p^2.
#include "wire/region.h"

#include "base/check.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_PER_CHUNK (SEEP_CHUNK_BYTES / 8)

static int visit_chunk(const uint64_t *words, uint64_t range, wire_visit *visit, void *arg)
{
    for (uint32_t i = 0; i < WORDS_PER_CHUNK; i++) {
        uint64_t word = wire_load64(&words[i]);
        if (!(word & 1))
            continue;
        struct wire_block b = {
            .address = (range << SEEP_RANGE_SHIFT) + ((uint64_t)i << SEEP_GRANULE_SHIFT) + 8 * SEEP_LIVE_SUB(word),
            .bytes = SEEP_LIVE_SIZE(word),
            .stack = SEEP_LIVE_STACK(word),
            .epoch = SEEP_LIVE_EPOCH(word),
            .inherited = (word & SEEP_LIVE_INHERITED) != 0,
        };
        int ret = visit(arg, &b);
        if (ret)
            return ret;
    }
    return 0;
}

static int scan_ranges(const struct wire *w, wire_visit *visit, void *arg)
{
    const struct seep_live_range *dir = (const struct seep_live_range *)(w->base + w->layout.live_dir_offset);
    uint32_t budget = w->layout.pool_chunks; // no chunk can honestly be named twice
    for (uint32_t i = 0; i < w->layout.live_dir; i++) {
        uint64_t key = wire_load64(&dir[i].key);
        if (!key || key > 1ull << (57 - SEEP_RANGE_SHIFT))
            continue;
        for (uint32_t level = 0; level < SEEP_LIVE_LEVELS; level++) {
            uint32_t chunk = wire_load32(&dir[i].chunk[level]);
            const uint64_t *words = chunk ? wire_chunk(w, chunk) : NULL;
            if (!words)
                break;
            if (budget-- == 0)
                return 0;
            int ret = visit_chunk(words, key - 1, visit, arg);
            if (ret)
                return ret;
        }
    }
    return 0;
}

// A table of ranges: large blocks or mappings.
static int scan_side(const struct wire *w, uint64_t offset, uint32_t entries, wire_visit *visit, void *arg)
{
    const struct seep_side_block *side = (const struct seep_side_block *)(w->base + offset);
    for (uint32_t i = 0; i < entries; i++) {
        uint64_t address = wire_load64(&side[i].address);
        if (address <= SEEP_SIDE_GONE)
            continue;
        struct wire_block b = {.address = address,
                               .bytes = wire_load64(&side[i].size),
                               .stack = wire_load32(&side[i].stack),
                               .epoch = wire_load32(&side[i].epoch) % SEEP_EPOCHS,
                               .inherited = wire_load64(&side[i].slack) >= SEEP_SIDE_INHERITED};
        if (wire_load64(&side[i].address) != address || b.bytes >> 47)
            continue;
        int ret = visit(arg, &b);
        if (ret)
            return ret;
    }
    return 0;
}

int wire_scan_live(const struct wire *w, wire_visit *visit, void *arg)
{
    int ret = scan_ranges(w, visit, arg);
    return ret ? ret : scan_side(w, w->layout.side_offset, w->layout.side, visit, arg);
}

struct maps_visit {
    const struct wire *w;
    wire_visit *visit;
    void *arg;
};

static int only_anonymous(void *arg, const struct wire_block *b)
{
    struct maps_visit *m = arg;
    struct seep_stack s;
    bool file = wire_copy_stack(m->w, b->stack, &s) == 0 && s.klass == SEEP_CLASS_MMAP_FILE;
    return file ? 0 : m->visit(m->arg, b);
}

int wire_scan_maps(const struct wire *w, wire_visit *visit, void *arg)
{
    struct maps_visit m = {w, visit, arg};
    return scan_side(w, w->layout.maps_offset, w->layout.maps, only_anonymous, &m);
}

// ---- survivors by epoch ----

// Open addressing over (stack, epoch) while scanning; rows are compacted and sorted at the end.
struct age_table {
    const struct wire *w;
    struct wire_age *row;
    size_t room, used, max;
    struct wire_age_profile *out;
};

static int age_empty(const struct wire_age *a)
{
    return a->stack == SEEP_STACK_NONE;
}

static struct wire_age *age_find(struct age_table *t, uint32_t stack, uint32_t epoch)
{
    uint64_t h = ((uint64_t)stack << 10 | epoch) * 0x9e3779b97f4a7c15ull;
    size_t at = (size_t)(h >> 20) & (t->room - 1);
    while (!age_empty(&t->row[at]) && (t->row[at].stack != stack || t->row[at].epoch != epoch))
        at = (at + 1) & (t->room - 1);
    return &t->row[at];
}

static int age_grow(struct age_table *t)
{
    struct wire_age *old = t->row;
    size_t n = t->room;
    t->room = n ? 2 * n : 4096;
    t->row = calloc(t->room, sizeof *t->row);
    if (!t->row) {
        free(old);
        return -1;
    }
    for (size_t i = 0; i < n; i++)
        if (!age_empty(&old[i]))
            *age_find(t, old[i].stack, old[i].epoch) = old[i];
    free(old);
    return 0;
}

static int age_visit(void *arg, const struct wire_block *b)
{
    struct age_table *t = arg;
    if (b->stack == SEEP_STACK_NONE || b->stack >= t->w->layout.stacks || b->inherited)
        return 0;
    if (2 * t->used >= t->room && age_grow(t) < 0)
        return -1;
    struct wire_age *a = age_find(t, b->stack, b->epoch);
    t->out->blocks_seen++;
    if (age_empty(a)) {
        if (t->used == t->max) {
            t->out->left_out++;
            return 0;
        }
        *a = (struct wire_age){.stack = b->stack, .epoch = b->epoch};
        t->used++;
    }
    uint64_t mean = wire_mean_of(t->w, b->epoch);
    double size = (double)b->bytes, p = mean ? -expm1(-(b->bytes ? size : 1) / (double)mean) : 1;
    a->blocks += 1 / p;
    a->bytes += size / p;
    a->var_bytes2 += size * size * (1 - p) / (p * p);
    return 0;
}

static int by_stack_and_epoch(const void *va, const void *vb)
{
    const struct wire_age *a = va, *b = vb;
    if (a->stack != b->stack)
        return a->stack < b->stack ? -1 : 1;
    return a->epoch < b->epoch ? -1 : a->epoch > b->epoch;
}

int wire_age_profile(struct wire *w, size_t max_rows, struct wire_age_profile *out, struct seep_err *err)
{
    SEEP_CHECK_OBJ(w, WIRE_MAGIC);
    struct age_table t = {.w = w, .max = max_rows ? max_rows : 1000000, .out = out};
    out->rows = out->left_out = 0;
    out->blocks_seen = 0;
    if (age_grow(&t) < 0 || wire_scan_live(w, age_visit, &t) < 0 ||
        wire_reserve((void **)&out->row, &out->room, t.used + 1, sizeof *out->row) < 0) {
        free(t.row);
        return seep_fail(err, SEEP_E_LIMIT, "There is no memory to sort the surviving blocks by age.");
    }
    for (size_t i = 0; i < t.room; i++)
        if (!age_empty(&t.row[i]))
            out->row[out->rows++] = t.row[i];
    free(t.row);
    qsort(out->row, out->rows, sizeof *out->row, by_stack_and_epoch);
    return 0;
}

void wire_age_profile_free(struct wire_age_profile *p)
{
    free(p->row);
    memset(p, 0, sizeof *p);
}

// ---- blocks of chosen stacks ----

struct block_wish {
    const struct wire *w;
    const uint32_t *stacks;
    size_t n, max;
    struct wire_blocks *out;
};

static int wanted(const struct block_wish *t, uint32_t stack)
{
    size_t low = 0, high = t->n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (t->stacks[mid] == stack)
            return 1;
        if (t->stacks[mid] < stack)
            low = mid + 1;
        else
            high = mid;
    }
    return t->n == 0;
}

static int block_visit(void *arg, const struct wire_block *b)
{
    struct block_wish *t = arg;
    if (b->stack == SEEP_STACK_NONE || b->stack >= t->w->layout.stacks || !wanted(t, b->stack))
        return 0;
    if (t->out->blocks == t->max) {
        t->out->left_out++;
        return 0;
    }
    if (wire_reserve((void **)&t->out->block, &t->out->room, t->out->blocks + 1, sizeof *t->out->block) < 0)
        return -1;
    t->out->block[t->out->blocks++] = *b;
    return 0;
}

int wire_live_blocks(struct wire *w, const uint32_t *stacks, size_t n, size_t max_blocks, struct wire_blocks *out,
                     struct seep_err *err)
{
    SEEP_CHECK_OBJ(w, WIRE_MAGIC);
    struct block_wish t = {.w = w, .stacks = stacks, .n = n, .max = max_blocks, .out = out};
    out->blocks = out->left_out = 0;
    if (wire_scan_live(w, block_visit, &t) < 0)
        return seep_fail(err, SEEP_E_LIMIT, "There is no memory to list the live blocks.");
    return 0;
}

void wire_blocks_free(struct wire_blocks *b)
{
    free(b->block);
    memset(b, 0, sizeof *b);
}
