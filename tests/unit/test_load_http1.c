// http1_reply: where replies end, what is refused, and that it does not matter how the bytes are cut.
#include "load/http1_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BODY_MAX = 1 << 20 };

struct got {
    enum http1_step step;
    struct http1_reply r;
    size_t used, body_len;
    int interims, heads;
    char body[65536];
};

// Feeds len bytes, `cut` at a time.
static void feed(struct got *g, const char *data, size_t len, size_t cut)
{
    g->step = HTTP1_MORE;
    for (size_t at = 0; at < len || g->step == HTTP1_MORE;) {
        size_t n = len - at < cut ? len - at : cut, used;
        const char *piece;
        size_t piece_len;
        do {
            g->step = http1_feed(&g->r, data + at, n, &used, &piece, &piece_len);
            assert_true(used <= n);
            at += used;
            n -= used;
            if (g->step == HTTP1_BODY) {
                assert_true(g->body_len + piece_len <= sizeof g->body);
                memcpy(g->body + g->body_len, piece, piece_len);
                g->body_len += piece_len;
            }
            g->interims += g->step == HTTP1_INTERIM;
            g->heads += g->step == HTTP1_HEAD;
        } while (g->step == HTTP1_BODY || g->step == HTTP1_INTERIM || g->step == HTTP1_HEAD);
        g->used = at;
        if (g->step != HTTP1_MORE || at == len)
            return;
    }
}

static void read_as(struct got *g, const char *data, size_t len, size_t cut, bool head_request)
{
    memset(g, 0, sizeof *g);
    http1_begin(&g->r, head_request, BODY_MAX);
    feed(g, data, len, cut);
}

// Whole, byte by byte and in threes: always the same.
static struct got read_all(const char *data, size_t len, bool head_request)
{
    static struct got whole, cut;
    read_as(&whole, data, len, len ? len : 1, head_request);
    for (size_t n = 1; n <= 3; n += 2) {
        read_as(&cut, data, len, n, head_request);
        assert_int_equal(cut.step, whole.step);
        assert_int_equal(cut.used, whole.used);
        assert_int_equal(cut.r.status, whole.r.status);
        assert_int_equal(cut.r.head_bytes, whole.r.head_bytes);
        assert_int_equal(cut.heads, whole.heads);
        assert_int_equal(cut.interims, whole.interims);
        if (whole.step != HTTP1_LARGE) { // how much of a body too large was taken depends on the cuts
            assert_int_equal(cut.r.body_bytes, whole.r.body_bytes);
            assert_memory_equal(cut.body, whole.body, whole.body_len);
        }
    }
    return whole;
}

static struct got read_text(const char *text)
{
    return read_all(text, strlen(text), false);
}

static void is_whole(const char *text, int status, const char *body, bool keep_alive)
{
    struct got g = read_text(text);
    if (g.step != HTTP1_DONE)
        fail_msg("not whole (%d, %s): %s", g.step, g.r.why ? g.r.why : "", text);
    assert_int_equal(g.used, strlen(text));
    assert_int_equal(g.r.status, status);
    assert_int_equal(g.body_len, strlen(body));
    assert_memory_equal(g.body, body, g.body_len);
    assert_int_equal(g.r.body_bytes, strlen(body));
    assert_int_equal(g.r.keep_alive, keep_alive);
    assert_null(g.r.why);
}

static void is_refused(const char *text)
{
    struct got g = read_text(text);
    if (g.step != HTTP1_BAD)
        fail_msg("not refused (%d): %s", g.step, text);
    assert_non_null(g.r.why);
    size_t used;
    const char *piece;
    size_t piece_len;
    assert_int_equal(http1_feed(&g.r, "x", 1, &used, &piece, &piece_len), HTTP1_BAD); // stays so
    assert_int_equal(used, 0);
    assert_int_equal(http1_closed(&g.r), HTTP1_BAD);
}

