// Reading the target's memory, and every value in it that could be a pointer.
//
// Only pages with content are read, so that nothing is made in the target. Values are taken at every byte: a structure
// may be packed, and code made at run time holds addresses anywhere. Two neighbouring zero words are passed over, which
// is what most of memory consists of.
#include "scan/internal.h"

#include "base/clock.h"
#include "linux/hold.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES (256u << 10)
#define OVERLAP    7u // a value may begin in one buffer and end in the next
#define LOW_47     0x7fffffffffffull

bool scan_late(struct scan *s)
{
    if (s->trouble == SCAN_FINE && clock_mono_ns() > s->deadline_ns)
        s->trouble = SCAN_TIME;
    return s->trouble != SCAN_FINE;
}

// ---- one value

// Free chunks of glibc are chained through their own first words and through the arena, by the address 16 below where a
// block would start: that is within the last bytes of the block before, or at its end. Such links stay behind in what
// is allocated there next, if the program does not overwrite them.
bool scan_may_be_chunk_link(const struct scan *s, uint64_t value, uint32_t number)
{
    const struct wire_block *b = scan_block_of(s, number);
    return s->chunks && value % 16 == 0 && value != b->address && value + 8 >= b->address + b->bytes;
}

// Of blocks that are not followed only what points at them from outside: where a list is entered, for one.
void scan_note(struct scan *s, uint32_t block, uint32_t from, uint64_t at, bool unknown)
{
    unsigned flags = block < s->known.n ? s->known.flags[block] : SCAN_F_SUSPECT;
    bool own = !at && scan_block_of(s, from)->stack == scan_block_of(s, block)->stack;
    if (!(flags & SCAN_F_SUSPECT) || (own && !(flags & SCAN_F_CHECKED)) || s->n_notes == SCAN_NOTES_CEILING)
        return;
    if (scan_room(s, &s->note, &s->room_notes, s->n_notes, sizeof *s->note, SCAN_NOTES_CEILING) == 0)
        s->note[s->n_notes++] = (struct scan_note){.block = block, .from = from, .at = at, .unknown = unknown};
}

static bool no_pointer(const struct scan *s, uint64_t value, uint32_t block)
{
    return scan_may_be_chunk_link(s, value, block) || scan_by_chance(s, block, value);
}

// tagged: the value is not quite an address.
static void found(struct scan *s, const struct scan_source *src, uint64_t at, uint64_t value, bool tagged)
{
    struct scan_hit hit = scan_known_find(&s->known, value);
    bool inner = hit.block != SCAN_NONE && src->from == SCAN_FROM_BLOCK && hit.block != src->index;
    if (inner && !tagged)
        scan_chance_count(s, hit.block, value);
    if (s->counting)
        return;
    if (hit.block == SCAN_NONE && !tagged && src->from != SCAN_FROM_YOUNG)
        scan_young_value(s, src, at, value);
    if (src->from == SCAN_FROM_YOUNG && !tagged && !(hit.block != SCAN_NONE && no_pointer(s, value, hit.block)))
        scan_young_pointer(s, src->index, hit.block, value);
    if (hit.block == SCAN_NONE || (src->from == SCAN_FROM_BLOCK && hit.block == src->index))
        return;
    if (scan_may_be_chunk_link(s, value, hit.block)) {
        if (src->links)
            return;
        tagged = true; // perhaps a pointer, perhaps none
    } else if (inner && scan_by_chance(s, hit.block, value)) {
        tagged = true;
    }
    if (src->from == SCAN_FROM_UNSURE || src->from == SCAN_FROM_YOUNG || (tagged && src->from == SCAN_FROM_ROOT)) {
        s->known.flags[hit.block] |= SCAN_F_HINTED;
        if (src->from == SCAN_FROM_UNSURE && src->links && !tagged && s->box->listed)
            scan_note(s, hit.block, src->index, at, true);
    } else if (src->from == SCAN_FROM_BLOCK) {
        if (!tagged)
            scan_note(s, hit.block, src->index, 0, false);
        scan_edge(s, src->index, hit.block, tagged);
    } else {
        scan_note(s, hit.block, src->index, at ? at : 1, false);
        scan_mark(s, hit.block);
    }
    if (hit.before == SCAN_NONE)
        return;
    if (src->from == SCAN_FROM_BLOCK)
        scan_edge(s, src->index, hit.before, true);
    else
        s->known.flags[hit.before] |= SCAN_F_HINTED;
}

void scan_value(struct scan *s, const struct scan_source *src, uint64_t at, uint64_t value)
{
    if (value - s->lowest <= s->highest - s->lowest)
        found(s, src, at, value, false);
    else if (value > LOW_47 && (value & LOW_47) - s->lowest <= s->highest - s->lowest)
        found(s, src, at, value & LOW_47, true);
}

static inline uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

// Values that begin at p[0 .. n); p[n .. n + 8) must be readable. at: the address of p[0].
static void look_at_bytes(struct scan *s, const struct scan_source *src, const uint8_t *p, size_t n, uint64_t at)
{
    uint64_t lowest = s->lowest, width = s->highest - s->lowest;
    size_t i = 0;
    while (i < n) {
        if ((at + i) % 8 == 0 && i + 8 <= n && !(load64(p + i) | load64(p + i + 8))) {
            i += 8;
            continue;
        }
        uint64_t v = load64(p + i);
        if (v - lowest <= width)
            found(s, src, at + i, v, false);
        else if ((at + i) % 8 == 0 && v > LOW_47 && (v & LOW_47) - lowest <= width)
            found(s, src, at + i, v & LOW_47, true);
        i++;
    }
}

// ---- a range of memory

