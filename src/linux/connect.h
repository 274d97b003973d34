// Does somebody accept connections there?
#ifndef SEEP_LINUX_CONNECT_H
#define SEEP_LINUX_CONNECT_H

#include <stddef.h>

// Connects to "HOST:PORT" ("[::1]:80" for IPv6; an empty host is 127.0.0.1) and closes at once. Each address of the
// name gets within_s seconds, > 0. 0, or -1 with a clause in why: "connection refused". May be called from any thread.
int linux_connect(const char *where, double within_s, char *why, size_t size);

#endif
