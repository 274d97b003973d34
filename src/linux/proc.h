// Facts about one process from /proc/PID.
//
// Place: the sampler reads these at every tick. Trust: numbers come from the kernel, names (comm, cmdline, link
// targets) come from the target and are bytes of any kind: they are bounded here and escaped where they are shown. A
// process may end between two reads: then SEEP_E_TARGET. What this user may not read, or this kernel does not have, is
// SEEP_E_UNSUPPORTED with sys_errno kept; it is never a zero.
//
// Quantities are int64_t; one that this kernel does not report is SEEP_UNKNOWN (base/units.h).
// Every function takes proc_fd, a directory descriptor of the proc file system (or of a fake tree in tests).
#ifndef SEEP_LINUX_PROC_H
#define SEEP_LINUX_PROC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/units.h"

// Opens /proc. Returns a descriptor or -1.
int linux_proc_open(struct seep_err *err);

// Reads "PID/name" into buf, at most size-1 bytes, and terminates it. Returns the number of bytes, -1 on errors. A
// longer file is cut without a word: use only where size is known to be enough or a cut is harmless.
ssize_t linux_proc_read(int proc_fd, pid_t pid, const char *name, char *buf, size_t size, struct seep_err *err);

struct linux_stat {
    pid_t pid, ppid, pgrp, session;
    char state;    // R S D T t Z X I ...
    char comm[65]; // any bytes but NUL
    int64_t minflt, majflt;
    int64_t utime_us, stime_us;
    int64_t threads;
    int64_t vsize_bytes, rss_bytes; // rss here is the kernel's quick, imprecise count
    uint64_t starttime_ticks;       // since boot; with pid the identity of the process
};
int linux_stat_read(int proc_fd, pid_t pid, struct linux_stat *out, struct seep_err *err);
// The same for one thread, PID/task/TID: state, utime_us, stime_us and starttime_ticks are its own.
int linux_thread_stat_read(int proc_fd, pid_t pid, pid_t tid, struct linux_stat *out, struct seep_err *err);

struct linux_statm {
    int64_t size_bytes, resident_bytes, shared_bytes, text_bytes, data_bytes;
};
int linux_statm_read(int proc_fd, pid_t pid, struct linux_statm *out, struct seep_err *err);

// Absent lines are SEEP_UNKNOWN.
struct linux_status {
    int64_t rss_anon_bytes, rss_file_bytes, rss_shmem_bytes, swap_bytes, vm_hwm_bytes, threads;
    int64_t voluntary_switches, involuntary_switches;
    uint64_t sig_caught, sig_ignored, sig_blocked, sig_pending; // bit n-1 is signal n; for all threads or the main one
    int64_t uid, euid, gid, egid;
    int64_t tgid;                                               // the process a thread belongs to
    int64_t no_new_privs, seccomp, seccomp_filters, tracer_pid; // filters: unknown before Linux 5.9
};
int linux_status_read(int proc_fd, pid_t pid, struct linux_status *out, struct seep_err *err);

// The number a process has in its own PID namespace, under which it writes files of its own; pid when that is not told.
pid_t linux_inner_pid(int proc_fd, pid_t pid);

// /proc/PID/smaps_rollup. Absent lines are SEEP_UNKNOWN. Costs a walk of the page tables: some ms per GiB.
struct linux_rollup {
    int64_t rss_bytes, pss_bytes, pss_anon_bytes, pss_file_bytes, pss_shmem_bytes;
    int64_t shared_clean_bytes, shared_dirty_bytes, private_clean_bytes, private_dirty_bytes;
    int64_t anonymous_bytes, lazy_free_bytes, huge_anon_bytes, swap_bytes, swap_pss_bytes, locked_bytes;
};
int linux_rollup_read(int proc_fd, pid_t pid, struct linux_rollup *out, struct seep_err *err);

// /proc/PID/io. read_bytes and write_bytes are what reached a device; the others are what system calls moved.
struct linux_io {
    int64_t rchar, wchar, syscr, syscw, read_bytes, write_bytes, cancelled_bytes;
};
int linux_io_read(int proc_fd, pid_t pid, struct linux_io *out, struct seep_err *err);

// Open descriptors by kind; the names for reports stand in linux_fd_names, indexed by enum linux_fd_kind.
enum linux_fd_kind {
    LINUX_FD_FILE,
    LINUX_FD_SOCKET,
    LINUX_FD_PIPE,
    LINUX_FD_EVENTFD,
    LINUX_FD_EPOLL,
    LINUX_FD_TIMERFD,
    LINUX_FD_SIGNALFD,
    LINUX_FD_MEMFD,
    LINUX_FD_INOTIFY,
    LINUX_FD_PIDFD,
    LINUX_FD_IO_URING,
    LINUX_FD_DEVICE,
    LINUX_FD_OTHER,
    LINUX_FD_KINDS
};
extern const char *const linux_fd_names[LINUX_FD_KINDS];

struct linux_fds {
    int64_t total; // exact even when not all were classified
    int64_t by_kind[LINUX_FD_KINDS];
    int64_t unclassified; // the time limit was reached before these
    int highest;          // highest descriptor number, -1 when none
};

// Counts the descriptors; after budget_ns (0: 20 ms) of classifying the rest is only counted.
int linux_fds_count(int proc_fd, pid_t pid, int64_t budget_ns, struct linux_fds *out, struct seep_err *err);

// Classifies one link target of /proc/PID/fd ("socket:[42]", "/dev/null", "anon_inode:[eventpoll]", ...).
enum linux_fd_kind linux_fd_classify(const char *target);

// Number of mappings (lines of /proc/PID/maps).
int linux_maps_count(int proc_fd, pid_t pid, int64_t *out, struct seep_err *err);

// The command line with its NULs; *len gets the bytes. Bounded by size.
int linux_cmdline_read(int proc_fd, pid_t pid, char *buf, size_t size, size_t *len, struct seep_err *err);

// Clock ticks a second of starttime_ticks (sysconf(_SC_CLK_TCK)).
long linux_ticks_per_second(void);

#endif
