// Processes held by descriptor, so that a reused pid is never read as, or signalled as, the target.
#ifndef SEEP_LINUX_PIDFD_H
#define SEEP_LINUX_PIDFD_H

#include <signal.h>
#include <stdbool.h>

#include "linux/proc.h"

struct linux_process {
    pid_t pid;
    int pidfd; // -1: closed
    uint64_t starttime_ticks;
};

// Opens pid and makes sure that it is the process with that start time (0: whoever it is; the field is then filled).
// SEEP_E_TARGET when it is gone or the pid belongs to somebody else now.
int linux_process_open(int proc_fd, pid_t pid, uint64_t starttime_ticks, struct linux_process *p, struct seep_err *err);
void linux_process_close(struct linux_process *p);

// True while it runs (a zombie does not).
bool linux_process_alive(const struct linux_process *p);

// Waits until it has ended, at most timeout_ms. 1 ended, 0 not yet, -1 error.
int linux_process_wait(const struct linux_process *p, int timeout_ms, struct seep_err *err);

// How it ended, as wait(2) encodes it, for others than its parent: Linux 6.15 keeps it in the pidfd once the parent has
// reaped it. True: known.
bool linux_process_exit_status(const struct linux_process *p, int *wait_status);

#endif
