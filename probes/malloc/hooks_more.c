// What programs seldom call of the malloc family: alignments, and the ways to free that say more than the address. As
// hooks.c, but made small.
#include "malloc/probe.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#define FRAME __builtin_frame_address(0)
// An allocator that only hands on to another of its names is to be seen as called from here: see names/names.h.
#define NO_JUMP __asm__ volatile("")

// The C library's own calls realloc by its public name, which is ours: done here instead, once.
PROBE_EXPORT void *reallocarray(void *old, size_t n, size_t each)
{
    size_t size;
    if (__builtin_mul_overflow(n, each, &size)) {
        errno = ENOMEM;
        return NULL;
    }
    return probe_realloc(old, size);
}

static void count_entry(enum seep_entry_point e)
{
    struct probe_region *r = probe_get();
    if (r)
        add_relaxed(&r->header->entry_points[e], 1);
}

static __attribute__((noinline)) void *placed(void *p, size_t size, void *frame)
{
    if (p) {
        count_entry(SEEP_EP_MEMALIGN);
        probe_on_alloc(p, size, frame);
    }
    return p;
}

PROBE_EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
    probe_need_real();
    if (unlikely(!probe_real.posix_memalign))
        return ENOMEM;
    int ret = probe_real.posix_memalign(out, alignment, size);
    if (ret == 0)
        placed(*out, size, FRAME);
    return ret;
}

// What stands between a call and the return: the hook's frame, which it hands on, must not be gone by a jump to who
// takes it, or the walk begins with a rbp that is none of the program's.
static inline void *stay(void *p)
{
    __asm__ volatile("" : "+r"(p));
    return p;
}

// The C library behind us has no such call.
static __attribute__((noinline)) void *refused(void)
{
    errno = ENOMEM;
    return NULL;
}

static void *aligned_with(void *(*real)(size_t, size_t), size_t alignment, size_t size, void *frame)
{
    return unlikely(!real) ? refused() : placed(real(alignment, size), size, frame);
}

PROBE_EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    probe_need_real();
    return stay(aligned_with(probe_real.aligned_alloc, alignment, size, FRAME));
}

PROBE_EXPORT void *memalign(size_t alignment, size_t size)
{
    probe_need_real();
    return stay(aligned_with(probe_real.memalign, alignment, size, FRAME));
}

static void *paged_with(void *(*real)(size_t), size_t size, void *frame)
{
    return unlikely(!real) ? refused() : placed(real(size), size, frame);
}

PROBE_EXPORT void *valloc(size_t size)
{
    probe_need_real();
    return stay(paged_with(probe_real.valloc, size, FRAME));
}

PROBE_EXPORT void *pvalloc(size_t size)
{
    probe_need_real();
    return stay(paged_with(probe_real.pvalloc, size, FRAME));
}

// The three below exist in few C libraries. Where the one behind us has them they are used; a program that only asks
// whether they exist finds ours, so each must work without.
PROBE_EXPORT void cfree(void *p);
PROBE_EXPORT void cfree(void *p)
{
    free(p);
}

PROBE_EXPORT void free_sized(void *p, size_t size);
PROBE_EXPORT void free_sized(void *p, size_t size)
{
    probe_need_real();
    if (!probe_real.free_sized || !p || probe_early_owns(p)) {
        free(p);
        return;
    }
    struct probe_freed f;
    probe_on_free(p, FRAME, &f);
    probe_forget_large(f.counted ? f.usable : 0);
    probe_real.free_sized(p, size);
    NO_JUMP;
}

PROBE_EXPORT void free_aligned_sized(void *p, size_t alignment, size_t size);
PROBE_EXPORT void free_aligned_sized(void *p, size_t alignment, size_t size)
{
    probe_need_real();
    if (!probe_real.free_aligned_sized || !p || probe_early_owns(p)) {
        free(p);
        return;
    }
    struct probe_freed f;
    probe_on_free(p, FRAME, &f);
    probe_forget_large(f.counted ? f.usable : 0);
    probe_real.free_aligned_sized(p, alignment, size);
    NO_JUMP;
}

PROBE_EXPORT size_t malloc_usable_size(void *p)
{
    probe_need_real();
    if (p && unlikely(probe_early_owns(p)))
        return probe_early_usable(p);
    return probe_real.usable ? probe_real.usable(p) : 0;
}

// ---- the C library's other names of the same functions ----
//
// A program with a malloc of its own, or a library that wraps it, calls these. Where they are what malloc is they are
// hooked as malloc is; under an allocator that leaves them to the C library they are another heap, and pass.
#define LIBC(type, name, parameters, ...)                                                                              \
    PROBE_EXPORT type __libc_##name parameters;                                                                        \
    PROBE_EXPORT type __libc_##name parameters                                                                         \
    {                                                                                                                  \
        probe_need_real();                                                                                             \
        if (likely(!probe_real.libc_##name || probe_real.libc_##name == probe_real.name))                              \
            return probe_##name(__VA_ARGS__);                                                                          \
        return probe_real.libc_##name(__VA_ARGS__);                                                                    \
    }
PROBE_ALSO(memalign);
PROBE_ALSO(valloc);
PROBE_ALSO(pvalloc);
LIBC(void *, malloc, (size_t size), size)
LIBC(void *, calloc, (size_t n, size_t size), n, size)
LIBC(void *, realloc, (void *old, size_t size), old, size)
LIBC(void *, memalign, (size_t alignment, size_t size), alignment, size)
LIBC(void *, valloc, (size_t size), size)
LIBC(void *, pvalloc, (size_t size), size)
LIBC(void, free, (void *p), p)
