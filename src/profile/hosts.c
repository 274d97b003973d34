// Where a load connects to: see hosts.h. Texts are a profile's, or the environment's.
#include "profile/hosts.h"
#include "base/buf.h"
#include "profile/runtext.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { HOSTS_TEXT_MAX = 64 * 1024, PORT_MAX = 65535 };

// ":8080" or nothing, up to end. -1: neither.
static int read_port(const char *p, const char *end, int otherwise)
{
    long port = 0;
    if (p == end)
        return otherwise;
    if (*p++ != ':' || p == end || end - p > 5)
        return -1;
    for (; p < end; p++) {
        if (!isdigit((unsigned char)*p))
            return -1;
        port = port * 10 + (*p - '0');
    }
    return port >= 1 && port <= PORT_MAX ? (int)port : -1;
}

// "name[:port]" or "[ipv6][:port]" between p and end.
static bool read_authority(const char *p, const char *end, int otherwise, struct profile_host *out)
{
    const char *stop = NULL;
    if (p < end && *p == '[') {
        out->name = p + 1;
        stop = memchr(p, ']', (size_t)(end - p));
        if (!stop || strspn(out->name, "0123456789abcdefABCDEF:.%") < (size_t)(stop - out->name))
            return false;
        out->name_len = (size_t)(stop - out->name);
        stop++;
    } else {
        out->name = p;
        stop = memchr(p, ':', (size_t)(end - p));
        if (!stop)
            stop = end;
        out->name_len = (size_t)(stop - p);
        for (const char *c = p; c < stop; c++)
            if (!isalnum((unsigned char)*c) && !strchr("-._~", *c) && !((unsigned char)*c & 0x80))
                return false;
    }
    out->port = read_port(stop, end, otherwise);
    out->known = true;
    return out->name_len > 0 && out->port >= 0;
}

// The first running reference in p..end, which must be none, and whether an ${env:...} begins there.
static int check_fixed(const char *url, const char *end, bool *env, struct seep_err *err)
{
    const char *rest = url, *running = runtext_find(url);
    struct runtext_part part;
    if (running && running < end)
        return seep_fail(err, SEEP_E_USAGE,
                         "'%.*s}' cannot stand in the host of a url: a load reaches the hosts its profile names.",
                         (int)strcspn(running, "}"), running);
    *env = false;
    while (rest < end && runtext_next(url, &rest, &part, NULL) > 0)
        *env |= part.kind == RUNTEXT_ENV;
    return 0;
}

// The end of the authority that begins at p; a reference's own characters do not end it.
static const char *authority_end(const char *p)
{
    while (*p && !strchr("/?#", *p)) {
        const char *close = !strncmp(p, "${", 2) ? strchr(p, '}') : NULL;
        p = close ? close + 1 : p + 1;
    }
    return p;
}

int profile_url_host(const char *url, struct profile_host *out, struct seep_err *err)
{
    *out = (struct profile_host){0};
    size_t scheme = !strncmp(url, "http://", 7) ? 7 : !strncmp(url, "https://", 8) ? 8 : 0;
    const char *p = url + scheme, *end = authority_end(p);
    bool env = false;
    if (check_fixed(url, end, &env, err))
        return -1;
    if (env)
        return 0;
    for (const char *c = p; c < end; c++)
        if (*c == '@')
            p = c + 1;
    if (!scheme || !read_authority(p, end, scheme == 8 ? 443 : 80, out))
        return seep_fail(err, SEEP_E_USAGE, "There is no host and port in '%.80s'; write http://127.0.0.1:8080/path.",
                         url);
    out->tls = scheme == 8;
    out->target = end;
    return 0;
}

int profile_address_host(const char *address, struct profile_host *out, struct seep_err *err)
{
    *out = (struct profile_host){0};
    if (runtext_find(address))
        return seep_fail(err, SEEP_E_USAGE, "An address is fixed: a load reaches the hosts its profile names.");
    if (strstr(address, "${env:"))
        return 0;
    if (!strncmp(address, "unix:", 5)) {
        *out = (struct profile_host){.known = true, .name = address + 5, .name_len = strlen(address + 5)};
        return out->name_len < 108
                   ? 0
                   : seep_fail(err, SEEP_E_USAGE, "The path of a unix socket is at most 107 bytes long.");
    }
    if (!read_authority(address, address + strlen(address), -1, out))
        return seep_fail(err, SEEP_E_USAGE, "'%.80s' is no address such as 127.0.0.1:6379 or unix:/run/x.sock.",
                         address);
    return 0;
}

