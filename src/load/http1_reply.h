// One HTTP/1.x reply, read as it comes in, in pieces of any size.
//
// Pure: no I/O, no clock, no allocation; the state is a few dozen bytes a connection, and what it says does not depend
// on how the bytes were cut. What comes in was sent by anyone. It is taken strictly (RFC 9112): wherever two readers
// could disagree on where a reply ends, it is refused, because what follows on a kept connection would be read as
// another reply. libcurl is the reference in tests (test_load_http1_curl), which also lists where this is stricter.
#ifndef SEEP_LOAD_HTTP1_REPLY_H
#define SEEP_LOAD_HTTP1_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP1_HEAD_MAX = 256 * 1024, // bytes of a reply's heads (1xx ones too), chunk extensions and trailers together
};

enum http1_step {
    HTTP1_MORE,    // all input was taken; the reply goes on
    HTTP1_INTERIM, // the head of a 1xx reply ended; the real one follows
    HTTP1_HEAD,    // the head ended: status, keep_alive and length are known
    HTTP1_BODY,    // a piece of the body: *piece
    HTTP1_DONE,    // the reply is whole. Input that is left belongs to no request: the connection cannot be used again
    HTTP1_BAD,     // no HTTP/1.x reply that can be trusted; `why` says what is wrong
    HTTP1_LARGE,   // the body is, or says it will be, larger than body_max
};

// Set by http1_begin(); read only for the caller. All counts are of one reply.
struct http1_reply {
    const char *why;     // of HTTP1_BAD: a few words, static; else NULL
    uint64_t head_bytes; // status lines, header lines and trailers, as they came
    uint64_t body_bytes; // of content: without the framing of chunks
    uint64_t length;     // of Content-Length; meaningful when has_length
    uint16_t status;     // 100..999, 0: not known yet
    bool keep_alive;     // the connection may serve another request; meaningful from HTTP1_HEAD on
    bool has_length;
    bool chunked;
    bool head_done;  // HTTP1_HEAD was told
    bool head_large; // of HTTP1_BAD: more than HTTP1_HEAD_MAX of what is no body

    // private
    bool no_body, close_seen, keep_seen, coded, in_trailers, minor_is_1;
    bool gap; // a blank was seen where it may not be followed by everything
    uint8_t state, kind, at, digits;
    uint8_t word_len;
    char word[17];            // a header's name, or a token of its value
    uint64_t extension_bytes; // of chunks
    uint64_t left;            // of the body or the chunk; while it is read, a number of a header
    uint64_t body_max;
};

// Ready for the reply to one request. head_request: it was HEAD, whose reply has no body. body_max: bytes.
void http1_begin(struct http1_reply *r, bool head_request, uint64_t body_max);

// Takes input from data (len bytes) until something is to be told; *used is how much it took. Call again with the rest
// until HTTP1_MORE, HTTP1_DONE, HTTP1_BAD or HTTP1_LARGE; the last three stay. At HTTP1_BODY *piece points into data,
// *piece_len bytes.
enum http1_step http1_feed(struct http1_reply *r, const char *data, size_t len, size_t *used, const char **piece,
                           size_t *piece_len);

// The other side closed its end in order: HTTP1_DONE when that is how the body ends, else HTTP1_BAD (cut short).
enum http1_step http1_closed(struct http1_reply *r);

#endif
