// Reads one HTTP/1.x reply: see http1_reply.h.
//
// A state per place in the reply; each has a function that eats what it can and says whether there is something to
// tell. Only three headers decide where a reply ends (Content-Length, Transfer-Encoding, Connection); of all others the
// name is checked and the value skipped. A header's value is never stored: those three are understood byte by byte.
//
// Refused though some readers take it: Content-Length beside Transfer-Encoding, two that differ, signs and lists in it;
// codings after `chunked` and unknown ones; Transfer-Encoding in HTTP/1.0; a folded line of one of the three; blanks
// before a colon; a CR without its LF; NUL; chunk lines that do not end in CRLF.
#include "load/http1_state.h"

#include <string.h>

enum {
    MINOR_AT = 7,
    BLANK_AT = 8,
    CODE_END = 12,
    WORD_LONG = sizeof((struct http1_reply *)0)->word + 1, // the length of every word that is longer than any we know
};

void http1_begin(struct http1_reply *r, bool head_request, uint64_t body_max)
{
    *r = (struct http1_reply){.no_body = head_request, .body_max = body_max, .state = AT_STATUS_LINE};
}

// ---- words: names of headers and tokens of their values, lower case, cut at the longest one that matters ------------

static void word_clear(struct http1_reply *r)
{
    r->word_len = 0;
}

static void word_add(struct http1_reply *r, unsigned char c)
{
    if (r->word_len < sizeof r->word)
        r->word[r->word_len] = (char)(c | 0x20); // of a token: letters become lower case, '-' and digits stay
    if (r->word_len < WORD_LONG)
        r->word_len++;
}

static bool word_is(const struct http1_reply *r, const char *text, size_t len)
{
    return r->word_len == len && memcmp(r->word, text, len) == 0;
}
#define WORD_IS(r, text) word_is(r, text, sizeof(text) - 1)

static const bool is_token[256] = {
    ['!'] = true,         ['#' ... '\''] = true, ['*'] = true,         ['+'] = true, ['-'] = true, ['.'] = true,
    ['0' ... '9'] = true, ['A' ... 'Z'] = true,  ['^' ... 'z'] = true, ['|'] = true, ['~'] = true,
};

// ---- the status line ------------------------------------------------------------------------------------------------

static enum http1_step status_byte(struct http1_reply *r, unsigned char c)
{
    static const char want[MINOR_AT + 1] = "HTTP/1.";
    unsigned at = r->at++;
    if (at < MINOR_AT)
        return c == (unsigned char)want[at] ? HTTP1_MORE : http1_refuse(r, "the reply does not begin with HTTP/1.");
    if (at == MINOR_AT) {
        r->minor_is_1 = c == '1';
        return c == '0' || c == '1' ? HTTP1_MORE : http1_refuse(r, "a version of HTTP that is not 1.0 or 1.1");
    }
    if (at == BLANK_AT)
        return c == ' ' ? HTTP1_MORE : http1_refuse(r, "no blank before the status");
    if (c < '0' || c > '9')
        return http1_refuse(r, "a status that is not three digits");
    r->status = (uint16_t)(r->status * 10 + (c - '0'));
    if (at + 1 < CODE_END)
        return HTTP1_MORE;
    r->state = AT_REASON;
    r->gap = 1;
    return r->status >= 100 ? HTTP1_MORE : http1_refuse(r, "a status below 100");
}

static enum http1_step take_status(struct http1_reply *r, struct http1_input *in)
{
    enum http1_step step = HTTP1_MORE;
    while (in->at < in->end && r->state == AT_STATUS_LINE && step == HTTP1_MORE)
        step = status_byte(r, *in->at++);
    return step;
}

static enum http1_step line_ends(struct http1_reply *r, unsigned char c);

