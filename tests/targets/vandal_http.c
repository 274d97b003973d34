// libs: -lz
// An HTTP server with every vice a load generator meets; the path of a request chooses which.
//
//   vandal_http [PORT]     prints "listening on http://127.0.0.1:PORT" and "ready"; ends on SIGTERM
//
//   /ok  /status?code=N  /stall?ms=N (every /ok waits until it is over)  /count (how often each path was asked for)
//   /reset  /cut  /silent  /slow  /loris (a header, a byte at a time)  /endless  /headers  /longline  /garbage  /empty
//   /close-race  /gzip-bomb  /not-gzip  /to-file  /to-host?port=N  /to-self  /http09
//
// One thread a connection, blocking; nothing here is meant to be good.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

static atomic_llong stalled_until_ns;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static bool put(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool text(int fd, const char *s)
{
    return put(fd, s, strlen(s));
}

static bool reply(int fd, int status, const char *headers, const char *body)
{
    char head[512];
    snprintf(head, sizeof head, "HTTP/1.1 %d Whatever\r\nContent-Length: %zu\r\n%s\r\n", status, strlen(body), headers);
    return text(fd, head) && text(fd, body);
}

static long argument(const char *query, const char *key, long otherwise)
{
    const char *at = query ? strstr(query, key) : NULL;
    return at ? strtol(at + strlen(key), NULL, 10) : otherwise;
}

// Each vice returns whether the connection goes on.
static bool ok(int fd, const char *query)
{
    (void)query;
    for (int64_t left; (left = atomic_load(&stalled_until_ns) - now_ns()) > 0;)
        pause_ms(left / 1000000 + 1);
    return reply(fd, 200, "", "fine\n");
}

static bool status(int fd, const char *query)
{
    return reply(fd, (int)argument(query, "code=", 503), "", "as you wish\n");
}

static bool stall(int fd, const char *query)
{
    atomic_store(&stalled_until_ns, now_ns() + argument(query, "ms=", 500) * 1000000);
    return reply(fd, 200, "", "stalled\n");
}

static bool reset(int fd, const char *query)
{
    (void)query;
    text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf a rep");
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    return false;
}

static bool cut(int fd, const char *query)
{
    (void)query;
    text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf a rep");
    return false;
}

static bool empty(int fd, const char *query)
{
    (void)fd;
    (void)query;
    return false;
}

static bool silent(int fd, const char *query)
{
    (void)query;
    char c;
    while (recv(fd, &c, 1, 0) > 0)
        continue; // until the client gives up
    return false;
}

static bool slow(int fd, const char *query)
{
    (void)query;
    if (!text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"))
        return false;
    while (put(fd, "x", 1))
        pause_ms(50);
    return false;
}

static bool loris(int fd, const char *query)
{
    (void)query;
    if (!text(fd, "HTTP/1.1 200 OK\r\nX-Slow: "))
        return false;
    while (put(fd, "x", 1))
        pause_ms(50);
    return false;
}

static bool endless(int fd, const char *query)
{
    (void)query;
    static char chunk[65536];
    text(fd, "HTTP/1.1 200 OK\r\n\r\n");
    while (put(fd, chunk, sizeof chunk))
        continue;
    return false;
}

static bool headers(int fd, const char *query)
{
    (void)query;
    text(fd, "HTTP/1.1 200 OK\r\n");
    while (text(fd, "X-More: and more and more and more and more and more and more and more and more and more\r\n"))
        continue;
    return false;
}

static bool longline(int fd, const char *query)
{
    (void)query;
    text(fd, "HTTP/1.1 200 OK\r\nX-Long: ");
    while (text(fd, "and more and more and more and more and more and more and more and more and more and more"))
        continue;
    return false;
}

static bool garbage(int fd, const char *query)
{
    (void)query;
    unsigned char bytes[4096];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 167 + i / 7 + 129);
    put(fd, bytes, sizeof bytes);
    return false;
}

static bool http09(int fd, const char *query)
{
    (void)query;
    text(fd, "just a text without any header\n");
    return false;
}

// Promises to keep the connection and closes it.
static bool close_race(int fd, const char *query)
{
    (void)query;
    reply(fd, 200, "Connection: keep-alive\r\n", "fine\n");
    return false;
}

static bool to_file(int fd, const char *query)
{
    (void)query;
    return reply(fd, 302, "Location: file:///etc/passwd\r\n", "");
}

static bool to_host(int fd, const char *query)
{
    char location[128];
    snprintf(location, sizeof location, "Location: http://127.0.0.1:%ld/visited\r\n", argument(query, "port=", 1));
    return reply(fd, 302, location, "");
}

static bool to_self(int fd, const char *query)
{
    (void)query;
    return reply(fd, 302, "Location: /to-self\r\n", "");
}

static bool not_gzip(int fd, const char *query)
{
    (void)query;
    return reply(fd, 200, "Content-Encoding: gzip\r\n", "this was never packed");
}

// 200 MB of zeros, about 200 kB on the wire.
static bool gzip_bomb(int fd, const char *query)
{
    (void)query;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static unsigned char zeros[65536], bomb[400000];
    static size_t len;
    pthread_mutex_lock(&lock);
    if (!len) {
        z_stream z = {.next_out = bomb, .avail_out = sizeof bomb};
        deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
        for (int i = 0; i < 3200; i++) {
            z.next_in = zeros;
            z.avail_in = sizeof zeros;
            deflate(&z, i == 3199 ? Z_FINISH : Z_NO_FLUSH);
        }
        len = z.total_out;
        deflateEnd(&z);
    }
    pthread_mutex_unlock(&lock);
    char head[128];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", len);
    return text(fd, head) && put(fd, bomb, len);
}

static bool count(int fd, const char *query);

static struct vice {
    const char *path;
    bool (*act)(int fd, const char *query);
    atomic_uint asked;
} vices[] = {
    {"/ok", ok, 0},
    {"/status", status, 0},
    {"/stall", stall, 0},
    {"/reset", reset, 0},
    {"/cut", cut, 0},
    {"/silent", silent, 0},
    {"/slow", slow, 0},
    {"/loris", loris, 0},
    {"/endless", endless, 0},
    {"/headers", headers, 0},
    {"/longline", longline, 0},
    {"/garbage", garbage, 0},
    {"/http09", http09, 0},
    {"/empty", empty, 0},
    {"/close-race", close_race, 0},
    {"/gzip-bomb", gzip_bomb, 0},
    {"/to-file", to_file, 0},
    {"/to-host", to_host, 0},
    {"/to-self", to_self, 0},
    {"/not-gzip", not_gzip, 0},
    {"/visited", ok, 0},
    {"/count", count, 0},
};
enum { VICES = sizeof vices / sizeof vices[0] };

static bool count(int fd, const char *query)
{
    (void)query;
    char body[1024];
    size_t len = 0;
    for (int i = 0; i < VICES; i++)
        len += (size_t)snprintf(body + len, sizeof body - len, "%s %u\n", vices[i].path, atomic_load(&vices[i].asked));
    return reply(fd, 200, "", body);
}

static bool serve(int fd, char *request)
{
    char *path = strchr(request, ' ');
    if (!path)
        return false;
    path++;
    path[strcspn(path, " \r")] = 0;
    char *query = strchr(path, '?');
    if (query)
        *query++ = 0;
    for (int i = 0; i < VICES; i++) {
        if (strcmp(path, vices[i].path) == 0) {
            atomic_fetch_add(&vices[i].asked, 1);
            return vices[i].act(fd, query);
        }
    }
    return reply(fd, 404, "", "no such vice\n");
}

// Requests without a body, one after the other.
static void *connection(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char in[8192];
    size_t len = 0;
    for (bool on = true; on;) {
        ssize_t n = recv(fd, in + len, sizeof in - 1 - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
        if (in[0] == 0x16) { // a TLS handshake
            text(fd, "no secrets here\n");
            break;
        }
        in[len] = 0;
        char *end = strstr(in, "\r\n\r\n");
        if (!end && len < sizeof in - 1)
            continue;
        on = end && serve(fd, in);
        len = 0;
    }
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) < 0) {
        perror("vandal_http");
        return 1;
    }
    printf("listening on http://127.0.0.1:%d\nready\n", ntohs(at.sin_port));
    fflush(stdout);
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&detached, 128 * 1024);
    for (;;) {
        int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (peer < 0)
            continue;
        setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        pthread_t thread;
        if (pthread_create(&thread, &detached, connection, (void *)(intptr_t)peer) != 0)
            close(peer);
    }
}
