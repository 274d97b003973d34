// A request as server.c parsed it, and the reply routes.c makes of it.
#ifndef DEMO_ROUTES_H
#define DEMO_ROUTES_H

#include <stddef.h>
#include <stdint.h>

struct request {
    const char *method, *path; // NUL-terminated, without the query
    const char *query;         // not terminated
    size_t query_len;
    const char *body;
    size_t body_len;
    int64_t now_ms;
};

struct reply {
    int status;
    const char *reason;
    char body[2048];
    size_t body_len;
};

void dispatch(const struct request *q, struct reply *r);

#endif
