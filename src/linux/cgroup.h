// A control group for the target, where this machine permits one: version 2, version 1, or none.
//
// Place: the supervisor makes it before the keeper starts, gives its directories to the keeper, reads its counters at
// ticks and removes it at the end. Only directories that we made are ever written to (the single-writer rule).
// Everything takes a root path, "/sys/fs/cgroup" or a fake tree in tests, and /proc/self/cgroup's text.
#ifndef SEEP_LINUX_CGROUP_H
#define SEEP_LINUX_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/units.h"

enum linux_cgroup_kind { LINUX_CGROUP_NONE, LINUX_CGROUP_V1, LINUX_CGROUP_V2 };

#define LINUX_CGROUP_DIRS 4
#define LINUX_PATH_MAX    1024

struct linux_cgroup {
    enum linux_cgroup_kind kind;
    bool ours;         // we made the directories and may remove them
    char why_not[200]; // a sentence: what is missing or why the better kind was not possible; "" when all is well
    size_t dir_count;  // directories the target joins
    char dirs[LINUX_CGROUP_DIRS][LINUX_PATH_MAX];
    char memory_dir[LINUX_PATH_MAX];  // "" when memory is not counted
    char pids_dir[LINUX_PATH_MAX];    // "" when the number of processes cannot be limited
    char freezer_dir[LINUX_PATH_MAX]; // v1 freezer; "" elsewhere
    char kill_dir[LINUX_PATH_MAX];    // v2 with cgroup.kill; "" elsewhere
    char cpu_dir[LINUX_PATH_MAX];     // "" when CPU time cannot be limited
    char oom_file[LINUX_PATH_MAX];    // file with the "oom_kill N" line; "" when unknown
};

// Finds the best kind this process may use, makes groups called name ("seep-RUNID") below the caller's own and fills
// cg. Never fails for lack of permission: then kind is LINUX_CGROUP_NONE with why_not. root NULL: /sys/fs/cgroup; self
// NULL: the text of /proc/self/cgroup.
int linux_cgroup_create(const char *root, const char *self, const char *name, struct linux_cgroup *cg,
                        struct seep_err *err);

// Adds what limits CPU time, for a run that means to. Not part of linux_cgroup_create(): a version 1 group of its own
// changes what share of the machine the target gets. cpu_dir stays "" where the machine does not permit it.
void linux_cgroup_add_cpu(const char *root, const char *self, const char *name, struct linux_cgroup *cg);

// What to write where to limit the group for a while, and what undoes it; the keeper does the writing (keeper_knob()).
struct linux_cgroup_knob {
    char file[48], value[64], undo[64];
};
// SEEP_E_UNSUPPORTED, with the reason, when the group cannot limit that. bytes > 0; cores > 0, 0.5 is half of one.
int linux_cgroup_memory_knob(const struct linux_cgroup *cg, double bytes, struct linux_cgroup_knob *out,
                             struct seep_err *err);
int linux_cgroup_cpu_knob(const struct linux_cgroup *cg, double cores, struct linux_cgroup_knob *out,
                          struct seep_err *err);

// Limits a group that nobody has joined yet, for good. bytes, cores 0: not that. Errors as of the knobs, or SEEP_E_SYSTEM.
int linux_cgroup_limit(const struct linux_cgroup *cg, double bytes, double cores, struct seep_err *err);

// Removes what linux_cgroup_create() made. Retries for a moment (a dead process leaves late); SEEP_E_SYSTEM with EBUSY
// when somebody still lives in it. Harmless when kind is none or the directories are gone.
int linux_cgroup_remove(struct linux_cgroup *cg, struct seep_err *err);

// Counters; SEEP_UNKNOWN where the kernel has none.
struct linux_cgroup_memory {
    int64_t current_bytes, peak_bytes, limit_bytes; // limit SEEP_UNKNOWN: none or unknown
    int64_t anon_bytes, file_bytes, kernel_bytes;
    int64_t oom_kills, events_max;
    int64_t processes;
};
int linux_cgroup_memory_read(const struct linux_cgroup *cg, struct linux_cgroup_memory *out, struct seep_err *err);

// "v2", "v1", "none".
const char *linux_cgroup_kind_name(enum linux_cgroup_kind kind);

#endif