static void a_length_ends_the_body(void **s)
{
    (void)s;
    is_whole("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true);
    is_whole("HTTP/1.1 404 Not Found\r\nServer: x\r\ncontent-LENGTH:3\r\n\r\nabc", 404, "abc", true);
    is_whole("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, "", true);
    is_whole("HTTP/1.1 200 OK\nContent-Length: \t 2 \t\n\nhi", 200, "hi", true);
    is_whole("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", true);
    is_whole("HTTP/1.1 599 \r\nX:\r\nY: a\r\n b\r\n\tc\r\nContent-Length: 1\r\n\r\nz", 599, "z", true);
    is_whole("HTTP/1.1 200 OK\r\nContent-Length-Not: 7\r\nXContent-Length: 8\r\nContent-Length: 1\r\n\r\nz", 200, "z",
             true);
}

static void chunks_end_the_body(void **s)
{
    (void)s;
    is_whole("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, "hello", true);
    is_whole("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n1;a=b\r\nx\r\n00A \r\n0123456789\r\n0\r\n\r\n",
             200, "x0123456789", true);
    is_whole("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: ,chunked,\r\n\r\n0\r\nX-T: "
             "1\r\nContent-Length: 9\r\n\r\n",
             200, "", true);
}

static void connections_are_kept_or_not(void **s)
{
    (void)s;
    is_whole("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x", false);
    is_whole("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx", 200, "x", true);
    is_whole("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", 200, "x", false);
    is_whole("HTTP/1.1 200 OK\r\nConnection: upgrade, Close ,keep-alive\r\nContent-Length: 1\r\n\r\nx", 200, "x",
             false);
    is_whole("HTTP/1.1 200 OK\r\nConnection: close, x\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", 200,
             "x", false);
    is_whole("HTTP/1.1 200 OK\r\nConnection: closed, not close, \"close\", keep-alives-of-any-kind\r\nContent-Length: "
             "1\r\n\r\nx",
             200, "x", true);
}

static void some_replies_have_no_body(void **s)
{
    (void)s;
    is_whole("HTTP/1.1 204 No Content\r\n\r\n", 204, "", true);
    is_whole("HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", 304, "", true);
    const char *text = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n";
    struct got g = read_all(text, strlen(text), true);
    assert_int_equal(g.step, HTTP1_DONE);
    assert_int_equal(g.r.length, 500);
    text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    g = read_all(text, strlen(text), true);
    assert_int_equal(g.step, HTTP1_DONE);
    assert_true(g.r.keep_alive);
}

static void interim_replies_come_before(void **s)
{
    (void)s;
    const char *text =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\nConnection: close\r\n\r\n"
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    is_whole(text, 200, "ok", true);
    struct got g = read_text(text);
    assert_int_equal(g.interims, 2);
    assert_int_equal(g.heads, 1);
    assert_int_equal(g.r.head_bytes, strlen(text) - 2);
}

static void a_close_ends_the_body(void **s)
{
    (void)s;
    struct got g = read_text("HTTP/1.1 200 OK\r\n\r\nall of this");
    assert_int_equal(g.step, HTTP1_MORE);
    assert_int_equal(g.r.body_bytes, 11);
    assert_false(g.r.keep_alive);
    assert_int_equal(http1_closed(&g.r), HTTP1_DONE);
    g = read_text("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n");
    assert_int_equal(http1_closed(&g.r), HTTP1_DONE);
    assert_int_equal(g.r.body_bytes, 5);
    g = read_text("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nall of this");
    assert_int_equal(http1_closed(&g.r), HTTP1_BAD);
    g = read_text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n");
    assert_int_equal(http1_closed(&g.r), HTTP1_BAD);
    g = read_text("HTTP/1.1 200 OK\r\nX: ");
    assert_int_equal(http1_closed(&g.r), HTTP1_BAD);
}

static void what_follows_is_left(void **s)
{
    (void)s;
    const char *first = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    char two[256];
    snprintf(two, sizeof two, "%sHTTP/1.1 200 OK\r\n\r\n", first);
    struct got g = read_text(two);
    assert_int_equal(g.step, HTTP1_DONE);
    assert_int_equal(g.used, strlen(first));
    g = read_text("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc");
    assert_int_equal(g.step, HTTP1_DONE);
    assert_int_equal(g.used, strlen("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n"));
}

static void what_two_readers_could_read_differently_is_refused(void **s)
{
    (void)s;
    static const char *const bad[] = {
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2, 2\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: -2\r\n",
        "Content-Length: 2 2\r\n",
        "Content-Length: 0x2\r\n",
        "Content-Length:\r\n",
        "Content-Length: 2;\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 99999999999999999999999999\r\n",
        "Content-Length: 2\r\n 2\r\n",
        "Content-Length:\r\n 2\r\n",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 2\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chun ked\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Connection:\r\n close\r\n",
        "Content-Length : 2\r\n",
        "Content-Length\r\n",
        "Content-\tLength: 2\r\n",
        ": 2\r\n",
        "X: a\rb\r\n",
        "X: a\r\r\n",
    };
    char text[512];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n%s\r\n2\r\nab\r\n0\r\n\r\n", bad[i]);
        is_refused(text);
    }
    is_refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    is_refused("HTTP/1.1 200 OK\r\n X: folded onto the status line\r\n\r\n");
    struct got g = read_all("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", 28, false);
    assert_int_equal(g.step, HTTP1_BAD);
}

static void chunks_must_be_what_they_say(void **s)
{
    (void)s;
    static const char *const bad[] = {
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "\r\n",
        " 5\r\nhello\r\n",
        "-5\r\nhello\r\n",
        "0x5\r\nhello\r\n",
        "5g\r\nhello\r\n",
        ";x\r\n",
        "10000000000000000\r\n",
        "ffffffffffffffff0\r\n",
        "5;a\nhello\r\n",
        "5\rhello\r\n",
        "000000000000000000000000000000005\r\nhello\r\n",
        "0\r\n folded\r\n\r\n",
        "0\r\nno colon\r\n\r\n",
    };
    char text[512];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s", bad[i]);
        is_refused(text);
    }
}

static void the_first_line_must_be_http(void **s)
{
    (void)s;
    static const char *const bad[] = {
        "\r\nHTTP/1.1 200 OK\r\n", "http/1.1 200 OK\r\n",  "HTTP/2 200 OK\r\n",    "HTTP/1.2 200 OK\r\n",
        "HTTP/1.12 200 OK\r\n",    "HTTP/1.1  200 OK\r\n", "HTTP/1.1 20 OK\r\n",   "HTTP/1.1 2000 OK\r\n",
        "HTTP/1.1 099 OK\r\n",     "HTTP/1.1 abc OK\r\n",  "HTTP/1.1\t200 OK\r\n", "HTTP/1.1 200OK\r\n",
        "HTTP/1.1 101 Ok\r\n\r\n", "<html>\r\n",           "ICY 200 OK\r\n",       "HTTP/1.1 200 OK\rX: 1\r\n",
        "+OK redis\r\n",           "HTTP/1.1\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        is_refused(bad[i]);
}

// A head, header line, interim replies, trailers or chunk extensions without end.
static void nothing_goes_on_for_ever(void **s)
{
    (void)s;
    static const struct {
        const char *begin, *again;
    } endless[] = {
        {"HTTP/1.1 200 ", "reason "},
        {"HTTP/1.1 200 OK\r\nX: ", "value "},
        {"HTTP/1.1 200 OK\r\n", "name"},
        {"HTTP/1.1 200 OK\r\n", "X: y\r\n"},
        {"HTTP/1.1 200 OK\r\nContent-Length: ", " "},
        {"HTTP/1.1 200 OK\r\nContent-Length: ", "0"},
        {"HTTP/1.1 200 OK\r\nConnection: ", "keep-alive, "},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: ", "gzip, "},
        {"", "HTTP/1.1 100 Continue\r\n\r\n"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1;extension\r\nx\r\n"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "extension"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "T: x\r\n"},
    };
    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
        struct http1_reply r;
        http1_begin(&r, false, UINT64_MAX);
        size_t fed = 0, used, piece_len;
        const char *piece, *from = endless[i].begin;
        enum http1_step step = HTTP1_MORE;
        while (step != HTTP1_BAD) {
            size_t len = strlen(from);
            do {
                step = http1_feed(&r, from, len, &used, &piece, &piece_len);
                from += used;
                len -= used;
            } while (step == HTTP1_HEAD || step == HTTP1_BODY || step == HTTP1_INTERIM);
            assert_true(step == HTTP1_MORE || step == HTTP1_BAD);
            fed += strlen(endless[i].again);
            assert_true(fed < 3 * HTTP1_HEAD_MAX);
            from = endless[i].again;
        }
    }
}

static void a_body_has_a_limit(void **s)
{
    (void)s;
    char text[128];
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BODY_MAX + 1);
    assert_int_equal(read_text(text).step, HTTP1_LARGE);
    assert_int_equal(read_text(text).r.status, 200);
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BODY_MAX);
    assert_int_equal(read_text(text).step, HTTP1_MORE);
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n%x\r\n", BODY_MAX);
    assert_int_equal(read_text(text).step, HTTP1_LARGE);
    struct http1_reply r;
    size_t used, piece_len;
    const char *piece;
    http1_begin(&r, false, 10);
    const char *head = "HTTP/1.1 200 OK\r\n\r\n";
    assert_int_equal(http1_feed(&r, head, strlen(head), &used, &piece, &piece_len), HTTP1_HEAD);
    assert_int_equal(http1_feed(&r, "0123456789", 10, &used, &piece, &piece_len), HTTP1_BODY);
    assert_int_equal(http1_feed(&r, "x", 1, &used, &piece, &piece_len), HTTP1_LARGE);
    assert_int_equal(http1_closed(&r), HTTP1_LARGE);
}

