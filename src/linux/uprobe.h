// Watching calls of functions in processes that already run: uprobes, without a line of seep's code inside them.
//
// Place: `seep attach` (run/tap.c). Nothing is left behind: the kernel takes the breakpoints out when the descriptors
// close, also when we are killed. What stays is the kernel's own page [uprobes].
//
// Two means. With BPF (Linux 6.6 on) a program of a dozen instructions hands each hit to perf: one link watches a whole
// process, whichever threads it starts. Else events of the uprobe PMU, one for each point, thread and processor: they
// cannot be inherited (the kernel would read the file's name from the new thread's memory, and fail its clone), so new
// threads are not seen, and linux_uprobes_follows() says so.
//
// Trust: records come from the kernel; the registers and the stack in them are the target's.
#ifndef SEEP_LINUX_UPROBE_H
#define SEEP_LINUX_UPROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define LINUX_UPROBE_POINTS_MAX 64
#define LINUX_UPROBE_EVENTS_MAX 8192 // descriptors

enum linux_uprobe_kind {
    LINUX_UPROBE_ENTRY,       // registers of the arguments, the stack pointer and the word it points at
    LINUX_UPROBE_ENTRY_STACK, // all registers and a copy of the stack
    LINUX_UPROBE_RETURN,      // what it returned; the point must still have the return address on top of its stack
    LINUX_UPROBE_KINDS
};

struct linux_uprobe_point {
    const char *path; // of the file the code is mapped from, as we can open it
    uint64_t file_offset;
    enum linux_uprobe_kind kind;
};

enum linux_uprobe_type {
    LINUX_UPROBE_HIT,
    LINUX_UPROBE_LOST,  // the ring was full: `lost` records
    LINUX_UPROBE_FORK,  // tid was started by a watched thread (a thread of pid, or the first one of a new process)
    LINUX_UPROBE_EXIT,  // tid ended
    LINUX_UPROBE_EXEC,  // pid runs another program now
    LINUX_UPROBE_MAPPED // pid has mapped code of a file
};

// Registers by their DWARF number, as struct resolve_regs has them; on a return the result is in value[0].
enum { LINUX_UPROBE_REGS = 17 };

struct linux_uprobe_record {
    enum linux_uprobe_type type;
    int64_t time_ns; // monotonic clock
    pid_t pid, tid;
    pid_t parent;   // FORK: the process that started it
    uint32_t point; // HIT: index of the point
    uint64_t value[LINUX_UPROBE_REGS];
    uint32_t known;       // bit i: value[i] is known
    const uint8_t *stack; // from value[7] (rsp) on; NULL: none. Valid during the call only
    size_t stack_bytes;
    uint64_t lost;
};

struct linux_uprobes;

// May this process use them at all? 0, or -1 with the sentence that names what is missing (SEEP_E_UNSUPPORTED).
int linux_uprobe_allowed(struct seep_err *err);

// Can BPF be used for it?
bool linux_uprobe_bpf(void);

// Makes rings for n points (copied, paths too). stack_bytes of each ENTRY_STACK hit are copied, a multiple of 8. bpf:
// try it; false: the uprobe PMU alone (tests). Returns NULL with err.
struct linux_uprobes *linux_uprobes_new(const struct linux_uprobe_point *points, size_t n, uint32_t stack_bytes,
                                        bool bpf, struct seep_err *err);
// Takes every breakpoint out. NULL is allowed.
void linux_uprobes_free(struct linux_uprobes *u);

// Does watching a process include the threads it starts later?
bool linux_uprobes_follows(const struct linux_uprobes *u);

// Watches a process from now on: all threads in tids; FORK, EXIT, EXEC and MAPPED records come of them and of whatever
// they start. SEEP_E_TARGET when it has ended, SEEP_E_LIMIT past LINUX_UPROBE_EVENTS_MAX or out of descriptors,
// SEEP_E_UNSUPPORTED when the kernel refuses. A thread that has ended is passed over. added: further threads of a
// process that is watched already.
int linux_uprobes_add(struct linux_uprobes *u, pid_t pid, const pid_t *tids, size_t n, bool added,
                      struct seep_err *err);
// The same for a process that a watched one has started, so that records about its tasks come already.
int linux_uprobes_add_child(struct linux_uprobes *u, pid_t pid, struct seep_err *err);

// A process that was watched is gone.
void linux_uprobes_drop(struct linux_uprobes *u, pid_t pid);

// Waits until a ring has filled somewhat, at most timeout_ms.
void linux_uprobes_wait(struct linux_uprobes *u, int timeout_ms);

// Hands every waiting record to `each`, ring by ring: in order of time within a ring only.
typedef void linux_uprobe_fn(const struct linux_uprobe_record *record, void *arg);
void linux_uprobes_read(struct linux_uprobes *u, linux_uprobe_fn *each, void *arg);

// Measures what a hit of each kind costs the thread that runs into it, in nanoseconds, on a function of our own: some
// milliseconds of work. Only where BPF uprobes can be had: to close the others takes too long.
int linux_uprobe_measure(uint32_t stack_bytes, double ns[LINUX_UPROBE_KINDS], struct seep_err *err);

// Tries a return probe on a child that permits itself next to no system call. From Linux 6.11 on such a probe is a
// system call in the watched program, and until 6.14 a seccomp filter ended the program for it. 0: it lives; -1: it
// does not (SEEP_E_UNSUPPORTED), or could not be tried.
int linux_uprobe_harmless(struct seep_err *err);

size_t linux_uprobes_events(const struct linux_uprobes *u);     // descriptors in use
const char *linux_uprobes_means(const struct linux_uprobes *u); // "BPF", "the uprobe PMU"

#endif
