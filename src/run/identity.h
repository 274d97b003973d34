// The target's identity: its main executable after exec, the libraries it has mapped, and the files the profile names.
#ifndef SEEP_RUN_IDENTITY_H
#define SEEP_RUN_IDENTITY_H

#include "base/buf.h"
#include "profile/profile.h"
#include <sys/types.h>

// Writes a JSON array of {"path", "sha256", "build_id"} into out, one for each file, in order of path after the
// executable. A file that cannot be read has null for its hash. Reads and hashes every file: call it on a worker
// thread.
int identity_json(int proc_fd, pid_t pid, const struct profile *p, struct seep_buf *out, struct seep_err *err);

#endif
