// Series of an endpoint over time: see table.h.
#include "scrape/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int scrape_table_init(struct scrape_table *t, double longest_s, bool (*wanted)(const char *name, void *ctx), void *ctx)
{
    *t = (struct scrape_table){.wanted = wanted, .ctx = ctx};
    t->spacing_ns = (int64_t)(longest_s * 1e9 / (SCRAPE_HISTORY - 2));
    t->row = calloc(SCRAPE_ROWS_MAX, sizeof *t->row);
    t->hash = calloc(SCRAPE_HASH, sizeof *t->hash);
    return t->row && t->hash ? 0 : -1;
}

void scrape_table_free(struct scrape_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->row[i].name);
    free(t->row);
    free(t->hash);
    *t = (struct scrape_table){0};
}

// FNV-1a.
static uint32_t hash_of(const char *name, const char *labels)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    for (; *labels; labels++)
        h = (h ^ (unsigned char)*labels) * 16777619u;
    return h;
}

static struct scrape_row *add_row(struct scrape_table *t, const struct scrape_sample *s)
{
    size_t a = strlen(s->name) + 1, b = strlen(s->labels) + 1;
    char *text = t->n < SCRAPE_ROWS_MAX ? malloc(a + b) : NULL;
    if (!text)
        return NULL;
    struct scrape_row *row = &t->row[t->n++];
    memcpy(text, s->name, a);
    memcpy(text + a, s->labels, b);
    *row = (struct scrape_row){.name = text, .labels = text + a, .counter = s->counter, .before = NAN};
    for (size_t i = 0; i < SCRAPE_HISTORY; i++)
        row->history[i] = NAN;
    return row;
}

static struct scrape_row *find_row(struct scrape_table *t, const struct scrape_sample *s)
{
    uint32_t at = hash_of(s->name, s->labels) % SCRAPE_HASH;
    for (; t->hash[at]; at = (at + 1) % SCRAPE_HASH) {
        struct scrape_row *row = &t->row[t->hash[at] - 1];
        if (!strcmp(row->name, s->name) && !strcmp(row->labels, s->labels))
            return row;
    }
    struct scrape_row *row = add_row(t, s);
    if (row)
        t->hash[at] = (uint32_t)t->n;
    return row;
}

// A counter that fell began again at zero: what it shows came on top of what it had.
static void take_sample(const struct scrape_sample *s, void *ctx)
{
    struct scrape_table *t = ctx;
    if (!t->wanted(s->name, t->ctx))
        return;
    struct scrape_row *row = find_row(t, s);
    if (!row) {
        t->left_out++;
        return;
    }
    if (row->seen == t->scrape || (s->counter && !isfinite(s->value)))
        return; // twice in one scrape: the first counts
    bool known = row->seen > 0;
    row->before = row->seen + 1 == t->scrape ? row->value : NAN;
    if (!s->counter)
        row->value = s->value;
    else if (!known)
        row->value = s->value;
    else
        row->value += s->value >= row->raw ? s->value - row->raw : s->value;
    row->raw = s->value;
    row->seen = t->scrape;
}

static void remember(struct scrape_table *t)
{
    size_t last = t->column;
    if (t->at_ns[last] && t->now_ns - t->at_ns[last] >= t->spacing_ns)
        t->column = (last + 1) % SCRAPE_HISTORY;
    else if (t->at_ns[last])
        return;
    t->at_ns[t->column] = t->now_ns;
    for (size_t i = 0; i < t->n; i++)
        t->row[i].history[t->column] = scrape_row_present(t, &t->row[i]) ? t->row[i].value : NAN;
}

void scrape_table_take(struct scrape_table *t, const char *text, size_t len, int64_t now_ns,
                       struct scrape_counts *counts)
{
    t->scrape++;
    t->left_out = 0;
    t->before_ns = t->now_ns;
    t->now_ns = now_ns;
    scrape_parse(text, len, take_sample, t, counts);
    remember(t);
}

bool scrape_row_present(const struct scrape_table *t, const struct scrape_row *row)
{
    return row->seen == t->scrape && t->scrape > 0;
}

double scrape_row_past(const struct scrape_table *t, const struct scrape_row *row, double range_s, double *ago_s)
{
    if (!(range_s > 0)) {
        *ago_s = (double)(t->now_ns - t->before_ns) / 1e9;
        return t->before_ns ? row->before : NAN;
    }
    double best = NAN, best_ago = 0;
    int64_t oldest = t->now_ns - (int64_t)(range_s * 1e9) - t->spacing_ns;
    for (size_t i = 0; i < SCRAPE_HISTORY; i++) {
        double ago = (double)(t->now_ns - t->at_ns[i]) / 1e9;
        if (!t->at_ns[i] || t->at_ns[i] >= t->now_ns || t->at_ns[i] < oldest || isnan(row->history[i]) ||
            ago <= best_ago)
            continue;
        best = row->history[i];
        best_ago = ago;
    }
    *ago_s = best_ago;
    return best;
}
