// What a load did, second by second: the ticks of `seep load`, from which gates are judged.
#ifndef SEEP_CMD_LOAD_WINDOWS_H
#define SEEP_CMD_LOAD_WINDOWS_H

#include "judge/gate.h"
#include "load/load.h"

enum { LOAD_WINDOWS_MAX = 256 };

// Fixed memory: when all windows are used, neighbours are joined, so that a load of any length fits.
struct load_windows {
    size_t n;
    double every_s;                 // least length of one
    double end_s[LOAD_WINDOWS_MAX]; // rising, of the time with the load on
    int lines;                      // the rows of the load's series table, then the user's own metrics
    int n_series;
    uint64_t *requests, *errors, *passes; // lines x LOAD_WINDOWS_MAX
    uint64_t *bucket;                     // lines x LOAD_WINDOWS_MAX x HIST_COARSE
    double *edge;                         // lines x (HIST_COARSE + 1), in the unit of the line's gates
    struct load_hist *last;               // per line: at the end of the last window
    struct load_windows_counts *last_counts;
};

int load_windows_open(struct load_windows *w, const struct load *l, struct seep_err *err);
void load_windows_close(struct load_windows *w); // all-zero is allowed

// Closes a window when it is long enough, or at the end of the load.
void load_windows_take(struct load_windows *w, const struct load *l, bool last);

// As the judge takes it: `out` has room for w->lines, and points into w and l.
void load_windows_judge(const struct load_windows *w, const struct load *l, struct judge_load *out);

#endif
