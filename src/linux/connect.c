// A connection tried: see connect.h.
#include "linux/connect.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// 0, or the errno.
static int connect_to(const struct addrinfo *ai, double within_s)
{
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, ai->ai_protocol);
    if (fd < 0)
        return errno;
    int code = connect(fd, ai->ai_addr, ai->ai_addrlen) ? errno : 0;
    if (code == EINPROGRESS) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        socklen_t len = sizeof code;
        if (poll(&p, 1, (int)(within_s * 1000)) == 1)
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len);
        else
            code = ETIMEDOUT;
    }
    close(fd);
    return code;
}

int linux_connect(const char *where, double within_s, char *why, size_t size)
{
    char host[256];
    const char *colon = strrchr(where, ':');
    size_t len = colon ? (size_t)(colon - where) : 0;
    if (!colon || len >= sizeof host) {
        snprintf(why, size, "is not host:port");
        return -1;
    }
    bool bracketed = len >= 2 && where[0] == '[' && where[len - 1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(bracketed ? len - 2 : len), where + bracketed);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int rc = getaddrinfo(host[0] ? host : "127.0.0.1", colon + 1, &hints, &list), code = EADDRNOTAVAIL;
    if (rc) {
        snprintf(why, size, "%s", gai_strerror(rc));
        return -1;
    }
    for (const struct addrinfo *ai = list; ai && code; ai = ai->ai_next)
        code = connect_to(ai, within_s);
    freeaddrinfo(list);
    if (code)
        snprintf(why, size, "%s", strerror(code));
    return code ? -1 : 0;
}
