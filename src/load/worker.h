// The load worker: the process behind the hidden verb `seep load-worker FD`.
#ifndef SEEP_LOAD_WORKER_H
#define SEEP_LOAD_WORKER_H

// Runs until the supervisor's end of `fd` closes or tells it to end. Returns the exit status. Called in a process of
// its own: changes signal dispositions and resource limits.
int load_worker_main(int fd);

#endif
