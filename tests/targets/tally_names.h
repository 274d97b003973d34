// The entry points that allocators have under names of their own, for tally_all.cc: whichever of them this program
// finds. Every block but those of je_ is the allocator's behind malloc, so that free and realloc take it as well.
#ifndef TALLY_NAMES_H
#define TALLY_NAMES_H

#include <climits>
#include <cstddef>
#include <cstdlib>
#include <cstring>

extern "C" {
#define MAY_BE __attribute__((weak))
void *__libc_malloc(size_t) MAY_BE;
void *__libc_calloc(size_t, size_t) MAY_BE;
void *__libc_realloc(void *, size_t) MAY_BE;
void *__libc_memalign(size_t, size_t) MAY_BE;
void *__libc_valloc(size_t) MAY_BE;
void *__libc_pvalloc(size_t) MAY_BE;
void __libc_free(void *) MAY_BE;

void *tc_malloc(size_t) MAY_BE;
void *tc_malloc_skip_new_handler(size_t) MAY_BE;
void *tc_calloc(size_t, size_t) MAY_BE;
void *tc_realloc(void *, size_t) MAY_BE;
void *tc_memalign(size_t, size_t) MAY_BE;
int tc_posix_memalign(void **, size_t, size_t) MAY_BE;
void *tc_valloc(size_t) MAY_BE;
void *tc_pvalloc(size_t) MAY_BE;
void *tc_new(size_t) MAY_BE;
void *tc_newarray(size_t) MAY_BE;
void tc_free(void *) MAY_BE;
void tc_cfree(void *) MAY_BE;
void tc_delete(void *) MAY_BE;
void tc_deletearray(void *) MAY_BE;
void tc_free_sized(void *, size_t) MAY_BE;

void *mi_malloc(size_t) MAY_BE;
void *mi_zalloc(size_t) MAY_BE;
void *mi_calloc(size_t, size_t) MAY_BE;
void *mi_mallocn(size_t, size_t) MAY_BE;
void *mi_valloc(size_t) MAY_BE;
void *mi_pvalloc(size_t) MAY_BE;
void *mi_new(size_t) MAY_BE;
void *mi_new_nothrow(size_t) MAY_BE;
void *mi_new_n(size_t, size_t) MAY_BE;
void *mi_new_aligned(size_t, size_t) MAY_BE;
void *mi_memalign(size_t, size_t) MAY_BE;
void *mi_aligned_alloc(size_t, size_t) MAY_BE;
int mi_posix_memalign(void **, size_t, size_t) MAY_BE;
void *mi_malloc_aligned(size_t, size_t) MAY_BE;
void *mi_zalloc_aligned_at(size_t, size_t, size_t) MAY_BE;
void *mi_calloc_aligned(size_t, size_t, size_t) MAY_BE;
char *mi_strdup(const char *) MAY_BE;
char *mi_strndup(const char *, size_t) MAY_BE;
char *mi_realpath(const char *, char *) MAY_BE;
void *mi_realloc(void *, size_t) MAY_BE;
void *mi_rezalloc(void *, size_t) MAY_BE;
void *mi_recalloc(void *, size_t, size_t) MAY_BE;
void *mi_reallocn(void *, size_t, size_t) MAY_BE;
void *mi_reallocf(void *, size_t) MAY_BE;
void *mi_expand(void *, size_t) MAY_BE;
void *mi_realloc_aligned(void *, size_t, size_t) MAY_BE;
void *reallocf(void *, size_t) MAY_BE;
int reallocarr(void *, size_t, size_t) MAY_BE;
void vfree(void *) MAY_BE;
void mi_free(void *) MAY_BE;
void mi_free_size(void *, size_t) MAY_BE;
void mi_free_aligned(void *, size_t) MAY_BE;
void *mi_heap_new() MAY_BE;
void *mi_heap_get_backing() MAY_BE;
void mi_heap_delete(void *) MAY_BE;
void mi_heap_destroy(void *) MAY_BE;
void *mi_heap_malloc(void *, size_t) MAY_BE;
void *mi_heap_zalloc(void *, size_t) MAY_BE;
void *mi_heap_calloc(void *, size_t, size_t) MAY_BE;
void *mi_heap_realloc(void *, void *, size_t) MAY_BE;
char *mi_heap_strdup(void *, const char *) MAY_BE;

void *je_malloc(size_t) MAY_BE;
void *je_calloc(size_t, size_t) MAY_BE;
void *je_realloc(void *, size_t) MAY_BE;
void *je_memalign(size_t, size_t) MAY_BE;
void *je_aligned_alloc(size_t, size_t) MAY_BE;
int je_posix_memalign(void **, size_t, size_t) MAY_BE;
void *je_mallocx(size_t, int) MAY_BE;
void *je_rallocx(void *, size_t, int) MAY_BE;
size_t je_xallocx(void *, size_t, size_t, int) MAY_BE;
void je_free(void *) MAY_BE;
void je_dallocx(void *, int) MAY_BE;
void je_sdallocx(void *, size_t, int) MAY_BE;
size_t je_malloc_usable_size(void *) MAY_BE;
#undef MAY_BE
}

