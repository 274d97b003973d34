// Our own transport against servers that misbehave, by scripts; and libcurl's against the same, for comparison.
#include "load/net_state.h"
#include "net_rig.h"
#include "profile/profile.h"

#include <fcntl.h>
#include <sys/resource.h>

#define OK5     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static void ms(int n)
{
    usleep((useconds_t)n * 1000);
}

// ---- scripts --------------------------------------------------------------------------------------------------------

static void answers(int fd, int nth)
{
    (void)nth;
    while (rig_request(fd) && rig_text(fd, OK5))
        ;
}

static void byte_by_byte(int fd, int nth)
{
    (void)nth;
    static const char reply[] =
        "HTTP/1.1 100 Continue\r\n\r\n" CHUNKED "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: 1\r\n\r\n";
    if (!rig_request(fd))
        return;
    for (size_t i = 0; i < sizeof reply - 1 && rig_bytes(fd, reply + i, 1); i++)
        usleep(200);
    rig_until_closed(fd);
}

static void resets_at_once(int fd, int nth)
{
    (void)nth;
    rig_request(fd);
    rig_reset(fd);
}

static void resets_in_the_middle(int fd, int nth)
{
    (void)nth;
    rig_request(fd);
    rig_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\npart");
    ms(20);
    rig_reset(fd);
}

static void closes_in_the_middle(int fd, int nth)
{
    (void)nth;
    rig_request(fd);
    rig_text(fd, CHUNKED "ff\r\npart");
}

static void closes_unheard(int fd, int nth)
{
    (void)nth;
    rig_request(fd);
}

static void says_less(int fd, int nth)
{
    (void)nth;
    rig_request(fd);
    rig_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhello");
    rig_until_closed(fd);
}

static void slow_loris(int fd, int nth)
{
    (void)nth;
    rig_request(fd);
    rig_text(fd, "HTTP/1.1 200 OK\r\nX: ");
    while (rig_bytes(fd, "y", 1))
        ms(10);
}

static void says_nothing(int fd, int nth)
{
    (void)nth;
    rig_until_closed(fd);
}

static void goes_on(int fd, const char *begin, const char *again)
{
    rig_request(fd);
    if (!rig_text(fd, begin))
        return;
    while (rig_text(fd, again))
        ;
}

static void endless_header(int fd, int nth)
{
    (void)nth;
    goes_on(fd, "HTTP/1.1 200 OK\r\n", "X-Header: and so on\r\n");
}

static void endless_line(int fd, int nth)
{
    (void)nth;
    goes_on(fd, "HTTP/1.1 200 OK\r\nX: ", "and so on ");
}

static void endless_body(int fd, int nth)
{
    (void)nth;
    goes_on(fd, "HTTP/1.1 200 OK\r\n\r\n", "and so on ");
}

static void endless_chunks(int fd, int nth)
{
    (void)nth;
    goes_on(fd, CHUNKED, "a\r\nand so on \r\n");
}

static void garbage(int fd, int nth)
{
    (void)nth;
    rig_request(fd);
    rig_text(fd, "\x16\x03\x01 no HTTP here\r\n\r\n");
    rig_until_closed(fd);
}

static void until_close(int fd, int nth)
{
    (void)nth;
    rig_request(fd);
    rig_text(fd, "HTTP/1.1 200 OK\r\n\r\nhello");
}

// ---- one exchange ---------------------------------------------------------------------------------------------------

static struct seen ask_with(const struct transport_ops *kind, rig_script *script, const char *method, bool is_unix,
                            int64_t timeout_ns)
{
    static struct asked a;
    struct rig r;
    struct client c;
    char wire[512];
    rig_begin(&r, script, is_unix, 16);
    struct exchange_request request = rig_get(&r, method, wire, sizeof wire);
    struct exchange_spec spec = rig_spec(&r, &request);
    spec.timeout_ns = timeout_ns;
    client_open(&c, kind, 4);
    client_prepare(&c, &spec);
    memset(&a, 0, sizeof a);
    client_ask(&c, &a, &spec);
    client_wait(&c, 1);
    client_close(&c);
    rig_end(&r);
    assert_int_equal(a.seen.n, 1);
    return a.seen;
}

