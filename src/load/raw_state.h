// The inside of raw_reply, shared by raw_reply.c, raw_resp.c and raw_memcached.c. Nobody else includes it.
#ifndef SEEP_LOAD_RAW_STATE_H
#define SEEP_LOAD_RAW_STATE_H

#include "load/raw_reply.h"

struct raw_input {
    const unsigned char *begin, *at, *end;
};

// Each takes input until one reply is whole or none is left. Called with at < end.
enum raw_step raw_take_resp(struct raw_reply *r, struct raw_input *in);
enum raw_step raw_take_memcached(struct raw_reply *r, struct raw_input *in);

void raw_next(struct raw_reply *r); // the private state, ready for a next reply
enum raw_step raw_refuse(struct raw_reply *r, const char *why);

// A run of len bytes nobody reads follows what was taken: RAW_LARGE when there can be no room for it, else r->left is
// set. raw_skip() takes what there is of it; true when it is over.
enum raw_step raw_run_of(struct raw_reply *r, const struct raw_input *in, uint64_t len);
bool raw_skip(struct raw_reply *r, struct raw_input *in);

#endif
