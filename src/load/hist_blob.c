// Histograms as bytes.
//
//   "Sh", version 1, then as variable-length numbers (7 bits a byte, least first): count, sum, minimum, maximum,
//   clipped, and for the buckets from 0 on: an odd number 2n+1 is a bucket holding n, an even number 2n skips n empty
//   buckets. Empty buckets at the end are not written.
//
// hist_unpack() trusts nothing: blobs come from another process and from disk.
#include "load/hist.h"

#include <string.h>

static const unsigned char blob_head[3] = {'S', 'h', 1};

static void put(struct seep_buf *out, uint64_t v)
{
    unsigned char bytes[10];
    size_t n = 0;
    do {
        bytes[n] = (unsigned char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        n++;
        v >>= 7;
    } while (v);
    buf_add(out, bytes, n);
}

void hist_pack(const struct load_hist *h, struct seep_buf *out)
{
    buf_add(out, blob_head, sizeof blob_head);
    put(out, h->count);
    put(out, h->sum_us);
    put(out, h->min_us);
    put(out, h->max_us);
    put(out, h->clipped);
    uint64_t empty = 0;
    for (unsigned i = 0; h->count && i <= hist_index(h->max_us); i++) {
        if (h->bucket[i] == 0) {
            empty++;
            continue;
        }
        if (empty)
            put(out, empty * 2);
        empty = 0;
        put(out, h->bucket[i] * 2 + 1);
    }
}

struct reader {
    const unsigned char *at, *end;
};

static bool get(struct reader *r, uint64_t *v)
{
    *v = 0;
    for (unsigned shift = 0; r->at < r->end && shift < 64; shift += 7) {
        unsigned char byte = *r->at++;
        if (shift == 63 && byte > 1)
            return false;
        *v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

// The buckets, and that together they hold `count`. first and last are the outermost that are not empty.
static const char *read_buckets(struct reader *r, struct load_hist *out, unsigned *first, unsigned *last)
{
    uint64_t i = 0, seen = 0, v;
    *first = HIST_BUCKETS;
    *last = 0;
    while (r->at < r->end) {
        if (!get(r, &v))
            return "a number in it is cut off or too large";
        if (!(v & 1)) {
            if (v / 2 > HIST_BUCKETS - i)
                return "it skips past the last bucket";
            i += v / 2;
            continue;
        }
        if (i >= HIST_BUCKETS)
            return "it has too many buckets";
        if (__builtin_add_overflow(seen, v / 2, &seen))
            return "its buckets overflow";
        out->bucket[i] = v / 2;
        if (v / 2) {
            *first = i < *first ? (unsigned)i : *first;
            *last = (unsigned)i;
        }
        i++;
    }
    return seen == out->count ? NULL : "its buckets do not add up to its count";
}

// The sum must be possible for what the buckets hold; one that ran over is kept as the largest number.
static bool sum_possible(const struct load_hist *h)
{
    unsigned __int128 low = 0, high = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        low += (unsigned __int128)h->bucket[i] * hist_bucket_low_us(i);
        high += (unsigned __int128)h->bucket[i] * hist_bucket_high_us(i);
    }
    return high >= h->sum_us && (low <= h->sum_us || h->sum_us == UINT64_MAX);
}

static const char *check(const struct load_hist *h, unsigned first, unsigned last)
{
    if (h->count == 0)
        return h->sum_us || h->min_us || h->max_us || h->clipped ? "it is empty and yet has figures" : NULL;
    if (h->max_us > HIST_MAX_US || h->min_us > h->max_us)
        return "its minimum and maximum are out of range";
    if (hist_index(h->min_us) != first || hist_index(h->max_us) != last)
        return "its minimum and maximum are not in its outermost buckets";
    if (h->clipped && (h->max_us != HIST_MAX_US || h->clipped > h->bucket[last]))
        return "it claims more values above 1 h than it holds";
    return sum_possible(h) ? NULL : "its sum does not fit its buckets";
}

int hist_unpack(const void *data, size_t len, struct load_hist *out, struct seep_err *err)
{
    hist_reset(out);
    const unsigned char *bytes = data;
    if (len < sizeof blob_head || memcmp(bytes, blob_head, 2) != 0)
        return seep_fail(err, SEEP_E_CORRUPT, "These %zu bytes are not a histogram.", len);
    if (bytes[2] != blob_head[2])
        return seep_fail(err, SEEP_E_CORRUPT, "The histogram has version %d; this seep reads version %d.", bytes[2],
                         blob_head[2]);
    struct reader r = {bytes + sizeof blob_head, bytes + len};
    unsigned first, last;
    const char *wrong = "its head is cut off";
    if (get(&r, &out->count) && get(&r, &out->sum_us) && get(&r, &out->min_us) && get(&r, &out->max_us) &&
        get(&r, &out->clipped)) {
        wrong = read_buckets(&r, out, &first, &last);
        if (!wrong)
            wrong = check(out, first, last);
    }
    if (!wrong)
        return 0;
    hist_reset(out);
    return seep_fail(err, SEEP_E_CORRUPT, "The histogram does not hold together: %s.", wrong);
}
