// A jemalloc whose names all begin with je_, next to the malloc of somebody else: see names.h. One without the prefix
// is jemalloc/mallocx.c.
#include "names/names.h"

const char usable_name[] = "je_malloc_usable_size";

GIVE(je_malloc, 0)
GIVE_MANY(je_calloc, 0, 1)
CHANGE(je_realloc, 0, 1)
NAME(je_posix_memalign, STORES, 0, NO, 2, 1)
GIVE_AT(je_aligned_alloc, 1, 0)
GIVE_AT(je_memalign, 1, 0)
GIVE(je_valloc, 0)
GIVE(je_pvalloc, 0)
FREE(je_free)
FREE(je_free_sized)
FREE(je_free_aligned_sized)
GIVE(je_mallocx, 0)
CHANGE(je_rallocx, 0, 1)
FREE(je_dallocx)
FREE(je_sdallocx)

// size_t xallocx(void *p, size_t size, size_t extra, int flags): in place. What it has then is as if just asked for;
// where it did not come to `size` nothing changed.
static struct name xallocx_name
    __attribute__((section("names"), used)) = {"je_xallocx", NULL, CHANGES, 0, NO, 1, NO, 0};
EXPORT size_t je_xallocx(uintptr_t p, uintptr_t size, uintptr_t extra, uintptr_t flags);
size_t je_xallocx(uintptr_t p, uintptr_t size, uintptr_t extra, uintptr_t flags)
{
    const uintptr_t a[] = {p, size, extra, flags, 0, 0};
    const void *frame = __builtin_frame_address(0);
    struct mallocx_books was;
    if (!is_ready(&xallocx_name))
        return malloc_usable_size((void *)p);
    if (is_inside((uintptr_t)__builtin_return_address(0)) || !has_books(&xallocx_name))
        return call(&xallocx_name, a);
    seep_probe_dies((void *)p, usable((void *)p), frame, &was);
    size_t has = call(&xallocx_name, a);
    if (has >= size)
        seep_probe_born((void *)p, has - size < extra ? has : size + extra, usable((void *)p), frame);
    else
        seep_probe_undo((void *)p, frame, &was);
    return has;
}