struct named {
    void *p;
    size_t size;
};

static inline named libc_named(unsigned pick, size_t n)
{
    switch (pick % 6) {
    case 0:
        return {__libc_malloc(n), n};
    case 1:
        return {__libc_calloc(3, n), 3 * n};
    case 2:
        return {__libc_realloc(nullptr, n), n};
    case 3:
        return {__libc_memalign(256, n), n};
    case 4:
        return {__libc_valloc(n), n};
    default:
        return {__libc_pvalloc(n), n};
    }
}

static inline named tc_named(unsigned pick, size_t n)
{
    void *p = nullptr;
    switch (pick % 10) {
    case 0:
        return {tc_calloc(3, n), 3 * n};
    case 1:
        return {tc_realloc(nullptr, n), n};
    case 2:
        return {tc_memalign(256, n), n};
    case 3:
        return {tc_posix_memalign(&p, 128, n) == 0 ? p : nullptr, n};
    case 4:
        return {tc_valloc(n), n};
    case 5:
        return {tc_pvalloc(n), n};
    case 6:
        return {tc_new(n), n};
    case 7:
        return {tc_newarray(n), n};
    case 8:
        return {tc_malloc_skip_new_handler(n), n};
    default:
        return {tc_malloc(n), n};
    }
}

static inline named mi_aligned(unsigned pick, size_t n)
{
    void *p = nullptr;
    switch (pick % 7) {
    case 0:
        return {mi_new_aligned(n, 64), n};
    case 1:
        return {mi_memalign(512, n), n};
    case 2:
        n = (n + 127) & ~size_t{127};
        return {mi_aligned_alloc(128, n), n};
    case 3:
        return {mi_posix_memalign(&p, 256, n) == 0 ? p : nullptr, n};
    case 4:
        return {mi_malloc_aligned(n, 256), n};
    case 5:
        return {mi_zalloc_aligned_at(n, 128, 16), n};
    default:
        return {mi_calloc_aligned(2, n, 128), 2 * n};
    }
}

static inline named mi_text(unsigned pick, size_t n)
{
    static char text[300000], there[PATH_MAX];
    char *p = nullptr;
    memset(text, 'x', n);
    text[n] = 0;
    switch (pick % 3) {
    case 0:
        return {mi_strdup(text), n + 1};
    case 1:
        return {mi_strndup(text, n / 2), n / 2 + 1};
    default:
        if (mi_realpath("/", there) != there) // a buffer of ours: no block
            abort();
        p = mi_realpath("/", nullptr);
        return {p, p ? strlen(p) + 1 : 0};
    }
}

