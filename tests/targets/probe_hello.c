// Plays the probe's part towards the keeper: says hello, maps the region, checks it and that a good part of the pool is
// there already, claims nearly all of it and waits until the keeper has committed more, writes to the end of it.
// argv[1]: "once"; "children N" (N forked children say hello too and live until the end); "stranger" (a hello of a
// wrong version). Prints "regions R refused F" and pauses.
#include "../../probes/seep_region.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define AT_ONCE (16ull << 20) // what a main process finds committed

static int ask(uint32_t version, struct seep_hello_reply *reply)
{
    const char *setting = getenv(SEEP_ENV_PROBE);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct seep_hello hello = {.magic = SEEP_WIRE_MAGIC, .version = version, .as_limit_bytes = UINT64_MAX};
    int n = setting ? snprintf(a.sun_path + 1, sizeof a.sun_path - 1, SEEP_SOCKET_PREFIX "%.*s",
                               (int)strcspn(setting, ":"), setting)
                    : 0;
    int s = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    if (s < 0 || connect(s, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)) < 0 ||
        send(s, &hello, sizeof hello, 0) != sizeof hello)
        return -1;
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {reply, sizeof *reply};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int fd = -1;
    if (recvmsg(s, &m, 0) == sizeof *reply && CMSG_FIRSTHDR(&m))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
    close(s);
    return fd;
}

// 0 when all is as the wire says.
static int use(int fd, uint64_t bytes)
{
    struct seep_layout l;
    if (seep_layout_compute(bytes, &l) < 0 || ftruncate(fd, 0) == 0 || errno != EPERM)
        return 1;
    char *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        return 2;
    struct seep_header *h = (struct seep_header *)base;
    struct seep_control *c = (struct seep_control *)(base + l.control_offset);
    if (h->magic != SEEP_WIRE_MAGIC || h->total_bytes != bytes || c->committed_bytes < l.pool_offset)
        return 3;
    if (c->committed_bytes < l.pool_offset + AT_ONCE)
        return 5;
    __atomic_store_n(&h->pool_next, l.pool_chunks - 1, __ATOMIC_SEQ_CST);
    for (int turns = 0; __atomic_load_n(&c->committed_bytes, __ATOMIC_ACQUIRE) < bytes; turns++) {
        if (turns > 30000)
            return 4;
        usleep(2000);
    }
    base[bytes - 1] = 42;
    h->pid = (uint32_t)getpid();
    return 0;
}

int main(int argc, char **argv)
{
    struct seep_hello_reply reply = {0};
    int stranger = argc > 1 && !strcmp(argv[1], "stranger"), children = argc > 2 ? atoi(argv[2]) : 0;
    int fd = ask(SEEP_WIRE_VERSION + (stranger ? 1u : 0u), &reply), regions = fd >= 0, refused = fd < 0, back[2];
    int wrong = fd >= 0 && !children ? use(fd, reply.region_bytes) : 0;
    if (wrong || pipe(back) < 0) {
        printf("wrong %d\n", wrong);
        return 3;
    }
    for (int i = 0; i < children; i++) {
        if (fork() == 0) {
            char got = ask(SEEP_WIRE_VERSION, &reply) >= 0;
            (void)!write(back[1], &got, 1);
            for (;;)
                pause();
        }
    }
    for (int i = 0; i < children; i++) {
        char got = 0;
        if (read(back[0], &got, 1) == 1)
            got ? regions++ : refused++;
    }
    printf("regions %d refused %d\n", regions, refused);
    fflush(stdout);
    for (;;)
        pause();
}
