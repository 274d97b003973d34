// Histograms in the encoding of HdrHistogram: see hist_hdr.h.
#include "load/hist_hdr.h"

#include <string.h>

enum { DIGITS = 3, HEAD = 40 };

static void put_big_endian(unsigned char *out, uint64_t v, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--, v >>= 8)
        out[i] = (unsigned char)(v & 0xff);
}

// ZigZag LEB128 in at most nine bytes, of which the ninth holds eight bits ("LEB128-64b9B").
static void put_zigzag(struct seep_buf *out, int64_t value)
{
    uint64_t v = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    unsigned char bytes[9];
    size_t n = 0;
    for (; n < 8 && v > 0x7f; v >>= 7)
        bytes[n++] = (unsigned char)((v & 0x7f) | 0x80);
    bytes[n++] = (unsigned char)v;
    buf_add(out, bytes, n);
}

static void put_counts(const struct load_hist *h, struct seep_buf *out)
{
    int64_t empty = 0;
    unsigned last = h->count ? hist_index(h->max_us) : 0;
    for (unsigned i = 0; i <= last; i++) {
        if (h->bucket[i] == 0) {
            empty++;
            continue;
        }
        if (empty)
            put_zigzag(out, empty == 1 ? 0 : -empty);
        empty = 0;
        put_zigzag(out, (int64_t)h->bucket[i]);
    }
    if (h->count == 0)
        put_zigzag(out, 0);
}

void hist_hdr_encode(const struct load_hist *h, struct seep_buf *out)
{
    unsigned char head[HEAD] = {0};
    size_t at = out->len;
    buf_add(out, head, sizeof head);
    put_counts(h, out);
    if (out->failed)
        return;
    put_big_endian(head, HIST_HDR_COOKIE, 4);
    put_big_endian(head + 4, out->len - at - HEAD, 4);
    put_big_endian(head + 12, DIGITS, 4);
    put_big_endian(head + 16, HIST_MIN_US, 8);
    put_big_endian(head + 24, HIST_MAX_US, 8);
    put_big_endian(head + 32, 0x3ff0000000000000u, 8); // 1.0
    memcpy(out->data + at, head, sizeof head);
}
