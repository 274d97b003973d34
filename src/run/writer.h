// From ticks to the store: a bounded queue between the loop and the write job, and the maps from the run's numbers
// (series, modules, stacks) to the store's.
//
// The loop puts ticks in; one write job at a time takes them all and writes each as one transaction. When the store
// cannot keep up the oldest waiting tick is given up, and that is a row of its own: a hole is never silent.
#ifndef SEEP_RUN_WRITER_H
#define SEEP_RUN_WRITER_H

#include "run/stack_table.h"
#include "run/tick.h"
#include "store/store.h"
#include <uv.h>

#define WRITER_QUEUE 64

struct writer_meta {
    struct writer_meta *next;
    char key[64];
    char *value; // NULL: the fact is taken back
};

struct run_writer {
    struct store *store;
    struct stack_table *table; // behind the numbers of stacks; NULL: none come
    uv_mutex_t lock;           // guards queue, n_queued, dropped, done_index
    struct run_tick *queue[WRITER_QUEUE];
    size_t n_queued;
    int64_t dropped; // ticks given up since the last row about it
    struct seep_time dropped_from, dropped_to;
    struct writer_meta *metas; // facts that wait, newest first
    int64_t done_index;        // last acknowledged tick, -1 none
    int64_t done_count;
    // Only the write job's:
    uint32_t series_id[RUN_SERIES_N];
    uint32_t fd_id[LINUX_FD_KINDS];
    uint32_t *module_id, *stack_id; // by the run's index
    size_t n_modules, n_stacks, cap_modules, cap_stacks;
    struct seep_err err; // of the last failing write; code SEEP_OK while all went well
    int failures;        // in a row
    int64_t place_at_ns; // when the run directory was last looked at
    enum store_place place;
    bool waiting; // the disk takes nothing for now: the store holds the ticks and says so in a row of its own
};

int writer_init(struct run_writer *w, struct store *store, struct stack_table *table, struct seep_err *err);
void writer_free(struct run_writer *w);
// Takes the tick over. Loop's thread.
void writer_put(struct run_writer *w, struct run_tick *t);
// A fact to be written with the next flush; text is copied, NULL takes the fact back. Any thread.
void writer_meta(struct run_writer *w, const char *key, const char *value);
bool writer_waiting(struct run_writer *w);
int64_t writer_done(struct run_writer *w); // the last acknowledged tick, -1 none
// The write job: writes everything that waits. Worker thread, or any thread when no job runs.
void writer_flush(struct run_writer *w);
// Once a minute: is the run directory still where it was? What is found becomes a row. With the write job.
void writer_check_place(struct run_writer *w);
// The store's id of a stack of the run; 0 when it was never written. No job running.
uint32_t writer_stack_id(const struct run_writer *w, uint32_t stack);

#endif
