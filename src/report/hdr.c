// Logs of histograms in the format of HdrHistogram: see hdr.h.
#include "report/hdr.h"
#include "base/base64.h"
#include "load/hist_hdr.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

void hdr_log_head(struct seep_buf *out, int64_t started_ns, const char *what)
{
    char date[64] = "";
    time_t s = (time_t)(started_ns / 1000000000);
    struct tm tm;
    if (gmtime_r(&s, &tm) != NULL)
        strftime(date, sizeof date, "%a %b %d %H:%M:%S UTC %Y", &tm);
    buf_printf(out, "#[Response times in microseconds, from the intended start; %s of seep]\n", what);
    buf_str(out, "#[Histogram log format version 1.3]\n");
    buf_printf(out, "#[StartTime: %.3f (seconds since epoch), %s]\n", (double)started_ns / 1e9, date);
    buf_str(out, "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n");
}

static void put_big_endian_32(struct seep_buf *out, uint32_t v)
{
    const unsigned char bytes[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16), (unsigned char)(v >> 8),
                                    (unsigned char)v};
    buf_add(out, bytes, sizeof bytes);
}

// Cookie, length, and the V2 form as a zlib stream.
static int compress_into(const struct load_hist *h, struct seep_buf *out, struct seep_err *err)
{
    struct seep_buf plain;
    buf_init(&plain, HIST_BLOB_MAX);
    hist_hdr_encode(h, &plain);
    uLongf len = compressBound((uLong)plain.len);
    Bytef *packed = malloc(len);
    int bad = plain.failed || packed == NULL ||
              compress2(packed, &len, (const Bytef *)plain.data, (uLong)plain.len, Z_BEST_COMPRESSION) != Z_OK;
    if (!bad) {
        put_big_endian_32(out, HIST_HDR_COMPRESSED_COOKIE);
        put_big_endian_32(out, (uint32_t)len);
        buf_add(out, packed, len);
    }
    free(packed);
    buf_free(&plain);
    return bad ? seep_fail(err, SEEP_E_SYSTEM, "There is no memory to compress a histogram.") : 0;
}

static void put_tag(struct seep_buf *out, const char *labels)
{
    if (labels[0] == '\0')
        return;
    buf_str(out, "Tag=");
    for (; *labels; labels++)
        buf_char(out, *labels == ',' ? ';' : *labels == ' ' || *labels < 0x20 ? '_' : *labels);
    buf_char(out, ',');
}

int hdr_log_interval(struct seep_buf *out, const struct hdr_interval *at, const struct load_hist *h,
                     struct seep_err *err)
{
    struct seep_buf packed;
    if (h->count == 0)
        return 0;
    buf_init(&packed, 2 * HIST_BLOB_MAX);
    int failed = compress_into(h, &packed, err);
    if (!failed) {
        put_tag(out, at->tag);
        buf_printf(out, "%.3f,%.3f,%.3f,", at->start_s, at->length_s, (double)h->max_us / 1e3);
        base64_add(out, packed.data, packed.len);
        buf_char(out, '\n');
    }
    buf_free(&packed);
    return failed;
}

static int64_t start_of(const struct report *r)
{
    // The axis begins at the first measured tick; the clock stood at the beginning of the run.
    double before_s = r->n_ticks > 0 && r->t_s[0] < 0 ? -r->t_s[0] : 0;
    return (r->started_ns == SEEP_UNKNOWN ? 0 : r->started_ns) + (int64_t)(before_s * 1e9);
}

int report_hdr(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    (void)style;
    struct load_hist *h = malloc(sizeof *h);
    int failed = h == NULL ? seep_fail(err, SEEP_E_SYSTEM, "There is no memory for a histogram.") : 0;
    hdr_log_head(out, start_of(r), r->run);
    for (size_t i = 0; !failed && i < r->n_intervals; i++) {
        const struct report_interval *v = &r->intervals[i];
        const struct hdr_interval at = {.tag = v->labels, .start_s = v->from_s, .length_s = v->to_s - v->from_s};
        if (hist_unpack(v->blob, v->len, h, NULL) == 0) // the store may be of any origin
            failed = hdr_log_interval(out, &at, h, err);
    }
    free(h);
    return failed;
}
