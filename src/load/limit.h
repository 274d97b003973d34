// The search for the highest load that a target sustains. Pure: it says which level to try next, the caller tries it
// and says what came of it.
//
// From a first level upwards by doubling until one fails (downwards by halving when the first one does), then by
// geometric bisection until the lowest that failed is within the precision of the highest that held; then the latter is
// tried twice more. A confirmation that fails counts: the search goes on below it. A level that was too much for the
// generator is tried again, twice at most, before it counts: a busy machine may have held it up for a moment.
#ifndef SEEP_LOAD_LIMIT_H
#define SEEP_LOAD_LIMIT_H

#include <stdbool.h>

enum limit_outcome {
    LIMIT_HELD,      // every gate held
    LIMIT_FAILED,    // the target did not keep up
    LIMIT_GENERATOR, // the generator did not: nothing is known of the target at this level
};

enum { LIMIT_CONFIRMATIONS = 2, LIMIT_AGAIN = 2, LIMIT_TRIES_MAX = 64 };

struct limit_search {
    double first, least, most; // where it begins; below `least` and above `most` nothing is tried
    double precision;          // > 0: 0.05 ends within 5 %
    bool whole;                // levels are whole numbers (users)
    double level;              // tried at present
    double held[LIMIT_TRIES_MAX];
    int n_held, tries;
    double low;             // the highest that held; 0: none
    double high;            // the lowest that did not; INFINITY: none
    bool high_is_generator; // `high` is the generator's
    int confirmations;      // of `low`
    int again;              // how often the present level was too much for the generator; it is tried again
    bool over;
};

// least <= first <= most, all > 0; most may be INFINITY.
void limit_start(struct limit_search *s, double first, double least, double most, double precision, bool whole);
// The level to try, or NaN when the search is over.
double limit_next(struct limit_search *s);
// What came of the level that limit_next() gave.
void limit_take(struct limit_search *s, enum limit_outcome outcome);

// Was the highest sustained level found: one that held and was confirmed, with one above it that the target failed?
bool limit_found(const struct limit_search *s);

// How even a sustained rate was: the share of n windows whose count is within 10 % of the mean count (or within twice
// its square root, which is what chance does to independent requests, where that is more). NaN when n is 0.
double limit_stability(const double *count, int n);

#endif