// What to do with `n` readable bytes at address `at`, of which values beginning in the first `n` count; 8 bytes behind
// them are readable too (zeros where memory ends).
typedef void bytes_fn(struct scan *s, const uint8_t *p, size_t n, uint64_t at, void *arg);

static bool still_there(struct scan *s)
{
    char stat[8];
    return linux_proc_read(s->proc_fd, s->box->pid, "stat", stat, sizeof stat, NULL) > 0;
}

// The page went away between looking and reading (munmap, truncated file), or is one that cannot be read: passed over.
static void unreadable_page(struct scan *s)
{
    if (errno != EIO && errno != EFAULT && errno != ENOMEM)
        s->trouble = still_there(s) ? SCAN_UNREADABLE : SCAN_GONE;
    else if (!still_there(s))
        s->trouble = SCAN_GONE;
}

static void read_run(struct scan *s, uint64_t start, uint64_t end, bytes_fn *fn, void *arg)
{
    while (start < end && !scan_late(s)) {
        size_t want = end - start < READ_BYTES ? (size_t)(end - start) : READ_BYTES;
        ssize_t got = pread(s->memory_fd, s->buffer, want, (off_t)start);
        if (got <= 0) {
            unreadable_page(s);
            start = (start & ~4095ull) + 4096;
            continue;
        }
        memset(s->buffer + got, 0, 16);
        bool last = start + (uint64_t)got >= end;
        size_t n = last || (size_t)got <= OVERLAP ? (size_t)got : (size_t)got - OVERLAP;
        fn(s, s->buffer, n, start, arg);
        start += n;
    }
}

// Of [start, end) what has content.
static void each_run(struct scan *s, uint64_t start, uint64_t end, bool private_only, bytes_fn *fn, void *arg)
{
    struct linux_run run[64];
    uint64_t at = start & ~4095ull, to = (end + 4095) & ~4095ull;
    while (at < to && !scan_late(s)) {
        uint64_t next = to;
        ssize_t n = linux_populated(s->pagemap_fd, at, to, run, 64, &next, NULL);
        if (n < 0 || next <= at) {
            s->trouble = still_there(s) ? SCAN_UNREADABLE : SCAN_GONE;
            return;
        }
        for (ssize_t i = 0; i < n; i++) {
            if (run[i].swapped)
                s->swapped_bytes += run[i].end - run[i].start;
            else if (!private_only || !run[i].file)
                read_run(s, run[i].start > start ? run[i].start : start, run[i].end < end ? run[i].end : end, fn, arg);
        }
        at = next;
    }
}

static void one_source(struct scan *s, const uint8_t *p, size_t n, uint64_t at, void *arg)
{
    look_at_bytes(s, arg, p, n, at);
}

int scan_sweep_range(struct scan *s, uint64_t start, uint64_t end, const struct scan_source *src, bool private_only)
{
    struct scan_source copy = *src;
    each_run(s, start, end, private_only, one_source, &copy);
    return s->trouble == SCAN_FINE ? 0 : -1;
}

static bool is_root(const struct scan_span *p)
{
    return p->kind == SCAN_SPAN_DATA || p->kind == SCAN_SPAN_STACK || p->kind == SCAN_SPAN_ANON ||
           p->kind == SCAN_SPAN_SHARED;
}

int scan_sweep_roots(struct scan *s)
{
    for (uint32_t i = 0; i < s->n_spans && s->trouble == SCAN_FINE; i++) {
        const struct scan_span *p = &s->span[i];
        if (!is_root(p))
            continue;
        struct scan_source sure = {SCAN_FROM_ROOT, i, p->allocator_links}, dead = {SCAN_FROM_UNSURE, i, false};
        if (p->sure_from > p->start)
            scan_sweep_range(s, p->start, p->sure_from, &dead, p->file_private);
        scan_sweep_range(s, p->sure_from, p->end, &sure, p->file_private);
    }
    return s->trouble == SCAN_FINE ? 0 : -1;
}

// ---- the heap, block by block

struct heap_walk {
    uint32_t span;
    uint32_t block; // the first that ends behind the present address
    enum scan_from between;
};

static void heap_bytes(struct scan *s, const uint8_t *p, size_t n, uint64_t at, void *arg)
{
    struct heap_walk *w = arg;
    const struct scan_known *k = &s->known;
    size_t i = 0;
    while (i < n) {
        while (w->block < k->n && k->block[w->block].address + k->block[w->block].bytes <= at + i)
            w->block++;
        const struct wire_block *b = w->block < k->n ? &k->block[w->block] : NULL;
        bool inside = b && b->address <= at + i;
        uint64_t until = !b ? at + n : inside ? b->address + b->bytes : b->address;
        size_t len = until - at < n ? (size_t)(until - at) - i : n - i;
        struct scan_source src = {inside ? SCAN_FROM_BLOCK : w->between, inside ? w->block : w->span, !inside};
        if (inside && !s->counting)
            scan_begin_block(s, w->block);
        look_at_bytes(s, &src, p + i, len, at + i);
        i += len;
    }
}

int scan_sweep_heap(struct scan *s)
{
    struct heap_walk w = {0};
    for (uint32_t i = 0; i < s->n_spans && s->trouble == SCAN_FINE; i++) {
        const struct scan_span *p = &s->span[i];
        if (p->kind != SCAN_SPAN_HEAP && p->kind != SCAN_SPAN_BLOCKS)
            continue;
        w.span = i;
        w.between = p->kind == SCAN_SPAN_HEAP ? SCAN_FROM_UNSURE : SCAN_FROM_ROOT;
        each_run(s, p->start, p->end, false, heap_bytes, &w);
    }
    if (!s->counting)
        scan_end_heap(s);
    return s->trouble == SCAN_FINE ? 0 : -1;
}
