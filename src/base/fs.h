// Files by directory descriptor. Nothing in seep opens a path twice: a directory is opened once, checked, and used by
// fd.
#ifndef SEEP_BASE_FS_H
#define SEEP_BASE_FS_H

#include "base/buf.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

// First thing of the program: what it makes is its owner's to read and write, whatever umask it was started with.
void fs_keep_owner_bits(void);

// The umask this process was started with, which a target gets.
unsigned fs_callers_umask(void);

// True when `name` is a run or profile name: [A-Za-z0-9][A-Za-z0-9._-]{0,63}.
bool fs_name_ok(const char *name);

// Opens directory `path` for use with *at calls; with `create`, makes it and its parents (0755 by umask) first.
// Returns a CLOEXEC descriptor or -1.
int fs_open_dir(const char *path, bool create, struct seep_err *err);

// Makes `name` in `dir_fd` exclusively with mode 0700 and opens it. -1 with sys_errno EEXIST when it is there already.
int fs_make_private_dir(int dir_fd, const char *name, struct seep_err *err);

// Reads a whole regular file into `out` (whose ceiling bounds it). AT_FDCWD is accepted.
int fs_read_file(int dir_fd, const char *name, struct seep_buf *out, struct seep_err *err);

// Writes `name` in dir_fd so that a reader sees the old or the new content and never half: a temporary file of mode
// 0600, fsync, rename, fsync of the directory.
int fs_write_file(int dir_fd, const char *name, const void *data, size_t len, struct seep_err *err);

// Writes all of it to a descriptor, over short writes and EINTR.
int fs_write_all(int fd, const void *data, size_t len, struct seep_err *err);

// The directory that holds seep's own parts, found from /proc/self/exe: <prefix> of <prefix>/bin/seep. malloc'ed, or
// NULL.
char *fs_prefix(struct seep_err *err);

// 16 bytes of randomness from the kernel as 32 hexadecimal digits plus NUL.
int fs_random_hex(char out[33], struct seep_err *err);

#endif
