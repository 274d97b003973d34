// The hidden verb `doctor-leak BYTES_PER_SECOND`: the target of `seep doctor`. It works in steps of 10 ms like a small
// server with sessions, and loses that many bytes a second in one function with a clear name; 0 loses none. Ends on
// SIGTERM, and by itself after two minutes should everybody else be gone.
#include "base/clock.h"
#include "cmd/doctor.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SESSIONS = 256, BLOCK_BYTES = 400, LIFE_S = 120 };

static volatile sig_atomic_t asked_to_stop;
static char *sessions[SESSIONS];

static void on_term(int sig)
{
    (void)sig;
    asked_to_stop = 1;
}

// Not static, and exported by the link: its name must be found even when the symbol table was stripped.
char *doctor_planted_leak(void);

__attribute__((noinline)) char *doctor_planted_leak(void)
{
    char *block = malloc(BLOCK_BYTES);
    if (block)
        memset(block, 0x5e, BLOCK_BYTES);
    return block;
}

__attribute__((noinline)) static void doctor_session(unsigned n)
{
    unsigned slot = n % SESSIONS;
    free(sessions[slot]);
    sessions[slot] = malloc(64 + slot);
    if (sessions[slot])
        memset(sessions[slot], (int)n, 64);
}

static void pause_ms(long ms)
{
    struct timespec ts = {.tv_nsec = ms * 1000000};
    nanosleep(&ts, NULL);
}

static void serve(double bytes_per_s)
{
    static char *volatile lost; // the compiler may not drop the allocation
    int64_t begin_ns = clock_mono_ns();
    double leaked_bytes = 0;
    for (unsigned n = 0; !asked_to_stop;) {
        for (int i = 0; i < 20; i++)
            doctor_session(n++);
        double owed_bytes = (double)(clock_mono_ns() - begin_ns) / 1e9 * bytes_per_s;
        for (; leaked_bytes + BLOCK_BYTES <= owed_bytes; leaked_bytes += BLOCK_BYTES)
            lost = doctor_planted_leak();
        pause_ms(10);
    }
    (void)lost;
}

static int run(int argc, char **argv, void *opts)
{
    (void)opts;
    char *end = NULL;
    double rate = argc == 1 ? strtod(argv[0], &end) : -1;
    if (!end || end == argv[0] || *end || !(rate >= 0 && rate <= 10e6))
        return cmd_usage_error("doctor-leak", "it wants one number of bytes a second, at most 10000000");
    signal(SIGTERM, on_term);
    alarm(LIFE_S);
    serve(rate);
    for (int i = 0; i < SESSIONS; i++)
        free(sessions[i]);
    return CMD_PASS;
}

const struct cmd_command cmd_doctor_leak = {
    .name = "doctor-leak", .summary = "leaks, for seep doctor to find", .run = run, .hidden = true, .raw = true};
