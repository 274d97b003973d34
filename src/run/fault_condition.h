// A condition of a fault: a gate's text, asked again and again while the run goes on.
//
// Two kinds. Of the load (http.*, metric.*): from its counters, which come in twice a second. Of anything else that a
// tick has a value of (scraped series, the target's own, its dependencies'): tick by tick, so no finer than the run's
// interval, because nothing is asked of the target more often than that.
#ifndef SEEP_RUN_FAULT_CONDITION_H
#define SEEP_RUN_FAULT_CONDITION_H

#include "judge/gate.h"
#include "load/load.h"
#include "profile/profile.h"

struct run;
struct run_tick;

enum run_answer { RUN_ANSWER_NONE, RUN_ANSWER_GOOD, RUN_ANSWER_BAD }; // NONE: nothing is known

struct run_condition {
    struct judge_gate gate;
    bool ticked;
    bool of_metric;    // of the load: a metric of the user's own
    int row;           // of the load's series or metrics; -1: not found yet
    int own;           // ticked: of run_series_table; -1: a point
    bool primed;       // the counters before are known
    double sum_before; // ticked: of a counter
    int64_t before_ns;
    struct load_counts before;
    struct load_metric_counts metric_before;
    struct load_hist *before_hist; // quantiles only; owned
};

// Reads a condition's text: what its series may be is what the profile has. -1 with where (may be NULL) and err.
int run_condition_parse(const struct profile *p, const char *text, struct judge_gate *out,
                        struct judge_gate_where *where, struct seep_err *err);

int run_condition_open(const struct profile *p, const char *text, struct run_condition *c, struct seep_err *err);
void run_condition_close(struct run_condition *c);

// Of the load: what has come since it was remembered last, `seconds` ago. scratch: room for a histogram.
enum run_answer run_condition_ask(const struct run *r, const struct run_condition *c, struct load_hist *scratch,
                                  double seconds);
void run_condition_remember(const struct run *r, struct run_condition *c);
// Ticked: what this tick says; of a counter its rate since the tick before. Call it at every tick. Of several series
// with its labels one that is bad is enough.
enum run_answer run_condition_tick(struct run_condition *c, const struct run_tick *t);

#endif
