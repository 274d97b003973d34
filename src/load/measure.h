// The user's own metrics as the engine feeds them: which replies each is about, and what of them is counted.
#ifndef SEEP_LOAD_MEASURE_H
#define SEEP_LOAD_MEASURE_H

#include "load/check.h"
#include "load/extract.h"
#include "load/tally.h"

struct measure {
    const struct profile_metric *metric;
    int row;               // of the tally
    struct check *check;   // METRIC_CHECKS
    struct extract *value; // METRIC_VALUE
};

struct measures {
    struct measure *row; // n, one a metric of the load
    int n;
};

// Compiles the metrics of loads[index]. What an error leaves behind is freed by measure_close().
int measure_open(const struct profile_load *load, int index, const struct load_metric_table *table,
                 struct template_names *names, const struct feeds *feeds, struct measures *out, struct seep_err *err);
void measure_close(struct measures *m);

// Whether the metric is about the replies of that step of that scenario.
bool measure_is_of(const struct measure *m, const char *scenario, const struct profile_step *step);

bool measure_wants_head(const struct measure *m);
bool measure_wants_body(const struct measure *m);

// An exchange that is over.
struct measure_case {
    const struct exchange_reply *reply;
    bool whole; // it got a whole reply
    bool timed, ok;
    int64_t latency_ns, service_ns;
    const struct template_scope *scope;
    struct check_room *room;
    struct seep_buf *scratch;
};
void measure_take(const struct measure *m, struct load_tally *t, const struct measure_case *c);

#endif
