// Reading references in run-time texts: see runtext.h. The texts are a profile's: of any content, NUL-terminated.
#include "profile/runtext.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *opening;
    enum runtext_kind kind;
    bool running; // only a running load can put it in
} references[] = {
    {"${env:", RUNTEXT_ENV, false},      {"${user:", RUNTEXT_USER, true}, {"${data:", RUNTEXT_DATA, true},
    {"${gen:", RUNTEXT_ITERATION, true}, {"${hex:", RUNTEXT_HEX, true},
};

enum { REFERENCES = sizeof references / sizeof *references, SHOWN = 60 };

static int reference_at(const char *p)
{
    for (int i = 0; i < REFERENCES; i++)
        if (!strncmp(p, references[i].opening, strlen(references[i].opening)))
            return i;
    return -1;
}

bool runtext_is_kept(const char *p)
{
    return reference_at(p) >= 0;
}

// The next "${" of a reference from p on; *escaped: a '$' before it takes its meaning away.
static const char *next_reference(const char *p, bool *escaped)
{
    for (const char *at = strchr(p, '$'); at; at = strchr(at + 1, '$')) {
        *escaped = at[1] == '$';
        if (reference_at(*escaped ? at + 1 : at) >= 0)
            return at;
    }
    return NULL;
}

const char *runtext_find(const char *text)
{
    bool escaped;
    for (const char *p = text; (p = next_reference(p, &escaped)) != NULL; p += escaped ? 2 : 1)
        if (!escaped && references[reference_at(p)].running)
            return p;
    return NULL;
}

static bool is_name(const char *text, size_t len)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    return len > 0 && len <= RUNTEXT_NAME_MAX && strspn(text, allowed) >= len;
}

static int bad(const char *at, struct seep_err *err, const char *why)
{
    size_t len = strcspn(at, "}");
    return seep_fail(err, SEEP_E_USAGE, "'%.*s%s' %s.", (int)(len < SHOWN ? len : SHOWN), at, at[len] ? "}" : "", why);
}

// "LOW,HIGH)" or "N)" in whole numbers that end just before `end`.
static bool numbers(const char *p, const char *end, int n, int64_t *out)
{
    for (int i = 0; i < n; i++) {
        char *after;
        while (*p == ' ')
            p++;
        if (*p != '-' && (*p < '0' || *p > '9'))
            return false;
        long long v = strtoll(p, &after, 10);
        if (after == p || v > INT64_MAX / 4 || v < INT64_MIN / 4)
            return false;
        out[i] = v;
        for (p = after; *p == ' ';)
            p++;
        if (*p++ != (i + 1 < n ? ',' : ')'))
            return false;
    }
    return p == end;
}

static bool opens(const char **p, const char *function)
{
    size_t len = strlen(function);
    if (strncmp(*p, function, len) != 0)
        return false;
    *p += len;
    return true;
}

static int read_pick(const char *at, const char *p, const char *end, struct runtext_part *out, struct seep_err *err)
{
    if (end == p || end[-1] != ')')
        return bad(at, err, "is not of the form ${gen:pick(a,b,c)}");
    out->kind = RUNTEXT_PICK;
    out->text = p;
    out->len = (size_t)(end - 1 - p);
    out->high = 1;
    for (const char *c = p; c < end - 1; c++)
        out->high += *c == ',';
    return 1;
}

static int read_generator(const char *at, const char *p, const char *end, struct runtext_part *out,
                          struct seep_err *err)
{
    static const struct {
        const char *name;
        enum runtext_kind kind;
    } plain[] = {
        {"iteration", RUNTEXT_ITERATION}, {"uuid", RUNTEXT_UUID}, {"now_ms", RUNTEXT_NOW_MS}, {"now_s", RUNTEXT_NOW_S}};
    int64_t v[2] = {0};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (strlen(plain[i].name) != (size_t)(end - p) || strncmp(p, plain[i].name, (size_t)(end - p)) != 0)
            continue;
        out->kind = plain[i].kind;
        return 1;
    }
    if (opens(&p, "pick("))
        return read_pick(at, p, end, out, err);
    if (opens(&p, "int(")) {
        if (!numbers(p, end, 2, v) || v[0] > v[1])
            return bad(at, err, "is not of the form ${gen:int(LOW,HIGH)} with whole numbers, the lower first");
        *out = (struct runtext_part){.kind = RUNTEXT_INT, .low = v[0], .high = v[1], .at = out->at};
        return 1;
    }
    if (opens(&p, "text(")) {
        if (!numbers(p, end, 1, v) || v[0] < 1 || v[0] > RUNTEXT_TEXT_MAX)
            return bad(at, err, "is not of the form ${gen:text(N)} with N from 1 to 65536");
        *out = (struct runtext_part){.kind = RUNTEXT_TEXT, .high = v[0], .at = out->at};
        return 1;
    }
    return bad(at, err,
               "is nothing that can be generated; there are iteration, uuid, now_ms, now_s, int(1,6), pick(a,b,c) and "
               "text(8)");
}

