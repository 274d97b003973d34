// One exchange over libcurl: see curl_call.h.
#include "load/curl_call.h"

#include <stdlib.h>
#include <string.h>

enum { KEEP_CAPACITY = 64 * 1024 }; // a larger buffer is given back after its reply

// ---- headers and addresses in curl's form ---------------------------------------------------------------------------

static bool is_empty_header(const char *line)
{
    const char *colon = strchr(line, ':');
    return colon && !colon[1 + strspn(colon + 1, " \t")];
}

// curl reads "Name:" as "do not send it"; a header without a value is written "Name;". malloc'ed.
static char *header_line(const char *line)
{
    char *copy = strdup(line);
    if (copy && is_empty_header(line))
        strcpy(strchr(copy, ':'), ";");
    return copy;
}

static struct curl_slist *header_list(const struct exchange_request *r)
{
    // No waiting for "100 Continue": it would add a second to every large body sent to a server that ignores it.
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; list && i < r->n_headers; i++) {
        char *line = header_line(r->headers[i]);
        struct curl_slist *longer = line ? curl_slist_append(list, line) : NULL;
        free(line);
        if (!longer)
            curl_slist_free_all(list);
        list = longer;
    }
    return list;
}

static char *whole_url(const struct exchange_origin *origin, const char *target)
{
    const char *scheme = origin->tls ? "https://" : "http://";
    size_t len = strlen(scheme) + strlen(origin->authority) + strlen(target) + 1;
    char *url = malloc(len);
    if (url)
        snprintf(url, len, "%s%s%s", scheme, origin->authority, target);
    return url;
}

struct curl_plan *curl_plan_make(const struct exchange_spec *spec, struct seep_err *err)
{
    struct curl_plan *p = calloc(1, sizeof *p);
    if (!p)
        goto fail;
    p->spec = spec;
    if (spec->constant) {
        p->url = whole_url(spec->origin, spec->constant->target);
        p->headers = header_list(spec->constant);
        if (!p->url || !p->headers)
            goto fail;
    }
    return p;
fail:
    curl_plan_free(p);
    seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the request of %s.", spec->name);
    return NULL;
}

void curl_plan_free(struct curl_plan *p)
{
    if (!p)
        return;
    free(p->url);
    curl_slist_free_all(p->headers);
    free(p);
}

// ---- what comes in --------------------------------------------------------------------------------------------------

static void keep(struct seep_buf *b, size_t most, const char *data, size_t len)
{
    size_t room = most > b->len ? most - b->len : 0;
    if (len && room)
        buf_add(b, data, len < room ? len : room);
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
    struct curl_call *call = ctx;
    const struct exchange_spec *spec = call->plan->spec;
    call->body_bytes += size * n;
    if (spec->keep_body)
        keep(&call->body, spec->keep_body, data, size * n);
    uint64_t most = spec->decode ? EXCHANGE_DECODED_MAX : spec->body_max;
    return call->body_bytes > most ? 0 : size * n;
}

// Called once a line. curl keeps every line it has seen, so their total must be bounded here. An interim reply (1xx)
// is followed by another status line: what was kept begins anew with it.
static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
    struct curl_call *call = ctx;
    size_t len = size * n;
    call->header_bytes += len;
    if (call->plan->spec->keep_head) {
        if (len >= 5 && memcmp(data, "HTTP/", 5) == 0)
            buf_clear(&call->head);
        keep(&call->head, call->plan->spec->keep_head, data, len);
    }
    return call->header_bytes > EXCHANGE_HEAD_MAX ? 0 : len;
}

// ---- options --------------------------------------------------------------------------------------------------------

static CURLcode set_body(CURL *easy, const struct exchange_request *r)
{
    CURLcode bad = CURLE_OK;
    bad |= curl_easy_setopt(easy, CURLOPT_POST, 1L);
    bad |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
    bad |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body ? r->body : "");
    return bad;
}

