// Labels as one text, sorted by name: code="200",path="/x". Values keep the escapes they were exposed with.
#ifndef SEEP_SCRAPE_LABELS_H
#define SEEP_SCRAPE_LABELS_H

#include <stdbool.h>
#include <stddef.h>

enum { SCRAPE_LABELS_BYTES = 1024, SCRAPE_LABELS_MAX = 32 };

// Where the value of `key` begins (behind the quote) and how long it is; NULL when there is no such label.
const char *labels_get(const char *labels, const char *key, size_t *len);
// Into out (SCRAPE_LABELS_BYTES): only the labels in keys ("a,b"), or all but those.
void labels_pick(const char *labels, const char *keys, bool keep, char *out);
// The labels that both have with the same value.
void labels_common(const char *a, const char *b, char *out);

#endif
