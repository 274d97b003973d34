// curl on libuv: see curl_loop.h. Everything runs on the one loop of the worker.
#include "load/curl_loop.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct socket_watch {
    uv_poll_t poll;
    struct curl_loop *owner;
    curl_socket_t fd;
    int events;  // what libuv watches for now
    bool wanted; // curl wants to be told
    bool ours;   // opened by open_socket(), so closed by close_socket()
};

static void watch_freed(uv_handle_t *handle)
{
    free(handle->data);
}

static void watch_drop(struct curl_loop *s, curl_socket_t fd)
{
    if (fd < 0 || fd >= s->n_watch || !s->watch[fd])
        return;
    struct socket_watch *w = s->watch[fd];
    s->watch[fd] = NULL;
    uv_poll_stop(&w->poll);
    uv_close((uv_handle_t *)&w->poll, watch_freed);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct socket_watch *w = poll->data;
    if (!w->wanted) {
        // A kept connection that the server closes, or that talks unasked: curl finds out when it takes it up again.
        uv_poll_stop(&w->poll);
        w->events = 0;
        return;
    }
    int what = 0;
    if (status < 0)
        what = CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        what |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        what |= CURL_CSELECT_OUT;
    int running;
    curl_multi_socket_action(w->owner->multi, w->fd, what, &running);
}

static bool grow(struct curl_loop *s, int fd)
{
    if (fd < s->n_watch)
        return true;
    int n = s->n_watch ? s->n_watch : 64;
    while (n <= fd)
        n *= 2;
    struct socket_watch **more = realloc(s->watch, (size_t)n * sizeof(struct socket_watch *));
    if (!more)
        return false;
    memset(more + s->n_watch, 0, (size_t)(n - s->n_watch) * sizeof(struct socket_watch *));
    s->watch = more;
    s->n_watch = n;
    return true;
}

static struct socket_watch *watch_of(struct curl_loop *s, curl_socket_t fd, bool ours)
{
    if (fd < 0 || !grow(s, fd))
        return NULL;
    if (s->watch[fd])
        return s->watch[fd];
    struct socket_watch *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    if (uv_poll_init(s->loop, &w->poll, fd) != 0) {
        free(w);
        return NULL;
    }
    *w = (struct socket_watch){.poll = w->poll, .owner = s, .fd = fd, .ours = ours};
    w->poll.data = w;
    s->watch[fd] = w;
    return w;
}

// curl's CURLMOPT_SOCKETFUNCTION: what to watch fd for from now on.
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *per_socket)
{
    (void)easy;
    (void)per_socket;
    struct curl_loop *s = ctx;
    struct socket_watch *w = fd >= 0 && fd < s->n_watch ? s->watch[fd] : NULL;
    if (what == CURL_POLL_REMOVE) {
        if (w && w->ours)
            w->wanted = false;
        else
            watch_drop(s, fd);
        return 0;
    }
    w = watch_of(s, fd, false);
    if (!w)
        return -1;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    w->wanted = true;
    if (events == w->events)
        return 0;
    w->events = events;
    return uv_poll_start(&w->poll, events, on_event) == 0 ? 0 : -1;
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    (void)multi;
    struct curl_loop *s = ctx;
    s->due_ns = timeout_ms < 0 ? INT64_MAX : clock_mono_ns() + timeout_ms * 1000000;
    return 0;
}

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct curl_loop *s = ctx;
    int fd = socket(address->family, address->socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    if (!watch_of(s, fd, true)) {
        close(fd);
        return CURL_SOCKET_BAD;
    }
    s->opened++;
    return fd;
}

static int close_socket(void *ctx, curl_socket_t fd)
{
    watch_drop(ctx, fd);
    return close(fd);
}

int curl_loop_attach(struct curl_loop *s, CURL *easy)
{
    CURLcode bad = curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    bad |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, s);
    bad |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    bad |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, s);
    return bad == CURLE_OK ? 0 : -1;
}

static CURLM *multi_new(struct curl_loop *s)
{
    CURLM *multi = curl_multi_init();
    if (!multi)
        return NULL;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, s);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, s);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, s->max_connections);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, s->streams > 0 ? CURLPIPE_MULTIPLEX : CURLPIPE_NOTHING);
    if (s->streams > 0) { // without a limit curl would open a connection whenever all streams are in use
        curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS, s->streams);
        curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (s->max_connections + s->streams - 1) / s->streams);
    }
    return multi;
}

int curl_loop_open(struct curl_loop *s, uv_loop_t *loop, long max_connections, long streams, struct seep_err *err)
{
    *s = (struct curl_loop){.loop = loop, .due_ns = INT64_MAX, .max_connections = max_connections, .streams = streams};
    s->multi = multi_new(s);
    if (!s->multi)
        return seep_fail(err, SEEP_E_SYSTEM, "libcurl could not be started: no memory.");
    return 0;
}

void curl_loop_restart(struct curl_loop *s)
{
    CURLM *fresh = multi_new(s);
    if (!fresh)
        return; // the old one goes on, with its connections
    curl_multi_cleanup(s->multi);
    s->multi = fresh;
    s->due_ns = INT64_MAX;
}

void curl_loop_close(struct curl_loop *s)
{
    if (s->multi)
        curl_multi_cleanup(s->multi);
    for (int fd = 0; fd < s->n_watch; fd++)
        watch_drop(s, fd);
    free(s->watch);
    s->watch = NULL;
    s->n_watch = 0;
    s->multi = NULL;
}

bool curl_loop_timeout(struct curl_loop *s, int64_t now_ns)
{
    if (s->due_ns > now_ns)
        return false;
    s->due_ns = INT64_MAX; // curl sets the next one while it is called
    int running;
    curl_multi_socket_action(s->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    return true;
}
