// The probe's books for what allocators call themselves: see mallocx_books.h.
#include "malloc/mallocx_books.h"
#include "malloc/probe.h"

_Static_assert(sizeof(struct probe_freed) <= sizeof(struct mallocx_books), "the books fit");

void seep_probe_born(void *p, size_t size, size_t usable, const void *frame)
{
    probe_need_real();
    if (usable == SEEP_BOOKS_ASK)
        probe_on_alloc(p, size, frame);
    else
        probe_alloc_as(p, size, usable, frame);
}

void seep_probe_dies(void *p, size_t usable, const void *frame, struct mallocx_books *b)
{
    struct probe_freed *f = (struct probe_freed *)(void *)b;
    probe_need_real();
    if (usable == SEEP_BOOKS_ASK)
        probe_on_free(p, frame, f);
    else
        probe_free_as(p, usable, frame, f);
}

void seep_probe_undo(void *p, const void *frame, const struct mallocx_books *b)
{
    probe_undo_free(p, frame, (const struct probe_freed *)(const void *)b);
}

void *seep_probe_next(const char *name, const void *dynamic)
{
    return probe_lookup_behind(name, dynamic);
}

int seep_probe_object(const void *code, uintptr_t *start, uintptr_t *end)
{
    struct probe_object o;
    uintptr_t own = 0;
    probe_need_real();
    probe_modules_init(); // it may be early
    if (probe_object_find((uintptr_t)code, &o) < 0)
        return -1;
    *start = o.start;
    *end = o.end;
    __builtin_memcpy(&own, &probe_real.malloc, sizeof own);
    return own >= o.start && own < o.end;
}
