// Labels as text: see labels.h.
#include "scrape/labels.h"

#include <stdio.h>
#include <string.h>

struct label {
    const char *key, *value; // value behind its quote
    size_t key_len, value_len;
    const char *next;
};

static bool next_label(const char *at, struct label *l)
{
    const char *eq = at ? strstr(at, "=\"") : NULL;
    if (!eq)
        return false;
    const char *end = eq + 2;
    while (*end && *end != '"')
        end += *end == '\\' && end[1] ? 2 : 1;
    *l = (struct label){.key = at,
                        .key_len = (size_t)(eq - at),
                        .value = eq + 2,
                        .value_len = (size_t)(end - eq - 2),
                        .next = end[0] && end[1] == ',' ? end + 2 : NULL};
    return true;
}

const char *labels_get(const char *labels, const char *key, size_t *len)
{
    struct label l;
    size_t want = strlen(key);
    for (const char *at = labels; next_label(at, &l); at = l.next) {
        if (l.key_len != want || strncmp(l.key, key, want) != 0)
            continue;
        *len = l.value_len;
        return l.value;
    }
    return NULL;
}

static bool listed(const char *keys, const struct label *l)
{
    for (const char *at = keys; *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == l->key_len && !strncmp(at, l->key, l->key_len))
            return true;
    return false;
}

static void append(char *out, const struct label *l)
{
    size_t used = strlen(out);
    snprintf(out + used, SCRAPE_LABELS_BYTES - used, "%s%.*s=\"%.*s\"", used ? "," : "", (int)l->key_len, l->key,
             (int)l->value_len, l->value);
}

void labels_pick(const char *labels, const char *keys, bool keep, char *out)
{
    struct label l;
    out[0] = '\0';
    for (const char *at = labels; next_label(at, &l); at = l.next)
        if (listed(keys, &l) == keep)
            append(out, &l);
}

void labels_common(const char *a, const char *b, char *out)
{
    struct label l;
    out[0] = '\0';
    for (const char *at = a; next_label(at, &l); at = l.next) {
        char key[256];
        size_t len;
        snprintf(key, sizeof key, "%.*s", (int)l.key_len, l.key);
        const char *other = labels_get(b, key, &len);
        if (other && len == l.value_len && !strncmp(other, l.value, len))
            append(out, &l);
    }
}
