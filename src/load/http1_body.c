// The body of an HTTP/1.x reply: by its length, in chunks, or until the connection closes. See http1_reply.h and the
// head of http1_reply.c.
#include "load/http1_state.h"

enum { CHUNK_DIGITS = 32 };

static enum http1_step body_piece(struct http1_reply *r, struct http1_input *in, uint64_t most)
{
    size_t have = (size_t)(in->end - in->at);
    if (have > most)
        have = (size_t)most;
    r->body_bytes += have;
    if (r->body_bytes > r->body_max)
        return http1_too_large(r);
    in->at += have;
    return HTTP1_BODY;
}

enum http1_step http1_take_length(struct http1_reply *r, struct http1_input *in)
{
    const unsigned char *from = in->at;
    enum http1_step step = body_piece(r, in, r->left);
    r->left -= (uint64_t)(in->at - from);
    return step;
}

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum http1_step http1_take_chunk_size(struct http1_reply *r, struct http1_input *in)
{
    while (in->at < in->end) {
        unsigned char c = *in->at++;
        int digit = hex_digit(c);
        if (digit >= 0) {
            if (r->left > UINT64_MAX >> 4 || r->digits == CHUNK_DIGITS) // zeros in front have an end too
                return http1_refuse(r, "a chunk size that is too long");
            r->left = r->left << 4 | (uint64_t)digit;
            r->digits++;
            continue;
        }
        bool ended = c == ';' || c == '\r' || http1_is_blank(c);
        if (!r->digits || !ended)
            return http1_refuse(r, "a chunk size that is not a number");
        r->state = c == '\r' ? AT_CHUNK_SIZE_FEED : AT_CHUNK_EXTENSION;
        return HTTP1_MORE;
    }
    return HTTP1_MORE;
}

enum http1_step http1_take_extension(struct http1_reply *r, struct http1_input *in)
{
    const unsigned char *at = in->at;
    while (at < in->end && !http1_ends_text[*at])
        at++;
    in->at = at;
    if (at == in->end)
        return HTTP1_MORE;
    in->at++;
    r->state = AT_CHUNK_SIZE_FEED;
    return *at == '\r' ? HTTP1_MORE : http1_refuse(r, "a chunk line that does not end in CRLF");
}

enum http1_step http1_take_size_feed(struct http1_reply *r, struct http1_input *in)
{
    if (*in->at++ != '\n')
        return http1_refuse(r, "a chunk line that does not end in CRLF");
    if (r->left > 0 && r->left > r->body_max - r->body_bytes)
        return http1_too_large(r);
    r->state = AT_CHUNK_DATA;
    if (r->left == 0) {
        r->in_trailers = true;
        r->kind = OF_NO_HEADER_YET;
        r->state = AT_LINE_START;
    }
    return HTTP1_MORE;
}

enum http1_step http1_take_chunk_data(struct http1_reply *r, struct http1_input *in)
{
    const unsigned char *from = in->at;
    enum http1_step step = body_piece(r, in, r->left);
    r->left -= (uint64_t)(in->at - from);
    if (r->left == 0 && step == HTTP1_BODY)
        r->state = AT_CHUNK_RETURN;
    return step;
}

enum http1_step http1_take_chunk_return(struct http1_reply *r, struct http1_input *in)
{
    r->state = AT_CHUNK_FEED;
    return *in->at++ == '\r' ? HTTP1_MORE : http1_refuse(r, "a chunk longer than it says");
}

enum http1_step http1_take_chunk_feed(struct http1_reply *r, struct http1_input *in)
{
    if (*in->at++ != '\n')
        return http1_refuse(r, "a chunk longer than it says");
    r->state = AT_CHUNK_SIZE;
    r->left = 0;
    r->digits = 0;
    return HTTP1_MORE;
}

enum http1_step http1_take_rest(struct http1_reply *r, struct http1_input *in)
{
    return body_piece(r, in, UINT64_MAX);
}