static inline named mi_named(unsigned pick, size_t n)
{
    switch (pick % 11) {
    case 0:
        return {mi_zalloc(n), n};
    case 1:
        return {mi_calloc(3, n), 3 * n};
    case 2:
        return {mi_mallocn(2, n), 2 * n};
    case 3:
        return {mi_valloc(n), n};
    case 4:
        return {mi_pvalloc(n), n};
    case 5:
        return {mi_new(n), n};
    case 6:
        return {mi_new_n(2, n), 2 * n};
    case 7:
        return mi_aligned(pick / 11, n);
    case 8:
        return mi_text(pick / 11, n);
    case 9:
        return {mi_heap_calloc(mi_heap_get_backing(), 2, n), 2 * n};
    default:
        return {mi_malloc(n), n};
    }
}

static inline named je_named(unsigned pick, size_t n)
{
    void *p = nullptr;
    switch (pick % 7) {
    case 0:
        return {je_calloc(3, n), 3 * n};
    case 1:
        return {je_realloc(nullptr, n), n};
    case 2:
        return {je_memalign(256, n), n};
    case 3:
        n = (n + 127) & ~size_t{127};
        return {je_aligned_alloc(128, n), n};
    case 4:
        return {je_posix_memalign(&p, 64, n) == 0 ? p : nullptr, n};
    case 5:
        return {je_mallocx(n, 7), n};
    default:
        return {je_malloc(n), n};
    }
}

// The block after a change; the same pointer and size where nothing changed.
static inline named mi_changed(unsigned pick, named b, size_t n)
{
    void *p = b.p;
    switch (pick % 9) {
    case 0:
        return {mi_rezalloc(p, n), n};
    case 1:
        return {mi_recalloc(p, 2, n), 2 * n};
    case 2:
        return {mi_reallocn(p, 2, n), 2 * n};
    case 3:
        return {mi_reallocf(p, n), n};
    case 4:
        return mi_expand(p, n) ? named{p, n} : b;
    case 5:
        return {mi_realloc_aligned(p, n, 128), n};
    case 6:
        return {reallocf(p, n), n};
    case 7:
        return reallocarr(&p, 2, n) == 0 ? named{p, 2 * n} : b;
    default:
        return {mi_realloc(p, n), n};
    }
}

static inline named je_changed(unsigned pick, named b, size_t n)
{
    if (pick % 3 == 0)
        return {je_realloc(b.p, n), n};
    if (pick % 3 == 1)
        return {je_rallocx(b.p, n, 0), n};
    return je_xallocx(b.p, n, 0, 0) >= n ? named{b.p, n} : b;
}

static inline void mi_dropped(unsigned pick, named b)
{
    switch (pick % 4) {
    case 0:
        mi_free_size(b.p, b.size);
        break;
    case 1:
        mi_free_aligned(b.p, 8);
        break;
    case 2:
        vfree(b.p);
        break;
    default:
        mi_free(b.p);
    }
}

static inline void tc_dropped(unsigned pick, named b)
{
    switch (pick % 5) {
    case 0:
        tc_cfree(b.p);
        break;
    case 1:
        tc_delete(b.p);
        break;
    case 2:
        tc_deletearray(b.p);
        break;
    default:
        tc_free(b.p);
    }
}

static inline void je_dropped(unsigned pick, named b)
{
    if (pick % 2)
        je_free(b.p);
    else
        je_dallocx(b.p, 0);
}

// What ends as it began: a heap of our own, of which some blocks go one by one and the others with it; sizes told.
static inline void names_come_and_go()
{
    if (tc_malloc)
        tc_free_sized(tc_malloc(100), 100);
    if (je_malloc)
        je_sdallocx(je_mallocx(100, 0), 100, 0);
    if (!mi_malloc)
        return;
    void *heap = mi_heap_new(), *p[60];
    for (unsigned i = 0; i < 60; i++)
        p[i] = i % 4 == 0   ? mi_heap_malloc(heap, 100 + i)
               : i % 4 == 1 ? mi_heap_zalloc(heap, 40 * i)
               : i % 4 == 2 ? mi_heap_realloc(heap, mi_heap_malloc(heap, 30), 3000)
                            : static_cast<void *>(mi_heap_strdup(heap, "of a heap of its own"));
    for (unsigned i = 0; i < 60; i += 7)
        mi_free(p[i]);
    mi_heap_destroy(heap);
}

#endif
