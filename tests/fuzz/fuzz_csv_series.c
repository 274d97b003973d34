// Tables of unknown origin: read without a crash, a hang or unbounded memory; what is refused is refused in a sentence
// with a place; what is read holds together and does not depend on the pieces in which it arrives.
#include "csv/series.h"
#include "fuzz.h"
#include <math.h>

static int read_in(const uint8_t *data, size_t size, size_t step, struct csv_series *s, struct seep_err *err)
{
    memset(s, 0, sizeof *s);
    memset(err, 0, sizeof *err);
    struct csv_reader *r = csv_open_memory("fuzz.csv", data, size, step, err);
    if (r == NULL)
        return -1;
    int failed = csv_series_read(r, NULL, 0, s, err);
    csv_close(r);
    return failed;
}

static void check(const struct csv_series *s)
{
    FUZZ_NEED(s->n >= 2 && s->n_columns >= 1);
    for (size_t i = 0; i < s->n; i++) {
        FUZZ_NEED(isfinite(s->t_s[i]));
        FUZZ_NEED(i == 0 || s->t_s[i] > s->t_s[i - 1]);
    }
    for (size_t c = 0; c < s->n_columns; c++) {
        size_t missing = 0;
        for (size_t i = 0; i < s->n; i++) {
            double y = s->column[c].y[i];
            missing += isnan(y) != 0;
            FUZZ_NEED(isnan(y) || (y >= 0 && y <= 0x1p63));
        }
        FUZZ_NEED(missing == s->column[c].n_missing);
    }
}

static void check_same(const struct csv_series *a, const struct csv_series *b)
{
    FUZZ_NEED(a->n == b->n && a->n_columns == b->n_columns && a->mixed_line == b->mixed_line);
    FUZZ_NEED(memcmp(a->t_s, b->t_s, a->n * sizeof *a->t_s) == 0);
    for (size_t c = 0; c < a->n_columns; c++)
        FUZZ_NEED(memcmp(a->column[c].y, b->column[c].y, a->n * sizeof *a->t_s) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csv_series whole, pieces;
    struct seep_err err, err_pieces;
    int failed = read_in(data, size, size + 1, &whole, &err);
    FUZZ_NEED(read_in(data, size, 1 + size % 7, &pieces, &err_pieces) == failed);
    if (failed) {
        FUZZ_NEED(strncmp(err.text, "fuzz.csv:", 9) == 0 && strlen(err.text) > 20);
        FUZZ_NEED(strcmp(err.text, err_pieces.text) == 0);
        return 0;
    }
    check(&whole);
    check_same(&whole, &pieces);
    csv_series_free(&whole);
    csv_series_free(&pieces);
    return 0;
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    static const char *const texts[] = {
        "timestamp_s,rss_bytes\n0,4096\n1,8192\n2,8192\n3,12288\n",
        "timestamp_s,rss_bytes,allocated_bytes\r\n0.25,4096,\r\n0.5,,17\r\n\r\n1e3,1.5e6,9007199254740993\r\n",
        "\xef\xbb\xbf\"timestamp_s\",\"a \"\"b\"\"\n c\",excluded_s,\"rss_bytes\"\n\"0\",x,0,\"1\"\n5,\"y,\",4.5,2\n",
        "timestamp_s,rss_bytes\r0,1\r1,2\r-1,nan\r",
        "a,timestamp_s,rss_bytes\n,-5,1\n,-4.000000000000000000000001,2\n,9223372036854775808,3\n",
    };
    return i < sizeof texts / sizeof *texts ? fuzz_seed_text(texts[i], out) : 0;
}
