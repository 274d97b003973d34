// Values taken from replies: see extract.h.
#include "load/extract.h"
#include "base/check.h"
#include "load/json_find.h"
#include "load/reply_head.h"

#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

struct extract {
    const struct profile_extract *value;
    struct jsonpath path;
    regex_t regex;
    size_t before_len, after_len;
};

int extract_open(const struct profile_extract *value, struct extract **out, struct seep_err *err)
{
    struct extract *x = calloc(1, sizeof *x);
    *out = NULL;
    if (!x)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the values of a load.");
    x->value = value;
    size_t bad_at;
    int failed = value->json ? jsonpath_parse(value->json, &x->path, &bad_at, err) : 0;
    if (value->regex && regcomp(&x->regex, value->regex, REG_EXTENDED) != 0)
        failed = seep_fail(err, SEEP_E_USAGE, "'%.100s' is no regular expression.", value->regex);
    if (failed) {
        free(x);
        return -1;
    }
    if (value->n_between) {
        x->before_len = strlen(value->between[0]);
        x->after_len = strlen(value->between[1]);
    }
    *out = x;
    return 0;
}

void extract_close(struct extract *x)
{
    if (x && x->value->regex)
        regfree(&x->regex);
    free(x);
}

bool extract_wants_head(const struct extract *x)
{
    return x->value->header || x->value->cookie;
}

bool extract_wants_body(const struct extract *x)
{
    return !extract_wants_head(x);
}

static bool from_json(const struct extract *x, const struct exchange_reply *r, struct seep_buf *out)
{
    struct json_value v;
    if (r->body_cut || json_find(r->body, r->body_len, &x->path, &v) < 1)
        return false;
    json_append(&v, out);
    return true;
}

// The cookie's value up to ';', of the last Set-Cookie that names it: that is the one a browser would keep.
static bool from_cookie(const char *name, struct load_text head, struct seep_buf *out)
{
    size_t from = 0, name_len = strlen(name);
    struct load_text line, found = {0};
    while (reply_head_next(head, "Set-Cookie", &from, &line)) {
        if (line.len <= name_len || memcmp(line.text, name, name_len) != 0 || line.text[name_len] != '=')
            continue;
        const char *value = line.text + name_len + 1, *end = line.text + line.len;
        const char *semicolon = memchr(value, ';', (size_t)(end - value));
        found = load_text_trim((struct load_text){value, (size_t)((semicolon ? semicolon : end) - value)});
    }
    if (found.text)
        buf_add(out, found.text, found.len);
    return found.text != NULL;
}

static bool from_header(const char *name, struct load_text head, struct seep_buf *out)
{
    size_t from = 0;
    struct load_text value;
    if (!reply_head_next(head, name, &from, &value))
        return false;
    buf_add(out, value.text, value.len);
    return true;
}

static bool from_regex(const struct extract *x, const struct exchange_reply *r, struct seep_buf *out)
{
    regmatch_t m[2] = {{.rm_so = 0, .rm_eo = (regoff_t)r->body_len}, {-1, -1}};
    if (regexec(&x->regex, r->body, 2, m, REG_STARTEND) != 0)
        return false;
    const regmatch_t *part = x->regex.re_nsub > 0 ? &m[1] : &m[0];
    if (part->rm_so < 0)
        return false;
    buf_add(out, r->body + part->rm_so, (size_t)(part->rm_eo - part->rm_so));
    return true;
}

static bool from_between(const struct extract *x, const struct exchange_reply *r, struct seep_buf *out)
{
    const char *const *around = (const char *const *)x->value->between;
    const char *end = r->body + r->body_len, *from = memmem(r->body, r->body_len, around[0], x->before_len);
    if (!from)
        return false;
    from += x->before_len;
    const char *to = memmem(from, (size_t)(end - from), around[1], x->after_len);
    if (to)
        buf_add(out, from, (size_t)(to - from));
    return to != NULL;
}

bool extract_text(const struct extract *x, const struct exchange_reply *reply, struct seep_buf *out)
{
    const struct profile_extract *v = x->value;
    const struct load_text head = {reply->head, reply->head ? reply->head_len : 0};
    bool found;
    buf_clear(out);
    if (v->header)
        found = from_header(v->header, head, out);
    else if (v->cookie)
        found = from_cookie(v->cookie, head, out);
    else if (!reply->body)
        found = false;
    else if (v->json)
        found = from_json(x, reply, out);
    else
        found = v->regex ? from_regex(x, reply, out) : from_between(x, reply, out);
    if (found && !out->failed) {
        buf_str(out, ""); // an empty value is a text too
        return true;
    }
    buf_clear(out);
    return false;
}

bool extract_number(const struct extract *x, const struct exchange_reply *reply, struct seep_buf *scratch, double *out)
{
    char *end;
    if (!extract_text(x, reply, scratch) || scratch->len == 0 ||
        strspn(scratch->data, "0123456789+-.eE") < scratch->len)
        return false;
    *out = strtod(scratch->data, &end);
    return end == scratch->data + scratch->len && isfinite(*out);
}
