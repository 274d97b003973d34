// One HTTP request: see request.h.
#include "load/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int add_header(struct curl_slist **list, const char *key, const char *value, struct seep_err *err)
{
    struct seep_buf line;
    buf_init(&line, 64 * 1024);
    if (*value)
        buf_printf(&line, "%s: %s", key, value);
    else
        buf_printf(&line, "%s;", key); // curl's way to write a header without a value
    int failed = buf_check(&line, "A header of a scenario", err);
    if (!failed && strpbrk(line.data, "\r\n"))
        failed = seep_fail(err, SEEP_E_USAGE, "The header %s of a scenario holds a line break.", key);
    struct curl_slist *longer = failed ? NULL : curl_slist_append(*list, line.data);
    buf_free(&line);
    if (failed)
        return -1;
    if (!longer)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for a header.");
    *list = longer;
    return 0;
}

int request_plan(const struct profile_scenario *scenario, struct request_plan *out, struct seep_err *err)
{
    *out = (struct request_plan){.scenario = scenario, .url = profile_expand_env(scenario->url, err)};
    if (!out->url)
        return -1;
    if (scenario->body) {
        out->body = profile_expand_env(scenario->body, err);
        if (!out->body)
            goto fail;
        out->body_len = strlen(out->body);
    }
    // No waiting for "100 Continue": it would add a second to every large body sent to a server that ignores it.
    out->headers = curl_slist_append(NULL, "Expect:");
    for (int i = 0; i < scenario->n_headers; i++) {
        char *value = profile_expand_env(scenario->headers[i].value ? scenario->headers[i].value : "", err);
        int failed = value ? add_header(&out->headers, scenario->headers[i].key, value, err) : -1;
        free(value);
        if (failed)
            goto fail;
    }
    return 0;
fail:
    request_plan_free(out);
    return -1;
}

void request_plan_free(struct request_plan *p)
{
    free(p->url);
    free(p->body);
    curl_slist_free_all(p->headers);
    *p = (struct request_plan){0};
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
    (void)data;
    struct request_reply *r = ctx;
    r->body_bytes += size * n;
    return r->body_bytes > REQUEST_BODY_MAX ? 0 : size * n;
}

// curl keeps every header line it has seen, so their total must be bounded here.
static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
    (void)data;
    struct request_reply *r = ctx;
    r->header_bytes += size * n;
    return r->header_bytes > REQUEST_HEADER_MAX ? 0 : size * n;
}

static CURLcode set_method(CURL *easy, const struct request_plan *plan)
{
    const char *method = plan->scenario->method;
    CURLcode bad = CURLE_OK;
    if (plan->body || strcmp(method, "POST") == 0) {
        bad |= curl_easy_setopt(easy, CURLOPT_POST, 1L);
        bad |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)plan->body_len);
        bad |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, plan->body ? plan->body : "");
        if (strcmp(method, "POST") != 0)
            bad |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    } else if (strcmp(method, "HEAD") == 0) {
        bad |= curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (strcmp(method, "GET") != 0) {
        bad |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    }
    return bad;
}

static CURLcode set_bounds(CURL *easy, const struct request_plan *plan)
{
    CURLcode bad = CURLE_OK;
    bad |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    bad |= curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    bad |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    bad |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
    bad |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    bad |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    double timeout_ms = plan->scenario->timeout_s * 1000;
    long ms = timeout_ms < 1 ? 1 : timeout_ms > 3600e3 ? 3600000L : (long)timeout_ms;
    bad |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, ms);
    bad |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, ms);
    return bad;
}

int request_prepare(CURL *easy, const struct request_plan *plan, struct request_reply *reply, struct seep_err *err)
{
    curl_easy_reset(easy);
    CURLcode bad = set_bounds(easy, plan) | set_method(easy, plan);
    bad |= curl_easy_setopt(easy, CURLOPT_URL, plan->url);
    bad |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, plan->headers);
    bad |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "seep/" SEEP_VERSION);
    bad |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    bad |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, reply);
    bad |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    bad |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, reply);
    if (bad != CURLE_OK)
        return seep_fail(err, SEEP_E_UNSUPPORTED,
                         "libcurl does not take the request of scenario %s; is this libcurl built with HTTP?",
                         plan->scenario->name);
    return 0;
}

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

static bool is_ours(CURL *easy)
{
    long os = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os);
    return os == EADDRNOTAVAIL || os == EMFILE || os == ENFILE || os == ENOBUFS || os == ENOMEM;
}

static enum load_error transport_error(CURL *easy, CURLcode code, const struct request_reply *reply)
{
    long request_bytes = 0;
    curl_off_t lookup_us = 0; // 0: the name was not resolved yet
    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    curl_easy_getinfo(easy, CURLINFO_NAMELOOKUP_TIME_T, &lookup_us);
    if (is_tls(code))
        return LOAD_ERR_TLS;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return LOAD_ERR_DNS;
    case CURLE_COULDNT_CONNECT:
    case CURLE_INTERFACE_FAILED:
        return is_ours(easy) ? LOAD_ERR_LOCAL : LOAD_ERR_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return request_bytes > 0 ? LOAD_ERR_TIMEOUT : lookup_us > 0 ? LOAD_ERR_CONNECT : LOAD_ERR_DNS;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return LOAD_ERR_RESET;
    case CURLE_WRITE_ERROR:
        return reply->body_bytes > REQUEST_BODY_MAX ? LOAD_ERR_BODY : LOAD_ERR_PROTOCOL;
    case CURLE_OUT_OF_MEMORY: // also what curl says of a header line above its own limit
        return request_bytes > 0 ? LOAD_ERR_PROTOCOL : LOAD_ERR_LOCAL;
    default:
        return LOAD_ERR_PROTOCOL;
    }
}

static bool status_expected(const struct profile_scenario *s, long status)
{
    if (s->n_expect_status == 0)
        return status >= 200 && status <= 399;
    for (int i = 0; i < s->n_expect_status; i++) {
        if (s->expect_status[i] == status)
            return true;
    }
    return false;
}

void request_judge(CURL *easy, CURLcode code, const struct request_plan *plan, const struct request_reply *reply,
                   int64_t service_ns, struct request_result *out)
{
    *out = (struct request_result){.ok = true};
    long request_bytes = 0;
    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &out->status);
    out->sent_bytes = request_bytes > 0 ? (uint64_t)request_bytes : 0;
    out->received_bytes = reply->header_bytes + reply->body_bytes;
    out->timed = code == CURLE_OK;
    if (code != CURLE_OK) {
        out->ok = false;
        out->kind = transport_error(easy, code, reply);
        out->timed = out->kind == LOAD_ERR_TIMEOUT;
    } else if (!status_expected(plan->scenario, out->status)) {
        out->ok = false;
        out->kind = LOAD_ERR_STATUS;
    } else if (plan->scenario->expect_under_s > 0 && (double)service_ns > plan->scenario->expect_under_s * 1e9) {
        out->ok = false;
        out->kind = LOAD_ERR_SLOW;
    }
}
