// The words of a step's request: compiled once from the profile, written for each exchange, whole as HTTP/1.1 bytes
// too when the transport wants them.
//
// Values come from replies; templates see to it that they stay where they belong. Holds secrets: lives in the worker.
#ifndef SEEP_LOAD_REQUEST_H
#define SEEP_LOAD_REQUEST_H

#include "base/buf.h"
#include "load/cookies.h"
#include "load/origin.h"
#include "load/template.h"
#include "load/transport.h"
#include "profile/profile.h"

enum { REQUEST_TEXT_MAX = 64 * 1024 * 1024, REQUEST_HEADERS_MAX = 128 };

// Memory for one request at a time. It is kept from one to the next, unless it is large.
struct request_room {
    struct exchange_request request; // points into the rest
    struct seep_buf text, wire, scratch;
    const char **line;
    size_t n_lines; // room for so many
};
void request_room_open(struct request_room *r);
void request_room_close(struct request_room *r);

struct request_header {
    char *name;
    struct template *value;
};

struct request_words {
    bool http;
    char *method;
    struct template *target, *body; // body NULL: none; of a raw step: what is sent
    struct request_header *header;  // n_headers
    int n_headers;
    bool own_cookie;           // a Cookie header of the profile's own: the jar stays closed
    struct template **command; // a raw step's, n_command words; NULL: `body` is sent
    int n_command;
    const struct profile_tcp *tcp;
    bool constant; // the same every time, unless the session has cookies
};

// Compiles a step's request and finds where it goes: *origin, which is added to `origins`. userinfo of the URL becomes
// an Authorization header. What an error leaves behind is freed by request_words_close().
int request_words_open(struct request_words *w, const struct profile_load *load, const struct profile_step *step,
                       struct origin_table *origins, struct template_names *names, const struct feeds *feeds,
                       const struct exchange_origin **origin, struct seep_err *err);
void request_words_close(struct request_words *w);

// Writes a request into the room, where it stays until the next. jar NULL: no cookies. NULL: it cannot be written, and
// why (`size` bytes) is a clause.
const struct exchange_request *request_write(const struct request_words *w, const struct exchange_origin *origin,
                                             const struct template_scope *scope, const struct cookie_jar *jar,
                                             bool wants_wire, struct request_room *room, char *why, size_t size);

// Writes the request that follows a redirect of `before` (which may stand in the same room) to `target` at `origin`:
// with `rewrite` as a GET without a body. NULL: no memory.
const struct exchange_request *request_redirect(const struct exchange_request *before, bool rewrite,
                                                const struct exchange_origin *origin, const char *target,
                                                const struct cookie_jar *jar, bool wants_wire,
                                                struct request_room *room);

#endif
