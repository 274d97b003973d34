// What the files behind `seep run --variant` share: variants.c (names, rounds, figures), variants_run.c (the runs as
// children), variants_gates.c (gates across variants).
#ifndef SEEP_CMD_VARIANTS_GROUP_H
#define SEEP_CMD_VARIANTS_GROUP_H

#include "cmd/variants.h"
#include "report/variants.h"

struct variants_group {
    const struct cmd_variants *opt;
    const struct cmd_run_profile *profile;
    const char *results;
    int argc;
    char **argv;
    struct variants v;
    int signal; // that asked the whole to end; 0: none
};

// The variant of that name (len bytes), or -1.
int variants_find(const struct variants_group *g, const char *text, size_t len);

// ---- variants_run.c

// From here on SIGINT and SIGTERM are kept for variants_round(), which hands them on to the runs.
void variants_block_signals(void);
// Runs all variants of a round, in turn or at once, and waits for them. Whatever ends this process ends them in order.
// *final gets the exit status after which nothing more can be run (usage, a target that failed, an error, a signal), 0
// when the round is complete.
int variants_round(struct variants_group *g, int round, int *final, struct seep_err *err);

// ---- variants_gates.c

// Whether the gates can be read, and their limits have the unit of what they limit as far as that is known before
// anything ran.
int variants_check_gates(struct variants_group *g, struct seep_err *err);
// After a round: whether there are the figures that the gates name.
int variants_check_figures(struct variants_group *g, struct seep_err *err);
int variants_judge_gates(struct variants_group *g, struct seep_err *err);

#endif