static void every_script_ends_as_it_must(void **s)
{
    (void)s;
    static const struct {
        const char *name;
        rig_script *script;
        enum exchange_end end;
        int status;
        bool curl_differs; // what curl makes of it depends on its version
    } rows[] = {
        {"answers", answers, EXCHANGE_WHOLE, 200, false},
        {"byte by byte", byte_by_byte, EXCHANGE_WHOLE, 200, false},
        {"until close", until_close, EXCHANGE_WHOLE, 200, false},
        {"resets at once", resets_at_once, EXCHANGE_RESET, 0, false},
        {"resets in the middle", resets_in_the_middle, EXCHANGE_RESET, 200, false},
        {"closes in the middle", closes_in_the_middle, EXCHANGE_CLOSED, 200, false},
        {"closes unheard", closes_unheard, EXCHANGE_CLOSED, 0, false},
        {"says less", says_less, EXCHANGE_PROTOCOL, 200, true},
        {"slow loris", slow_loris, EXCHANGE_TIMEOUT, 200, false},
        {"says nothing", says_nothing, EXCHANGE_TIMEOUT, 0, false},
        {"endless header", endless_header, EXCHANGE_HEAD, 200, false},
        {"endless line", endless_line, EXCHANGE_HEAD, 200, false},
        {"endless body", endless_body, EXCHANGE_BODY, 200, false},
        {"endless chunks", endless_chunks, EXCHANGE_BODY, 200, false},
        {"garbage", garbage, EXCHANGE_PROTOCOL, 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t timeout_ns = (rows[i].end == EXCHANGE_TIMEOUT ? 300 : 20000) * (int64_t)1000000;
        struct seen own = ask_with(&transport_net, rows[i].script, "GET", false, timeout_ns);
        if (own.end != rows[i].end || own.status != rows[i].status)
            fail_msg("%s: ended as %d (%s) with status %d", rows[i].name, own.end, own.why, own.status);
        assert_true(own.end == EXCHANGE_WHOLE || own.why[0] != '\0');
        if (rows[i].curl_differs)
            continue;
        struct seen curl = ask_with(&transport_curl, rows[i].script, "GET", false, timeout_ns);
        if (curl.end != own.end || (own.end == EXCHANGE_WHOLE && curl.status != own.status))
            fail_msg("%s: curl ended as %d (%s), status %d", rows[i].name, curl.end, curl.why, curl.status);
        if (own.end == EXCHANGE_WHOLE) {
            assert_int_equal(curl.body_bytes, own.body_bytes);
            assert_int_equal(curl.header_bytes, own.header_bytes);
            assert_string_equal(curl.body, own.body);
        }
    }
}

static void what_was_kept_is_the_reply(void **s)
{
    (void)s;
    struct seen got = ask_with(&transport_net, byte_by_byte, "GET", false, 20 * (int64_t)1000000000);
    assert_string_equal(got.body, "hello world");
    assert_string_equal(got.head, CHUNKED); // without the interim reply and the trailers
    got = ask_with(&transport_net, answers, "GET", true, 20 * (int64_t)1000000000);
    assert_int_equal(got.end, EXCHANGE_WHOLE);
    assert_string_equal(got.body, "hello");
    got = ask_with(&transport_net, until_close, "HEAD", false, 20 * (int64_t)1000000000);
    assert_int_equal(got.end, EXCHANGE_PROTOCOL); // a body after the reply to a HEAD
}

// ---- connections ----------------------------------------------------------------------------------------------------

struct scene {
    struct rig r;
    struct client c;
    char wire[512];
    struct exchange_request request;
    struct exchange_spec spec;
};

static void scene_open(struct scene *sc, rig_script *script, bool is_unix, const char *method)
{
    rig_begin(&sc->r, script, is_unix, 512);
    sc->request = rig_get(&sc->r, method, sc->wire, sizeof sc->wire);
    sc->spec = rig_spec(&sc->r, &sc->request);
    client_open(&sc->c, &transport_net, 64);
}

static struct transport_counters scene_counters(struct scene *sc)
{
    struct transport_counters counters;
    transport_net.counters(sc->c.transport, &counters);
    return counters;
}

static int scene_close(struct scene *sc)
{
    client_close(&sc->c);
    return rig_end(&sc->r);
}

static void one_connection_serves_many(void **s)
{
    (void)s;
    static struct scene sc;
    static struct asked a;
    memset(&a, 0, sizeof a);
    scene_open(&sc, answers, false, "GET");
    client_prepare(&sc.c, &sc.spec);
    a.again = 999;
    client_ask(&sc.c, &a, &sc.spec);
    client_wait(&sc.c, 1000);
    assert_int_equal(a.seen.end, EXCHANGE_WHOLE);
    assert_int_equal(scene_counters(&sc).connections, 1);
    assert_int_equal(scene_close(&sc), 1);
}

static void fresh_ones_are_closed(void **s)
{
    (void)s;
    static struct scene sc;
    static struct asked a;
    memset(&a, 0, sizeof a);
    scene_open(&sc, answers, false, "GET");
    sc.spec.fresh = true;
    client_prepare(&sc.c, &sc.spec);
    a.again = 49;
    client_ask(&sc.c, &a, &sc.spec);
    client_wait(&sc.c, 50);
    assert_int_equal(scene_counters(&sc).connections, 50);
    assert_int_equal(scene_close(&sc), 50);
}

static void users_have_their_own(void **s)
{
    (void)s;
    static struct scene sc;
    static struct asked a[3];
    struct transport_home home[2] = {{0}};
    memset(a, 0, sizeof a);
    scene_open(&sc, answers, false, "GET");
    client_prepare(&sc.c, &sc.spec);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++) {
            a[i].x.home = i < 2 ? &home[i] : NULL;
            client_ask(&sc.c, &a[i], &sc.spec);
            client_wait(&sc.c, 3 * round + i + 1); // one after the other: only the homes keep them apart
        }
    }
    assert_int_equal(scene_counters(&sc).connections, 3);
    assert_non_null(home[0].own);
    transport_net.leave(sc.c.transport, &home[0]);
    assert_null(home[0].own);
    client_ask(&sc.c, &a[0], &sc.spec); // opens another one
    client_wait(&sc.c, 16);
    assert_int_equal(scene_counters(&sc).connections, 4);
    transport_net.leave(sc.c.transport, &home[0]);
    transport_net.leave(sc.c.transport, &home[1]);
    scene_close(&sc);
}

