// `seep load --find-limit`: the highest load at which the profile's gates hold.
#ifndef SEEP_CMD_LOAD_LIMIT_H
#define SEEP_CMD_LOAD_LIMIT_H

#include "profile/profile.h"
#include <stdint.h>

struct load_limit_opts {
    bool find;
    int64_t most;               // requests a second or users; 0: no bound
    double precision;           // 0: 5 %
    double settle_s, measure_s; // 0: 2 s, 10 s
    int64_t at_once;            // requests at once to compare with one; 0: none
    double at_once_under;       // fail above this ratio; 0: only told
};

// Searches, prints what was found (text, or JSON of schema seep.limit/1), and returns the exit status. The profile's
// loads are changed from step to step; signal_fd is that of load_drive_signals().
int load_limit(struct profile *p, const struct load_limit_opts *o, int signal_fd, bool quiet, bool json);

#endif
