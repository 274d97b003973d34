// A jar of cookies: see cookies.h.
#include "load/cookies.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct text {
    const char *at;
    size_t len;
};

// What a Set-Cookie line says, still within the line.
struct said {
    struct text name, value, domain, path;
    bool has_expires, has_age, secure;
    int64_t expires_s;
};

static struct text trimmed(const char *at, size_t len)
{
    while (len && (*at == ' ' || *at == '\t'))
        at++, len--;
    while (len && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    return (struct text){at, len};
}

static bool is_word(struct text t, const char *word)
{
    return t.len == strlen(word) && strncasecmp(t.at, word, t.len) == 0;
}

static struct text up_to(struct text *rest, char end)
{
    const char *found = memchr(rest->at, end, rest->len);
    size_t len = found ? (size_t)(found - rest->at) : rest->len;
    struct text part = {rest->at, len};
    size_t used = len + (found ? 1 : 0);
    *rest = (struct text){rest->at + used, rest->len - used};
    return part;
}

// ---- reading a Set-Cookie line --------------------------------------------------------------------------------------

static void read_age(struct text value, int64_t now_s, struct said *out)
{
    char digits[24];
    if (value.len == 0 || value.len >= sizeof digits)
        return;
    memcpy(digits, value.at, value.len);
    digits[value.len] = 0;
    char *end;
    long long age_s = strtoll(digits, &end, 10);
    if (*end)
        return;
    out->has_age = true;
    out->expires_s = age_s <= 0                      ? INT64_MIN
                     : age_s < INT64_MAX - 1 - now_s ? now_s + 1 + age_s
                                                     : INT64_MAX; // of this second some has passed
}

static void read_expires(struct text value, struct said *out)
{
    char date[64];
    if (out->has_age || value.len >= sizeof date) // Max-Age goes before Expires
        return;
    memcpy(date, value.at, value.len);
    date[value.len] = 0;
    int64_t at_s = curl_getdate(date, NULL);
    if (at_s == -1)
        return;
    out->has_expires = true;
    out->expires_s = at_s;
}

static void read_attribute(struct text part, int64_t now_s, struct said *out)
{
    struct text rest = part, key = up_to(&rest, '=');
    struct text value = trimmed(rest.at, rest.len);
    key = trimmed(key.at, key.len);
    if (is_word(key, "domain")) {
        if (value.len && *value.at == '.')
            value = (struct text){value.at + 1, value.len - 1};
        out->domain = value;
    } else if (is_word(key, "path")) {
        out->path = value;
    } else if (is_word(key, "secure")) {
        out->secure = true;
    } else if (is_word(key, "max-age")) {
        read_age(value, now_s, out);
    } else if (is_word(key, "expires")) {
        read_expires(value, out);
    }
}

static bool has_control(struct text t)
{
    for (size_t i = 0; i < t.len; i++) {
        if ((unsigned char)t.at[i] < 0x20 || t.at[i] == 0x7f)
            return true;
    }
    return false;
}

// False when the line says no cookie.
static bool read_line(struct text line, int64_t now_s, struct said *out)
{
    *out = (struct said){0};
    struct text rest = line, pair = up_to(&rest, ';');
    if (!memchr(pair.at, '=', pair.len))
        return false;
    struct text value = pair, name = up_to(&value, '=');
    out->name = trimmed(name.at, name.len);
    out->value = trimmed(value.at, value.len);
    while (rest.len)
        read_attribute(up_to(&rest, ';'), now_s, out);
    if (!out->has_age && !out->has_expires)
        out->expires_s = INT64_MAX;
    return out->name.len && !has_control(out->name) && !has_control(out->value) && !has_control(out->path);
}

// ---- domains and paths ----------------------------------------------------------------------------------------------

static bool is_address(const char *host)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static bool domain_matches(const char *host, const char *domain, size_t domain_len)
{
    size_t host_len = strlen(host);
    if (host_len == domain_len)
        return strncasecmp(host, domain, domain_len) == 0;
    return host_len > domain_len && host[host_len - domain_len - 1] == '.' &&
           strncasecmp(host + host_len - domain_len, domain, domain_len) == 0 && !is_address(host);
}

// Whether a server at `host` may set a cookie for this domain.
static bool may_set(const char *host, struct text domain)
{
    return domain_matches(host, domain.at, domain.len) &&
           (memchr(domain.at, '.', domain.len) || strlen(host) == domain.len);
}

static size_t path_len_of(const char *target)
{
    return strcspn(target, "?");
}

// The directory of the request's path.
static struct text default_path(const char *target)
{
    size_t len = path_len_of(target);
    while (len > 1 && target[len - 1] != '/')
        len--;
    return len > 1 ? (struct text){target, len - 1} : (struct text){"/", 1};
}

static bool path_matches(const char *target, const char *path, size_t path_len)
{
    size_t len = path_len_of(target);
    return len >= path_len && memcmp(target, path, path_len) == 0 &&
           (len == path_len || path[path_len - 1] == '/' || target[path_len] == '/');
}

// ---- the jar --------------------------------------------------------------------------------------------------------

static const char *value_of(const struct cookie *c)
{
    return c->text + c->value_at;
}

static const char *domain_of(const struct cookie *c)
{
    return c->text + c->domain_at;
}

static const char *path_of(const struct cookie *c)
{
    return c->text + c->path_at;
}

static bool same_text(const char *a, struct text b)
{
    return strlen(a) == b.len && memcmp(a, b.at, b.len) == 0;
}

static int find(const struct cookie_jar *j, const struct said *s)
{
    for (int i = 0; i < j->n; i++) {
        const struct cookie *c = &j->cookie[i];
        if (same_text(c->text, s->name) && same_text(path_of(c), s->path) && strlen(domain_of(c)) == s->domain.len &&
            strncasecmp(domain_of(c), s->domain.at, s->domain.len) == 0)
            return i;
    }
    return -1;
}

// Its memory goes behind the last one, to be used again.
static void take_out(struct cookie_jar *j, int i)
{
    struct cookie gone = j->cookie[i];
    memmove(&j->cookie[i], &j->cookie[i + 1], (size_t)(j->n - i - 1) * sizeof gone);
    j->cookie[--j->n] = gone;
}

static void drop_expired(struct cookie_jar *j, int64_t now_s)
{
    for (int i = j->n - 1; i >= 0; i--) {
        if (j->cookie[i].expires_s <= now_s)
            take_out(j, i);
    }
}

// A cookie with memory for `room` bytes, behind the last one; NULL: the jar is full, or there is no memory.
static struct cookie *spare(struct cookie_jar *j, size_t room)
{
    if (j->n == COOKIES_MAX)
        return NULL;
    if (!j->cookie) {
        j->cookie = calloc(COOKIES_MAX, sizeof *j->cookie);
        if (!j->cookie)
            return NULL;
    }
    struct cookie *c = &j->cookie[j->n];
    if (c->room < room) {
        char *more = realloc(c->text, room);
        if (!more)
            return NULL;
        c->text = more;
        c->room = room;
    }
    if (j->made <= j->n)
        j->made = j->n + 1;
    return c;
}

static uint32_t put(struct cookie *c, uint32_t at, struct text t)
{
    memcpy(c->text + at, t.at, t.len);
    c->text[at + t.len] = 0;
    return at + (uint32_t)t.len + 1;
}

// Moves the last cookie up to its place by length of path, or to that of the one it replaces.
static void settle(struct cookie_jar *j, int replaces)
{
    struct cookie last = j->cookie[j->n - 1];
    int i = j->n - 1;
    for (; i > 0 && (replaces < 0 ? j->cookie[i - 1].path_len < last.path_len : i > replaces); i--)
        j->cookie[i] = j->cookie[i - 1];
    j->cookie[i] = last;
}

static void add(struct cookie_jar *j, const struct said *s, bool host_only, int replaces)
{
    size_t room = s->name.len + s->value.len + s->domain.len + s->path.len + 4;
    struct cookie *c = room <= COOKIE_SIZE_MAX ? spare(j, room) : NULL;
    if (!c)
        return;
    c->value_at = put(c, 0, s->name);
    c->domain_at = put(c, c->value_at, s->value);
    c->path_at = put(c, c->domain_at, s->domain);
    put(c, c->path_at, s->path);
    c->path_len = (uint32_t)s->path.len;
    c->expires_s = s->expires_s;
    c->host_only = host_only;
    c->secure = s->secure;
    j->n++;
    settle(j, replaces);
}

static void take_line(struct cookie_jar *j, const struct exchange_origin *origin, const char *target, struct text line,
                      int64_t now_s)
{
    struct said s;
    if (!read_line(line, now_s, &s))
        return;
    bool host_only = s.domain.len == 0;
    if (host_only)
        s.domain = (struct text){origin->host, strlen(origin->host)};
    else if (!may_set(origin->host, s.domain))
        return;
    if (s.path.len == 0 || *s.path.at != '/')
        s.path = default_path(target);
    if (s.secure && !origin->tls)
        return;
    drop_expired(j, now_s);
    int there = find(j, &s);
    if (there >= 0)
        take_out(j, there);
    if (s.expires_s > now_s)
        add(j, &s, host_only, there);
}

void cookies_take(struct cookie_jar *j, const struct exchange_origin *origin, const char *target, const char *head,
                  size_t head_len, int64_t now_s)
{
    static const char key[] = "set-cookie:";
    struct text rest = {head, head_len};
    while (rest.len) {
        struct text line = up_to(&rest, '\n');
        if (line.len && line.at[line.len - 1] == '\r')
            line.len--;
        if (line.len > sizeof key - 1 && strncasecmp(line.at, key, sizeof key - 1) == 0)
            take_line(j, origin, target, (struct text){line.at + sizeof key - 1, line.len - (sizeof key - 1)}, now_s);
    }
}

int cookies_write(const struct cookie_jar *j, const struct exchange_origin *origin, const char *target, int64_t now_s,
                  struct seep_buf *out)
{
    int n = 0;
    for (int i = 0; i < j->n; i++) {
        const struct cookie *c = &j->cookie[i];
        const char *domain = domain_of(c);
        bool here =
            c->host_only ? strcasecmp(origin->host, domain) == 0 : domain_matches(origin->host, domain, strlen(domain));
        if (!here || (c->secure && !origin->tls) || c->expires_s <= now_s ||
            !path_matches(target, path_of(c), c->path_len))
            continue;
        buf_str(out, n++ ? "; " : "");
        buf_str(out, c->text);
        buf_char(out, '=');
        buf_str(out, value_of(c));
    }
    return n;
}

void cookies_clear(struct cookie_jar *j)
{
    j->n = 0;
}

void cookies_free(struct cookie_jar *j)
{
    for (int i = 0; i < j->made; i++)
        free(j->cookie[i].text);
    free(j->cookie);
    *j = (struct cookie_jar){0};
}
