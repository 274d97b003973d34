// Load: drives the target from processes of its own, and tells what happened.
//
// This is the supervisor's side. The workers (load/worker.h; `load.workers`, usually one) run as `seep load-worker`,
// are given the profile as text and send cumulative counters and histograms over a socket each, which the supervisor
// polls; nothing here blocks or waits, and there is no event loop in this interface. Each drives its exact share of the
// load (load/share.h), and what they tell is added up exactly. What a worker sends is checked like any foreign data: it
// talks to hostile servers, and may be wrong, stuck or dead; then that is an event, and the others and the run go on.
//
//   load_start -> (poll load_fd, load_poll) READY -> load_begin -> RUNNING -> load_stop -> STOPPED [-> load_begin ...]
//
// Two durations of every request are kept. Latency runs from the moment the schedule *intended* the request to start,
// so that a stalled target is charged for the requests that had to wait (no coordinated omission; Tene, "How NOT to
// Measure Latency"); service time runs from when it really started. Both are of requests that got a whole reply or ran
// into their timeout; a refused connection is an error, not a fast reply.
#ifndef SEEP_LOAD_LOAD_H
#define SEEP_LOAD_LOAD_H

#include "base/err.h"
#include "base/jsonw.h"
#include "load/hist.h"
#include "load/metrics.h"
#include "load/series.h"
#include "profile/profile.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct load;

enum load_state {
    LOAD_STARTING, // a worker reads the profile
    LOAD_READY,    // all that live may begin
    LOAD_RUNNING,  // requests arrive
    LOAD_STOPPING, // no new requests; those under way may finish
    LOAD_STOPPED,  // none under way, all connections closed; may begin again
    LOAD_LOST,     // the last worker is gone or broke the protocol; counts are the last ones they told
};
const char *load_state_name(enum load_state state);

// Why a request failed. One request has at most one kind, the first that applies in this order.
enum load_error {
    LOAD_ERR_DNS,       // the host's name could not be resolved
    LOAD_ERR_REFUSED,   // the connection was refused
    LOAD_ERR_CONNECT,   // unreachable, or no connection within the time
    LOAD_ERR_TLS,       // handshake or certificate
    LOAD_ERR_RESET,     // the connection was reset before the reply was whole
    LOAD_ERR_CLOSED,    // it was closed, in order, before the reply was whole
    LOAD_ERR_TIMEOUT,   // no whole reply within the scenario's timeout
    LOAD_ERR_PROTOCOL,  // what came is not HTTP, or not the raw protocol
    LOAD_ERR_HEAD,      // a reply whose head is larger than 256 KiB
    LOAD_ERR_BODY,      // a reply body larger than allowed, packed or unpacked
    LOAD_ERR_DECODE,    // a reply body that does not unpack
    LOAD_ERR_HOST,      // a redirect to a host that the profile does not name: not followed
    LOAD_ERR_REDIRECTS, // more redirects in a row than are followed
    LOAD_ERR_STATUS,    // a status that the step does not expect
    LOAD_ERR_CHECK,     // something else of the reply that the step does not expect
    LOAD_ERR_EXTRACT,   // a value that was to be taken from the reply is not in it
    LOAD_ERR_SLOW,      // service time above the step's `under`
    LOAD_ERR_REQUEST,   // not sent: a value for it is missing, or does not fit where it is to stand
    LOAD_ERR_BACK_OFF,  // not sent: what was sent there before failed at once, time after time (load/breaker.h)
    LOAD_ERR_LOCAL,     // the generator's own machine: no descriptors, ports or memory left
    LOAD_ERRORS
};
const char *load_error_name(enum load_error kind); // "dns", "refused", "connect", ... as in JSON

// Cumulative since load_start, over all begins. offered = started + dropped + waiting; started = completed + cancelled
// + under way. Those that wait are in the `offered` of LOAD_ALL only: their scenario is chosen when they start.
struct load_counts {
    uint64_t offered; // starts the schedule asked for so far (closed model: requests the users wanted to start)
    uint64_t started; // really started
    uint64_t dropped; // given up: waited longer than the scenario's timeout for a free connection (that wait counts as
                      // latency), or over 1 s for a generator that did not get to run (that does not)
    uint64_t completed; // finished, well or not: ok + the sum of errors
    uint64_t ok;
    uint64_t cancelled; // under way when the load was stopped and its grace ran out
    uint64_t error[LOAD_ERRORS];
    uint64_t late;                       // started more than 10 ms after the intended moment
    uint64_t late_self;                  // of `late`: though a connection was free, so the generator itself was late
    uint64_t status[6];                  // replies by class; [0]: below 100 or above 599
    uint64_t sent_bytes, received_bytes; // headers and bodies
    uint64_t redirects;                  // followed; the replies of which are no replies of their own
    uint64_t passes;        // ways through all steps of a scenario, or through a transaction; only in their own series
    uint64_t passes_failed; // of them: in which a step failed
};
uint64_t load_errors(const struct load_counts *c); // the sum over kinds
// sum += part, but for the passes, which are of one series only.
void load_counts_add(struct load_counts *sum, const struct load_counts *part);

