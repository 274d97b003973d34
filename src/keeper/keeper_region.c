// Shared regions for the probe: made here, outside the target's cgroup, before the target needs them, and kept after
// its death.
//
// A process of the tree connects to an abstract socket and says hello; it gets a sealed memfd whose first part is
// allocated, and the keeper allocates more ahead of need for as long as the region exists. The target can write
// anything into a region at any time: it is read by pread(2), which cannot fault, and a value read is clamped to the
// region's size.
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "seep_region.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define HELLOS_MAX    15
#define HELLO_WAIT_NS 2000000000u
#define AHEAD_MAIN    (16u << 20) // committed beyond what is in use
#define AHEAD_CHILD   (4u << 20)
#define TICK_MS       50 // between two looks at how much is in use
#define HURRY_MS      5  // the same while a program starts or a pool grows fast
#define HURRY_NS      200000000u
#define HURRY_CHUNKS  8 // from one look to the next: that is fast
#define LOOKS_AHEAD   8 // what grows fast is given enough for so many looks
#define SPARES        2

struct region {
    int fd; // -1: free slot
    uint32_t id, generation;
    pid_t pid; // 0: spare
    uint64_t starttime, committed;
    uint64_t chunks; // of the pool, in use when last looked at
    bool main, told;
    struct seep_layout layout;
};
static struct region regions[KEEPER_REGIONS_MAX];
static struct region spares[SPARES], main_spare;
static struct {
    int fd;
    uint64_t since_ns;
} hellos[HELLOS_MAX];
static int probe_fd = -1;
static uint32_t last_id;
static bool children_seen; // spares for children only once there are any
static uint64_t hurry_until_ns;

static void forget(struct keeper *k, struct region *r)
{
    if (r->fd >= 0)
        close(r->fd);
    k->stats.region_bytes -= r->committed;
    *r = (struct region){.fd = -1};
}

// epoch, mean and history come from the main process's region, so that a child born late counts in the same epochs.
// Never from the new region itself: it has nothing but zeros, which read as exact mode.
static void fill_control(const struct region *fresh, struct seep_control *control, uint64_t committed)
{
    for (int i = 0; i < KEEPER_REGIONS_MAX; i++)
        if (&regions[i] != fresh && regions[i].fd >= 0 && regions[i].main &&
            pread(regions[i].fd, control, sizeof *control, (off_t)regions[i].layout.control_offset) > 0)
            break;
    control->committed_bytes = committed;
    control->ring_tail = 0;
}

static bool initialise(struct keeper *k, struct region *r)
{
    static struct seep_header header;
    static struct seep_control control;
    memset(&header, 0, sizeof header);
    memset(&control, 0, sizeof control);
    seep_region_init(&header, &control, &r->layout, r->committed, 0, k->cfg->sample_mean_bytes);
    fill_control(r, &control, r->committed);
    return pwrite(r->fd, &header, sizeof header, 0) == (ssize_t)sizeof header &&
           pwrite(r->fd, &control, sizeof control, (off_t)r->layout.control_offset) == (ssize_t)sizeof control;
}

// Pages that are allocated but were never touched are cleared at the target's first touch, one fault for each. Touched
// here before, they are cleared in our time, and the kernel maps sixteen of them at one fault of the target's. Where it
// cannot be done (before Linux 5.14) all works as well.
static void touch(int fd, uint64_t from, uint64_t end)
{
    uint64_t start = from & ~4095ull;
    void *p = end > start ? mmap(NULL, end - start, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)start) : MAP_FAILED;
    if (p == MAP_FAILED)
        return;
    (void)!madvise(p, end - start, MADV_POPULATE_WRITE);
    munmap(p, end - start);
}

// What every program touches: all up to the first part of the index, and the pool.
static void touch_first(const struct region *r)
{
    const struct seep_layout *l = &r->layout;
    touch(r->fd, 0, l->index_offset + 8ull * seep_index_small(l));
    touch(r->fd, l->ring_offset, r->committed);
}

