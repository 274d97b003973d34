// What a step expects of a reply: see check.h.
#include "load/check.h"
#include "load/json_find.h"
#include "load/reply_head.h"
#include "profile/jsonpath.h"

#include <ctype.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct pattern {
    bool given;
    regex_t regex;
};

struct header_check {
    const struct profile_header_check *say;
    struct template *equals, *contains;
    struct template **has;
    struct pattern matches;
};

struct json_check {
    const struct profile_json_check *say;
    struct jsonpath path;
    struct template *equals;
    struct bound is, length;
    struct pattern matches;
};

struct check {
    const struct profile_expect *say;
    struct header_check *header;
    struct json_check *json;
    struct template **contains, **lacks; // of the body
    struct pattern matches;
};

// ---- opening --------------------------------------------------------------------------------------------------------

struct opening {
    struct template_names *names;
    const struct feeds *feeds;
    struct seep_err *err;
};

static int open_text(const struct opening *o, const char *text, struct template **out)
{
    return text ? template_open(text, TEMPLATE_BODY, o->names, o->feeds, out, o->err) : 0;
}

static int open_texts(const struct opening *o, char *const *texts, int n, struct template ***out)
{
    *out = calloc((size_t)n + 1, sizeof **out);
    if (!*out)
        return seep_fail(o->err, SEEP_E_SYSTEM, "There is no memory for the checks of a load.");
    for (int i = 0; i < n; i++)
        if (open_text(o, texts[i], &(*out)[i]))
            return -1;
    return 0;
}

static int open_pattern(const struct opening *o, const char *text, struct pattern *out)
{
    if (!text)
        return 0;
    if (regcomp(&out->regex, text, REG_EXTENDED) != 0)
        return seep_fail(o->err, SEEP_E_USAGE, "'%.100s' is no regular expression.", text);
    out->given = true;
    return 0;
}

static int open_header(const struct opening *o, const struct profile_header_check *say, struct header_check *h)
{
    h->say = say;
    return open_text(o, say->equals, &h->equals) || open_text(o, say->contains, &h->contains) ||
                   open_texts(o, say->has, say->n_has, &h->has) || open_pattern(o, say->matches, &h->matches)
               ? -1
               : 0;
}

static int open_json(const struct opening *o, const struct profile_json_check *say, struct json_check *j)
{
    size_t bad_at;
    j->say = say;
    if (jsonpath_parse(say->path, &j->path, &bad_at, o->err) || open_text(o, say->equals, &j->equals) ||
        open_pattern(o, say->matches, &j->matches))
        return -1;
    return (say->is && jsonpath_bound(say->is, &j->is, o->err)) ||
                   (say->length && jsonpath_bound(say->length, &j->length, o->err))
               ? -1
               : 0;
}

static int open_all(const struct opening *o, struct check *c)
{
    const struct profile_expect *e = c->say;
    c->header = calloc((size_t)e->n_headers + 1, sizeof *c->header);
    c->json = calloc((size_t)e->n_json + 1, sizeof *c->json);
    if (!c->header || !c->json)
        return seep_fail(o->err, SEEP_E_SYSTEM, "There is no memory for the checks of a load.");
    for (int i = 0; i < e->n_headers; i++)
        if (open_header(o, &e->headers[i], &c->header[i]))
            return -1;
    for (int i = 0; i < e->n_json; i++)
        if (open_json(o, &e->json[i], &c->json[i]))
            return -1;
    return open_texts(o, e->body.contains, e->body.n_contains, &c->contains) ||
                   open_texts(o, e->body.lacks, e->body.n_lacks, &c->lacks) ||
                   open_pattern(o, e->body.matches, &c->matches)
               ? -1
               : 0;
}

int check_open(const struct profile_expect *expect, struct template_names *names, const struct feeds *feeds,
               struct check **out, struct seep_err *err)
{
    const struct opening o = {names, feeds, err};
    struct check *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the checks of a load.");
    c->say = expect;
    if (open_all(&o, c)) {
        check_close(c);
        return -1;
    }
    *out = c;
    return 0;
}

static void close_texts(struct template **texts)
{
    for (struct template **t = texts; t && *t; t++)
        template_close(*t);
    free(texts);
}

