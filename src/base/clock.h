// Clocks. Everything in seep that asks for the time asks here, so that tests run a day in seconds on a virtual clock.
#ifndef SEEP_BASE_CLOCK_H
#define SEEP_BASE_CLOCK_H

#include <stdint.h>

struct seep_time {
    int64_t mono_ns; // CLOCK_MONOTONIC: intervals
    int64_t real_ns; // CLOCK_REALTIME: what a person reads, may step
    int64_t boot_ns; // CLOCK_BOOTTIME: monotonic plus time suspended
};

// All three clocks, read one after the other. On a virtual clock all advance together unless a test steps one.
struct seep_time clock_read(void);
int64_t clock_mono_ns(void);
// CPU time that the calling thread has used: what a piece of work costs, however busy the machine is.
int64_t clock_thread_cpu_ns(void);

// Tests only: from now on clock_read() returns *t, until called with NULL. Not thread-safe.
void clock_set_virtual(const struct seep_time *t);

// Ticks on deadlines: the k-th tick is due at start + k * interval, whatever the earlier ones cost. After a stall one
// late tick is delivered with its true time, and the ticks that were due meanwhile are counted as missed, never made
// up.
struct clock_ticker {
    int64_t start_ns;
    int64_t interval_ns;
    int64_t next_index; // the tick that is due next, from 0
};

// Begins at now: tick 0 is due at once. interval_ns > 0.
void clock_ticker_start(struct clock_ticker *t, int64_t now_ns, int64_t interval_ns);

// Nanoseconds until the next tick is due; 0 when it is due or late.
int64_t clock_ticker_wait_ns(const struct clock_ticker *t, int64_t now_ns);

// Takes the tick that is due. Returns its index, fills how late it is and how many earlier ones were missed altogether.
// Call only when clock_ticker_wait_ns() is 0.
int64_t clock_ticker_take(struct clock_ticker *t, int64_t now_ns, int64_t *late_ns, int64_t *missed);

// "2026-11-21T03:18:02Z" into out (at least 32 bytes); returns out. real_ns of SEEP_UNKNOWN prints "unknown".
char *clock_iso8601(char *out, int64_t real_ns);

#endif
