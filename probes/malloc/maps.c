// The program's own mappings: a small table of ranges, because unlike blocks they can be unmapped in part.
//
// Mappings are whole pages; what is between two program breaks is counted to the byte.
//
// An exact match is removed as any block is. Anything else looks at every entry and cuts what the range covers; that is
// serialised by a lock that nobody waits long for: past a bound the change is counted as lost instead.
#include "malloc/probe.h"

static uint64_t page_up(uint64_t bytes)
{
    return (bytes + 4095) & ~4095ull;
}

static void remove_entry(struct probe_region *r, uintptr_t address)
{
    struct probe_block b;
    if (probe_side_remove(r->maps, r->layout.maps, address, &b) == 0)
        probe_count(r, b.stack, 0, b.size, COUNT_FREE, 0);
}

static void insert_entry(struct probe_region *r, uintptr_t address, const struct probe_block *b)
{
    if (probe_side_insert(r->maps, r->layout.maps, address, b) == 0)
        probe_count(r, b->stack, 0, b->size, COUNT_ALLOC, 0);
    else
        add_relaxed(&r->header->map_overflow, 1);
}

// Cuts [start, end) out of one entry: it goes, and what is left of it on either side comes back under the same stack.
static void cut_entry(struct probe_region *r, struct seep_side_block *e, uintptr_t start, uintptr_t end)
{
    uint64_t at = load_acquire(&e->address);
    struct probe_block b = {.size = e->size, .stack = e->stack, .epoch = e->epoch}, part = b;
    if (at <= SEEP_SIDE_GONE || at >= end || at + b.size <= start)
        return;
    remove_entry(r, at);
    if (at < start) {
        part.size = start - at;
        insert_entry(r, at, &part);
    }
    if (at + b.size > end) {
        part.size = at + b.size - end;
        insert_entry(r, end, &part);
    }
}

