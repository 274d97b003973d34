// Packets between supervisor and worker: see proto.h.
#include "load/proto.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

int load_proto_send(int fd, enum load_proto_type type, uint32_t arg, const void *payload, size_t len, int pass_fd)
{
    struct load_proto_head head = {
        .magic = PROTO_MAGIC, .version = PROTO_VERSION, .type = (uint16_t)type, .arg = arg, .len = (uint32_t)len};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)(uintptr_t)payload, len}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = len ? 2 : 1};
    union control control = {0};
    if (pass_fd >= 0) {
        m.msg_control = &control;
        m.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(c), &pass_fd, sizeof pass_fd);
    }
    ssize_t n;
    do
        n = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

// Every descriptor that came is either handed on or closed.
static void take_fds(struct msghdr *m, int *passed_fd)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
            if (passed_fd && *passed_fd < 0)
                *passed_fd = fd;
            else
                close(fd);
        }
    }
}

int load_proto_receive(int fd, struct load_proto_head *head, void *payload, size_t size, int *passed_fd)
{
    struct iovec parts[2] = {{head, sizeof *head}, {payload, size}};
    union control control = {0};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control};
    if (passed_fd)
        *passed_fd = -1;
    ssize_t n;
    do
        n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -1;
    take_fds(&m, passed_fd);
    if (n == 0)
        return 0;
    if ((size_t)n < sizeof *head || (m.msg_flags & MSG_TRUNC) || head->magic != PROTO_MAGIC ||
        head->version != PROTO_VERSION || head->len != (size_t)n - sizeof *head) {
        errno = EBADMSG;
        return -1;
    }
    return 1;
}
