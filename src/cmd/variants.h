// `seep run --variant`: builds or configurations of a program on the same load, run in turn or at once, and compared.
#ifndef SEEP_CMD_VARIANTS_H
#define SEEP_CMD_VARIANTS_H

#include "cmd/load_run_profile.h"

struct cmd_variants {
    struct cmd_list variants;  // NAME=PROFILE or NAME=key.path=value; a name may come several times
    struct cmd_list gates;     // "p99(b) - p99(a) < 1ms"
    struct cmd_list instances; // NAME=N: how many instances of the program the variant stands for
    int64_t rounds;
    bool at_once;
    const char *format; // text, json, md, html
    const char *output; // NULL: standard output
};

// Runs all of them, each as a run of its own named GROUP-VARIANT-ROUND in the results directory, writes the comparison
// of the complete rounds and returns the exit status: of a run that failed, 130 or 143 when interrupted, else 1 when a
// gate across variants fails, 3 when one cannot be told.
int cmd_run_variants(const struct cmd_variants *v, const struct cmd_run_profile *profile, const char *results,
                     const char *group, int argc, char **argv);

#endif
