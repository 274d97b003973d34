// One pass of a target under one of valgrind's tools: started, made ready, driven, looked at, stopped. Private to
// src/confirm.
#ifndef SEEP_CONFIRM_PASS_H
#define SEEP_CONFIRM_PASS_H

#include "confirm/confirm.h"
#include "confirm/sites.h"

enum { CONFIRM_PIDS_MAX = 256 };

struct confirm_pass {
    // in
    const struct profile *profile; // with its load scaled already
    const struct profile *plan;    // the run's own: its faults and probes are those that are replayed
    const char *tool;              // "memcheck", "massif" or "dhat"
    const char *dir;               // a private directory of the pass
    int dir_fd;
    bool reachable;                // other users can get to dir, when it lets them
    double for_s, scale, within_s; // within: the whole pass
    double press;                  // times of the run's timeline are multiplied by it
    double files;                  // descriptors it may have at once; 0: as we
    double memory_bytes;           // of all its processes together
    double output_bytes;           // of all files in dir
    bool progress;
    bool look;                   // memcheck is asked while the target works, and answers into sites
    struct confirm_sites *sites; // where the files of each process lie is noted there; NULL: it is not
    struct confirm_fault
        *fault_results; // what came of each fault and probe of the profile is noted there; NULL: nowhere
    struct confirm_probe *probe_results;
    // out
    bool started, ready, ended_itself;
    int wait_status;
    const char *word;     // why it is not what it should be: "absent", "not_ready", "memory", ...; NULL: all went well
    char why[400];        // and the sentence
    char last_words[200]; // the last line of the target's output; ""
    double driven_s, peak_rss_bytes;
    uint64_t requests, offered; // that the load saw finished, and that its schedule asked for
    double worked_cpu_s;        // of the target while it was driven and not looked at
    uint64_t worked_requests;   // in that time
    size_t looks, processes;
};

void confirm_pass_run(struct confirm_pass *p);

// The first line of `valgrind --version` into out; false with a clause in why when it cannot be run.
bool confirm_valgrind_version(char *out, size_t size, char *why, size_t why_size);

#endif
