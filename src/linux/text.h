// Small helpers for the kernel's text files, shared by the files of this room.
#ifndef SEEP_LINUX_TEXT_H
#define SEEP_LINUX_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/units.h"

// Reads a file below dir_fd, at most size-1 bytes, and terminates it. Returns the bytes or -1 with errno.
ssize_t text_read(int dir_fd, const char *path, char *buf, size_t size);

// A decimal number at text; false when there is none or it exceeds int64_t.
bool text_number(const char *text, int64_t *out);

// The first number of the file; SEEP_UNKNOWN when the file or the number is missing ("max" too).
int64_t text_number_of(int dir_fd, const char *path);

// The number after `key` where `key` stands at the start of a line ("Rss:", "oom_kill "); SEEP_UNKNOWN when absent.
int64_t text_field(const char *text, const char *key);

// A table of such lines, read in one pass over text: for each line the first entry whose key it begins with is filled.
struct text_want {
    const char *key;
    int64_t *to;
    int64_t scale;
};
void text_fields(const char *text, const struct text_want *wants, size_t count);

// n * scale; SEEP_UNKNOWN where that is no int64_t.
int64_t text_scaled(int64_t n, int64_t scale);

// Adds v to *sum where v is known; the first known value replaces an unknown sum.
void text_add(int64_t *sum, int64_t v);

// Turns errno of a read below /proc into an error: gone (SEEP_E_TARGET) or not permitted or absent
// (SEEP_E_UNSUPPORTED).
int text_fail(struct seep_err *err, int sys_errno, pid_t pid, const char *name);

// Copies at most size-1 bytes of src up to the first newline.
void text_line(char *out, size_t size, const char *src);

#endif
