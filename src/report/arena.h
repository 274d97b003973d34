// Memory of one report: handed out in pieces, freed all at once. Shared with the rooms above.
#ifndef SEEP_REPORT_ARENA_H
#define SEEP_REPORT_ARENA_H

#include <stddef.h>

struct report_arena;

struct report_arena *report_arena_new(void); // NULL when memory ran out
void report_arena_free(struct report_arena *a);

// Zeroed memory for n items of `size` bytes, aligned for any type; NULL when memory ran out or n * size overflows.
// n 0 gives a valid pointer.
void *report_alloc(struct report_arena *a, size_t n, size_t size);

// Copies of a string; NULL for NULL and when memory ran out.
const char *report_strdup(struct report_arena *a, const char *s);
const char *report_strf(struct report_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