static CURLcode set_request(CURL *easy, const struct exchange_request *r)
{
    CURLcode bad = CURLE_OK;
    bool post = strcmp(r->method, "POST") == 0;
    if (r->body || post) {
        bad |= set_body(easy, r);
        bad |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, post ? NULL : r->method);
    } else if (strcmp(r->method, "HEAD") == 0) {
        bad |= curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else {
        bad |= curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L); // also undoes the other two
        bad |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, strcmp(r->method, "GET") == 0 ? NULL : r->method);
    }
    return bad;
}

// libcurl 7.88 begins HTTP/2 a second time on a connection in the clear that it uses again, and the exchange fails in
// the framing layer (mended in 8.0). With that version each such exchange has a connection of its own.
static bool has_own_connection(const struct exchange_spec *spec)
{
    unsigned version = curl_version_info(CURLVERSION_NOW)->version_num;
    bool in_clear = spec->protocol == EXCHANGE_HTTP2 && !spec->origin->tls;
    return spec->fresh || (in_clear && version >= CURL_VERSION_BITS(7, 88, 0) && version < CURL_VERSION_BITS(8, 0, 0));
}

static CURLcode set_bounds(CURL *easy, const struct exchange_spec *spec)
{
    CURLcode bad = CURLE_OK;
    bad |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    bad |= curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    bad |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    bad |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
    bad |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    bad |= curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    int64_t ms = spec->timeout_ns / 1000000;
    ms = ms < 1 ? 1 : ms > 3600000 ? 3600000 : ms;
    bad |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)ms);
    int64_t connect_ms = spec->connect_timeout_ns / 1000000;
    bad |=
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_ms > 0 && connect_ms < ms ? connect_ms : ms));
    if (has_own_connection(spec)) {
        bad |= curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        bad |= curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    }
    return bad;
}

static CURLcode set_tls(CURL *easy, const struct exchange_tls *tls)
{
    CURLcode bad = CURLE_OK;
    if (tls->insecure) {
        bad |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        bad |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (tls->ca)
        bad |= curl_easy_setopt(easy, CURLOPT_CAINFO, tls->ca);
    // The directory that libcurl was built with would be trusted besides, and keeps it from remembering the
    // authorities: each connection would read all of them anew. Not every TLS library knows directories.
    (void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    if (tls->cert)
        bad |= curl_easy_setopt(easy, CURLOPT_SSLCERT, tls->cert);
    if (tls->key)
        bad |= curl_easy_setopt(easy, CURLOPT_SSLKEY, tls->key);
    return bad;
}

static CURLcode set_protocol(CURL *easy, const struct exchange_spec *spec, long streams)
{
    CURLcode bad = CURLE_OK;
    long version = spec->protocol == EXCHANGE_HTTP1 ? CURL_HTTP_VERSION_1_1
                   : spec->origin->tls              ? CURL_HTTP_VERSION_2TLS
                                                    : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
    bad |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
    bad |= curl_easy_setopt(easy, CURLOPT_PIPEWAIT, streams > 1 ? 1L : 0L);
    if (spec->decode)
        bad |= curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    return bad;
}

static CURLcode set_callbacks(struct curl_call *call)
{
    CURLcode bad = CURLE_OK;
    bad |= curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, on_body);
    bad |= curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
    bad |= curl_easy_setopt(call->easy, CURLOPT_HEADERFUNCTION, on_header);
    bad |= curl_easy_setopt(call->easy, CURLOPT_HEADERDATA, call);
    bad |= curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
    bad |= curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, call->error);
    return bad;
}

// Buffers have the ceilings of the spec, and are new ones when these are other ceilings.
static void set_buffers(struct curl_call *call, const struct exchange_spec *spec)
{
    buf_free(&call->head);
    buf_free(&call->body);
    buf_init(&call->head, spec->keep_head + 1);
    buf_init(&call->body, spec->keep_body + 1);
}

