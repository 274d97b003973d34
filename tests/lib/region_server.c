// See region_server.h.
#include "region_server.h"

#include "seep_region.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SEEP_BUILD_DIR
#error "compile with SEEP_BUILD_DIR"
#endif

static void need(int ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    abort();
}

int region_make(uint64_t bytes, uint64_t committed, uint64_t mean_bytes)
{
    struct seep_layout l;
    need(seep_layout_compute(bytes, &l) == 0, "layout");
    if (!committed)
        committed = bytes;
    int fd = memfd_create("seep-probe-region", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    need(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0, "memfd");
    need(posix_fallocate(fd, 0, (off_t)committed) == 0, "fallocate");
    uint8_t *p = mmap(NULL, l.threads_offset, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    need(p != MAP_FAILED, "mmap");
    seep_region_init((struct seep_header *)p, (struct seep_control *)(p + l.control_offset), &l, committed, 0,
                     mean_bytes);
    munmap(p, l.threads_offset);
    need(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0, "seal");
    return fd;
}

static uint64_t first_commit(uint64_t bytes)
{
    struct seep_layout l;
    need(seep_layout_compute(bytes, &l) == 0, "layout");
    return seep_region_first_commit(&l);
}

static void send_reply(int fd, int region, uint64_t bytes)
{
    struct seep_hello_reply r = {.magic = SEEP_WIRE_MAGIC, .version = SEEP_WIRE_VERSION};
    r.answer = region >= 0 ? SEEP_ANSWER_REGION : SEEP_ANSWER_NONE;
    r.region_bytes = region >= 0 ? bytes : 0;
    char space[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {&r, sizeof r};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (region >= 0) {
        m.msg_control = space;
        m.msg_controllen = sizeof space;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &region, sizeof region);
    }
    sendmsg(fd, &m, MSG_NOSIGNAL);
}

// Allocates the rest of a region in steps and lets the probe have it, as the keeper does.
static void commit_rest(int fd, uint64_t bytes)
{
    struct seep_layout l;
    need(seep_layout_compute(bytes, &l) == 0, "layout");
    struct seep_control *c = mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)l.control_offset);
    need(c != MAP_FAILED, "mmap");
    for (uint64_t at = seep_region_first_commit(&l); at < bytes;) {
        uint64_t step = bytes - at < (8u << 20) ? bytes - at : 8u << 20;
        need(posix_fallocate(fd, (off_t)at, (off_t)step) == 0, "fallocate");
        at += step;
        __atomic_store_n(&c->committed_bytes, at, __ATOMIC_RELEASE);
    }
    munmap(c, sizeof *c);
}

static void serve_one(struct region_server *s, int fd)
{
    struct seep_hello h;
    struct ucred who;
    socklen_t len = sizeof who;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, 1000) != 1 || recv(fd, &h, sizeof h, 0) != sizeof h || h.magic != SEEP_WIRE_MAGIC)
        return;
    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len);
    uint64_t bytes = seep_region_size_for(s->region_bytes, h.as_limit_bytes);
    int region = -1;
    if (s->regions < s->most && s->regions < REGION_SERVER_MAX && bytes)
        region = region_make(bytes, first_commit(bytes), s->mean_bytes);
    if (region >= 0) {
        s->fd[s->regions] = region;
        s->pid[s->regions] = who.pid;
        __atomic_store_n(&s->regions, s->regions + 1, __ATOMIC_RELEASE);
    } else {
        s->refused++;
    }
    send_reply(fd, region, bytes);
    if (region >= 0)
        commit_rest(region, bytes);
}

static void *serve(void *arg)
{
    struct region_server *s = arg;
    int muted[64], n = 0;
    for (;;) {
        struct pollfd p[2] = {{.fd = s->listen_fd, .events = POLLIN}, {.fd = s->stop_fd, .events = POLLIN}};
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            break;
        if (p[1].revents)
            break;
        int fd = p[0].revents ? accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (fd < 0)
            continue;
        if (s->mute && n < 64) {
            muted[n++] = fd;
            continue;
        }
        serve_one(s, fd);
        close(fd);
    }
    while (n)
        close(muted[--n]);
    return NULL;
}

