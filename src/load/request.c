// The words of a request: see request.h.
#include "load/request.h"
#include "base/base64.h"
#include "load/raw_request.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { ROOM_KEPT = 64 * 1024 }; // a larger buffer is given back after its request

// ---- compiling ------------------------------------------------------------------------------------------------------

static bool is_name(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}

static bool has_header(const struct request_words *w, const char *name)
{
    for (int i = 0; i < w->n_headers; i++) {
        if (is_name(w->header[i].name, name))
            return true;
    }
    return false;
}

struct maker { // what compiling needs all the time
    struct request_words *w;
    struct template_names *names;
    const struct feeds *feeds;
    struct seep_err *err;
};

static int add_header(const struct maker *m, const char *name, const char *value)
{
    struct request_words *w = m->w;
    if (w->n_headers == REQUEST_HEADERS_MAX - 1) // one more may be a cookie
        return seep_fail(m->err, SEEP_E_USAGE, "A request has more than %d headers.", REQUEST_HEADERS_MAX - 1);
    struct request_header *more = realloc(w->header, (size_t)(w->n_headers + 1) * sizeof *more);
    char *copy = strdup(name);
    if (more)
        w->header = more;
    if (!more || !copy) {
        free(copy);
        return seep_fail(m->err, SEEP_E_SYSTEM, "There is no memory for a header.");
    }
    w->header[w->n_headers++] = (struct request_header){.name = copy};
    return template_open(value, TEMPLATE_HEADER, m->names, m->feeds, &w->header[w->n_headers - 1].value, m->err);
}

static int add_authorization(const struct maker *m, const char *userinfo)
{
    struct seep_buf value;
    buf_init(&value, 8192);
    buf_str(&value, "Basic ");
    base64_add(&value, userinfo, strlen(userinfo));
    int failed = buf_check(&value, "The user and password of a URL", m->err);
    if (!failed)
        failed = add_header(m, "Authorization", value.data);
    buf_free(&value);
    return failed;
}

// The step's own, those of its load that it does not have, and what every request has.
static int add_headers(const struct maker *m, const struct profile_load *load, const struct profile_request *r,
                       const char *userinfo)
{
    for (int i = 0; i < r->n_headers; i++) {
        if (add_header(m, r->headers[i].key, r->headers[i].value ? r->headers[i].value : "") < 0)
            return -1;
    }
    for (int i = 0; i < load->n_headers; i++) {
        const struct profile_pair *h = &load->headers[i];
        if (!has_header(m->w, h->key) && add_header(m, h->key, h->value ? h->value : "") < 0)
            return -1;
    }
    if (!has_header(m->w, "User-Agent") && add_header(m, "User-Agent", "seep/" SEEP_VERSION) < 0)
        return -1;
    if (!has_header(m->w, "Accept") && add_header(m, "Accept", "*/*") < 0)
        return -1;
    if (m->w->body && !has_header(m->w, "Content-Type") &&
        add_header(m, "Content-Type", "application/x-www-form-urlencoded") < 0)
        return -1;
    m->w->own_cookie = has_header(m->w, "Cookie");
    return userinfo && !has_header(m->w, "Authorization") ? add_authorization(m, userinfo) : 0;
}

// Where the path, query or fragment begins.
static const char *authority_end(const char *url)
{
    const char *p = strstr(url, "://");
    p = p ? p + 3 : url;
    return p + strcspn(p, "/?#");
}

static int compile_url(const struct maker *m, const struct profile_load *load, const struct profile_request *r,
                       struct origin_table *origins, const struct exchange_origin **origin, char **userinfo)
{
    char *url = profile_expand_env(r->url, m->err);
    if (!url)
        return -1;
    const char *target = authority_end(url);
    char *before = strndup(url, (size_t)(target - url));
    int failed = before ? 0 : seep_fail(m->err, SEEP_E_SYSTEM, "There is no memory for a URL.");
    const char *written = r->unix_path ? r->unix_path : load->unix_path;
    char *unix_path = written ? profile_expand_env(written, m->err) : NULL;
    failed = failed || (written && !unix_path) ? -1 : 0;
    if (!failed)
        failed = origin_add(origins, before, unix_path, origin, NULL, userinfo, m->err);
    if (!failed)
        failed = template_open(*target ? target : "/", TEMPLATE_URL, m->names, m->feeds, &m->w->target, m->err);
    free(unix_path);
    free(before);
    free(url);
    return failed;
}

