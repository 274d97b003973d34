// A growing byte buffer with a mandatory ceiling. Past the ceiling, or out of memory, it keeps what it has, sets
// `failed`, and refuses all that follows, so one check at the end is enough.
#ifndef SEEP_BASE_BUF_H
#define SEEP_BASE_BUF_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

struct seep_buf {
    char *data; // always terminated by a NUL that `len` does not count; NULL before the first byte
    size_t len;
    size_t cap;
    size_t ceiling;
    bool failed;
};

// ceiling: the most bytes it will ever hold, > 0. Nothing is allocated yet.
void buf_init(struct seep_buf *b, size_t ceiling);
void buf_free(struct seep_buf *b);
void buf_clear(struct seep_buf *b); // length 0, failed off, memory kept
void buf_add(struct seep_buf *b, const void *data, size_t len);
void buf_str(struct seep_buf *b, const char *text);
void buf_char(struct seep_buf *b, char c);
void buf_printf(struct seep_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// A finite number in the fewest digits that read back equal.
void buf_double(struct seep_buf *b, double value);
// 0, or -1 with "<what> is larger than N bytes" when something did not fit.
int buf_check(const struct seep_buf *b, const char *what, struct seep_err *err);

#endif
