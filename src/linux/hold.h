// Where a process can hold an address besides its ordinary memory: registers, and objects inside the kernel. And which
// of its pages have any content.
//
// Place: the memory scan (scan/) takes its roots from here. Nothing is stopped or traced. Trust: as proc.h; the values
// are the target's and mean nothing until they are looked up among known blocks.
#ifndef SEEP_LINUX_HOLD_H
#define SEEP_LINUX_HOLD_H

#include "linux/proc.h"
#include <stdbool.h>

// Opens /proc/PID/mem for reading. The descriptor stays with that address space, also when the process executes another
// program or ends. Needs the rights of ptrace attach; -1 with SEEP_E_UNSUPPORTED without them.
int linux_memory_open(int proc_fd, pid_t pid, struct seep_err *err);

// One thread: what /proc/PID/task/TID/syscall shows.
struct linux_held_thread {
    pid_t tid;
    bool blocked;  // sleeps in a system call: sp, pc and the arguments are known
    bool sp_known; // also true for one that sleeps outside of a system call (a page fault)
    uint64_t sp, pc;
    uint64_t arg[6];
};
typedef int linux_held_thread_fn(const struct linux_held_thread *t, void *arg);
// Calls fn for each thread until it returns non-zero. Returns 0, or -1 when the list of threads cannot be read.
int linux_held_threads(int proc_fd, pid_t pid, linux_held_thread_fn *fn, void *arg, struct seep_err *err);

// Addresses inside kernel objects of the process.
enum linux_holder_kind { LINUX_HELD_EPOLL, LINUX_HELD_TIMER };
typedef void linux_held_fn(enum linux_holder_kind kind, uint64_t value, void *arg);
struct linux_held_summary {
    bool epoll_seen, timers_seen; // false: they exist but could not be read
    uint64_t unseen;              // places that may hold an address and show it to nobody: requests in flight
};
// Calls fn for the data of every epoll registration and the value of every POSIX timer. Returns 0, or -1 when the
// descriptors cannot be read.
int linux_held_by_kernel(int proc_fd, pid_t pid, linux_held_fn *fn, void *arg, struct linux_held_summary *out,
                         struct seep_err *err);

// Pages with content. A page that was never touched is in no run, so that reading runs never makes one.
struct linux_run {
    uint64_t start, end;
    bool swapped; // reading it would bring it back into memory
    bool file;    // content of a file, or shared: not the process's private copy
};
// pagemap_fd: of linux_pagemap_open(). Fills at most max runs of [start, end) in order; *next is where to go on, `end`
// when done. Returns their number or -1 (the process is gone). Memory that was read and never written to has no
// content; kernels before 6.7 cannot tell it from other pages.
int linux_pagemap_open(int proc_fd, pid_t pid, struct seep_err *err);
ssize_t linux_populated(int pagemap_fd, uint64_t start, uint64_t end, struct linux_run *runs, size_t max,
                        uint64_t *next, struct seep_err *err);

#endif