// The generator itself; cumulative while requests arrive. Of all workers together.
struct load_generator {
    int64_t at_ns;        // CLOCK_MONOTONIC of this report, of the worker that reported longest ago; 0: not all have
    int64_t running_ns;   // time with the load on
    uint64_t cpu_us;      // user and system time of the workers while the load was on
    uint64_t busiest_us;  // of the worker that used most
    uint64_t connections; // opened so far
    uint64_t retried; // requests sent once more, as a kept connection had just been closed (struct transport_counters)
    uint64_t lag_count; // loop lag, probed every 20 ms: how late the loop woke
    uint64_t lag_sum_us, lag_max_us;
    uint64_t full_us;         // time during which all connections were in use (of the worker in which it was longest)
    uint32_t in_flight;       // now
    uint32_t waiting;         // now: due, and not yet started
    uint32_t users;           // now (closed model)
    double target_rate_per_s; // of the schedule, now; NaN in the closed model
    uint64_t rss_bytes;       // of the workers
    uint32_t workers;         // that there were
    uint32_t programs;        // runs of programs that drive a load (exec) that have ended
    uint32_t programs_failed; // of them: not started, or ended by themselves with a status that is not accepted
    uint32_t lost; // of the workers: gone before their time, or stopped for over 5 s, so that their share of the
                   // load was not driven as it was to
};

// Status codes of replies, each with its count; what comes after LOAD_CODES different ones is `other`. Cumulative.
enum { LOAD_CODES = 32 };
struct load_codes {
    uint32_t n, zero;
    int32_t code[LOAD_CODES];
    uint64_t count[LOAD_CODES];
    uint64_t other;
};

enum load_hist_kind {
    LOAD_LATENCY, // of requests, from the intended start
    LOAD_SERVICE, // of requests, from the real start
    LOAD_PASS,    // of passes through a scenario of several steps or through a transaction
    LOAD_HIST_KINDS
};

enum { LOAD_ALL = 0 }; // the row of the series table (load/series.h) that is the whole

// A minute of the load. Times in the real clock's nanoseconds; figures that are not known are NaN.
struct load_minute {
    int64_t end_ns;
    double seconds; // 60, or less for the one going on, or more when nobody looked
    uint64_t requests, errors;
    double mean_us, p50_us, p95_us, p99_us; // latency
    uint32_t in_flight, users;              // at its end
    uint64_t rss_bytes;                     // of the generator, at its end
    double cpu_ratio;                       // of the generator, 1.0 = one core
};

struct load_options {
    int report_interval_ms; // how often the worker reports: 50..10000; 0: 1000. Not longer than the run's tick.
    uint64_t seed;          // of arrivals and choices; 0: from the kernel
};

// Starts the workers (`self_exe load-worker 3`, self_exe e.g. "/proc/self/exe") and hands them `p`, which is copied.
// Waits for nothing. p->n_loads must hold. -1 when a process cannot be made; a worker that fails later is lost.
int load_start(const struct profile *p, const char *self_exe, const struct load_options *options, struct load **out,
               struct seep_err *err);

// Readable when load_poll() has something to do; also when a worker hangs up. -1 once lost: do not poll it any more.
int load_fd(const struct load *l);

// Takes in what has arrived (a bounded amount; the fd stays readable for the rest) and notices a worker that is gone or
// has been silent for 5 s. Call when load_fd() is readable and at least once a tick. Returns the number of messages
// taken, 0 for none; never fails: what goes wrong is the state and an event.
int load_poll(struct load *l);

enum load_state load_state(const struct load *l);

// The next thing worth telling (a sentence; `level` 0 note, 1 warning), or false. Text stays valid until the next call
// on `l`. At most 64 wait; further ones are counted and told as one.
struct load_event {
    int level;
    const char *text;
};
bool load_next_event(struct load *l, struct load_event *event);

// Turns the requests on. from_s: where in the schedule (stages) to start, 0 unless a run goes on after an interruption.
// States READY and STOPPED. With load.duration set the worker stops by itself from_s later less; else it goes on until
// load_stop().
int load_begin(struct load *l, double from_s, struct seep_err *err);

// No further request starts (at once); those under way get grace_s (>= 0) to finish, then are cancelled. STOPPED
// follows. Nothing to do and no error in any state but RUNNING.
int load_stop(struct load *l, double grace_s, struct seep_err *err);

// Asks for a report now; it arrives through load_poll(), and load_generator()->at_ns then advances.
void load_ask(struct load *l);

// What is counted apart; owned by `l`. `series` below is a row of it, LOAD_ALL the whole.
const struct load_series_table *load_series_of(const struct load *l);

// As last reported, sums of what is below them. Owned by `l`, valid until load_poll/load_free.
const struct load_counts *load_counts(const struct load *l, int series);
const struct load_codes *load_codes(const struct load *l, int series);
const struct load_generator *load_generator(const struct load *l);

// Cumulative over all begins; empty where nothing of that kind is recorded. For a window, copy and hist_subtract().
const struct load_hist *load_hist(const struct load *l, int series, enum load_hist_kind kind);

// The last hour: `out` has room for LOAD_MINUTES + 1 (load/minutes.h); returns how many were filled, in order of time.
int load_last_hour(struct load *l, struct load_minute *out);

// The user's own metrics; owned by `l`. metric is a row.
const struct load_metric_table *load_metrics_of(const struct load *l);
const struct load_metric_counts *load_metric_counts(const struct load *l, int metric);
const struct load_hist *load_metric_hist(const struct load *l, int metric); // empty where it is no trend

int load_workers(const struct load *l);
pid_t load_worker_pid(const struct load *l, int worker); // 0 once reaped; worker < load_workers()

// Ends the workers (by their pidfds) and reaps them, at most 2 s each. NULL is allowed.
void load_free(struct load *l);

// What of the profile says how long the load lasts: to the end of the load that ends last, run.duration when one of
// them has no duration of its own.
double load_duration_s(const struct profile *p);

#endif
