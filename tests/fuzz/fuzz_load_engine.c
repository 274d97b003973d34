// A whole load against a server that answers every connection with the same bytes, whatever was asked: HTTP/1.1 with
// setup, sessions, extraction and teardown; HTTP/2; the protocols of redis and memcached; and a program that drives,
// whose output the bytes are. The first byte says which. Every load ends, and its books balance.
#include "engine_rig.h"
#include "fuzz.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNS_MAX = 64 };
enum kind { PAGES, EDGES, STREAMS, REDIS, MEMCACHED, PROGRAM, KINDS };

#define HEAD "version: 1\nname: fuzz\nload:\n  users: 1\n  iterations: 1\n  timeout: 2s\n  connect_timeout: 2s\n"

static const char *const texts[KINDS] = {
    [PAGES] = HEAD
    "  cookies: true\n  follow: same-host\n  body_max: 100kB\n  variables: { b: '' }\n  scenarios:\n    - name: main\n"
    "      steps:\n        - name: one\n          on_failure: continue\n          request: 'http://127.0.0.1:@/'\n"
    "          extract: { b: { header: X-B, default: y } }\n"
    "          expect: { status: [2xx, 3xx], headers: { Content-Type: { contains: json } }, "
    "json: { '$.list[*]': { length: '> 0' } }, body: { contains: ok, at_most: 50kB } }\n"
    "        - { name: two, request: 'http://127.0.0.1:@/${user:b|url}', expect: { under: 10s } }\n"
    "  metrics: { size: { trend: { json: $.n } }, hit: { rate: { headers: { X-Cache: HIT } } } }\n",
    [EDGES] = HEAD
    "  variables: { a: '', c: '' }\n  teardown: [ { name: t, request: 'http://127.0.0.1:@/t?${user:a|url}' } ]\n"
    "  setup:\n    - name: s\n      request: 'http://127.0.0.1:@/s'\n      expect: { status: any }\n"
    "      extract: { a: { json: $.a, default: x }, c: { regex: '\"a\": *\"([^\"]*)\"', default: z } }\n"
    "  user_setup: [ { name: u, request: 'http://127.0.0.1:@/u?${user:c|url}', expect: { status: any } } ]\n"
    "  scenarios: [ { name: main, request: 'http://127.0.0.1:@/${user:a|url}', expect: { status: any } } ]\n",
    [STREAMS] = HEAD
    "  http: 2\n  streams: 4\n  cookies: true\n  variables: { a: '' }\n  scenarios:\n    - name: main\n      steps:\n"
    "        - name: one\n          on_failure: continue\n          request: 'http://127.0.0.1:@/'\n"
    "          extract: { a: { cookie: c, default: x } }\n          expect: { status: 200, json: { $.ok: true } }\n"
    "        - { name: two, request: 'http://127.0.0.1:@/${user:a|url}' }\n",
    [REDIS] =
        HEAD "  scenarios: [ { name: r, tcp: { address: '127.0.0.1:@', command: [GET, a] }, expect: { body: x } } ]\n",
    [MEMCACHED] = HEAD
    "  scenarios: [ { name: m, tcp: { address: '127.0.0.1:@', send: 'get a${hex:0d0a}', framing: memcached } } ]\n",
    [PROGRAM] = "version: 1\nname: fuzz\nload:\n  name: x\n  duration: 50ms\n  exec:\n    command: [cat, \"@\"]\n"
                "    counters: { tps: '([0-9.]+) tps', n: { json: $.metrics.n } }\n",
};

static int listen_fd = -1, input_fd = -1;
static struct profile *profiles[KINDS];

static const uint8_t *reply;
static size_t reply_len;
static uv_loop_t *loop;

struct conn {
    uv_poll_t poll;
    int fd;
};

// What stands for @: our port, or the file that the program shows.
static struct profile *make_profile(const char *text, const char *put)
{
    struct seep_buf b;
    struct seep_err err = {0};
    struct profile *p = NULL;
    buf_init(&b, 65536);
    for (; *text; text++)
        *text == '@' ? buf_str(&b, put) : buf_char(&b, *text);
    if (profile_parse(b.data, b.len, "fuzz", &p, &err) != 0)
        fprintf(stderr, "%s\n", err.text);
    FUZZ_NEED(p != NULL);
    buf_free(&b);
    return p;
}

