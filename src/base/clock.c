// Clocks and the deadline ticker: see clock.h.
#include "base/clock.h"
#include "base/check.h"
#include "base/units.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static bool virtual_on;
static struct seep_time virtual_now;

static int64_t read_ns(clockid_t id)
{
    struct timespec ts;
    SEEP_CHECK(clock_gettime(id, &ts) == 0);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

struct seep_time clock_read(void)
{
    if (virtual_on)
        return virtual_now;
    return (struct seep_time){
        .mono_ns = read_ns(CLOCK_MONOTONIC), .real_ns = read_ns(CLOCK_REALTIME), .boot_ns = read_ns(CLOCK_BOOTTIME)};
}

int64_t clock_mono_ns(void)
{
    return virtual_on ? virtual_now.mono_ns : read_ns(CLOCK_MONOTONIC);
}

int64_t clock_thread_cpu_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

void clock_set_virtual(const struct seep_time *t)
{
    virtual_on = t != NULL;
    if (t)
        virtual_now = *t;
}

void clock_ticker_start(struct clock_ticker *t, int64_t now_ns, int64_t interval_ns)
{
    SEEP_CHECK(interval_ns > 0);
    *t = (struct clock_ticker){.start_ns = now_ns, .interval_ns = interval_ns};
}

int64_t clock_ticker_wait_ns(const struct clock_ticker *t, int64_t now_ns)
{
    int64_t due = t->start_ns + t->next_index * t->interval_ns;
    return due > now_ns ? due - now_ns : 0;
}

int64_t clock_ticker_take(struct clock_ticker *t, int64_t now_ns, int64_t *late_ns, int64_t *missed)
{
    SEEP_CHECK(clock_ticker_wait_ns(t, now_ns) == 0);
    int64_t index = (now_ns - t->start_ns) / t->interval_ns;
    *missed = index - t->next_index;
    *late_ns = now_ns - (t->start_ns + index * t->interval_ns);
    t->next_index = index + 1;
    return index;
}

char *clock_iso8601(char *out, int64_t real_ns)
{
    time_t s = (time_t)(real_ns / 1000000000);
    struct tm tm;
    if (real_ns == SEEP_UNKNOWN || !gmtime_r(&s, &tm) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
        snprintf(out, 32, "unknown");
    return out;
}
