// Baselines: for each profile and program the run that others are compared with, and how it came to be that.
//
// They stand in one file of the results directory, baselines.json (schema seep.baselines/1), each with its whole
// history of who, when and why. Every entry carries the SHA-256 of itself and of the entry before, so that a line
// changed by hand is noticed; forgery by somebody who computes it anew is not claimed to be.
//
// The ratchet: a run becomes baseline by `set` only when nothing is worse than in any baseline since the last that was
// accepted with a reason. Comparing with all of them, not the last alone, keeps many small steps from adding up.
#ifndef SEEP_PROOF_BASELINE_H
#define SEEP_PROOF_BASELINE_H

#include "base/err.h"
#include "report/compare.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BASELINE_FILE "baselines.json"

struct baseline_entry {
    char *run;
    char *how;               // "set" or "accept"
    char *reason;            // of accept; NULL
    char *by;                // user@host
    char *sha256, *build_id; // of the program; NULL unknown
    int64_t at_ns;
    char seal[65];
};

struct baseline {
    char *profile, *target;
    struct baseline_entry *entries; // oldest first; the last one is in force
    size_t n;
};

struct baselines {
    struct baseline *list;
    size_t n;
    int dir_fd, lock_fd; // -1: read only
};

// Reads the file; an absent one is an empty list. lock: for writing, others wait. Errors: SEEP_E_CORRUPT with a
// sentence when it cannot be read or its history was changed by hand.
int baseline_load(const char *results_dir, bool lock, struct baselines **out, struct seep_err *err);
void baseline_free(struct baselines *all); // NULL is allowed

// The one of a profile and a program, or NULL.
const struct baseline *baseline_find(const struct baselines *all, const char *profile, const char *target);
// The run in force, or NULL.
const char *baseline_run(const struct baseline *b);
// What a run's program is called: the last part of its executable's path.
const char *baseline_target(const struct report *r);

// Adds an entry and writes the file, whole or not at all. The texts are copied; run is marked as a baseline, so that it
// is never pruned.
int baseline_add(struct baselines *all, const char *profile, const char *target, const struct baseline_entry *entry,
                 struct seep_err *err);

// The entries that the ratchet holds a new run against: from the last accepted one (or the first) on.
const struct baseline_entry *baseline_held(const struct baseline *b, size_t *n);

// The file as it is written: seep.baselines/1.
int baseline_json(const struct baselines *all, struct seep_buf *out, struct seep_err *err);

// Marks a run: meta `key` to `value`. Errors when its store cannot be opened for writing.
int baseline_mark(int results_fd, const char *run, const char *key, const char *value, struct seep_err *err);

#endif
