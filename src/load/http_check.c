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

static size_t drop(char *data, size_t size, size_t n, void *ctx)
{
    (void)data;
    size_t *seen = ctx;
    *seen += size * n;
    return *seen > BODY_LIMIT ? 0 : size * n;
}

int load_http_check(const char *url, double within_s, int *status, struct seep_err *err)
{
    pthread_once(&curl_once, init_curl);
    CURL *easy = curl_easy_init();
    if (!easy)
        return seep_fail(err, SEEP_E_SYSTEM, "libcurl could not be started");
    size_t seen = 0;
    char text[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(within_s * 1000));
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &seen);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, text);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    CURLcode rc = curl_easy_perform(easy);
    long code = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_cleanup(easy);
    *status = (int)code;
    if (rc == CURLE_OK || (rc == CURLE_WRITE_ERROR && code > 0))
        return 0;
    enum seep_code kind = rc == CURLE_URL_MALFORMAT || rc == CURLE_UNSUPPORTED_PROTOCOL ? SEEP_E_USAGE : SEEP_E_TARGET;
    return seep_fail(err, kind, "%.200s does not answer: %s", url, text[0] ? text : curl_easy_strerror(rc));
}
