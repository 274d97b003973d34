// What the calls of an allocator, seen from outside, add up to: blocks that live, by address, size and call stack.
// Pure: records in order of time go in, sums come out. Not thread-safe.
//
// Blocks from before the watching began are not known. Freeing one of them is counted as such ("old"), for every block
// that takes the place of an old one looks like growth. The same holds for a record that was lost: it may have been the
// freeing of a block that lives on here. `doubt` counts everything of that kind; who judges growth in blocks must allow
// for that many.
#ifndef SEEP_RUN_TAP_LIVE_H
#define SEEP_RUN_TAP_LIVE_H

#include "linux/uprobe.h"
#include "run/tap_points.h"

#define TAP_SLOT_OTHER 0 // the slot of everything that has no stack
#define TAP_SLOTS_MAX  65536
#define TAP_EPOCHS     65

struct tap_sums { // of one slot
    uint64_t live_bytes, live_blocks, alloc_bytes, alloc_blocks;
};

struct tap_counts {
    uint64_t hits;       // records of calls
    uint64_t lost;       // records the ring had no room for
    uint64_t old_frees;  // blocks freed that were never seen allocated
    uint64_t unpaired;   // calls seen without their return, or returns without their call
    uint64_t guessed;    // blocks whose address was read after the fact
    uint64_t overflowed; // blocks past the ceiling
    uint64_t replaced;   // an address given out again although its block was not seen freed
    uint64_t uncovered;  // calls that could not be followed (operator new that may throw)
    uint64_t old_unmaps; // ranges unmapped of which nothing was seen mapped
    uint64_t allocs, alloc_bytes;
};

struct tap_live;

// max_blocks: the ceiling of blocks known at once. NULL when memory ran out.
struct tap_live *tap_live_new(size_t max_blocks);
void tap_live_free(struct tap_live *l);

// Reads 8 bytes at an address of a process, for posix_memalign. False: not readable.
typedef bool tap_peek_fn(pid_t pid, uint64_t address, uint64_t *value, void *ctx);
// Does this return address lie within the allocator itself? NULL: never.
typedef bool tap_own_fn(pid_t pid, uint64_t caller, void *ctx);
// own_map: the same of who maps memory: the allocator or the C library, whose doing it then is.
void tap_live_set_asks(struct tap_live *l, tap_peek_fn *peek, tap_own_fn *own, tap_own_fn *own_map, void *ctx);

// One record; slot: of the stack of an entry, below TAP_SLOTS_MAX (TAP_SLOT_OTHER: unknown). p: what the point stands
// for (HIT only). caller: the return address of an entry, 0 unknown.
void tap_live_take(struct tap_live *l, const struct linux_uprobe_record *r, const struct tap_point *p, uint32_t slot,
                   uint64_t caller);

// The process is gone, or runs another program: its blocks are no more.
void tap_live_drop_process(struct tap_live *l, pid_t pid);
// Drops the blocks of every process that `alive` says no to.
typedef bool tap_alive_fn(pid_t pid, void *ctx);
void tap_live_drop_dead(struct tap_live *l, tap_alive_fn *alive, void *ctx);

void tap_live_set_epoch(struct tap_live *l, uint32_t epoch); // 0..TAP_EPOCHS - 1

const struct tap_counts *tap_live_counts(const struct tap_live *l);
uint64_t tap_live_doubt(const struct tap_live *l);
const struct tap_sums *tap_live_sums(const struct tap_live *l); // TAP_SLOTS_MAX, by slot
// The program's own mappings, which are no part of the heap: sums by slot, and what may count as mapped that is not.
const struct tap_sums *tap_live_map_sums(const struct tap_live *l);
uint64_t tap_live_map_doubt(const struct tap_live *l);
// Live bytes and blocks by slot and birth epoch, added to arrays of n_slots x TAP_EPOCHS.
void tap_live_ages(const struct tap_live *l, size_t n_slots, double *bytes, double *blocks);

// Every block of a process (0: of all), in no particular order, until `each` returns non-zero; returns that.
typedef int tap_block_fn(pid_t pid, uint64_t address, uint64_t bytes, uint32_t slot, uint32_t epoch, void *ctx);
int tap_live_each(const struct tap_live *l, pid_t pid, tap_block_fn *each, void *ctx);
// How many of the blocks may have been freed without its being seen.
uint64_t tap_live_missed(const struct tap_live *l);
uint32_t tap_live_epoch(const struct tap_live *l);

#endif
