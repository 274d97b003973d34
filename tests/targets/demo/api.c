// What a web application asks of its back end, as the shipped load profiles do: logins with a password, a token and a
// cookie, an interface behind a key, search, payment, files with their rules of caching. Beside routes.c, whose paths
// are the ones with the planted leaks. All tables are of fixed size: these routes leave nothing behind but sessions.
//
// A client is told by its X-Forwarded-For. Twenty failed logins of one client within ten seconds ban it for the rest of
// them, and --rate-limit N answers what is over N requests a second of one client with 429.
#include "demo.h"
#include "routes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 4096, BAN_AFTER = 20, BAN_WINDOW_MS = 10000 };

static const char password[] = "secret", key_prefix[] = "Bearer key-", bearer[] = "Bearer ";

static struct client {
    int64_t second, window; // that the counts are of
    unsigned requests, failures;
} clients[CLIENTS];

// Two clients may share an entry; with as few as a test has they do not.
static struct client *client_of(const struct request *q)
{
    size_t len;
    const char *name = request_header(q, "x-forwarded-for", &len);
    uint32_t hash = 2166136261u;
    for (size_t i = 0; name && i < len; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    struct client *c = name ? &clients[hash % CLIENTS] : NULL;
    if (c && c->second != q->now_ms / 1000) {
        c->second = q->now_ms / 1000;
        c->requests = 0;
    }
    if (c && c->window != q->now_ms / BAN_WINDOW_MS) {
        c->window = q->now_ms / BAN_WINDOW_MS;
        c->failures = 0;
    }
    return c;
}

static void say(struct reply *r, int status, const char *reason, const char *json)
{
    r->status = status;
    r->reason = reason;
    r->type = "application/json";
    r->body_len = (size_t)snprintf(r->body, sizeof r->body, "%s\n", json);
}

// The value of "name":"text" in a JSON body, as far as these bodies need it. False: not there, or it does not fit.
static bool json_text(const struct request *q, const char *name, char *out, size_t size)
{
    char key[32];
    int len = snprintf(key, sizeof key, "\"%s\":\"", name);
    const char *at = memmem(q->body, q->body_len, key, (size_t)len);
    const char *from = at ? at + len : NULL;
    const char *end = from ? memchr(from, '"', (size_t)(q->body + q->body_len - from)) : NULL;
    if (!end || (size_t)(end - from) >= size)
        return false;
    memcpy(out, from, (size_t)(end - from));
    out[end - from] = 0;
    return true;
}

// Whether the request carries a session that is alive: "Authorization: Bearer ID" or "Cookie: session=ID".
static bool has_session(const struct request *q)
{
    size_t len;
    const char *auth = request_header(q, "authorization", &len), *id = NULL;
    if (auth && len > sizeof bearer - 1 && strncmp(auth, bearer, sizeof bearer - 1) == 0)
        id = auth + sizeof bearer - 1;
    const char *cookie = id ? NULL : request_header(q, "cookie", &len);
    const char *named = cookie ? memmem(cookie, len, "session=", 8) : NULL;
    if (named)
        id = named + 8;
    return id && session_is_alive(strtoull(id, NULL, 16));
}

static void api_login(const struct request *q, struct reply *r)
{
    char user[40], given[64];
    struct client *c = client_of(q);
    if (c && c->failures >= BAN_AFTER) {
        say(r, 403, "Forbidden", "{\"error\":\"banned\"}");
        return;
    }
    bool right = json_text(q, "user", user, sizeof user) && json_text(q, "password", given, sizeof given) &&
                 strcmp(given, password) == 0;
    struct session *s = right ? session_new(user, q->now_ms) : NULL;
    if (!right) {
        tally.refused++;
        if (c)
            c->failures++;
        say(r, 401, "Unauthorized", "{\"error\":\"wrong user or password\"}");
        return;
    }
    if (!s) {
        say(r, 503, "Service Unavailable", "{\"error\":\"too many sessions\"}");
        return;
    }
    tally.logins++;
    char text[64];
    snprintf(text, sizeof text, "{\"token\":\"%016" PRIx64 "\"}", session_id(s));
    say(r, 200, "OK", text);
    snprintf(r->headers, sizeof r->headers, "Set-Cookie: session=%016" PRIx64 "; Path=/; HttpOnly\r\n", session_id(s));
}

static void api_items(const struct request *q, struct reply *r)
{
    (void)q;
    tally.items++;
    say(r, 200, "OK", "{\"items\":[{\"id\":1,\"name\":\"one\"},{\"id\":2,\"name\":\"two\"}],\"total\":2}");
}

static void api_create(const struct request *q, struct reply *r)
{
    if (q->body_len)
        say(r, 201, "Created", "{\"created\":true}");
    else
        say(r, 400, "Bad Request", "{\"error\":\"no body\"}");
}

static void api_admin(const struct request *q, struct reply *r)
{
    if (has_session(q))
        say(r, 200, "OK", "{\"admin\":true}");
    else
        say(r, 401, "Unauthorized", "{\"error\":\"log in first\"}");
}

static void api_search(const struct request *q, struct reply *r)
{
    if (q->query_len == 0)
        say(r, 400, "Bad Request", "{\"error\":\"search for what?\"}");
    else
        say(r, 200, "OK", "{\"result\":{\"data\":{\"programs\":[{\"id\":7,\"title\":\"Swimming\"}]}}}");
}

static void api_payment(const struct request *q, struct reply *r)
{
    static const char test_mode[] = "\"testMode\":true";
    if (!has_session(q))
        say(r, 401, "Unauthorized", "{\"error\":\"log in first\"}");
    else if (!memmem(q->body, q->body_len, test_mode, sizeof test_mode - 1))
        say(r, 402, "Payment Required", "{\"error\":\"this is no bank\"}");
    else
        say(r, 200, "OK", "{\"clientSecret\":\"pi_1_secret_2\"}");
}

// Behind an API key, "Bearer key-...": none is needed to ask for health, but a wrong one is refused.
static bool key_is_good(const struct request *q, bool needed)
{
    size_t len;
    const char *auth = request_header(q, "authorization", &len);
    if (!auth)
        return !needed;
    return len > sizeof key_prefix - 1 && strncmp(auth, key_prefix, sizeof key_prefix - 1) == 0;
}

static void memory_health(const struct request *q, struct reply *r)
{
    if (key_is_good(q, false))
        say(r, 200, "OK", "{\"status\":\"ok\"}");
    else
        say(r, 401, "Unauthorized", "{\"error\":\"unknown key\"}");
}

static void memory_recall(const struct request *q, struct reply *r)
{
    if (key_is_good(q, true))
        say(r, 200, "OK", "{\"memories\":[]}");
    else
        say(r, 401, "Unauthorized", "{\"error\":\"unknown key\"}");
}

static void memory_store(const struct request *q, struct reply *r)
{
    if (key_is_good(q, true))
        api_create(q, r);
    else
        say(r, 401, "Unauthorized", "{\"error\":\"unknown key\"}");
}

static void cached(struct reply *r, const char *rules)
{
    say(r, 200, "OK", "{\"file\":\"its bytes\"}");
    snprintf(r->headers, sizeof r->headers, "Cache-Control: %s\r\n", rules);
}

static void file_static(const struct request *q, struct reply *r)
{
    (void)q;
    cached(r, "public, max-age=31536000, immutable");
}

static void file_image(const struct request *q, struct reply *r)
{
    (void)q;
    cached(r, "public, max-age=604800, stale-while-revalidate=86400");
}

static void api_programs(const struct request *q, struct reply *r)
{
    (void)q;
    cached(r, "public, max-age=300, stale-while-revalidate=60\r\nVary: Accept-Encoding");
}

static void api_providers(const struct request *q, struct reply *r)
{
    (void)q;
    cached(r, "public, max-age=3600, stale-while-revalidate=300");
}

static void file_list(const struct request *q, struct reply *r)
{
    (void)q;
    say(r, 200, "OK", "{\"files\":[\"a\",\"b\"]}");
}

static const struct route routes[] = {
    {"POST", "/auth/login", api_login},
    {"GET", "/api/items", api_items},
    {"POST", "/api/items", api_create},
    {"GET", "/api/admin", api_admin},
    {"GET", "/api/search", api_search},
    {"POST", "/api/payment", api_payment},
    {"GET", "/api/programs", api_programs},
    {"GET", "/api/providers", api_providers},
    {"GET", "/api/v1/system/health", memory_health},
    {"GET", "/api/v1/memories/recall", memory_recall},
    {"POST", "/api/v1/memories/store", memory_store},
    {"GET", "/files", file_list},
    {"GET", "/static/app.js", file_static},
    {"GET", "/images/logo.png", file_image},
    {NULL, NULL, NULL},
};

const struct route *const api_routes = routes;

bool api_refuses(const struct request *q, struct reply *r)
{
    struct client *c = client_of(q);
    if (!c || demo.rate_limit == 0 || c->requests++ < demo.rate_limit)
        return false;
    say(r, 429, "Too Many Requests", "{\"error\":\"slower\"}");
    return true;
}
