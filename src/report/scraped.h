// What a profile's gates may be about beside the built-in metrics: its own series, and what its patterns let through.
#ifndef SEEP_REPORT_SCRAPED_H
#define SEEP_REPORT_SCRAPED_H

#include "profile/profile.h"
#include <stddef.h>

// For judge_gate_parse(): names and patterns, n of them, in malloc'ed memory of the caller (the texts are the
// profile's). NULL, with *n 0, when there are none or memory ran out.
const char **report_scraped_names(const struct profile *p, size_t *n);

#endif
