// The words of a request: see request.h.
#include "load/request.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool has_header(const struct request_text *r, const char *name)
{
    size_t len = strlen(name);
    for (int i = 0; i < r->n_lines; i++) {
        if (strncasecmp(r->line[i], name, len) == 0 && r->line[i][len] == ':')
            return true;
    }
    return false;
}

int request_add_header(struct request_text *r, const char *name, const char *value, struct seep_err *err)
{
    struct seep_buf line;
    if (r->n_lines == REQUEST_HEADERS_MAX)
        return seep_fail(err, SEEP_E_USAGE, "A request has more than %d headers.", REQUEST_HEADERS_MAX);
    buf_init(&line, 64 * 1024);
    buf_printf(&line, "%s: %s", name, value);
    int failed = buf_check(&line, "A header of a scenario", err);
    if (!failed && strpbrk(line.data, "\r\n"))
        failed = seep_fail(err, SEEP_E_USAGE, "The header %s of a scenario holds a line break.", name);
    if (failed)
        buf_free(&line);
    else
        r->line[r->n_lines++] = line.data;
    return failed;
}

static void add_base64(struct seep_buf *out, const char *text)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i += 3) {
        uint32_t three = (uint32_t)(unsigned char)text[i] << 16;
        if (i + 1 < len)
            three |= (uint32_t)(unsigned char)text[i + 1] << 8;
        if (i + 2 < len)
            three |= (unsigned char)text[i + 2];
        buf_char(out, digit[three >> 18]);
        buf_char(out, digit[three >> 12 & 63]);
        buf_char(out, i + 1 < len ? digit[three >> 6 & 63] : '=');
        buf_char(out, i + 2 < len ? digit[three & 63] : '=');
    }
}

static int add_authorization(struct request_text *r, const char *userinfo, struct seep_err *err)
{
    struct seep_buf value;
    buf_init(&value, 8192);
    buf_str(&value, "Basic ");
    add_base64(&value, userinfo);
    int failed = buf_check(&value, "The user and password of a URL", err);
    if (!failed)
        failed = request_add_header(r, "Authorization", value.data, err);
    buf_free(&value);
    return failed;
}

static int add_usual(struct request_text *r, const char *body, const char *userinfo, struct seep_err *err)
{
    if (!has_header(r, "User-Agent") && request_add_header(r, "User-Agent", "seep/" SEEP_VERSION, err) < 0)
        return -1;
    if (!has_header(r, "Accept") && request_add_header(r, "Accept", "*/*", err) < 0)
        return -1;
    if (body && !has_header(r, "Content-Type") &&
        request_add_header(r, "Content-Type", "application/x-www-form-urlencoded", err) < 0)
        return -1;
    if (userinfo && !has_header(r, "Authorization"))
        return add_authorization(r, userinfo, err);
    return 0;
}

static int write_wire(struct request_text *r, const struct exchange_origin *origin, struct seep_err *err)
{
    struct seep_buf *w = &r->wire;
    buf_init(w, REQUEST_TEXT_MAX);
    buf_printf(w, "%s %s HTTP/1.1\r\n", r->method, r->target);
    if (!has_header(r, "Host"))
        buf_printf(w, "Host: %s\r\n", origin->authority);
    for (int i = 0; i < r->n_lines; i++)
        buf_printf(w, "%s\r\n", r->line[i]);
    // A POST says how long its body is, even when it has none.
    if ((r->body || strcmp(r->method, "POST") == 0) && !has_header(r, "Content-Length"))
        buf_printf(w, "Content-Length: %zu\r\n", r->body ? strlen(r->body) : 0);
    buf_str(w, "\r\n");
    if (r->body)
        buf_str(w, r->body);
    return buf_check(w, "A request", err);
}

int request_finish(struct request_text *r, const struct exchange_origin *origin, const char *method, char *target,
                   const char *body, const char *userinfo, struct seep_err *err)
{
    r->target = target;
    r->method = strdup(method);
    r->body = body ? strdup(body) : NULL;
    if (!r->method || (body && !r->body))
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for a request.");
    if (add_usual(r, body, userinfo, err) < 0 || write_wire(r, origin, err) < 0)
        return -1;
    r->request = (struct exchange_request){.method = r->method,
                                           .target = r->target,
                                           .headers = (const char *const *)r->line,
                                           .n_headers = (size_t)r->n_lines,
                                           .body = r->body,
                                           .body_len = r->body ? strlen(r->body) : 0,
                                           .wire = r->wire.data,
                                           .wire_len = r->wire.len};
    return 0;
}

void request_free(struct request_text *r)
{
    free(r->method);
    free(r->target);
    free(r->body);
    for (int i = 0; i < r->n_lines; i++)
        free(r->line[i]);
    buf_free(&r->wire);
    *r = (struct request_text){0};
}
