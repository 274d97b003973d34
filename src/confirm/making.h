// What the files of src/confirm share that make an answer out of passes. Private to them.
#ifndef SEEP_CONFIRM_MAKING_H
#define SEEP_CONFIRM_MAKING_H

#include "confirm/pass.h"

struct making {
    struct confirm *c;
    const struct confirm_options *opt;
    struct report_arena *arena;
    struct confirm_sites sites;
    struct confirm_pass pass;
    struct confirm_xml xml; // over all processes: worst of each
    size_t n_xml, n_whole;
    double press; // of the run's timeline into the time there is, at most 1
    char dir[256];
    int dir_fd;
    bool reachable; // other users can get to it
};

// hold.c: the growing stacks of the run as c->stacks, and afterwards each held against m->sites. 0 or -1.
int confirm_take_stacks(struct making *m, struct seep_err *err);
int confirm_hold_against(struct making *m, struct seep_err *err);

// The keys of c->stacks, in their order, and the one of them that a site is most like; SIZE_MAX: none enough.
char **confirm_stack_keys(const struct making *m); // NULL: no memory
void confirm_stack_keys_free(const struct making *m, char **keys);
size_t confirm_nearest(const struct making *m, char *const *keys, const struct confirm_site *site);
// "inner < outer < ..." of a key, its first frames.
const char *confirm_where(struct report_arena *arena, const char *key);

// growth.c: a pass under massif, and one under DHAT, as they were asked for, and how the heap went.
void confirm_draw_growth(struct making *m);

#endif
