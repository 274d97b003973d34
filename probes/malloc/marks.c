// Operations that the program marks itself (seep_mark.h): how often each name, in the region.
//
// A mark may come from any thread, from a signal handler, from a handler that interrupted a mark. So nothing waits: a
// name is claimed by its hash in one compare-and-swap, and whoever meets the hash counts under it, whether or not the
// one who claimed it has finished writing the name. Counters are rows of the threads' slots, as the totals are.
#include "malloc/probe.h"

#include "seep_mark.h"

static uint64_t hash_of(const char *name, uint32_t *length)
{
    uint64_t h = 0xcbf29ce484222325ull;
    uint32_t n = 0;
    while (n < SEEP_MARK_NAME_BYTES - 1 && name[n])
        h = (h ^ (uint8_t)name[n++]) * 0x100000001b3ull;
    *length = n;
    return h | 1; // 0 is free
}

// Copied as other threads may see it: byte by byte, and said to be complete at last.
static void write_name(struct seep_mark_name *m, const char *name, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        store_relaxed(&m->name[i], name[i]);
    store_release(&m->ready, 1);
}

// The name's entry, 0 when there is no room for another.
static uint32_t entry_of(struct probe_region *r, const char *name)
{
    uint32_t length, at;
    uint64_t hash = hash_of(name, &length);
    for (uint32_t i = 0; i < SEEP_MARKS - 1; i++) {
        at = 1 + (uint32_t)((hash >> 1) + i) % (SEEP_MARKS - 1);
        struct seep_mark_name *m = &r->marks[at];
        uint64_t have = load_relaxed(&m->hash);
        if (have == hash)
            return at;
        if (have == 0 && __atomic_compare_exchange_n(&m->hash, &have, hash, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            write_name(m, name, length);
            return at;
        }
        if (have == hash) // another thread with the same name was faster
            return at;
    }
    return 0;
}

// The thread's slot; that of everybody for a handler that interrupted the probe.
static uint32_t slot_of(struct probe_region *r, const void *frame)
{
    struct probe_tls *t = &probe_tls;
    if (unlikely(!probe_enter(frame)))
        return 0;
    if (unlikely(t->serial != (uint8_t)r->serial))
        probe_thread_refresh(r, t, load_acquire(&r->control->word));
    probe_leave();
    return t->slot;
}

PROBE_EXPORT void seep_mark(const char *name, unsigned long count)
{
    probe_need_real();
    struct probe_region *r = probe_get();
    if (unlikely(!r))
        return;
    uint32_t slot = slot_of(r, __builtin_frame_address(0)), at = name && name[0] ? entry_of(r, name) : 0;
    probe_bump(&r->mark_counts[slot].of[at], count, slot == 0);
}