static int lock_maps(struct probe_region *r)
{
    for (int i = 0; i < 1000 && !probe_no_syscalls; i++) {
        uint64_t none = 0;
        if (__atomic_compare_exchange_n(&r->header->maps_lock, &none, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return 0;
        sys3(SYS_sched_yield, 0, 0, 0);
    }
    add_relaxed(&r->header->map_overflow, 1);
    return -1;
}

// Marks the thread as ours and up to date; NULL when the probe is off or this is a handler that interrupted it.
static struct probe_region *begin(const void *frame)
{
    struct probe_region *r = probe_ready();
    if (!r)
        return NULL;
    if (!probe_enter(frame)) {
        add_relaxed(&r->header->map_overflow, 1);
        return NULL;
    }
    if (probe_tls.serial != (uint8_t)r->serial)
        probe_thread_refresh(r, &probe_tls, load_acquire(&r->control->word));
    return r;
}

void probe_on_map(void *p, size_t bytes, unsigned klass, const void *frame)
{
    struct probe_region *r = begin(frame);
    if (!r)
        return;
    unsigned flags;
    struct probe_block b = {
        .size = page_up(bytes), .epoch = SEEP_WORD_EPOCH(load_acquire(&r->control->word)), .slack = PROBE_MAP_WHOLE};
    b.stack = probe_stack_id(r, frame, klass, &flags);
    insert_entry(r, (uintptr_t)p, &b);
    probe_leave();
}

static void leave_range(struct probe_region *r, uintptr_t start, uintptr_t end)
{
    struct probe_block b;
    int whole = probe_side_remove(r->maps, r->layout.maps, start, &b) == 0;
    if (whole)
        probe_count(r, b.stack, 0, b.size, COUNT_FREE, 0);
    if (whole && b.size > end - start) {
        struct probe_block rest = {.size = b.size - (end - start), .stack = b.stack, .epoch = b.epoch};
        insert_entry(r, end, &rest);
    } else if ((!whole || b.size < end - start) && lock_maps(r) == 0) {
        // What an entry leaves behind may land in a slot not yet visited; it no longer overlaps, so it is left alone.
        for (uint32_t i = 0; i < r->layout.maps; i++)
            cut_entry(r, &r->maps[i], start, end);
        store_release(&r->header->maps_lock, 0);
    }
}

void probe_on_unmap(void *p, size_t bytes, const void *frame)
{
    struct probe_region *r = begin(frame);
    if (!r)
        return;
    leave_range(r, (uintptr_t)p, (uintptr_t)p + page_up(bytes));
    probe_leave();
}

// ---- the program break ----

static uintptr_t break_piece; // the entry that ended at the break when it last grew

// A program that takes its memory in small pieces would fill the table: what follows on a piece of the same stack and
// epoch makes that one longer. 0 when it did.
static int lengthen(struct probe_region *r, uintptr_t from, const struct probe_block *b)
{
    struct probe_block last;
    uintptr_t at = load_relaxed(&break_piece);
    if (!at || probe_side_remove(r->maps, r->layout.maps, at, &last) < 0)
        return -1;
    int fits = at + last.size == from && last.stack == b->stack && last.epoch == b->epoch && !last.inherited;
    last.size += fits ? b->size : 0;
    if (probe_side_insert(r->maps, r->layout.maps, at, &last) < 0) { // its slot has just become free
        add_relaxed(&r->header->map_overflow, 1);
        probe_count(r, last.stack, 0, last.size - (fits ? b->size : 0), COUNT_FREE, 0);
        return -1;
    }
    if (!fits)
        return -1;
    probe_count(r, b->stack, 0, b->size, COUNT_ALLOC, 0);
    probe_count(r, b->stack, 0, 0, COUNT_FREE, 0); // no block more than before
    return 0;
}

void probe_on_break(uintptr_t from, uintptr_t to, const void *frame)
{
    struct probe_region *r = begin(frame);
    if (!r)
        return;
    add_relaxed(&r->header->break_bytes, to - from);
    if (to < from) {
        leave_range(r, to, from);
    } else {
        unsigned flags;
        struct probe_block b = {.size = to - from, .epoch = SEEP_WORD_EPOCH(load_acquire(&r->control->word))};
        b.stack = probe_stack_id(r, frame, SEEP_CLASS_MMAP, &flags);
        if (lengthen(r, from, &b) < 0) {
            insert_entry(r, from, &b);
            store_relaxed(&break_piece, from);
        }
    }
    probe_leave();
}

// ---- segments of System V ----

// Whether this page belongs to no mapping at all, whatever its protection.
static int is_unmapped(uintptr_t address)
{
    unsigned char there;
    return sys3(SYS_mincore, (long)(address & ~4095ul), 4096, (long)&there) == -12;
}

void probe_maps_sweep(const void *frame)
{
    struct probe_region *r = begin(frame);
    if (!r)
        return;
    for (uint32_t i = 0; !probe_no_syscalls && i < r->layout.maps; i++) {
        uintptr_t at = load_acquire(&r->maps[i].address);
        uint32_t stack = load_relaxed(&r->maps[i].stack);
        if (at > SEEP_SIDE_GONE && probe_stack(r, stack)->klass == SEEP_CLASS_MMAP_FILE && is_unmapped(at))
            remove_entry(r, at);
    }
    probe_leave();
}

unsigned probe_map_take(uintptr_t p, struct probe_block *b, const void *frame)
{
    struct probe_region *r = begin(frame);
    unsigned klass = 0;
    if (!r)
        return 0;
    if (probe_side_remove(r->maps, r->layout.maps, p, b) == 0) {
        probe_count(r, b->stack, 0, b->size, COUNT_FREE, 0);
        klass = probe_stack(r, b->stack)->klass;
    }
    probe_leave();
    return klass;
}

void probe_map_put(uintptr_t p, const struct probe_block *b, const void *frame)
{
    struct probe_region *r = begin(frame);
    if (!r)
        return;
    insert_entry(r, p, b);
    probe_leave();
}