static bool create(struct keeper *k, struct region *r, uint64_t size)
{
    *r = (struct region){.fd = -1};
    if (seep_layout_compute(size, &r->layout) < 0)
        return false;
    uint64_t first = seep_region_first_commit(&r->layout);
    if (k->stats.region_bytes + first > k->cfg->regions_total_bytes)
        return false;
    r->fd = memfd_create("seep-probe", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (r->fd < 0 || ftruncate(r->fd, (off_t)size) < 0 || fallocate(r->fd, 0, 0, (off_t)first) < 0 ||
        fcntl(r->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        k->stats.warnings |= KEEPER_WARN_REGION_NOMEM;
        forget(k, r);
        return false;
    }
    r->committed = first;
    k->stats.region_bytes += first;
    return true;
}

// How far ahead of its use the pool is committed: a program that starts may take a megabyte within a few milliseconds,
// and what it finds no room for has lost its stack for good.
static uint64_t ahead_of(const struct region *r, uint64_t grown_chunks)
{
    uint64_t usual = r->main ? AHEAD_MAIN : AHEAD_CHILD, fast = LOOKS_AHEAD * grown_chunks * SEEP_CHUNK_BYTES;
    return fast < usual ? usual : fast < AHEAD_MAIN ? fast : AHEAD_MAIN;
}

// Announced only after it is allocated; a probe that sees the old value keeps to the old part. Touched after that: who
// is in a hurry can do with what is not.
static void commit(struct keeper *k, struct region *r, uint64_t want)
{
    uint64_t had = r->committed;
    if (k->stats.region_bytes + (want - had) > k->cfg->regions_total_bytes)
        return;
    if (fallocate(r->fd, 0, (off_t)had, (off_t)(want - had)) < 0) {
        k->stats.warnings |= KEEPER_WARN_REGION_NOMEM;
        return;
    }
    r->committed = want;
    k->stats.region_bytes += want - had;
    (void)!pwrite(r->fd, &r->committed, sizeof r->committed,
                  (off_t)(r->layout.control_offset + offsetof(struct seep_control, committed_bytes)));
    touch(r->fd, had, want);
}

static void commit_more(struct keeper *k, struct region *r)
{
    uint64_t next = 0, total = r->layout.total_bytes;
    if (r->committed >= total ||
        pread(r->fd, &next, sizeof next, offsetof(struct seep_header, pool_next)) != (ssize_t)sizeof next)
        return;
    if (next > r->layout.pool_chunks)
        next = r->layout.pool_chunks;
    uint64_t grown = next > r->chunks ? next - r->chunks : 0, ahead = ahead_of(r, grown);
    uint64_t used = r->layout.pool_offset + next * SEEP_CHUNK_BYTES;
    uint64_t want = used + ahead < total ? used + ahead : total;
    r->chunks = next;
    if (grown >= HURRY_CHUNKS)
        hurry_until_ns = keeper_now_ns() + HURRY_NS;
    if (used + ahead / 2 > r->committed && want > r->committed)
        commit(k, r, want);
}

// The abstract name lives in the network namespace of the caller; a target in one of its own has no probe, which the
// supervisor reports as not instrumented.
void keeper_region_open(struct keeper *k)
{
    for (int i = 0; i < KEEPER_REGIONS_MAX; i++)
        regions[i].fd = -1;
    for (int i = 0; i < SPARES; i++)
        spares[i].fd = -1;
    for (int i = 0; i < HELLOS_MAX; i++)
        hellos[i].fd = -1;
    main_spare.fd = -1;
    const char *name = keeper_string(k, k->cfg->probe);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (!name || strlen(name) > sizeof at.sun_path - 2)
        return;
    memcpy(at.sun_path + 1, name, strlen(name));
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    probe_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe_fd < 0 || bind(probe_fd, (struct sockaddr *)&at, len) < 0 || listen(probe_fd, 128) < 0) {
        k->stats.warnings |= KEEPER_WARN_REGION_NOMEM;
        if (probe_fd >= 0)
            close(probe_fd);
        probe_fd = -1;
        return;
    }
    if (create(k, &main_spare, seep_region_size_for(k->cfg->main_region_bytes, UINT64_MAX))) {
        touch_first(&main_spare);
        main_spare.main = true;
        commit_more(k, &main_spare); // nobody waits yet
    }
}

size_t keeper_region_poll(struct keeper *k, struct pollfd *fds)
{
    (void)k;
    size_t n = 0;
    fds[n++] = (struct pollfd){.fd = probe_fd, .events = POLLIN};
    for (int i = 0; i < HELLOS_MAX; i++)
        fds[n++] = (struct pollfd){.fd = hellos[i].fd, .events = POLLIN};
    return n;
}

static bool process_gone(const struct region *r)
{
    return keeper_starttime(r->pid) != r->starttime;
}

// A free slot, or the one of the child that died longest ago.
static struct region *find_slot(struct keeper *k)
{
    struct region *oldest = NULL;
    for (int i = 0; i < KEEPER_REGIONS_MAX; i++) {
        if (regions[i].fd < 0)
            return &regions[i];
        if (!regions[i].main && (!oldest || regions[i].id < oldest->id) && process_gone(&regions[i]))
            oldest = &regions[i];
    }
    if (oldest) {
        k->stats.regions_dropped++;
        k->stats.warnings |= KEEPER_WARN_REGION_DROPPED;
        forget(k, oldest);
    }
    return oldest;
}

static bool take_spare(struct region *spare, uint64_t size, struct region *into)
{
    if (spare->fd < 0 || spare->layout.total_bytes != size)
        return false;
    *into = *spare;
    *spare = (struct region){.fd = -1};
    return true;
}

static struct region *region_for(struct keeper *k, pid_t pid, const struct seep_hello *hello)
{
    bool main = pid == k->pid;
    uint64_t size =
        seep_region_size_for(main ? k->cfg->main_region_bytes : k->cfg->child_region_bytes, hello->as_limit_bytes);
    struct region *r = size ? find_slot(k) : NULL;
    if (!r)
        return NULL;
    uint32_t generation = 0;
    for (int i = 0; i < KEEPER_REGIONS_MAX; i++)
        if (regions[i].fd >= 0 && regions[i].pid == pid && regions[i].generation >= generation)
            generation = regions[i].generation + 1;
    bool have = main && take_spare(&main_spare, size, r);
    for (int i = 0; !have && i < SPARES; i++)
        have = take_spare(&spares[i], size, r);
    if (!have && !create(k, r, size))
        return NULL;
    r->pid = pid;
    r->main = main;
    r->generation = generation;
    r->starttime = keeper_starttime(pid);
    r->id = ++last_id;
    children_seen |= !main;
    hurry_until_ns = keeper_now_ns() + HURRY_NS;
    if (initialise(k, r))
        return r;
    forget(k, r);
    return NULL;
}

static void answer(int fd, const struct region *r)
{
    struct seep_hello_reply reply = {.magic = SEEP_WIRE_MAGIC, .version = SEEP_WIRE_VERSION};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {.iov_base = &reply, .iov_len = sizeof reply};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (r) {
        reply.answer = SEEP_ANSWER_REGION;
        reply.region_bytes = r->layout.total_bytes;
        msg.msg_control = control.room;
        msg.msg_controllen = sizeof control.room;
        struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(h), &r->fd, sizeof(int));
    }
    sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// The uid is not compared: a daemon drops it. Whoever is below the keeper is the target.
static void serve(struct keeper *k, int fd)
{
    struct seep_hello hello;
    struct ucred who;
    socklen_t len = sizeof who;
    ssize_t got = recv(fd, &hello, sizeof hello, MSG_DONTWAIT | MSG_TRUNC);
    if (got == 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
        return;
    struct region *r = NULL;
    if (got != (ssize_t)sizeof hello || hello.magic != SEEP_WIRE_MAGIC || hello.version != SEEP_WIRE_VERSION ||
        !keeper_is_descendant(who.pid)) {
        k->stats.hellos_rejected++;
        k->stats.warnings |= KEEPER_WARN_PROBE_REJECTED;
    } else if (!(r = region_for(k, who.pid, &hello))) {
        k->stats.regions_refused++;
        k->stats.warnings |= KEEPER_WARN_REGION_REFUSED;
    }
    k->stats_changed = true;
    answer(fd, r);
}

void keeper_region_handle(struct keeper *k, const struct pollfd *fds, size_t count)
{
    uint64_t now = keeper_now_ns();
    for (size_t i = 1; i < count; i++) {
        if (fds[i].fd < 0 || (!fds[i].revents && now - hellos[i - 1].since_ns < HELLO_WAIT_NS))
            continue;
        if (fds[i].revents)
            serve(k, fds[i].fd);
        close(fds[i].fd);
        hellos[i - 1].fd = -1;
    }
    if (!fds[0].revents)
        return;
    for (int i = 0; i < HELLOS_MAX; i++)
        if (hellos[i].fd < 0) {
            hellos[i].fd = accept4(probe_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
            hellos[i].since_ns = now;
            if (hellos[i].fd < 0)
                return;
        }
}

static int tick_ms(void)
{
    return keeper_now_ns() < hurry_until_ns ? HURRY_MS : TICK_MS;
}

int keeper_region_timeout_ms(struct keeper *k)
{
    for (int i = 0; i < HELLOS_MAX; i++)
        if (hellos[i].fd >= 0)
            return tick_ms();
    if (k->state != KEEPER_RUNNING && k->state != KEEPER_LINGERING)
        return -1;
    for (int i = 0; i < KEEPER_REGIONS_MAX; i++)
        if (regions[i].fd >= 0 && regions[i].committed < regions[i].layout.total_bytes)
            return tick_ms();
    return -1;
}

void keeper_region_tick(struct keeper *k)
{
    static uint64_t last_ns;
    uint64_t now = keeper_now_ns();
    if (probe_fd < 0 || now - last_ns < (uint64_t)tick_ms() * 1000000u)
        return;
    last_ns = now;
    k->stats.regions = 0;
    for (int i = 0; i < KEEPER_REGIONS_MAX; i++)
        if (regions[i].fd >= 0) {
            k->stats.regions++;
            commit_more(k, &regions[i]);
        }
    // One a tick: making one takes milliseconds, in which a child that has just come may need more.
    for (int i = 0; i < SPARES && children_seen && k->state != KEEPER_EMPTY; i++)
        if (spares[i].fd < 0) {
            if (create(k, &spares[i], seep_region_size_for(k->cfg->child_region_bytes, UINT64_MAX)))
                touch_first(&spares[i]);
            return;
        }
}

// For reading alone, and of the process that the region is of; -1 where even the keeper may not.
static int open_memory(const struct region *r)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)r->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && process_gone(r)) {
        close(fd);
        return -1;
    }
    return fd;
}

void keeper_region_push(struct keeper *k, struct keeper_client *c, bool again)
{
    for (int i = 0; i < KEEPER_REGIONS_MAX; i++) {
        struct region *r = &regions[i];
        if (again)
            r->told = false;
        if (r->fd < 0 || r->told)
            continue;
        struct keeper_msg m = {.type = KEEPER_MSG_REGION};
        m.u.region = (struct keeper_region){
            .id = r->id,
            .pid = r->pid,
            .starttime_ticks = r->starttime,
            .size_bytes = r->layout.total_bytes,
            .main = r->main,
            .generation = r->generation,
        };
        int fds[2] = {r->fd, c->memory ? open_memory(r) : -1};
        r->told = keeper_ctl_send(k, c, &m, fds, fds[1] < 0 ? 1 : 2);
        if (fds[1] >= 0)
            close(fds[1]);
    }
}

int keeper_region_release(struct keeper *k, uint32_t id)
{
    for (int i = 0; i < KEEPER_REGIONS_MAX; i++)
        if (regions[i].fd >= 0 && regions[i].id == id) {
            forget(k, &regions[i]);
            return 0;
        }
    return ENOENT;
}
