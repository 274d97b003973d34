// Histograms from a load worker or a database: refused, or they hold together and pack to the same again.
#include "fuzz.h"
#include "load/hist.h"

static struct load_hist h, again;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seep_err err = {0};
    struct hist_figures f;
    struct seep_buf packed;
    if (hist_unpack(data, size, &h, &err) != 0) {
        hist_figures(&h, &f);
        FUZZ_NEED(f.count == 0 && err.text[0] != '\0');
        return 0;
    }
    hist_figures(&h, &f);
    FUZZ_NEED(f.count == 0 || (f.min_us <= f.p50_us && f.p50_us <= f.p99_us && f.p99_us <= f.max_us));
    buf_init(&packed, HIST_BLOB_MAX);
    hist_pack(&h, &packed);
    FUZZ_NEED(hist_unpack(packed.data, packed.len, &again, &err) == 0 && memcmp(&h, &again, sizeof h) == 0);
    buf_free(&packed);
    return 0;
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    struct seep_buf packed;
    if (i > 3)
        return 0;
    memset(&h, 0, sizeof h);
    for (uint64_t v = 1; i > 0 && v < 4000000000u; v = v * 3 / 2 + 1)
        hist_record_times(&h, v, i == 3 ? v : i);
    buf_init(&packed, HIST_BLOB_MAX);
    hist_pack(&h, &packed);
    size_t n = packed.len < FUZZ_INPUT_MAX ? packed.len : FUZZ_INPUT_MAX;
    memcpy(out, packed.data, n);
    buf_free(&packed);
    return n;
}
