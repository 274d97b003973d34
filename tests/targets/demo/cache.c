// Items: rendered on first use, then kept in a cache of bounded size.
#include "demo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024, ITEM_BYTES = 1000 };

struct item {
    struct item *next_in_bucket;
    struct item *older, *newer; // by last use
    unsigned long id;
    size_t len;
    char text[];
};

static struct item *buckets[BUCKETS];
static struct item *oldest, *newest;
static size_t count;

// Which items were asked for: only the planted leak writes it. It is always reachable and it only grows.
struct history_entry {
    struct history_entry *next;
    unsigned long id;
};
static struct history_entry *history;
static size_t history_len;

size_t cache_count(void)
{
    return count;
}

size_t history_count(void)
{
    return history_len;
}

static void history_add(unsigned long id)
{
    size_t size = demo.leak_bytes > sizeof(struct history_entry) ? demo.leak_bytes : sizeof(struct history_entry);
    struct history_entry *e = malloc(size);
    if (!e)
        return;
    e->id = id;
    e->next = history;
    history = e;
    history_len++;
}

static void use_take(struct item *it)
{
    if (it->older)
        it->older->newer = it->newer;
    else
        oldest = it->newer;
    if (it->newer)
        it->newer->older = it->older;
    else
        newest = it->older;
}

static void use_put_newest(struct item *it)
{
    it->newer = NULL;
    it->older = newest;
    if (newest)
        newest->newer = it;
    else
        oldest = it;
    newest = it;
}

static void lru_evict(struct item *it)
{
    struct item **at = &buckets[it->id % BUCKETS];
    while (*at != it)
        at = &(*at)->next_in_bucket;
    *at = it->next_in_bucket;
    use_take(it);
    count--;
    free(it);
}

static struct item *item_render(unsigned long id)
{
    struct item *it = malloc(sizeof *it + ITEM_BYTES + 1);
    if (!it)
        return NULL;
    int head = snprintf(it->text, ITEM_BYTES, "{\"id\":%lu,\"text\":\"", id);
    unsigned long x = id * 2654435761u + 1;
    for (int i = head; i < ITEM_BYTES - 3; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        it->text[i] = (char)('a' + (x >> 33) % 26);
    }
    memcpy(it->text + ITEM_BYTES - 3, "\"}\n", 4);
    it->id = id;
    it->len = ITEM_BYTES;
    return it;
}

static struct item *lru_insert(unsigned long id)
{
    struct item *it = item_render(id);
    if (!it)
        return NULL;
    if (count >= demo.cache_items)
        lru_evict(oldest);
    struct item **bucket = &buckets[id % BUCKETS];
    it->next_in_bucket = *bucket;
    *bucket = it;
    use_put_newest(it);
    count++;
    return it;
}

const char *cache_item(unsigned long id, size_t *len)
{
    if (atomic_load_explicit(&demo.leak[LEAK_ITEMS], memory_order_relaxed))
        history_add(id);
    struct item *it = buckets[id % BUCKETS];
    while (it && it->id != id)
        it = it->next_in_bucket;
    if (it) {
        tally.hits++;
        use_take(it);
        use_put_newest(it);
    } else {
        it = lru_insert(id);
    }
    if (!it)
        return NULL;
    *len = it->len;
    return it->text;
}

void cache_free_all(void)
{
    while (oldest)
        lru_evict(oldest);
    while (history) {
        struct history_entry *next = history->next;
        free(history);
        history = next;
    }
    history_len = 0;
}
