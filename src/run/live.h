// What a person sees while a run goes on: one status line kept up to date on a terminal, plain lines now and then
// elsewhere.
#ifndef SEEP_RUN_LIVE_H
#define SEEP_RUN_LIVE_H

#include "judge/trend.h"
#include "run/tick.h"
#include <stdbool.h>

struct run_live {
    int fd;        // where it goes, normally standard error; -1: nowhere
    bool terminal; // a line that is rewritten
    bool shown;    // such a line stands there now
    int width;
    char title[160]; // "nightly-24h  redis-server  pid 4711"
    double total_s;
    // The series behind the slope, of the measured time; fixed room, thinned by halves when full.
    double *t_s, *heap, *rss;
    size_t n, cap;
    double budget_per_s; // of the heap.growth or rss.growth gate; NAN none
    bool judge_heap;     // the slope is of the heap, else of rss
    double interval_s;
    struct judge_growth growth;
    bool has_growth;
    double next_plain_s, next_judge_s;
    double load_rate_per_s, load_p99_s, load_done; // of the last tick; NAN without a load
    int64_t load_at_ns;
    char last_event[120];
    char line[400]; // the present line, for `seep status`
};

int live_init(struct run_live *l, int fd, double total_s, double interval_s, struct seep_err *err);
void live_free(struct run_live *l);

// A tick of the measured time at elapsed_s from its start.
void live_tick(struct run_live *l, const struct run_tick *t, double elapsed_s);
// Redraws the line: phase is the state's name, elapsed_s of the measured time (NAN before it). Called once a second.
void live_show(struct run_live *l, const char *phase, double elapsed_s, const struct run_tick *t);
// A sentence worth a line of its own; takes the status line away first and puts it back.
void live_say(struct run_live *l, const char *text);
// Takes the status line away, for the report that follows.
void live_clear(struct run_live *l);

#endif
