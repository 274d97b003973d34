// Histograms against sorted arrays, and their bytes against hostile ones.
#include "load/hist.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t state = 88172645463325252u;
static uint64_t rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static struct load_hist *new_hist(void)
{
    struct load_hist *h = calloc(1, sizeof *h);
    assert_non_null(h);
    return h;
}

// Spread over all magnitudes, so that every shift of the layout is used.
static uint64_t any_value(void)
{
    uint64_t v = rnd() >> (rnd() % 33 + 31);
    return v < 1 ? 1 : v > HIST_MAX_US ? HIST_MAX_US : v;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void every_value_lies_in_its_bucket(void **s)
{
    (void)s;
    for (unsigned i = 1; i < HIST_BUCKETS; i++) {
        uint64_t low = hist_bucket_low_us(i), high = hist_bucket_high_us(i);
        if (low > HIST_MAX_US)
            break;
        assert_int_equal(hist_index(low), i);
        assert_int_equal(hist_index(high), i);
        if (high < HIST_MAX_US)
            assert_int_equal(hist_bucket_low_us(i + 1), high + 1);
        assert_true((double)(high - low) <= (double)low / 1000);
    }
    assert_int_equal(hist_index(0), 0);
    assert_int_equal(hist_index(UINT64_MAX), hist_index(HIST_MAX_US));
    assert_true(hist_index(HIST_MAX_US) < HIST_BUCKETS);
}

static void quantiles_match_a_sorted_array(void **s)
{
    (void)s;
    static const double q[] = {0, 0.01, 0.07, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1};
    struct load_hist *h = new_hist();
    for (int round = 0; round < 60; round++) {
        size_t n = 1 + rnd() % 3000;
        uint64_t *v = calloc(n, sizeof *v);
        hist_reset(h);
        double sum = 0, squares = 0;
        for (size_t i = 0; i < n; i++) {
            v[i] = any_value();
            sum += (double)v[i];
            hist_record(h, v[i]);
        }
        qsort(v, n, sizeof *v, by_value);
        for (size_t i = 0; i < n; i++)
            squares += ((double)v[i] - sum / (double)n) * ((double)v[i] - sum / (double)n);
        for (size_t i = 0; i < sizeof q / sizeof q[0]; i++) {
            size_t rank = (size_t)ceil(q[i] * (double)n - 1e-6);
            double truth = (double)v[rank ? rank - 1 : 0], got = hist_quantile(h, q[i]);
            assert_true(got >= truth && got <= truth * 1.001);
        }
        double stddev = sqrt(squares / (double)n);
        assert_int_equal(h->count, n);
        assert_int_equal(h->min_us, v[0]);
        assert_int_equal(h->max_us, v[n - 1]);
        assert_true(fabs(hist_mean(h) - sum / (double)n) <= 1e-9 * sum);
        assert_true(fabs(hist_stddev(h) - stddev) <= 0.001 * stddev + 1);
        free(v);
    }
    free(h);
}

static void empty_has_no_figures(void **s)
{
    (void)s;
    struct load_hist *h = new_hist();
    struct hist_figures f;
    hist_figures(h, &f);
    assert_int_equal(f.count, 0);
    assert_true(isnan(f.min_us) && isnan(f.max_us) && isnan(f.mean_us) && isnan(f.stddev_us) && isnan(f.p50_us) &&
                isnan(f.p999_us));
    free(h);
}

static void out_of_range_is_clipped_and_said(void **s)
{
    (void)s;
    struct load_hist *h = new_hist();
    hist_record(h, 0);
    hist_record(h, (uint64_t)HIST_MAX_US + 1);
    hist_record(h, HIST_MAX_US);
    assert_int_equal(h->count, 3);
    assert_int_equal(h->clipped, 1);
    assert_int_equal(h->min_us, 0);
    assert_int_equal(h->max_us, HIST_MAX_US);
    assert_true(hist_quantile(h, 0.2) == 0);
    free(h);
}

static void merge_in_any_order_is_exact(void **s)
{
    (void)s;
    struct load_hist *part[3] = {new_hist(), new_hist(), new_hist()};
    struct load_hist *whole = new_hist(), *forward = new_hist(), *backward = new_hist();
    for (int i = 0; i < 5000; i++) {
        uint64_t v = any_value();
        hist_record(part[rnd() % 3], v);
        hist_record(whole, v);
    }
    for (int i = 0; i < 3; i++) {
        hist_merge(forward, part[i]);
        hist_merge(backward, part[2 - i]);
    }
    assert_memory_equal(whole, forward, sizeof *whole);
    assert_memory_equal(whole, backward, sizeof *whole);
    hist_reset(part[0]);
    hist_merge(whole, part[0]);
    assert_memory_equal(whole, forward, sizeof *whole);
    for (int i = 0; i < 3; i++)
        free(part[i]);
    free(whole);
    free(forward);
    free(backward);
}

static void subtract_gives_the_window(void **s)
{
    (void)s;
    struct load_hist *before = new_hist(), *after = new_hist(), *window = new_hist();
    struct seep_err err = {0};
    for (int i = 0; i < 2000; i++) {
        uint64_t v = any_value();
        hist_record(before, v);
        hist_record(after, v);
    }
    for (int i = 0; i < 2000; i++) {
        uint64_t v = any_value();
        hist_record(window, v);
        hist_record(after, v);
    }
    assert_int_equal(hist_subtract(after, before, &err), 0);
    assert_int_equal(after->count, window->count);
    assert_int_equal(after->sum_us, window->sum_us);
    assert_memory_equal(after->bucket, window->bucket, sizeof window->bucket);
    assert_int_equal(hist_index(after->min_us), hist_index(window->min_us));
    assert_int_equal(hist_index(after->max_us), hist_index(window->max_us));
    assert_int_equal(hist_subtract(after, before, &err), -1);
    assert_int_equal(err.code, SEEP_E_CORRUPT);
    assert_int_equal(after->count, window->count);
    assert_int_equal(hist_subtract(after, window, &err), 0);
    struct load_hist *zero = new_hist();
    assert_memory_equal(after, zero, sizeof *zero);
    free(before);
    free(after);
    free(window);
    free(zero);
}

static void coarse_ladder_keeps_every_value(void **s)
{
    (void)s;
    struct load_hist *h = new_hist();
    uint64_t out[HIST_COARSE], sum = 0;
    const double *edge = hist_coarse_edges_us();
    for (int i = 0; i < HIST_COARSE; i++)
        assert_true(edge[i] < edge[i + 1] && (i < 1 || edge[i + 1] <= edge[i] * 1.02001));
    for (int i = 0; i < 4000; i++)
        hist_record(h, any_value());
    hist_record(h, HIST_MAX_US);
    hist_record(h, 1);
    hist_rebin(h, edge, HIST_COARSE, out);
    for (int i = 0; i < HIST_COARSE; i++)
        sum += out[i];
    assert_int_equal(sum, h->count);
    uint64_t seen = 0;
    int b = 0;
    while ((seen += out[b]) < h->count / 2)
        b++;
    double p50 = hist_quantile(h, 0.5);
    assert_true(edge[b + 1] >= p50 * 0.97 && edge[b] <= p50 * 1.03);
    free(h);
}

static void pack_unpack_is_identity(void **s)
{
    (void)s;
    struct load_hist *h = new_hist(), *back = new_hist();
    struct seep_buf b;
    struct seep_err err = {0};
    buf_init(&b, HIST_BLOB_MAX);
    for (int round = 0; round < 60; round++) {
        hist_reset(h);
        for (uint64_t n = round ? rnd() % 2000 : 0; n; n--)
            hist_record_times(h, any_value(), rnd() % 3 ? 1 : rnd() >> 40);
        buf_clear(&b);
        hist_pack(h, &b);
        assert_int_equal(buf_check(&b, "histogram", &err), 0);
        assert_int_equal(hist_unpack(b.data, b.len, back, &err), 0);
        assert_memory_equal(h, back, sizeof *h);
    }
    hist_reset(h);
    for (unsigned i = 1; i < HIST_BUCKETS && hist_bucket_low_us(i) <= HIST_MAX_US; i++)
        hist_record_times(h, hist_bucket_high_us(i), (uint64_t)1 << 48);
    buf_clear(&b);
    hist_pack(h, &b);
    assert_true(!b.failed && b.len > 20000 && h->sum_us == UINT64_MAX);
    assert_int_equal(hist_unpack(b.data, b.len, back, &err), 0);
    assert_memory_equal(h, back, sizeof *h);
    buf_free(&b);
    free(h);
    free(back);
}

static void hostile_blobs_are_refused_or_hold_together(void **s)
{
    (void)s;
    struct load_hist *h = new_hist(), *back = new_hist();
    struct seep_buf b;
    struct seep_err err;
    buf_init(&b, HIST_BLOB_MAX);
    for (int i = 0; i < 40; i++)
        hist_record(h, any_value());
    hist_pack(h, &b);
    unsigned refused = 0;
    for (int round = 0; round < 12000; round++) {
        size_t len = rnd() % 4 ? b.len : rnd() % (b.len + 1);
        char *copy = malloc(len ? len : 1); // its own size, so that a sanitizer sees a read past the end
        memcpy(copy, b.data, len);
        for (uint64_t n = rnd() % 5; n && len; n--)
            copy[rnd() % 8 ? rnd() % len : rnd() % (len < 20 ? len : 20)] = (char)rnd();
        if (hist_unpack(copy, len, back, &err) < 0) {
            refused++;
            assert_int_equal(err.code, SEEP_E_CORRUPT);
            assert_int_equal(back->count, 0);
        } else {
            uint64_t sum = 0;
            for (unsigned i = 0; i < HIST_BUCKETS; i++)
                sum += back->bucket[i];
            assert_int_equal(sum, back->count);
            assert_false(back->count && isnan(hist_quantile(back, 0.99)));
        }
        free(copy);
    }
    assert_true(refused > 6000);
    buf_free(&b);
    free(h);
    free(back);
}

static void lies_are_named(void **s)
{
    (void)s;
    static const struct {
        const char *blob;
        size_t len;
        const char *says;
    } lie[] = {
        {"", 0, "not a histogram"},
        {"Sh\x02", 3, "version 2"},
        {"Sh\x01", 3, "cut off"},
        {"Sh\x01\x01\x05\x05\x05\x00\x02\x03", 10, "outermost"},
        {"Sh\x01\x02\x05\x05\x05\x00\x0a\x03", 10, "add up"},
        {"Sh\x01\x01\x06\x05\x05\x00\x0a\x03", 10, "sum"},
        {"Sh\x01\x00\x01\x00\x00\x00", 8, "empty"},
        {"Sh\x01\x01\x05\x05\x05\x01\x0a\x03", 10, "above 1 h"},
        {"Sh\x01\x00\x00\x00\x00\x00\xfe\xff\xff\xff\x0f", 13, "past the last"},
        {"Sh\x01\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 18, "cut off or too large"},
    };
    struct load_hist *h = new_hist();
    for (size_t i = 0; i < sizeof lie / sizeof lie[0]; i++) {
        struct seep_err err = {0};
        assert_int_equal(hist_unpack(lie[i].blob, lie[i].len, h, &err), -1);
        if (!strstr(err.text, lie[i].says))
            fail_msg("\"%s\" does not say \"%s\"", err.text, lie[i].says);
    }
    struct seep_err err;
    assert_int_equal(hist_unpack("Sh\x01\x01\x05\x05\x05\x00\x0a\x03", 10, h, &err), 0);
    assert_int_equal(h->bucket[5], 1);
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_lies_in_its_bucket),
        cmocka_unit_test(quantiles_match_a_sorted_array),
        cmocka_unit_test(empty_has_no_figures),
        cmocka_unit_test(out_of_range_is_clipped_and_said),
        cmocka_unit_test(merge_in_any_order_is_exact),
        cmocka_unit_test(subtract_gives_the_window),
        cmocka_unit_test(coarse_ladder_keeps_every_value),
        cmocka_unit_test(pack_unpack_is_identity),
        cmocka_unit_test(hostile_blobs_are_refused_or_hold_together),
        cmocka_unit_test(lies_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
