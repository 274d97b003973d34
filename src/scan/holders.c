// Who points at the checked blocks that are reachable: the stack whose blocks point at most of them, a variable, a
// thread, ...
#include "scan/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// One holder of one block, so that sorting brings equal ones together.
struct holding {
    uint32_t suspect;
    uint32_t kind; // enum scan_holder_kind
    uint64_t key;  // stack, or span
    uint32_t block;
    uint64_t at;
};

static int by_holder(const void *a, const void *b)
{
    const struct holding *x = a, *y = b;
    if (x->suspect != y->suspect)
        return x->suspect < y->suspect ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->block > y->block) - (x->block < y->block);
}

static enum scan_holder_kind kind_of_span(const struct scan *s, uint32_t span)
{
    if (span == s->n_spans)
        return SCAN_BY_THREAD;
    if (span > s->n_spans)
        return SCAN_BY_KERNEL;
    switch (s->span[span].kind) {
    case SCAN_SPAN_DATA:
        return SCAN_BY_DATA;
    case SCAN_SPAN_STACK:
        return SCAN_BY_THREAD;
    case SCAN_SPAN_SHARED:
        return SCAN_BY_SHARED;
    default:
        return SCAN_BY_MAPPING;
    }
}

static int suspect_of(const struct scan *s, uint32_t block)
{
    for (uint32_t i = 0; i < s->box->n_suspects; i++)
        if (s->box->suspect[i].stack == scan_block_of(s, block)->stack)
            return (int)i;
    return -1; // a young block of another stack
}

// What reaches a block for sure when the block is reached for sure; of an undecided one in a list, what may reach it.
static bool counts(const struct scan *s, const struct scan_note *note)
{
    uint8_t to = scan_mark_of(s, note->block), from = note->at ? SCAN_SURE : scan_mark_of(s, note->from);
    if (to == SCAN_SURE)
        return from == SCAN_SURE;
    return s->box->listed && to == SCAN_MAYBE && from != SCAN_UNMARKED;
}

static void from_memory(struct scan *s, const struct scan_note *note, struct holding *out)
{
    uint64_t offset;
    char path[SCAN_PATH_BYTES];
    out->kind = note->unknown ? SCAN_BY_UNKNOWN : kind_of_span(s, note->from);
    out->key = note->unknown ? 0 : note->from;
    if (out->kind == SCAN_BY_MAPPING && scan_module_at(s, note->from, note->at, &offset, path) == 0)
        out->kind = SCAN_BY_DATA;
}

static void take_notes(struct scan *s, struct holding *h, size_t *n)
{
    for (size_t i = 0; i < s->n_notes; i++) {
        const struct scan_note *note = &s->note[i];
        int suspect = suspect_of(s, note->block);
        if (suspect < 0 || !counts(s, note))
            continue;
        struct holding *out = &h[(*n)++];
        *out = (struct holding){.suspect = (uint32_t)suspect, .block = note->block, .at = note->at};
        if (note->at) {
            from_memory(s, note, out);
        } else {
            uint32_t stack = scan_block_of(s, note->from)->stack;
            out->kind = stack == scan_block_of(s, note->block)->stack ? SCAN_BY_OWN : SCAN_BY_STACK;
            out->key = stack;
        }
    }
}

static void describe(struct scan *s, const struct holding *h, uint32_t blocks, struct scan_holder *out)
{
    *out = (struct scan_holder){.kind = h->kind, .blocks = blocks};
    if (h->kind == SCAN_BY_STACK || h->kind == SCAN_BY_OWN)
        out->stack = (uint32_t)h->key;
    if (h->kind == SCAN_BY_THREAD && h->key < s->n_spans)
        out->tid = s->span[h->key].tid;
    if (h->kind == SCAN_BY_SHARED)
        snprintf(out->path, sizeof out->path, "%.255s", s->span[h->key].path);
    if (h->kind == SCAN_BY_DATA && scan_module_at(s, (uint32_t)h->key, h->at, &out->offset, out->path)) {
        const struct scan_span *p = &s->span[h->key]; // no module we know: at least the file
        out->offset = h->at - p->start;
        snprintf(out->path, sizeof out->path, "%.255s", p->path);
    }
}

// One group of equal holders: how many different blocks.
static uint32_t distinct(const struct scan *s, const struct holding *h, size_t n, bool checked_only)
{
    uint32_t blocks = 0;
    for (size_t i = 0; i < n; i++)
        blocks += (i == 0 || h[i].block != h[i - 1].block) &&
                  (!checked_only || (h[i].block < s->known.n && (s->known.flags[h[i].block] & SCAN_F_CHECKED)));
    return blocks;
}

// A thread that works on a structure points into it for a moment, and memory that is free may still do so: who else
// holds it comes before them, unless they hold many times as much.
static uint64_t worth(uint32_t kind, uint32_t blocks)
{
    return (uint64_t)blocks * (kind == SCAN_BY_THREAD ? 1 : kind == SCAN_BY_UNKNOWN ? 2 : 8);
}

static void offer(struct scan *s, const struct holding *h, size_t n)
{
    struct scan_suspect *sus = &s->box->suspect[h->suspect];
    uint32_t checked = distinct(s, h, n, true), all = distinct(s, h, n, false);
    if (h->kind == SCAN_BY_STACK && all <= sus->chance_hits) // old values in it, for all that can be told (chance.c)
        return;
    if (worth(h->kind, checked) > worth(sus->holder.kind, sus->holder.blocks)) // the middle pointer stands for all
        describe(s, &h[n / 2], checked, &sus->holder);
    if (h->kind != SCAN_BY_OWN && worth(h->kind, all) > worth(sus->entry.kind, sus->entry.blocks))
        describe(s, &h[n / 2], all, &sus->entry);
}

void scan_holders(struct scan *s)
{
    struct holding *h = malloc((s->n_notes + 1) * sizeof *h);
    size_t n = 0;
    if (!h)
        return; // without names, then
    for (uint32_t i = 0; i < s->box->n_suspects; i++)
        s->box->suspect[i].holder = s->box->suspect[i].entry = (struct scan_holder){0};
    take_notes(s, h, &n);
    qsort(h, n, sizeof *h, by_holder);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1;
             to < n && h[to].suspect == h[from].suspect && h[to].kind == h[from].kind && h[to].key == h[from].key;)
            to++;
        offer(s, h + from, to - from);
    }
    free(h);
}
