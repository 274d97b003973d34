// Supervisors: the control socket, requests of fixed size, and the telling of what has not been told.
//
// Events are not queued. What a supervisor must know is state; flags say what the present one was told, and a new one
// clears them, so it learns everything again. A supervisor that does not read loses nothing and blocks nothing.
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGES_A_TURN 16

static void drop_client(struct keeper_client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    *c = (struct keeper_client){.fd = -1};
}

struct keeper_client *keeper_ctl_master(struct keeper *k)
{
    for (int i = 0; i < KEEPER_CLIENTS_MAX; i++)
        if (k->clients[i].fd >= 0 && k->clients[i].control)
            return &k->clients[i];
    return NULL;
}

// The first supervisor needs no HELLO: it is the one that started us. The working directory is the run directory, so
// the name alone is short enough for sun_path.
void keeper_ctl_open(struct keeper *k)
{
    for (int i = 0; i < KEEPER_CLIENTS_MAX; i++)
        k->clients[i].fd = -1;
    fcntl(KEEPER_FD_LINK, F_SETFL, O_NONBLOCK);
    k->clients[0] = (struct keeper_client){.fd = KEEPER_FD_LINK, .control = true};
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = KEEPER_SOCKET_NAME};
    k->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlinkat(k->run_dir_fd, KEEPER_SOCKET_NAME, 0); // of a keeper that was killed in this directory
    if (k->listen_fd < 0 || bind(k->listen_fd, (struct sockaddr *)&name, sizeof name) < 0 ||
        listen(k->listen_fd, KEEPER_CLIENTS_MAX) < 0) {
        if (k->listen_fd >= 0)
            close(k->listen_fd);
        k->listen_fd = -1; // the run works, only not without its first supervisor: it sees the missing socket
    }
}

void keeper_ctl_accept(struct keeper *k)
{
    int fd = accept4(k->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct ucred who;
    socklen_t len = sizeof who;
    bool ok = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && (who.uid == geteuid() || who.uid == 0);
    for (int i = 0; ok && i < KEEPER_CLIENTS_MAX; i++)
        if (k->clients[i].fd < 0) {
            k->clients[i] = (struct keeper_client){.fd = fd};
            return;
        }
    close(fd);
}

bool keeper_ctl_send(struct keeper *k, struct keeper_client *c, struct keeper_msg *m, const int *fds, size_t fd_count)
{
    (void)k;
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(3 * sizeof(int))];
    } control = {0};
    m->magic = KEEPER_MAGIC;
    m->version = KEEPER_VERSION;
    struct iovec iov = {.iov_base = m, .iov_len = sizeof *m};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd_count) {
        msg.msg_control = control.room;
        msg.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(h), fds, fd_count * sizeof(int));
    }
    return sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof *m;
}

static struct keeper_stats stats_now(struct keeper *k)
{
    k->stats.state = k->state;
    return k->stats;
}

static int take_signal(struct keeper *k, const struct keeper_signal *s)
{
    if (s->sig < 0 || s->sig > SIGRTMAX)
        return EINVAL;
    // Noted before it is sent: the target may end before the next line runs.
    if (s->flags & KEEPER_SIGNAL_STOP && !k->stop_signal && !k->has_exited && s->sig) {
        k->stop_signal = s->sig;
        k->stop_mono_ns = keeper_now_ns();
    }
    if (s->sig == SIGKILL && !k->has_exited)
        k->killed_by_us = true;
    keeper_undo_note_signal(s);
    return s->whom == KEEPER_WHOM_MAIN ? keeper_signal_main(k, s->sig)
                                       : keeper_signal_many(k, s->sig, s->whom == KEEPER_WHOM_GROUP);
}

static int take_hello(struct keeper *k, struct keeper_client *c, const struct keeper_hello *h)
{
    struct keeper_client *master = keeper_ctl_master(k);
    if (!h->control)
        return 0;
    if (master && master != c)
        return EBUSY;
    c->control = true;
    c->memory = h->flags & KEEPER_HELLO_MEMORY;
    k->told = 0;
    return 0;
}