// Text nobody reads, up to the end of the line.
static enum http1_step skip_text(struct http1_reply *r, struct http1_input *in)
{
    const unsigned char *at = in->at, *end = in->end;
    while (at < end && !http1_ends_text[*at])
        at++;
    in->at = at;
    if (at == end)
        return HTTP1_MORE;
    in->at++;
    return line_ends(r, *at);
}

static enum http1_step take_reason(struct http1_reply *r, struct http1_input *in)
{
    if (r->gap && !http1_is_blank(*in->at) && !http1_ends_text[*in->at])
        return http1_refuse(r, "a status that is not three digits");
    r->gap = 0;
    r->kind = OF_NO_HEADER_YET;
    return skip_text(r, in);
}

// ---- header lines ---------------------------------------------------------------------------------------------------

// Over with one of the three headers: is what it said complete?
static enum http1_step value_ends(struct http1_reply *r);

static enum http1_step line_ends(struct http1_reply *r, unsigned char c)
{
    if (c == '\0')
        return http1_refuse(r, "a NUL in the head");
    if (c == '\r') {
        r->state = AT_LINE_FEED;
        return HTTP1_MORE;
    }
    r->state = AT_LINE_START;
    return value_ends(r);
}

static enum http1_step take_line_feed(struct http1_reply *r, struct http1_input *in)
{
    if (*in->at++ != '\n')
        return http1_refuse(r, "a carriage return without its line feed");
    return line_ends(r, '\n');
}

static enum http1_step head_ends(struct http1_reply *r);

static enum http1_step take_line_start(struct http1_reply *r, struct http1_input *in)
{
    unsigned char c = *in->at;
    if (c == '\r' || c == '\n') {
        in->at++;
        r->state = AT_HEAD_FEED;
        return c == '\n' ? head_ends(r) : HTTP1_MORE;
    }
    if (http1_is_blank(c)) {
        if (r->kind != OF_OTHER)
            return http1_refuse(r, "a folded line where it could hide the end of the reply");
        r->state = AT_VALUE;
        return HTTP1_MORE;
    }
    word_clear(r);
    r->state = AT_NAME;
    return is_token[c] ? HTTP1_MORE : http1_refuse(r, "a header line without a name");
}

static enum http1_step take_head_feed(struct http1_reply *r, struct http1_input *in)
{
    return *in->at++ == '\n' ? head_ends(r) : http1_refuse(r, "a carriage return without its line feed");
}

static enum http1_kind kind_of_word(const struct http1_reply *r)
{
    if (r->in_trailers)
        return OF_OTHER; // trailers say nothing about where the reply ends
    if (WORD_IS(r, "content-length"))
        return OF_LENGTH;
    if (WORD_IS(r, "transfer-encoding"))
        return OF_CODINGS;
    return WORD_IS(r, "connection") ? OF_CONNECTION : OF_OTHER;
}

static enum http1_step take_name(struct http1_reply *r, struct http1_input *in)
{
    const unsigned char *at = in->at;
    for (; at < in->end && is_token[*at]; at++)
        word_add(r, *at);
    in->at = at;
    if (at == in->end)
        return HTTP1_MORE;
    if (*in->at++ != ':')
        return http1_refuse(r, "a header line without a colon after its name");
    r->kind = kind_of_word(r);
    r->state = AT_VALUE;
    r->digits = 0;
    r->left = 0;
    r->gap = 0;
    word_clear(r);
    return HTTP1_MORE;
}

static enum http1_step length_byte(struct http1_reply *r, unsigned char c)
{
    if (http1_is_blank(c)) {
        r->gap = r->digits > 0;
        return HTTP1_MORE;
    }
    if (c < '0' || c > '9' || r->gap || r->left > (UINT64_MAX - 9) / 10)
        return http1_refuse(r, "a Content-Length that is not a number");
    r->left = r->left * 10 + (c - '0');
    r->digits = 1;
    return HTTP1_MORE;
}

