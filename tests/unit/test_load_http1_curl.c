// http1_reply beside libcurl on odd replies: both say the same of each, but for those where ours is stricter, which are
// listed. A thread serves the bytes, one connection a reply, and closes.
#include "load/http1_reply.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { BODY_MAX = 1 << 20 };

struct reply {
    const char *bytes;
    bool head;   // to a HEAD
    bool strict; // curl takes it (or did, in some version); ours must not
};

#define OK      "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

static const struct reply replies[] = {
    {.bytes = OK "Content-Length: 5\r\n\r\nhello"},
    {.bytes = OK "Content-Length: 0\r\n\r\n"},
    {.bytes = OK "Content-Length: 5\r\n\r\nhel"},
    {.bytes = OK "content-length:\t5 \r\nX-Empty:\r\nSet-Cookie: a=b; Path=/\r\n\r\nhello"},
    {.bytes = OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
    {.bytes = OK "Connection: close\r\n\r\nuntil it closes"},
    {.bytes = OK "\r\n"},
    {.bytes = "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"},
    {.bytes = "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok"},
    {.bytes = "HTTP/1.1 200 OK\nContent-Length: 2\nX: y\n\nok"},
    {.bytes = "HTTP/1.0 200 OK\r\n\r\nold"},
    {.bytes = "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nold"},
    {.bytes = "HTTP/1.1 204 No Content\r\n\r\n"},
    {.bytes = "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"},
    {.bytes = "HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\n\r\n"},
    {.bytes = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"},
    {.bytes = "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nbusy"},
    {.bytes = "HTTP/1.1 999 Odd\r\nContent-Length: 4\r\n\r\nbody"},
    {.bytes = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"},
    {.bytes = OK "Content-Length: 5000\r\n\r\n", .head = true},
    {.bytes = CHUNKED, .head = true},
    {.bytes = OK "\r\n", .head = true},
    {.bytes = "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 2\r\n\r\nok"},
    {.bytes = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" OK
              "Content-Length: 2\r\n\r\nok"},
    {.bytes = CHUNKED "5\r\nhello\r\n0\r\n\r\n"},
    {.bytes = CHUNKED "5;name=value\r\nhello\r\n00000A\r\n0123456789\r\n0;x\r\n\r\n"},
    {.bytes = CHUNKED "1\r\na\r\n1\r\nb\r\n0\r\nX-Trailer: c\r\nX-Other: d\r\n\r\n"},
    {.bytes = CHUNKED "5\r\nhel"},
    {.bytes = CHUNKED "5\r\nhello\r\n"},
    {.bytes = CHUNKED "5\r\nhello\r\n0\r\n"},
    {.bytes = CHUNKED "zz\r\nhello\r\n0\r\n\r\n"},
    {.bytes = CHUNKED "5\r\nhelloworld\r\n0\r\n\r\n"},
    {.bytes = CHUNKED "11111111111111111\r\nhello"},
    {.bytes = CHUNKED},
    {.bytes = OK "TRANSFER-ENCODING:   CHUNKED  \r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
    {.bytes = OK "X-Content-Length: 5\r\nContent-Lengthy: 5\r\nContent-Length: 2\r\n\r\nok"},
    {.bytes = ""},
    {.bytes = "garbage\r\n\r\n"},
    {.bytes = "<html>no head at all</html>"},
    {.bytes = "HTTP/2 200 OK\r\n\r\n", .strict = true},
    {.bytes = "HTTP/3.7 200 OK\r\n\r\n"},
    {.bytes = "HTTP/1.1 abc OK\r\n\r\n"},
    {.bytes = OK "Content-Length: -5\r\n\r\nhello"},
    {.bytes = OK "Content-Length: five\r\n\r\nhello"},
    // stricter than curl, on purpose (http1_reply.c says why)
    {.bytes = OK "Content-Length: 5\r\nContent-Length: 3\r\n\r\nhello", .strict = true},
    {.bytes = OK "Content-Length: 5 5\r\n\r\nhello", .strict = true},
    {.bytes = OK "Content-Length: 5, 5\r\n\r\nhello", .strict = true},
    {.bytes = OK "Content-Length: +5\r\n\r\nhello", .strict = true},
    {.bytes = OK "Content-Length : 5\r\n\r\nhello", .strict = true},
    {.bytes = OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", .strict = true},
    {.bytes = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", .strict = true},
    {.bytes = OK "Transfer-Encoding: chunked, identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n", .strict = true},
    {.bytes = CHUNKED "5\nhello\n0\n\n", .strict = true},
    {.bytes = OK "no colon here\r\nContent-Length: 5\r\n\r\nhello", .strict = true},
    {.bytes = OK "Content-Length: 5\r\n folded\r\n\r\nhello", .strict = true},
    {.bytes = OK "X: bare\rreturn\r\nContent-Length: 5\r\n\r\nhello", .strict = true},
    {.bytes = "HTTP/1.1  200 OK\r\nContent-Length: 5\r\n\r\nhello", .strict = true},
    {.bytes = "HTTP/1.1 099 Low\r\nContent-Length: 5\r\n\r\nhello", .strict = true},
    {.bytes = OK "Content-Type: text/pl", .strict = true}, // the head was cut
};
enum { N_REPLIES = sizeof replies / sizeof *replies };

struct outcome {
    bool whole;
    long status;
    uint64_t head_bytes, body_bytes;
};

static struct outcome ours(const struct reply *reply)
{
    struct http1_reply r;
    const char *at = reply->bytes, *piece;
    size_t left = strlen(at), used, piece_len;
    enum http1_step step;
    http1_begin(&r, reply->head, BODY_MAX);
    do {
        step = http1_feed(&r, at, left, &used, &piece, &piece_len);
        at += used;
        left -= used;
    } while (step == HTTP1_HEAD || step == HTTP1_BODY || step == HTTP1_INTERIM);
    if (step == HTTP1_MORE)
        step = http1_closed(&r);
    return (struct outcome){step == HTTP1_DONE && left == 0, r.status, r.head_bytes, r.body_bytes};
}

static size_t add_len(char *data, size_t size, size_t n, void *ctx)
{
    (void)data;
    *(uint64_t *)ctx += size * n;
    return size * n;
}

static struct outcome curls(const struct reply *reply, int port)
{
    CURL *easy = curl_easy_init();
    struct outcome o = {0};
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOBODY, reply->head ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 30000L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, add_len);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &o.head_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, add_len);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &o.body_bytes);
    o.whole = curl_easy_perform(easy) == CURLE_OK;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &o.status);
    curl_easy_cleanup(easy);
    return o;
}

// Reads a request's head, answers with the bytes, and waits for the other side to close.
static void answer(int fd, const char *bytes)
{
    char seen[4096];
    size_t n = 0;
    while (n < sizeof seen - 1) {
        ssize_t got = recv(fd, seen + n, sizeof seen - 1 - n, 0);
        if (got <= 0)
            break;
        seen[n += (size_t)got] = '\0';
        if (strstr(seen, "\r\n\r\n"))
            break;
    }
    send(fd, bytes, strlen(bytes), MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    while (recv(fd, seen, sizeof seen, 0) > 0)
        ;
    close(fd);
}

static void *serve(void *ctx)
{
    int listener = *(int *)ctx;
    for (int i = 0; i < N_REPLIES; i++) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            break;
        answer(fd, replies[i].bytes);
    }
    return NULL;
}

static void ours_says_what_curl_says(void **s)
{
    (void)s;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, serve, &listener), 0);
    int bad = 0;
    for (int i = 0; i < N_REPLIES; i++) {
        struct outcome c = curls(&replies[i], ntohs(a.sin_port)), o = ours(&replies[i]);
        bool same =
            c.whole == o.whole &&
            (!c.whole || (c.status == o.status && c.head_bytes == o.head_bytes && c.body_bytes == o.body_bytes));
        if (replies[i].strict ? o.whole : !same) {
            print_error("reply %d: curl %d %ld %llu+%llu, ours %d %ld %llu+%llu: %s\n", i, c.whole, c.status,
                        (unsigned long long)c.head_bytes, (unsigned long long)c.body_bytes, o.whole, o.status,
                        (unsigned long long)o.head_bytes, (unsigned long long)o.body_bytes, replies[i].bytes);
            bad++;
        }
    }
    shutdown(listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(listener);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ours_says_what_curl_says)};
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