// What the supervisor tells the probe: a machine that tests within a sandbox of its own is no reason to stay off.
static unsigned own_filters(void)
{
    char line[256];
    unsigned n = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Seccomp_filters: %u", &n) == 1)
            break;
    if (f)
        fclose(f);
    return n;
}

void region_server_start(struct region_server *s, unsigned flags)
{
    s->region_bytes = s->region_bytes ? s->region_bytes : 64u << 20;
    s->most = s->most ? s->most : REGION_SERVER_MAX;
    char hex[33];
    snprintf(hex, sizeof hex, "%08x%016llx", (unsigned)getpid(), (unsigned long long)(uintptr_t)s ^ (uint64_t)clock());
    snprintf(s->setting, sizeof s->setting, "%s:%u:%u", hex, flags, own_filters());
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int n = snprintf(a.sun_path + 1, sizeof a.sun_path - 1, SEEP_SOCKET_PREFIX "%s", hex);
    s->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    s->stop_fd = eventfd(0, EFD_CLOEXEC);
    need(bind(s->listen_fd, (struct sockaddr *)&a,
              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0,
         "bind");
    need(listen(s->listen_fd, 512) == 0, "listen");
    pthread_t t;
    need(pthread_create(&t, NULL, serve, s) == 0, "thread");
    s->thread = t;
}

unsigned region_server_count(struct region_server *s)
{
    return __atomic_load_n(&s->regions, __ATOMIC_ACQUIRE);
}

void region_server_stop(struct region_server *s)
{
    eventfd_write(s->stop_fd, 1);
    pthread_join((pthread_t)s->thread, NULL);
    close(s->listen_fd);
    close(s->stop_fd);
    for (unsigned i = 0; i < s->regions; i++)
        close(s->fd[i]);
}

static void child(struct region_server *s, char *const argv[], char *const *env_extra)
{
    if (s) {
        setenv("LD_PRELOAD", SEEP_BUILD_DIR "/lib/libseep-probe.so", 1);
        setenv(SEEP_ENV_PROBE, s->setting, 1);
    }
    for (; env_extra && *env_extra; env_extra++)
        putenv(*env_extra);
    execvp(argv[0], argv);
    perror(argv[0]);
    _exit(127);
}

int region_spawn(struct region_server *s, char *const argv[], char *const *env_extra, int *out_fd)
{
    int p[2];
    need(pipe2(p, O_CLOEXEC) == 0, "pipe");
    int pid = fork();
    need(pid >= 0, "fork");
    if (pid == 0) {
        dup2(p[1], 1);
        close_range(3, ~0u, CLOSE_RANGE_CLOEXEC); // what this test was given is not the program's
        child(s, argv, env_extra);
    }
    close(p[1]);
    *out_fd = p[0];
    return pid;
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int region_run(struct region_server *s, char *const argv[], char *const *env_extra, char *output, size_t output_size,
               unsigned limit_s)
{
    int fd, status = 0;
    int pid = region_spawn(s, argv, env_extra, &fd);
    uint64_t until = now_ms() + (limit_s < 60 ? 60 : limit_s) * 1000ull; // for a busy machine
    size_t have = 0;
    for (;;) {
        char buf[4096];
        uint64_t now = now_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (now >= until || poll(&p, 1, (int)(until - now)) == 0) {
            kill(pid, SIGKILL);
            break;
        }
        ssize_t n = read(fd, buf, sizeof buf);
        if (n <= 0)
            break;
        for (ssize_t i = 0; output && i < n && have + 1 < output_size; i++)
            output[have++] = buf[i];
    }
    if (output && output_size)
        output[have] = 0;
    close(fd);
    waitpid(pid, &status, 0);
    return status;
}
