// The ready check: see ready.h.
#include "run/ready.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "run/ask.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define ATTEMPT_S 1.0
#define PAUSE_MS  50
#define LOG_LIMIT (2u << 20) // the bounded head of the target's log

static bool try_log(struct run_ready *rd, const char *text)
{
    struct seep_buf log;
    struct seep_err err;
    buf_init(&log, LOG_LIMIT);
    bool found = false;
    fs_read_file(rd->dir_fd, "target.log", &log, &err); // a log past the limit still has its head in the buffer
    if (log.len > 0)
        found = memmem(log.data, log.len, text, strlen(text)) != NULL;
    buf_free(&log);
    if (!found)
        snprintf(rd->last_answer, sizeof rd->last_answer, "It has not printed '%.150s' yet.", text);
    return found;
}

// It has the rest of the time, at most five attempts' worth.
static bool try_command(struct run_ready *rd, char *const *argv, int64_t last_ns)
{
    char why[RUN_ASK_WHY];
    bool cut;
    int64_t begin = clock_mono_ns(), end = begin + (int64_t)(5 * ATTEMPT_S * 1e9);
    struct run_ask_command ask = {
        .argv = argv, .expand = true, .last_ns = end < last_ns ? end : last_ns, .cancel = &rd->cancel};
    if (run_ask_command(&ask, &cut, why))
        return true;
    // Cut short by the end of the time, it said nothing: the answer of the one before is worth more.
    if (!cut || clock_mono_ns() - begin > (int64_t)(ATTEMPT_S / 2 * 1e9) || !rd->last_answer[0])
        snprintf(rd->last_answer, sizeof rd->last_answer, "%s", why);
    return false;
}

static bool attempt(struct run_ready *rd, int64_t last_ns)
{
    const struct profile_ready *want = rd->want;
    switch (want->kind) {
    case READY_HTTP:
        return run_ask_http(&(struct run_ask_http){.url = want->what, .within_s = ATTEMPT_S}, rd->last_answer);
    case READY_TCP:
        return run_ask_tcp(want->what, ATTEMPT_S, rd->last_answer);
    case READY_LOG:
        return try_log(rd, want->what);
    case READY_COMMAND:
        return try_command(rd, want->argv, last_ns);
    case READY_NONE:
        break;
    }
    return true;
}

void run_ready_wait(struct run_ready *rd)
{
    int64_t begin = clock_mono_ns();
    int64_t end = begin + (int64_t)(rd->want->within_s * 1e9);
    rd->ready = false;
    rd->last_answer[0] = 0;
    while (!atomic_load(&rd->cancel)) {
        if (attempt(rd, end)) {
            rd->ready = true;
            break;
        }
        if (clock_mono_ns() >= end)
            break;
        poll(NULL, 0, PAUSE_MS);
    }
    rd->after_s = (double)(clock_mono_ns() - begin) / 1e9;
}
