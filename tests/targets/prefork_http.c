// A server of two workers over one socket, which keeps 200 bytes of every request for ever and never frees what it is
// still pointed to: prefork_http PORT [UPSTREAM_PORT [UID]]. With an upstream, each worker asks it PING before it serves
// and for every request; a worker that cannot ends. With a UID, workers give up root's rights as real servers do.
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct kept {
    struct kept *next;
    char request[200];
};
static struct kept *all;

static struct sockaddr_in at(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((unsigned short)atoi(port)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void keep(const char *request)
{
    struct kept *k = calloc(1, sizeof *k);
    if (k == NULL)
        exit(3);
    snprintf(k->request, sizeof k->request, "%s", request);
    k->next = all;
    all = k;
}

static int ask(const char *port)
{
    char reply[64];
    struct sockaddr_in a = at(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int right = connect(fd, (struct sockaddr *)&a, sizeof a) == 0 && write(fd, "PING\r\n", 6) == 6 &&
                read(fd, reply, sizeof reply) >= 5 && memcmp(reply, "+PONG", 5) == 0;
    close(fd);
    return right;
}

static void serve(int fd, const char *upstream)
{
    char text[4096];
    for (ssize_t got; (got = read(fd, text, sizeof text - 1)) > 0;) {
        static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
        text[got] = '\0';
        if (upstream && !ask(upstream))
            exit(4);
        if (strstr(text, "/health") == NULL)
            keep(text);
        if (write(fd, reply, sizeof reply - 1) < 0)
            break;
    }
    close(fd);
}

static void work(int listener, const char *upstream, int uid)
{
    if (uid > 0 && (setgid((gid_t)uid) || setuid((uid_t)uid)))
        exit(5);
    if (upstream && !ask(upstream))
        exit(4);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0)
            serve(fd, upstream);
    }
}

static pid_t workers[2];

static void end(int sig)
{
    for (int i = 0; i < 2; i++)
        if (workers[i] > 0)
            kill(workers[i], sig);
    _exit(0);
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = at(argc > 1 ? argv[1] : "0");
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 64))
        return 2;
    for (int i = 0; i < 2; i++) {
        workers[i] = fork();
        if (workers[i] == 0)
            work(listener, argc > 2 && atoi(argv[2]) > 0 ? argv[2] : NULL, argc > 3 ? atoi(argv[3]) : 0);
    }
    signal(SIGTERM, end);
    signal(SIGINT, end);
    while (wait(NULL) > 0)
        ;
    return 1;
}