static enum http1_step length_ends(struct http1_reply *r)
{
    if (!r->digits)
        return http1_refuse(r, "a Content-Length that is not a number");
    if (r->has_length && r->length != r->left)
        return http1_refuse(r, "two Content-Length that differ");
    r->has_length = true;
    r->length = r->left;
    return HTTP1_MORE;
}

static enum http1_step coding_ends(struct http1_reply *r)
{
    if (r->word_len == 0)
        return HTTP1_MORE;
    if (r->chunked)
        return http1_refuse(r, "a transfer coding after chunked");
    r->coded = true;
    r->chunked = WORD_IS(r, "chunked");
    bool known = r->chunked || WORD_IS(r, "gzip") || WORD_IS(r, "x-gzip") || WORD_IS(r, "deflate") ||
                 WORD_IS(r, "compress") || WORD_IS(r, "x-compress") || WORD_IS(r, "identity");
    return known ? HTTP1_MORE : http1_refuse(r, "an unknown transfer coding");
}

static enum http1_step option_ends(struct http1_reply *r)
{
    r->close_seen |= WORD_IS(r, "close");
    r->keep_seen |= WORD_IS(r, "keep-alive");
    return HTTP1_MORE;
}

static enum http1_step token_ends(struct http1_reply *r)
{
    enum http1_step step = r->kind == OF_CODINGS ? coding_ends(r) : option_ends(r);
    word_clear(r);
    r->gap = 0;
    return step;
}

// Transfer-Encoding and Connection: tokens and commas. Anything else of an option of Connection only makes it one that
// means nothing here; of a coding it is refused.
static enum http1_step token_byte(struct http1_reply *r, unsigned char c)
{
    if (c == ',')
        return token_ends(r);
    if (http1_is_blank(c)) {
        r->gap = r->word_len > 0;
        return HTTP1_MORE;
    }
    if (r->kind == OF_CODINGS && (!is_token[c] || r->gap))
        return http1_refuse(r, "a Transfer-Encoding that is not a list of codings");
    if (!is_token[c] || r->gap)
        r->word_len = WORD_LONG;
    word_add(r, c);
    return HTTP1_MORE;
}

static enum http1_step value_ends(struct http1_reply *r)
{
    switch (r->kind) {
    case OF_LENGTH:
        return length_ends(r);
    case OF_CODINGS:
    case OF_CONNECTION:
        return token_ends(r);
    default:
        return HTTP1_MORE;
    }
}

static enum http1_step take_value(struct http1_reply *r, struct http1_input *in)
{
    if (r->kind == OF_OTHER)
        return skip_text(r, in);
    while (in->at < in->end) {
        unsigned char c = *in->at++;
        if (http1_ends_text[c])
            return line_ends(r, c);
        enum http1_step step = r->kind == OF_LENGTH ? length_byte(r, c) : token_byte(r, c);
        if (step != HTTP1_MORE)
            return step;
    }
    return HTTP1_MORE;
}

// ---- from head to body ----------------------------------------------------------------------------------------------

static enum http1_step interim_ends(struct http1_reply *r)
{
    if (r->status == 101)
        return http1_refuse(r, "a change of protocol that was not asked for");
    uint64_t head_bytes = r->head_bytes;
    http1_begin(r, r->no_body, r->body_max);
    r->head_bytes = head_bytes; // they count together: interim replies without end are refused as well
    return HTTP1_INTERIM;
}

static enum http1_step body_begins(struct http1_reply *r)
{
    r->keep_alive = !r->close_seen && (r->minor_is_1 || r->keep_seen);
    r->head_done = true;
    r->state = AT_BODY_LENGTH;
    r->left = 0;
    r->digits = 0;
    if (r->no_body || r->status == 204 || r->status == 304)
        return HTTP1_HEAD;
    if (r->chunked) {
        r->state = AT_CHUNK_SIZE;
    } else if (r->has_length && r->length > r->body_max) {
        return http1_too_large(r);
    } else if (r->has_length) {
        r->left = r->length;
    } else {
        r->state = AT_BODY_CLOSE;
        r->keep_alive = false;
    }
    return HTTP1_HEAD;
}

