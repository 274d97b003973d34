// The load worker as a process: made, and ended for certain. Used by load.c only.
#ifndef SEEP_LOAD_SPAWN_H
#define SEEP_LOAD_SPAWN_H

#include "base/err.h"
#include <stddef.h>
#include <sys/types.h>

struct load_worker {
    pid_t pid;     // 0: none, or reaped
    int pidfd, fd; // -1: none; fd is the supervisor's end
};

// Runs `self_exe load-worker 3` in a session of its own (so that the terminal's signals do not reach it), with
// descriptor 3 as its end of a socket pair, nothing else open but standard error, default signals and nothing blocked.
int load_worker_spawn(const char *self_exe, int sndbuf, struct load_worker *out, struct seep_err *err);

// Waits `patience_ms` for it to end by itself, then kills it, reaps it, closes all. how (may be NULL) becomes a clause
// about its end: "killed by signal 9 (Killed)". A worker that does not die within `within_ms` is left to init.
void load_worker_end(struct load_worker *w, int patience_ms, int within_ms, char *how, size_t size);

// A sealed memory file holding `text`; -1 with err.
int load_profile_fd(const char *text, struct seep_err *err);

#endif
