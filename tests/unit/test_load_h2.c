// Our HTTP/2 in the clear against servers that say what they must not, and one that does as it should: each exchange
// ends once, as what it was, and what is written by hand here shares no code with nghttp2.
#include "net_rig.h"

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

static bool frame(int fd, int type, int flags, uint32_t stream, const void *payload, size_t len)
{
    const uint8_t head[9] = {(uint8_t)(len >> 16),    (uint8_t)(len >> 8),    (uint8_t)len,
                             (uint8_t)type,           (uint8_t)flags,         (uint8_t)(stream >> 24),
                             (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    return rig_bytes(fd, (const char *)head, sizeof head) && (len == 0 || rig_bytes(fd, payload, len));
}

static bool read_all(int fd, void *into, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = recv(fd, (char *)into + at, len - at, 0);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

static bool hello(int fd)
{
    char preface[24];
    return read_all(fd, preface, sizeof preface) && memcmp(preface, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24) == 0 &&
           frame(fd, SETTINGS, 0, 0, NULL, 0);
}

// The stream of the next request; 0: the other side closed.
static uint32_t next_request(int fd)
{
    uint8_t head[9], drop[65536];
    while (read_all(fd, head, sizeof head)) {
        size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (len > sizeof drop || !read_all(fd, drop, len))
            return 0;
        if (head[3] == HEADERS)
            return (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8];
        if (head[3] == SETTINGS && !(head[4] & ACK))
            frame(fd, SETTINGS, ACK, 0, NULL, 0);
    }
    return 0;
}

static const char ok_head[] = "\x88"; // ":status: 200" of HPACK's table

static bool reply(int fd, uint32_t stream)
{
    return frame(fd, HEADERS, END_HEADERS, stream, ok_head, 1) && frame(fd, DATA, END_STREAM, stream, "hello", 5);
}

// ---- servers --------------------------------------------------------------------------------------------------------

static void answers(int fd, int nth)
{
    (void)nth;
    hello(fd);
    for (uint32_t id; (id = next_request(fd)) != 0;)
        reply(fd, id);
}

static void says_early(int fd, int nth) // 103, then the reply, trailers after it
{
    (void)nth;
    static const char early[] = "\x08\x03"
                                "103",
                      trailer[] = "\x00\x01x\x01y";
    hello(fd);
    for (uint32_t id; (id = next_request(fd)) != 0;) {
        frame(fd, HEADERS, END_HEADERS, id, early, 5);
        frame(fd, HEADERS, END_HEADERS, id, ok_head, 1);
        frame(fd, DATA, 0, id, "hello", 5);
        frame(fd, HEADERS, END_HEADERS | END_STREAM, id, trailer, 5);
    }
}

static void speaks_http1(int fd, int nth)
{
    (void)nth;
    rig_text(fd, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    rig_until_closed(fd);
}

static void closes_at_once(int fd, int nth)
{
    (void)nth;
    hello(fd);
    next_request(fd);
}

static void closes_in_the_middle(int fd, int nth)
{
    (void)nth;
    hello(fd);
    uint32_t id = next_request(fd);
    frame(fd, HEADERS, END_HEADERS, id, ok_head, 1);
    frame(fd, DATA, 0, id, "hel", 3);
}

static void resets_the_stream(int fd, int nth)
{
    (void)nth;
    hello(fd);
    frame(fd, RST_STREAM, 0, next_request(fd), "\0\0\0\2", 4);
    rig_until_closed(fd);
}

static void refuses_once(int fd, int nth)
{
    hello(fd);
    for (uint32_t id; (id = next_request(fd)) != 0;) {
        if (nth == 0)
            frame(fd, RST_STREAM, 0, id, "\0\0\0\7", 4);
        else
            reply(fd, id);
    }
}

static void goes_away_once(int fd, int nth)
{
    hello(fd);
    uint32_t id = next_request(fd);
    if (nth == 0)
        frame(fd, GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8); // nothing of it was looked at
    else
        reply(fd, id);
    rig_until_closed(fd);
}

static void says_nothing(int fd, int nth)
{
    (void)nth;
    rig_until_closed(fd);
}

static void endless_body(int fd, int nth)
{
    (void)nth;
    static const char zeros[16384];
    hello(fd);
    uint32_t id = next_request(fd);
    frame(fd, HEADERS, END_HEADERS, id, ok_head, 1);
    for (int i = 0; i < 60; i++) // less than the window that the client opens
        frame(fd, DATA, 0, id, zeros, sizeof zeros);
    rig_until_closed(fd);
}

static void endless_frames(int fd, int nth)
{
    (void)nth;
    hello(fd);
    uint32_t id = next_request(fd);
    frame(fd, HEADERS, 0, id, ok_head, 1);
    for (int i = 0; i < 1000 && frame(fd, CONTINUATION, 0, id, "\x00\x01z\x01z", 5); i++)
        ;
    rig_until_closed(fd);
}

// A field of 3900 bytes goes into the table, and is meant 200 times more with a byte each.
static void unpacks_to_more(int fd, int nth)
{
    (void)nth;
    char head[8 + 3900 + 200] = "\x88\x40\x01z\x7f\xbd\x1d";
    memset(head + 7, 'a', 3900);
    memset(head + 7 + 3900, 0xbe, 200);
    hello(fd);
    frame(fd, HEADERS, END_HEADERS | END_STREAM, next_request(fd), head, 7 + 3900 + 200);
    rig_until_closed(fd);
}

static void body_of_another_length(int fd, int nth)
{
    (void)nth;
    static const char head[] = "\x88\x0f\x0d\x01"
                               "9"; // content-length: 9
    hello(fd);
    uint32_t id = next_request(fd);
    frame(fd, HEADERS, END_HEADERS, id, head, 5);
    frame(fd, DATA, END_STREAM, id, "hello", 5);
    rig_until_closed(fd);
}

static void body_without_head(int fd, int nth)
{
    (void)nth;
    hello(fd);
    frame(fd, DATA, END_STREAM, next_request(fd), "hello", 5);
    rig_until_closed(fd);
}

static void no_status(int fd, int nth)
{
    (void)nth;
    hello(fd);
    frame(fd, HEADERS, END_HEADERS | END_STREAM, next_request(fd), "\x00\x01x\x01y", 5);
    rig_until_closed(fd);
}

// ---- tests ----------------------------------------------------------------------------------------------------------

static struct exchange_spec spec_of(const struct rig *r, const struct exchange_request *request)
{
    struct exchange_spec spec = rig_spec(r, request);
    spec.protocol = EXCHANGE_HTTP2;
    return spec;
}

static void prepare(struct client *c, struct exchange_spec *spec)
{
    struct seep_err err = {0};
    assert_true(transport_h2.takes(spec, NULL));
    assert_int_equal(c->transport->ops->prepare(c->transport, spec, &err), 0);
}

static void every_script_ends_as_it_must(void **s)
{
    (void)s;
    static const struct {
        rig_script *script;
        enum exchange_end end;
        int conns;
    } rows[] = {
        {answers, EXCHANGE_WHOLE, 1},
        {says_early, EXCHANGE_WHOLE, 1},
        {speaks_http1, EXCHANGE_PROTOCOL, 1},
        {closes_at_once, EXCHANGE_CLOSED, 1},
        {closes_in_the_middle, EXCHANGE_CLOSED, 1},
        {resets_the_stream, EXCHANGE_RESET, 1},
        {refuses_once, EXCHANGE_WHOLE, 2},
        {goes_away_once, EXCHANGE_WHOLE, 2},
        {says_nothing, EXCHANGE_TIMEOUT, 1},
        {endless_body, EXCHANGE_BODY, 1},
        {unpacks_to_more, EXCHANGE_HEAD, 1},
        {endless_frames, EXCHANGE_PROTOCOL, 1},
        {body_of_another_length, EXCHANGE_PROTOCOL, 1},
        {body_without_head, EXCHANGE_PROTOCOL, 1},
        {no_status, EXCHANGE_PROTOCOL, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig r;
        struct client c;
        char wire[256];
        rig_begin(&r, rows[i].script, i % 2, 16);
        client_open_streams(&c, &transport_h2, 4, 4);
        struct exchange_request request = rig_get(&r, "GET", wire, sizeof wire);
        struct exchange_spec spec = spec_of(&r, &request);
        spec.body_max = 500000;
        if (rows[i].end == EXCHANGE_TIMEOUT)
            spec.timeout_ns = 100000000;
        prepare(&c, &spec);
        struct asked a = {.x = {.spec = &spec, .origin = &r.origin, .request = &request}};
        client_start(&c, &a);
        client_wait(&c, 1);
        if (a.seen.end != rows[i].end)
            fail_msg("script %zu ended with %d (%s) and not with %d", i, (int)a.seen.end, a.seen.why, (int)rows[i].end);
        if (a.seen.end == EXCHANGE_WHOLE) {
            assert_int_equal(a.seen.status, 200);
            assert_string_equal(a.seen.body, "hello");
            assert_string_equal(a.seen.head, "HTTP/2 200\r\n\r\n");
        }
        assert_int_equal(a.seen.n, 1);
        client_close(&c);
        assert_int_equal(rig_end(&r), rows[i].conns);
    }
}

enum { AT_ONCE = 16 };

static void so_many_at_once_share_a_connection(void **s)
{
    (void)s;
    static const struct {
        int streams, conns;
    } rows[] = {{1, AT_ONCE}, {4, 4}, {16, 1}, {100, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig r;
        struct client c;
        char wire[256];
        rig_begin(&r, answers, false, 64);
        client_open_streams(&c, &transport_h2, AT_ONCE, rows[i].streams);
        struct exchange_request request = rig_get(&r, "GET", wire, sizeof wire);
        struct exchange_spec spec = spec_of(&r, &request);
        prepare(&c, &spec);
        struct asked a[AT_ONCE] = {0};
        for (int k = 0; k < AT_ONCE; k++) {
            a[k] = (struct asked){.x = {.spec = &spec, .origin = &r.origin, .request = &request}, .again = 9};
            client_start(&c, &a[k]);
        }
        client_wait(&c, AT_ONCE * 10);
        for (int k = 0; k < AT_ONCE; k++)
            assert_true(a[k].seen.end == EXCHANGE_WHOLE && a[k].seen.n == 10);
        struct transport_counters n;
        c.transport->ops->counters(c.transport, &n);
        assert_int_equal(n.connections, rows[i].conns);
        client_close(&c);
        assert_int_equal(rig_end(&r), rows[i].conns);
    }
}

// Cancelled ones are told nothing of; the connection goes on, and so do the others on it.
static void a_cancelled_one_takes_no_other_along(void **s)
{
    (void)s;
    struct rig r;
    struct client c;
    char wire[256];
    rig_begin(&r, answers, false, 64);
    client_open_streams(&c, &transport_h2, 8, 8);
    struct exchange_request request = rig_get(&r, "GET", wire, sizeof wire);
    struct exchange_spec spec = spec_of(&r, &request);
    prepare(&c, &spec);
    struct asked a[8] = {0};
    for (int k = 0; k < 8; k++) {
        a[k] = (struct asked){.x = {.spec = &spec, .origin = &r.origin, .request = &request}};
        client_start(&c, &a[k]);
    }
    for (int k = 0; k < 8; k += 2)
        c.transport->ops->cancel(c.transport, &a[k].x);
    client_wait(&c, 4);
    for (int k = 0; k < 8; k++)
        assert_int_equal(a[k].seen.n, k % 2);
    a[0].again = 0;
    client_start(&c, &a[0]);
    client_wait(&c, 5);
    assert_int_equal(a[0].seen.end, EXCHANGE_WHOLE);
    client_close(&c);
    assert_int_equal(rig_end(&r), 1);
}

static void nobody_listens(void **s)
{
    (void)s;
    struct rig r;
    struct client c;
    char wire[256];
    rig_begin(&r, answers, false, 4);
    struct exchange_request request = rig_get(&r, "GET", wire, sizeof wire);
    struct exchange_origin nowhere = r.origin;
    rig_end(&r);
    client_open_streams(&c, &transport_h2, 4, 4);
    struct exchange_spec spec = spec_of(&r, &request);
    struct exchange_origin unknown = {.id = 1, .port = 1, .host = "seep.invalid", .authority = "seep.invalid"};
    prepare(&c, &spec);
    struct asked a[2] = {{.x = {.spec = &spec, .origin = &nowhere, .request = &request}},
                         {.x = {.spec = &spec, .origin = &unknown, .request = &request}}};
    client_start(&c, &a[0]);
    client_start(&c, &a[1]);
    client_wait(&c, 2);
    assert_int_equal(a[0].seen.end, EXCHANGE_REFUSED);
    assert_int_equal(a[1].seen.end, EXCHANGE_DNS);
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_script_ends_as_it_must),
        cmocka_unit_test(so_many_at_once_share_a_connection),
        cmocka_unit_test(a_cancelled_one_takes_no_other_along),
        cmocka_unit_test(nobody_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
