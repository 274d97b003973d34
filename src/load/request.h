// The words of a request: its header lines with the usual ones added, and the whole of it as HTTP/1.1 bytes.
#ifndef SEEP_LOAD_REQUEST_H
#define SEEP_LOAD_REQUEST_H

#include "base/buf.h"
#include "load/transport.h"

enum { REQUEST_TEXT_MAX = 64 * 1024 * 1024, REQUEST_HEADERS_MAX = 128 };

// A request that is the same every time, in memory of its own. Holds secrets: lives in the worker only.
struct request_text {
    struct exchange_request request; // points into the rest
    char *method, *target, *body;
    char *line[REQUEST_HEADERS_MAX];
    int n_lines;
    struct seep_buf wire;
};

// "Name: value", to be sent after those before it. -1: too many, no memory, or a line break in it.
int request_add_header(struct request_text *r, const char *name, const char *value, struct seep_err *err);

// After the headers: takes target (malloc'ed) over, copies the rest, adds what every request has (User-Agent, Accept,
// the type of a body) unless it is there, and writes the bytes. body NULL: none; userinfo NULL: none, else it becomes
// the Authorization of the request.
int request_finish(struct request_text *r, const struct exchange_origin *origin, const char *method, char *target,
                   const char *body, const char *userinfo, struct seep_err *err);
void request_free(struct request_text *r);

#endif
