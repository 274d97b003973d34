// What the workers of one load do once for all of them: setup before, teardown after.
//
// One worker runs them, load i's the i-th (share.h deals the parts out like that). The others wait for what its setup
// found out, and it waits with the teardown until their parts are over. A worker that is lost holds up nobody.
#ifndef SEEP_LOAD_TOGETHER_H
#define SEEP_LOAD_TOGETHER_H

#include "load/link.h"

struct load_together {
    int n_loads, n_links;
    struct together_load {
        bool setup, teardown; // the load has them
        bool set_up;          // the others were told how its setup ended
        bool over;            // its worker was told that all parts are over
    } * load;
    bool *part_over; // n_loads * n_links
};

int together_open(struct load_together *t, const struct profile *p, int n_links, struct seep_err *err);
void together_close(struct load_together *t);

void together_begin(struct load_together *t); // nothing is done yet

// Worker `from` says how the setup of a load ended: fd holds its variables and stays the caller's; -1: it failed.
void together_setup(struct load_together *t, struct load_link *link, int from, int load, int fd);
void together_part_over(struct load_together *t, struct load_link *link, int from, int load);
void together_look(struct load_together *t, struct load_link *link); // some of them may be lost

#endif
