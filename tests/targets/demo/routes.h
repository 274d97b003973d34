// A request as server.c parsed it, and the reply routes.c makes of it.
#ifndef DEMO_ROUTES_H
#define DEMO_ROUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request {
    const char *method, *path; // NUL-terminated, without the query
    const char *query;         // not terminated
    size_t query_len;
    const char *head; // the header lines, from the end of the first line on, NUL-terminated
    const char *body;
    size_t body_len;
    int64_t now_ms;
};

// The value of a header line of that name (in lower case), or NULL; *len without surrounding blanks.
const char *request_header(const struct request *q, const char *name, size_t *len);

struct reply {
    int status;
    const char *reason;
    const char *type;  // NULL: text/plain
    char headers[256]; // further lines, each with its CR LF
    char body[2048];
    size_t body_len;
};

struct route {
    const char *method, *path;
    void (*handle)(const struct request *q, struct reply *r);
};

extern const struct route *const api_routes; // api.c; ended by one without a path
// Whether a client is over its rate; the reply then says so.
bool api_refuses(const struct request *q, struct reply *r);

void dispatch(const struct request *q, struct reply *r);

#endif