static int compile_http(const struct maker *m, const struct profile_load *load, const struct profile_request *r,
                        struct origin_table *origins, const struct exchange_origin **origin)
{
    char *userinfo = NULL;
    m->w->http = true;
    m->w->method = strdup(r->method);
    int failed = m->w->method ? compile_url(m, load, r, origins, origin, &userinfo)
                              : seep_fail(m->err, SEEP_E_SYSTEM, "There is no memory for a request.");
    if (!failed && r->body)
        failed = template_open(r->body, TEMPLATE_BODY, m->names, m->feeds, &m->w->body, m->err);
    if (!failed && r->body_file)
        failed = template_open_file(r->body_file, &m->w->body, m->err);
    if (!failed)
        failed = add_headers(m, load, r, userinfo);
    free(userinfo);
    return failed;
}

static int compile_raw(const struct maker *m, const struct profile_tcp *tcp, struct origin_table *origins,
                       const struct exchange_origin **origin)
{
    char *address = profile_expand_env(tcp->address, m->err);
    if (!address)
        return -1;
    int failed = origin_add_raw(origins, address, origin, m->err);
    free(address);
    m->w->tcp = tcp;
    if (!failed && tcp->send)
        failed = template_open(tcp->send, TEMPLATE_BODY, m->names, m->feeds, &m->w->body, m->err);
    if (failed || tcp->n_command == 0)
        return failed;
    m->w->command = calloc((size_t)tcp->n_command, sizeof *m->w->command);
    if (!m->w->command)
        return seep_fail(m->err, SEEP_E_SYSTEM, "There is no memory for a command.");
    for (; !failed && m->w->n_command < tcp->n_command; m->w->n_command++)
        failed = template_open(tcp->command[m->w->n_command], TEMPLATE_BODY, m->names, m->feeds,
                               &m->w->command[m->w->n_command], m->err);
    return failed;
}

static bool is_constant(const struct template *t)
{
    return !t || template_constant(t);
}

static bool all_constant(const struct request_words *w)
{
    bool constant = is_constant(w->target) && is_constant(w->body);
    for (int i = 0; i < w->n_headers; i++)
        constant = constant && is_constant(w->header[i].value);
    for (int i = 0; i < w->n_command; i++)
        constant = constant && is_constant(w->command[i]);
    return constant;
}

int request_words_open(struct request_words *w, const struct profile_load *load, const struct profile_step *step,
                       struct origin_table *origins, struct template_names *names, const struct feeds *feeds,
                       const struct exchange_origin **origin, struct seep_err *err)
{
    *w = (struct request_words){0};
    struct maker m = {.w = w, .names = names, .feeds = feeds, .err = err};
    int failed = step->tcp.present ? compile_raw(&m, &step->tcp, origins, origin)
                                   : compile_http(&m, load, &step->request, origins, origin);
    w->constant = !failed && all_constant(w);
    return failed;
}

void request_words_close(struct request_words *w)
{
    free(w->method);
    template_close(w->target);
    template_close(w->body);
    for (int i = 0; i < w->n_headers; i++) {
        free(w->header[i].name);
        template_close(w->header[i].value);
    }
    free(w->header);
    for (int i = 0; i < w->n_command; i++)
        template_close(w->command[i]);
    free(w->command);
    *w = (struct request_words){0};
}

// ---- room -----------------------------------------------------------------------------------------------------------

void request_room_open(struct request_room *r)
{
    *r = (struct request_room){0};
    buf_init(&r->text, REQUEST_TEXT_MAX);
    buf_init(&r->wire, REQUEST_TEXT_MAX);
    buf_init(&r->scratch, REQUEST_TEXT_MAX);
}

void request_room_close(struct request_room *r)
{
    buf_free(&r->text);
    buf_free(&r->wire);
    buf_free(&r->scratch);
    free(r->line);
    *r = (struct request_room){0};
}

static void buf_again(struct seep_buf *b)
{
    size_t ceiling = b->ceiling;
    if (b->cap > ROOM_KEPT) {
        buf_free(b);
        buf_init(b, ceiling);
    }
    buf_clear(b);
}

// ---- writing --------------------------------------------------------------------------------------------------------

// A request while it is written: places in the text instead of pointers, because the text moves as it grows.
struct draft {
    struct request_room *room;
    size_t target, body, body_len;
    size_t line[REQUEST_HEADERS_MAX];
    size_t n_lines;
    bool has_body;
};

static void end_text(struct draft *d)
{
    buf_char(&d->room->text, 0);
}

