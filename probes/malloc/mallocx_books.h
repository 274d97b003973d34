// What the probe offers the libraries of allocators' own calls (jemalloc/mallocx.c, names/): the books of a block.
// Weak, so that they also load alone.
#ifndef MALLOCX_BOOKS_H
#define MALLOCX_BOOKS_H

#include <stddef.h>
#include <stdint.h>

// What was known of a block that is about to go, to put it back when the allocator declines. The probe's own.
struct mallocx_books {
    uint64_t opaque[8];
};

#define MALLOCX_BOOK __attribute__((weak, visibility("default")))
// frame: __builtin_frame_address(0) of the hook. usable: bytes of the block the program may use, SEEP_BOOKS_ASK where
// the allocator behind malloc can be asked for them, as it is its block.
#define SEEP_BOOKS_ASK SIZE_MAX
MALLOCX_BOOK void seep_probe_born(void *p, size_t size, size_t usable, const void *frame);
MALLOCX_BOOK void seep_probe_dies(void *p, size_t usable, const void *frame, struct mallocx_books *b);
MALLOCX_BOOK void seep_probe_undo(void *p, const void *frame, const struct mallocx_books *b);

// The next definition of a name behind the object whose dynamic section this is; NULL for none. Takes no lock and
// leaves nothing for dlerror(): for the start alone.
MALLOCX_BOOK void *seep_probe_next(const char *name, const void *dynamic);
// Where the object lies that this code belongs to. 1: malloc is its own as well, 0: it is not, -1: nothing is known.
MALLOCX_BOOK int seep_probe_object(const void *code, uintptr_t *start, uintptr_t *end);

#endif
