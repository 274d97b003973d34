// RESP2 and RESP3: see raw_reply.h.
//
// A value is a line that begins with its type; strings have so many bytes and CRLF after it, aggregates so many values.
// An attribute (`|`) stands before the value it belongs to, and a push (`>`) is no reply to anybody: when one of them
// ends, no value has ended.
#include "load/raw_state.h"

enum state { TYPE, NUMBER, TEXT, LINE_FEED, STRING, STRING_RETURN, STRING_FEED };

enum { NUMBER_DIGITS = 18 };
#define ASIDE ((uint64_t)1 << 63) // in raw_reply.open: an attribute or a push

static bool is_string(uint8_t type)
{
    return type == '$' || type == '=' || type == '!';
}

static bool is_aggregate(uint8_t type)
{
    return type == '*' || type == '%' || type == '~' || type == '>' || type == '|';
}

static bool is_line(uint8_t type)
{
    return type == '+' || type == '-' || type == ':' || type == '_' || type == '#' || type == ',' || type == '(';
}

// A value is whole: so may be those around it, and with the outermost the reply.
static enum raw_step value_ends(struct raw_reply *r)
{
    r->state = TYPE;
    for (; r->depth > 0; r->depth--) {
        uint64_t *missing = &r->open[r->depth - 1];
        if ((--*missing & ~ASIDE) > 0)
            return RAW_MORE;
        if (*missing & ASIDE) {
            r->depth--;
            return RAW_MORE;
        }
    }
    return RAW_DONE;
}

static enum raw_step aggregate_begins(struct raw_reply *r)
{
    uint64_t values = r->left * (r->type == '%' || r->type == '|' ? 2 : 1);
    bool aside = r->type == '>' || r->type == '|';
    r->state = TYPE;
    if (values == 0)
        return aside ? RAW_MORE : value_ends(r);
    if (values > r->frame->size_max)
        return RAW_LARGE; // each has bytes
    if (r->depth == RAW_DEPTH)
        return raw_refuse(r, "values nested too deep");
    r->open[r->depth++] = values | (aside ? ASIDE : 0);
    return RAW_MORE;
}

static enum raw_step string_begins(struct raw_reply *r, const struct raw_input *in)
{
    r->state = STRING;
    if (r->type == '!')
        r->errors++;
    return raw_run_of(r, in, r->left);
}

static enum raw_step line_ends(struct raw_reply *r, const struct raw_input *in)
{
    if (r->type == '-')
        r->errors++;
    if (is_line(r->type))
        return value_ends(r);
    if (r->digits == 0)
        return raw_refuse(r, "a length that is not a number");
    if (r->minus) // null, as RESP2 writes it
        return r->left == 1 && (r->type == '$' || r->type == '*') ? value_ends(r)
                                                                  : raw_refuse(r, "a length below zero");
    return is_string(r->type) ? string_begins(r, in) : aggregate_begins(r);
}

static enum raw_step take_type(struct raw_reply *r, unsigned char c)
{
    r->type = c;
    r->left = 0;
    r->digits = r->minus = 0;
    r->state = is_line(c) ? TEXT : NUMBER;
    return is_line(c) || is_string(c) || is_aggregate(c) ? RAW_MORE : raw_refuse(r, "a type that RESP does not have");
}

static enum raw_step take_digit(struct raw_reply *r, unsigned char c)
{
    if (c == '\r') {
        r->state = LINE_FEED;
    } else if (c == '-' && r->digits == 0 && !r->minus) {
        r->minus = true;
    } else if (c >= '0' && c <= '9' && r->digits < NUMBER_DIGITS) {
        r->left = r->left * 10 + (c - '0');
        r->digits++;
    } else {
        return raw_refuse(r, c == '?' ? "a streamed value" : "a length that is not a number");
    }
    return RAW_MORE;
}

static enum raw_step take_text(struct raw_reply *r, struct raw_input *in)
{
    while (in->at < in->end) {
        unsigned char c = *in->at++;
        if (c == '\n')
            return raw_refuse(r, "a line that does not end in CRLF");
        if (c == '\r') {
            r->state = LINE_FEED;
            break;
        }
    }
    return RAW_MORE;
}

static enum raw_step take_end(struct raw_reply *r, unsigned char c)
{
    bool is_return = r->state == STRING_RETURN;
    if (c != (is_return ? '\r' : '\n'))
        return raw_refuse(r, "a string longer than it says");
    r->state = STRING_FEED;
    return is_return ? RAW_MORE : value_ends(r);
}

enum raw_step raw_take_resp(struct raw_reply *r, struct raw_input *in)
{
    switch ((enum state)r->state) {
    case TYPE:
        return take_type(r, *in->at++);
    case NUMBER:
        return take_digit(r, *in->at++);
    case TEXT:
        return take_text(r, in);
    case LINE_FEED:
        return *in->at++ == '\n' ? line_ends(r, in) : raw_refuse(r, "a line that does not end in CRLF");
    case STRING:
        if (raw_skip(r, in))
            r->state = STRING_RETURN;
        return RAW_MORE;
    default:
        return take_end(r, *in->at++);
    }
}
