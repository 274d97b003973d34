// Messages between client and resolver process: see proto.h. Runs on both sides.
#include "resolve/proto.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

bool proto_take(struct proto_cursor *c, void *out, size_t len)
{
    const uint8_t *p = proto_bytes(c, len);
    if (p)
        memcpy(out, p, len);
    else
        memset(out, 0, len);
    return p != NULL;
}

const uint8_t *proto_bytes(struct proto_cursor *c, size_t len)
{
    if (c->bad || len > c->left) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *p = c->at;
    c->at += len;
    c->left -= len;
    return p;
}

int64_t proto_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int wait_for(int sock, short events, int64_t deadline_ns)
{
    for (;;) {
        int timeout_ms = -1;
        if (deadline_ns >= 0) {
            int64_t left = deadline_ns - proto_now_ns();
            if (left <= 0) {
                errno = ETIMEDOUT;
                return -1;
            }
            timeout_ms = (int)(left / 1000000) + 1;
        }
        struct pollfd p = {.fd = sock, .events = events};
        int n = poll(&p, 1, timeout_ms);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -1;
    }
}

static int send_all(int sock, const uint8_t *data, size_t len, int64_t deadline_ns)
{
    while (len > 0) {
        ssize_t n = send(sock, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            if (wait_for(sock, POLLOUT, deadline_ns) != 0)
                return -1;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

int proto_send(int sock, const struct proto_head *head, const void *body, int fd, int64_t deadline_ns)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)head, .iov_len = sizeof *head};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof control.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    ssize_t n;
    while ((n = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0) {
        if (errno != EINTR && (errno != EAGAIN || wait_for(sock, POLLOUT, deadline_ns) != 0))
            return -1;
    }
    const uint8_t *rest = (const uint8_t *)head + n;
    if (send_all(sock, rest, sizeof *head - (size_t)n, deadline_ns) != 0)
        return -1;
    return send_all(sock, body, head->len, deadline_ns);
}

// Keeps the one descriptor that is wanted and closes every other that a peer may have sent.
static void take_fds(struct msghdr *msg, int *fd)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int got;
            memcpy(&got, CMSG_DATA(c) + i * sizeof got, sizeof got);
            if (*fd < 0)
                *fd = got;
            else
                close(got);
        }
    }
}

// Returns 1 when the peer closed before the first byte.
static int recv_all(int sock, void *data, size_t len, int *fd, int64_t deadline_ns)
{
    size_t have = 0;
    while (have < len) {
        union {
            struct cmsghdr align;
            char bytes[CMSG_SPACE(2 * sizeof(int))];
        } control;
        struct iovec iov = {.iov_base = (uint8_t *)data + have, .iov_len = len - have};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        if (fd) {
            msg.msg_control = control.bytes;
            msg.msg_controllen = sizeof control.bytes;
        }
        ssize_t n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EAGAIN) {
            if (wait_for(sock, POLLIN, deadline_ns) != 0)
                return -1;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (fd)
            take_fds(&msg, fd);
        if (n == 0) {
            errno = ECONNRESET;
            return have == 0 ? 1 : -1;
        }
        have += (size_t)n;
    }
    return 0;
}

int proto_recv(int sock, struct proto_head *head, struct seep_buf *body, int *fd, int64_t deadline_ns)
{
    if (fd)
        *fd = -1;
    buf_clear(body);
    int rc = recv_all(sock, head, sizeof *head, fd, deadline_ns);
    if (rc != 0)
        return rc;
    if (head->magic != PROTO_MAGIC || head->len > PROTO_BODY_MAX) {
        errno = EPROTO;
        return -1;
    }
    uint8_t chunk[16384];
    for (size_t left = head->len; left > 0;) {
        size_t n = left < sizeof chunk ? left : sizeof chunk;
        rc = recv_all(sock, chunk, n, NULL, deadline_ns);
        if (rc != 0) {
            errno = rc > 0 ? ECONNRESET : errno;
            return -1;
        }
        buf_add(body, chunk, n);
        left -= n;
    }
    if (body->failed) {
        errno = ENOMEM;
        return -1;
    }
    return 0;
}
