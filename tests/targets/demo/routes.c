// What the service answers: one function a path. Input comes from anyone; all of it is within the connection's buffer.
#include "routes.h"
#include "demo.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answer(struct reply *r, int status, const char *reason, const char *body, size_t len)
{
    r->status = status;
    r->reason = reason;
    r->body_len = len < sizeof r->body ? len : sizeof r->body;
    memcpy(r->body, body, r->body_len);
}

static void answer_text(struct reply *r, int status, const char *reason, const char *text)
{
    answer(r, status, reason, text, strlen(text));
}

// The value of `key` in "a=b&c=d", copied into out; false when it is not there or does not fit.
static bool form_value(const char *form, size_t len, const char *key, char *out, size_t size)
{
    size_t key_len = strlen(key);
    const char *end = form + len;
    for (const char *p = form; p < end;) {
        const char *stop = memchr(p, '&', (size_t)(end - p));
        if (!stop)
            stop = end;
        if ((size_t)(stop - p) > key_len && p[key_len] == '=' && memcmp(p, key, key_len) == 0) {
            size_t n = (size_t)(stop - p) - key_len - 1;
            if (n >= size)
                return false;
            memcpy(out, p + key_len + 1, n);
            out[n] = 0;
            return true;
        }
        p = stop + 1;
    }
    return false;
}

static void handle_health(const struct request *q, struct reply *r)
{
    (void)q;
    answer_text(r, 200, "OK", "ok\n");
    snprintf(r->headers, sizeof r->headers, "Cache-Control: no-store\r\n");
}

static void handle_login(const struct request *q, struct reply *r)
{
    char user[64];
    if (!form_value(q->body, q->body_len, "user", user, sizeof user) || !user[0]) {
        tally.refused++;
        answer_text(r, 401, "Unauthorized", "who are you?\n");
        return;
    }
    struct session *s = session_new(user, q->now_ms);
    if (!s) {
        answer_text(r, 503, "Service Unavailable", "too many sessions\n");
        return;
    }
    tally.logins++;
    char text[64];
    snprintf(text, sizeof text, "{\"session\":\"%016" PRIx64 "\"}\n", session_id(s));
    answer_text(r, 200, "OK", text);
}

static void handle_logout(const struct request *q, struct reply *r)
{
    char id[32];
    const char *form = q->body_len ? q->body : q->query;
    size_t len = q->body_len ? q->body_len : q->query_len;
    if (form_value(form, len, "session", id, sizeof id) && session_end(strtoull(id, NULL, 16))) {
        tally.logouts++;
        answer_text(r, 200, "OK", "bye\n");
        return;
    }
    answer_text(r, 404, "Not Found", "no such session\n");
}

static void handle_items(const struct request *q, struct reply *r)
{
    char id[32] = "1";
    form_value(q->query, q->query_len, "id", id, sizeof id);
    size_t len;
    const char *text = cache_item(strtoul(id, NULL, 10), &len);
    if (!text) {
        answer_text(r, 503, "Service Unavailable", "no memory\n");
        return;
    }
    tally.items++;
    answer(r, 200, "OK", text, len);
}

static void handle_jobs(const struct request *q, struct reply *r)
{
    if (!jobs_add(q->body, q->body_len)) {
        tally.jobs_refused++;
        answer_text(r, 503, "Service Unavailable", "queue full\n");
        return;
    }
    answer_text(r, 202, "Accepted", "queued\n");
}

static void handle_leak(const struct request *q, struct reply *r)
{
    char kind[16], on[4];
    if (form_value(q->query, q->query_len, "kind", kind, sizeof kind) &&
        form_value(q->query, q->query_len, "on", on, sizeof on)) {
        for (int i = 0; i < LEAKS; i++) {
            if (strcmp(kind, demo_leak_name[i]) == 0) {
                atomic_store(&demo.leak[i], strcmp(on, "1") == 0);
                answer_text(r, 200, "OK", strcmp(on, "1") == 0 ? "leaking\n" : "not leaking\n");
                return;
            }
        }
    }
    answer_text(r, 400, "Bad Request", "kind is login, items or jobs; on is 0 or 1\n");
}

static void handle_stats(const struct request *q, struct reply *r)
{
    (void)q;
    int n = snprintf(r->body, sizeof r->body,
                     "{\"requests\":%" PRIu64 ",\"connections\":%" PRIu64 ",\"logins\":%" PRIu64 ",\"refused\":%" PRIu64
                     ",\"logouts\":%" PRIu64 ",\"expired\":%" PRIu64 ",\"sessions\":%zu,\"items\":%" PRIu64
                     ",\"hits\":%" PRIu64 ",\"cached\":%zu,\"history\":%zu,\"jobs_done\":%" PRIuFAST64
                     ",\"jobs_refused\":%" PRIu64 ",\"bad\":%" PRIu64 "}\n",
                     tally.requests, tally.connections, tally.logins, tally.refused, tally.logouts, tally.expired,
                     session_count(), tally.items, tally.hits, cache_count(), history_count(),
                     atomic_load(&tally.jobs_done), tally.jobs_refused, tally.bad);
    r->status = 200;
    r->reason = "OK";
    r->body_len = (size_t)n;
}

static const struct route routes[] = {
    {"GET", "/health", handle_health},  {"POST", "/login", handle_login},
    {"POST", "/logout", handle_logout}, {"GET", "/items", handle_items},
    {"POST", "/jobs", handle_jobs},     {"POST", "/leak", handle_leak},
    {"GET", "/stats", handle_stats},    {NULL, NULL, NULL},
};

// Whether one of the routes took the request; *known when one has its path.
static bool take(const struct route *route, const struct request *q, struct reply *r, bool *known)
{
    for (; route->path; route++) {
        if (strcmp(q->path, route->path) != 0)
            continue;
        *known = true;
        if (strcmp(q->method, route->method) == 0) {
            route->handle(q, r);
            return true;
        }
    }
    return false;
}

void dispatch(const struct request *q, struct reply *r)
{
    tally.requests++;
    bool path_known = false;
    if (api_refuses(q, r) || take(routes, q, r, &path_known) || take(api_routes, q, r, &path_known))
        return;
    if (path_known)
        answer_text(r, 405, "Method Not Allowed", "not that way\n");
    else
        answer_text(r, 404, "Not Found", "no such thing here\n");
}
