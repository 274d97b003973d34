// libs: -lz
// An HTTP server with sessions, strict about them: what a load's users must get right is counted here.
//
//   shop_http [PORT | unix:PATH]   prints "listening on http://127.0.0.1:PORT" and "ready"; ends on SIGTERM
//
//   POST /login   body user=NAME: sets the cookie sid=NAME.N, replies {"token": "t-NAME.N", "user": "NAME"}
//   GET /me       wants that cookie and X-Token with its token: 200, else 401
//   GET /step?k=K&of=N    of each sid in the order 1, 2 .. N, 1 ..: 200, else 409
//   GET /hop?n=N  302 to /hop?n=N-1 with a cookie, down to 200
//   GET /loop (302 to itself)  POST /moved (303 to /echo)  POST /again (307 to /echo)  GET /away?port=P (302 to there)
//   /echo         replies {"method": ..., "body": ..., "query": ...}
//   GET /conn     replies {"conn": number of the connection}; with a sid: 200 as long as it is always the same one
//   GET /gzip?kb=N (deflated text)   GET /cache (Cache-Control)   GET /count ("name times" lines)
//
// One thread a connection; tables behind one lock.
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zlib.h>

enum { SIDS = 65536, NAMES = 32, REQUEST_MAX = 1 << 20 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct counter {
    char name[32];
    unsigned long n;
} counters[NAMES];

static struct sid {
    char name[64];
    long at;   // the last of its steps
    long conn; // its connection; 0: none yet
} * sids;
static int n_sids;

struct request {
    char *method, *path, *query, *headers, *body;
    size_t body_len;
    long conn;
};

static void count(const char *name)
{
    pthread_mutex_lock(&lock);
    int i = 0;
    while (i < NAMES - 1 && counters[i].name[0] && strcmp(counters[i].name, name) != 0)
        i++;
    snprintf(counters[i].name, sizeof counters[i].name, "%s", name);
    counters[i].n++;
    pthread_mutex_unlock(&lock);
}

static bool put(int fd, const void *data, size_t len)
{
    for (const char *p = data; len;) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool reply(int fd, int status, const char *headers, const void *body, size_t len)
{
    char *out = malloc(len + 1024);
    int head = snprintf(out, 1024, "HTTP/1.1 %d Word\r\nContent-Length: %zu\r\n%s\r\n", status, len, headers);
    memcpy(out + head, body, len);
    bool ok = put(fd, out, (size_t)head + len);
    free(out);
    return ok;
}

static bool replyf(int fd, int status, const char *headers, const char *fmt, ...)
{
    char body[8192];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(body, sizeof body, fmt, ap);
    va_end(ap);
    return reply(fd, status, headers, body, (size_t)n < sizeof body ? (size_t)n : sizeof body - 1);
}

static long argument(const struct request *r, const char *key)
{
    const char *at = r->query ? strstr(r->query, key) : NULL;
    return at ? strtol(at + strlen(key), NULL, 10) : 0;
}

// The value of a header, up to `size`; false: there is none.
static bool header(const struct request *r, const char *name, char *out, size_t size)
{
    size_t len = strlen(name);
    for (const char *line = r->headers; line && *line; line = strchr(line, '\n'), line += line ? 1 : 0) {
        if (strncasecmp(line, name, len) != 0 || line[len] != ':')
            continue;
        line += len + 1 + strspn(line + len + 1, " ");
        snprintf(out, size, "%.*s", (int)strcspn(line, "\r\n"), line);
        return true;
    }
    return false;
}

static bool sid_of(const struct request *r, char *out, size_t size)
{
    char cookies[4096];
    if (!header(r, "Cookie", cookies, sizeof cookies))
        return false;
    for (char *rest = cookies, *one; (one = strtok_r(rest, ";", &rest));) {
        one += strspn(one, " ");
        if (strncmp(one, "sid=", 4) == 0) {
            snprintf(out, size, "%s", one + 4);
            return true;
        }
    }
    return false;
}

static struct sid *find(const char *name) // under the lock
{
    for (int i = n_sids - 1; i >= 0; i--) {
        if (strcmp(sids[i].name, name) == 0)
            return &sids[i];
    }
    return NULL;
}

static bool login(int fd, const struct request *r)
{
    char user[40], cookie[128], name[64];
    if (strcmp(r->method, "POST") != 0 || sscanf(r->body, "user=%39[^&]", user) != 1) {
        count("login-bad");
        return replyf(fd, 400, "", "who?\n");
    }
    pthread_mutex_lock(&lock);
    int n = n_sids < SIDS ? n_sids++ : SIDS - 1;
    snprintf(name, sizeof name, "%s.%d", user, n);
    sids[n] = (struct sid){0};
    memcpy(sids[n].name, name, sizeof name);
    pthread_mutex_unlock(&lock);
    snprintf(cookie, sizeof cookie, "Set-Cookie: sid=%s; Path=/; HttpOnly\r\n", name);
    return replyf(fd, 200, cookie, "{\"token\": \"t-%s\", \"user\": \"%s\"}\n", name, user);
}

static bool me(int fd, const struct request *r)
{
    char sid[64] = "", token[80] = "", wanted[80];
    sid_of(r, sid, sizeof sid);
    header(r, "X-Token", token, sizeof token);
    snprintf(wanted, sizeof wanted, "t-%s", sid);
    pthread_mutex_lock(&lock);
    bool known = find(sid);
    pthread_mutex_unlock(&lock);
    if (known && strcmp(token, wanted) == 0)
        return replyf(fd, 200, "", "{\"you\": \"%.*s\"}\n", (int)strcspn(sid, "."), sid);
    count("me-bad");
    return replyf(fd, 401, "", "not you\n");
}

static bool step(int fd, const struct request *r)
{
    char name[64] = "";
    long k = argument(r, "k="), of = argument(r, "of=");
    sid_of(r, name, sizeof name);
    pthread_mutex_lock(&lock);
    struct sid *s = find(name);
    bool right = s && of > 0 && k == s->at % of + 1;
    if (right)
        s->at = k;
    pthread_mutex_unlock(&lock);
    if (!right)
        count("step-bad");
    return replyf(fd, right ? 200 : 409, "", right ? "in order\n" : "out of order\n");
}

static bool hop(int fd, const struct request *r)
{
    char headers[256], sid[64] = "";
    long n = argument(r, "n=");
    sid_of(r, sid, sizeof sid);
    snprintf(headers, sizeof headers, "Location: /hop?n=%ld\r\nSet-Cookie: sid=hop%ld; Path=/hop\r\n", n - 1, n);
    if (n > 0)
        return replyf(fd, 302, headers, "further\n");
    if (strcmp(sid, "hop1") != 0)
        count("hop-bad");
    return replyf(fd, 200, "", "there\n");
}

static bool away(int fd, const struct request *r)
{
    char location[128];
    snprintf(location, sizeof location, "Location: http://127.0.0.1:%ld/visited\r\n", argument(r, "port="));
    return replyf(fd, 302, location, "");
}

static bool echo(int fd, const struct request *r)
{
    return replyf(fd, 200, "Content-Type: application/json\r\n",
                  "{\"method\": \"%s\", \"body\": \"%.*s\", \"query\": \"%s\"}\n", r->method, (int)r->body_len, r->body,
                  r->query ? r->query : "");
}

static bool conn(int fd, const struct request *r)
{
    char name[64] = "";
    bool same = true;
    sid_of(r, name, sizeof name);
    pthread_mutex_lock(&lock);
    struct sid *s = find(name);
    if (s) {
        same = s->conn == 0 || s->conn == r->conn;
        s->conn = r->conn;
    }
    pthread_mutex_unlock(&lock);
    if (!same)
        count("conn-bad");
    return replyf(fd, same ? 200 : 409, "", "{\"conn\": %ld}\n", r->conn);
}

static bool packed(int fd, const struct request *r)
{
    size_t len = (size_t)argument(r, "kb=") * 1024;
    char *text = malloc(len + 16);
    unsigned char *out = malloc(len + 1024);
    memset(text, ' ', len);
    memcpy(text + len, "{\"end\": 1}", 10);
    z_stream z = {.next_in = (unsigned char *)text,
                  .avail_in = (unsigned)len + 10,
                  .next_out = out,
                  .avail_out = (unsigned)len + 1024};
    deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
    deflate(&z, Z_FINISH);
    bool ok = reply(fd, 200, "Content-Encoding: gzip\r\n", out, z.total_out);
    deflateEnd(&z);
    free(text);
    free(out);
    return ok;
}

static bool counts(int fd)
{
    char body[NAMES * 64];
    size_t len = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < NAMES && counters[i].name[0]; i++)
        len += (size_t)snprintf(body + len, sizeof body - len, "\n%s %lu", counters[i].name, counters[i].n);
    snprintf(body + len, sizeof body - len, "\n/count 1\n");
    pthread_mutex_unlock(&lock);
    return replyf(fd, 200, "", "%s", body);
}

static bool serve(int fd, const struct request *r)
{
    if (strcmp(r->path, "/count") == 0)
        return counts(fd);
    count(r->path);
    if (strcmp(r->path, "/login") == 0)
        return login(fd, r);
    if (strcmp(r->path, "/me") == 0)
        return me(fd, r);
    if (strcmp(r->path, "/step") == 0)
        return step(fd, r);
    if (strcmp(r->path, "/hop") == 0)
        return hop(fd, r);
    if (strcmp(r->path, "/loop") == 0)
        return replyf(fd, 302, "Location: loop\r\n", "");
    if (strcmp(r->path, "/moved") == 0)
        return replyf(fd, 303, "Location: /echo?after=moved\r\n", "");
    if (strcmp(r->path, "/again") == 0)
        return replyf(fd, 307, "Location: /echo?after=again\r\n", "");
    if (strcmp(r->path, "/away") == 0)
        return away(fd, r);
    if (strcmp(r->path, "/echo") == 0)
        return echo(fd, r);
    if (strcmp(r->path, "/conn") == 0)
        return conn(fd, r);
    if (strcmp(r->path, "/gzip") == 0)
        return packed(fd, r);
    if (strcmp(r->path, "/cache") == 0)
        return replyf(fd, 200, "Cache-Control: public, max-age=300\r\n", "{\"list\": [1, 2, 3], \"name\": \"x\"}\n");
    return replyf(fd, 404, "", "nothing\n");
}

// Takes one request apart, in place. 0: not whole yet; -1: broken; else its length.
static long take_apart(char *in, size_t len, struct request *r)
{
    char *end = memmem(in, len, "\r\n\r\n", 4), size[32];
    if (!end)
        return len >= REQUEST_MAX - 1 ? -1 : 0;
    char *line_end = strstr(in, "\r\n");
    r->headers = line_end + 2;
    r->body_len = header(r, "Content-Length", size, sizeof size) ? strtoul(size, NULL, 10) : 0;
    size_t whole = (size_t)(end + 4 - in) + r->body_len;
    if (whole >= REQUEST_MAX)
        return -1;
    if (len < whole)
        return 0;
    r->body = end + 4;
    end[2] = 0;
    *line_end = 0;
    r->method = strtok_r(in, " ", &r->path);
    r->path = strtok_r(NULL, " ", &r->path);
    if (!r->method || !r->path)
        return -1;
    r->query = strchr(r->path, '?');
    if (r->query)
        *r->query++ = 0;
    return (long)whole;
}

static void *connection(void *arg)
{
    static long connections;
    int fd = (int)(intptr_t)arg;
    char *in = malloc(REQUEST_MAX);
    size_t len = 0;
    long number = __atomic_add_fetch(&connections, 1, __ATOMIC_RELAXED);
    count("connections");
    for (bool on = in; on;) {
        ssize_t n = recv(fd, in + len, REQUEST_MAX - 1 - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
        in[len] = 0;
        struct request r = {.conn = number};
        long used = take_apart(in, len, &r);
        if (used == 0)
            continue;
        on = used > 0 && serve(fd, &r);
        len = 0; // no pipelining
    }
    free(in);
    close(fd);
    return NULL;
}

static int listen_at(const char *where)
{
    if (strncmp(where, "unix:", 5) == 0) {
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        snprintf(at.sun_path, sizeof at.sun_path, "%s", where + 5);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 1024) < 0)
            return -1;
        printf("listening on http://127.0.0.1:0\nready\n");
        return fd;
    }
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(where)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        return -1;
    printf("listening on http://127.0.0.1:%d\nready\n", ntohs(at.sin_port));
    return fd;
}

int main(int argc, char **argv)
{
    sids = calloc(SIDS, sizeof *sids);
    int fd = listen_at(argc > 1 ? argv[1] : "0");
    if (fd < 0 || !sids) {
        perror("shop_http");
        return 1;
    }
    fflush(stdout);
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&detached, 128 * 1024);
    for (;;) {
        int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        pthread_t thread;
        if (peer >= 0 && pthread_create(&thread, &detached, connection, (void *)(intptr_t)peer) != 0)
            close(peer);
    }
}
