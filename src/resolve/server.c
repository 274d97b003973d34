// The resolver process: lock in, then answer requests until the client goes. See resolve.h (resolve_main) and proto.h.
//
// It keeps PROTO_SLOTS files; which file is in which slot is the client's business. A request it does not understand
// ends the process: the client is the same build, so this is damage, and a fresh process is cheaper than a repair.
#include "resolve/find.h"
#include "resolve/names.h"
#include "resolve/sandbox.h"
#include "resolve/unwind.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

struct server {
    int sock;
    struct elf_file files[PROTO_SLOTS];
    struct seep_buf in, out;
};

static bool serve_load(struct server *s, struct proto_cursor *c, int *fd)
{
    struct proto_load req;
    if (!proto_take(c, &req, sizeof req) || req.slot >= PROTO_SLOTS || req.build_id_len > RESOLVE_BUILD_ID_MAX ||
        *fd < 0)
        return false;
    struct elf_file *f = &s->files[req.slot];
    struct proto_loaded reply;
    memset(&reply, 0, sizeof reply);
    if (req.part == PROTO_PART_MAIN) {
        elf_file_close(f);
        elf_file_open(f, &req, *fd, &reply);
    } else {
        elf_file_add(f, &req, *fd, &reply);
    }
    *fd = -1;
    buf_add(&s->out, &reply, sizeof reply);
    return true;
}

static bool serve_names(struct server *s, struct proto_cursor *c)
{
    struct proto_names req;
    if (!proto_take(c, &req, sizeof req) || req.slot >= PROTO_SLOTS || req.n > PROTO_BATCH)
        return false;
    uint32_t answered = 0;
    buf_add(&s->out, &answered, sizeof answered);
    while (answered < req.n && s->out.len < PROTO_REPLY_SOFT) {
        struct proto_pc pc;
        if (!proto_take(c, &pc, sizeof pc))
            return false;
        names_lookup(&s->files[req.slot], &pc, &s->out);
        answered++;
    }
    if (s->out.failed)
        return false;
    memcpy(s->out.data, &answered, sizeof answered);
    return true;
}

static bool serve_split(struct server *s, struct proto_cursor *c)
{
    struct proto_names req;
    if (!proto_take(c, &req, sizeof req) || req.slot >= PROTO_SLOTS || req.n > PROTO_BATCH)
        return false;
    for (uint32_t i = 0; i < req.n; i++) {
        struct proto_pc pc;
        if (!proto_take(c, &pc, sizeof pc))
            return false;
        names_split(&s->files[req.slot], &pc, &s->out);
    }
    return true;
}

static bool serve_unwind(struct server *s, struct proto_cursor *c)
{
    struct proto_unwind req;
    if (!proto_take(c, &req, sizeof req) || req.n_maps > PROTO_MAPS_MAX || req.stack_len > RESOLVE_STACK_MAX)
        return false;
    const uint8_t *map_bytes = proto_bytes(c, req.n_maps * sizeof(struct proto_map));
    const uint8_t *stack = proto_bytes(c, req.stack_len);
    struct proto_map *maps = calloc(req.n_maps + 1, sizeof *maps);
    if (c->bad || !maps) {
        free(maps);
        return false;
    }
    memcpy(maps, map_bytes, req.n_maps * sizeof *maps);
    bool ok = true;
    for (uint32_t i = 0; i < req.n_maps; i++)
        ok = ok && maps[i].slot < PROTO_SLOTS;
    struct resolve_unwound u;
    if (ok) {
        unwind_copied(s->files, maps, req.n_maps, &req, stack, &u);
        struct proto_unwound head = {.n = (uint32_t)u.n, .end = u.end, .guessed_from = (uint32_t)u.guessed_from};
        buf_add(&s->out, &head, sizeof head);
        for (size_t i = 0; i < u.n; i++) {
            struct proto_step step = {.pc = u.pc[i],
                                      .sp = u.sp[i],
                                      .bp = u.bp[i],
                                      .bp_at = u.bp_at[i],
                                      .bias = u.bias[i],
                                      .exact = u.exact[i]};
            buf_add(&s->out, &step, sizeof step);
        }
    }
    free(maps);
    return ok;
}

static bool serve_find(struct server *s, struct proto_cursor *c)
{
    struct proto_find req;
    if (!proto_take(c, &req, sizeof req) || req.slot >= PROTO_SLOTS || req.n > PROTO_FIND_MAX)
        return false;
    for (uint32_t i = 0; i < req.n; i++) {
        const char *name = (const char *)proto_bytes(c, PROTO_FIND_NAME);
        struct resolve_symbol found;
        if (!name || name[PROTO_FIND_NAME - 1])
            return false;
        find_symbol(&s->files[req.slot], name, &found);
        buf_add(&s->out, &found, sizeof found);
    }
    return true;
}

static bool serve(struct server *s, const struct proto_head *head, int *fd)
{
    struct proto_cursor c = {.at = (const uint8_t *)s->in.data, .left = s->in.len};
    buf_clear(&s->out);
    switch (head->type) {
    case PROTO_LOAD:
        return serve_load(s, &c, fd);
    case PROTO_NAMES:
        return serve_names(s, &c);
    case PROTO_SPLIT:
        return serve_split(s, &c);
    case PROTO_UNWIND:
        return serve_unwind(s, &c);
    case PROTO_FIND:
        return serve_find(s, &c);
    default:
        return false;
    }
}

// CPU time of one request. The default action of SIGPROF ends the process; the client sees a crash.
static void cpu_alarm(uint32_t seconds)
{
    struct itimerval t = {.it_value = {.tv_sec = (time_t)seconds}};
    setitimer(ITIMER_PROF, &t, NULL);
}

static int serve_all(struct server *s)
{
    for (;;) {
        struct proto_head head;
        int fd;
        int rc = proto_recv(s->sock, &head, &s->in, &fd, -1);
        if (rc != 0) {
            if (fd >= 0)
                close(fd);
            return rc > 0 ? 0 : 1;
        }
        cpu_alarm(head.cpu_s);
        bool ok = serve(s, &head, &fd);
        cpu_alarm(0);
        if (fd >= 0)
            close(fd);
        if (!ok || s->out.failed)
            return 1;
        head.len = (uint32_t)s->out.len;
        if (proto_send(s->sock, &head, s->out.data, -1, -1) != 0)
            return 1;
    }
}

static void forget_the_client(int sock)
{
    signal(SIGPROF, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    // Standard error stays for the message of a failed check; everything else that was inherited goes.
    if (sock > 3)
        close_range(3, (unsigned)sock - 1, 0);
    close_range((unsigned)(sock < 3 ? 3 : sock + 1), ~0U, 0);
}

int resolve_main(int socket_fd)
{
    forget_the_client(socket_fd);
    struct server *s = calloc(1, sizeof *s);
    if (!s)
        return 1;
    s->sock = socket_fd;
    buf_init(&s->in, PROTO_BODY_MAX);
    buf_init(&s->out, 2 * PROTO_BODY_MAX);
    elf_version(EV_CURRENT);
    if (sandbox_limits() != 0 || sandbox_enter() != 0)
        _exit(1);
    int rc = serve_all(s);
    for (size_t i = 0; i < PROTO_SLOTS; i++)
        elf_file_close(&s->files[i]);
    buf_free(&s->in);
    buf_free(&s->out);
    free(s);
    // Not exit(): handlers of the client's image (leak checkers, counters) would need rights that are gone.
    _exit(rc);
}
