// A small job server with a planted leak: leak_c RATE_BYTES_PER_S [SECONDS]
//
// Works in steps of 10 ms: takes requests, keeps a bounded set of sessions, frees what it should; with RATE > 0 the audit record of
// some requests is forgotten, RATE bytes a second in blocks of 200. RATE 0 is the fixed build. Prints its own tally at the end.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <signal.h>

#define SESSIONS 128
#define BLOCK    200

static volatile sig_atomic_t stop;
static char *session[SESSIONS];
static unsigned long leaked_bytes, leaked_blocks, requests;

static void on_term(int sig)
{
    (void)sig;
    stop = 1;
}

__attribute__((noinline)) static char *session_new(unsigned n)
{
    char *s = malloc(64 + n % 400);
    if (s)
        memset(s, (int)n, 64);
    return s;
}

__attribute__((noinline)) static char *audit_record_new(unsigned n)
{
    char *a = malloc(BLOCK);
    if (a)
        snprintf(a, BLOCK, "request %u", n);
    return a;
}

__attribute__((noinline)) static void handle_request(unsigned n, int forget)
{
    unsigned slot = (n * 2654435761u >> 8) % SESSIONS;
    free(session[slot]);
    session[slot] = session_new(n);
    char *audit = audit_record_new(n);
    requests++;
    if (forget && audit) {
        leaked_bytes += BLOCK;
        leaked_blocks++;
        return;
    }
    free(audit);
}

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

__attribute__((noinline)) static void serve(double rate, double seconds)
{
    double begin = now_s(), owed;
    unsigned n = 0;
    while (!stop && (seconds <= 0 || now_s() - begin < seconds)) {
        for (int i = 0; i < 50; i++) {
            owed = (now_s() - begin) * rate - (double)leaked_bytes;
            handle_request(n++, owed >= BLOCK);
        }
        usleep(10000);
    }
}

int main(int argc, char **argv)
{
    double rate = argc > 1 ? atof(argv[1]) : 0, seconds = argc > 2 ? atof(argv[2]) : 0;
    signal(SIGTERM, on_term);
    serve(rate, seconds);
    for (int i = 0; i < SESSIONS; i++)
        free(session[i]);
    printf("requests %lu leaked_blocks %lu leaked_bytes %lu\n", requests, leaked_blocks, leaked_bytes);
    return 0;
}
