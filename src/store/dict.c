// Ids for what is seen again and again: series, modules, stacks, each known by its bytes.
//
// The dictionary stays in memory as a whole: a stack is about 100 bytes, and with it a successor file can be given all
// names at once even when the first file can no longer be read. Ids count from 1, so "not yet in the file" is a mark,
// not a list. The hash is seeded, since the target decides what its stacks look like.
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define LOST UINT32_MAX

void dict_init(struct dict *d, size_t bytes_ceiling)
{
    *d = (struct dict){.bytes_ceiling = bytes_ceiling};
    if (getrandom(&d->seed, sizeof d->seed, GRND_NONBLOCK) != (ssize_t)sizeof d->seed)
        d->seed = (uint64_t)(uintptr_t)d;
}

void dict_free(struct dict *d)
{
    free(d->items);
    free(d->bytes);
    free(d->table);
    *d = (struct dict){0};
}

static uint64_t hash_of(const struct dict *d, const unsigned char *key, size_t len)
{
    uint64_t h = d->seed ^ (len * 0x9e3779b97f4a7c15u);
    for (size_t i = 0; i < len; i++) {
        h = (h ^ key[i]) * 0x100000001b3u;
        h ^= h >> 29;
    }
    h *= 0xbf58476d1ce4e5b9u;
    return h ^ (h >> 32);
}

static int grow(void **array, size_t *cap, size_t wanted, size_t item)
{
    if (wanted <= *cap)
        return 0;
    size_t next = *cap ? *cap * 2 : 64;
    while (next < wanted)
        next *= 2;
    void *p = realloc(*array, next * item);
    if (!p)
        return -1;
    *array = p;
    *cap = next;
    return 0;
}

static void table_put(struct dict *d, uint32_t id)
{
    size_t at = d->items[id - 1].hash & (d->table_size - 1);
    while (d->table[at])
        at = (at + 1) & (d->table_size - 1);
    d->table[at] = id;
}

static int table_grow(struct dict *d, size_t wanted)
{
    if (wanted * 2 <= d->table_size)
        return 0;
    size_t size = d->table_size ? d->table_size * 2 : 256;
    while (size < wanted * 2)
        size *= 2;
    uint32_t *table = calloc(size, sizeof *table);
    if (!table)
        return -1;
    free(d->table);
    d->table = table;
    d->table_size = size;
    for (size_t i = 0; i < d->n; i++)
        if (d->items[i].len != LOST)
            table_put(d, (uint32_t)i + 1);
    return 0;
}

static uint32_t find(const struct dict *d, const void *key, size_t len, uint64_t hash)
{
    if (!d->table_size)
        return 0;
    for (size_t at = hash & (d->table_size - 1); d->table[at]; at = (at + 1) & (d->table_size - 1)) {
        const struct dict_item *it = &d->items[d->table[at] - 1];
        if (it->hash == hash && it->len == len && memcmp(d->bytes + it->offset, key, len) == 0)
            return d->table[at];
    }
    return 0;
}

static int add(struct dict *d, const char *what, uint32_t id, const void *key, size_t len, struct seep_err *err)
{
    if (id > STORE_MAX_IDS || d->bytes_len + len > d->bytes_ceiling)
        return seep_fail(err, SEEP_E_LIMIT, "There are more %s than a run can hold", what);
    if (grow((void **)&d->items, &d->items_cap, id, sizeof *d->items) ||
        grow((void **)&d->bytes, &d->bytes_cap, d->bytes_len + len, 1) || table_grow(d, id))
        return seep_fail(err, SEEP_E_LIMIT, "Out of memory for another of the run's %s", what);
    while (d->n + 1 < id)
        d->items[d->n++] = (struct dict_item){.len = LOST};
    memcpy(d->bytes + d->bytes_len, key, len);
    d->items[d->n++] = (struct dict_item){hash_of(d, key, len), (uint32_t)d->bytes_len, (uint32_t)len};
    d->bytes_len += len;
    table_put(d, id);
    return 0;
}

int dict_id(struct dict *d, const char *what, const void *key, size_t len, uint32_t *id, struct seep_err *err)
{
    *id = find(d, key, len, hash_of(d, key, len));
    if (*id)
        return 0;
    uint32_t next = (uint32_t)d->n + 1;
    if (add(d, what, next, key, len, err))
        return -1;
    *id = next;
    return 0;
}

int dict_load(struct dict *d, const char *what, uint32_t id, const void *key, size_t len, struct seep_err *err)
{
    // A successor file repeats what the file before it has.
    return id <= d->n ? 0 : add(d, what, id, key, len, err);
}

const char *dict_key(const struct dict *d, uint32_t id, size_t *len)
{
    if (id == 0 || id > d->n || d->items[id - 1].len == LOST)
        return NULL;
    *len = d->items[id - 1].len;
    return d->bytes + d->items[id - 1].offset;
}
