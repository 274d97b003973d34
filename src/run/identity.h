// The target's identity: its main executable after exec, the libraries it has mapped, and the files the profile names.
#ifndef SEEP_RUN_IDENTITY_H
#define SEEP_RUN_IDENTITY_H

#include "base/buf.h"
#include "linux/exe.h"
#include "profile/profile.h"
#include <sys/types.h>

struct run_identity {
    // An array of {"path", "sha256", "build_id"}, one for each file, in order of path after the executable; a file that
    // cannot be read has null for its hash. data NULL: unknown.
    struct seep_buf json;
    bool known;                    // the executable could be read; `exe` and `path` then tell of it
    struct linux_exe exe;          // with its SHA-256
    char path[LINUX_EXE_PATH_MAX]; // "... (deleted)" when the file is gone
    pid_t pid;                     // whose executable this is, and
    dev_t dev;                     // which file it was
    ino_t ino;
};

// Fills *out, which was zero. Reads and hashes every file, each once: call it on a worker thread. After an error *out
// still tells whom it was asked of, so that it is not asked again and again.
int identity_read(int proc_fd, pid_t pid, const struct profile *p, struct run_identity *out, struct seep_err *err);

// Whether the process runs another program by now than `id` tells of: a shell that became a server. One system call;
// false when it cannot be seen.
bool identity_changed(const struct run_identity *id, int proc_fd, pid_t pid);
void identity_free(struct run_identity *id);

#endif
