// What a profile says of faults, of the processes the target depends on, of the proxies in between, of probes and of
// scraped endpoints. Part of profile.h; the same rules hold: validated when loaded, owned by the profile.
#ifndef SEEP_PROFILE_FAULTS_H
#define SEEP_PROFILE_FAULTS_H

#include "profile/types.h"
#include <stdbool.h>

enum profile_ready_kind { READY_NONE, READY_HTTP, READY_TCP, READY_LOG, READY_COMMAND };

struct profile_ready { // when a process counts as started
    enum profile_ready_kind kind;
    char *what;      // URL, "host:port", text to find in the log, or the command line's text
    char **argv;     // READY_COMMAND: NULL-terminated
    double within_s; // > 0
};

#define PROFILE_TARGET "target" // how a fault names the program under test; no dependency may be called so

struct profile_dependency {
    struct profile_where where;
    char *name;
    char **argv; // NULL-terminated
    int argc;
    struct profile_pair *env;
    int n_env;
    char *cwd;
    char *user; // account it runs as; NULL: the caller's
    struct profile_ready ready;
    int signal;           // how it is asked to end; default SIGTERM
    double stop_within_s; // after that signal; then it is killed
};

struct profile_proxy {
    struct profile_where where;
    char *name;
    char *listen; // LOOPBACK:PORT
    char *to;     // HOST:PORT
};

enum profile_fault_kind { FAULT_PAUSE, FAULT_KILL, FAULT_RESTART, FAULT_MEMORY, FAULT_CPU, FAULT_TOXIC };

// As toxiproxy names them; TOXIC_DOWN is its disabled proxy.
enum profile_toxic {
    TOXIC_NONE,
    TOXIC_LATENCY,
    TOXIC_BANDWIDTH,
    TOXIC_SLOW_CLOSE,
    TOXIC_TIMEOUT,
    TOXIC_RESET_PEER,
    TOXIC_SLICER,
    TOXIC_LIMIT_DATA,
    TOXIC_DOWN,
};

struct profile_fault {
    struct profile_where where;
    char *name; // unique; "latency-redis", "pause-target" where none is given
    enum profile_fault_kind kind;
    double at_s, for_s, every_s; // from the start of the measured time; every 0: once
    int times;                   // with every: 0 as often as the duration has room
    // Whom: one of these is given, or memory or cpu, which are about the target.
    char *pause, *kill, *restart, *proxy;
    double memory_bytes; // 0: not this
    double cpu;          // cores; 0: not this
    enum profile_toxic toxic;
    bool upstream;   // the toxic acts on what goes to the server; else on what comes from it
    double toxicity; // share of connections it acts on, 0..1
    double latency_s, jitter_s, delay_s, timeout_s;
    double rate_bytes_per_s;
    int average_size, size_variation; // bytes
    double bytes;
    // How it is judged
    bool count_in_gates; // its time counts in fits and in gates on response times
    char **recovered;    // conditions, as gates on values of the moment: good again
    int n_recovered;
    double good_for_s, watch_s;
    char **spares; // conditions that must hold all the while
    int n_spares;
};

enum profile_probe_when { PROBE_BEFORE, PROBE_END, PROBE_EDGES, PROBE_CONTINUOUS };

struct profile_probe {
    struct profile_where where;
    char *name; // unique
    enum profile_probe_when when;
    double every_s, within_s;
    char *http, *tcp; // one of three is given
    char **argv;
    int argc;
    int *status; // accepted codes; n 0: any 2xx or 3xx
    int n_status;
    int exit_code;  // of the command
    char *contains; // in the body or the command's output; NULL: anything
};

struct profile_scrape {
    struct profile_where where;
    char *name; // unique
    char *url;
    char **metrics; // patterns of the names that are kept as they are
    int n_metrics;
    struct profile_pair *series; // name to expression
    int n_series;
    double within_s;
};

#endif
