// Who holds a lock on a file, asked without taking it.
// Trust: text of the kernel. In a PID namespace locks of processes outside of it are not told.
#ifndef SEEP_LINUX_LOCKS_H
#define SEEP_LINUX_LOCKS_H

#include <sys/types.h>

// The process that holds flock(LOCK_EX) on the file of fd and lives; 0: nobody, or nobody that is told.
pid_t linux_flock_holder(int proc_fd, int fd);

#endif
