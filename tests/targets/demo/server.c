// The demo service's event loop: one thread, epoll, HTTP/1.1 with keep-alive and pipelining on a loopback port.
//
//   demo_service [--port N] [--leak login,items,jobs] [--leak-bytes N] [--session-ttl SECONDS] [--cache N]
//   [--rate-limit N]
//
// It prints "listening on http://127.0.0.1:PORT" and "ready", and ends in order on SIGTERM or SIGINT: no new
// connections, replies under way are written, everything is freed, exit status 0.
#include "demo.h"
#include "routes.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

const char *const demo_leak_name[LEAKS] = {"login", "items", "jobs"};
struct demo_settings demo = {.port = 8080, .session_ttl_ms = 5000, .cache_items = 512, .leak_bytes = 48};
struct demo_tally tally;

enum { IN_BYTES = 8192, OUT_BYTES = 8192 };

struct conn {
    struct conn *prev, *next;
    int fd;
    bool closing; // after what is in `out`
    size_t in_len, out_len, out_at;
    char in[IN_BYTES + 1];
    char out[OUT_BYTES];
};

// Connections live in a pool that is there from the start and are used again last in, first out, so that clients who
// come and go do not look like growth. Room for the largest of the shipped loads.
enum { CONNS_MAX = 2048 };
static struct conn pool[CONNS_MAX];
static struct conn *conns, *free_conns;
static int conns_used; // of the pool, ever
static int epoll_fd, listen_fd, signal_fd;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void conn_free(struct conn *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    close(c->fd);
    c->next = free_conns;
    free_conns = c;
}

static struct conn *conn_from_pool(void)
{
    struct conn *c = free_conns;
    if (!c)
        return conns_used < CONNS_MAX ? &pool[conns_used++] : NULL;
    free_conns = c->next;
    return c;
}

// Descriptors for all of the pool, as far as the hard limit goes.
static void raise_descriptors(void)
{
    struct rlimit lim;
    if (getrlimit(RLIMIT_NOFILE, &lim) || lim.rlim_cur >= CONNS_MAX + 64)
        return;
    lim.rlim_cur = lim.rlim_max < CONNS_MAX + 64 ? lim.rlim_max : CONNS_MAX + 64;
    setrlimit(RLIMIT_NOFILE, &lim);
}

static void conn_accept(void)
{
    int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct conn *c = conn_from_pool();
    if (!c) {
        close(fd);
        return;
    }
    c->prev = NULL;
    c->next = conns;
    c->fd = fd;
    c->closing = false;
    c->in_len = c->out_len = c->out_at = 0;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        close(fd);
        c->next = free_conns;
        free_conns = c;
        return;
    }
    if (conns)
        conns->prev = c;
    conns = c;
    tally.connections++;
}

// Writes what there is. False: the connection is finished with.
static bool conn_flush(struct conn *c)
{
    while (c->out_at < c->out_len) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            struct epoll_event ev = {.events = EPOLLOUT, .data.ptr = c};
            return epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &ev) == 0;
        }
        if (n < 0)
            return false;
        c->out_at += (size_t)n;
    }
    c->out_at = c->out_len = 0;
    return !c->closing;
}

static void conn_reply(struct conn *c, const struct reply *r, bool keep)
{
    int n = snprintf(c->out + c->out_len, OUT_BYTES - c->out_len,
                     "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%s\r\n", r->status, r->reason,
                     r->type ? r->type : "text/plain", r->body_len, r->headers, keep ? "" : "Connection: close\r\n");
    c->out_len += (size_t)n;
    memcpy(c->out + c->out_len, r->body, r->body_len);
    c->out_len += r->body_len;
    c->closing = !keep;
}

// The value of a header line of that name, or NULL; *len without surrounding blanks. head ends with a NUL.
static const char *header(const char *head, const char *name, size_t *len)
{
    size_t name_len = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
            continue;
        const char *value = line + name_len + 1;
        value += strspn(value, " \t");
        *len = strcspn(value, "\r");
        return value;
    }
    return NULL;
}

const char *request_header(const struct request *q, const char *name, size_t *len)
{
    return header(q->head, name, len);
}

// "GET /path?query HTTP/1.1", cut up in place. False: not HTTP.
static bool parse_first_line(char *head, struct request *q)
{
    char *end = head + strcspn(head, "\r");
    char *target = memchr(head, ' ', (size_t)(end - head));
    char *version = target ? memchr(target + 1, ' ', (size_t)(end - target - 1)) : NULL;
    if (!version || strncmp(version + 1, "HTTP/1.", 7) != 0)
        return false;
    *target++ = 0;
    *version = 0;
    char *query = strchr(target, '?');
    if (query)
        *query++ = 0;
    q->method = head;
    q->path = target;
    q->query = query ? query : "";
    q->query_len = strlen(q->query);
    return true;
}

// Takes one whole request off the front of c->in. 1: done, 0: not all there yet, -1: refused, and the reply says so.
static int conn_take(struct conn *c)
{
    c->in[c->in_len] = 0;
    char *blank = strstr(c->in, "\r\n\r\n");
    struct reply r = {.status = 400, .reason = "Bad Request"};
    struct request q = {.now_ms = now_ms()};
    if (!blank) {
        if (c->in_len < IN_BYTES)
            return 0;
        goto refuse;
    }
    size_t head_len = (size_t)(blank + 4 - c->in);
    blank[2] = 0;
    size_t len;
    const char *length = header(c->in, "content-length", &len);
    char *digits_end = NULL;
    unsigned long body_len = length ? strtoul(length, &digits_end, 10) : 0;
    if ((length && (digits_end != length + len || len == 0 || len > 9)) || header(c->in, "transfer-encoding", &len) ||
        body_len > IN_BYTES - head_len)
        goto refuse;
    if (c->in_len < head_len + body_len) {
        blank[2] = '\r';
        return 0;
    }
    const char *connection = header(c->in, "connection", &len);
    bool keep = !(connection && len == 5 && strncasecmp(connection, "close", 5) == 0);
    q.head = strstr(c->in, "\r\n"); // the blank line at the latest
    if (!parse_first_line(c->in, &q))
        goto refuse;
    q.body = c->in + head_len;
    q.body_len = body_len;
    dispatch(&q, &r);
    conn_reply(c, &r, keep);
    c->in_len -= head_len + body_len;
    memmove(c->in, c->in + head_len + body_len, c->in_len);
    return 1;
refuse:
    tally.bad++;
    conn_reply(c, &r, false);
    return -1;
}

