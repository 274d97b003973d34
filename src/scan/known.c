// The blocks that are known, sorted, and the question "whose address is this?".
//
// A value is looked up some hundred million times in a large heap, so a hash over ranges of 128 KiB comes first; within
// a range a binary search.
#include "scan/internal.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define RANGE_SHIFT 17

static int count_block(void *arg, const struct wire_block *b)
{
    uint32_t *n = arg;
    (void)b;
    return ++*n == SCAN_BLOCKS_CEILING;
}

struct load {
    struct scan_known *k;
    uint32_t room;
};

static int take_block(void *arg, const struct wire_block *b)
{
    struct load *l = arg;
    if (l->k->n == l->room)
        return 1;
    l->k->block[l->k->n++] = *b;
    return 0;
}

// Quicksort by address with the middle of three as pivot; ranges come nearly sorted. The smaller part first, so the
// depth is bounded by the logarithm.
static void sort_blocks(struct wire_block *b, size_t n)
{
    while (n > 16) {
        uint64_t x = b[0].address, y = b[n / 2].address, z = b[n - 1].address;
        uint64_t pivot = x < y ? (y < z ? y : x < z ? z : x) : (x < z ? x : y < z ? z : y);
        size_t i = 0, j = n - 1;
        for (;; i++, j--) {
            while (b[i].address < pivot)
                i++;
            while (b[j].address > pivot)
                j--;
            if (i >= j)
                break;
            struct wire_block t = b[i];
            b[i] = b[j];
            b[j] = t;
        }
        size_t left = j + 1;
        if (left < n - left) {
            sort_blocks(b, left);
            b += left, n -= left;
        } else {
            sort_blocks(b + left, n - left);
            n = left;
        }
    }
    for (size_t i = 1; i < n; i++) {
        struct wire_block t = b[i];
        size_t j = i;
        for (; j > 0 && b[j - 1].address > t.address; j--)
            b[j] = b[j - 1];
        b[j] = t;
    }
}

// The table changed while it was copied: of two entries of one address the last stays, of overlapping ones the earlier
// is cut.
static void make_disjoint(struct scan_known *k)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < k->n; i++) {
        struct wire_block *b = &k->block[i];
        if (b->address < 4096 || b->address >> 47 || b->bytes >> 46)
            continue;
        if (n > 0 && k->block[n - 1].address == b->address)
            n--;
        else if (n > 0 && k->block[n - 1].address + k->block[n - 1].bytes > b->address)
            k->block[n - 1].bytes = b->address - k->block[n - 1].address;
        k->block[n++] = *b;
    }
    k->n = n;
}

static struct scan_range *range_of(const struct scan_known *k, uint64_t address)
{
    uint64_t key = (address >> RANGE_SHIFT) + 1, h = key * 0x9e3779b97f4a7c15ull;
    uint32_t at = (uint32_t)(h >> 32) & k->range_mask;
    while (k->range[at].key && k->range[at].key != key)
        at = (at + 1) & k->range_mask;
    return &k->range[at];
}

// A block touches every range from its first byte to its end, the end included.
static uint64_t last_range(const struct wire_block *b)
{
    return (b->address + b->bytes) >> RANGE_SHIFT;
}

static int index_ranges(struct scan_known *k)
{
    uint64_t ranges = 0, before = 0;
    for (uint32_t i = 0; i < k->n; i++) {
        uint64_t from = k->block[i].address >> RANGE_SHIFT, to = last_range(&k->block[i]);
        ranges += to + 1 - (from == before ? from + 1 : from);
        before = to;
    }
    if (ranges >= 1u << 26) // 8 TiB of blocks
        return -1;
    uint32_t size = 64;
    while (size < 2 * ranges + 2)
        size *= 2;
    k->range = calloc(size, sizeof *k->range);
    k->range_mask = size - 1;
    if (!k->range)
        return -1;
    for (uint32_t i = 0; i < k->n; i++)
        for (uint64_t r = k->block[i].address >> RANGE_SHIFT; r <= last_range(&k->block[i]); r++) {
            struct scan_range *e = range_of(k, r << RANGE_SHIFT);
            if (!e->key)
                *e = (struct scan_range){.key = r + 1, .first = i};
            e->last = i;
        }
    return 0;
}

int scan_known_load(struct scan_known *k, const struct scan_table *t)
{
    struct load l = {k, 0};
    scan_table_each(t, count_block, &l.room);
    l.room += l.room / 64 + 1024; // what is made between counting and copying
    if (l.room > SCAN_BLOCKS_CEILING)
        l.room = SCAN_BLOCKS_CEILING;
    k->block = malloc(l.room * sizeof *k->block);
    if (!k->block)
        return -1;
    scan_table_each(t, take_block, &l);
    return scan_known_index(k);
}

int scan_known_index(struct scan_known *k)
{
    sort_blocks(k->block, k->n);
    make_disjoint(k);
    k->mark = calloc(k->n + 1, 1);
    k->flags = calloc(k->n + 1, 1);
    k->lowest = k->n ? k->block[0].address : 0;
    k->highest = k->n ? k->block[k->n - 1].address + k->block[k->n - 1].bytes : 0;
    return k->mark && k->flags ? index_ranges(k) : -1;
}

void scan_known_free(struct scan_known *k)
{
    free(k->block);
    free(k->mark);
    free(k->flags);
    free(k->range);
}

// The last block of [first, last] that starts at or before value; SCAN_NONE.
static uint32_t last_at_or_before(const struct scan_known *k, uint32_t first, uint32_t last, uint64_t value)
{
    if (k->block[first].address > value)
        return SCAN_NONE;
    while (first < last) {
        uint32_t mid = last - (last - first) / 2;
        if (k->block[mid].address <= value)
            first = mid;
        else
            last = mid - 1;
    }
    return first;
}

struct scan_hit scan_known_find(const struct scan_known *k, uint64_t value)
{
    struct scan_hit hit = {SCAN_NONE, SCAN_NONE};
    if (value - k->lowest > k->highest - k->lowest)
        return hit;
    const struct scan_range *r = range_of(k, value);
    uint32_t at = r->key ? last_at_or_before(k, r->first, r->last, value) : SCAN_NONE;
    if (at == SCAN_NONE || value - k->block[at].address > k->block[at].bytes)
        return hit;
    hit.block = at;
    if (value == k->block[at].address && at > 0 && k->block[at - 1].address + k->block[at - 1].bytes == value)
        hit.before = at - 1;
    return hit;
}

uint32_t scan_known_at(const struct scan_known *k, uint64_t address)
{
    struct scan_hit hit = scan_known_find(k, address);
    return hit.block != SCAN_NONE && k->block[hit.block].address == address ? hit.block : SCAN_NONE;
}
