// Reads one HTTP/1.x reply: see http1_reply.h.
//
// A state per place in the reply; each has a function that eats what it can and says whether there is something to
// tell. Only three headers decide where a reply ends (Content-Length, Transfer-Encoding, Connection); of all others the
// name is checked and the value skipped. A header's value is never stored: those three are understood byte by byte.
//
// Refused though some readers take it: Content-Length beside Transfer-Encoding, two that differ, signs and lists in it;
// codings after `chunked` and unknown ones; Transfer-Encoding in HTTP/1.0; a folded line of one of the three; blanks
// before a colon; a CR without its LF; NUL; chunk lines that do not end in CRLF.
#include "load/http1_reply.h"

#include <string.h>

enum state {
    STATUS_LINE,
    REASON,
    LINE_START,
    NAME,
    VALUE,
    LINE_FEED,
    HEAD_FEED,
    BODY_LENGTH,
    BODY_CLOSE,
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_FEED,
    CHUNK_DATA,
    CHUNK_RETURN,
    CHUNK_FEED,
    WHOLE,
    REFUSED,
    TOO_LARGE,
};

enum kind { OTHER, LENGTH, CODINGS, CONNECTION, NO_HEADER_YET };

enum {
    MINOR_AT = 7,
    BLANK_AT = 8,
    CODE_END = 12,
    WORD_LONG = sizeof((struct http1_reply *)0)->word + 1, // the length of every word that is longer than any we know
    CHUNK_DIGITS = 32,
};

struct input {
    const unsigned char *at, *end;
};

static enum http1_step refuse(struct http1_reply *r, const char *why)
{
    r->state = REFUSED;
    r->why = why;
    return HTTP1_BAD;
}

static enum http1_step too_large(struct http1_reply *r)
{
    r->state = TOO_LARGE;
    return HTTP1_LARGE;
}

static enum http1_step whole(struct http1_reply *r)
{
    r->state = WHOLE;
    return HTTP1_DONE;
}

void http1_begin(struct http1_reply *r, bool head_request, uint64_t body_max)
{
    *r = (struct http1_reply){.no_body = head_request, .body_max = body_max, .state = STATUS_LINE};
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

static const bool ends_text[256] = {['\0'] = true, ['\r'] = true, ['\n'] = true};

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t';
}

// ---- the status line ------------------------------------------------------------------------------------------------

static enum http1_step status_byte(struct http1_reply *r, unsigned char c)
{
    static const char want[MINOR_AT + 1] = "HTTP/1.";
    unsigned at = r->at++;
    if (at < MINOR_AT)
        return c == (unsigned char)want[at] ? HTTP1_MORE : refuse(r, "the reply does not begin with HTTP/1.");
    if (at == MINOR_AT) {
        r->minor_is_1 = c == '1';
        return c == '0' || c == '1' ? HTTP1_MORE : refuse(r, "a version of HTTP that is not 1.0 or 1.1");
    }
    if (at == BLANK_AT)
        return c == ' ' ? HTTP1_MORE : refuse(r, "no blank before the status");
    if (c < '0' || c > '9')
        return refuse(r, "a status that is not three digits");
    r->status = (uint16_t)(r->status * 10 + (c - '0'));
    if (at + 1 < CODE_END)
        return HTTP1_MORE;
    r->state = REASON;
    r->gap = 1;
    return r->status >= 100 ? HTTP1_MORE : refuse(r, "a status below 100");
}

static enum http1_step take_status(struct http1_reply *r, struct input *in)
{
    enum http1_step step = HTTP1_MORE;
    while (in->at < in->end && r->state == STATUS_LINE && step == HTTP1_MORE)
        step = status_byte(r, *in->at++);
    return step;
}

static enum http1_step line_ends(struct http1_reply *r, unsigned char c);

// Text nobody reads, up to the end of the line.
static enum http1_step skip_text(struct http1_reply *r, struct input *in)
{
    const unsigned char *at = in->at, *end = in->end;
    while (at < end && !ends_text[*at])
        at++;
    in->at = at;
    if (at == end)
        return HTTP1_MORE;
    in->at++;
    return line_ends(r, *at);
}

static enum http1_step take_reason(struct http1_reply *r, struct input *in)
{
    if (r->gap && !is_blank(*in->at) && !ends_text[*in->at])
        return refuse(r, "a status that is not three digits");
    r->gap = 0;
    r->kind = NO_HEADER_YET;
    return skip_text(r, in);
}

