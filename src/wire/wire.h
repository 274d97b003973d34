// Reads what the probe wrote. Everything hostile ends here: the region belongs to a process that can scribble on it at
// any time, so every reader copies out first, validates the copy, trusts no length, index or cursor, and bounds its
// work by the region's real size. What comes out is well-formed; whether it is TRUE only the target knows.
//
// One struct wire is one region of one process image (see seep_wire.h for how processes get regions). It may be read at
// any time, also after the process has died, for as long as the descriptor or the struct lives. Not thread-safe.
#ifndef SEEP_WIRE_WIRE_H
#define SEEP_WIRE_WIRE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire;

// Ceilings of one region, whatever it claims.
#define WIRE_STACKS_DEFAULT 100000u

// fd: the region's memfd, sealed SHRINK|GROW|SEAL; it is duplicated, the caller keeps its own. Refused with a sentence:
// a missing seal, a size that is no region, a wrong version. Returns NULL with err.
struct wire *wire_open(int fd, struct seep_err *err);
void wire_close(struct wire *w);   // NULL is fine
int wire_fd(const struct wire *w); // of the region; stays the struct's

// Who wrote here. Plain copies; strings always ended, never more than their size.
struct wire_hello {
    int attached;            // the probe has been here (0: handed out, nobody came)
    int off;                 // it has turned itself off
    uint32_t off_reason;     // enum seep_off_reason of seep_wire.h
    uint32_t pid;            // in the target's own numbering
    int forked;              // child of a process with a region
    uint32_t heritage;       // enum seep_heritage: whether the blocks it inherited are known one by one
    uint64_t parent_time_ns; // attach_time_ns of the process it was forked from, 0: none
    uint64_t attach_time_ns; // CLOCK_MONOTONIC
    uint64_t map_address;    // the region's place in the target, so that its RSS can be subtracted
    uint64_t map_bytes;
    uint64_t flags; // SEEP_HDR_*
    char exe_path[512];
};
void wire_hello(struct wire *w, struct wire_hello *out);

// Totals of the whole process. The usable counts are the allocator's block sizes and are exact in both modes; the
// requested ones are what the program asked for, summed over all stacks: exact in exact mode, an estimate in sampled.
struct wire_totals {
    uint64_t usable_alloc_bytes, usable_free_bytes;
    uint64_t alloc_blocks, free_blocks; // exact in both modes
    double live_bytes, live_blocks;     // heap class, requested
    double map_live_bytes;              // anonymous and file mappings made by the program
    int64_t break_bytes;                // of these: by how much it moved its break itself
    // Of a forked process: how much of all that came over fork (and was live there then), and what it freed of that
    // without its being known one by one: blocks, and their usable bytes. live_* holds the former and not the latter.
    double inherited_bytes, inherited_blocks;
    uint64_t inherited_frees, inherited_free_bytes;
    uint64_t stacks; // distinct stacks seen by the probe
    uint64_t unknown_frees, nested, pool_full, live_overflow, samples_lost;
    uint64_t unseen_frees;   // blocks that were freed past the probe: their addresses came again
    uint64_t stack_overflow; // allocations under (other) because no further stack had room
    uint64_t truncated_walks, slow_walks, rule_misses, rule_flushes, ring_lost, map_overflow, module_overflow;
    uint64_t known_wrong; // re-walks that did not confirm the remembered stack
    uint64_t walks, walk_hits, early_bytes, child_timeouts;
    uint64_t pool_used_bytes, pool_bytes; // how near the ceiling is
};

// One stack. frames are innermost first: the return address into the hook's caller first.
struct wire_frame {
    uint64_t pc;     // absolute in the target
    uint32_t module; // index for wire_module, 0: in no known module (generated code)
    int exact;       // pc is the very instruction (above a signal frame), not a return address
};
struct wire_stack {
    uint32_t id;   // stable for the life of the region; 1 is (other), 2 (nested)
    uint8_t klass; // enum seep_class
    uint8_t flags; // SEEP_STACK_*
    uint16_t frames;
    uint32_t first_frame; // index into wire_snapshot.frame
    uint32_t birth_epoch;
    double live_bytes, live_blocks; // >= 0
    double alloc_bytes, alloc_blocks;
    double inherited_bytes, inherited_blocks; // came over fork: part of live_* until freed, no part of alloc_*
};

// Buffers belong to the snapshot and are reused from call to call: zero-initialise once, wire_snapshot_free at the end.
struct wire_snapshot {
    struct wire_totals totals;
    uint64_t word; // the control word in force: epoch, mean (seep_wire.h)
    struct wire_stack *stack;
    size_t stacks, stack_room;
    struct wire_frame *frame;
    size_t frames, frame_room;
    size_t corrupt;  // entries that did not hold together and were left out
    size_t left_out; // stacks beyond max_stacks (the newest ids): what the heap's hold is in (other), the first stack
};
// max_stacks: ceiling of stacks copied, 0 for WIRE_STACKS_DEFAULT. with_frames: also resolve frames (once a stack's
// frames are known to the caller by its id, they never change, so cheap ticks can do without). Returns 0, -1 with err.
int wire_snapshot(struct wire *w, size_t max_stacks, int with_frames, struct wire_snapshot *out, struct seep_err *err);
void wire_snapshot_free(struct wire_snapshot *s);
// The frames of one stack. Returns their number (at most max), 0 for an id that is not there.
size_t wire_stack_frames(struct wire *w, uint32_t stack, struct wire_frame *out, size_t max);

