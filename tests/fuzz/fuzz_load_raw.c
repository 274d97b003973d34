// Replies of other protocols from hostile servers: what is read does not depend on how the bytes were cut.
#include "fuzz.h"
#include "load/raw_reply.h"

enum { REPLY_MAX = 4096 };

struct outcome {
    enum raw_step step;
    struct raw_reply r;
    size_t used;
};

static void read_reply(struct outcome *o, const struct raw_frame *f, const uint8_t *data, size_t size, uint32_t cuts)
{
    o->used = 0;
    o->step = RAW_MORE;
    raw_begin(&o->r, f);
    while (o->step == RAW_MORE && o->used < size) {
        size_t n = size - o->used, used;
        if (cuts != 0) {
            cuts = cuts * 1664525 + 1013904223;
            n = n < 1 + (cuts >> 28) ? n : 1 + (cuts >> 28);
        }
        o->step = raw_feed(&o->r, (const char *)data + o->used, n, &used);
        FUZZ_NEED(used <= n && (o->step != RAW_MORE || used == n));
        o->used += used;
    }
    FUZZ_NEED((o->step == RAW_BAD) == (o->r.why != NULL));
    FUZZ_NEED(o->step != RAW_DONE || (o->r.replies == f->replies && o->r.bytes == o->used && o->used <= REPLY_MAX));
    FUZZ_NEED(o->r.depth <= RAW_DEPTH);
}

// The first bytes say how the reply is framed.
static bool frame(struct fuzz_in *in, struct raw_frame *f)
{
    struct seep_err err = {0};
    uint8_t shape = fuzz_u8(in);
    *f = (struct raw_frame){.framing = fuzz_u8(in) % RAW_FRAMINGS, .replies = 1 + shape % 3, .size_max = REPLY_MAX};
    f->prefix_little = shape & 4;
    f->prefix_counts_all = shape & 128;
    f->prefix_bytes = 1u << (shape >> 3 & 3);
    f->until_len = 1 + (shape >> 5);
    f->fixed_bytes = 1 + shape;
    if (f->framing == RAW_UNTIL)
        fuzz_take(in, f->until, f->until_len);
    return raw_frame_make(f, &err) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole, cut;
    struct fuzz_in in = {data, size};
    struct raw_frame f;
    uint32_t cuts = 1u + fuzz_u8(&in);
    if (!frame(&in, &f))
        return 0;
    read_reply(&whole, &f, in.at, in.left, 0);
    read_reply(&cut, &f, in.at, in.left, cuts);
    bool large = whole.step == RAW_LARGE || cut.step == RAW_LARGE; // bad and large at once: the first to be seen
    FUZZ_NEED(cut.step == whole.step || large);
    if (whole.step == RAW_DONE && cut.step == RAW_DONE)
        FUZZ_NEED(cut.used == whole.used && cut.r.errors == whole.r.errors);
    return 0;
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    static const struct fuzz_seed_bytes seeds[] = {
        FUZZ_SEED("\x01\x03\x00*3\r\n$5\r\nhello\r\n:1\r\n-ERR x\r\n"),
        FUZZ_SEED("\x02\x01\x00|1\r\n+a\r\n%1\r\n+b\r\n,1.5\r\n>1\r\n+p\r\n~1\r\n#t\r\n!3\r\nERR\r\n"),
        FUZZ_SEED("\x03\x03\x01VALUE k 0 5\r\nhello\r\nVALUE l 1 0 7\r\n\r\nEND\r\n"),
        FUZZ_SEED("\x04\x03\x01VA 2 s2\r\nhi\r\n"),
        FUZZ_SEED("\x05\x01\x02line one\nline two\n"),
        FUZZ_SEED("\x06\x63\x03\r\n.\r\n.\r\r\n.\r\n"),
        FUZZ_SEED("\x07\x03\x04"
                  "123456"),
        FUZZ_SEED("\x08\x09\x05\x00\x03"
                  "abc"),
        FUZZ_SEED("\x09\x99\x05\x00\x00\x00\x00\x00\x00\x00\x0a"
                  "ab"),
    };
    return fuzz_seed_of(seeds, sizeof seeds / sizeof *seeds, i, out);
}
