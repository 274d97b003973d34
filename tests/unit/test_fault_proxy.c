// The proxy worker as it is shipped, between a client here and an echo server here: bytes come through unchanged,
// toxics act on living connections and are gone when they are taken out, and a worker whose supervisor was killed lets
// everything through and ends with whom it follows.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fault/proxy.h"

#define LIMIT_MS 60000
#define EXE      SEEP_BUILD_DIR "/bin/seep"

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int listen_any(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static void *echo_one(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char chunk[65536];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof chunk)) > 0)
        for (ssize_t put = 0, n; put < got; put += n)
            if ((n = send(fd, chunk + put, (size_t)(got - put), MSG_NOSIGNAL)) <= 0)
                break;
    close(fd);
    return NULL;
}

static void *echo_all(void *arg)
{
    for (int fd; (fd = accept4((int)(intptr_t)arg, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        pthread_t t;
        assert_int_equal(pthread_create(&t, NULL, echo_one, (void *)(intptr_t)fd), 0);
        pthread_detach(t);
    }
    return NULL;
}

struct rig {
    char dir[64], listen[32], to[32];
    int dir_fd, echo_fd, port;
    pthread_t echo;
    struct fault_proxies p;
    struct seep_err err;
};

static void ok(struct rig *r, int rc)
{
    if (rc)
        fail_msg("%s", r->err.text);
}

static uint64_t own_starttime(pid_t pid)
{
    char path[40], text[1024] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    size_t got = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[got] = '\0';
    char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}

static void rig_make(struct rig *r)
{
    int echo_port, spare;
    memset(r, 0, sizeof *r);
    snprintf(r->dir, sizeof r->dir, "/tmp/seep-test-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    r->dir_fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r->echo_fd = listen_any(&echo_port);
    assert_int_equal(pthread_create(&r->echo, NULL, echo_all, (void *)(intptr_t)r->echo_fd), 0);
    spare = listen_any(&r->port);
    close(spare);
    snprintf(r->listen, sizeof r->listen, "127.0.0.1:%d", r->port);
    snprintf(r->to, sizeof r->to, "127.0.0.1:%d", echo_port);
}

static void rig_start(struct rig *r)
{
    ok(r, fault_proxies_start(EXE, r->dir_fd, getpid(), own_starttime(getpid()), &r->p, &r->err));
    ok(r, fault_proxy_open(&r->p, "echo", r->listen, r->to, &r->err));
}

static void rig_free(struct rig *r)
{
    shutdown(r->echo_fd, SHUT_RDWR);
    close(r->echo_fd);
    pthread_join(r->echo, NULL);
    assert_int_equal(faccessat(r->dir_fd, FAULT_PROXY_SOCKET, F_OK, 0), -1);
    close(r->dir_fd);
    assert_int_equal(rmdir(r->dir), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void rig_end(struct rig *r)
{
    fault_proxies_end(&r->p);
    rig_free(r);
}

static int dial(const struct rig *r)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)r->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

// One byte there and back: milliseconds, or -1 when it did not come within limit_ms, -2 when the connection ended.
static int64_t ping(int fd, int limit_ms)
{
    char c = 'x';
    int64_t begin = now_ms();
    if (send(fd, &c, 1, MSG_NOSIGNAL) != 1)
        return -2;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, limit_ms) <= 0)
        return -1;
    return recv(fd, &c, 1, 0) == 1 ? now_ms() - begin : -2;
}

static void put(struct rig *r, unsigned slot, struct fault_toxic toxic)
{
    toxic.toxicity = 1;
    ok(r, fault_proxy_toxic(&r->p, "echo", slot, &toxic, &r->err));
}

static void *write_all(void *arg)
{
    int fd = *(int *)arg;
    static char block[1 << 20];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)(i * 2654435761u >> 24);
    for (int k = 0; k < 8; k++)
        for (size_t at = 0; at < sizeof block;) {
            ssize_t n = send(fd, block + at, sizeof block - at, MSG_NOSIGNAL);
            if (n <= 0)
                return NULL;
            at += (size_t)n;
        }
    shutdown(fd, SHUT_WR);
    return NULL;
}

// Eight megabytes there and back, with an end of data in one direction before the other.
static void check_stream(struct rig *r)
{
    int fd = dial(r);
    pthread_t writer;
    assert_true(fd >= 0);
    assert_int_equal(pthread_create(&writer, NULL, write_all, &fd), 0);
    static unsigned char got[65536];
    size_t total = 0;
    ssize_t n;
    while ((n = recv(fd, got, sizeof got, 0)) > 0)
        for (ssize_t i = 0; i < n; i++, total++)
            if (got[i] != (unsigned char)((total % (1 << 20)) * 2654435761u >> 24))
                fail_msg("byte %zu is another", total);
    assert_int_equal(n, 0);
    assert_int_equal(total, 8u << 20);
    pthread_join(writer, NULL);
    close(fd);
}

static void bytes_come_through(void **state)
{
    (void)state;
    struct rig r;
    struct fault_proxy_counts counts;
    rig_make(&r);
    rig_start(&r);
    check_stream(&r);
    put(&r, 0, (struct fault_toxic){.kind = TOXIC_SLICER, .average_size = 9000, .size_variation = 8000});
    put(&r, 1, (struct fault_toxic){.kind = TOXIC_LATENCY, .latency_ns = 1000000, .jitter_ns = 1000000, .upstream = 1});
    check_stream(&r);
    ok(&r, fault_proxy_counts(&r.p, "echo", &counts, &r.err));
    assert_int_equal(counts.connections, 2);
    assert_int_equal(counts.to_server_bytes, 16u << 20);
    assert_int_equal(counts.to_client_bytes, 16u << 20);
    rig_end(&r);
}

static void latency_comes_and_goes(void **state)
{
    (void)state;
    struct rig r;
    rig_make(&r);
    rig_start(&r);
    int fd = dial(&r);
    assert_true(ping(fd, LIMIT_MS) >= 0);
    put(&r, 7, (struct fault_toxic){.kind = TOXIC_LATENCY, .latency_ns = 300000000});
    assert_in_range(ping(fd, LIMIT_MS), 300, LIMIT_MS);
    put(&r, 7, (struct fault_toxic){.kind = TOXIC_LATENCY, .latency_ns = 3600ll * 1000000000});
    assert_int_equal(ping(fd, 100), -1);
    put(&r, 7, (struct fault_toxic){.kind = TOXIC_NONE});
    char c;
    assert_int_equal(recv(fd, &c, 1, 0), 1); // what waited comes at once
    assert_true(ping(fd, LIMIT_MS) >= 0);
    close(fd);
    rig_end(&r);
}

static void down_refuses_and_comes_back(void **state)
{
    (void)state;
    struct rig r;
    rig_make(&r);
    rig_start(&r);
    int fd = dial(&r);
    assert_true(ping(fd, LIMIT_MS) >= 0);
    put(&r, 0, (struct fault_toxic){.kind = TOXIC_DOWN});
    assert_int_equal(ping(fd, LIMIT_MS), -2);
    close(fd);
    for (int64_t end = now_ms() + LIMIT_MS; (fd = dial(&r)) >= 0;
         close(fd)) // the listener closes on the loop's next turn
        assert_true(now_ms() < end);
    assert_int_equal(errno, ECONNREFUSED);
    put(&r, 0, (struct fault_toxic){.kind = TOXIC_NONE});
    for (int64_t end = now_ms() + LIMIT_MS; (fd = dial(&r)) < 0;)
        assert_true(now_ms() < end);
    assert_true(ping(fd, LIMIT_MS) >= 0);
    close(fd);
    rig_end(&r);
}

static void timeout_and_reset(void **state)
{
    (void)state;
    struct rig r;
    char c;
    rig_make(&r);
    rig_start(&r);
    int held = dial(&r), cut = dial(&r);
    assert_true(ping(held, LIMIT_MS) >= 0 && ping(cut, LIMIT_MS) >= 0);
    put(&r, 0, (struct fault_toxic){.kind = TOXIC_TIMEOUT});
    assert_int_equal(ping(held, 100), -1);
    put(&r, 0, (struct fault_toxic){.kind = TOXIC_NONE});
    assert_int_equal(recv(held, &c, 1, 0), 0); // it lost bytes, so it cannot go on
    put(&r, 0, (struct fault_toxic){.kind = TOXIC_RESET_PEER});
    assert_int_equal(recv(cut, &c, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(held);
    close(cut);
    rig_end(&r);
}

static void server_that_is_gone(void **state)
{
    (void)state;
    struct rig r;
    struct fault_proxy_counts counts;
    char c;
    rig_make(&r);
    int port, spare = listen_any(&port);
    close(spare);
    snprintf(r.to, sizeof r.to, "127.0.0.1:%d", port);
    rig_start(&r);
    int fd = dial(&r);
    assert_true(recv(fd, &c, 1, 0) <= 0);
    close(fd);
    ok(&r, fault_proxy_counts(&r.p, "echo", &counts, &r.err));
    assert_int_equal(counts.refused, 1);
    rig_end(&r);
}

static void bad_orders(void **state)
{
    (void)state;
    struct rig r;
    rig_make(&r);
    rig_start(&r);
    struct fault_toxic t = {.kind = TOXIC_DOWN};
    assert_int_equal(fault_proxy_toxic(&r.p, "other", 0, &t, &r.err), -1);
    assert_int_equal(fault_proxy_toxic(&r.p, "echo", FAULT_SLOTS, &t, &r.err), -1);
    assert_int_equal(fault_proxy_open(&r.p, "second", r.to, r.to, &r.err), -1); // taken by the echo server
    assert_non_null(strstr(r.err.text, "cannot listen"));
    ok(&r, fault_proxy_open(&r.p, "echo", r.listen, r.to, &r.err)); // is there already
    int fd = dial(&r);
    assert_true(ping(fd, LIMIT_MS) >= 0);
    close(fd);
    rig_end(&r);
}

// The supervisor is killed with a toxic in place: connections go on undisturbed, a successor finds the worker, and
// without one it ends with the process it follows.
static void killed_supervisor(void **state)
{
    (void)state;
    struct rig r;
    int told[2];
    rig_make(&r);
    pid_t followed = fork();
    if (followed == 0)
        for (;;)
            pause();
    assert_int_equal(pipe(told), 0);
    pid_t supervisor = fork();
    if (supervisor == 0) {
        ok(&r, fault_proxies_start(EXE, r.dir_fd, followed, own_starttime(followed), &r.p, &r.err));
        ok(&r, fault_proxy_open(&r.p, "echo", r.listen, r.to, &r.err));
        put(&r, 0, (struct fault_toxic){.kind = TOXIC_LATENCY, .latency_ns = 3600ll * 1000000000});
        (void)!write(told[1], "x", 1);
        for (;;)
            pause();
    }
    char c;
    assert_int_equal(read(told[0], &c, 1), 1);
    int fd = dial(&r);
    assert_int_equal(ping(fd, 100), -1);
    kill(supervisor, SIGKILL);
    waitpid(supervisor, NULL, 0);
    assert_int_equal(recv(fd, &c, 1, 0), 1);
    assert_true(ping(fd, LIMIT_MS) >= 0);
    ok(&r, fault_proxies_attach(r.dir_fd, &r.p, &r.err));
    put(&r, 0, (struct fault_toxic){.kind = TOXIC_LATENCY, .latency_ns = 100000000});
    assert_in_range(ping(fd, LIMIT_MS), 100, LIMIT_MS);
    fault_proxies_leave(&r.p);
    kill(followed, SIGKILL);
    waitpid(followed, NULL, 0);
    while (recv(fd, &c, 1, 0) > 0) // ends with the worker
        ;
    close(fd);
    for (int64_t end = now_ms() + LIMIT_MS; faccessat(r.dir_fd, FAULT_PROXY_SOCKET, F_OK, 0) == 0;)
        assert_true(now_ms() < end);
    close(told[0]);
    close(told[1]);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_through),          cmocka_unit_test(latency_comes_and_goes),
        cmocka_unit_test(down_refuses_and_comes_back), cmocka_unit_test(timeout_and_reset),
        cmocka_unit_test(server_that_is_gone),         cmocka_unit_test(bad_orders),
        cmocka_unit_test(killed_supervisor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