int curl_call_prepare(struct curl_call *call, struct curl_plan *plan, long streams, struct seep_err *err)
{
    const struct exchange_spec *spec = plan->spec;
    curl_easy_reset(call->easy);
    call->plan = plan;
    set_buffers(call, spec);
    CURLcode bad = set_bounds(call->easy, spec) | set_tls(call->easy, &spec->tls) |
                   set_protocol(call->easy, spec, streams) | set_callbacks(call);
    bad |= curl_easy_setopt(call->easy, CURLOPT_UNIX_SOCKET_PATH, spec->origin->unix_path);
    if (spec->constant) {
        bad |= set_request(call->easy, spec->constant);
        bad |= curl_easy_setopt(call->easy, CURLOPT_URL, plan->url);
        bad |= curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, plan->headers);
    }
    if (bad == CURLE_OK)
        return 0;
    call->plan = NULL;
    return seep_fail(err, SEEP_E_UNSUPPORTED,
                     "libcurl does not take the request of %s; is this libcurl built with what it asks for?",
                     spec->name);
}

static bool has_empty_header(const struct exchange_request *r)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        if (is_empty_header(r->headers[i]))
            return true;
    }
    return false;
}

// The request's headers as a list in memory of the call's, so that nothing is allocated once it is long enough; but for
// the rare one that must be rewritten.
static struct curl_slist *own_lines(struct curl_call *call, const struct exchange_request *r)
{
    curl_slist_free_all(call->rewritten);
    call->rewritten = NULL;
    if (has_empty_header(r))
        return call->rewritten = header_list(r);
    if (call->n_lines < r->n_headers + 1) {
        struct curl_slist *more = realloc(call->line, (r->n_headers + 1) * sizeof *more);
        if (!more)
            return NULL;
        call->line = more;
        call->n_lines = r->n_headers + 1;
    }
    static char no_expect[] = "Expect:";
    for (size_t i = 0; i <= r->n_headers; i++) // curl only reads them
        call->line[i] = (struct curl_slist){.data = i < r->n_headers ? (char *)(uintptr_t)r->headers[i] : no_expect,
                                            .next = i < r->n_headers ? &call->line[i + 1] : NULL};
    return call->line;
}

static CURLcode aim_request(struct curl_call *call, const struct exchange *x)
{
    struct curl_slist *lines = own_lines(call, x->request);
    char *url = whole_url(x->origin, x->request->target);
    CURLcode bad = lines && url ? CURLE_OK : CURLE_OUT_OF_MEMORY;
    if (!bad) {
        bad |= set_request(call->easy, x->request);
        bad |= curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, lines);
        bad |= curl_easy_setopt(call->easy, CURLOPT_URL, url);
        if (x->origin != x->spec->origin)
            bad |= curl_easy_setopt(call->easy, CURLOPT_UNIX_SOCKET_PATH, x->origin->unix_path);
    }
    free(url);
    return bad;
}

int curl_call_aim(struct curl_call *call, struct exchange *x)
{
    CURLcode bad = CURLE_OK;
    call->x = x;
    call->header_bytes = call->body_bytes = 0;
    call->error[0] = 0;
    buf_clear(&call->head);
    buf_clear(&call->body);
    if (x->home)
        bad |= curl_easy_setopt(call->easy, CURLOPT_SHARE, x->home->own);
    if (x->request != x->spec->constant)
        bad |= aim_request(call, x);
    return bad == CURLE_OK ? 0 : -1;
}

// The share of a user's connections must be free to end with its user.
void curl_call_release(struct curl_call *call)
{
    if (call->x && call->x->home)
        curl_easy_setopt(call->easy, CURLOPT_SHARE, NULL);
    call->x = NULL;
}

// ---- the end --------------------------------------------------------------------------------------------------------

static bool is_tls(CURLcode code)
{
    switch (code) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_SHUTDOWN_FAILED:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return true;
    default:
        return false;
    }
}

static enum exchange_end unconnected(CURL *easy)
{
    long os = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os);
    return transport_connect_end((int)os);
}

