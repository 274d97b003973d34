// What the setup of a load found out, on its way to the other processes that drive the same load.
//
// Setup runs in one of them. Its variables go into a memfd, which the supervisor hands on without reading it.
#ifndef SEEP_LOAD_HANDOVER_H
#define SEEP_LOAD_HANDOVER_H

#include "load/session.h"

// A sealed memfd with the variables of s that are set; -1 with errno.
int handover_write(const struct session *s);

// Sets the variables that stand in fd, which stays the caller's. 0, or -1: it is not such a file, or no memory.
int handover_read(struct session *s, int fd);

#endif