static void restarting_closes_all(void **s)
{
    (void)s;
    static struct scene sc;
    static struct asked a;
    memset(&a, 0, sizeof a);
    scene_open(&sc, answers, false, "GET");
    client_prepare(&sc.c, &sc.spec);
    for (int i = 1; i <= 3; i++) {
        client_ask(&sc.c, &a, &sc.spec);
        client_wait(&sc.c, i);
        transport_net.restart(sc.c.transport);
    }
    assert_int_equal(scene_counters(&sc).connections, 3);
    scene_close(&sc);
}

// The first connection serves one request and is closed when the second one comes, unheard; later ones serve all.
static void stale(int fd, int nth)
{
    if (!rig_request(fd) || !rig_text(fd, OK5))
        return;
    if (nth == 0)
        rig_request(fd);
    else
        answers(fd, nth);
}

static void a_stale_connection_costs_no_idempotent_request(void **s)
{
    (void)s;
    static const struct {
        const char *method;
        enum exchange_end end;
    } rows[] = {
        {"GET", EXCHANGE_WHOLE}, {"DELETE", EXCHANGE_WHOLE}, {"POST", EXCHANGE_CLOSED}, {"PATCH", EXCHANGE_CLOSED}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static struct scene sc;
        static struct asked a;
        memset(&a, 0, sizeof a);
        scene_open(&sc, stale, false, rows[i].method);
        client_prepare(&sc.c, &sc.spec);
        a.again = 1;
        client_ask(&sc.c, &a, &sc.spec);
        client_wait(&sc.c, 2);
        assert_int_equal(a.seen.end, rows[i].end);
        assert_int_equal(scene_counters(&sc).retried, rows[i].end == EXCHANGE_WHOLE ? 1 : 0);
        scene_close(&sc);
    }
}