// ---- all of a profile -----------------------------------------------------------------------------------------------

struct hosts {
    char **list;
    int n, cap;
    struct seep_err *err;
};

static int add(struct hosts *h, const struct profile_host *host)
{
    struct seep_buf text;
    buf_init(&text, HOSTS_TEXT_MAX);
    bool v6 = host->port && memchr(host->name, ':', host->name_len);
    buf_str(&text, host->port ? v6 ? "[" : "" : "unix:");
    for (size_t i = 0; i < host->name_len; i++)
        buf_char(&text, host->port ? (char)tolower((unsigned char)host->name[i]) : host->name[i]);
    if (host->port)
        buf_printf(&text, "%s:%d", v6 ? "]" : "", host->port);
    if (h->n == h->cap) {
        int cap = h->cap ? 2 * h->cap : 16;
        char **grown = realloc(h->list, sizeof *grown * (size_t)cap);
        if (!grown) {
            buf_free(&text);
            return seep_fail(h->err, SEEP_E_SYSTEM, "There is no memory for the hosts of a profile.");
        }
        h->list = grown;
        h->cap = cap;
    }
    if (buf_check(&text, "The name of a host", h->err)) {
        buf_free(&text);
        return -1;
    }
    h->list[h->n++] = text.data;
    return 0;
}

static int add_step(struct hosts *h, const struct profile_step *s)
{
    struct profile_host host;
    if (s->request.present && s->request.unix_path) {
        char *path = profile_expand_env(s->request.unix_path, h->err);
        host = (struct profile_host){.name = path, .name_len = path ? strlen(path) : 0};
        int failed = path ? add(h, &host) : -1;
        free(path);
        return failed;
    }
    char *text = profile_expand_env(s->request.present ? s->request.url : s->tcp.address, h->err);
    if (!text)
        return -1;
    int failed = s->request.present ? profile_url_host(text, &host, h->err) : profile_address_host(text, &host, h->err);
    if (!failed && !host.known)
        failed =
            seep_fail(h->err, SEEP_E_USAGE, "The host of '%.80s' is not known even with the environment put in.", text);
    failed = failed || add(h, &host) ? -1 : 0;
    free(text);
    return failed;
}

static int add_steps(struct hosts *h, const struct profile_step *steps, int n)
{
    for (int i = 0; i < n; i++)
        if (add_step(h, &steps[i]))
            return -1;
    return 0;
}

static int add_load(struct hosts *h, const struct profile_load *l)
{
    for (int i = 0; i < l->n_scenarios; i++)
        if (add_steps(h, l->scenarios[i].steps, l->scenarios[i].n_steps))
            return -1;
    return add_steps(h, l->setup, l->n_setup) || add_steps(h, l->user_setup, l->n_user_setup) ||
                   add_steps(h, l->teardown, l->n_teardown)
               ? -1
               : 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void make_unique(struct hosts *h)
{
    int kept = 0;
    if (h->n)
        qsort(h->list, (size_t)h->n, sizeof *h->list, compare);
    for (int i = 0; i < h->n; i++) {
        if (kept && !strcmp(h->list[kept - 1], h->list[i]))
            free(h->list[i]);
        else
            h->list[kept++] = h->list[i];
    }
    h->n = kept;
}

int profile_load_hosts(const struct profile *p, char ***out, int *n, struct seep_err *err)
{
    struct hosts h = {.err = err};
    int failed = 0;
    for (int i = 0; i < p->n_loads && !failed; i++)
        failed = add_load(&h, &p->loads[i]);
    make_unique(&h);
    *out = failed ? NULL : h.list;
    *n = failed ? 0 : h.n;
    if (failed)
        profile_hosts_free(h.list, h.n);
    return failed;
}

void profile_hosts_free(char **hosts, int n)
{
    for (int i = 0; i < n; i++)
        free(hosts[i]);
    free(hosts);
}
