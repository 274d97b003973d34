// The connection to a keeper: requests with replies, events with descriptors. See link.h.
//
// Trust: the peer is our own program under our own uid, but perhaps of another build: magic and version of every
// message are checked, and descriptors that come with a message of the wrong kind are closed.
#include "keeper/link.h"
#include "keeper/link_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

#define FDS_MAX 3

struct packet {
    struct keeper_msg msg;
    int fds[FDS_MAX];
    size_t fd_count;
};

void keeper_link_init(struct keeper_link *link)
{
    memset(link, 0, sizeof *link);
    link->magic = KEEPER_LINK_MAGIC;
    link->fd = link->target_pidfd = link->output_fd[0] = link->output_fd[1] = -1;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_all(struct packet *p)
{
    for (size_t i = 0; i < p->fd_count; i++)
        close(p->fds[i]);
    p->fd_count = 0;
}

static void take_fds(struct msghdr *msg, struct packet *p)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
            if (p->fd_count < FDS_MAX)
                p->fds[p->fd_count++] = fd;
            else
                close(fd);
        }
    }
}

// 1 a packet, 0 nothing now, -1 error (with the keeper gone: code SEEP_E_TARGET).
static int receive(struct keeper_link *link, struct packet *p, struct seep_err *err)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = &p->msg, .iov_len = sizeof p->msg};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    p->fd_count = 0;
    ssize_t got = recvmsg(link->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0)
        return seep_fail(err, SEEP_E_TARGET, "the keeper is gone");
    take_fds(&msg, p);
    if (got == (ssize_t)sizeof p->msg && p->msg.magic == KEEPER_MAGIC && p->msg.version == KEEPER_VERSION)
        return 1;
    close_all(p);
    if (got >= 8 && p->msg.magic == KEEPER_MAGIC)
        return seep_fail(
            err, SEEP_E_UNSUPPORTED,
            "the keeper speaks version %u of its protocol, this seep version %d; finish the run with the seep that "
            "started it",
            p->msg.version, KEEPER_VERSION);
    return seep_fail(err, SEEP_E_CORRUPT, "what the keeper sent is not a message of its protocol");
}

static void adopt_started(struct keeper_link *link, struct packet *p)
{
    close_fd(&link->target_pidfd);
    close_fd(&link->output_fd[0]);
    close_fd(&link->output_fd[1]);
    size_t used = 0;
    if (p->fd_count >= 1)
        link->target_pidfd = p->fds[used++];
    if (p->msg.u.started.captured && p->fd_count == 3) {
        link->output_fd[0] = p->fds[used++];
        link->output_fd[1] = p->fds[used++];
    }
    for (; used < p->fd_count; used++)
        close(p->fds[used]);
    p->fd_count = 0;
}

// Turns a packet into an event; KEEPER_EV_NONE for what a newer minor keeper might say.
static struct keeper_event to_event(struct keeper_link *link, struct packet *p)
{
    struct keeper_event ev = {.kind = KEEPER_EV_NONE, .fd = -1, .memory_fd = -1};
    switch (p->msg.type) {
    case KEEPER_MSG_STARTED:
        ev.kind = KEEPER_EV_STARTED;
        ev.u.started = p->msg.u.started;
        adopt_started(link, p);
        break;
    case KEEPER_MSG_START_FAILED:
        ev.kind = KEEPER_EV_START_FAILED;
        ev.u.failed = p->msg.u.failed;
        break;
    case KEEPER_MSG_EXITED:
        ev.kind = KEEPER_EV_EXITED;
        ev.u.exit = p->msg.u.exit;
        break;
    case KEEPER_MSG_EMPTY:
        ev.kind = KEEPER_EV_EMPTY;
        ev.u.stats = p->msg.u.stats;
        break;
    case KEEPER_MSG_STATS:
        ev.kind = KEEPER_EV_STATS;
        ev.u.stats = p->msg.u.stats;
        break;
    case KEEPER_MSG_REGION:
        if (p->fd_count < 1 || p->fd_count > 2)
            break;
        ev.kind = KEEPER_EV_REGION;
        ev.u.region = p->msg.u.region;
        ev.fd = p->fds[0];
        ev.memory_fd = p->fd_count == 2 ? p->fds[1] : -1;
        p->fd_count = 0;
        break;
    default:
        break;
    }
    close_all(p);
    return ev;
}

