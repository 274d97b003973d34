// The malloc family as the program sees it: exactly what the allocator behind us does, plus the books.
//
// Order matters. A block enters the books after the allocator gave it out and leaves them before it goes back: in
// between nobody else can have its address. errno is the allocator's: the books use no libc call that could set it.
#include "malloc/quick.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define FRAME __builtin_frame_address(0)

PROBE_EXPORT void *malloc(size_t size)
{
    probe_need_real();
    if (unlikely(!probe_real.malloc))
        return probe_early_alloc(size, 16);
    void *p = probe_real.malloc(size);
    if (likely(p))
        probe_alloc_here(p, size, FRAME);
    return p;
}

PROBE_EXPORT void *calloc(size_t n, size_t size)
{
    probe_need_real();
    size_t bytes;
    if (unlikely(!probe_real.calloc))
        return __builtin_mul_overflow(n, size, &bytes) ? NULL : probe_early_alloc(bytes, 16);
    void *p = probe_real.calloc(n, size);
    if (likely(p))
        probe_on_alloc(p, n * size, FRAME);
    return p;
}

// Memory may stop being a stack without munmap being seen: the allocator returns large blocks on its own.
static inline void forget_large(size_t bytes)
{
    if (unlikely(bytes >= 16384))
        add_relaxed(&probe_map_generation, 1);
}

PROBE_EXPORT void free(void *p)
{
    if (!p || unlikely(probe_early_owns(p)))
        return;
    probe_need_real();
    if (unlikely(!probe_real.free))
        return;
    forget_large(probe_free_here(p, FRAME));
    probe_real.free(p);
}

static void *early_realloc(void *old, size_t size)
{
    void *p = malloc(size);
    size_t have = probe_early_usable(old);
    if (p)
        memcpy(p, old, have < size ? have : size);
    return p;
}

static inline __attribute__((always_inline)) void *realloc_with(void *old, size_t size, void *frame)
{
    if (unlikely(!probe_real.realloc))
        return old ? early_realloc(old, size) : probe_early_alloc(size, 16);
    if (unlikely(old && probe_early_owns(old)))
        return early_realloc(old, size);
    struct probe_freed f = {.counted = 0};
    if (old)
        probe_on_free(old, frame, &f);
    void *p = probe_real.realloc(old, size);
    if (p) {
        forget_large(f.counted ? f.usable : 0);
        probe_on_alloc(p, size, frame);
    } else if (old && size != 0) {
        probe_undo_free(old, frame, &f);
    }
    return p;
}

PROBE_EXPORT void *realloc(void *old, size_t size)
{
    probe_need_real();
    return realloc_with(old, size, FRAME);
}

// The C library's own calls realloc by its public name, which is ours: done here instead, once.
PROBE_EXPORT void *reallocarray(void *old, size_t n, size_t each)
{
    size_t size;
    probe_need_real();
    if (__builtin_mul_overflow(n, each, &size)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc_with(old, size, FRAME);
}

static void count_entry(enum seep_entry_point e)
{
    struct probe_region *r = probe_get();
    if (r)
        add_relaxed(&r->header->entry_points[e], 1);
}

PROBE_EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
    probe_need_real();
    if (unlikely(!probe_real.posix_memalign))
        return ENOMEM;
    int ret = probe_real.posix_memalign(out, alignment, size);
    if (ret == 0 && *out) {
        count_entry(SEEP_EP_MEMALIGN);
        probe_on_alloc(*out, size, FRAME);
    }
    return ret;
}

static inline __attribute__((always_inline)) void *aligned_with(void *(*real)(size_t, size_t), size_t alignment,
                                                                size_t size, void *frame)
{
    if (unlikely(!real)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = real(alignment, size);
    if (p) {
        count_entry(SEEP_EP_MEMALIGN);
        probe_on_alloc(p, size, frame);
    }
    return p;
}

PROBE_EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    probe_need_real();
    return aligned_with(probe_real.aligned_alloc, alignment, size, FRAME);
}

PROBE_EXPORT void *memalign(size_t alignment, size_t size)
{
    probe_need_real();
    return aligned_with(probe_real.memalign, alignment, size, FRAME);
}

static inline __attribute__((always_inline)) void *paged_with(void *(*real)(size_t), size_t size, void *frame)
{
    if (unlikely(!real)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = real(size);
    if (p) {
        count_entry(SEEP_EP_MEMALIGN);
        probe_on_alloc(p, size, frame);
    }
    return p;
}

PROBE_EXPORT void *valloc(size_t size)
{
    probe_need_real();
    return paged_with(probe_real.valloc, size, FRAME);
}

PROBE_EXPORT void *pvalloc(size_t size)
{
    probe_need_real();
    return paged_with(probe_real.pvalloc, size, FRAME);
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
    forget_large(f.counted ? f.usable : 0);
    probe_real.free_sized(p, size);
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
    forget_large(f.counted ? f.usable : 0);
    probe_real.free_aligned_sized(p, alignment, size);
}

PROBE_EXPORT size_t malloc_usable_size(void *p)
{
    probe_need_real();
    if (p && unlikely(probe_early_owns(p)))
        return probe_early_usable(p);
    return probe_real.usable ? probe_real.usable(p) : 0;
}
