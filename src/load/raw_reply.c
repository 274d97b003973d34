// Finds the end of replies: see raw_reply.h. RESP and memcached are in raw_resp.c and raw_memcached.c.
#include "load/raw_reply.h"
#include "load/raw_state.h"

#include <string.h>

// For a text that is searched in a stream (Knuth, Morris, Pratt): how much of it is still matched at a byte that does
// not go on with it.
static void prepare_until(struct raw_frame *f)
{
    f->fall_back[0] = 0;
    for (unsigned i = 1, matched = 0; i < f->until_len; i++) {
        while (matched > 0 && f->until[i] != f->until[matched])
            matched = f->fall_back[matched - 1];
        if (f->until[i] == f->until[matched])
            matched++;
        f->fall_back[i] = (uint8_t)matched;
    }
}

int raw_frame_make(struct raw_frame *f, struct seep_err *err)
{
    if (f->replies == 0)
        f->replies = 1;
    if (f->framing == RAW_LINE) {
        f->until[0] = '\n';
        f->until_len = 1;
    }
    if (f->framing == RAW_UNTIL && (f->until_len == 0 || f->until_len > RAW_UNTIL_MAX))
        return seep_fail(err, SEEP_E_USAGE, "A reply that ends with given bytes needs 1 to %d of them.", RAW_UNTIL_MAX);
    if (f->framing == RAW_FIXED && (f->fixed_bytes == 0 || f->fixed_bytes > f->size_max))
        return seep_fail(err, SEEP_E_USAGE, "A reply of fixed length needs one of 1 to %llu bytes.",
                         (unsigned long long)f->size_max);
    if (f->framing == RAW_PREFIX && f->prefix_bytes != 1 && f->prefix_bytes != 2 && f->prefix_bytes != 4 &&
        f->prefix_bytes != 8)
        return seep_fail(err, SEEP_E_USAGE, "The length in front of a reply has 1, 2, 4 or 8 bytes, not %u.",
                         f->prefix_bytes);
    prepare_until(f);
    return 0;
}

void raw_begin(struct raw_reply *r, const struct raw_frame *frame)
{
    r->why = NULL;
    r->bytes = 0;
    r->replies = r->errors = 0;
    r->frame = frame;
    raw_next(r);
}

void raw_next(struct raw_reply *r)
{
    r->left = 0;
    r->state = r->type = r->matched = r->digits = r->minus = r->depth = r->word_len = r->token = 0;
}

enum raw_step raw_refuse(struct raw_reply *r, const char *why)
{
    r->why = why;
    return RAW_BAD;
}

bool raw_skip(struct raw_reply *r, struct raw_input *in)
{
    size_t have = (size_t)(in->end - in->at);
    if (have > r->left)
        have = (size_t)r->left;
    in->at += have;
    r->left -= have;
    return r->left == 0;
}

enum raw_step raw_run_of(struct raw_reply *r, const struct raw_input *in, uint64_t len)
{
    uint64_t before = r->bytes + (uint64_t)(in->at - in->begin);
    r->left = len;
    return before > r->frame->size_max || len > r->frame->size_max - before ? RAW_LARGE : RAW_MORE;
}

static enum raw_step take_until(struct raw_reply *r, struct raw_input *in)
{
    const struct raw_frame *f = r->frame;
    if (f->until_len == 1) {
        const unsigned char *found = memchr(in->at, f->until[0], (size_t)(in->end - in->at));
        in->at = found ? found + 1 : in->end;
        return found ? RAW_DONE : RAW_MORE;
    }
    while (in->at < in->end) {
        unsigned char c = *in->at++;
        while (r->matched > 0 && c != f->until[r->matched])
            r->matched = f->fall_back[r->matched - 1];
        if (c == f->until[r->matched])
            r->matched++;
        if (r->matched == f->until_len)
            return RAW_DONE;
    }
    return RAW_MORE;
}

static enum raw_step take_fixed(struct raw_reply *r, struct raw_input *in)
{
    if (r->state++ == 0)
        r->left = r->frame->fixed_bytes;
    r->state = 1;
    return raw_skip(r, in) ? RAW_DONE : RAW_MORE;
}

static enum raw_step take_prefix(struct raw_reply *r, struct raw_input *in)
{
    const struct raw_frame *f = r->frame;
    for (; r->digits < f->prefix_bytes && in->at < in->end; r->digits++) {
        unsigned shift = 8 * (f->prefix_little ? r->digits : f->prefix_bytes - 1 - r->digits);
        r->left |= (uint64_t)*in->at++ << shift;
    }
    if (r->digits < f->prefix_bytes)
        return RAW_MORE;
    if (r->state == 0) {
        if (f->prefix_counts_all && r->left < f->prefix_bytes)
            return raw_refuse(r, "a length that does not count itself");
        if (raw_run_of(r, in, f->prefix_counts_all ? r->left - f->prefix_bytes : r->left) == RAW_LARGE)
            return RAW_LARGE;
        r->state = 1;
    }
    return raw_skip(r, in) ? RAW_DONE : RAW_MORE;
}

typedef enum raw_step take_fn(struct raw_reply *r, struct raw_input *in);

static take_fn *const take[RAW_FRAMINGS] = {
    [RAW_RESP] = raw_take_resp, [RAW_MEMCACHED] = raw_take_memcached, [RAW_LINE] = take_until, [RAW_UNTIL] = take_until,
    [RAW_FIXED] = take_fixed,   [RAW_PREFIX] = take_prefix,
};

enum raw_step raw_feed(struct raw_reply *r, const char *data, size_t len, size_t *used)
{
    const unsigned char *begin = (const unsigned char *)data;
    struct raw_input in = {.begin = begin, .at = begin, .end = begin + len};
    enum raw_step step = RAW_MORE;
    while (step == RAW_MORE && in.at < in.end) {
        step = take[r->frame->framing](r, &in);
        if (step == RAW_DONE && ++r->replies < r->frame->replies) {
            raw_next(r);
            step = RAW_MORE;
        }
    }
    *used = (size_t)(in.at - begin);
    r->bytes += *used;
    return step != RAW_BAD && r->bytes > r->frame->size_max ? RAW_LARGE : step;
}
