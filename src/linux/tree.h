// The process tree of a target: everybody below a root (the keeper is a subreaper, so nobody leaves it but by root's
// tricks), and what one tick wants to know of all of them together.
//
// Place: the sampler calls linux_tree_walk() and linux_tree_sample() at every tick. Trust: see proc.h.
#ifndef SEEP_LINUX_TREE_H
#define SEEP_LINUX_TREE_H

#include <stdbool.h>

#include "linux/proc.h"

#define LINUX_TREE_MAX 4096 // processes followed one by one; the rest is counted

struct linux_tree_node {
    pid_t pid, ppid;
    uint64_t starttime_ticks;
    char state;
    uint32_t depth; // 1: child of the root
};

struct linux_tree {
    struct linux_tree_node nodes[LINUX_TREE_MAX]; // parents before their children
    size_t count;
    size_t beyond;  // processes past the ceiling: not in nodes
    size_t zombies; // of those in nodes
};

// Fills tree with all descendants of root, root itself not included. Uses /proc/P/task/T/children and, where the kernel
// lacks it, one scan of all processes by parent. Processes that end meanwhile are simply not there. Errors:
// SEEP_E_TARGET when root is gone.
int linux_tree_walk(int proc_fd, pid_t root, struct linux_tree *tree, struct seep_err *err);

// The same by the scan alone; for tests and for kernels without CONFIG_PROC_CHILDREN.
int linux_tree_scan(int proc_fd, pid_t root, struct linux_tree *tree, struct seep_err *err);

// The same with root itself in front, as a child of nobody: for a process that is watched without being our descendant.
int linux_tree_walk_from(int proc_fd, pid_t root, struct linux_tree *tree, struct seep_err *err);

// The threads of a process into tids. Returns how many (at most max), -1 when it is gone.
int linux_tasks_list(int proc_fd, pid_t pid, pid_t *tids, size_t max, struct seep_err *err);

// Which parts of a sample are wanted; smaps_rollup and fds are the dear ones.
#define LINUX_WANT_ROLLUP (1u << 0)
#define LINUX_WANT_FDS    (1u << 1)
#define LINUX_WANT_IO     (1u << 2)
#define LINUX_WANT_MAPS   (1u << 3)
#define LINUX_WANT_ALL    0xfu

// Sums over the living processes of a tree. A sum is SEEP_UNKNOWN when it could be read of no process; `denied` counts
// the processes (not zombies) of which some wanted part could not be read, so that a sum is then a lower bound.
struct linux_sample {
    int64_t processes, zombies, threads;
    int64_t rss_bytes, rss_anon_bytes, rss_file_bytes, rss_shmem_bytes,
        swap_bytes; // status, or statm where it is hidden
    int64_t pss_bytes, pss_anon_bytes, pss_file_bytes, pss_shmem_bytes, private_dirty_bytes, lazy_free_bytes;
    int64_t vsize_bytes;
    int64_t utime_us, stime_us, minflt, majflt;
    int64_t voluntary_switches, involuntary_switches;
    int64_t fds, fds_by_kind[LINUX_FD_KINDS], fds_unclassified;
    int64_t io_read_bytes, io_write_bytes, io_rchar, io_wchar;
    int64_t maps;
    int64_t stopped; // processes in state T or t
    int64_t denied;
    int64_t gone; // ended between the walk and the reading
};

// Reads every process of tree. A pid whose start time changed since the walk counts as gone. budget_ns bounds the fd
// classification of the whole tree (0: 20 ms).
int linux_tree_sample(int proc_fd, const struct linux_tree *tree, uint32_t want, int64_t budget_ns,
                      struct linux_sample *out, struct seep_err *err);

// Adds a process and its descendants, unless it is there already, has ended, or is another by now: one that was met
// before and belongs to the tree although its parent is gone.
void linux_tree_join(int proc_fd, struct linux_tree *tree, pid_t pid, uint64_t starttime_ticks);

// One process of a tree, for a report of children left behind: "pid 4711 (worker) S".
int linux_tree_describe(int proc_fd, const struct linux_tree_node *node, char *text, size_t size);

#endif
