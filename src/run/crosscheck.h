// The standing cross-check: copied stacks unwound by libunwind, outside the target, against what the walker inside made
// of them.
//
// The sample job collects some copies at ticks that look at stacks; a job of its own asks the resolver, so a slow or
// crashing resolver never holds up a tick. Mismatches are counted for ever and shown in the evidence.
#ifndef SEEP_RUN_CROSSCHECK_H
#define SEEP_RUN_CROSSCHECK_H

#include "wire/wire.h"
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CROSSCHECK_MAPS 256

struct crosscheck_map { // one mapping of code in the target when the stack was copied
    uint64_t start, end, file_offset;
    char *path;      // "[vdso]", "" for anonymous code
    char *open_path; // by which we can open it while the process lives, also when the file is deleted or replaced
};

struct crosscheck_item {
    struct crosscheck_item *next;
    pid_t pid;
    size_t n_maps;
    struct crosscheck_map maps[CROSSCHECK_MAPS];
    struct wire_copy copy;
};

struct resolve;

struct run_crosscheck {
    struct resolve *resolver;      // the job's
    struct crosscheck_item *items; // collected, not yet checked
    size_t n_items;
    uint64_t checked, agreed, gave_up; // gave up: libunwind has no answer, nothing is proved
};

// Adds a copy out of a process's region, with the mappings that the process has by now. Takes `copy` by value of its
// content. Left out is what finds no memory, and what these mappings can say nothing of: the process executes another
// program since, or some code of the stack was unloaded.
void crosscheck_add(struct run_crosscheck *c, int proc_fd, pid_t pid, struct wire *region,
                    const struct wire_copy *copy);
// Checks everything collected. Blocks; a job of its own, or any thread when none runs.
void crosscheck_work(struct run_crosscheck *c, struct crosscheck_item *items);
void crosscheck_free(struct run_crosscheck *c);

#endif