// ---- header lines ---------------------------------------------------------------------------------------------------

// Over with one of the three headers: is what it said complete?
static enum http1_step value_ends(struct http1_reply *r);

static enum http1_step line_ends(struct http1_reply *r, unsigned char c)
{
    if (c == '\0')
        return refuse(r, "a NUL in the head");
    if (c == '\r') {
        r->state = LINE_FEED;
        return HTTP1_MORE;
    }
    r->state = LINE_START;
    return value_ends(r);
}

static enum http1_step take_line_feed(struct http1_reply *r, struct input *in)
{
    if (*in->at++ != '\n')
        return refuse(r, "a carriage return without its line feed");
    return line_ends(r, '\n');
}

static enum http1_step head_ends(struct http1_reply *r);

static enum http1_step take_line_start(struct http1_reply *r, struct input *in)
{
    unsigned char c = *in->at;
    if (c == '\r' || c == '\n') {
        in->at++;
        r->state = HEAD_FEED;
        return c == '\n' ? head_ends(r) : HTTP1_MORE;
    }
    if (is_blank(c)) {
        if (r->kind != OTHER)
            return refuse(r, "a folded line where it could hide the end of the reply");
        r->state = VALUE;
        return HTTP1_MORE;
    }
    word_clear(r);
    r->state = NAME;
    return is_token[c] ? HTTP1_MORE : refuse(r, "a header line without a name");
}

static enum http1_step take_head_feed(struct http1_reply *r, struct input *in)
{
    return *in->at++ == '\n' ? head_ends(r) : refuse(r, "a carriage return without its line feed");
}

static enum kind kind_of_word(const struct http1_reply *r)
{
    if (r->in_trailers)
        return OTHER; // trailers say nothing about where the reply ends
    if (WORD_IS(r, "content-length"))
        return LENGTH;
    if (WORD_IS(r, "transfer-encoding"))
        return CODINGS;
    return WORD_IS(r, "connection") ? CONNECTION : OTHER;
}

static enum http1_step take_name(struct http1_reply *r, struct input *in)
{
    const unsigned char *at = in->at;
    for (; at < in->end && is_token[*at]; at++)
        word_add(r, *at);
    in->at = at;
    if (at == in->end)
        return HTTP1_MORE;
    if (*in->at++ != ':')
        return refuse(r, "a header line without a colon after its name");
    r->kind = kind_of_word(r);
    r->state = VALUE;
    r->digits = 0;
    r->left = 0;
    r->gap = 0;
    word_clear(r);
    return HTTP1_MORE;
}

static enum http1_step length_byte(struct http1_reply *r, unsigned char c)
{
    if (is_blank(c)) {
        r->gap = r->digits > 0;
        return HTTP1_MORE;
    }
    if (c < '0' || c > '9' || r->gap || r->left > (UINT64_MAX - 9) / 10)
        return refuse(r, "a Content-Length that is not a number");
    r->left = r->left * 10 + (c - '0');
    r->digits = 1;
    return HTTP1_MORE;
}

static enum http1_step length_ends(struct http1_reply *r)
{
    if (!r->digits)
        return refuse(r, "a Content-Length that is not a number");
    if (r->has_length && r->length != r->left)
        return refuse(r, "two Content-Length that differ");
    r->has_length = true;
    r->length = r->left;
    return HTTP1_MORE;
}

static enum http1_step coding_ends(struct http1_reply *r)
{
    if (r->word_len == 0)
        return HTTP1_MORE;
    if (r->chunked)
        return refuse(r, "a transfer coding after chunked");
    r->coded = true;
    r->chunked = WORD_IS(r, "chunked");
    bool known = r->chunked || WORD_IS(r, "gzip") || WORD_IS(r, "x-gzip") || WORD_IS(r, "deflate") ||
                 WORD_IS(r, "compress") || WORD_IS(r, "x-compress") || WORD_IS(r, "identity");
    return known ? HTTP1_MORE : refuse(r, "an unknown transfer coding");
}

static enum http1_step option_ends(struct http1_reply *r)
{
    r->close_seen |= WORD_IS(r, "close");
    r->keep_seen |= WORD_IS(r, "keep-alive");
    return HTTP1_MORE;
}