static bool put(struct draft *d, const struct template *t, const struct template_scope *scope, char *why, size_t size)
{
    const struct load_text *constant = template_constant(t);
    const char *name = NULL;
    if (constant) {
        if (constant->len)
            buf_add(&d->room->text, constant->text, constant->len);
        return true;
    }
    switch (template_render(t, scope, &d->room->text, &name)) {
    case TEMPLATE_DONE:
        return true;
    case TEMPLATE_UNSET:
        snprintf(why, size, "%s has no value", name ? name : "a variable");
        return false;
    case TEMPLATE_UNFIT:
        snprintf(why, size, "the value of %s does not fit there", name ? name : "a variable");
        return false;
    default:
        snprintf(why, size, "the request becomes too large");
        return false;
    }
}

// A path begins with '/', whatever the profile's text or a variable begins with.
static bool put_target(struct draft *d, const struct request_words *w, const struct template_scope *scope, char *why,
                       size_t size)
{
    struct seep_buf *text = &d->room->text;
    buf_char(text, '/');
    if (!put(d, w->target, scope, why, size))
        return false;
    d->target = text->len > 1 && text->data[1] == '/' ? 1 : 0;
    char *fragment = text->data ? memchr(text->data, '#', text->len) : NULL;
    if (fragment) { // it is the client's own, and never sent
        text->len = (size_t)(fragment - text->data);
        *fragment = 0;
    }
    end_text(d);
    return true;
}

static bool put_headers(struct draft *d, const struct request_words *w, const struct template_scope *scope, char *why,
                        size_t size)
{
    for (int i = 0; i < w->n_headers; i++) {
        d->line[d->n_lines++] = d->room->text.len;
        buf_str(&d->room->text, w->header[i].name);
        buf_str(&d->room->text, ": ");
        if (!put(d, w->header[i].value, scope, why, size))
            return false;
        end_text(d);
    }
    return true;
}

static void put_cookies(struct draft *d, const struct cookie_jar *jar, const struct exchange_origin *origin,
                        const char *target)
{
    struct seep_buf *text = &d->room->text;
    size_t before = text->len;
    if (!jar || jar->n == 0)
        return;
    buf_str(&d->room->scratch, target); // the text may move
    buf_str(text, "Cookie: ");
    if (cookies_write(jar, origin, d->room->scratch.data ? d->room->scratch.data : "/", time(NULL), text) > 0) {
        d->line[d->n_lines++] = before;
        end_text(d);
    } else if (text->data) {
        text->len = before;
        text->data[before] = 0;
    }
}

static bool put_body(struct draft *d, const struct request_words *w, const struct template_scope *scope, char *why,
                     size_t size)
{
    if (!w->body)
        return true;
    d->has_body = true;
    d->body = d->room->text.len;
    if (!put(d, w->body, scope, why, size))
        return false;
    d->body_len = d->room->text.len - d->body;
    end_text(d);
    return true;
}

// Places become pointers.
static bool finish(struct draft *d, const char *method)
{
    struct request_room *r = d->room;
    if (r->n_lines < d->n_lines) {
        const char **more = realloc(r->line, d->n_lines * sizeof *more);
        if (!more)
            return false;
        r->line = more;
        r->n_lines = d->n_lines;
    }
    if (r->text.failed)
        return false;
    for (size_t i = 0; i < d->n_lines; i++)
        r->line[i] = r->text.data + d->line[i];
    r->request = (struct exchange_request){.method = method,
                                           .target = r->text.data + d->target,
                                           .headers = r->line,
                                           .n_headers = d->n_lines,
                                           .body = d->has_body ? r->text.data + d->body : NULL,
                                           .body_len = d->body_len};
    return true;
}

static bool says(const struct exchange_request *r, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < r->n_headers; i++) {
        if (strncasecmp(r->headers[i], name, len) == 0 && r->headers[i][len] == ':')
            return true;
    }
    return false;
}

static bool write_wire(struct request_room *room, const struct exchange_origin *origin)
{
    const struct exchange_request *r = &room->request;
    struct seep_buf *w = &room->wire;
    buf_str(w, r->method);
    buf_char(w, ' ');
    buf_str(w, r->target);
    buf_str(w, " HTTP/1.1\r\n");
    if (!says(r, "Host")) {
        buf_str(w, "Host: ");
        buf_str(w, origin->authority);
        buf_str(w, "\r\n");
    }
    for (size_t i = 0; i < r->n_headers; i++) {
        buf_str(w, r->headers[i]);
        buf_str(w, "\r\n");
    }
    // A POST says how long its body is, even when it has none.
    if ((r->body || strcmp(r->method, "POST") == 0) && !says(r, "Content-Length"))
        buf_printf(w, "Content-Length: %zu\r\n", r->body_len);
    buf_str(w, "\r\n");
    if (r->body_len)
        buf_add(w, r->body, r->body_len);
    room->request.wire = w->data;
    room->request.wire_len = w->len;
    return !w->failed;
}

