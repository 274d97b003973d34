// Blocks that were made while a scan read, or of which the table did not know yet when it began.
//
// Much hangs on them: whoever puts new entries at the head of a list holds all older ones through the newest, and that
// one is always young. So they are nodes too, if the table has them at the end of the scan. Until then it is not known
// what they are; values that point into the heap at no block known are kept ("loose"), from roots and blocks, and are
// looked up when it is. What young blocks point at is read then. That is sure only as far as a young block is reached
// itself; besides, as before, it makes what it points at undecided.
#include "scan/internal.h"

#include <stdlib.h>

#define LOOSE_CEILING (1u << 20)
#define LINKS_CEILING (1u << 22)
#define BRK_ROOM      (64ull << 20) // the program's break may have moved up since the mappings were read

struct scan_loose {
    uint64_t value, at;
    uint32_t from; // span or block
    bool root;
};

struct scan_link { // numbers as scan_block_of() has them; one end at least is young
    uint32_t from, to;
};

void scan_young_free(struct scan *s)
{
    scan_known_free(&s->young);
    free(s->loose);
    free(s->link);
    free(s->young_work);
}

const struct wire_block *scan_block_of(const struct scan *s, uint32_t number)
{
    return number < s->known.n ? &s->known.block[number] : &s->young.block[number - s->known.n];
}

uint8_t scan_mark_of(const struct scan *s, uint32_t number)
{
    return number < s->known.n ? s->known.mark[number] : s->young.mark[number - s->known.n];
}

// ---- values that point at no block known

static bool in_heap(const struct scan *s, uint64_t value)
{
    uint32_t lo = 0, hi = s->n_spans;
    while (lo < hi) { // the last span that begins at or before value
        uint32_t mid = lo + (hi - lo) / 2;
        if (s->span[mid].start <= value)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0)
        return false;
    const struct scan_span *p = &s->span[lo - 1];
    bool heap = p->kind == SCAN_SPAN_HEAP || p->kind == SCAN_SPAN_BLOCKS;
    return heap && value - p->start < p->end - p->start + (p->brk ? BRK_ROOM : 0);
}

static void link_blocks(struct scan *s, uint32_t from, uint32_t to)
{
    if (from != to && s->n_links < LINKS_CEILING &&
        scan_room(s, &s->link, &s->room_links, s->n_links, sizeof *s->link, LINKS_CEILING) == 0)
        s->link[s->n_links++] = (struct scan_link){from, to};
}

static void resolve(struct scan *s, const struct scan_loose *l)
{
    struct scan_hit hit = scan_known_find(&s->young, l->value);
    uint32_t number = s->known.n + hit.block;
    if (hit.block == SCAN_NONE || scan_may_be_chunk_link(s, l->value, number))
        return;
    scan_note(s, number, l->from, l->root ? (l->at ? l->at : 1) : 0, false);
    if (l->root)
        s->young.mark[hit.block] = SCAN_SURE;
    else
        link_blocks(s, l->from, number);
}

void scan_young_value(struct scan *s, const struct scan_source *src, uint64_t at, uint64_t value)
{
    struct scan_loose l = {.value = value, .at = at, .from = src->index, .root = src->from == SCAN_FROM_ROOT};
    bool held = src->from == SCAN_FROM_ROOT || src->from == SCAN_FROM_BLOCK;
    // Where the C library's heap ended is a place in some block that came later: its own notes are no pointers.
    if (!held || src->links || at % 8 || !in_heap(s, value))
        return;
    if (s->young_known)
        resolve(s, &l);
    else if (s->n_loose < LOOSE_CEILING &&
             scan_room(s, &s->loose, &s->room_loose, s->n_loose, sizeof *s->loose, LOOSE_CEILING) == 0)
        s->loose[s->n_loose++] = l;
}

void scan_young_pointer(struct scan *s, uint32_t young, uint32_t old, uint64_t value)
{
    uint32_t from = s->known.n + young;
    if (old != SCAN_NONE) {
        scan_note(s, old, from, 0, false);
        link_blocks(s, from, old);
        return;
    }
    struct scan_hit hit = scan_known_find(&s->young, value);
    if (hit.block != SCAN_NONE && !scan_may_be_chunk_link(s, value, s->known.n + hit.block))
        link_blocks(s, from, s->known.n + hit.block);
}

