// memcached's text protocol: see raw_reply.h.
//
// A reply is one line, but for: VALUE lines with their data and STAT, ITEM and key= lines, after which more lines
// follow until END (or a refusal); and VA, the meta command's value, with its data. Nothing here needs to know what was
// asked: the first word of a line says it.
#include "load/raw_state.h"

#include <string.h>

enum state { LINE, LINE_FEED, DATA, DATA_RETURN, DATA_FEED };
enum { NUMBER_DIGITS = 10, VALUE_LENGTH_AT = 3, META_LENGTH_AT = 1 };

enum line {
    LAST_LINE, // all that are not below
    MORE_LINES,
    DATA_THEN_MORE,
    DATA_THEN_END,
    REFUSAL,
};

static const struct {
    const char *word;
    enum line line;
} words[] = {
    {"VALUE", DATA_THEN_MORE}, {"VA", DATA_THEN_END},     {"STAT", MORE_LINES},      {"ITEM", MORE_LINES},
    {"ERROR", REFUSAL},        {"CLIENT_ERROR", REFUSAL}, {"SERVER_ERROR", REFUSAL},
};

static enum line line_of(const struct raw_reply *r)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (r->word_len == strlen(words[i].word) && memcmp(r->word, words[i].word, r->word_len) == 0)
            return words[i].line;
    }
    return r->word_len > 4 && memcmp(r->word, "key=", 4) == 0 ? MORE_LINES : LAST_LINE;
}

static void next_line(struct raw_reply *r)
{
    raw_next(r);
    r->state = LINE;
}

static enum raw_step data_begins(struct raw_reply *r, const struct raw_input *in)
{
    if (r->digits == 0 || r->digits > NUMBER_DIGITS)
        return raw_refuse(r, "a value without its length");
    r->state = DATA;
    return raw_run_of(r, in, r->left);
}

static enum raw_step line_ends(struct raw_reply *r, const struct raw_input *in)
{
    r->type = (uint8_t)line_of(r);
    switch ((enum line)r->type) {
    case DATA_THEN_MORE:
    case DATA_THEN_END:
        return data_begins(r, in);
    case MORE_LINES:
        next_line(r);
        return RAW_MORE;
    case REFUSAL:
        r->errors++;
        return RAW_DONE;
    default:
        return r->word_len ? RAW_DONE : raw_refuse(r, "an empty line");
    }
}

// The number in the line that may be a length: which word it is depends on the first one.
static void number_byte(struct raw_reply *r, unsigned char c)
{
    enum line line = line_of(r);
    unsigned at = line == DATA_THEN_MORE ? VALUE_LENGTH_AT : line == DATA_THEN_END ? META_LENGTH_AT : 0;
    if (at == 0 || r->token != at)
        return;
    if (c < '0' || c > '9' || r->digits >= NUMBER_DIGITS)
        r->digits = NUMBER_DIGITS + 1; // no number
    else
        r->left = r->left * 10 + (c - '0');
    if (r->digits <= NUMBER_DIGITS)
        r->digits++;
}

static enum raw_step take_line(struct raw_reply *r, struct raw_input *in)
{
    while (in->at < in->end) {
        unsigned char c = *in->at++;
        if (c == '\r') {
            r->state = LINE_FEED;
            return RAW_MORE;
        }
        if (c == '\n' || c == '\0')
            return raw_refuse(r, "a line that does not end in CRLF");
        if (c == ' ') {
            r->token += r->token < UINT8_MAX;
        } else if (r->token > 0) {
            number_byte(r, c);
        } else {
            if (r->word_len < sizeof r->word)
                r->word[r->word_len] = (char)c;
            r->word_len += r->word_len <= sizeof r->word;
        }
    }
    return RAW_MORE;
}

static enum raw_step data_ends(struct raw_reply *r)
{
    if (r->type == DATA_THEN_END)
        return RAW_DONE;
    next_line(r);
    return RAW_MORE;
}

enum raw_step raw_take_memcached(struct raw_reply *r, struct raw_input *in)
{
    switch ((enum state)r->state) {
    case LINE:
        return take_line(r, in);
    case LINE_FEED:
        return *in->at++ == '\n' ? line_ends(r, in) : raw_refuse(r, "a line that does not end in CRLF");
    case DATA:
        if (raw_skip(r, in))
            r->state = DATA_RETURN;
        return RAW_MORE;
    case DATA_RETURN:
        r->state = DATA_FEED;
        return *in->at++ == '\r' ? RAW_MORE : raw_refuse(r, "a value longer than it says");
    default:
        return *in->at++ == '\n' ? data_ends(r) : raw_refuse(r, "a value longer than it says");
    }
}
