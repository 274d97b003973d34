// Metrics as text: see exposition.h.
#include "scrape/exposition.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TYPE_BYTES = 16 };

struct reader {
    char family[SCRAPE_NAME_BYTES], type[TYPE_BYTES]; // of the last # TYPE line
    struct {
        const char *key, *value;
        size_t key_len, value_len;
    } label[SCRAPE_LABELS_MAX];
    size_t n_labels;
    char name[SCRAPE_NAME_BYTES], labels[SCRAPE_LABELS_BYTES];
    bool ended;
};

struct line {
    const char *at, *end;
};

static void skip_blanks(struct line *l)
{
    while (l->at < l->end && (*l->at == ' ' || *l->at == '\t'))
        l->at++;
}

static size_t word_len(const struct line *l)
{
    const char *p = l->at;
    while (p < l->end && *p != ' ' && *p != '\t')
        p++;
    return (size_t)(p - l->at);
}

static size_t name_len(const struct line *l)
{
    const char *p = l->at;
    while (p < l->end && (isalnum((unsigned char)*p) || *p == '_' || *p == ':'))
        p++;
    return p > l->at && isdigit((unsigned char)*l->at) ? 0 : (size_t)(p - l->at);
}

static bool copy(char *out, size_t size, const char *from, size_t len)
{
    if (len >= size)
        return false;
    memcpy(out, from, len);
    out[len] = '\0';
    return true;
}

// "# TYPE name counter", "# EOF"; all other comments are none of ours.
static void read_comment(struct reader *r, struct line l)
{
    l.at++;
    skip_blanks(&l);
    size_t len = word_len(&l);
    r->ended |= len == 3 && !strncmp(l.at, "EOF", 3);
    if (len != 4 || strncmp(l.at, "TYPE", 4) != 0)
        return;
    l.at += len;
    skip_blanks(&l);
    size_t name = name_len(&l);
    const char *from = l.at;
    l.at += name;
    skip_blanks(&l);
    if (!copy(r->family, sizeof r->family, from, name) || !copy(r->type, sizeof r->type, l.at, word_len(&l)))
        r->family[0] = '\0';
}

static bool read_label(struct reader *r, struct line *l)
{
    size_t key = name_len(l);
    if (key == 0 || r->n_labels == SCRAPE_LABELS_MAX)
        return false;
    r->label[r->n_labels].key = l->at;
    r->label[r->n_labels].key_len = key;
    l->at += key;
    skip_blanks(l);
    if (l->at >= l->end || *l->at++ != '=')
        return false;
    skip_blanks(l);
    if (l->at >= l->end || *l->at++ != '"')
        return false;
    const char *value = l->at;
    while (l->at < l->end && *l->at != '"')
        l->at += *l->at == '\\' ? 2 : 1;
    if (l->at >= l->end)
        return false;
    r->label[r->n_labels].value = value;
    r->label[r->n_labels++].value_len = (size_t)(l->at++ - value);
    return true;
}

static bool read_labels(struct reader *r, struct line *l)
{
    r->n_labels = 0;
    if (l->at >= l->end || *l->at != '{')
        return true;
    l->at++;
    for (;;) {
        skip_blanks(l);
        if (l->at < l->end && *l->at == '}')
            break;
        if (!read_label(r, l))
            return false;
        skip_blanks(l);
        if (l->at < l->end && *l->at == ',')
            l->at++;
        else if (l->at >= l->end || *l->at != '}')
            return false;
    }
    l->at++;
    return true;
}

static int compare_labels(const struct reader *r, size_t a, size_t b)
{
    size_t la = r->label[a].key_len, lb = r->label[b].key_len;
    int c = memcmp(r->label[a].key, r->label[b].key, la < lb ? la : lb);
    return c ? c : la < lb ? -1 : la > lb;
}

// Few labels: the smallest that is left, again and again. The same key twice is not a label set.
static bool sort_labels(struct reader *r)
{
    size_t used = 0, order[SCRAPE_LABELS_MAX];
    for (size_t i = 0; i < r->n_labels; i++) {
        size_t k = i;
        for (; k > 0 && compare_labels(r, i, order[k - 1]) <= 0; k--) {
            if (compare_labels(r, i, order[k - 1]) == 0)
                return false;
            order[k] = order[k - 1];
        }
        order[k] = i;
    }
    r->labels[0] = '\0';
    for (size_t i = 0; i < r->n_labels; i++) {
        size_t k = order[i];
        int n = snprintf(r->labels + used, sizeof r->labels - used, "%s%.*s=\"%.*s\"", i ? "," : "",
                         (int)r->label[k].key_len, r->label[k].key, (int)r->label[k].value_len, r->label[k].value);
        if (n < 0 || (used += (size_t)n) >= sizeof r->labels)
            return false;
    }
    return true;
}

static bool read_value(struct line *l, double *out)
{
    char text[64], *end;
    size_t len = word_len(l);
    if (len == 0 || !copy(text, sizeof text, l->at, len) || strpbrk(text, "xXpP()"))
        return false;
    *out = strtod(text, &end);
    return *end == '\0';
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t a = strlen(name), b = strlen(suffix);
    return a > b && !strcmp(name + a - b, suffix);
}

static bool is_counter(const struct reader *r)
{
    size_t family = strlen(r->family);
    bool ours = family > 0 && !strncmp(r->name, r->family, family);
    if (!ours)
        return ends_with(r->name, "_total") || ends_with(r->name, "_bucket");
    if (!strcmp(r->type, "counter"))
        return true;
    bool spread = !strcmp(r->type, "histogram") || !strcmp(r->type, "summary");
    return spread && (!strcmp(r->name + family, "_bucket") || !strcmp(r->name + family, "_count") ||
                      !strcmp(r->name + family, "_sum"));
}

static bool read_sample(struct reader *r, struct line l, struct scrape_sample *out)
{
    size_t len = name_len(&l);
    if (len == 0 || !copy(r->name, sizeof r->name, l.at, len))
        return false;
    l.at += len;
    skip_blanks(&l);
    if (!read_labels(r, &l) || !sort_labels(r))
        return false;
    skip_blanks(&l);
    double value;
    if (!read_value(&l, &value))
        return false;
    *out = (struct scrape_sample){.name = r->name, .labels = r->labels, .value = value, .counter = is_counter(r)};
    return true;
}

void scrape_parse(const char *text, size_t len, void (*each)(const struct scrape_sample *s, void *ctx), void *ctx,
                  struct scrape_counts *counts)
{
    struct reader r = {.n_labels = 0};
    const char *at = text, *end = text + len;
    *counts = (struct scrape_counts){0};
    while (at < end && !r.ended) {
        const char *nl = memchr(at, '\n', (size_t)(end - at));
        struct line l = {at, nl ? nl : end};
        at = nl ? nl + 1 : end;
        if (l.end > l.at && l.end[-1] == '\r')
            l.end--;
        skip_blanks(&l);
        struct scrape_sample s;
        if (l.at == l.end)
            continue;
        if (*l.at == '#') {
            read_comment(&r, l);
        } else if (memchr(l.at, '\0', (size_t)(l.end - l.at)) || !read_sample(&r, l, &s)) {
            counts->bad_lines++;
        } else {
            counts->samples++;
            each(&s, ctx);
        }
    }
}