static int take(struct keeper *k, struct keeper_client *c, const struct keeper_msg *m)
{
    if (!c->control && m->type != KEEPER_MSG_HELLO && m->type != KEEPER_MSG_STATUS)
        return EPERM;
    switch (m->type) {
    case KEEPER_MSG_HELLO:
        return take_hello(k, c, &m->u.hello);
    case KEEPER_MSG_START:
        return keeper_happens(k, HAPPENS_START);
    case KEEPER_MSG_SIGNAL:
        return take_signal(k, &m->u.signal);
    case KEEPER_MSG_KILL_ALL:
        return keeper_kill_everybody(k) ? 0 : ETIMEDOUT;
    case KEEPER_MSG_STATUS:
        return 0;
    case KEEPER_MSG_LIST_REGIONS: // before the reply, so that whoever has the reply has them all
        keeper_region_push(k, c, true);
        return 0;
    case KEEPER_MSG_RELEASE_REGION:
        return keeper_region_release(k, m->u.region.id);
    case KEEPER_MSG_KNOB:
        return keeper_knob_set(k, &m->u.knob);
    case KEEPER_MSG_SHUTDOWN:
        return keeper_happens(k, HAPPENS_SHUTDOWN);
    default:
        return EINVAL;
    }
}

static bool read_one(struct keeper *k, struct keeper_client *c)
{
    struct keeper_msg m;
    ssize_t got = recv(c->fd, &m, sizeof m, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got <= 0) {
        drop_client(c);
        return false;
    }
    struct keeper_msg reply = {.type = KEEPER_MSG_REPLY};
    bool understood = got == (ssize_t)sizeof m && m.magic == KEEPER_MAGIC && m.version == KEEPER_VERSION;
    if (understood) {
        reply.seq = m.seq;
        reply.result = take(k, c, &m);
        if (m.type == KEEPER_MSG_RELEASE_REGION) // many may come at once: their replies would take the room of others
            return true;
    } else {
        reply.result = EPROTONOSUPPORT; // the version of ours stands in the reply
    }
    reply.u.stats = stats_now(k);
    if (!keeper_ctl_send(k, c, &reply, NULL, 0) && errno != EAGAIN) {
        drop_client(c);
        return false;
    }
    if (understood && !reply.result && m.type == KEEPER_MSG_HELLO && c->control)
        keeper_region_push(k, c, true);
    return understood;
}

void keeper_ctl_read(struct keeper *k, struct keeper_client *c)
{
    for (int i = 0; i < MESSAGES_A_TURN && c->fd >= 0 && k->state != KEEPER_LEAVING; i++)
        if (!read_one(k, c))
            return;
}

static void push_started(struct keeper *k, struct keeper_client *c)
{
    struct keeper_msg m = {.type = KEEPER_MSG_STARTED};
    int fds[3] = {k->pidfd, k->streams[0].fd, k->streams[1].fd};
    size_t count = k->pidfd >= 0;
    m.u.started = (struct keeper_started){
        .pid = k->pid,
        .starttime_ticks = k->stats.target_starttime_ticks,
        .mono_ns = k->start_mono_ns,
        .real_ns = k->start_real_ns,
    };
    // Streams that have ended need no guardian; both or none keeps the message simple.
    if (count && fds[1] >= 0 && fds[2] >= 0) {
        m.u.started.captured = 1;
        count = 3;
    }
    if (keeper_ctl_send(k, c, &m, fds, count))
        k->told |= TOLD_STARTED;
}

static void push_once(struct keeper *k, struct keeper_client *c, uint32_t flag, struct keeper_msg *m)
{
    if (!(k->told & flag) && keeper_ctl_send(k, c, m, NULL, 0))
        k->told |= flag;
}

void keeper_ctl_push(struct keeper *k)
{
    struct keeper_client *c = keeper_ctl_master(k);
    if (!c || keeper_undo_pending(k))
        return;
    bool started = k->state >= KEEPER_RUNNING && !k->has_failed && k->pid > 0;
    if (started && !(k->told & TOLD_STARTED))
        push_started(k, c);
    keeper_region_push(k, c, false);
    if (k->has_failed && k->state == KEEPER_EMPTY)
        push_once(k, c, TOLD_FAILED, &(struct keeper_msg){.type = KEEPER_MSG_START_FAILED, .u.failed = k->failed});
    if (k->has_exited)
        push_once(k, c, TOLD_EXITED, &(struct keeper_msg){.type = KEEPER_MSG_EXITED, .u.exit = k->exit});
    if (started && k->state == KEEPER_EMPTY)
        push_once(k, c, TOLD_EMPTY, &(struct keeper_msg){.type = KEEPER_MSG_EMPTY, .u.stats = stats_now(k)});
    uint64_t now = keeper_now_ns();
    if (!k->stats_changed || now - k->stats_told_ns < 1000000000u)
        return;
    struct keeper_msg m = {.type = KEEPER_MSG_STATS, .u.stats = stats_now(k)};
    if (keeper_ctl_send(k, c, &m, NULL, 0)) {
        k->stats_told_ns = now;
        k->stats_changed = false;
    }
}
