// The table of what is counted apart: the whole, each load, each scenario, each step, each named transaction.
//
// It is made from the profile alone, alike in the worker and in its supervisor, so that an index says the same on both
// sides of the socket and in the store. Pure; nothing here is measured. Row 0 is the whole; a parent stands before its
// children.
//
// Requests are counted in leaves: the step they belong to, or the scenario when it has one step. Everything above is
// their sum, added up by the supervisor: an exchange is recorded once. Passes (one way through a scenario's steps, or
// through one transaction) are counted where they belong and are not added up.
#ifndef SEEP_LOAD_SERIES_H
#define SEEP_LOAD_SERIES_H

#include "base/err.h"
#include "profile/profile.h"
#include <stdbool.h>
#include <stddef.h>

enum load_series_kind {
    LOAD_SERIES_ALL,
    LOAD_SERIES_LOAD, // only when there are several loads
    LOAD_SERIES_SCENARIO,
    LOAD_SERIES_STEP,        // only in scenarios of several steps
    LOAD_SERIES_TRANSACTION, // steps of one scenario that are timed as one; holds passes, no requests
};

enum { LOAD_SERIES_MAX = 256, LOAD_LABELS_MAX = 224, LOAD_LABEL_NAME_MAX = 64 };

struct load_series {
    enum load_series_kind kind;
    int parent;               // a row before this one; -1: the whole has none
    int load, scenario, step; // indices into the profile; -1 where it is not within one
    bool leaf;                // requests are counted here
    bool passes;              // passes are counted here
    const char *name;         // its own: of the load, scenario, step or transaction; within `labels`; "" for the whole
    char labels[LOAD_LABELS_MAX]; // as in the store: "", "scenario=b", "load=a,scenario=b,step=c", ..,transaction=c
};

struct load_series_table {
    int n; // at least 1
    struct load_series *row;
};

// From the loads of a profile, whose names are letters, digits, '.', '_' and '-', at most 63. -1 when there are more
// than LOAD_SERIES_MAX rows (SEEP_E_LIMIT), or without memory.
int load_series_build(const struct profile *p, struct load_series_table *out, struct seep_err *err);
void load_series_free(struct load_series_table *t);

// The leaf where the requests of a step are counted. The indices must exist.
int load_series_of_step(const struct load_series_table *t, int load, int scenario, int step);
// The rows where passes through a scenario, and through the transaction that a step belongs to, are counted. The latter
// is -1 for a step without one.
int load_series_of_scenario(const struct load_series_table *t, int load, int scenario);
int load_series_of_transaction(const struct load_series_table *t, int load, int scenario, const char *name);

// The row with exactly these labels, or -1.
int load_series_of_labels(const struct load_series_table *t, const char *labels);

// ---- labels as text: the store's and the reports' side ----

// What the labels of a series say; absent parts are "". Text beyond the known keys makes it not ours.
struct load_labels {
    enum load_series_kind kind;
    char load[LOAD_LABEL_NAME_MAX], scenario[LOAD_LABEL_NAME_MAX];
    char step[LOAD_LABEL_NAME_MAX], transaction[LOAD_LABEL_NAME_MAX];
};

// False when these are not the labels of a series of the load. Any text is allowed.
bool load_labels_parse(const char *labels, struct load_labels *out);

#endif
