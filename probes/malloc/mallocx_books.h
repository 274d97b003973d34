// What the probe offers the library of jemalloc's own calls (jemalloc/mallocx.c): the books of a block. Weak, so that
// the library also loads alone.
#ifndef MALLOCX_BOOKS_H
#define MALLOCX_BOOKS_H

#include <stddef.h>
#include <stdint.h>

// What was known of a block that is about to go, to put it back when the allocator declines. The probe's own.
struct mallocx_books {
    uint64_t opaque[8];
};

#define MALLOCX_BOOK __attribute__((weak, visibility("default")))
// frame: __builtin_frame_address(0) of the hook.
MALLOCX_BOOK void seep_probe_born(void *p, size_t size, const void *frame);
MALLOCX_BOOK void seep_probe_dies(void *p, const void *frame, struct mallocx_books *b);
MALLOCX_BOOK void seep_probe_undo(void *p, const void *frame, const struct mallocx_books *b);

#endif
