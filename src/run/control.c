// The control socket, both sides: see control.h.
#include "run/control.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/units.h"

// A socket's name has 108 bytes and a results directory may be deeper: name it through the directory's descriptor.
static struct sockaddr_un address(int dir_fd)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    snprintf(sa.sun_path, sizeof sa.sun_path, "/proc/self/fd/%d/" CONTROL_NAME, dir_fd);
    return sa;
}

int control_listen(int dir_fd, struct seep_err *err)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return seep_fail_errno(err, errno, "The control socket cannot be made");
    struct sockaddr_un sa = address(dir_fd);
    unlinkat(dir_fd, CONTROL_NAME, 0);
    mode_t old = umask(0177);
    int rc = bind(fd, (struct sockaddr *)&sa, sizeof sa);
    umask(old);
    if (rc || listen(fd, CONTROL_CLIENTS)) {
        int saved = errno;
        close(fd);
        return seep_fail_errno(err, saved, "The control socket cannot be put into the run directory");
    }
    return fd;
}

int control_accept(int listen_fd)
{
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return -1;
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) || (peer.uid != geteuid() && peer.uid != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

int control_read(int fd, struct control_request *req)
{
    ssize_t n = recv(fd, req, sizeof *req, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n != (ssize_t)sizeof *req || req->magic != CONTROL_MAGIC || req->version != CONTROL_VERSION)
        return -1;
    return 1;
}

int control_answer(int fd, const struct control_reply *reply)
{
    return send(fd, reply, sizeof *reply, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof *reply ? 0 : -1;
}

int control_answer_hour(int fd, const struct control_hour *hour)
{
    return send(fd, hour, sizeof *hour, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof *hour ? 0 : -1;
}

// Connects, asks, and takes the answer. Returns the descriptor with *got bytes in `answer` (0: it was closed, -1: none
// came in time), or -1.
static int ask(int dir_fd, enum control_verb verb, int timeout_ms, void *answer, size_t size, ssize_t *got,
               struct seep_err *err)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return seep_fail_errno(err, errno, "A socket cannot be made");
    struct sockaddr_un sa = address(dir_fd);
    struct control_request req = {.magic = CONTROL_MAGIC, .version = CONTROL_VERSION, .verb = (uint16_t)verb};
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) ||
        send(fd, &req, sizeof req, MSG_NOSIGNAL) != (ssize_t)sizeof req) {
        close(fd);
        return seep_fail(err, SEEP_E_TARGET, "No supervisor answers in the run directory");
    }
    *got = -1;
    if (poll(&p, 1, timeout_ms) == 1 && (*got = recv(fd, answer, size, 0)) < 0)
        *got = 0;
    return fd;
}

// It stands still, or the machine is too busy for it: it lives all the same.
static int silent(int fd, int timeout_ms, struct control_reply *reply, struct seep_err *err)
{
    struct ucred peer = {0};
    socklen_t len = sizeof peer;
    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
    *reply = (struct control_reply){.pid = peer.pid, .elapsed_s = NAN, .total_s = NAN, .ticks = SEEP_UNKNOWN};
    seep_fail(err, SEEP_E_LIMIT, "The supervisor (process %d) lives and did not answer within %d s", (int)peer.pid,
              timeout_ms / 1000);
    return fd;
}

static int other_version(int fd, struct seep_err *err)
{
    close(fd);
    return seep_fail(err, SEEP_E_UNSUPPORTED,
                     "The supervisor of this run speaks another version of the control protocol; use the seep it was "
                     "started with");
}

int control_ask(int dir_fd, enum control_verb verb, int timeout_ms, struct control_reply *reply, struct seep_err *err)
{
    ssize_t n;
    int fd = ask(dir_fd, verb, timeout_ms, reply, sizeof *reply, &n, err);
    if (fd < 0)
        return -1;
    if (n < 0)
        return silent(fd, timeout_ms, reply, err);
    if (n != (ssize_t)sizeof *reply || reply->magic != CONTROL_MAGIC || reply->version != CONTROL_VERSION)
        return other_version(fd, err);
    reply->line[sizeof reply->line - 1] = 0;
    return fd;
}

int control_ask_hour(int dir_fd, int timeout_ms, struct control_hour *out, struct seep_err *err)
{
    ssize_t n;
    int fd = ask(dir_fd, CONTROL_HOUR, timeout_ms, out, sizeof *out, &n, err);
    if (fd < 0)
        return -1;
    if (n != (ssize_t)sizeof *out || out->magic != CONTROL_MAGIC || out->version != CONTROL_VERSION ||
        out->n > LOAD_MINUTES)
        return other_version(fd, err);
    close(fd);
    return 0;
}
