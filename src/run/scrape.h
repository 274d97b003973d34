// Endpoints with metrics, asked once a tick, each on a thread of its own. What comes in time goes with the tick it was
// asked for, which waits that long for the store and for nothing else; what comes late is a gap.
#ifndef SEEP_RUN_SCRAPE_H
#define SEEP_RUN_SCRAPE_H

#include "base/err.h"
#include <stdbool.h>

struct run;
struct run_tick;

int run_scrape_open(struct run *r, struct seep_err *err); // once the loop is up
void run_scrape_tick(struct run *r);                      // a tick begins: ask
// Takes over a tick whose sample is whole: stores it at once, or when the answers are in or late.
void run_scrape_hand_over(struct run *r, struct run_tick *t);
bool run_scrape_busy(const struct run *r); // an errand is out, or a tick waits
void run_scrape_flush(struct run *r);      // the run ends: what waits is stored
void run_scrape_join(struct run *r);       // before the loop is closed
void run_scrape_free(struct run *r);

#endif