static void close_pattern(struct pattern *p)
{
    if (p->given)
        regfree(&p->regex);
}

void check_close(struct check *c)
{
    if (!c)
        return;
    for (int i = 0; c->header && i < c->say->n_headers; i++) {
        template_close(c->header[i].equals);
        template_close(c->header[i].contains);
        close_texts(c->header[i].has);
        close_pattern(&c->header[i].matches);
    }
    for (int i = 0; c->json && i < c->say->n_json; i++) {
        template_close(c->json[i].equals);
        close_pattern(&c->json[i].matches);
    }
    close_texts(c->contains);
    close_texts(c->lacks);
    close_pattern(&c->matches);
    free(c->header);
    free(c->json);
    free(c);
}

bool check_wants_head(const struct check *c)
{
    return c->say->n_headers > 0;
}

bool check_wants_body(const struct check *c)
{
    return c->say->n_json || c->say->body.n_contains || c->say->body.n_lacks || c->matches.given;
}

// ---- checking -------------------------------------------------------------------------------------------------------

struct checking {
    const struct exchange_reply *reply;
    const struct template_scope *scope;
    struct check_room *room;
    struct check_failure *why;
};

static bool no(const struct checking *k, const char *part, const char *name, const char *key, const char *wanted)
{
    *k->why = (struct check_failure){part, name, key, wanted};
    return false;
}

// The expected text with its references put in; .text NULL when a variable is not set or it grows too large.
static struct load_text wanted(const struct checking *k, const struct template *t)
{
    const struct load_text *constant = template_constant(t);
    if (constant)
        return *constant;
    buf_clear(&k->room->wanted);
    buf_str(&k->room->wanted, "");
    if (template_render(t, k->scope, &k->room->wanted, NULL) != TEMPLATE_DONE)
        return (struct load_text){0};
    return (struct load_text){k->room->wanted.data, k->room->wanted.len};
}

static bool same(struct load_text a, struct load_text b)
{
    return a.text && b.text && a.len == b.len && (a.len == 0 || !memcmp(a.text, b.text, a.len));
}

static bool holds(struct load_text in, struct load_text part)
{
    return part.text && in.text && (part.len == 0 || memmem(in.text, in.len, part.text, part.len));
}

static bool matches(const struct pattern *p, struct load_text in)
{
    regmatch_t m = {.rm_so = 0, .rm_eo = (regoff_t)in.len};
    return regexec(&p->regex, in.text ? in.text : "", 0, &m, REG_STARTEND) == 0;
}

static bool number_of(struct load_text t, double *out)
{
    char text[40], *end;
    if (t.len == 0 || t.len >= sizeof text || !isdigit((unsigned char)*t.text))
        return false;
    memcpy(text, t.text, t.len);
    text[t.len] = 0;
    *out = strtod(text, &end);
    return !*end && isfinite(*out);
}

static struct load_text unquoted(struct load_text t)
{
    return t.len >= 2 && t.text[0] == '"' && t.text[t.len - 1] == '"' ? (struct load_text){t.text + 1, t.len - 2} : t;
}

// A member of a comma list, "name" or "name=value", against what is asked: "name", "name=value", "name>=number", ...
static bool member_is(struct load_text member, struct load_text asked)
{
    size_t name_len = 0, sign_len = 0;
    while (name_len < asked.len && !strchr("=<>", asked.text[name_len]))
        name_len++;
    while (name_len + sign_len < asked.len && sign_len < 2 && strchr("=<>", asked.text[name_len + sign_len]))
        sign_len++;
    const struct load_text name = load_text_trim((struct load_text){asked.text, name_len});
    const char *equals = memchr(member.text, '=', member.len);
    const struct load_text has = load_text_trim(
        (struct load_text){member.text, equals && sign_len ? (size_t)(equals - member.text) : member.len});
    const struct load_text bare =
        load_text_trim((struct load_text){member.text, equals ? (size_t)(equals - member.text) : member.len});
    if (!sign_len) // a name alone asks for the whole member, or for its name
        return (has.len == name.len && !strncasecmp(has.text, name.text, name.len)) ||
               (bare.len == name.len && !strncasecmp(bare.text, name.text, name.len));
    if (!equals || has.len != name.len || strncasecmp(has.text, name.text, name.len) != 0)
        return false;
    const struct load_text value =
        unquoted(load_text_trim((struct load_text){equals + 1, member.len - (size_t)(equals + 1 - member.text)}));
    const struct load_text limit =
        load_text_trim((struct load_text){asked.text + name_len + sign_len, asked.len - name_len - sign_len});
    if (sign_len == 1 && asked.text[name_len] == '=')
        return same(value, unquoted(limit));
    char text[64];
    struct bound b;
    double number;
    snprintf(text, sizeof text, "%.*s", (int)(asked.len - name_len), asked.text + name_len);
    return number_of(value, &number) && jsonpath_bound(text, &b, NULL) == 0 && jsonpath_bound_holds(&b, number);
}

