// An arena over malloc: blocks in a list, the newest first. Large pieces get a block of their own.
#include "report/arena.h"
#include "base/check.h"
#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 64 * 1024 };

struct block {
    struct block *next;
    size_t used, size;
    alignas(max_align_t) char data[];
};

struct report_arena {
    struct block *blocks;
};

struct report_arena *report_arena_new(void)
{
    return calloc(1, sizeof(struct report_arena));
}

void report_arena_free(struct report_arena *a)
{
    if (a == NULL)
        return;
    while (a->blocks != NULL) {
        struct block *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
    free(a);
}

static struct block *new_block(struct report_arena *a, size_t want)
{
    size_t size = want > BLOCK_BYTES / 4 ? want : BLOCK_BYTES;
    struct block *b = calloc(1, sizeof *b + size);
    if (b == NULL)
        return NULL;
    b->size = size;
    // A block made for one large piece is full at once: keep filling the one before it.
    if (want == size && a->blocks != NULL) {
        b->next = a->blocks->next;
        a->blocks->next = b;
    } else {
        b->next = a->blocks;
        a->blocks = b;
    }
    return b;
}

void *report_alloc(struct report_arena *a, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
        return NULL;
    bytes = (bytes + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    struct block *b = a->blocks;
    if (b == NULL || b->size - b->used < bytes)
        b = new_block(a, bytes);
    if (b == NULL)
        return NULL;
    void *p = b->data + b->used;
    b->used += bytes;
    return p;
}

const char *report_strdup(struct report_arena *a, const char *s)
{
    if (s == NULL)
        return NULL;
    size_t len = strlen(s) + 1;
    char *copy = report_alloc(a, len, 1);
    if (copy != NULL)
        memcpy(copy, s, len);
    return copy;
}

const char *report_strf(struct report_arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    SEEP_CHECK(len >= 0);
    char *text = report_alloc(a, (size_t)len + 1, 1);
    if (text == NULL)
        return NULL;
    va_start(ap, fmt);
    vsnprintf(text, (size_t)len + 1, fmt, ap);
    va_end(ap);
    return text;
}