static int lost(struct keeper_link *link, struct keeper_event *ev)
{
    *ev = (struct keeper_event){.kind = link->lost_told ? KEEPER_EV_NONE : KEEPER_EV_LOST, .fd = -1, .memory_fd = -1};
    link->lost_told = true;
    close_fd(&link->fd);
    if (link->keeper_is_child && link->keeper_pid > 0)
        waitpid(link->keeper_pid, NULL, WNOHANG);
    return 0;
}

int keeper_next_event(struct keeper_link *link, struct keeper_event *ev, struct seep_err *err)
{
    SEEP_CHECK_OBJ(link, KEEPER_LINK_MAGIC);
    if (link->queued) {
        *ev = link->queue[0];
        memmove(&link->queue[0], &link->queue[1], --link->queued * sizeof link->queue[0]);
        return 0;
    }
    *ev = (struct keeper_event){.kind = KEEPER_EV_NONE, .fd = -1, .memory_fd = -1};
    while (link->fd >= 0 && ev->kind == KEEPER_EV_NONE) {
        struct packet p;
        struct seep_err mine = {0};
        int rc = receive(link, &p, &mine);
        if (rc == 0)
            return 0;
        if (rc < 0 && mine.code == SEEP_E_TARGET)
            return lost(link, ev);
        if (rc < 0) {
            if (err)
                *err = mine;
            return -1;
        }
        if (p.msg.type != KEEPER_MSG_REPLY) // else a reply that came too late for its request
            *ev = to_event(link, &p);
    }
    if (link->fd < 0 && !link->lost_told)
        return lost(link, ev);
    return 0;
}

