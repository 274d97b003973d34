// Memory of a profile, freed at once: see tree.h.
#include "profile/tree.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 8192 };

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    alignas(max_align_t) char data[];
};

static struct arena_block *new_block(struct arena *a, size_t at_least)
{
    size_t size = at_least > BLOCK_SIZE ? at_least : BLOCK_SIZE;
    struct arena_block *b = calloc(1, sizeof *b + size);
    if (!b)
        return NULL;
    b->size = size;
    b->next = a->head;
    a->head = b;
    return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t step = alignof(max_align_t);
    if (size > (size_t)1 << 30)
        return NULL;
    size = (size + step - 1) / step * step;
    struct arena_block *b = a->head;
    if (!b || b->size - b->used < size)
        b = new_block(a, size);
    if (!b)
        return NULL;
    void *p = b->data + b->used;
    b->used += size;
    return p;
}

char *arena_text(struct arena *a, const char *text, size_t len)
{
    char *copy = arena_alloc(a, len + 1);
    if (copy && len)
        memcpy(copy, text, len);
    return copy;
}

void arena_free(struct arena *a)
{
    while (a->head) {
        struct arena_block *b = a->head;
        a->head = b->next;
        free(b);
    }
}
