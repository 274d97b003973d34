// Figures of variants over their rounds, and the words that all formats share: see variants.h.
#include "report/variants.h"
#include "judge/stat.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct variants_figure *variants_figure(struct variants *v, const char *name, enum judge_unit unit)
{
    for (size_t i = 0; i < v->n_figures; i++)
        if (!strcmp(v->figure[i].name, name))
            return &v->figure[i];
    if (v->n_figures == VARIANTS_FIGURES_MAX || strlen(name) >= sizeof v->figure[0].name)
        return NULL;
    struct variants_figure *f = &v->figure[v->n_figures++];
    snprintf(f->name, sizeof f->name, "%s", name);
    f->unit = unit;
    f->listed = false;
    for (int k = 0; k < VARIANTS_MAX; k++)
        for (int r = 0; r < VARIANTS_ROUNDS_MAX; r++)
            f->value[k][r] = NAN;
    return f;
}

double variants_median(const struct variants *v, const struct variants_figure *f, int variant)
{
    double known[VARIANTS_ROUNDS_MAX];
    size_t n = 0;
    for (int r = 0; r < v->rounds; r++)
        if (isfinite(f->value[variant][r]))
            known[n++] = f->value[variant][r];
    return n == 0 ? NAN : judge_median(known, n);
}

void variants_ratio(const struct variants *v, const struct variants_figure *f, int k, struct judge_paired *out)
{
    judge_paired_ratio(f->value[0], f->value[k], (size_t)v->rounds, out);
}

void variants_scaling(const struct variants *v, int k, struct judge_paired *out)
{
    double share = v->one[0].instances / v->one[k].instances; // NaN where one is not said
    *out = (struct judge_paired){.mean = NAN, .lo = NAN, .hi = NAN};
    for (size_t i = 0; i < v->n_figures && isfinite(share); i++)
        if (!strcmp(v->figure[i].name, "http.rate"))
            variants_ratio(v, &v->figure[i], k, out);
    out->mean *= share;
    out->lo *= share;
    out->hi *= share;
}

char *variants_ratio_text(const struct judge_paired *p, char *out, size_t size)
{
    out[0] = '\0';
    if (p->n == 1)
        snprintf(out, size, "%.3g", p->mean);
    else if (p->n > 1)
        snprintf(out, size, "%.3g [%.3g, %.3g]", p->mean, p->lo, p->hi);
    return out;
}

char *variants_gate_text(const struct variants_gate *g, char *out, size_t size)
{
    char left[48], right[48], by[48], lo[48], hi[48];
    double shift = g->fixed ? g->right : 0; // of the interval: of the left side itself where the right is a constant
    const struct judge_paired *m = &g->margin;
    judge_format(left, sizeof left, g->left, g->unit);
    judge_format(right, sizeof right, g->right, g->unit);
    judge_format(lo, sizeof lo, m->lo + shift, g->unit);
    judge_format(hi, sizeof hi, m->hi + shift, g->unit);
    judge_format(by, sizeof by, m->mean, g->unit);
    if (m->n < 2)
        snprintf(out, size, "%s against %s%s", left, right, m->n == 1 ? ", one round" : "");
    else if (g->fixed)
        snprintf(out, size, "%s [%s, %s] against %s, %zu rounds", left, lo, hi, right, m->n);
    else
        snprintf(out, size, "%s against %s, difference %s [%s, %s], %zu rounds", left, right, by, lo, hi, m->n);
    return out;
}

char *variants_title_text(const struct variants *v, char *out, size_t size)
{
    snprintf(out, size, "%d variants, %d round%s %s%s", v->n, v->rounds, v->rounds == 1 ? "" : "s",
             v->at_once ? "at the same time" : "in turn",
             v->rounds > 1 ? "; medians, and ratios to the first variant of the same round with their 90 % interval"
                           : "; one round has no interval: --rounds 3 or more tells how sure a difference is");
    return out;
}

char *variants_scaling_text(const struct variants *v, int k, char *out, size_t size)
{
    char ratio[64];
    struct judge_paired p;
    out[0] = '\0';
    variants_scaling(v, k, &p);
    if (p.n > 0)
        snprintf(out, size, "%s: %.0f instance%s, %s of the throughput an instance of %s", v->one[k].name,
                 v->one[k].instances, v->one[k].instances == 1 ? "" : "s", variants_ratio_text(&p, ratio, sizeof ratio),
                 v->one[0].name);
    return out;
}

const char *variants_gate_word(const struct variants_gate *g)
{
    return g->status == JUDGE_S_PASS ? "PASS" : g->status == JUDGE_S_FAIL ? "FAIL" : "INCONCLUSIVE";
}