static enum http1_step token_ends(struct http1_reply *r)
{
    enum http1_step step = r->kind == CODINGS ? coding_ends(r) : option_ends(r);
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
    if (is_blank(c)) {
        r->gap = r->word_len > 0;
        return HTTP1_MORE;
    }
    if (r->kind == CODINGS && (!is_token[c] || r->gap))
        return refuse(r, "a Transfer-Encoding that is not a list of codings");
    if (!is_token[c] || r->gap)
        r->word_len = WORD_LONG;
    word_add(r, c);
    return HTTP1_MORE;
}

static enum http1_step value_ends(struct http1_reply *r)
{
    switch (r->kind) {
    case LENGTH:
        return length_ends(r);
    case CODINGS:
    case CONNECTION:
        return token_ends(r);
    default:
        return HTTP1_MORE;
    }
}

static enum http1_step take_value(struct http1_reply *r, struct input *in)
{
    if (r->kind == OTHER)
        return skip_text(r, in);
    while (in->at < in->end) {
        unsigned char c = *in->at++;
        if (ends_text[c])
            return line_ends(r, c);
        enum http1_step step = r->kind == LENGTH ? length_byte(r, c) : token_byte(r, c);
        if (step != HTTP1_MORE)
            return step;
    }
    return HTTP1_MORE;
}

// ---- from head to body ----------------------------------------------------------------------------------------------

static enum http1_step interim_ends(struct http1_reply *r)
{
    if (r->status == 101)
        return refuse(r, "a change of protocol that was not asked for");
    uint64_t head_bytes = r->head_bytes;
    http1_begin(r, r->no_body, r->body_max);
    r->head_bytes = head_bytes; // they count together: interim replies without end are refused as well
    return HTTP1_INTERIM;
}

static enum http1_step body_begins(struct http1_reply *r)
{
    r->keep_alive = !r->close_seen && (r->minor_is_1 || r->keep_seen);
    r->head_done = true;
    r->state = BODY_LENGTH;
    r->left = 0;
    r->digits = 0;
    if (r->no_body || r->status == 204 || r->status == 304)
        return HTTP1_HEAD;
    if (r->chunked) {
        r->state = CHUNK_SIZE;
    } else if (r->has_length && r->length > r->body_max) {
        return too_large(r);
    } else if (r->has_length) {
        r->left = r->length;
    } else {
        r->state = BODY_CLOSE;
        r->keep_alive = false;
    }
    return HTTP1_HEAD;
}

static enum http1_step head_ends(struct http1_reply *r)
{
    if (r->in_trailers)
        return whole(r);
    if (r->status < 200)
        return interim_ends(r);
    if (r->coded && r->has_length)
        return refuse(r, "both Content-Length and Transfer-Encoding");
    if (r->coded && !r->minor_is_1)
        return refuse(r, "a Transfer-Encoding in HTTP/1.0");
    return body_begins(r);
}

// ---- the body -------------------------------------------------------------------------------------------------------

static enum http1_step body_piece(struct http1_reply *r, struct input *in, uint64_t most)
{
    size_t have = (size_t)(in->end - in->at);
    if (have > most)
        have = (size_t)most;
    r->body_bytes += have;
    if (r->body_bytes > r->body_max)
        return too_large(r);
    in->at += have;
    return HTTP1_BODY;
}

static enum http1_step take_length(struct http1_reply *r, struct input *in)
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

static enum http1_step take_chunk_size(struct http1_reply *r, struct input *in)
{
    while (in->at < in->end) {
        unsigned char c = *in->at++;
        int digit = hex_digit(c);
        if (digit >= 0) {
            if (r->left > UINT64_MAX >> 4 || r->digits == CHUNK_DIGITS) // zeros in front have an end too
                return refuse(r, "a chunk size that is too long");
            r->left = r->left << 4 | (uint64_t)digit;
            r->digits++;
            continue;
        }
        bool ended = c == ';' || c == '\r' || is_blank(c);
        if (!r->digits || !ended)
            return refuse(r, "a chunk size that is not a number");
        r->state = c == '\r' ? CHUNK_SIZE_FEED : CHUNK_EXTENSION;
        return HTTP1_MORE;
    }
    return HTTP1_MORE;
}

