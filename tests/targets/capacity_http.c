// A server of known capacity: every request takes MICROSECONDS, one after the other in the order they came (or, with
// "parallel", each connection's by itself). It waits instead of working, so that the machine is left to the generator.
//   capacity_http PORT MICROSECONDS [parallel]
// flags: -pthread
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int64_t service_ns;
static bool parallel;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t free_ns; // when the last of those that wait is served

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

// The moment at which a request that came now has been served. A late waker delays nobody.
static int64_t served_at(void)
{
    int64_t now = now_ns();
    if (parallel)
        return now + service_ns;
    pthread_mutex_lock(&lock);
    free_ns = (free_ns > now ? free_ns : now) + service_ns;
    int64_t at = free_ns;
    pthread_mutex_unlock(&lock);
    return at;
}

static void wait_until(int64_t ns)
{
    struct timespec t = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
        ;
}

// Requests have no body and one is under way at a time: what ends with an empty line is one.
static void *serve(void *arg)
{
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
    int fd = (int)(intptr_t)arg;
    char in[4096];
    size_t len = 0;
    for (ssize_t n; (n = recv(fd, in + len, sizeof in - 1 - len, 0)) > 0;) {
        in[len += (size_t)n] = 0;
        if (!strstr(in, "\r\n\r\n"))
            continue;
        wait_until(served_at());
        if (send(fd, reply, sizeof reply - 1, MSG_NOSIGNAL) < 0)
            break;
        len = 0;
    }
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    service_ns = atoll(argv[2]) * 1000;
    parallel = argc > 3 && strcmp(argv[3], "parallel") == 0;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 512) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        return 1;
    printf("listening on http://127.0.0.1:%d\nready\n", ntohs(at.sin_port));
    fflush(stdout);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&small, 128 * 1024);
    for (;;) {
        int c = accept(fd, NULL, NULL);
        pthread_t thread;
        if (c < 0)
            continue;
        setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        if (pthread_create(&thread, &small, serve, (void *)(intptr_t)c) != 0)
            close(c);
    }
}
