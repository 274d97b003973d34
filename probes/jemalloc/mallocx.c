// jemalloc's own calls, for programs that are linked with it: a library beside the probe, preloaded only where jemalloc
// is known to be the allocator. In the probe itself these names would make other programs, which ask for them by weak
// symbols, believe in a jemalloc that is not there. A program that inherits this library without a jemalloc gets what
// it asks for from malloc.
//
// The rules are the probe's (probes/README.md), whose books are kept through three calls that are weak here: without
// the probe nothing is counted and everything works.
#include "malloc/mallocx_books.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT        __attribute__((visibility("default")))
#define FRAME         __builtin_frame_address(0)
#define ALIGN(f)      ((size_t)1 << ((f)&63))
#define WANTS_ZERO(f) ((f)&0x40)
#define KNOWN(name)   (&(name) != NULL)

__asm__(".symver dlsym_old, dlsym@GLIBC_2.2.5");
void *dlsym_old(void *handle, const char *name) __attribute__((weak)); // as in malloc/real.c

typedef void *mallocx_fn(size_t, int);
typedef void *rallocx_fn(void *, size_t, int);
typedef size_t xallocx_fn(void *, size_t, size_t, int);
typedef void dallocx_fn(void *, int);
typedef void sdallocx_fn(void *, size_t, int);
EXPORT mallocx_fn mallocx;
EXPORT rallocx_fn rallocx;
EXPORT xallocx_fn xallocx;
EXPORT dallocx_fn dallocx;
EXPORT sdallocx_fn sdallocx;

// The next definition, looked up once a name; the same whoever finds it.
static void *next(void **slot, const char *name)
{
    void *symbol = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
    if (__builtin_expect(symbol != NULL, 1))
        return symbol;
    symbol = dlsym_old ? dlsym_old((void *)-1l, name) : NULL;
    __atomic_store_n(slot, symbol, __ATOMIC_RELEASE);
    return symbol;
}

#define NEXT(name)                                                                                                     \
    static void *name##_slot;                                                                                          \
    name##_fn *real = (name##_fn *)next(&name##_slot, #name)

static void born(void *p, size_t size, const void *frame)
{
    if (KNOWN(seep_probe_born))
        seep_probe_born(p, size, SEEP_BOOKS_ASK, frame);
}

static void dies(void *p, const void *frame, struct mallocx_books *b)
{
    if (KNOWN(seep_probe_dies))
        seep_probe_dies(p, SEEP_BOOKS_ASK, frame, b);
}

static void *from_malloc(size_t size, int flags)
{
    void *p = NULL;
    size_t align = ALIGN(flags);
    if (align <= 16)
        p = malloc(size);
    else if (posix_memalign(&p, align, size) != 0)
        return NULL;
    return p && WANTS_ZERO(flags) ? memset(p, 0, size) : p;
}

void *mallocx(size_t size, int flags)
{
    NEXT(mallocx);
    if (!real)
        return from_malloc(size, flags);
    void *p = real(size, flags);
    if (p)
        born(p, size, FRAME);
    return p;
}

static void *moved(void *old, size_t size, int flags)
{
    size_t had = malloc_usable_size(old);
    void *p = from_malloc(size, flags);
    if (p) {
        memcpy(p, old, had < size ? had : size);
        free(old);
    }
    return p;
}

void *rallocx(void *old, size_t size, int flags)
{
    struct mallocx_books b;
    NEXT(rallocx);
    if (!real)
        return moved(old, size, flags);
    dies(old, FRAME, &b);
    void *p = real(old, size, flags);
    if (p)
        born(p, size, FRAME);
    else if (KNOWN(seep_probe_undo))
        seep_probe_undo(old, FRAME, &b);
    return p;
}

// In place. What it has then is as if just asked for; where it did not come to `size` nothing changed.
size_t xallocx(void *p, size_t size, size_t extra, int flags)
{
    struct mallocx_books b;
    NEXT(xallocx);
    if (!real)
        return malloc_usable_size(p);
    dies(p, FRAME, &b);
    size_t has = real(p, size, extra, flags);
    if (has >= size)
        born(p, has - size < extra ? has : size + extra, FRAME);
    else if (KNOWN(seep_probe_undo))
        seep_probe_undo(p, FRAME, &b);
    return has;
}

void dallocx(void *p, int flags)
{
    struct mallocx_books b;
    NEXT(dallocx);
    if (!real) {
        free(p);
        return;
    }
    dies(p, FRAME, &b);
    real(p, flags);
}

void sdallocx(void *p, size_t size, int flags)
{
    struct mallocx_books b;
    NEXT(sdallocx);
    if (!real) {
        free(p);
        return;
    }
    dies(p, FRAME, &b);
    real(p, size, flags);
}
