// An open-addressed table over copies of the keys; see intern.h.
#include "report/intern.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_of(const void *key, size_t len)
{
    const unsigned char *p = key;
    uint64_t h = 0xcbf29ce484222325u; // FNV-1a
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h ^ h >> 29;
}

static size_t find(const struct intern *t, const void *key, size_t len)
{
    size_t at = hash_of(key, len) & (t->n_slots - 1);
    for (; t->slot[at] != 0; at = (at + 1) & (t->n_slots - 1)) {
        const struct intern_entry *e = &t->entry[t->slot[at] - 1];
        if (e->len == len && (len == 0 || memcmp(e->bytes, key, len) == 0))
            break;
    }
    return at;
}

static bool grow(struct intern *t)
{
    size_t room = t->room == 0 ? 256 : t->room * 2;
    struct intern_entry *entry = realloc(t->entry, room * sizeof *entry);
    uint32_t *slot = calloc(room * 2, sizeof *slot);
    if (entry != NULL)
        t->entry = entry;
    if (entry == NULL || slot == NULL || room > UINT32_MAX / 2) {
        free(slot);
        return false;
    }
    free(t->slot);
    t->slot = slot;
    t->room = room;
    t->n_slots = room * 2;
    for (size_t i = 0; i < t->n; i++)
        t->slot[find(t, t->entry[i].bytes, t->entry[i].len)] = (uint32_t)i + 1;
    return true;
}

uint32_t intern_add(struct intern *t, const void *key, size_t len, bool *is_new)
{
    if (is_new != NULL)
        *is_new = false;
    if (t->failed || (t->n == t->room && !grow(t))) {
        t->failed = true;
        return 0;
    }
    size_t at = find(t, key, len);
    if (t->slot[at] != 0)
        return t->slot[at] - 1;
    char *copy = malloc(len + 1);
    if (copy == NULL) {
        t->failed = true;
        return 0;
    }
    if (len > 0)
        memcpy(copy, key, len);
    copy[len] = '\0';
    t->entry[t->n] = (struct intern_entry){copy, len};
    t->slot[at] = (uint32_t)++t->n;
    if (is_new != NULL)
        *is_new = true;
    return (uint32_t)t->n - 1;
}

uint32_t intern_text(struct intern *t, const char *text)
{
    return intern_add(t, text, strlen(text), NULL);
}

void intern_free(struct intern *t)
{
    for (size_t i = 0; i < t->n; i++)
        free((char *)t->entry[i].bytes);
    free(t->entry);
    free(t->slot);
    *t = (struct intern){0};
}
