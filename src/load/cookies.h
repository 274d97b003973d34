// The cookies of one session: a jar per user, never shared. Rules of RFC 6265, sections 5.1 to 5.4, without a list of
// public suffixes (a domain of one label is no domain, that is all).
//
// Set-Cookie lines come from servers: number, size and lifetime of what is kept are bounded, and a cookie is sent back
// only where its domain, path and security allow. Memory of a replaced cookie is used again.
#ifndef SEEP_LOAD_COOKIES_H
#define SEEP_LOAD_COOKIES_H

#include "base/buf.h"
#include "load/transport.h"

enum { COOKIES_MAX = 50, COOKIE_SIZE_MAX = 4096 };

struct cookie {
    char *text; // name, value, domain, path, each with its NUL, in `room` bytes
    size_t room;
    uint32_t value_at, domain_at, path_at, path_len;
    int64_t expires_s; // since 1970; INT64_MAX: with the session
    bool host_only, secure;
};

struct cookie_jar {        // zero: empty
    struct cookie *cookie; // n, longest path first, then oldest first; `made` of them have memory
    int n, made;
};

void cookies_clear(struct cookie_jar *j); // forgets all, keeps memory
void cookies_free(struct cookie_jar *j);

// Takes in every Set-Cookie line of a reply's head to a request for `target` at `origin`. now_s: seconds since 1970.
// What is malformed, too large, for another domain, or has no room is left out.
void cookies_take(struct cookie_jar *j, const struct exchange_origin *origin, const char *target, const char *head,
                  size_t head_len, int64_t now_s);

// Appends "name=value; name=value" for a request, nothing when none applies. Returns how many.
int cookies_write(const struct cookie_jar *j, const struct exchange_origin *origin, const char *target, int64_t now_s,
                  struct seep_buf *out);

#endif