// Answers all whole requests that are there, as long as the peer takes the replies. False: the connection is finished
// with.
static bool conn_serve(struct conn *c)
{
    for (bool more = true; more && !c->closing;) {
        more = false;
        while (!c->closing && c->out_len + sizeof(struct reply) + 512 <= OUT_BYTES && conn_take(c) > 0)
            more = true;
        if (c->out_len && !conn_flush(c))
            return false;
        if (c->out_len)
            return true; // the rest when the peer has read
    }
    return true;
}

static bool conn_read(struct conn *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_len, IN_BYTES - c->in_len, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    c->in_len += (size_t)n;
    return conn_serve(c);
}

static bool conn_write(struct conn *c)
{
    if (!conn_flush(c))
        return false;
    if (c->out_len)
        return true;
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    return epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &ev) == 0 && conn_serve(c);
}

static bool listen_open(void)
{
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)demo.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    if (listen_fd < 0 || setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
        bind(listen_fd, (struct sockaddr *)&at, len) < 0 || listen(listen_fd, 1024) < 0 ||
        getsockname(listen_fd, (struct sockaddr *)&at, &len) < 0)
        return false;
    demo.port = ntohs(at.sin_port);
    return true;
}

static bool loop_open(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL); // before the worker thread starts, which inherits it
    signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event on_listen = {.events = EPOLLIN, .data.ptr = &listen_fd};
    struct epoll_event on_signal = {.events = EPOLLIN, .data.ptr = &signal_fd};
    return signal_fd >= 0 && epoll_fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &on_listen) == 0 &&
           epoll_ctl(epoll_fd, EPOLL_CTL_ADD, signal_fd, &on_signal) == 0;
}

// Serves until a signal asks for the end. Sessions expire on the loop's own time, ten times a second.
static void loop_run(void)
{
    for (bool ending = false; !ending;) {
        struct epoll_event ev[64];
        int n = epoll_wait(epoll_fd, ev, 64, 100);
        for (int i = 0; i < n; i++) {
            if (ev[i].data.ptr == &listen_fd) {
                conn_accept();
            } else if (ev[i].data.ptr == &signal_fd) {
                ending = true;
            } else {
                struct conn *c = ev[i].data.ptr;
                if (!(ev[i].events & EPOLLOUT ? conn_write(c) : conn_read(c)))
                    conn_free(c);
            }
        }
        session_expire(now_ms());
    }
}

static void loop_close(void)
{
    close(listen_fd);
    while (conns) {
        conn_flush(conns); // a last try; what the peer does not take now is lost
        conn_free(conns);
    }
    jobs_stop();
    session_free_all();
    cache_free_all();
    close(epoll_fd);
    close(signal_fd);
}

static bool set_leaks(char *kinds)
{
    for (char *kind = strtok(kinds, ","); kind; kind = strtok(NULL, ",")) {
        int i = 0;
        while (i < LEAKS && strcmp(kind, demo_leak_name[i]) != 0)
            i++;
        if (i == LEAKS)
            return false;
        atomic_store(&demo.leak[i], true);
    }
    return true;
}

static bool set_number(const char *text, long min, long max, long *out)
{
    char *end;
    errno = 0;
    *out = strtol(text, &end, 10);
    return errno == 0 && end != text && !*end && *out >= min && *out <= max;
}

static bool set_option(const char *name, char *value)
{
    long n;
    if (strcmp(name, "--leak") == 0)
        return set_leaks(value);
    if (strcmp(name, "--port") == 0 && set_number(value, 0, 65535, &n))
        return demo.port = (int)n, true;
    if (strcmp(name, "--leak-bytes") == 0 && set_number(value, 1, 1 << 20, &n))
        return demo.leak_bytes = (size_t)n, true;
    if (strcmp(name, "--session-ttl") == 0 && set_number(value, 1, 86400, &n))
        return demo.session_ttl_ms = n * 1000, true;
    if (strcmp(name, "--cache") == 0 && set_number(value, 1, 1000000, &n))
        return demo.cache_items = (size_t)n, true;
    if (strcmp(name, "--rate-limit") == 0 && set_number(value, 1, 1000000, &n))
        return demo.rate_limit = (unsigned)n, true;
    return false;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 >= argc || !set_option(argv[i], argv[i + 1])) {
            fprintf(stderr, "usage: demo_service [--port N] [--leak login,items,jobs] [--leak-bytes N] "
                            "[--session-ttl SECONDS] [--cache N] [--rate-limit N]\n");
            return 2;
        }
    }
    raise_descriptors();
    if (!listen_open()) {
        fprintf(stderr, "demo_service: cannot listen on 127.0.0.1:%d: %s\n", demo.port, strerror(errno));
        return 1;
    }
    if (!loop_open() || !jobs_start()) {
        fprintf(stderr, "demo_service: cannot start: %s\n", strerror(errno));
        return 1;
    }
    printf("listening on http://127.0.0.1:%d\nready\n", demo.port);
    fflush(stdout);
    loop_run();
    loop_close();
    return 0;
}
