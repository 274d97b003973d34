// What mimalloc calls itself, on the thread's heap and on heaps of the program's own: see names.h.
#include "names/names.h"

const char usable_name[] = "mi_usable_size";

GIVE(mi_malloc, 0)
GIVE(mi_malloc_small, 0)
GIVE(mi_zalloc, 0)
GIVE(mi_zalloc_small, 0)
GIVE_MANY(mi_calloc, 0, 1)
GIVE_MANY(mi_mallocn, 0, 1)
GIVE(mi_valloc, 0)
GIVE(mi_pvalloc, 0)
GIVE(mi_new, 0)
GIVE(mi_new_nothrow, 0)
GIVE_MANY(mi_new_n, 0, 1)
GIVE_AT(mi_new_aligned, 0, 1)
GIVE_AT(mi_new_aligned_nothrow, 0, 1)
GIVE_AT(mi_memalign, 1, 0)
GIVE_AT(mi_aligned_alloc, 1, 0)
NAME(mi_posix_memalign, STORES, 0, NO, 2, 1)
GIVE_AT(mi_malloc_aligned, 0, 1)
GIVE_AT(mi_malloc_aligned_at, 0, 1)
GIVE_AT(mi_zalloc_aligned, 0, 1)
GIVE_AT(mi_zalloc_aligned_at, 0, 1)
GIVE_MANY_AT(mi_calloc_aligned, 0, 1, 2)
GIVE_MANY_AT(mi_calloc_aligned_at, 0, 1, 2)
TEXT(mi_strdup)
TEXT(mi_strndup)
TEXT(mi_mbsdup)
NAME(mi_realpath, GIVES_TEXT, 1, NO, NO, NO)
NAME(mi_wcsdup, GIVES_WIDE, NO, NO, NO, NO)
NAME(mi_dupenv_s, STORES_TEXT, 0, NO, NO, NO)

CHANGE(mi_realloc, 0, 1)
CHANGE(mi_rezalloc, 0, 1)
CHANGE(mi_expand, 0, 1)
CHANGE(mi__expand, 0, 1)
CHANGE(mi_new_realloc, 0, 1)
NAME(mi_reallocf, CHANGES_ENDS, 0, NO, 1, NO)
CHANGE_MANY(mi_reallocn, 0, 1, 2)
CHANGE_MANY(mi_recalloc, 0, 1, 2)
CHANGE_MANY(mi_reallocarray, 0, 1, 2)
CHANGE_MANY(mi_new_reallocn, 0, 1, 2)
NAME(mi_reallocarr, CHANGES_THERE, 0, 1, 2, NO)
CHANGE_AT(mi_realloc_aligned, 0, 1, 2)
CHANGE_AT(mi_realloc_aligned_at, 0, 1, 2)
CHANGE_AT(mi_rezalloc_aligned, 0, 1, 2)
CHANGE_AT(mi_rezalloc_aligned_at, 0, 1, 2)
CHANGE_MANY_AT(mi_recalloc_aligned, 0, 1, 2, 3)
CHANGE_MANY_AT(mi_recalloc_aligned_at, 0, 1, 2, 3)
CHANGE_MANY_AT(mi_aligned_recalloc, 0, 1, 2, 3)
CHANGE_MANY_AT(mi_aligned_offset_recalloc, 0, 1, 2, 3)

FREE(mi_free)
FREE(mi_cfree)
FREE(mi_free_size)
FREE(mi_free_aligned)
FREE(mi_free_size_aligned)

// ---- heaps of the program's own: the heap comes first ----

GIVE(mi_heap_malloc, 1)
GIVE(mi_heap_malloc_small, 1)
GIVE(mi_heap_zalloc, 1)
GIVE_MANY(mi_heap_calloc, 1, 2)
GIVE_MANY(mi_heap_mallocn, 1, 2)
GIVE(mi_heap_alloc_new, 1)
GIVE_MANY(mi_heap_alloc_new_n, 1, 2)
GIVE_AT(mi_heap_malloc_aligned, 1, 2)
GIVE_AT(mi_heap_malloc_aligned_at, 1, 2)
GIVE_AT(mi_heap_zalloc_aligned, 1, 2)
GIVE_AT(mi_heap_zalloc_aligned_at, 1, 2)
GIVE_MANY_AT(mi_heap_calloc_aligned, 1, 2, 3)
GIVE_MANY_AT(mi_heap_calloc_aligned_at, 1, 2, 3)
TEXT(mi_heap_strdup)
TEXT(mi_heap_strndup)
NAME(mi_heap_realpath, GIVES_TEXT, 2, NO, NO, NO)
CHANGE(mi_heap_realloc, 1, 2)
CHANGE(mi_heap_rezalloc, 1, 2)
NAME(mi_heap_reallocf, CHANGES_ENDS, 1, NO, 2, NO)
CHANGE_MANY(mi_heap_reallocn, 1, 2, 3)
CHANGE_MANY(mi_heap_recalloc, 1, 2, 3)
CHANGE_AT(mi_heap_realloc_aligned, 1, 2, 3)
CHANGE_AT(mi_heap_realloc_aligned_at, 1, 2, 3)
CHANGE_AT(mi_heap_rezalloc_aligned, 1, 2, 3)
CHANGE_AT(mi_heap_rezalloc_aligned_at, 1, 2, 3)
CHANGE_MANY_AT(mi_heap_recalloc_aligned, 1, 2, 3, 4)
CHANGE_MANY_AT(mi_heap_recalloc_aligned_at, 1, 2, 3, 4)

// ---- names without its prefix that no C library here has ----

NAME(reallocf, CHANGES_ENDS, 0, NO, 1, NO)
NAME(reallocarr, CHANGES_THERE, 0, 1, 2, NO)
GIVE_AT(_aligned_malloc, 1, 0)
FREE(vfree)

// ---- a heap of the program's own ends, with all its blocks ----

typedef int visitor(const void *heap, const void *area, void *block, size_t block_bytes, void *arg);

static struct name destroy
    __attribute__((section("names"), used)) = {"mi_heap_destroy", NULL, FREES, NO, NO, NO, NO, 0};
static struct name visit
    __attribute__((section("names"), used)) = {"mi_heap_visit_blocks", NULL, FREES, NO, NO, NO, NO, 0};
static struct name backing
    __attribute__((section("names"), used)) = {"mi_heap_get_backing", NULL, FREES, NO, NO, NO, NO, 0};

static int block_dies(const void *heap, const void *area, void *block, size_t block_bytes, void *frame)
{
    struct mallocx_books was;
    (void)heap, (void)area, (void)block_bytes;
    if (block)
        seep_probe_dies(block, usable(block), frame, &was);
    return 1;
}

// The thread's first heap cannot be destroyed, and is not.
EXPORT void mi_heap_destroy(uintptr_t heap);
void mi_heap_destroy(uintptr_t heap)
{
    const uintptr_t none[6] = {0}, all[6] = {heap};
    if (!is_ready(&destroy))
        return;
    if (!is_inside((uintptr_t)__builtin_return_address(0)) && has_books(&destroy) && is_ready(&visit) &&
        is_ready(&backing) && call(&backing, none) != heap) {
        visitor *each = block_dies;
        uintptr_t walk[6] = {heap, 1, 0, (uintptr_t)__builtin_frame_address(0)};
        memcpy(&walk[2], &each, sizeof each);
        call(&visit, walk);
    }
    call(&destroy, all);
}