static bool header_has(const struct checking *k, const struct header_check *h, struct load_text asked)
{
    size_t from = 0;
    struct load_text value, member;
    while (asked.text &&
           reply_head_next((struct load_text){k->reply->head, k->reply->head_len}, h->say->name, &from, &value))
        while (reply_head_member(&value, &member))
            if (member_is(member, asked))
                return true;
    return false;
}

enum header_test { HEADER_THERE, HEADER_EQUALS, HEADER_CONTAINS, HEADER_MATCHES };

// Whether any of the fields of this name passes the test.
static bool any_header(const struct checking *k, const struct header_check *h, enum header_test test)
{
    size_t from = 0;
    struct load_text value, text = {0};
    if (!k->reply->head)
        return false;
    if (test == HEADER_EQUALS || test == HEADER_CONTAINS)
        text = wanted(k, test == HEADER_EQUALS ? h->equals : h->contains);
    while (reply_head_next((struct load_text){k->reply->head, k->reply->head_len}, h->say->name, &from, &value)) {
        if (test == HEADER_THERE || (test == HEADER_EQUALS && same(value, text)) ||
            (test == HEADER_CONTAINS && holds(value, text)) || (test == HEADER_MATCHES && matches(&h->matches, value)))
            return true;
    }
    return false;
}

static bool check_header(const struct checking *k, const struct header_check *h)
{
    const struct profile_header_check *s = h->say;
    if (s->presence != PRESENCE_ANY && any_header(k, h, HEADER_THERE) != (s->presence == PRESENCE_THERE))
        return no(k, "header", s->name, "present", s->presence == PRESENCE_THERE ? "true" : "false");
    if (s->equals && !any_header(k, h, HEADER_EQUALS))
        return no(k, "header", s->name, "equals", s->equals);
    if (s->contains && !any_header(k, h, HEADER_CONTAINS))
        return no(k, "header", s->name, "contains", s->contains);
    if (s->matches && !any_header(k, h, HEADER_MATCHES))
        return no(k, "header", s->name, "matches", s->matches);
    for (int i = 0; i < s->n_has; i++)
        if (!k->reply->head || !header_has(k, h, wanted(k, h->has[i])))
            return no(k, "header", s->name, "has", s->has[i]);
    return true;
}

static bool length_holds(const struct json_check *j, long n, const struct json_value *v)
{
    if (j->path.many)
        return jsonpath_bound_holds(&j->length, (double)n);
    bool has_length = v->kind == JSON_KIND_LIST || v->kind == JSON_KIND_MAP || v->kind == JSON_KIND_STRING;
    return has_length && jsonpath_bound_holds(&j->length, (double)v->length);
}

static bool json_matches(const struct checking *k, const struct json_check *j, const struct json_value *v)
{
    buf_clear(&k->room->found);
    buf_str(&k->room->found, "");
    json_append(v, &k->room->found);
    return !k->room->found.failed && matches(&j->matches, (struct load_text){k->room->found.data, k->room->found.len});
}

