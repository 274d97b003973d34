// What a search for the limit found; shared by load_limit.c, which searches, and load_limit_print.c, which tells.
#ifndef SEEP_CMD_LOAD_LIMIT_STATE_H
#define SEEP_CMD_LOAD_LIMIT_STATE_H

#include "cmd/load_limit.h"
#include "load/limit.h"

#include "base/err.h"

struct limit_try {
    double level;
    enum limit_outcome outcome;
    bool confirmation, unsure; // unsure: held, but a gate could not be told
    double rate_per_s;         // completed within the measured time; NaN unknown
    double started_ratio;      // of what was to start; NaN unknown
    double error_ratio;        // of the completed; NaN unknown
    double p50_us, p95_us, p99_us;
    double generator_cpu;
    char why[720]; // what failed, or why it is unsure; "" when it held
};

enum limit_unit { LIMIT_RATE, LIMIT_USERS, LIMIT_FACTOR };

struct limit_run {
    struct profile *profile;
    const struct load_limit_opts *opts;
    int signal_fd, interrupted_by;
    bool quiet;
    enum limit_unit unit;
    double base[PROFILE_LOADS_MAX], base_sum; // of each load, as the profile has it; together
    double precision, settle_s, measure_s;
    struct limit_search search;
    struct limit_try tried[LIMIT_TRIES_MAX];
    int n_tried;

    double counts[LIMIT_TRIES_MAX * 64]; // requests of the windows at the level that held, over its tries
    int n_counts;
    double stability; // NaN: not measured

    bool recovery_known, recovered;
    double recovery_s, recovery_from, recovery_to; // levels

    bool at_once_known;
    double one_rate_per_s, many_rate_per_s, at_once_ratio;
};

// The highest that held / the lowest that did not, of the tries at that level the last; NULL: none.
const struct limit_try *load_limit_try_at(const struct limit_run *r, double level, bool held);
// Was a confirmed level judged by gates that could all be told?
bool load_limit_sure(const struct limit_run *r);
bool load_limit_at_once_failed(const struct limit_run *r);

void load_limit_print_text(const struct limit_run *r);
void load_limit_print_json(const struct limit_run *r);
const char *load_limit_unit_name(enum limit_unit unit);

#endif