static void begin(struct draft *d, struct request_room *room)
{
    *d = (struct draft){.room = room};
    buf_again(&room->text);
    buf_again(&room->wire);
    buf_again(&room->scratch);
}

static const struct exchange_request *write_raw(const struct request_words *w, const struct template_scope *scope,
                                                struct draft *d, char *why, size_t size)
{
    struct request_room *r = d->room;
    const char *name = NULL;
    if (w->n_command) {
        enum template_end end = template_render_resp(w->command, w->n_command, scope, &r->scratch, &r->text, &name);
        if (end != TEMPLATE_DONE) {
            snprintf(why, size, end == TEMPLATE_LARGE ? "the command becomes too large" : "%s has no value",
                     name ? name : "a variable");
            return NULL;
        }
    } else if (w->body && !put(d, w->body, scope, why, size)) {
        return NULL;
    }
    uint8_t prefix[8];
    if (w->tcp->framing == FRAMING_PREFIXED) {
        unsigned bytes = (unsigned)w->tcp->prefix_bytes;
        if (raw_prefix_write(r->text.len, bytes, w->tcp->prefix_little, w->tcp->prefix_counts_all, prefix) < 0) {
            snprintf(why, size, "its length does not fit the prefix");
            return NULL;
        }
        buf_add(&r->wire, prefix, bytes);
    }
    if (r->text.len)
        buf_add(&r->wire, r->text.data, r->text.len);
    r->request = (struct exchange_request){
        .method = "", .target = "", .wire = r->wire.data ? r->wire.data : "", .wire_len = r->wire.len};
    if (!r->wire.failed && !r->text.failed)
        return &r->request;
    snprintf(why, size, "the request becomes too large");
    return NULL;
}

const struct exchange_request *request_write(const struct request_words *w, const struct exchange_origin *origin,
                                             const struct template_scope *scope, const struct cookie_jar *jar,
                                             bool wants_wire, struct request_room *room, char *why, size_t size)
{
    struct draft d;
    begin(&d, room);
    if (!w->http)
        return write_raw(w, scope, &d, why, size);
    if (!put_target(&d, w, scope, why, size) || !put_headers(&d, w, scope, why, size))
        return NULL;
    if (!w->own_cookie)
        put_cookies(&d, jar, origin, room->text.data ? room->text.data + d.target : "/");
    if (!put_body(&d, w, scope, why, size))
        return NULL;
    if (finish(&d, w->method) && (!wants_wire || write_wire(room, origin)))
        return &room->request;
    snprintf(why, size, "the request becomes too large");
    return NULL;
}

// ---- redirects ------------------------------------------------------------------------------------------------------

// Headers that belong to the address or to the body that is left out.
static bool stays(const char *line, bool rewrite)
{
    static const char *const of_body[] = {"Content-Type:", "Content-Length:", "Content-Encoding:"};
    if (strncasecmp(line, "Cookie:", 7) == 0 || strncasecmp(line, "Host:", 5) == 0)
        return false;
    for (size_t i = 0; rewrite && i < sizeof of_body / sizeof *of_body; i++) {
        if (strncasecmp(line, of_body[i], strlen(of_body[i])) == 0)
            return false;
    }
    return true;
}

const struct exchange_request *request_redirect(const struct exchange_request *before, bool rewrite,
                                                const struct exchange_origin *origin, const char *target,
                                                const struct cookie_jar *jar, bool wants_wire,
                                                struct request_room *room)
{
    struct draft d;
    struct request_room fresh;
    request_room_open(&fresh); // `before` may stand in `room`
    begin(&d, &fresh);
    buf_str(&fresh.text, target);
    end_text(&d);
    for (size_t i = 0; i < before->n_headers && d.n_lines < REQUEST_HEADERS_MAX - 1; i++) {
        if (!stays(before->headers[i], rewrite))
            continue;
        d.line[d.n_lines++] = fresh.text.len;
        buf_str(&fresh.text, before->headers[i]);
        end_text(&d);
    }
    put_cookies(&d, jar, origin, target);
    if (before->body && !rewrite) {
        d.has_body = true;
        d.body = fresh.text.len;
        d.body_len = before->body_len;
        if (before->body_len)
            buf_add(&fresh.text, before->body, before->body_len);
        end_text(&d);
    }
    const char *method = rewrite ? strcmp(before->method, "HEAD") == 0 ? "HEAD" : "GET" : before->method;
    if (!finish(&d, method) || (wants_wire && !write_wire(&fresh, origin))) {
        request_room_close(&fresh);
        return NULL;
    }
    request_room_close(room);
    *room = fresh;
    return &room->request;
}
