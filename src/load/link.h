// One load worker as its supervisor sees it: the process, what it said last, and whether to believe it.
//
// Nothing a worker sends is trusted: sizes, indices, counters and histograms are checked, and the first packet that
// does not hold together ends the worker; what it told until then stays. Used by load.c only.
#ifndef SEEP_LOAD_LINK_H
#define SEEP_LOAD_LINK_H

#include "load/load.h"
#include "load/spawn.h"

struct load_proto_hello;
struct load_link;

// Where the histograms of all workers come together, and who is told of events.
struct link_hooks {
    // Durations recorded since the last ones; valid during the call. kind: enum load_hist_kind.
    void (*on_hist)(void *ctx, int series, int kind, const struct load_hist *h);
    void (*on_values)(void *ctx, int metric, const struct load_hist *h); // of a trend
    void (*on_text)(void *ctx, int level, const char *text);
    // The worker `from` says how the setup of a load ended (fd: its variables, closed afterwards; -1: it failed), and
    // that its part of a load is over. The load's number is not checked.
    void (*on_setup)(void *ctx, struct load_link *from, uint32_t load, int fd);
    void (*on_over)(void *ctx, struct load_link *from, uint32_t load);
    void *ctx;
};

struct load_link {
    struct link_hooks hooks;
    const struct load_series_table *table; // not owned
    struct load_worker worker;
    pid_t pid; // also after its end, for messages
    enum load_state state;
    struct load_counts *counts;              // table->n, as it last told
    struct load_codes *codes;                // table->n
    const struct load_metric_table *metrics; // not owned
    struct load_metric_counts *metric;       // metrics->n
    struct load_generator generator;
    int64_t heard_ns, silent_ns; // when it spoke last; how long it may be silent
    bool silent;                 // told of
    bool was_silent;             // once at least: what it did meanwhile is not known
    struct load_hist *scratch;
    unsigned char *packet; // PROTO_PAYLOAD_MAX
};

// Starts a worker and hands it hello and profile_fd (which stays the caller's). Waits for nothing. On -1 everything is
// released.
int link_open(const char *self_exe, const struct load_series_table *table, const struct load_metric_table *metrics,
              const struct load_proto_hello *hello, int profile_fd, struct link_hooks hooks, struct load_link *out,
              struct seep_err *err);

// Takes in what has arrived, a bounded amount; notices its end and its silence. The number of packets taken.
int link_poll(struct load_link *l);

// Sends a command (enum load_proto_type). -1 when the worker takes none.
int link_say(struct load_link *l, int type, const void *payload, size_t len, struct seep_err *err);

// The same with a number and a descriptor (-1: none; it stays the caller's) in place of a payload.
int link_hand(struct load_link *l, int type, uint32_t arg, int fd);

// Ends and reaps it, at most 2 s. An all-zero link is allowed.
void link_close(struct load_link *l);

#endif