static void a_new_connection_that_breaks_is_not_retried(void **s)
{
    (void)s;
    static struct scene sc;
    static struct asked a;
    memset(&a, 0, sizeof a);
    scene_open(&sc, closes_unheard, false, "GET");
    client_prepare(&sc.c, &sc.spec);
    client_ask(&sc.c, &a, &sc.spec);
    client_wait(&sc.c, 1);
    assert_int_equal(a.seen.end, EXCHANGE_CLOSED);
    assert_int_equal(scene_close(&sc), 1);
}

static void serves_one(int fd, int nth)
{
    (void)nth;
    if (rig_request(fd))
        rig_text(fd, OK5);
}

static void a_closed_idle_connection_is_noticed(void **s)
{
    (void)s;
    static struct scene sc;
    static struct asked a;
    memset(&a, 0, sizeof a);
    scene_open(&sc, serves_one, false, "POST"); // not retried: it must be seen before
    client_prepare(&sc.c, &sc.spec);
    for (int i = 1; i <= 5; i++) {
        client_ask(&sc.c, &a, &sc.spec);
        client_wait(&sc.c, i);
        assert_int_equal(a.seen.end, EXCHANGE_WHOLE);
        while (((struct net *)sc.c.transport)->n_conns > 0) // its close arrives
            uv_run(&sc.c.loop, UV_RUN_ONCE);
    }
    assert_int_equal(scene_counters(&sc).retried, 0);
    assert_int_equal(scene_close(&sc), 5);
}

// ---- large requests -------------------------------------------------------------------------------------------------

enum { LARGE = 8 * 1024 * 1024 };

static void reads_slowly(int fd, int nth)
{
    (void)nth;
    size_t left = LARGE;
    char some[65536];
    while (left > 0) {
        ssize_t n = recv(fd, some, left < sizeof some ? left : sizeof some, 0);
        if (n <= 0)
            return;
        left -= (size_t)n;
    }
    rig_text(fd, OK5);
    rig_until_closed(fd);
}

