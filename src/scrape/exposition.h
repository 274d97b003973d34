// Metrics as text: the Prometheus text format 0.0.4 and OpenMetrics 1.0, as far as values go.
//
// Pure: bytes of a foreign program in, one call a sample out. A line that is not understood is counted and left out;
// the rest goes on. Timestamps, exemplars, units and help are passed over: seep has its own clock.
// Sources: prometheus.io/docs/instrumenting/exposition_formats and the OpenMetrics specification.
#ifndef SEEP_SCRAPE_EXPOSITION_H
#define SEEP_SCRAPE_EXPOSITION_H

#include "scrape/labels.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCRAPE_NAME_BYTES = 200 };

struct scrape_sample {
    const char *name;   // at most SCRAPE_NAME_BYTES - 1
    const char *labels; // see labels.h; "" for none
    double value;       // may be NaN or infinite
    bool counter;       // it only grows: a counter, or a count, sum or bucket of a histogram or summary
};

struct scrape_counts {
    uint64_t samples, bad_lines;
};

void scrape_parse(const char *text, size_t len, void (*each)(const struct scrape_sample *s, void *ctx), void *ctx,
                  struct scrape_counts *counts);

#endif