static bool check_json(const struct checking *k, const struct json_check *j)
{
    const struct profile_json_check *s = j->say;
    struct json_value v;
    long n = k->reply->body && !k->reply->body_cut ? json_find(k->reply->body, k->reply->body_len, &j->path, &v) : -1;
    if (n < 0)
        return no(k, "json", s->path, k->reply->body_cut ? "body_kept" : "body",
                  k->reply->body_cut ? "the whole of it" : "JSON");
    if (s->presence == PRESENCE_ABSENT)
        return n == 0 || no(k, "json", s->path, "present", "false");
    if (j->path.many && s->length && !length_holds(j, n, NULL))
        return no(k, "json", s->path, "length", s->length);
    bool only_counted = j->path.many && !s->equals && !s->is && !s->matches && s->presence == PRESENCE_ANY;
    if (n == 0)
        return only_counted || no(k, "json", s->path, "present", "true");
    if (s->length && !j->path.many && !length_holds(j, n, &v))
        return no(k, "json", s->path, "length", s->length);
    if (s->is && !jsonpath_bound_holds(&j->is, json_number(&v)))
        return no(k, "json", s->path, "is", s->is);
    if (s->equals) {
        const struct load_text text = wanted(k, j->equals);
        if (!text.text || !json_equals(&v, text, &k->room->found))
            return no(k, "json", s->path, "equals", s->equals);
    }
    return !s->matches || json_matches(k, j, &v) || no(k, "json", s->path, "matches", s->matches);
}

// Of a body that was kept in part only, what is there is there, and what is not there may be.
static bool check_body(const struct checking *k, const struct check *c)
{
    const struct profile_body_check *s = &c->say->body;
    const struct load_text body = {k->reply->body ? k->reply->body : "", k->reply->body ? k->reply->body_len : 0};
    if ((double)k->reply->body_bytes < s->at_least_bytes)
        return no(k, "body", NULL, "at_least", NULL);
    if (s->at_most_bytes != PROFILE_AUTO && (double)k->reply->body_bytes > s->at_most_bytes)
        return no(k, "body", NULL, "at_most", NULL);
    for (int i = 0; i < s->n_contains; i++)
        if (!holds(body, wanted(k, c->contains[i])))
            return no(k, "body", NULL, "contains", s->contains[i]);
    for (int i = 0; i < s->n_lacks; i++) {
        const struct load_text text = wanted(k, c->lacks[i]);
        if (!text.text || holds(body, text) || k->reply->body_cut)
            return no(k, "body", NULL, "lacks", s->lacks[i]);
    }
    return !c->matches.given || matches(&c->matches, body) || no(k, "body", NULL, "matches", s->matches);
}

// A raw reply has no status; it may be an error of its protocol.
static bool status_is_expected(const struct profile_expect *e, const struct exchange_reply *reply)
{
    if (reply->status == 0)
        return e->n_status == 0 && (!reply->error_reply || e->error_replies);
    if (e->n_status == 0)
        return reply->status >= 200 && reply->status <= 399;
    for (int i = 0; i < e->n_status; i++)
        if (reply->status >= e->status[i].low && reply->status <= e->status[i].high)
            return true;
    return false;
}

enum check_end check_reply(const struct check *c, const struct exchange_reply *reply, int64_t service_ns,
                           const struct template_scope *scope, struct check_room *room, struct check_failure *why)
{
    const struct checking k = {reply, scope, room, why};
    if (!status_is_expected(c->say, reply)) {
        no(&k, "status", NULL, NULL, NULL);
        return CHECK_STATUS;
    }
    for (int i = 0; i < c->say->n_headers; i++)
        if (!check_header(&k, &c->header[i]))
            return CHECK_REPLY;
    for (int i = 0; i < c->say->n_json; i++)
        if (!check_json(&k, &c->json[i]))
            return CHECK_REPLY;
    if (!check_body(&k, c))
        return CHECK_REPLY;
    if (c->say->under_s <= 0 || (double)service_ns <= c->say->under_s * 1e9)
        return CHECK_PASSED;
    no(&k, "time", NULL, "under", NULL);
    return CHECK_SLOW;
}

void check_describe(const struct check_failure *why, char *out, size_t size)
{
    snprintf(out, size, "%s%s%.60s%s%s%s%.80s", why->part, why->name ? " " : "", why->name ? why->name : "",
             why->key ? ": " : "", why->key ? why->key : "", why->wanted ? " " : "", why->wanted ? why->wanted : "");
}