struct wire_module {
    uint64_t start, end;               // of its mapping, absolute
    uint64_t bias;                     // absolute minus address in the file
    uint32_t load_epoch, unload_epoch; // unload_epoch UINT32_MAX while loaded
    uint32_t build_id_bytes;
    uint8_t build_id[32];
    char path[512]; // as the loader knew it; the executable's own path for the main program
};
// Number of modules ever logged plus one; index 0 is "unknown".
uint32_t wire_modules(struct wire *w);
// Copies module `index` out. -1 when there is none (or it is not completely written yet).
int wire_module(struct wire *w, uint32_t index, struct wire_module *out);

// Who survived: live bytes and blocks of each stack by the epoch they were born in. Scans the whole live set: bounded
// by the region's size, about 1 ns a word. In sampled mode bytes and blocks are unbiased estimates and var_bytes2 is
// the estimated variance of bytes; in exact mode var_bytes2 is 0. Blocks inherited over fork are the parent's and left
// out.
struct wire_age {
    uint32_t stack;
    uint32_t epoch;
    double bytes, blocks, var_bytes2;
};
struct wire_age_profile {
    struct wire_age *row; // sorted by stack, then epoch
    size_t rows, room;
    uint64_t blocks_seen;
    size_t left_out; // blocks whose (stack, epoch) found no room under max_rows
};
// max_rows: ceiling of distinct (stack, epoch) pairs, 0 for 1 million.
int wire_age_profile(struct wire *w, size_t max_rows, struct wire_age_profile *out, struct seep_err *err);
void wire_age_profile_free(struct wire_age_profile *p);

// Every live block of the given stacks (for the unreachable proof). stacks: sorted ascending; none (n 0) means all.
struct wire_block {
    uint64_t address, bytes; // requested
    uint32_t stack, epoch;
    int inherited; // the process got it over fork
};
struct wire_blocks {
    struct wire_block *block; // in no particular order
    size_t blocks, room;
    size_t left_out; // beyond max_blocks
};
int wire_live_blocks(struct wire *w, const uint32_t *stacks, size_t n, size_t max_blocks, struct wire_blocks *out,
                     struct seep_err *err);
void wire_blocks_free(struct wire_blocks *b);
// Calls visit for every live block, heap class, in no particular order and without a copy of its own. The set changes
// meanwhile: a block may be met twice (freed and made again elsewhere) or not at all (made behind the reader's back).
// Stops when visit returns nonzero and returns that.
typedef int wire_visit(void *arg, const struct wire_block *b);
int wire_scan_live(const struct wire *w, wire_visit *visit, void *arg);
// The same for the anonymous mappings that the program itself made (not its allocator); they may overlap for a moment.
int wire_scan_maps(const struct wire *w, wire_visit *visit, void *arg);

// One copied stack for the resolver: registers, stack bytes and what the walker made of it.
struct wire_copy {
    uint64_t sequence;
    uint32_t stack, tid, why, epoch;
    uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip;
    size_t frames; // of the walker
    struct wire_frame frame[128];
    size_t stack_bytes; // the bytes start at rsp
    uint8_t bytes[32 << 10];
};
// Takes the next copied stack: 1 filled, 0 none there. A record whose writer died half-way is passed over after some
// calls.
int wire_ring_read(struct wire *w, struct wire_copy *out);

// What the target is asked to do; all take effect at its next hooked calls.
// epoch: 0..1023, must not go back. mean_bytes: sampling mean of blocks born in it, 0 = exact.
int wire_set_epoch(struct wire *w, uint32_t epoch, uint64_t mean_bytes, struct seep_err *err);
// The other mode or interval from now on: moves to the next epoch, whose blocks carry it. -1 when epochs are used up.
int wire_set_sampling(struct wire *w, uint64_t mean_bytes, struct seep_err *err);
uint32_t wire_epoch(struct wire *w);
void wire_request_allocator_stats(struct wire *w);
void wire_turn_off(struct wire *w);
void wire_turn_off_stalled(struct wire *w); // the same, and the probe notes SEEP_OFF_STALLED as its reason

// What a thread of the target is at. False: nobody has this slot, or it is everybody's (slot 0).
struct wire_thread {
    uint32_t tid;  // in the target's own numbering
    uint64_t cold; // odd: looking for a stack that was not the last one
    uint64_t alloc_blocks, free_blocks;
};
bool wire_thread(struct wire *w, uint32_t slot, struct wire_thread *out);

// How often the process has marked operations (seep_mark.h), by name; cumulative. The name is any bytes but 0, never
// empty; what found no entry of its own is WIRE_MARK_OTHER, the first. Returns how many there are, at most
// WIRE_MARKS_MAX; two may have the same name.
#define WIRE_MARKS_MAX  64
#define WIRE_MARK_BYTES 48
#define WIRE_MARK_OTHER "(other)"
struct wire_mark {
    char name[WIRE_MARK_BYTES];
    uint64_t count; // > 0
};
size_t wire_marks(struct wire *w, struct wire_mark out[WIRE_MARKS_MAX]);

#define WIRE_UNKNOWN UINT64_MAX
struct wire_allocator {
    uint32_t kind;  // enum seep_alloc_kind
    uint32_t state; // 0 never read, 1 valid, 2 given up for its cost, 3 this allocator has no interface
    uint64_t allocated_bytes, active_bytes, resident_bytes, retained_bytes, mapped_bytes,
        metadata_bytes;        // WIRE_UNKNOWN
    uint64_t cost_ns, time_ns; // of the last read; CLOCK_MONOTONIC
    int answers_last_request;  // 0: the target has been idle since, the values are old
};
// 0, or -1 when it is being written right now for longer than a read can wait.
int wire_allocator_stats(struct wire *w, struct wire_allocator *out);

#endif
