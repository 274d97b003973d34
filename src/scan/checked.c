// Which blocks of the suspects are followed from scan to scan, and what one scan says of them.
//
// Chosen once, at the first scan: born before the present epoch, so that none is a block on its way into a structure;
// evenly over the addresses. Later scans look at the same ones; what was freed drops out for good.
#include "scan/internal.h"

#include <stdlib.h>

static int suspect_of(const struct scan_box *box, uint32_t stack)
{
    for (uint32_t i = 0; i < box->n_suspects; i++)
        if (box->suspect[i].stack == stack)
            return (int)i;
    return -1;
}

static bool old_enough(const struct scan *s, const struct wire_block *b)
{
    return b->epoch < scan_table_epoch(s->table);
}

static void choose_new(struct scan *s)
{
    struct scan_box *box = s->box;
    uint32_t have[SCAN_SUSPECTS_MAX] = {0}, taken[SCAN_SUSPECTS_MAX] = {0}, met[SCAN_SUSPECTS_MAX] = {0};
    for (uint32_t i = 0; i < s->known.n; i++) {
        int w = suspect_of(box, s->known.block[i].stack);
        have[w < 0 ? 0 : w] += w >= 0 && old_enough(s, &s->known.block[i]);
    }
    for (uint32_t i = 0; i < s->known.n; i++) {
        const struct wire_block *b = &s->known.block[i];
        int w = suspect_of(box, b->stack);
        if (w < 0 || !old_enough(s, b))
            continue;
        uint32_t due =
            have[w] <= SCAN_CHECKED_MAX ? met[w] + 1 : (uint32_t)(((uint64_t)met[w] + 1) * SCAN_CHECKED_MAX / have[w]);
        met[w]++;
        if (taken[w] >= due)
            continue;
        taken[w]++;
        box->checked[box->n_checked++] =
            (struct scan_checked){.address = b->address, .suspect = (uint32_t)w, .epoch = (uint16_t)b->epoch};
    }
    for (uint32_t i = 0; i < box->n_suspects; i++)
        box->suspect[i].n = taken[i];
}

static uint32_t block_of(const struct scan *s, const struct scan_checked *c)
{
    uint32_t b = c->freed ? SCAN_NONE : scan_known_at(&s->known, c->address);
    if (b == SCAN_NONE || s->known.block[b].epoch != c->epoch ||
        s->known.block[b].stack != s->box->suspect[c->suspect].stack)
        return SCAN_NONE;
    return b;
}

int scan_choose(struct scan *s)
{
    if (s->box->looks == 0) {
        s->box->n_checked = 0;
        choose_new(s);
    }
    for (uint32_t i = 0; i < s->known.n; i++)
        if (suspect_of(s->box, s->known.block[i].stack) >= 0)
            s->known.flags[i] |= SCAN_F_SUSPECT;
    for (uint32_t i = 0; i < s->box->n_checked; i++) {
        uint32_t b = block_of(s, &s->box->checked[i]);
        if (b != SCAN_NONE)
            s->known.flags[b] |= SCAN_F_CHECKED;
    }
    return 0;
}

// ---- the verdict of one scan

static enum scan_verdict verdict_of(const struct scan *s, uint32_t block)
{
    if (block == SCAN_NONE || !(s->known.flags[block] & SCAN_F_THERE))
        return SCAN_FREED;
    switch (s->known.mark[block]) {
    case SCAN_SURE:
        return SCAN_ALIVE_REACHABLE;
    case SCAN_UNMARKED:
        return s->swapped_bytes ? SCAN_ALIVE_UNDECIDED : SCAN_ALIVE_LOST;
    default:
        return SCAN_ALIVE_UNDECIDED;
    }
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

// The checked blocks that the `unseen` largest components hold together: what that many pointers could reach at most.
static uint32_t held_by_unseen(uint32_t *component, uint32_t n, uint64_t unseen)
{
    uint32_t size[SCAN_CHECKED_MAX], sizes = 0, sum = 0;
    qsort(component, n, sizeof *component, by_number);
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || component[i] != component[i - 1])
            size[sizes++] = 0;
        size[sizes - 1]++;
    }
    qsort(size, sizes, sizeof *size, by_number);
    for (uint32_t i = 0; i < sizes && i < unseen; i++)
        sum += size[sizes - 1 - i];
    return sum;
}

static void conclude_suspect(struct scan *s, uint32_t which, const uint32_t *parent)
{
    struct scan_box *box = s->box;
    struct scan_look *look = &box->suspect[which].look[box->looks];
    uint32_t component[SCAN_CHECKED_MAX];
    *look = (struct scan_look){0};
    for (uint32_t i = 0; i < box->n_checked; i++) {
        struct scan_checked *c = &box->checked[i];
        if (c->suspect != which)
            continue;
        uint32_t block = block_of(s, c);
        enum scan_verdict v = verdict_of(s, block);
        c->verdict[box->looks] = (uint8_t)v;
        c->freed |= v == SCAN_FREED;
        look->alive += v != SCAN_FREED;
        look->reachable += v == SCAN_ALIVE_REACHABLE;
        look->undecided += v == SCAN_ALIVE_UNDECIDED;
        if (v == SCAN_ALIVE_LOST)
            component[look->lost++] = parent[block];
    }
    uint64_t doubt = held_by_unseen(component, look->lost, s->unseen) + scan_table_missed(s->table);
    look->doubt = doubt < look->lost ? (uint32_t)doubt : look->lost;
}

int scan_conclude(struct scan *s)
{
    uint32_t *parent = NULL;
    if (scan_components(s, &parent))
        return -1;
    for (uint32_t i = 0; i < s->box->n_suspects; i++)
        conclude_suspect(s, i, parent);
    free(parent);
    return 0;
}
