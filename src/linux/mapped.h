// The very files that a process has mapped as code, and the maps its just-in-time compiler writes.
//
// Place: when a module is first seen, so that its names can be had later, whatever becomes of the process and of the
// path. The loader's own names do not serve: they may be relative, symbolic links, or of another root directory.
// Trust: paths are the target's; only regular files are ever opened, after they have been looked at.
#ifndef SEEP_LINUX_MAPPED_H
#define SEEP_LINUX_MAPPED_H

#include "linux/mem.h"

#include <stdbool.h>

#define LINUX_MAPPED_PATH_MAX 4096

// Opens the file behind a mapping for reading: by the kernel's own link where we may follow it (also when the file is
// deleted or replaced), else by its path within the target's root if it still is the same inode. -1: it cannot be had.
int linux_mapped_open(int proc_fd, pid_t pid, const struct linux_map *map);

// A name by which another process of ours can open the file behind a mapping: within the target's root, or as we see it
// ourselves (its root is a directory of ours), else the kernel's link, which leads to a deleted file too. The first is
// also the answer when none leads there.
#define LINUX_MAPPED_NAME_MAX (LINUX_MAPPED_PATH_MAX + 64)
void linux_mapped_name(pid_t pid, const struct linux_map *map, char out[LINUX_MAPPED_NAME_MAX]);

// Opens code that is no longer mapped, by the name the loader knew it under: relative to the process's root or
// working directory, symbolic links followed. Whether it still is that file only its build-id can tell. out gets its
// real path. -1: it cannot be had.
int linux_mapped_by_name(int proc_fd, pid_t pid, const char *name, char out[LINUX_MAPPED_PATH_MAX]);

// The path of a mapping as the target sees it, without the kernel's remark that the file is deleted; "" when too long.
void linux_mapped_path(const struct linux_map *map, char out[LINUX_MAPPED_PATH_MAX]);

// Whether exactly [start, end) is one mapping of the process now. True also when that cannot be asked.
bool linux_mapped_there(int proc_fd, pid_t pid, uint64_t start, uint64_t end);

// Opens /tmp/perf-PID.map, as just-in-time compilers write it, within the target's own root. own_pid: as the process
// sees itself. path gets its name in any case. -1: there is none.
int linux_perf_map_open(int proc_fd, pid_t pid, uint32_t own_pid, char path[64]);

#endif