// 1 the reply is there, 0 go on, -1 error.
static int wait_for(struct keeper_link *link, uint32_t seq, struct keeper_msg *reply, struct seep_err *err)
{
    struct packet p;
    int rc = receive(link, &p, err);
    if (rc <= 0)
        return rc;
    if (p.msg.type == KEEPER_MSG_REPLY) {
        close_all(&p);
        *reply = p.msg;
        return p.msg.seq == seq;
    }
    if (link->queued == KEEPER_QUEUE_MAX) {
        close_all(&p);
        return seep_fail(err, SEEP_E_LIMIT, "more than %d events of the keeper were not taken", KEEPER_QUEUE_MAX);
    }
    struct keeper_event ev = to_event(link, &p);
    if (ev.kind != KEEPER_EV_NONE)
        link->queue[link->queued++] = ev;
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// Sends without waiting. 1 sent, 0 there is no room now, -1 error.
static int post(struct keeper_link *link, struct keeper_msg *m, struct seep_err *err)
{
    SEEP_CHECK_OBJ(link, KEEPER_LINK_MAGIC);
    if (link->fd < 0)
        return seep_fail(err, SEEP_E_TARGET, "the keeper is gone");
    m->magic = KEEPER_MAGIC;
    m->version = KEEPER_VERSION;
    m->seq = ++link->seq;
    if (send(link->fd, m, sizeof *m, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof *m)
        return 1;
    if (errno == EAGAIN)
        return 0;
    return errno == EPIPE || errno == ECONNRESET ? seep_fail(err, SEEP_E_TARGET, "the keeper is gone")
                                                 : seep_fail_errno(err, errno, "the keeper cannot be asked");
}

// Sends and waits for the reply with the same seq; what comes between is queued. 0 or -1; the reply's result is the
// caller's.
static int ask(struct keeper_link *link, struct keeper_msg *m, int timeout_ms, struct keeper_msg *reply,
               struct seep_err *err)
{
    const int64_t deadline_ms = now_ms() + timeout_ms;
    int sent = 0;
    for (;;) {
        if (!sent && (sent = post(link, m, err)) < 0)
            return -1;
        int rc = wait_for(link, m->seq, reply, err);
        if (rc)
            return rc < 0 ? -1 : 0;
        int64_t left_ms = deadline_ms - now_ms();
        if (left_ms <= 0)
            return seep_fail(err, SEEP_E_SYSTEM, "the keeper did not answer within %d ms", timeout_ms);
        struct pollfd p = {.fd = link->fd, .events = sent ? POLLIN : POLLIN | POLLOUT};
        poll(&p, 1, (int)left_ms);
    }
}

static int ask_simple(struct keeper_link *link, struct keeper_msg m, struct keeper_msg *reply, const char *what,
                      struct seep_err *err)
{
    if (ask(link, &m, KEEPER_REPLY_MS, reply, err) < 0)
        return -1;
    return reply->result ? seep_fail_errno(err, reply->result, "the keeper could not %s", what) : 0;
}

int keeper_fd(const struct keeper_link *link)
{
    return link->fd;
}

int keeper_begin(struct keeper_link *link, struct seep_err *err)
{
    struct keeper_msg reply;
    return ask_simple(link, (struct keeper_msg){.type = KEEPER_MSG_START}, &reply, "start the target", err);
}

int keeper_signal(struct keeper_link *link, int sig, enum keeper_whom whom, unsigned flags, struct seep_err *err)
{
    struct keeper_msg reply, m = {.type = KEEPER_MSG_SIGNAL};
    m.u.signal = (struct keeper_signal){.sig = sig, .whom = whom, .flags = flags};
    if (ask(link, &m, KEEPER_REPLY_MS, &reply, err) < 0)
        return -1;
    if (reply.result == ESRCH)
        return seep_fail(err, SEEP_E_TARGET, "nobody is left to get signal %d", sig);
    return reply.result ? seep_fail_errno(err, reply.result, "signal %d could not be sent to the target", sig) : 0;
}

int keeper_knob(struct keeper_link *link, const char *file, const char *value, const char *undo, struct seep_err *err)
{
    struct keeper_msg reply, m = {.type = KEEPER_MSG_KNOB};
    snprintf(m.u.knob.file, sizeof m.u.knob.file, "%s", file);
    snprintf(m.u.knob.value, sizeof m.u.knob.value, "%s", value);
    snprintf(m.u.knob.undo, sizeof m.u.knob.undo, "%s", undo);
    if (ask(link, &m, KEEPER_REPLY_MS, &reply, err) < 0)
        return -1;
    return reply.result
               ? seep_fail_errno(err, reply.result, "the limit %s of the target's control group cannot be set", file)
               : 0;
}

int keeper_kill_all(struct keeper_link *link, int *left, struct seep_err *err)
{
    struct keeper_msg reply, m = {.type = KEEPER_MSG_KILL_ALL};
    if (ask(link, &m, 2 * KEEPER_REPLY_MS, &reply, err) < 0)
        return -1;
    *left = reply.result == ETIMEDOUT;
    if (reply.result && reply.result != ETIMEDOUT)
        return seep_fail_errno(err, reply.result, "the keeper could not kill the target's processes");
    return 0;
}

int keeper_status(struct keeper_link *link, struct keeper_stats *stats, struct seep_err *err)
{
    struct keeper_msg reply;
    if (ask_simple(link, (struct keeper_msg){.type = KEEPER_MSG_STATUS}, &reply, "say how it is", err) < 0)
        return -1;
    *stats = reply.u.stats;
    return 0;
}

int keeper_list_regions(struct keeper_link *link, struct seep_err *err)
{
    struct keeper_msg reply;
    return ask_simple(link, (struct keeper_msg){.type = KEEPER_MSG_LIST_REGIONS}, &reply, "list the regions", err);
}

int keeper_release_region(struct keeper_link *link, uint32_t id, struct seep_err *err)
{
    struct keeper_msg m = {.type = KEEPER_MSG_RELEASE_REGION};
    m.u.region.id = id;
    int sent = post(link, &m, err);
    return sent ? (sent > 0 ? 0 : -1) : seep_fail(err, SEEP_E_LIMIT, "the keeper takes no more requests now");
}

void keeper_close(struct keeper_link *link)
{
    if (link->magic != KEEPER_LINK_MAGIC)
        return;
    for (size_t i = 0; i < link->queued; i++) {
        close_fd(&link->queue[i].fd);
        close_fd(&link->queue[i].memory_fd);
    }
    link->queued = 0;
    close_fd(&link->fd);
    close_fd(&link->target_pidfd);
    close_fd(&link->output_fd[0]);
    close_fd(&link->output_fd[1]);
    link->lost_told = true;
    if (link->keeper_is_child && link->keeper_pid > 0)
        waitpid(link->keeper_pid, NULL, WNOHANG);
}

// The keeper closes the connection as the last thing it does; only our own child can also be reaped.
static void wait_for_end(struct keeper_link *link)
{
    for (int turns = 0; turns < KEEPER_REPLY_MS; turns += 5) {
        struct pollfd p = {.fd = link->fd, .events = 0};
        if (link->fd >= 0 && poll(&p, 1, 5) == 0)
            continue;
        if (!link->keeper_is_child || waitpid(link->keeper_pid, NULL, WNOHANG) != 0)
            return;
        close_fd(&link->fd);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

int keeper_shutdown(struct keeper_link *link, struct seep_err *err)
{
    struct keeper_msg reply, m = {.type = KEEPER_MSG_SHUTDOWN};
    if (ask(link, &m, KEEPER_REPLY_MS, &reply, err) < 0)
        return -1;
    if (reply.result == EBUSY)
        return seep_fail(err, SEEP_E_LIMIT, "the target or a descendant of it still lives, so its keeper stays");
    if (reply.result)
        return seep_fail_errno(err, reply.result, "the keeper could not end");
    wait_for_end(link);
    link->keeper_pid = 0;
    keeper_close(link);
    return 0;
}

// --- attaching
// ---------------------------------------------------------------------------------------------------------

static int connect_to(int run_dir_fd, struct seep_err *err)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "/proc/self/fd/%d/" KEEPER_SOCKET_NAME, run_dir_fd);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return seep_fail_errno(err, errno, "no socket for the keeper can be made");
    if (connect(fd, (struct sockaddr *)&name, sizeof name) == 0)
        return fd;
    int saved = errno;
    close(fd);
    if (saved == ENOENT || saved == ECONNREFUSED)
        return seep_fail(err, SEEP_E_TARGET, "no keeper of this run is alive");
    return seep_fail_errno(err, saved, "the keeper of this run cannot be reached");
}

static int check_peer(int fd, pid_t *pid, struct seep_err *err)
{
    struct ucred who;
    socklen_t len = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
        return seep_fail_errno(err, errno, "the keeper's identity cannot be read");
    if (who.uid != geteuid() && who.uid != 0)
        return seep_fail(err, SEEP_E_CORRUPT, "who answers as this run's keeper is user %u, not you", who.uid);
    *pid = who.pid;
    return 0;
}

int keeper_attach(int run_dir_fd, bool control, struct keeper_link *link, struct seep_err *err)
{
    keeper_link_init(link);
    int fd = connect_to(run_dir_fd, err);
    if (fd < 0)
        return -1;
    link->fd = fd;
    struct keeper_msg reply, m = {.type = KEEPER_MSG_HELLO};
    m.u.hello = (struct keeper_hello){.control = control, .pid = getpid(), .flags = KEEPER_HELLO_MEMORY};
    if (check_peer(fd, &link->keeper_pid, err) == 0 && ask(link, &m, KEEPER_REPLY_MS, &reply, err) == 0) {
        if (!reply.result)
            return 0;
        if (reply.result == EBUSY)
            seep_fail(err, SEEP_E_LIMIT, "another seep supervises this run already");
        else
            seep_fail_errno(err, reply.result, "the keeper of this run refused");
    }
    keeper_close(link);
    return -1;
}

// --- after the keeper was lost
// -------------------------------------------------------------------------------------------

uint64_t keeper_orphan_drain(struct keeper_link *link)
{
    static char sink[65536];
    uint64_t dropped = 0;
    for (int i = 0; i < 2; i++)
        for (int rounds = 0; rounds < 64 && link->output_fd[i] >= 0; rounds++) {
            ssize_t got = read(link->output_fd[i], sink, sizeof sink);
            if (got < 0)
                break;
            if (got == 0)
                close_fd(&link->output_fd[i]);
            dropped += (uint64_t)got;
        }
    return dropped;
}

int keeper_orphan_wait(struct keeper_link *link, struct keeper_exit_record *rec, struct seep_err *err)
{
    struct pollfd p = {.fd = link->target_pidfd, .events = POLLIN};
    if (link->target_pidfd < 0)
        return seep_fail(err, SEEP_E_UNSUPPORTED, "the target's end cannot be watched: its pidfd never came");
    if (poll(&p, 1, 0) == 0)
        return 0;
    *rec = (struct keeper_exit_record){.magic = KEEPER_EXIT_MAGIC,
                                       .version = KEEPER_VERSION,
                                       .size_bytes = sizeof *rec,
                                       .how = KEEPER_HOW_UNKNOWN,
                                       .end_mono_ns = (uint64_t)clock_mono_ns()};
    siginfo_t si = {0};
    if (waitid(P_PIDFD, (id_t)link->target_pidfd, &si, WEXITED | WNOHANG) == 0 && si.si_pid > 0) {
        rec->pid = si.si_pid;
        rec->si_code = si.si_code;
        rec->status = si.si_status;
        rec->how = si.si_code == CLD_EXITED   ? KEEPER_HOW_EXITED
                   : si.si_code == CLD_DUMPED ? KEEPER_HOW_CORE
                                              : KEEPER_HOW_SIGNALLED;
        rec->oom = rec->how != KEEPER_HOW_EXITED && rec->status == SIGKILL ? KEEPER_OOM_UNKNOWN : KEEPER_OOM_NO;
    }
    return 1;
}
