// Addresses of a load: see origin.h. URLs are taken apart by libcurl's own parser, so that what is checked here is what
// curl would connect to.
#include "load/origin.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct parts {
    bool tls;
    char *host, *port, *path, *query, *user, *password;
};

static void parts_free(struct parts *p)
{
    curl_free(p->host);
    curl_free(p->port);
    curl_free(p->path);
    curl_free(p->query);
    curl_free(p->user);
    curl_free(p->password);
}

// False when it is no absolute http or https URL.
static bool parts_of(CURLU *u, struct parts *p)
{
    *p = (struct parts){0};
    char *scheme = NULL;
    bool ok = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    p->tls = ok && strcmp(scheme, "https") == 0;
    curl_free(scheme);
    if (!ok || curl_url_get(u, CURLUPART_HOST, &p->host, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_PORT, &p->port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_PATH, &p->path, 0) != CURLUE_OK) {
        parts_free(p);
        return false;
    }
    curl_url_get(u, CURLUPART_QUERY, &p->query, 0);
    curl_url_get(u, CURLUPART_USER, &p->user, CURLU_URLDECODE);
    curl_url_get(u, CURLUPART_PASSWORD, &p->password, CURLU_URLDECODE);
    return true;
}

// "[::1]" is an address between brackets, perhaps with a zone.
static char *bare_host(const char *host)
{
    size_t len = strlen(host);
    return host[0] == '[' && host[len - 1] == ']' ? strndup(host + 1, len - 2) : strdup(host);
}

static bool same_path(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static struct exchange_origin *find(const struct origin_table *t, const struct parts *p, const char *unix_path)
{
    char *host = bare_host(p->host);
    struct exchange_origin *found = NULL;
    long port = strtol(p->port, NULL, 10);
    for (int i = 0; host && i < t->n && !found; i++) {
        struct exchange_origin *o = t->row[i];
        if (o->tls == p->tls && o->port == port && strcasecmp(o->host, host) == 0 && same_path(o->unix_path, unix_path))
            found = o;
    }
    free(host);
    return found;
}

static void origin_end(struct exchange_origin *o)
{
    if (!o)
        return;
    free((char *)(uintptr_t)o->host);
    free((char *)(uintptr_t)o->authority);
    free((char *)(uintptr_t)o->unix_path);
    free(o);
}

static char *authority_of(const struct parts *p, long port)
{
    char text[512];
    if (port == (p->tls ? 443 : 80))
        return strdup(p->host);
    return snprintf(text, sizeof text, "%s:%ld", p->host, port) < (int)sizeof text ? strdup(text) : NULL;
}

static struct exchange_origin *add(struct origin_table *t, const struct parts *p, const char *unix_path)
{
    struct exchange_origin **more = realloc(t->row, (size_t)(t->n + 1) * sizeof *more);
    struct exchange_origin *o = calloc(1, sizeof *o);
    if (more)
        t->row = more;
    if (!more || !o) {
        free(o);
        return NULL;
    }
    long port = strtol(p->port, NULL, 10);
    *o = (struct exchange_origin){.id = (unsigned)t->n,
                                  .tls = p->tls,
                                  .port = (uint16_t)port,
                                  .host = bare_host(p->host),
                                  .authority = authority_of(p, port),
                                  .unix_path = unix_path ? strdup(unix_path) : NULL};
    if (!o->host || !o->authority || (unix_path && !o->unix_path)) {
        origin_end(o);
        return NULL;
    }
    t->row[t->n++] = o;
    return o;
}

static char *joined(const char *a, const char *between, const char *b)
{
    size_t len = strlen(a) + (b ? strlen(between) + strlen(b) : 0) + 1;
    char *text = malloc(len);
    if (text)
        snprintf(text, len, "%s%s%s", a, b ? between : "", b ? b : "");
    return text;
}

static int take_apart(struct origin_table *t, const struct parts *p, const char *unix_path,
                      const struct exchange_origin **out, char **target, char **userinfo, struct seep_err *err)
{
    const struct exchange_origin *o = find(t, p, unix_path);
    if (!o)
        o = add(t, p, unix_path);
    char *path = joined(p->path, "?", p->query), *user = NULL;
    if (p->user)
        user = joined(p->user, ":", p->password ? p->password : "");
    bool ok = o && path && (user || !p->user);
    if (ok) {
        if (out)
            *out = o;
        if (target)
            *target = path;
        if (userinfo)
            *userinfo = user;
    }
    if (!ok || !target)
        free(path);
    if (!ok || !userinfo)
        free(user);
    return ok ? 0 : seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the load's addresses.");
}

int origin_add(struct origin_table *t, const char *url, const char *unix_path, const struct exchange_origin **out,
               char **target, char **userinfo, struct seep_err *err)
{
    struct parts p;
    CURLU *u = curl_url();
    if (!u)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the load's addresses.");
    CURLUcode bad = curl_url_set(u, CURLUPART_URL, url, CURLU_PATH_AS_IS | CURLU_URLENCODE);
    bool ok = bad == CURLUE_OK && parts_of(u, &p);
    curl_url_cleanup(u);
    if (!ok)
        return seep_fail(err, SEEP_E_USAGE, "\"%.200s\" is not an http or https URL%s%s.", url, bad ? ": " : "",
                         bad ? curl_url_strerror(bad) : "");
    int failed = take_apart(t, &p, unix_path, out, target, userinfo, err);
    parts_free(&p);
    return failed;
}

int origin_add_raw(struct origin_table *t, const char *address, const struct exchange_origin **out,
                   struct seep_err *err)
{
    char url[600];
    bool local = strncmp(address, "unix:", 5) == 0;
    snprintf(url, sizeof url, "http://%s", local ? "localhost:1" : address);
    return origin_add(t, url, local ? address + 5 : NULL, out, NULL, NULL, err);
}

void origin_free(struct origin_table *t)
{
    for (int i = 0; i < t->n; i++)
        origin_end(t->row[i]);
    free(t->row);
    *t = (struct origin_table){0};
}

static enum origin_found lookup(const struct origin_table *t, const struct parts *p, const char *unix_path,
                                const struct exchange_origin **out, char *target, size_t size)
{
    const struct exchange_origin *o = find(t, p, unix_path);
    if (!o)
        return ORIGIN_ELSEWHERE;
    int n = snprintf(target, size, "%s%s%s", p->path, p->query ? "?" : "", p->query ? p->query : "");
    *out = o;
    return n > 0 && (size_t)n < size ? ORIGIN_FOUND : ORIGIN_NO_URL;
}

enum origin_found origin_resolve(const struct origin_table *t, const struct exchange_origin *base,
                                 const char *base_target, const char *reference, const struct exchange_origin **out,
                                 char *target, size_t size)
{
    CURLU *u = curl_url();
    char *from = joined(base->tls ? "https://" : "http://", base->authority, base_target);
    struct parts p;
    enum origin_found found = ORIGIN_NO_URL;
    if (u && from && curl_url_set(u, CURLUPART_URL, from, 0) == CURLUE_OK &&
        curl_url_set(u, CURLUPART_URL, reference, CURLU_URLENCODE | CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK) {
        if (parts_of(u, &p)) {
            found = lookup(t, &p, base->unix_path, out, target, size);
            parts_free(&p);
        } else {
            found = ORIGIN_ELSEWHERE; // file:, gopher:, ...
        }
    }
    free(from);
    curl_url_cleanup(u);
    return found;
}
