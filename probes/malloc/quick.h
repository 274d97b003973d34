// Between two samples there is nothing to do for a block but to count it. That much is built into malloc and free; what
// is more goes on in quick.c and record.c. Counting takes single instructions and needs no protection from handlers.
#ifndef PROBE_QUICK_H
#define PROBE_QUICK_H

#include "malloc/probe.h"

#pragma GCC visibility push(hidden)

// In exact mode, where the thread is neither at work below a handler nor within the allocator's own new or delete.
void probe_exact_alloc(void *p, size_t size, const void *frame, uint64_t word);
// f: NULL for one that cannot be undone. Returns the block's usable bytes, 0 where it entered no totals.
size_t probe_exact_free(void *p, const void *frame, struct probe_freed *f);
// Between two samples, with an allocator that has to be asked for the block's size.
void probe_between_alloc(const void *p, size_t size);
size_t probe_between_free(const void *p);
// probe_on_free() of a block that goes for good.
size_t probe_free_apart(void *p, const void *frame);

#pragma GCC visibility pop

static inline int probe_is_undisturbed(const struct probe_tls *t)
{
    return likely(!(t->busy | t->passing));
}

// probe_on_alloc() at the place.
static inline __attribute__((always_inline)) void probe_alloc_here(void *p, size_t size, const void *frame)
{
    struct probe_region *r = probe_ready();
    struct probe_tls *t = &probe_tls;
    if (likely(r)) {
        uint64_t word = load_acquire(&r->control->word);
        if (likely((word | PROBE_WORD_SEEN) == t->word) && probe_is_undisturbed(t)) {
            if (!SEEP_WORD_MEAN(word)) {
                probe_exact_alloc(p, size, frame, word);
                return;
            }
            int64_t left = t->countdown - (int64_t)size - !size;
            if (likely(left >= 0)) {
                size_t usable = probe_usable_read(p);
                t->countdown = left;
                if (likely(usable))
                    probe_count_total(r, usable, COUNT_ALLOC, 0);
                else
                    probe_between_alloc(p, size);
                return;
            }
        }
    }
    probe_alloc_general(p, size, frame);
}

// The same for a block that goes for good. Returns what probe_exact_free() does.
static inline __attribute__((always_inline)) size_t probe_free_here(void *p, const void *frame)
{
    struct probe_region *r = probe_ready();
    struct probe_tls *t = &probe_tls;
    if (likely(r)) {
        uint64_t word = load_acquire(&r->control->word);
        __builtin_prefetch((const char *)p - 16, 1);      // free itself will want it: let the miss overlap ours
        if (likely(t->word) && probe_is_undisturbed(t)) { // a thread that only frees need not follow each tick
            if (!SEEP_WORD_MEAN(word))
                return probe_exact_free(p, frame, NULL);
            if (likely(probe_filtered_out(r, p))) { // no sample
                size_t usable = probe_usable_read(p);
                if (unlikely(!usable))
                    return probe_between_free(p);
                probe_count_total(r, usable, COUNT_FREE, 0);
                return usable;
            }
        }
    }
    return probe_free_apart(p, frame);
}

#endif
