// The worker's own books: see tally.h.
#include "load/tally.h"

#include <stdlib.h>

static bool keeps(const struct load_series *s, int kind)
{
    return kind == LOAD_PASS ? s->passes && !s->leaf : s->leaf;
}

int tally_open(const struct load_series_table *series, struct load_tally *out, struct seep_err *err)
{
    size_t n = (size_t)series->n;
    *out = (struct load_tally){.series = series,
                               .counts = calloc(n, sizeof *out->counts),
                               .codes = calloc(n, sizeof *out->codes),
                               .hist = calloc(n * LOAD_HIST_KINDS, sizeof *out->hist)};
    bool ok = out->counts && out->codes && out->hist;
    for (int i = 0; ok && i < series->n; i++)
        for (int kind = 0; ok && kind < LOAD_HIST_KINDS; kind++)
            if (keeps(&series->row[i], kind))
                ok = (out->hist[i * LOAD_HIST_KINDS + kind] = calloc(1, sizeof **out->hist)) != NULL;
    if (ok)
        return 0;
    tally_close(out);
    return seep_fail(err, SEEP_E_SYSTEM, "There is no memory to count %d series of the load.", series->n);
}

void tally_close(struct load_tally *t)
{
    for (int i = 0; t->hist && i < t->series->n * LOAD_HIST_KINDS; i++)
        free(t->hist[i]);
    free(t->hist);
    free(t->codes);
    free(t->counts);
    *t = (struct load_tally){0};
}

void tally_status(struct load_tally *t, int series, int status)
{
    t->counts[series].status[status >= 100 && status <= 599 ? status / 100 : 0]++;
    load_codes_add(&t->codes[series], status, 1);
}

void load_codes_add(struct load_codes *c, int status, uint64_t times)
{
    uint32_t i = 0;
    while (i < c->n && c->code[i] != status)
        i++;
    if (i == LOAD_CODES) {
        c->other += times;
        return;
    }
    c->code[i] = status;
    c->count[i] += times;
    c->n += i == c->n;
}

void load_codes_merge(struct load_codes *into, const struct load_codes *from)
{
    for (uint32_t i = 0; i < from->n; i++)
        load_codes_add(into, from->code[i], from->count[i]);
    into->other += from->other;
}