// ---- the second look at the table

static int compare_block(void *arg, const struct wire_block *b)
{
    struct scan *s = arg;
    uint32_t at = scan_known_at(&s->known, b->address);
    if (at != SCAN_NONE && s->known.block[at].stack == b->stack && s->known.block[at].epoch == b->epoch) {
        s->known.flags[at] |= SCAN_F_THERE;
        return 0;
    }
    if (scan_room(s, &s->young.block, &s->room_young, s->young.n, sizeof *b, SCAN_BLOCKS_CEILING))
        return 1;
    s->young.block[s->young.n++] = *b;
    return 0;
}

static int by_from(const void *a, const void *b)
{
    const struct scan_link *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

int scan_young_blocks(struct scan *s)
{
    if (scan_table_again(s->table, s->deadline_ns, &s->trouble))
        return -1;
    scan_table_each(s->table, compare_block, s);
    if (s->trouble == SCAN_FINE && scan_known_index(&s->young))
        s->trouble = SCAN_MEMORY;
    s->young_known = s->trouble == SCAN_FINE;
    for (size_t i = 0; s->young_known && i < s->n_loose; i++)
        resolve(s, &s->loose[i]);
    for (uint32_t i = 0; i < s->young.n && s->trouble == SCAN_FINE; i++) {
        const struct wire_block *b = &s->young.block[i];
        struct scan_source src = {SCAN_FROM_YOUNG, i, false};
        struct scan_hit hit = scan_known_find(&s->known, b->address);
        if (hit.block != SCAN_NONE && !(s->known.flags[hit.block] & SCAN_F_THERE))
            link_blocks(s, hit.block, s->known.n + i); // it lies where an old one lay: who points there means this one
        if (b->bytes >= 8)
            scan_sweep_range(s, b->address, b->address + b->bytes, &src, false);
    }
    return s->trouble == SCAN_FINE ? 0 : -1;
}

// ---- spreading

static bool push(struct scan *s, uint32_t young)
{
    if (scan_room(s, &s->young_work, &s->room_young_work, s->n_young_work, sizeof young, SCAN_BLOCKS_CEILING))
        return false;
    s->young_work[s->n_young_work++] = young;
    return true;
}

static size_t first_link(const struct scan *s, uint32_t from)
{
    size_t lo = 0, hi = s->n_links;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->link[mid].from < from)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void follow(struct scan *s, uint32_t number)
{
    for (size_t i = first_link(s, number); i < s->n_links && s->link[i].from == number; i++) {
        uint32_t to = s->link[i].to, young = to - s->known.n;
        if (to < s->known.n)
            scan_mark(s, to);
        else if (s->young.mark[young] != SCAN_SURE && push(s, young))
            s->young.mark[young] = SCAN_SURE;
    }
}

// Young blocks that an old one reaches; true when there are any new ones.
static bool from_old(struct scan *s)
{
    size_t before = s->n_young_work;
    for (size_t i = 0; i < s->n_links && s->link[i].from < s->known.n; i++) {
        uint32_t young = s->link[i].to - s->known.n;
        if (s->known.mark[s->link[i].from] == SCAN_SURE && s->young.mark[young] != SCAN_SURE && push(s, young))
            s->young.mark[young] = SCAN_SURE;
    }
    return s->n_young_work > before;
}

void scan_young_spread(struct scan *s)
{
    if (s->n_links)
        qsort(s->link, s->n_links, sizeof *s->link, by_from);
    for (uint32_t i = 0; i < s->young.n; i++)
        if (s->young.mark[i] == SCAN_SURE)
            push(s, i);
    do {
        while (s->n_young_work > 0 && s->trouble == SCAN_FINE)
            follow(s, s->known.n + s->young_work[--s->n_young_work]);
        scan_spread(s);
    } while (s->trouble == SCAN_FINE && from_old(s));
}