static void many_small_chunks_are_no_head(void **s)
{
    (void)s;
    struct http1_reply r;
    http1_begin(&r, false, UINT64_MAX);
    size_t used, piece_len;
    const char *piece, *head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_int_equal(http1_feed(&r, head, strlen(head), &used, &piece, &piece_len), HTTP1_HEAD);
    for (int i = 0; i < HTTP1_HEAD_MAX; i++) {
        size_t at = 0;
        enum http1_step step;
        while ((step = http1_feed(&r, &"1\r\nx\r\n"[at], 6 - at, &used, &piece, &piece_len)) == HTTP1_BODY)
            at += used;
        assert_int_equal(step, HTTP1_MORE);
    }
    assert_int_equal(r.body_bytes, HTTP1_HEAD_MAX);
    assert_int_equal(http1_feed(&r, "0\r\n\r\n", 5, &used, &piece, &piece_len), HTTP1_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_length_ends_the_body),
        cmocka_unit_test(chunks_end_the_body),
        cmocka_unit_test(connections_are_kept_or_not),
        cmocka_unit_test(some_replies_have_no_body),
        cmocka_unit_test(interim_replies_come_before),
        cmocka_unit_test(a_close_ends_the_body),
        cmocka_unit_test(what_follows_is_left),
        cmocka_unit_test(what_two_readers_could_read_differently_is_refused),
        cmocka_unit_test(chunks_must_be_what_they_say),
        cmocka_unit_test(the_first_line_must_be_http),
        cmocka_unit_test(nothing_goes_on_for_ever),
        cmocka_unit_test(a_body_has_a_limit),
        cmocka_unit_test(many_small_chunks_are_no_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