static enum http1_step head_ends(struct http1_reply *r)
{
    if (r->in_trailers)
        return http1_whole(r);
    if (r->status < 200)
        return interim_ends(r);
    if (r->coded && r->has_length)
        return http1_refuse(r, "both Content-Length and Transfer-Encoding");
    if (r->coded && !r->minor_is_1)
        return http1_refuse(r, "a Transfer-Encoding in HTTP/1.0");
    return body_begins(r);
}

// ---- all of it ------------------------------------------------------------------------------------------------------

typedef enum http1_step take_fn(struct http1_reply *r, struct http1_input *in);

static take_fn *const take[] = {
    [AT_STATUS_LINE] = take_status,
    [AT_REASON] = take_reason,
    [AT_LINE_START] = take_line_start,
    [AT_NAME] = take_name,
    [AT_VALUE] = take_value,
    [AT_LINE_FEED] = take_line_feed,
    [AT_HEAD_FEED] = take_head_feed,
    [AT_BODY_LENGTH] = http1_take_length,
    [AT_BODY_CLOSE] = http1_take_rest,
    [AT_CHUNK_SIZE] = http1_take_chunk_size,
    [AT_CHUNK_EXTENSION] = http1_take_extension,
    [AT_CHUNK_SIZE_FEED] = http1_take_size_feed,
    [AT_CHUNK_DATA] = http1_take_chunk_data,
    [AT_CHUNK_RETURN] = http1_take_chunk_return,
    [AT_CHUNK_FEED] = http1_take_chunk_feed,
};

// The empty line after the trailers frames the last chunk, and is not counted (curl does not either).
static enum http1_step count(struct http1_reply *r, uint8_t state, size_t taken, enum http1_step step)
{
    if (r->in_trailers && (state == AT_LINE_START || state == AT_HEAD_FEED))
        return step;
    if (state <= AT_HEAD_FEED)
        r->head_bytes += taken;
    else if (state == AT_CHUNK_EXTENSION)
        r->extension_bytes += taken;
    if (step == HTTP1_BAD || r->head_bytes + r->extension_bytes <= HTTP1_HEAD_MAX)
        return step;
    r->head_large = true;
    return http1_refuse(r, "a head that is too large");
}

// What is known without further input.
static enum http1_step standing(struct http1_reply *r)
{
    switch ((enum http1_state)r->state) {
    case AT_WHOLE:
        return HTTP1_DONE;
    case AT_REFUSED:
        return HTTP1_BAD;
    case AT_TOO_LARGE:
        return HTTP1_LARGE;
    case AT_BODY_LENGTH:
        return r->left == 0 ? http1_whole(r) : HTTP1_MORE;
    default:
        return HTTP1_MORE;
    }
}

enum http1_step http1_feed(struct http1_reply *r, const char *data, size_t len, size_t *used, const char **piece,
                           size_t *piece_len)
{
    const unsigned char *begin = (const unsigned char *)data;
    struct http1_input in = {begin, begin + len};
    enum http1_step step = standing(r);
    while (step == HTTP1_MORE && in.at < in.end) {
        const unsigned char *from = in.at;
        uint8_t state = r->state;
        step = take[state](r, &in);
        step = count(r, state, (size_t)(in.at - from), step);
        if (step == HTTP1_BODY) {
            *piece = (const char *)from;
            *piece_len = (size_t)(in.at - from);
        }
    }
    *used = (size_t)(in.at - begin);
    return step;
}

enum http1_step http1_closed(struct http1_reply *r)
{
    enum http1_step step = standing(r);
    if (step != HTTP1_MORE)
        return step;
    return r->state == AT_BODY_CLOSE ? http1_whole(r) : http1_refuse(r, "a reply that was cut short");
}
