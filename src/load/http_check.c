// One HTTP request: see http_check.h.
#include "load/http_check.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>

#define BODY_LIMIT (1u << 20)

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

// Where the body goes: counted and dropped, or kept up to the buffer's own ceiling.
struct sink {
    size_t seen;
    struct seep_buf *body;   // NULL: dropped
    struct seep_buf *header; // NULL: dropped
    bool verify;             // the certificate
};

static size_t take(char *data, size_t size, size_t n, void *ctx)
{
    struct sink *sink = ctx;
    sink->seen += size * n;
    if (!sink->body)
        return sink->seen > BODY_LIMIT ? 0 : size * n;
    buf_add(sink->body, data, size * n);
    return sink->body->failed ? 0 : size * n;
}

// A header past its buffer's ceiling is cut, and the body still read.
static size_t take_header(char *data, size_t size, size_t n, void *ctx)
{
    struct seep_buf *header = ((struct sink *)ctx)->header;
    size_t room = header ? header->ceiling - header->len : 0, len = size * n;
    if (room > 0)
        buf_add(header, data, len < room ? len : room);
    return len;
}

static CURLcode perform(const char *url, const char *accept, double within_s, struct sink *sink, long *status,
                        char *text)
{
    char header[200];
    struct curl_slist *headers = NULL;
    pthread_once(&curl_once, init_curl);
    CURL *easy = curl_easy_init();
    if (!easy)
        return CURLE_FAILED_INIT;
    if (accept) {
        snprintf(header, sizeof header, "Accept: %s", accept);
        headers = curl_slist_append(NULL, header);
    }
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(within_s * 1000));
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, sink->verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, sink->verify ? 2L : 0L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, sink);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, sink);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, text);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    CURLcode rc = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, status);
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    return rc;
}

static int no_answer(const char *url, CURLcode rc, const char *text, struct seep_err *err)
{
    enum seep_code kind = rc == CURLE_URL_MALFORMAT || rc == CURLE_UNSUPPORTED_PROTOCOL ? SEEP_E_USAGE : SEEP_E_TARGET;
    return seep_fail(err, kind, "%.200s does not answer: %s", url, text[0] ? text : curl_easy_strerror(rc));
}

int load_http_check(const char *url, double within_s, int *status, struct seep_err *err)
{
    char text[CURL_ERROR_SIZE] = "";
    struct sink sink = {0};
    long code = 0;
    CURLcode rc = perform(url, NULL, within_s, &sink, &code, text);
    *status = (int)code;
    return rc == CURLE_OK || (rc == CURLE_WRITE_ERROR && code > 0) ? 0 : no_answer(url, rc, text, err);
}

int load_http_get(const char *url, const char *accept, double within_s, int *status, struct seep_buf *body,
                  struct seep_err *err)
{
    char text[CURL_ERROR_SIZE] = "";
    struct sink sink = {.body = body};
    long code = 0;
    CURLcode rc = perform(url, accept, within_s, &sink, &code, text);
    *status = (int)code;
    if (body->failed)
        return seep_fail(err, SEEP_E_LIMIT, "%.200s answers with more than %zu bytes", url, body->ceiling);
    return rc == CURLE_OK ? 0 : no_answer(url, rc, text, err);
}

int load_http_fetch(const char *url, double within_s, bool verify, struct load_http_reply *reply, struct seep_err *err)
{
    char text[CURL_ERROR_SIZE] = "";
    struct sink sink = {.body = &reply->body, .header = &reply->header, .verify = verify};
    long code = 0;
    CURLcode rc = perform(url, NULL, within_s, &sink, &code, text);
    reply->status = (int)code;
    return rc == CURLE_OK || (reply->body.failed && code > 0) ? 0 : no_answer(url, rc, text, err);
}
