// Series of any numbers: judged without a crash or a hang, and never passed or failed on rates that are no numbers.
#include "fuzz.h"
#include "judge/trend.h"
#include <math.h>

enum { POINTS_MAX = 3000 };

// Mostly plausible numbers, sometimes any bit pattern.
static double number(struct fuzz_in *in, double scale)
{
    uint8_t kind = fuzz_u8(in);
    double any;
    if (kind == 255) {
        fuzz_take(in, &any, sizeof any);
        return any;
    }
    return ldexp((double)fuzz_u24(in) * scale, kind % 8 == 7 ? (int)kind - 128 : 0);
}

static struct judge_options any_options(struct fuzz_in *in, struct judge_span spans[2])
{
    struct judge_options o = JUDGE_OPTIONS_DEFAULT;
    uint8_t flags = fuzz_u8(in);
    o.budget_per_s = number(in, 1);
    o.quantum = flags & 1 ? 4096 : 0;
    o.counts = flags & 2;
    o.unit = o.counts ? JUDGE_U_COUNT : JUDGE_U_BYTES;
    o.total_limit = flags & 4 ? number(in, 1) : NAN;
    o.warmup_s = flags & 8 ? number(in, .01) : NAN;
    o.period_s = flags & 16 ? number(in, .01) : NAN;
    if (flags & 32) {
        for (int i = 0; i < 2; i++)
            spans[i] = (struct judge_span){number(in, .01), number(in, .01)};
        o.excluded = spans;
        o.n_excluded = 2;
    }
    return o;
}

static void check(const struct judge_growth *g)
{
    FUZZ_NEED(g->verdict >= 0 && g->verdict < JUDGE_VERDICTS && g->shape >= 0 && g->shape < JUDGE_SHAPES);
    FUZZ_NEED(strlen(g->reason) > 5 && strlen(g->reason) < sizeof g->reason);
    if (g->verdict == JUDGE_PASS)
        FUZZ_NEED(isfinite(g->slope_per_s) && isfinite(g->lo_per_s) && isfinite(g->hi_per_s) &&
                  g->hi_per_s <= g->budget_per_s * (1 + 1e-9));
    if (g->verdict == JUDGE_FAIL)
        FUZZ_NEED(isfinite(g->slope_per_s) && isfinite(g->lo_per_s) && isfinite(g->hi_per_s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static double t[POINTS_MAX], y[POINTS_MAX];
    struct fuzz_in in = {data, size};
    struct judge_span spans[2];
    struct judge_growth g;
    struct judge_options o = any_options(&in, spans);
    uint8_t shape = fuzz_u8(&in);
    size_t n = 0;
    double now = number(&in, 1), slope = number(&in, 1);
    while (in.left > 0 && n < POINTS_MAX) {
        t[n] = now;
        now += shape & 1 ? 1 : number(&in, .01);
        y[n] = number(&in, shape & 2 ? 4096 : 1) + (shape & 4 ? slope * (double)n : 0);
        n++;
    }
    FUZZ_NEED(judge_trend(&(struct judge_series){t, y, n}, &o, &g) == 0);
    check(&g);
    return 0;
}

// Seeds: enough points for every model, flat, rising, in steps, huge, tiny.
size_t fuzz_seed(unsigned i, uint8_t *out)
{
    static const uint8_t shapes[] = {1, 3, 5, 7, 0, 4};
    size_t n = 0;
    if (i >= 2 * sizeof shapes)
        return 0;
    out[n++] = (uint8_t)(i * 9); // flags
    for (int k = 0; k < 4 * 3; k++)
        out[n++] = (uint8_t)(k * 37 + (int)i);
    out[n++] = shapes[i % sizeof shapes];
    for (unsigned k = 0; k < 900; k++)
        out[n++] = i < sizeof shapes ? (uint8_t)(k % 4 ? k * 31 + i : 0) : (uint8_t)(k / 100 * 20);
    return n;
}
