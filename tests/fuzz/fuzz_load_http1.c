// HTTP/1.x replies from hostile servers: what is read does not depend on how the bytes were cut, and stays in bounds.
#include "fuzz.h"
#include "load/http1_reply.h"

enum { BODY_MAX = 4096 };

struct outcome {
    enum http1_step step;
    struct http1_reply r;
    size_t used;
    uint64_t body_sum, body_len;
    unsigned heads;
};

// Cuts of 1 to 16 bytes by the bits of `cuts`; 0: none.
static void read_reply(struct outcome *o, bool head_request, const uint8_t *data, size_t size, uint32_t cuts)
{
    memset(o, 0, sizeof *o);
    http1_begin(&o->r, head_request, BODY_MAX);
    do {
        size_t n = size - o->used, used, piece_len;
        const char *piece;
        if (cuts != 0) {
            cuts = cuts * 1664525 + 1013904223;
            n = n < 1 + (cuts >> 28) ? n : 1 + (cuts >> 28);
        }
        const char *from = (const char *)data + o->used;
        o->step = http1_feed(&o->r, from, n, &used, &piece, &piece_len);
        FUZZ_NEED(used <= n && (o->step != HTTP1_MORE || used == n));
        o->used += used;
        if (o->step == HTTP1_BODY) {
            FUZZ_NEED(piece >= from && piece + piece_len <= from + n && piece_len > 0);
            for (size_t i = 0; i < piece_len; i++)
                o->body_sum = o->body_sum * 31 + (uint8_t)piece[i];
            o->body_len += piece_len;
        }
        o->heads += o->step == HTTP1_HEAD;
        if (o->step == HTTP1_DONE || o->step == HTTP1_BAD || o->step == HTTP1_LARGE)
            break;
    } while (o->used < size || o->step != HTTP1_MORE);
}

static void check(const struct outcome *o)
{
    const struct http1_reply *r = &o->r;
    FUZZ_NEED((o->step == HTTP1_BAD) == (r->why != NULL));
    FUZZ_NEED(o->heads <= 1);
    if (o->step == HTTP1_LARGE)
        return;
    FUZZ_NEED(r->body_bytes <= BODY_MAX && r->body_bytes == o->body_len);
    if (o->step == HTTP1_DONE) {
        FUZZ_NEED(r->status >= 200 && r->status <= 999 && o->heads == 1);
        FUZZ_NEED(r->head_bytes + r->body_bytes <= o->used && r->head_bytes <= HTTP1_HEAD_MAX);
        FUZZ_NEED(!r->has_length || r->chunked || o->body_len == r->length || o->body_len == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole, cut;
    if (size < 2)
        return 0;
    bool head_request = data[0] & 1;
    uint32_t cuts = 1 + (uint32_t)data[1];
    read_reply(&whole, head_request, data + 2, size - 2, 0);
    check(&whole);
    read_reply(&cut, head_request, data + 2, size - 2, cuts);
    check(&cut);
    FUZZ_NEED(cut.step == whole.step);
    if (whole.step == HTTP1_DONE || whole.step == HTTP1_MORE) {
        FUZZ_NEED(cut.used == whole.used && cut.r.status == whole.r.status && cut.body_sum == whole.body_sum);
        FUZZ_NEED(cut.r.keep_alive == whole.r.keep_alive && cut.r.head_bytes == whole.r.head_bytes);
        FUZZ_NEED(http1_closed(&cut.r) == http1_closed(&whole.r));
    }
    return 0;
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    static const char *const seeds[] = {
        "\x02\x05HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
        "\x02\x06HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: 1\r\n\r\n",
        "\x02\x07HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: close, x\r\n\r\n",
        "\x03\x08HTTP/1.0 302 Found\r\nLocation: /\r\nContent-Length: 99\r\n\r\nleft over",
        "\x02\x09HTTP/1.1 200 OK\nX: folded\n line\n\nuntil it closes",
        "\x02\x0aHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    };
    return i < sizeof seeds / sizeof *seeds ? fuzz_seed_text(seeds[i], out) : 0;
}
