// Histograms as HdrHistogram writes them: the bytes by the format's own rules, and whole logs read back by
// hdr-histogram-js, figure by figure.
#include "load/hist_hdr.h"
#include "load/rng.h"
#include "report/hdr.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct load_hist *new_hist(void)
{
    struct load_hist *h = calloc(1, sizeof *h);
    assert_non_null(h);
    return h;
}

static uint64_t big_endian(const char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

static void the_bytes_are_those_of_the_format(void **s)
{
    (void)s;
    struct load_hist *h = new_hist();
    struct seep_buf b;
    hist_record_times(h, 3, 200); // buckets 0, 1, 2 empty, then 200
    hist_record(h, 5);            // bucket 4 empty, then 1
    buf_init(&b, HIST_BLOB_MAX);
    hist_hdr_encode(h, &b);
    assert_int_equal(big_endian(b.data, 4), 0x1c849313);
    assert_int_equal(big_endian(b.data + 4, 4), b.len - 40);
    assert_int_equal(big_endian(b.data + 8, 4), 0);
    assert_int_equal(big_endian(b.data + 12, 4), 3);
    assert_int_equal(big_endian(b.data + 16, 8), 1);
    assert_int_equal(big_endian(b.data + 24, 8), 3600000000);
    assert_true(big_endian(b.data + 32, 8) == 0x3ff0000000000000);
    // ZigZag: -3 is 5; 200 is 400, in two bytes; one empty bucket is 0; 1 is 2.
    static const unsigned char payload[] = {0x05, 0x90, 0x03, 0x00, 0x02};
    assert_int_equal(b.len - 40, sizeof payload);
    assert_memory_equal(b.data + 40, payload, sizeof payload);
    buf_free(&b);
    free(h);
}

static void the_largest_count_takes_nine_bytes(void **s)
{
    (void)s;
    struct load_hist *h = new_hist();
    struct seep_buf b;
    hist_record_times(h, 1, INT64_MAX);
    buf_init(&b, HIST_BLOB_MAX);
    hist_hdr_encode(h, &b);
    static const unsigned char payload[] = {0x00, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    assert_int_equal(b.len - 40, sizeof payload);
    assert_memory_equal(b.data + 40, payload, sizeof payload);
    buf_free(&b);
    free(h);
}

// ---- read back ------------------------------------------------------------------------------------------------------

struct read_back {
    char tag[128];
    double start_s, length_s, count, min, max, mean, stddev, q[5];
};

static int read_log(const char *text, size_t len, struct read_back *out, int most)
{
    char path[] = "/tmp/seep-hlog-XXXXXX", command[1024];
    int fd = mkstemp(path), n = 0;
    assert_true(fd >= 0 && write(fd, text, len) == (ssize_t)len);
    close(fd);
    snprintf(command, sizeof command, "node '%s/tests/npm/read_hlog.mjs' %s", SEEP_SOURCE_DIR, path);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    for (; n < most; n++) {
        struct read_back *r = &out[n];
        if (fscanf(f, "%127s %lf %lf %lf %lf %lf %lf %lf %lf %lf %lf %lf %lf", r->tag, &r->start_s, &r->length_s,
                   &r->count, &r->min, &r->max, &r->mean, &r->stddev, &r->q[0], &r->q[1], &r->q[2], &r->q[3],
                   &r->q[4]) != 13)
            break;
    }
    assert_int_equal(pclose(f), 0);
    unlink(path);
    return n;
}

static bool have_reader(void)
{
    return access(SEEP_SOURCE_DIR "/tests/npm/node_modules/hdr-histogram-js", R_OK) == 0 &&
           system("command -v node >/dev/null 2>&1") == 0;
}

static void near(double theirs, double ours, double share, const char *what)
{
    if (fabs(theirs - ours) > share * fabs(ours) + 1e-9)
        fail_msg("%s: %.9g, ours %.9g", what, theirs, ours);
}

static void compare(const struct read_back *r, const struct load_hist *h)
{
    struct hist_figures f;
    hist_figures(h, &f);
    const double ours[5] = {f.p50_us, f.p90_us, f.p95_us, f.p99_us, f.p999_us};
    assert_true(r->count == (double)f.count);
    near(r->min, f.min_us, 1e-3, "min"); // within their buckets
    near(r->max, f.max_us, 1e-3, "max");
    near(r->mean, f.mean_us, 1e-3, "mean");
    near(r->stddev, f.stddev_us, 2e-3, "stddev");
    for (int i = 0; i < 5; i++)
        near(r->q[i], ours[i], 1e-3, "quantile");
}

static void another_program_reads_the_same_figures(void **s)
{
    (void)s;
    if (!have_reader()) {
        print_message("hdr-histogram-js is not installed (scripts/setup --with-tests)\n");
        skip();
    }
    struct load_hist *h[3] = {new_hist(), new_hist(), new_hist()};
    struct load_rng rng = {7};
    for (int i = 0; i < 100000; i++) {
        hist_record(h[0], (uint64_t)(800 * exp(rng_exponential(&rng)))); // a heavy tail, from 800 us to hours
        hist_record(h[1], 1 + rng_next(&rng) % 3000);
        hist_record(h[2], i < 99000 ? 250 : 30000000);
    }
    struct seep_buf log;
    struct seep_err err;
    buf_init(&log, 1u << 22);
    hdr_log_head(&log, 1763718605250000000, "a test");
    static const char *const tag[3] = {"", "load=a,scenario=b", "scenario=c,step=d"};
    for (int i = 0; i < 3; i++) {
        const struct hdr_interval at = {.tag = tag[i], .start_s = 5.5 * i, .length_s = 5.5};
        assert_int_equal(hdr_log_interval(&log, &at, h[i], &err), 0);
    }
    const struct hdr_interval none = {.tag = "empty"};
    struct load_hist *empty = new_hist();
    assert_int_equal(hdr_log_interval(&log, &none, empty, &err), 0); // says nothing
    struct read_back got[4];
    assert_int_equal(read_log(log.data, log.len, got, 4), 3);
    assert_string_equal(got[0].tag, "-");
    assert_string_equal(got[1].tag, "load=a;scenario=b");
    assert_string_equal(got[2].tag, "scenario=c;step=d");
    for (int i = 0; i < 3; i++) {
        compare(&got[i], h[i]);
        assert_true(fabs(got[i].start_s - 5.5 * i) < 0.002 && fabs(got[i].length_s - 5.5) < 0.002);
        free(h[i]);
    }
    free(empty);
    buf_free(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_are_those_of_the_format),
        cmocka_unit_test(the_largest_count_takes_nine_bytes),
        cmocka_unit_test(another_program_reads_the_same_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
