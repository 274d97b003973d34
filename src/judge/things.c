// Whole things: see things.h and docs/METHOD.md, "Whole things". Pure.
#include "judge/things.h"
#include "judge/stat.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS = 8, BLOCKS = 60, BLOCK_LEAST = 3 };

static const double falls_most = .1; // of what it rises

bool judge_things_ratchet(const double *y, size_t n)
{
    double before = NAN, up = 0, down = 0;
    for (size_t k = 0; k < PARTS; k++) {
        double least = INFINITY;
        for (size_t i = k * n / PARTS; i < (k + 1) * n / PARTS; i++)
            least = fmin(least, y[i]);
        if (k > 0) {
            up += fmax(least - before, 0);
            down += fmax(before - least, 0);
        }
        before = least;
    }
    return up > 0 && down <= falls_most * up;
}

int judge_things_medians(const struct judge_window *w, struct judge_window *out)
{
    size_t block = w->n / BLOCKS > BLOCK_LEAST ? w->n / BLOCKS : BLOCK_LEAST, blocks = w->n / block;
    *out = (struct judge_window){.n = blocks};
    double *scratch = malloc(block * sizeof *scratch);
    out->own_t = malloc((blocks + 1) * sizeof *out->own_t);
    out->own_y = malloc((blocks + 1) * sizeof *out->own_y);
    bool ok = scratch && out->own_t && out->own_y;
    for (size_t b = 0; ok && b < blocks; b++) {
        memcpy(scratch, w->y + b * block, block * sizeof *scratch);
        out->own_t[b] = (w->t[b * block] + w->t[(b + 1) * block - 1]) / 2;
        out->own_y[b] = judge_median(scratch, block);
    }
    out->t = out->own_t;
    out->y = out->own_y;
    free(scratch);
    if (!ok)
        judge_window_free(out);
    return ok ? 0 : -1;
}
