// Sessions: a hash table by id, and a list in the order of creation, which is the order of expiry.
#include "demo.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { BUCKETS = 4096, MAX_SESSIONS = 200000 };

struct session {
    struct session *next_in_bucket;
    struct session *older, *newer;
    uint64_t id;
    int64_t expires_ms;
    char user[40];
};

static struct session *buckets[BUCKETS];
static struct session *oldest, *newest;
static size_t count;

size_t session_count(void)
{
    return count;
}

uint64_t session_id(const struct session *s)
{
    return s->id;
}

static void link_in(struct session *s)
{
    struct session **bucket = &buckets[s->id % BUCKETS];
    s->next_in_bucket = *bucket;
    *bucket = s;
    s->older = newest;
    if (newest)
        newest->newer = s;
    else
        oldest = s;
    newest = s;
    count++;
}

static void session_free(struct session *s)
{
    struct session **at = &buckets[s->id % BUCKETS];
    while (*at != s)
        at = &(*at)->next_in_bucket;
    *at = s->next_in_bucket;
    if (s->older)
        s->older->newer = s->newer;
    else
        oldest = s->newer;
    if (s->newer)
        s->newer->older = s->older;
    else
        newest = s->older;
    count--;
    free(s);
}

// The planted leak: the record is written down either way, but with it nobody frees the record, and the only pointer to
// it ends with this function.
static bool session_audit(const struct session *s, int64_t now_ms)
{
    struct audit_record *record = audit_record_new(s->user, s->id, now_ms);
    if (!record)
        return false;
    audit_record_write(record);
    if (!atomic_load_explicit(&demo.leak[LEAK_LOGIN], memory_order_relaxed))
        audit_record_free(record);
    return true;
}

struct session *session_new(const char *user, int64_t now_ms)
{
    if (count >= MAX_SESSIONS)
        return NULL;
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    if (getrandom(&s->id, sizeof s->id, 0) != (ssize_t)sizeof s->id) {
        free(s);
        return NULL;
    }
    s->expires_ms = now_ms + demo.session_ttl_ms;
    snprintf(s->user, sizeof s->user, "%s", user);
    link_in(s);
    if (!session_audit(s, now_ms)) {
        session_free(s);
        return NULL;
    }
    return s;
}

static struct session *session_find(uint64_t id)
{
    struct session *s = buckets[id % BUCKETS];
    while (s && s->id != id)
        s = s->next_in_bucket;
    return s;
}

bool session_is_alive(uint64_t id)
{
    return session_find(id) != NULL;
}

bool session_end(uint64_t id)
{
    struct session *s = session_find(id);
    if (s)
        session_free(s);
    return s != NULL;
}

void session_expire(int64_t now_ms)
{
    while (oldest && oldest->expires_ms <= now_ms) {
        session_free(oldest);
        tally.expired++;
    }
}

void session_free_all(void)
{
    while (oldest)
        session_free(oldest);
}
