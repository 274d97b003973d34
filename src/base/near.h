// "Did you mean": how far two words are apart.
#ifndef SEEP_BASE_NEAR_H
#define SEEP_BASE_NEAR_H

#include <stddef.h>

// Edits (insert, delete, replace, swap of neighbours) between a and b, without regard to ASCII case; optimal string
// alignment distance. Words over 64 bytes are infinitely far: returns 1000.
int near_distance(const char *a, const char *b);

// The candidate nearest to `word`, when at most a third of its letters (at least one) are wrong; else NULL. `candidate`
// returns the i-th name, NULL after the last. Ties go to the first.
const char *near_find(const char *word, const char *(*candidate)(size_t i, const void *ctx), const void *ctx);

#endif
