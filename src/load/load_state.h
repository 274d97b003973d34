// The inside of a load as its supervisor has it, shared by load.c, load_sums.c and load_look.c. Nobody else includes
// it.
#ifndef SEEP_LOAD_LOAD_STATE_H
#define SEEP_LOAD_LOAD_STATE_H

#include "load/link.h"
#include "load/minutes.h"
#include "load/rng.h"
#include "load/together.h"

enum { LOAD_EVENTS = 64, LOAD_NOTES_SEEN = 256 };

static const unsigned load_magic = 0x6c6f6164;

struct load_sums { // sums over the workers
    struct load_counts counts;
    struct load_codes codes;
    struct load_hist hist[LOAD_HIST_KINDS];
};

struct load_metric_sums { // likewise
    struct load_metric_counts counts;
    struct load_hist values;
};

struct load_told {
    int level;
    char text[640];
};

struct load {
    unsigned magic;
    enum load_state state;
    struct load_link *link;
    int n_links, lost;
    int epoll_fd; // -1 once all are lost
    struct load_together together;
    struct load_series_table table;
    struct load_sums *series; // table.n
    struct load_metric_table metrics;
    struct load_metric_sums *metric; // metrics.n
    struct load_generator generator;
    struct load_minutes minutes;
    struct load_told event[LOAD_EVENTS], told;
    int first_event, n_events;
    unsigned events_lost;
    uint64_t note[LOAD_NOTES_SEEN]; // hashes of what workers said, so that all of them saying it makes one event
    int n_notes;
    struct load_rng rng;
};

// load_sums.c: the parts of all workers come together. The first two are hooks of links.
void load_take_hist(void *ctx, int series, int kind, const struct load_hist *h);
void load_take_values(void *ctx, int metric, const struct load_hist *h);
void load_add_up(struct load *l);
uint32_t load_workers_lost(const struct load *l); // those that did not drive their share all the time

#endif