static enum http1_step take_extension(struct http1_reply *r, struct input *in)
{
    const unsigned char *at = in->at;
    while (at < in->end && !ends_text[*at])
        at++;
    in->at = at;
    if (at == in->end)
        return HTTP1_MORE;
    in->at++;
    r->state = CHUNK_SIZE_FEED;
    return *at == '\r' ? HTTP1_MORE : refuse(r, "a chunk line that does not end in CRLF");
}

static enum http1_step take_size_feed(struct http1_reply *r, struct input *in)
{
    if (*in->at++ != '\n')
        return refuse(r, "a chunk line that does not end in CRLF");
    if (r->left > 0 && r->left > r->body_max - r->body_bytes)
        return too_large(r);
    r->state = CHUNK_DATA;
    if (r->left == 0) {
        r->in_trailers = true;
        r->kind = NO_HEADER_YET;
        r->state = LINE_START;
    }
    return HTTP1_MORE;
}

static enum http1_step take_chunk_data(struct http1_reply *r, struct input *in)
{
    const unsigned char *from = in->at;
    enum http1_step step = body_piece(r, in, r->left);
    r->left -= (uint64_t)(in->at - from);
    if (r->left == 0 && step == HTTP1_BODY)
        r->state = CHUNK_RETURN;
    return step;
}

static enum http1_step take_chunk_return(struct http1_reply *r, struct input *in)
{
    r->state = CHUNK_FEED;
    return *in->at++ == '\r' ? HTTP1_MORE : refuse(r, "a chunk longer than it says");
}

static enum http1_step take_chunk_feed(struct http1_reply *r, struct input *in)
{
    if (*in->at++ != '\n')
        return refuse(r, "a chunk longer than it says");
    r->state = CHUNK_SIZE;
    r->left = 0;
    r->digits = 0;
    return HTTP1_MORE;
}

static enum http1_step take_rest(struct http1_reply *r, struct input *in)
{
    return body_piece(r, in, UINT64_MAX);
}

// ---- all of it ------------------------------------------------------------------------------------------------------

typedef enum http1_step take_fn(struct http1_reply *r, struct input *in);

static take_fn *const take[] = {
    [STATUS_LINE] = take_status,
    [REASON] = take_reason,
    [LINE_START] = take_line_start,
    [NAME] = take_name,
    [VALUE] = take_value,
    [LINE_FEED] = take_line_feed,
    [HEAD_FEED] = take_head_feed,
    [BODY_LENGTH] = take_length,
    [BODY_CLOSE] = take_rest,
    [CHUNK_SIZE] = take_chunk_size,
    [CHUNK_EXTENSION] = take_extension,
    [CHUNK_SIZE_FEED] = take_size_feed,
    [CHUNK_DATA] = take_chunk_data,
    [CHUNK_RETURN] = take_chunk_return,
    [CHUNK_FEED] = take_chunk_feed,
};

// The empty line after the trailers frames the last chunk, and is not counted (curl does not either).
static enum http1_step count(struct http1_reply *r, uint8_t state, size_t taken, enum http1_step step)
{
    if (r->in_trailers && (state == LINE_START || state == HEAD_FEED))
        return step;
    if (state <= HEAD_FEED)
        r->head_bytes += taken;
    else if (state == CHUNK_EXTENSION)
        r->extension_bytes += taken;
    if (step == HTTP1_BAD || r->head_bytes + r->extension_bytes <= HTTP1_HEAD_MAX)
        return step;
    r->head_large = true;
    return refuse(r, "a head that is too large");
}

// What is known without further input.
static enum http1_step standing(struct http1_reply *r)
{
    switch ((enum state)r->state) {
    case WHOLE:
        return HTTP1_DONE;
    case REFUSED:
        return HTTP1_BAD;
    case TOO_LARGE:
        return HTTP1_LARGE;
    case BODY_LENGTH:
        return r->left == 0 ? whole(r) : HTTP1_MORE;
    default:
        return HTTP1_MORE;
    }
}

enum http1_step http1_feed(struct http1_reply *r, const char *data, size_t len, size_t *used, const char **piece,
                           size_t *piece_len)
{
    const unsigned char *begin = (const unsigned char *)data;
    struct input in = {begin, begin + len};
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
    return r->state == BODY_CLOSE ? whole(r) : refuse(r, "a reply that was cut short");
}
