// Mappings by range: see tap_maps.h. A sorted array: mappings are few beside blocks, and made seldom.
#include "run/tap_maps.h"

#include <stdlib.h>
#include <string.h>

int tap_maps_init(struct tap_maps *m)
{
    *m = (struct tap_maps){.sums = calloc(TAP_SLOTS_MAX, sizeof *m->sums)};
    return m->sums ? 0 : -1;
}

void tap_maps_free(struct tap_maps *m)
{
    free(m->range);
    free(m->sums);
    *m = (struct tap_maps){0};
}

bool tap_maps_pages(uint64_t from, uint64_t bytes, uint64_t *to)
{
    const uint64_t page = 4096;
    return from % page == 0 && bytes > 0 && !__builtin_add_overflow(from, bytes, to) &&
           !__builtin_add_overflow(*to, page - 1, to) && (*to &= ~(page - 1)) > from;
}

static void count(struct tap_maps *m, const struct tap_range *r, int sign)
{
    struct tap_sums *s = &m->sums[r->slot];
    uint64_t bytes = r->to - r->from;
    s->live_bytes += sign > 0 ? bytes : -bytes;
    s->live_blocks += sign > 0 ? 1 : (uint64_t)-1;
}

// The first range of the process that ends behind `address`.
static size_t first_behind(const struct tap_maps *m, pid_t pid, uint64_t address)
{
    size_t low = 0, high = m->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct tap_range *r = &m->range[middle];
        if (r->pid < pid || (r->pid == pid && r->to <= address))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert(struct tap_maps *m, size_t at, const struct tap_range *r)
{
    if (m->n == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 256;
        struct tap_range *grown = cap <= TAP_MAPS_MAX ? realloc(m->range, cap * sizeof *grown) : NULL;
        if (!grown) {
            m->overflowed++;
            return;
        }
        m->range = grown;
        m->cap = cap;
    }
    memmove(&m->range[at + 1], &m->range[at], (m->n++ - at) * sizeof *m->range);
    m->range[at] = *r;
    count(m, r, 1);
}

static void take_out(struct tap_maps *m, size_t at)
{
    count(m, &m->range[at], -1);
    memmove(&m->range[at], &m->range[at + 1], (--m->n - at) * sizeof *m->range);
}

void tap_maps_cut(struct tap_maps *m, pid_t pid, uint64_t from, uint64_t to, struct tap_range *first)
{
    size_t at = first_behind(m, pid, from);
    *first = (struct tap_range){0};
    while (at < m->n && m->range[at].pid == pid && m->range[at].from < to) {
        struct tap_range was = m->range[at], left = was, right = was;
        if (!first->pid)
            *first = was;
        take_out(m, at);
        left.to = from;
        right.from = to;
        if (was.from < from)
            insert(m, at++, &left);
        if (was.to > to)
            insert(m, at++, &right);
    }
}

void tap_maps_add(struct tap_maps *m, const struct tap_range *made)
{
    struct tap_range was;
    tap_maps_cut(m, made->pid, made->from, made->to, &was);
    m->sums[made->slot].alloc_bytes += made->to - made->from;
    m->sums[made->slot].alloc_blocks++;
    insert(m, first_behind(m, made->pid, made->from), made);
}

void tap_maps_drop_dead(struct tap_maps *m, tap_alive_fn *alive, void *ctx)
{
    size_t kept = 0;
    pid_t last = 0;
    bool lives = true;
    for (size_t i = 0; i < m->n; i++) {
        if (m->range[i].pid != last) {
            last = m->range[i].pid;
            lives = alive(last, ctx);
        }
        if (lives)
            m->range[kept++] = m->range[i];
        else
            count(m, &m->range[i], -1);
    }
    m->n = kept;
}

void tap_maps_ages(const struct tap_maps *m, size_t n_slots, double *bytes, double *blocks)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct tap_range *r = &m->range[i];
        if (r->slot >= n_slots)
            continue;
        bytes[(size_t)r->slot * TAP_EPOCHS + r->epoch] += (double)(r->to - r->from);
        blocks[(size_t)r->slot * TAP_EPOCHS + r->epoch]++;
    }
}
