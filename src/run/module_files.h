// The modules of one region as modules of the run: which file each is, by the kernel's word instead of the loader's,
// and a descriptor kept of it, so that frames can be named at the end, whatever happened to path and process meanwhile.
//
// Owned by the region; the sample job only.
#ifndef SEEP_RUN_MODULE_FILES_H
#define SEEP_RUN_MODULE_FILES_H

#include "run/stack_table.h"
#include "wire/wire.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct module_files {
    uint32_t *number; // run's module number + 1 by the region's index; UINT32_MAX: not met yet
    size_t n;
    uint32_t looked;   // modules of the region looked at so far
    uint32_t perf_map; // run's module number + 1 of the process's perf map, 0: none seen
};

// Looks up what the region has logged since the last call; the process should still be alive (else the loader's names
// have to do). Reads /proc/PID/maps only when there is something new.
void module_files_look(struct module_files *f, struct stack_table *t, struct wire *w, int proc_fd, pid_t pid);

// The run's number + 1 of the region's module `index`; index 0, generated code, is the perf map if there is one.
// *bias is to be subtracted from a pc. 0: no known module.
uint32_t module_files_number(struct module_files *f, struct stack_table *t, struct wire *w, uint32_t index,
                             uint64_t *bias);

void module_files_free(struct module_files *f);

#endif
