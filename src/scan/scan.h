// Why do suspected blocks stay: does nothing point at them any more, or who holds them?
//
// Place: late in a run the supervisor picks suspects (stacks that grow) and lets a process of its own, the scan worker,
// look at the target's memory from outside a few times. The target is never stopped, traced or forked. Trust: memory,
// mappings and live table are the target's and may say anything; work, memory and time are bounded.
//
// Method. Every block that is known is a node: those of the probe's region, or those that whoever watches the program
// from outside has listed (struct scan_list). Roots are all memory outside the allocator's heap (data of program
// and libraries, stacks, thread-local storage, shared and private mappings), the registers of threads that sleep, and
// addresses in epoll registrations and timers. A value at ANY byte position that falls inside a block, or on its end,
// counts as a pointer to it; so packed structures, interior pointers and tags in low bits are covered. Blocks reached
// from roots through blocks are *reachable*; blocks not reached are *lost*, also when they point at each other.
//
// Whatever is not certain makes a block *undecided*, never lost: it is reached only through memory of unknown content
// (freed chunks, allocator metadata, blocks that are not known: most of the heap in sampled mode, all that was
// allocated before a program was attached to), through the part of a stack below its pointer, through a pointer that
// could also mean the end of the block before, through a tagged value (upper 16 bits), through a value that is there by
// chance (chance.c), or through a block that was made while the scan went on. Registers of running threads and those
// that a system call saves are visible to nobody: a lost component of the graph counts as lost only beyond what that
// many unseen pointers could hold. A growing list whose head lives in a register is ONE component; a leak makes new
// ones all the time.
//
// What is not covered stands in the report: report_not_covered() has the list.
#ifndef SEEP_SCAN_SCAN_H
#define SEEP_SCAN_SCAN_H

#include "base/err.h"
#include "wire/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SCAN_SUSPECTS_MAX 32
#define SCAN_CHECKED_MAX  1024 // blocks of one suspect that are followed
#define SCAN_LOOKS_MAX    8
#define SCAN_PATH_BYTES   256

enum scan_trouble {
    SCAN_FINE,
    SCAN_TIME,       // the limit was reached
    SCAN_MEMORY,     // too many blocks or pointers for the ceiling
    SCAN_SWAPPED,    // a part of the target's memory is swapped out: nothing can be called lost
    SCAN_GONE,       // the process ended or executed another program
    SCAN_UNREADABLE, // its memory may not be read
    SCAN_CRASHED,    // the worker ended before its time
    SCAN_BEHIND,     // a list of blocks could not be had, or not had anew
    SCAN_TROUBLES
};
const char *scan_trouble_text(enum scan_trouble t); // a clause: "the time limit was reached"

// Who holds reachable blocks.
enum scan_holder_kind {
    SCAN_BY_NOBODY,  // not known
    SCAN_BY_STACK,   // blocks of another call stack
    SCAN_BY_OWN,     // blocks of the same call stack: a list, a tree; see entry
    SCAN_BY_DATA,    // a variable of a module: path and offset
    SCAN_BY_THREAD,  // a thread's stack or thread-local storage
    SCAN_BY_MAPPING, // other private memory outside the heap
    SCAN_BY_SHARED,  // shared memory
    SCAN_BY_KERNEL,  // an epoll registration or a timer
    SCAN_BY_UNKNOWN, // heap memory that is in no list: from before the watching, or free; told of undecided blocks only
    SCAN_HOLDERS
};
const char *scan_holder_word(enum scan_holder_kind kind); // as stored and printed in JSON

struct scan_holder {
    uint32_t kind;              // enum scan_holder_kind
    uint32_t blocks;            // of the checked ones that it reaches, or may reach, how many it points at
    uint32_t stack;             // SCAN_BY_STACK: the region's id
    uint32_t tid;               // SCAN_BY_THREAD
    uint64_t offset;            // SCAN_BY_DATA: link-time address in path
    char path[SCAN_PATH_BYTES]; // SCAN_BY_DATA, SCAN_BY_SHARED
};

struct scan_look {                                     // one scan, one suspect
    uint32_t alive, lost, reachable, undecided, doubt; // doubt: of the lost, how many unseen registers could hold
};

struct scan_suspect {
    uint32_t stack;     // the region's id
    uint32_t first, n;  // its checked blocks
    uint64_t by_chance; // places in its blocks, 16 bytes each, that values point at by chance (chance.c)
    double chance_hits; // what chance may point at in the other places, at most; 0: it is not at work
    struct scan_look look[SCAN_LOOKS_MAX];
    struct scan_holder holder, entry; // entry: from outside, when the blocks hold each other
};

// What several scans together say about one suspect.
struct scan_sum {
    uint32_t lost;          // in the latter half of the scans, less what unseen registers could hold
    uint32_t checked;       // decided blocks that were there in all scans
    uint32_t undecided;     // there in all scans, and not decided
    uint32_t scans, agreed; // scans done; and those that came to the same answer as all together
    struct scan_holder holder, entry;
};

// One process under suspicion, over several scans.
struct scan_case;

// region_fd, memory_fd (linux_memory_open()): taken over in any case. stacks: the region's ids, at most
// SCAN_SUSPECTS_MAX are used. Returns NULL with err.
struct scan_case *scan_case_new(int region_fd, int memory_fd, pid_t pid, const uint32_t *stacks, size_t n,
                                struct seep_err *err);
void scan_case_free(struct scan_case *c); // NULL is allowed

// The same without a probe: the blocks are those that `fill` lists. It is called before each scan, and once more near
// its end: what the second list no longer has was freed, so it must be true of a moment after the call.
struct scan_list;
struct scan_list_head {
    uint32_t epoch;  // the present one
    bool glibc;      // whose allocator it is
    uint64_t missed; // blocks that may have been freed unseen: so many are not called unreachable
};
typedef int scan_fill_fn(struct scan_list *list, void *ctx); // 0, or -1: nothing can be said
struct scan_case *scan_case_new_listed(scan_fill_fn *fill, void *ctx, int memory_fd, pid_t pid, const uint32_t *stacks,
                                       size_t n, struct seep_err *err);
// Within fill: begins anew; then every live block of the process, in any order. -1: there is no memory.
int scan_list_begin(struct scan_list *l, const struct scan_list_head *head);
int scan_list_add(struct scan_list *l, const struct wire_block *b);

// One more scan, by a worker process started as `self_exe scan-worker`; waits for it, at most limit_s. Nothing is
// changed when it fails: *trouble says why. cpu_s gets what the worker used. Returns 0 or -1 (no worker to be had).
int scan_case_run(struct scan_case *c, const char *self_exe, double limit_s, enum scan_trouble *trouble, double *cpu_s,
                  struct seep_err *err);
// The same in this process, for tests.
int scan_case_run_here(struct scan_case *c, double limit_s, enum scan_trouble *trouble);

// i below scan_case_suspects(). *stack gets the region's id.
size_t scan_case_suspects(const struct scan_case *c);
void scan_case_sum(const struct scan_case *c, size_t i, uint32_t *stack, struct scan_sum *out);
pid_t scan_case_pid(const struct scan_case *c);

// The hidden verb: box, region or list, and memory at descriptors 3, 4 and 5. Ends with an exit status.
int scan_worker_main(int box_fd);

#endif