// How far it had come when its time ran out.
static enum exchange_end timed_out(CURL *easy, long request_bytes)
{
    curl_off_t lookup_us = 0; // 0: the name was not resolved yet
    curl_easy_getinfo(easy, CURLINFO_NAMELOOKUP_TIME_T, &lookup_us);
    return request_bytes > 0 ? EXCHANGE_TIMEOUT : lookup_us > 0 ? EXCHANGE_CONNECT : EXCHANGE_DNS;
}

static bool body_overflowed(const struct curl_call *call)
{
    const struct exchange_spec *spec = call->plan->spec;
    return call->body_bytes > (spec->decode ? EXCHANGE_DECODED_MAX : spec->body_max);
}

static enum exchange_end failure(const struct curl_call *call, CURLcode code, long request_bytes)
{
    if (is_tls(code))
        return EXCHANGE_TLS;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return EXCHANGE_DNS;
    case CURLE_COULDNT_CONNECT:
    case CURLE_INTERFACE_FAILED:
        return unconnected(call->easy);
    case CURLE_OPERATION_TIMEDOUT:
        return timed_out(call->easy, request_bytes);
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_HTTP2_STREAM:
        return EXCHANGE_RESET;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return EXCHANGE_CLOSED;
    case CURLE_BAD_CONTENT_ENCODING:
        return EXCHANGE_DECODE;
    case CURLE_WRITE_ERROR: // we took no more
        return body_overflowed(call) ? EXCHANGE_BODY : EXCHANGE_HEAD;
    case CURLE_OUT_OF_MEMORY: // also what curl says of a header line above its own limit
        return request_bytes > 0 ? EXCHANGE_HEAD : EXCHANGE_LOCAL;
    default:
        return EXCHANGE_PROTOCOL;
    }
}

// A server that was asked for HTTP/2 and answers in HTTP/1 was not driven as the profile says. Without TLS there is
// nothing to negotiate (and curl does not tell the version of a connection used again).
static bool is_other_version(const struct curl_call *call)
{
    long version = 0;
    if (call->plan->spec->protocol != EXCHANGE_HTTP2 || !call->plan->spec->origin->tls)
        return false;
    curl_easy_getinfo(call->easy, CURLINFO_HTTP_VERSION, &version);
    return version != CURL_HTTP_VERSION_2_0;
}

static void tell_reply(struct curl_call *call, long request_bytes, long status)
{
    struct exchange_reply *r = &call->x->reply;
    *r = (struct exchange_reply){.status = (int)status,
                                 .header_bytes = call->header_bytes,
                                 .body_bytes = call->body_bytes,
                                 .sent_bytes = request_bytes > 0 ? (uint64_t)request_bytes : 0};
    if (call->head.len) {
        r->head = call->head.data;
        r->head_len = call->head.len;
    }
    if (call->plan->spec->keep_body) {
        r->body = call->body.len ? call->body.data : "";
        r->body_len = call->body.len;
        r->body_cut = call->body_bytes > call->body.len;
    }
    if (call->plan->spec->decode) {
        curl_off_t packed = 0;
        curl_easy_getinfo(call->easy, CURLINFO_SIZE_DOWNLOAD_T, &packed);
        r->body_bytes = packed > 0 ? (uint64_t)packed : 0;
    }
}

enum exchange_end curl_call_end(struct curl_call *call, CURLcode code)
{
    long request_bytes = 0, status = 0;
    curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    tell_reply(call, request_bytes, status);
    if (code == CURLE_OK) {
        if (!is_other_version(call))
            return EXCHANGE_WHOLE;
        call->x->reply.why = "the server does not speak HTTP/2";
        return EXCHANGE_PROTOCOL;
    }
    call->x->reply.why = call->error[0] ? call->error : curl_easy_strerror(code);
    return failure(call, code, request_bytes);
}

void curl_call_free(struct curl_call *call)
{
    curl_easy_cleanup(call->easy);
    buf_free(&call->head);
    buf_free(&call->body);
    curl_slist_free_all(call->rewritten);
    free(call->line);
    free(call);
}