static int read_data(const char *at, const char *p, const char *end, struct runtext_part *out, struct seep_err *err)
{
    const char *dot = memchr(p, '.', (size_t)(end - p));
    if (!dot || !is_name(p, (size_t)(dot - p)) || end == dot + 1)
        return bad(at, err, "is not of the form ${data:SOURCE.COLUMN}");
    out->len = (size_t)(dot - p);
    out->column = dot + 1;
    out->column_len = (size_t)(end - dot - 1);
    return 1;
}

static int read_hex(const char *at, const char *p, const char *end, struct runtext_part *out, struct seep_err *err)
{
    size_t len = (size_t)(end - p);
    if (len == 0 || len % 2 || strspn(p, "0123456789abcdefABCDEF") < len)
        return bad(at, err, "does not hold pairs of hexadecimal digits");
    out->len = len;
    return 1;
}

// Takes "|url" or "|json" off the end of what stands between p and *end.
static bool read_filter(const char *p, const char **end, enum runtext_filter *out)
{
    static const char *const names[] = {[RUNTEXT_AS_URL] = "url", [RUNTEXT_AS_JSON] = "json"};
    const char *bar = memchr(p, '|', (size_t)(*end - p));
    if (!bar)
        return true;
    for (int i = RUNTEXT_AS_URL; i <= RUNTEXT_AS_JSON; i++) {
        if (strlen(names[i]) != (size_t)(*end - bar - 1) || strncmp(bar + 1, names[i], strlen(names[i])) != 0)
            continue;
        *out = (enum runtext_filter)i;
        *end = bar;
        return true;
    }
    return false;
}

static int read_reference(const char *at, const char **rest, struct runtext_part *out, struct seep_err *err)
{
    int which = reference_at(at);
    const char *p = at + strlen(references[which].opening), *end = strchr(p, '}');
    if (!end)
        return bad(at, err, "has no '}'");
    out->kind = references[which].kind;
    out->text = p;
    *rest = end + 1;
    if ((out->kind == RUNTEXT_USER || out->kind == RUNTEXT_DATA) && !read_filter(p, &end, &out->filter))
        return bad(at, err, "ends with something other than |url and |json");
    switch (out->kind) {
    case RUNTEXT_ITERATION:
        return read_generator(at, p, end, out, err);
    case RUNTEXT_DATA:
        return read_data(at, p, end, out, err);
    case RUNTEXT_HEX:
        return read_hex(at, p, end, out, err);
    default:
        out->len = (size_t)(end - p);
        if (!is_name(p, out->len))
            return bad(at, err, "does not hold a name of letters, digits, '.', '_' and '-'");
        if (out->kind == RUNTEXT_USER && out->len == 2 && !memcmp(p, "id", 2))
            out->kind = RUNTEXT_USER_ID;
        return 1;
    }
}

int runtext_next(const char *text, const char **rest, struct runtext_part *out, struct seep_err *err)
{
    const char *p = *rest;
    bool escaped = false;
    *out = (struct runtext_part){.at = (size_t)(p - text), .text = p};
    if (!*p)
        return 0;
    const char *at = next_reference(p, &escaped);
    if (at == p && !escaped)
        return read_reference(p, rest, out, err);
    if (at == p) { // "$${": one '$' less, and on to what follows the opening
        out->text = p + 1;
        at = next_reference(p + 3, &escaped);
    }
    *rest = at ? at : out->text + strlen(out->text);
    out->len = (size_t)(*rest - out->text);
    return 1;
}

const char *runtext_choice(const struct runtext_part *part, int64_t n, size_t *len)
{
    const char *p = part->text, *end = part->text + part->len;
    for (; n > 0; n--)
        p = (const char *)memchr(p, ',', (size_t)(end - p)) + 1;
    const char *stop = memchr(p, ',', (size_t)(end - p));
    if (!stop)
        stop = end;
    while (p < stop && *p == ' ')
        p++;
    while (stop > p && stop[-1] == ' ')
        stop--;
    *len = (size_t)(stop - p);
    return p;
}
