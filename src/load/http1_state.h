// The inside of the reader of replies, shared by http1_reply.c (heads, and all of it) and http1_body.c. Nobody else
// includes it.
#ifndef SEEP_LOAD_HTTP1_STATE_H
#define SEEP_LOAD_HTTP1_STATE_H

#include "load/http1_reply.h"

enum http1_state {
    AT_STATUS_LINE,
    AT_REASON,
    AT_LINE_START,
    AT_NAME,
    AT_VALUE,
    AT_LINE_FEED,
    AT_HEAD_FEED,
    AT_BODY_LENGTH,
    AT_BODY_CLOSE,
    AT_CHUNK_SIZE,
    AT_CHUNK_EXTENSION,
    AT_CHUNK_SIZE_FEED,
    AT_CHUNK_DATA,
    AT_CHUNK_RETURN,
    AT_CHUNK_FEED,
    AT_WHOLE,
    AT_REFUSED,
    AT_TOO_LARGE,
};

// Which header a line is.
enum http1_kind { OF_OTHER, OF_LENGTH, OF_CODINGS, OF_CONNECTION, OF_NO_HEADER_YET };

struct http1_input {
    const unsigned char *at, *end;
};

static inline enum http1_step http1_refuse(struct http1_reply *r, const char *why)
{
    r->state = AT_REFUSED;
    r->why = why;
    return HTTP1_BAD;
}

static inline enum http1_step http1_too_large(struct http1_reply *r)
{
    r->state = AT_TOO_LARGE;
    return HTTP1_LARGE;
}

static inline enum http1_step http1_whole(struct http1_reply *r)
{
    r->state = AT_WHOLE;
    return HTTP1_DONE;
}

// Bytes that no text may hold, or that end it.
static const bool http1_ends_text[256] = {['\0'] = true, ['\r'] = true, ['\n'] = true};

static inline bool http1_is_blank(unsigned char c)
{
    return c == ' ' || c == '\t';
}

// http1_body.c: each eats what it can of its place in the reply.
enum http1_step http1_take_length(struct http1_reply *r, struct http1_input *in);
enum http1_step http1_take_chunk_size(struct http1_reply *r, struct http1_input *in);
enum http1_step http1_take_extension(struct http1_reply *r, struct http1_input *in);
enum http1_step http1_take_size_feed(struct http1_reply *r, struct http1_input *in);
enum http1_step http1_take_chunk_data(struct http1_reply *r, struct http1_input *in);
enum http1_step http1_take_chunk_return(struct http1_reply *r, struct http1_input *in);
enum http1_step http1_take_chunk_feed(struct http1_reply *r, struct http1_input *in);
enum http1_step http1_take_rest(struct http1_reply *r, struct http1_input *in);

#endif