static void refuses_early(int fd, int nth)
{
    (void)nth;
    rig_request(fd);
    rig_text(fd, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    ms(200); // the rest is not read meanwhile
    rig_until_closed(fd);
}

static void large_bodies_go_out_in_parts(void **s)
{
    (void)s;
    char *wire = malloc(LARGE);
    memset(wire, 'x', LARGE);
    static const char head[] = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 8388526\r\n\r\n";
    memcpy(wire, head, sizeof head - 1);
    rig_script *const script[] = {reads_slowly, refuses_early};
    for (int i = 0; i < 2; i++) {
        static struct scene sc;
        static struct asked a;
        memset(&a, 0, sizeof a);
        scene_open(&sc, script[i], i == 0, "PUT");
        sc.request.wire = wire;
        sc.request.wire_len = LARGE;
        client_prepare(&sc.c, &sc.spec);
        client_ask(&sc.c, &a, &sc.spec);
        client_wait(&sc.c, 1);
        assert_int_equal(a.seen.end, EXCHANGE_WHOLE);
        assert_int_equal(a.seen.status, i == 0 ? 200 : 413);
        assert_true(i == 1 || a.x.reply.sent_bytes == LARGE);
        scene_close(&sc);
    }
    free(wire);
}

// ---- where there is no connection -----------------------------------------------------------------------------------

static enum exchange_end ask_origin(const struct exchange_origin *origin, int64_t timeout_ns)
{
    static struct scene sc;
    static struct asked a;
    memset(&a, 0, sizeof a);
    scene_open(&sc, answers, false, "GET");
    sc.spec.origin = origin ? origin : &sc.r.origin;
    sc.spec.timeout_ns = timeout_ns;
    client_prepare(&sc.c, &sc.spec);
    client_ask(&sc.c, &a, &sc.spec);
    client_wait(&sc.c, 1);
    scene_close(&sc);
    return a.seen.end;
}

static void names_and_addresses(void **s)
{
    (void)s;
    const int64_t ten_s = 10 * (int64_t)1000000000;
    struct exchange_origin none = {.port = 80, .host = "does-not-exist.invalid", .authority = "does-not-exist.invalid"};
    assert_int_equal(ask_origin(&none, ten_s), EXCHANGE_DNS);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int bound = socket(AF_INET, SOCK_STREAM, 0); // bound, not listening: refused for certain
    assert_int_equal(bind(bound, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(bound, (struct sockaddr *)&at, &len), 0);
    struct exchange_origin refused = {.port = ntohs(at.sin_port), .host = "127.0.0.1", .authority = "x"};
    assert_int_equal(ask_origin(&refused, ten_s), EXCHANGE_REFUSED);
    refused.host = "localhost";
    assert_int_equal(ask_origin(&refused, ten_s), EXCHANGE_REFUSED);
    close(bound);
    struct exchange_origin gone = {.host = "x", .authority = "x", .unix_path = "/tmp/seep-no-such-socket"};
    assert_int_equal(ask_origin(&gone, ten_s), EXCHANGE_CONNECT);
    assert_int_equal(ask_origin(NULL, ten_s), EXCHANGE_WHOLE);
}

static void a_name_is_looked_up_once_for_all(void **s)
{
    (void)s;
    static struct scene sc;
    static struct asked a[20];
    memset(a, 0, sizeof a);
    scene_open(&sc, answers, false, "GET");
    struct exchange_origin by_name = sc.r.origin;
    by_name.host = "localhost"; // also has ::1, where nobody listens
    sc.spec.origin = &by_name;
    client_prepare(&sc.c, &sc.spec);
    for (int i = 0; i < 20; i++)
        client_ask(&sc.c, &a[i], &sc.spec); // all wait for the answer
    client_wait(&sc.c, 20);
    for (int i = 0; i < 20; i++)
        assert_int_equal(a[i].seen.end, EXCHANGE_WHOLE);
    assert_int_equal(scene_close(&sc), 20);
}

static void what_this_machine_lacks_is_told_as_such(void **s)
{
    (void)s;
    static struct scene sc;
    static struct asked a;
    struct rlimit old, none;
    memset(&a, 0, sizeof a);
    scene_open(&sc, answers, false, "GET");
    client_prepare(&sc.c, &sc.spec);
    int next = dup(0); // the first descriptor that would be given out
    getrlimit(RLIMIT_NOFILE, &old);
    none = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = old.rlim_max};
    close(next);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    client_ask(&sc.c, &a, &sc.spec);
    client_wait(&sc.c, 1);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_int_equal(a.seen.end, EXCHANGE_LOCAL);
    scene_close(&sc);
}

// Connecting has a time of its own, and what is connected in time has all the rest.
static void connecting_has_its_own_time(void **s)
{
    (void)s;
    static struct asked a[32];
    struct rig r;
    struct client c;
    char wire[512];
    memset(a, 0, sizeof a);
    rig_begin(&r, NULL, true, 1); // nobody accepts: two or three fit into the backlog
    struct exchange_request request = rig_get(&r, "GET", wire, sizeof wire);
    struct exchange_spec spec = rig_spec(&r, &request);
    spec.connect_timeout_ns = 100 * 1000000;
    spec.timeout_ns = 400 * 1000000;
    client_open(&c, &transport_net, 64);
    client_prepare(&c, &spec);
    for (int i = 0; i < 32; i++)
        client_ask(&c, &a[i], &spec);
    client_wait(&c, 32);
    int not_connected = 0, unanswered = 0;
    for (int i = 0; i < 32; i++) {
        not_connected += a[i].seen.end == EXCHANGE_CONNECT;
        unanswered += a[i].seen.end == EXCHANGE_TIMEOUT;
    }
    assert_int_equal(not_connected + unanswered, 32);
    assert_true(unanswered >= 1 && unanswered <= 4);
    client_close(&c);
    rig_end(&r);
}

// A unix socket refuses at once what its backlog cannot hold; such connections are tried again until their time is
// over.
static void a_full_backlog_is_waited_for(void **s)
{
    (void)s;
    static struct asked a[32];
    struct rig r;
    struct client c;
    char wire[512];
    memset(a, 0, sizeof a);
    rig_begin(&r, NULL, true, 1); // nobody accepts yet
    struct exchange_request request = rig_get(&r, "GET", wire, sizeof wire);
    struct exchange_spec spec = rig_spec(&r, &request);
    client_open(&c, &transport_net, 64);
    client_prepare(&c, &spec);
    for (int i = 0; i < 32; i++)
        client_ask(&c, &a[i], &spec);
    for (int i = 0; i < 5; i++)
        uv_run(&c.loop, UV_RUN_ONCE);
    assert_int_equal(c.told, 0);
    r.script = answers;
    assert_int_equal(pthread_create(&r.accepting, NULL, rig_accept, &r), 0);
    client_wait(&c, 32);
    for (int i = 0; i < 32; i++)
        assert_int_equal(a[i].seen.end, EXCHANGE_WHOLE);
    client_close(&c);
    rig_end(&r);
}

static void a_cancelled_one_is_not_told(void **s)
{
    (void)s;
    static struct scene sc;
    static struct asked a[4];
    memset(a, 0, sizeof a);
    scene_open(&sc, says_nothing, false, "GET");
    struct exchange_origin by_name = sc.r.origin;
    by_name.id = 1;
    by_name.host = "localhost";
    struct exchange_spec other = sc.spec;
    other.origin = &by_name;
    client_prepare(&sc.c, &sc.spec);
    client_prepare(&sc.c, &other);
    client_ask(&sc.c, &a[0], &sc.spec);
    for (int i = 0; i < 3; i++)
        uv_run(&sc.c.loop, UV_RUN_ONCE);
    client_ask(&sc.c, &a[1], &sc.spec); // just sent
    client_ask(&sc.c, &a[2], &other);   // its name is being looked up
    for (int i = 0; i < 3; i++)
        transport_net.cancel(sc.c.transport, &a[i].x);
    for (int i = 0; i < 10; i++)
        uv_run(&sc.c.loop, UV_RUN_ONCE);
    assert_int_equal(sc.c.told, 0);
    scene_close(&sc);
}

// ---- raw ------------------------------------------------------------------------------------------------------------

static void speaks_resp(int fd, int nth)
{
    (void)nth;
    char word[64];
    while (recv(fd, word, 6, MSG_WAITALL) == 6)
        rig_text(fd, memcmp(word, "PING\r\n", 6) == 0 ? "+PONG\r\n" : "-ERR what\r\n");
}

static struct seen ask_raw(rig_script *script, struct profile_tcp tcp, const char *send, int times, int *connections)
{
    static struct scene sc;
    static struct asked a;
    memset(&a, 0, sizeof a);
    scene_open(&sc, script, true, "GET");
    tcp.replies = tcp.replies ? tcp.replies : 1;
    sc.spec.protocol = EXCHANGE_RAW;
    sc.spec.raw = &tcp;
    sc.request = (struct exchange_request){.wire = send, .wire_len = strlen(send)};
    client_prepare(&sc.c, &sc.spec);
    a.again = times - 1;
    client_ask(&sc.c, &a, &sc.spec);
    client_wait(&sc.c, times);
    *connections = (int)scene_counters(&sc).connections;
    scene_close(&sc);
    return a.seen;
}

static void raw_steps_have_their_framing(void **s)
{
    (void)s;
    int n;
    struct seen got = ask_raw(speaks_resp, (struct profile_tcp){.framing = FRAMING_RESP}, "PING\r\n", 10, &n);
    assert_int_equal(got.end, EXCHANGE_WHOLE);
    assert_string_equal(got.body, "+PONG\r\n");
    assert_false(got.error_reply);
    assert_int_equal(n, 1);
    got = ask_raw(speaks_resp, (struct profile_tcp){.framing = FRAMING_RESP}, "WHAT\r\n", 2, &n);
    assert_true(got.end == EXCHANGE_WHOLE && got.error_reply && n == 1);
    got = ask_raw(speaks_resp, (struct profile_tcp){.framing = FRAMING_RESP, .replies = 3}, "PING\r\nPING\r\nPING\r\n",
                  5, &n);
    assert_int_equal(got.end, EXCHANGE_WHOLE);
    assert_int_equal(got.body_bytes, 21);
    got = ask_raw(speaks_resp, (struct profile_tcp){.framing = FRAMING_UNTIL, .until = "ONG${hex:0d0a}"}, "PING\r\n", 2,
                  &n);
    assert_int_equal(got.end, EXCHANGE_WHOLE);
    got = ask_raw(speaks_resp, (struct profile_tcp){.framing = FRAMING_LENGTH, .length_bytes = 7}, "PING\r\n", 2, &n);
    assert_int_equal(got.end, EXCHANGE_WHOLE);
    got = ask_raw(speaks_resp, (struct profile_tcp){.framing = FRAMING_MEMCACHED}, "WHAT\r\n", 1, &n);
    assert_int_equal(got.end, EXCHANGE_WHOLE);
    got = ask_raw(speaks_resp, (struct profile_tcp){.framing = FRAMING_LENGTH, .length_bytes = 6}, "PING\r\n", 1, &n);
    assert_int_equal(got.end, EXCHANGE_PROTOCOL); // a byte too many
    got = ask_raw(answers, (struct profile_tcp){.framing = FRAMING_HTTP}, "GET / HTTP/1.1\r\n\r\n", 3, &n);
    assert_true(got.end == EXCHANGE_WHOLE && got.status == 200 && n == 1);
    got = ask_raw(speaks_resp, (struct profile_tcp){.framing = FRAMING_NONE}, "PING\r\n", 20, &n);
    assert_true(got.end == EXCHANGE_WHOLE && n == 1); // what comes back is thrown away
    got = ask_raw(closes_unheard, (struct profile_tcp){.framing = FRAMING_LINE}, "GET / HTTP/1.1\r\n\r\n", 1, &n);
    assert_int_equal(got.end, EXCHANGE_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_script_ends_as_it_must),
        cmocka_unit_test(what_was_kept_is_the_reply),
        cmocka_unit_test(one_connection_serves_many),
        cmocka_unit_test(fresh_ones_are_closed),
        cmocka_unit_test(users_have_their_own),
        cmocka_unit_test(restarting_closes_all),
        cmocka_unit_test(a_stale_connection_costs_no_idempotent_request),
        cmocka_unit_test(a_new_connection_that_breaks_is_not_retried),
        cmocka_unit_test(a_closed_idle_connection_is_noticed),
        cmocka_unit_test(large_bodies_go_out_in_parts),
        cmocka_unit_test(names_and_addresses),
        cmocka_unit_test(a_name_is_looked_up_once_for_all),
        cmocka_unit_test(what_this_machine_lacks_is_told_as_such),
        cmocka_unit_test(connecting_has_its_own_time),
        cmocka_unit_test(a_full_backlog_is_waited_for),
        cmocka_unit_test(a_cancelled_one_is_not_told),
        cmocka_unit_test(raw_steps_have_their_framing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
