// Slow or special looks into an address space: resident bytes of a range, and the split of a process's mappings by
// purpose.
//
// Place: the sampler subtracts the probe's own region with linux_range_resident(); the explanation of RSS growth uses
// linux_maps_split() at analysis points, not at every tick. Trust: as proc.h.
#ifndef SEEP_LINUX_MEM_H
#define SEEP_LINUX_MEM_H

#include "linux/proc.h"

#include <stdbool.h>

// Resident bytes in [start, start+len) of pid, from /proc/PID/pagemap. Needs the rights of ptrace read.
int linux_range_resident(int proc_fd, pid_t pid, uint64_t start, uint64_t len, int64_t *resident_bytes,
                         struct seep_err *err);

// Sums over /proc/PID/smaps by what a mapping is for. Each part: how many mappings, their size and what is resident.
enum linux_map_part {
    LINUX_MAP_HEAP,         // [heap]
    LINUX_MAP_STACK,        // the main thread's [stack]
    LINUX_MAP_THREAD_STACK, // anonymous, writable, with a guard page below: what pthread_create() makes
    LINUX_MAP_ANON,         // other private anonymous memory (allocator arenas, mmap)
    LINUX_MAP_FILE,         // files and libraries
    LINUX_MAP_SHMEM,        // memfd, /dev/shm, SysV, shared anonymous
    LINUX_MAP_PROBE,        // seep's own: the probe's named regions and its library
    LINUX_MAP_OTHER,        // [vdso], [vvar], ...
    LINUX_MAP_PARTS
};

struct linux_map_sum {
    int64_t mappings, size_bytes, rss_bytes, pss_bytes, anon_bytes, swap_bytes;
};

// Reads smaps of pid. Costs a walk of the page tables (as smaps_rollup) and text: tens of ms with ten thousand
// mappings.
int linux_maps_split(int proc_fd, pid_t pid, struct linux_map_sum parts[LINUX_MAP_PARTS], struct seep_err *err);

// Called by linux_maps_each for each line of /proc/PID/maps; path is bounded, of any bytes. Return non-zero to stop.
struct linux_map {
    uint64_t start, end, offset, inode;
    unsigned dev_major, dev_minor;
    char perms[5];
    const char *path; // "" when anonymous
};
typedef int linux_map_fn(const struct linux_map *map, void *arg);
int linux_maps_each(int proc_fd, pid_t pid, linux_map_fn *fn, void *arg, struct seep_err *err);

// Do two processes run in one address space, as a child of vfork() does in its parent's until it executes something?
// False also when that cannot be asked.
bool linux_memory_shared(pid_t a, pid_t b);

#endif