static void make_all(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    FUZZ_NEED(bind(listen_fd, (struct sockaddr *)&at, len) == 0 && listen(listen_fd, CONNS_MAX) == 0);
    FUZZ_NEED(getsockname(listen_fd, (struct sockaddr *)&at, &len) == 0);
    input_fd = memfd_create("seep-fuzz", MFD_CLOEXEC);
    FUZZ_NEED(input_fd >= 0);
    char port[8], file[48];
    snprintf(port, sizeof port, "%d", ntohs(at.sin_port));
    snprintf(file, sizeof file, "/proc/%d/fd/%d", (int)getpid(), input_fd);
    for (int k = 0; k < KINDS; k++)
        profiles[k] = make_profile(texts[k], k == PROGRAM ? file : port);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

// What is asked is read and dropped until the other side is done: closing before would take back what was said.
static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct conn *c = poll->data;
    char chunk[16384];
    ssize_t got = status < 0 || !(events & UV_READABLE) ? 0 : recv(c->fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (got > 0)
        return;
    uv_poll_stop(poll);
    close(c->fd);
    uv_close((uv_handle_t *)poll, on_closed);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct conn *c = fd < 0 ? NULL : calloc(1, sizeof *c);
    if (!c)
        return;
    c->fd = fd;
    if (reply_len > 0 && send(fd, reply, reply_len, MSG_NOSIGNAL) < 0)
        shutdown(fd, SHUT_RDWR);
    shutdown(fd, SHUT_WR);
    uv_poll_init(loop, &c->poll, fd);
    c->poll.data = c;
    uv_poll_start(&c->poll, UV_READABLE, on_readable);
    (void)poll;
}

static void books_balance(const struct engine_rig *g)
{
    for (int i = 0; i < g->series.n; i++) {
        const struct load_counts *c = &g->tally.counts[i];
        FUZZ_NEED(c->offered == c->started + c->dropped);
        FUZZ_NEED(c->started == c->completed + c->cancelled);
        FUZZ_NEED(c->completed == c->ok + load_errors(c));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct engine_rig rig;
    struct seep_err err = {0};
    uv_poll_t accepting;
    int kind = fuzz_u8(&in) % KINDS;
    if (listen_fd < 0)
        make_all();
    if (in.left > 32768)
        return 0; // more than a socket takes at once
    reply = in.at;
    reply_len = in.left;
    FUZZ_NEED(ftruncate(input_fd, 0) == 0 && pwrite(input_fd, in.at, in.left, 0) == (ssize_t)in.left);
    FUZZ_NEED(engine_rig_open(&rig, profiles[kind], &err) == 0);
    loop = &rig.loop;
    uv_poll_init(loop, &accepting, listen_fd);
    uv_poll_start(&accepting, UV_READABLE, on_connection);
    engine_rig_run(&rig);
    books_balance(&rig);
    uv_close((uv_handle_t *)&accepting, NULL);
    FUZZ_NEED(engine_rig_close(&rig) == 0);
    return 0;
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    static const struct fuzz_seed_bytes seeds[] = {
        FUZZ_SEED("\x00HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-B: z\r\nX-Cache: HIT\r\nSet-Cookie: c=d; "
                  "Path=/; Max-Age=9\r\nContent-Length: 36\r\n\r\n{\"ok\":true,\"a\":\"b\",\"n\":5,\"list\":[1]}"),
        FUZZ_SEED("\x01HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"a\":\"b\\n\"}"),
        FUZZ_SEED("\x00HTTP/1.1 302 Found\r\nLocation: /two?x=%20\r\nTransfer-Encoding: "
                  "chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: "
                  "u\r\n\r\n"),
        FUZZ_SEED("\x00HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 401 No\r\nConnection: keep-alive\r\n\r\nok"),
        // SETTINGS, its acknowledgement, a WINDOW_UPDATE, HEADERS of stream 1 (:status 200), DATA with END_STREAM
        FUZZ_SEED("\x02\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\x00\x00\x00\x04\x01\x00\x00\x00\x00"
                  "\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\x01\x04\x00\x00\x00\x01\x88"
                  "\x00\x00\x0b\x00\x01\x00\x00\x00\x01{\"ok\":true}"),
        // GOAWAY and RST_STREAM
        FUZZ_SEED("\x02\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x07"
                  "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00"),
        FUZZ_SEED("\x03$1\r\nx\r\n"),
        FUZZ_SEED("\x03-ERR no\r\n"),
        FUZZ_SEED("\x04VALUE a 0 2\r\nhi\r\nEND\r\n"),
        FUZZ_SEED("\x05progress: 5.0 s, 812.5 tps, lat 1 ms\n{\n \"metrics\": {\n  \"n\": 17\n }\n}\ndone 3 tps"),
    };
    return fuzz_seed_of(seeds, sizeof seeds / sizeof *seeds, i, out);
}
