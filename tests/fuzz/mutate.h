// See mutate.c.
#ifndef SEEP_TESTS_MUTATE_H
#define SEEP_TESTS_MUTATE_H

#include <stddef.h>
#include <stdint.h>

uint64_t mutate_next(uint64_t *state); // xorshift; the state must not be 0

// Changes data (size bytes, room for `room`) in place in a few ways; the new size.
size_t mutate(uint8_t *data, size_t size, size_t room, uint64_t *rng);

#endif
