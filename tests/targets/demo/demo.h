// The demo service: a small honest HTTP server with sessions, a bounded cache and a background worker, whose memory is
// flat under steady load, until one of its three planted leaks is switched on.
//
// Threads: everything but jobs.c runs on the one event loop of server.c. jobs.c owns the worker thread; what both touch
// is behind its lock. The tally is counted by the loop only, but for the two fields of the worker, which are atomic.
#ifndef DEMO_H
#define DEMO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum demo_leak { LEAK_LOGIN, LEAK_ITEMS, LEAK_JOBS, LEAKS };
extern const char *const demo_leak_name[LEAKS];

struct demo_settings {
    int port;
    int64_t session_ttl_ms;
    size_t cache_items;
    unsigned rate_limit; // requests a second of one client; 0: none
    size_t leak_bytes;   // size of what is leaked per request
    atomic_bool leak[LEAKS];
};
extern struct demo_settings demo;

struct demo_tally {
    uint64_t requests, logins, refused, logouts, expired, items, hits, jobs_refused, bad, connections;
    atomic_uint_fast64_t jobs_taken, jobs_done;
};
extern struct demo_tally tally;

// session.c: sessions live until they are logged out or their time is over.
struct session;
struct session *session_new(const char *user, int64_t now_ms); // NULL: too many, or no memory
uint64_t session_id(const struct session *s);
bool session_end(uint64_t id);
bool session_is_alive(uint64_t id);
void session_expire(int64_t now_ms); // frees those whose time is over
size_t session_count(void);
void session_free_all(void);

// audit.c: who logged in, written down once per session.
struct audit_record;
struct audit_record *audit_record_new(const char *user, uint64_t session, int64_t now_ms);
void audit_record_write(const struct audit_record *r); // into the trail of the last 256
void audit_record_free(struct audit_record *r);

// cache.c: items rendered once and kept, the least recently used one leaves. Text is valid until the next call.
const char *cache_item(unsigned long id, size_t *len); // NULL: no memory
size_t cache_count(void);
size_t history_count(void);
void cache_free_all(void);

// jobs.c: a queue of at most 1024 jobs and one thread that works them off.
bool jobs_start(void);
bool jobs_add(const char *text, size_t len); // false: queue full, or no memory
void jobs_stop(void);                        // what is queued is dropped; joins the thread

#endif
