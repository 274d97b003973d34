// One HTTP request by itself: ready checks and probes of the target, and its endpoints with metrics.
#ifndef SEEP_LOAD_HTTP_CHECK_H
#define SEEP_LOAD_HTTP_CHECK_H

#include "base/buf.h"
#include "base/err.h"
#include <stdbool.h>

// GETs url (http or https only, redirects not followed, certificate not verified: the target is ours), reads and drops
// at most 1 MiB of the body, and gives the status code. within_s: limit of the whole exchange, > 0. Blocks; may be
// called from any thread. Errors: SEEP_E_TARGET with the reason ("connection refused", ...), SEEP_E_USAGE for a URL
// that is none.
int load_http_check(const char *url, double within_s, int *status, struct seep_err *err);

// The same, with the body: into `body`, which the caller has given its ceiling (buf_init()). A longer one is
// SEEP_E_LIMIT, with what fitted. accept: what the header Accept says; NULL: nothing special.
int load_http_get(const char *url, const char *accept, double within_s, int *status, struct seep_buf *body,
                  struct seep_err *err);

// What came back. header and body are the caller's, each with its ceiling, beyond which it is cut.
struct load_http_reply {
    int status;
    struct seep_buf header, body;
};

// The same with header and body, for servers that are not ours: a certificate that is not valid is an error when
// `verify`.
int load_http_fetch(const char *url, double within_s, bool verify, struct load_http_reply *reply, struct seep_err *err);

#endif
