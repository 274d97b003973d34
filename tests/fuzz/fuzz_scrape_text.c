// What an endpoint exposes, and an expression over it (the first line): read, kept and evaluated, or refused.
#include "fuzz.h"
#include "scrape/expr.h"

#include <math.h>

static bool all(const char *name, void *ctx)
{
    (void)ctx;
    FUZZ_NEED(strlen(name) < SCRAPE_NAME_BYTES);
    return true;
}

static void take(const char *labels, double value, void *ctx)
{
    (void)ctx;
    FUZZ_NEED(strlen(labels) < SCRAPE_LABELS_BYTES && isfinite(value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nl = memchr(data, '\n', size);
    size_t first = nl ? (size_t)(nl - data) : size;
    char *text = calloc(1, first + 1);
    FUZZ_NEED(text != NULL);
    memcpy(text, data, first);
    struct scrape_expr *e = NULL;
    struct seep_err err = {0};
    size_t column = 0;
    if (scrape_expr_parse(text, &e, &column, &err) != 0)
        FUZZ_NEED(err.text[0] != '\0' && column >= 1 && column <= first + 1);
    struct scrape_table table;
    struct scrape_counts counts;
    FUZZ_NEED(scrape_table_init(&table, e ? scrape_expr_longest_s(e) : 0, all, NULL) == 0);
    for (int i = 1; nl && i <= 3; i++) {
        scrape_table_take(&table, (const char *)nl + 1, size - first - 1, i * 1000000000ll, &counts);
        FUZZ_NEED(counts.samples + counts.bad_lines <= size);
        if (e)
            FUZZ_NEED(scrape_expr_eval(e, &table, take, NULL) >= 0);
    }
    scrape_table_free(&table);
    scrape_expr_free(e);
    free(text);
    return 0;
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    static const char *const texts[] = {
        "sum by (le) (rate(h_bucket{path=~\"/x|y\"}[5m])) / 2\n# TYPE h histogram\nh_bucket{path=\"/x\",le=\"0.1\"} "
        "3\nh_bucket{le=\"+Inf\",path=\"/x\"} 5 # {id=\"a\"} 0.1\nh_sum 2\nh_count 5\n",
        "histogram_quantile(0.99, h) - a{b=\"c\"}\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} "
        "2\na{b=\"c\"} NaN\n",
        "-(1 + 2) * max(x) by (a, b)\nx{a=\"\\\\\\\"\",b=\"\"} 1e9 1395066363000\nx 2\n# EOF\n",
    };
    return i < sizeof texts / sizeof *texts ? fuzz_seed_text(texts[i], out) : 0;
}
