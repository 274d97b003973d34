// The probe's books for jemalloc's own calls: see mallocx_books.h.
#include "malloc/mallocx_books.h"
#include "malloc/probe.h"

_Static_assert(sizeof(struct probe_freed) <= sizeof(struct mallocx_books), "the books fit");

void seep_probe_born(void *p, size_t size, const void *frame)
{
    probe_need_real();
    probe_on_alloc(p, size, frame);
}

void seep_probe_dies(void *p, const void *frame, struct mallocx_books *b)
{
    probe_need_real();
    probe_on_free(p, frame, (struct probe_freed *)(void *)b);
}

void seep_probe_undo(void *p, const void *frame, const struct mallocx_books *b)
{
    probe_undo_free(p, frame, (const struct probe_freed *)(const void *)b);
}
