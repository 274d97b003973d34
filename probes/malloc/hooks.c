// The malloc family as the program sees it: exactly what the allocator behind us does, plus the books.
//
// Order matters. A block enters the books after the allocator gave it out and leaves them before it goes back: in
// between nobody else can have its address. errno is the allocator's: the books use no libc call that could set it.
#include "malloc/quick.h"

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

PROBE_EXPORT void free(void *p)
{
    if (!p || unlikely(probe_early_owns(p)))
        return;
    probe_need_real();
    if (unlikely(!probe_real.free))
        return;
    probe_forget_large(probe_free_here(p, FRAME));
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
        probe_forget_large(f.counted ? f.usable : 0);
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

PROBE_ALSO(malloc);
PROBE_ALSO(calloc);
PROBE_ALSO(realloc);
PROBE_ALSO(free);
