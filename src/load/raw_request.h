// What stands around the words of a raw request: RESP's lengths, and the length in front of a message. Pure.
#ifndef SEEP_LOAD_RAW_REQUEST_H
#define SEEP_LOAD_RAW_REQUEST_H

#include "base/buf.h"
#include <stdint.h>

// A command of `words` words as an array of bulk strings, the form in which redis takes them: begun, then each word.
void raw_command_begin(struct seep_buf *out, size_t words);
void raw_command_word(struct seep_buf *out, const void *word, size_t len);

// The number that stands before a message of `len` bytes, into out (8 bytes): `bytes` (1, 2, 4 or 8) of it. counts_all:
// it counts itself too. -1: it is too large for so many bytes.
int raw_prefix_write(uint64_t len, unsigned bytes, bool little, bool counts_all, uint8_t *out);

#endif
