// The one header both worlds share: the probe inside the target writes these structures, the supervisor reads them.
//
// RULES. The layout is append-only: a field is never moved, resized or given a new meaning; new ones take the place of
// `reserved` or go to the end; every change that an old reader would misread raises SEEP_WIRE_VERSION. All integers are
// native-endian (both sides are one machine), naturally aligned, of fixed width. The region is created, sized, sealed
// and initialised by the keeper (seep_region.h) and mapped MAP_SHARED by the probe; positions of all sections follow
// from the region's size alone (seep_layout_compute), so a reader takes NOTHING about the layout from the region
// itself.
//
// TRUST. The target owns its address space and can write anything here at any time. A reader copies out first,
// validates the copy, and bounds its own work; a value here is evidence, never an index to be used as is.
#ifndef SEEP_WIRE_H
#define SEEP_WIRE_H

#include <stdint.h>

#define SEEP_WIRE_MAGIC   0x31455249575045ull // "EPWIRE1"
#define SEEP_WIRE_VERSION 4u
// <hex>:<flags>[:<filters>]; the socket is abstract, "\0seep-<hex>". filters: under how many seccomp filters seep
// itself lives; a program under more of them restricted itself, and the probe leaves it alone.
#define SEEP_ENV_PROBE      "SEEP_PROBE"
#define SEEP_SOCKET_PREFIX  "seep-"
#define SEEP_SOCKET_HEX_MAX 64

#define SEEP_CHUNK_BYTES       (32u << 10)  // unit of the pool
#define SEEP_RANGE_SHIFT       17           // one live chunk covers 128 KiB of address space ...
#define SEEP_GRANULE_SHIFT     5            // ... with one word for each 32 bytes
#define SEEP_LIVE_LEVELS       4            // blocks that start within one granule: 8-byte size classes give four
#define SEEP_LARGE_BYTES       (128u << 10) // from here on a block lives in the side table
#define SEEP_EPOCHS            1024u
#define SEEP_THREAD_SLOTS      256u
#define SEEP_SHARDS            4u // shard 0 is shared (locked adds), 1..3 belong to one thread each
#define SEEP_FRAMES_MAX        128u
#define SEEP_STACK_ENTRY_BYTES 256u
#define SEEP_STACKS_PER_CHUNK  (SEEP_CHUNK_BYTES / SEEP_STACK_ENTRY_BYTES)
#define SEEP_FRAMES_PER_CHUNK  (SEEP_CHUNK_BYTES / 8u)
#define SEEP_STACK_IDS_MAX     (1u << 24)
#define SEEP_MODULE_PATH_BYTES 384u
#define SEEP_BUILD_ID_BYTES    32u
#define SEEP_RING_SLOT_BYTES   (32u << 10)
#define SEEP_MARKS             64u // names of operations; beyond them they count under the first entry
#define SEEP_MARK_NAME_BYTES   48u

// Stack ids with a meaning of their own.
enum { SEEP_STACK_NONE = 0, SEEP_STACK_OTHER = 1, SEEP_STACK_NESTED = 2, SEEP_STACK_FIRST = 3 };

// ---- attaching: AF_UNIX SOCK_SEQPACKET, one message each way ----

enum seep_hello_reason {
    SEEP_HELLO_IMAGE = 0,  // a new program image: the first start or any exec
    SEEP_HELLO_FORKED = 1, // a forked or raw-cloned child of a process that had a region
};

struct seep_hello {
    uint64_t magic;
    uint32_t version;
    uint32_t reason; // enum seep_hello_reason
    uint32_t pid;    // as the process sees itself; the keeper trusts SO_PEERCRED, not this
    uint32_t parent_pid;
    uint64_t as_limit_bytes; // RLIMIT_AS, UINT64_MAX when there is none: ask for a region well below it
    uint64_t reserved[3];
};

enum seep_answer { SEEP_ANSWER_NONE = 0, SEEP_ANSWER_REGION = 1 };

// With SEEP_ANSWER_REGION exactly one descriptor comes by SCM_RIGHTS: the sealed memfd.
struct seep_hello_reply {
    uint64_t magic;
    uint32_t version;
    uint32_t answer; // enum seep_answer
    uint64_t region_bytes;
    uint64_t reserved[3];
};

// ---- page 0: the header, written by the keeper at creation and by the probe afterwards ----

enum seep_probe_state { SEEP_PROBE_EMPTY = 0, SEEP_PROBE_ON = 1, SEEP_PROBE_OFF = 2 };
enum seep_off_reason {
    SEEP_OFF_NOT = 0,
    SEEP_OFF_RLIMIT = 1,  // the address space limit leaves no room
    SEEP_OFF_VERSION = 2, // keeper and probe differ
    SEEP_OFF_STALLED = 3, // the supervisor saw a thread hang in the probe
    SEEP_OFF_CONTROL = 4, // the supervisor asked
    SEEP_OFF_LOCKED = 5,  // the program locks its memory, and its limit has no room for the region
};
enum seep_alloc_kind {
    SEEP_ALLOC_UNKNOWN = 0,
    SEEP_ALLOC_GLIBC = 1,
    SEEP_ALLOC_JEMALLOC = 2,
    SEEP_ALLOC_TCMALLOC = 3,
    SEEP_ALLOC_MIMALLOC = 4,
};
enum seep_heritage {
    SEEP_HERITAGE_NONE = 0,    // not forked
    SEEP_HERITAGE_KNOWN = 1,   // the table began as the parent's was at the fork, to the block
    SEEP_HERITAGE_UNKNOWN = 2, // frees of what is not known are of inherited blocks
};
enum seep_entry_point {
    SEEP_EP_REALLOC,
    SEEP_EP_MEMALIGN,
    SEEP_EP_MMAP,
    SEEP_EP_MUNMAP,
    SEEP_EP_MREMAP,
    SEEP_EP_BRK,
    SEEP_EP_NEW,
    SEEP_EP_DLCLOSE,
    SEEP_EP_SHMAT,
    SEEP_EP_SHMDT,
    SEEP_EP_COUNT = 16
};

struct seep_allocator_stats {
    uint64_t sequence;        // odd while being written
    uint32_t kind;            // enum seep_alloc_kind
    uint32_t state;           // 0 never read, 1 valid, 2 given up because reading cost too much, 3 no interface
    uint64_t allocated_bytes; // UINT64_MAX where this allocator does not say
    uint64_t active_bytes;
    uint64_t resident_bytes;
    uint64_t retained_bytes;
    uint64_t mapped_bytes;
    uint64_t metadata_bytes;
    uint64_t cost_ns; // of the last read
    uint64_t time_ns; // CLOCK_MONOTONIC of the last read
    uint64_t tick;    // the request this answers
    uint64_t reserved[5];
};

struct seep_header {
    uint64_t magic;
    uint32_t version;
    uint32_t header_bytes;
    uint64_t total_bytes;
    // hello, by the probe
    uint32_t state; // enum seep_probe_state, stored last
    uint32_t off_reason;
    uint32_t pid;
    uint32_t forked;         // the process inherited blocks this region knows nothing of
    uint64_t attach_time_ns; // CLOCK_MONOTONIC
    uint64_t map_address;    // where the region lies in the target: its RSS is the probe's, not the program's
    uint64_t map_bytes;
    uint64_t exe_base;
    uint64_t flags;        // SEEP_HDR_*
    uint64_t layout_check; // seep_layout_check(): keeper, probe and reader were built from the same layout
    uint64_t reserved0[5];
    // cursors, on a line of their own
    _Alignas(64) uint64_t pool_next; // next free chunk of the pool; chunk 0 is never used
    uint64_t stack_count;            // ids below this exist
    uint64_t frame_next;
    uint64_t module_count;
    uint64_t ring_head; // records ever started
    uint64_t pool_spare;
    uint64_t module_lock; // of the target's threads among themselves; readers never look
    uint64_t thread_hint;
    // counters (added to atomically, rarely)
    _Alignas(64) uint64_t unknown_frees; // frees of blocks not in the live set, exact mode
    uint64_t nested;                     // calls that interrupted the probe itself: counted under SEEP_STACK_NESTED
    uint64_t pool_full;                  // chunks wanted and not to be had
    uint64_t live_overflow;              // blocks that found no place in the live set
    uint64_t samples_lost;               // the same in sampled mode
    uint64_t truncated_walks;
    uint64_t slow_walks;
    uint64_t rule_misses;
    uint64_t ring_lost; // copies of stacks that found no free slot
    uint64_t map_overflow;
    uint64_t module_overflow;
    uint64_t rule_flushes;
    uint64_t early_bytes;         // handed out of the static pool before the allocator was known
    uint64_t child_timeouts;      // forked children that got no answer in time
    uint64_t allocator_map_bytes; // mmap by the allocator itself, net
    uint64_t maps_lock;
    uint64_t known_wrong; // re-walks that did not confirm the remembered stack
    // forks: the ring of what stood where (inherit.c), and what this process itself inherited
    uint64_t journal_head;         // entries ever begun
    uint64_t forks_open;           // children that have not read yet, about
    uint64_t parent_time_ns;       // attach_time_ns of the process it was forked from, 0: none
    uint64_t heritage;             // enum seep_heritage
    uint64_t inherited_frees;      // frees of inherited blocks that are not known one by one ...
    uint64_t inherited_free_bytes; // ... and their usable bytes
    uint64_t stack_overflow;       // allocations counted under (other) because there was no room for another stack
    uint64_t unseen_frees;         // blocks whose address came again although nobody was seen to free them
    uint64_t break_bytes;          // by how much the program itself moved its break, net
    uint64_t reserved2[6];
    uint64_t entry_points[SEEP_EP_COUNT];
    struct seep_allocator_stats allocator;
    char exe_path[512];
};
#define SEEP_HDR_NO_FIND_OBJECT 1u // old libc: modules found through the link map
#define SEEP_HDR_EXACT_SEEN     2u // exact mode was on at some time: the free filter does not hold
#define SEEP_HDR_SECCOMP        4u // the program restricted its system calls
#define SEEP_HDR_NEW_HOOKED     8u // operator new belongs to the allocator and is recorded itself

// ---- control: written by keeper and supervisor only ----
//
// `word` is all a hooked call looks at, so that one load decides: epoch, mean and tick are always consistent.
//   bits 0..9 epoch   bit 10 off   bit 11 off because a thread stalled in the probe   12..15 always zero
//   bits 16..23 tick   bits 24..63 mean sampling interval in bytes, 0 = exact
struct seep_control {
    uint64_t word;
    uint64_t committed_bytes; // the keeper has allocated the memfd up to here; nobody touches a byte beyond
    uint64_t ring_tail;       // records consumed
    uint64_t reserved[5];
    _Alignas(64) uint64_t mean_of_epoch[SEEP_EPOCHS]; // 0 = exact; written before `word` names the epoch
};
#define SEEP_WORD_EPOCH(w)           ((uint32_t)((w)&1023u))
#define SEEP_WORD_OFF                1024u
#define SEEP_WORD_STALLED            2048u // with SEEP_WORD_OFF: why
#define SEEP_WORD_TICK(w)            ((uint32_t)((w) >> 16 & 255u))
#define SEEP_WORD_MEAN(w)            ((w) >> 24)
#define SEEP_WORD(epoch, tick, mean) ((uint64_t)(mean) << 24 | (uint64_t)((tick)&255u) << 16 | ((epoch)&1023u))

// ---- threads: totals in usable bytes, the same in both modes ----

struct seep_thread_slot {
    uint32_t owner; // thread id, 0 free; slot 0 is everybody's
    uint32_t reserved;
    uint64_t alloc_bytes, alloc_blocks, free_bytes, free_blocks;
    uint64_t walks, walk_hits;
    uint64_t cold; // odd while the thread looks for a stack it did not have last; moves with every sign of life
};

// ---- operations the program marks (seep_mark.h) ----

// Append only. Entry 0 is everything that found no entry of its own, and has no name. The hash is the identity: two
// names are taken for one if all of its 64 bits agree. How often: one row of SEEP_MARKS counters for each thread slot.
struct seep_mark_name {
    uint64_t hash;  // 0: free
    uint32_t ready; // the name is complete
    uint32_t reserved;
    char name[SEEP_MARK_NAME_BYTES]; // ended by 0, cut to what fits
};
struct seep_mark_counts {
    _Alignas(64) uint64_t of[SEEP_MARKS];
};

// ---- modules: append only ----

struct seep_module {
    uint32_t state; // 0 being written, 1 complete, 2 the code is gone (unload_epoch says since when)
    uint32_t build_id_bytes;
    uint64_t start, end; // of the mapping, absolute
    uint64_t bias;       // absolute address minus address in the file's own numbering
    uint32_t load_epoch, unload_epoch;
    uint64_t time_ns;
    uint64_t tag; // the loader's identity of the object; means nothing outside
    uint8_t build_id[SEEP_BUILD_ID_BYTES];
    char path[SEEP_MODULE_PATH_BYTES]; // "" for the main program, see exe_path
    uint64_t reserved[5];
};

// ---- stacks ----

enum seep_class { SEEP_CLASS_HEAP = 0, SEEP_CLASS_MMAP = 1, SEEP_CLASS_MMAP_FILE = 2 };
#define SEEP_STACK_TRUNCATED 1u  // the walker had no rule: the outermost frames are missing
#define SEEP_STACK_CUT       2u  // deeper than SEEP_FRAMES_MAX
#define SEEP_STACK_HEURISTIC 4u  // a frame pointer was believed
#define SEEP_STACK_SIGNAL    8u  // goes through a signal frame
#define SEEP_STACK_DEAD      16u // lost the race to be interned; carries nothing
#define SEEP_STACK_READY     32u

// A frame: bits 0..46 the pc, bit 47 set if it is the exact pc (above a signal frame) and not a return address,
// bits 48..63 the index into the module log, 0 unknown (generated code).
#define SEEP_FRAME_PC(f)     ((f)&0x7fffffffffffull)
#define SEEP_FRAME_EXACT     (1ull << 47)
#define SEEP_FRAME_MODULE(f) ((uint32_t)((f) >> 48))

// Bytes and blocks only ever grow. Blocks count in 1/256 so that sampled weights need no rounding that matters.
struct seep_shard {
    uint64_t alloc_bytes, alloc_blocks_q8, free_bytes, free_blocks_q8;
};
#define SEEP_BLOCK_Q8 256u

struct seep_stack {
    uint64_t hash;
    uint32_t frame_offset; // in the frame space: chunk = offset / SEEP_FRAMES_PER_CHUNK
    uint16_t frames;
    uint8_t klass; // enum seep_class
    uint8_t flags; // SEEP_STACK_*
    uint32_t birth_epoch;
    uint32_t reserved[3];
    struct seep_shard shared;
    struct {
        _Alignas(64) struct seep_shard shard;
        uint64_t inherited_bytes, inherited_blocks_q8; // in own[0] only: how much of alloc_* came over fork
    } own[SEEP_SHARDS - 1];                            // one cache line each
};

// ---- live set ----

// Directory entry: address range (address >> 17) + 1 and up to four chunks of words, one per block within a granule.
struct seep_live_range {
    uint64_t key;
    uint32_t chunk[SEEP_LIVE_LEVELS];
    uint64_t reserved;
};
// A word: bit 0 present, 1..2 offset in the granule / 8, 3 inherited over fork, 4..13 epoch, 14..37 stack, 38..54
// requested bytes, 55..63 by how much the allocator's block is larger (SEEP_SLACK_UNKNOWN: by that much or more).
#define SEEP_LIVE_WORD(sub, epoch, stack, size, slack)                                                                 \
    (1ull | (uint64_t)(sub) << 1 | (uint64_t)(epoch) << 4 | (uint64_t)(stack) << 14 | (uint64_t)(size) << 38 |         \
     (uint64_t)(slack) << 55)
#define SEEP_LIVE_SUB(w)    ((uint32_t)((w) >> 1 & 3u))
#define SEEP_LIVE_EPOCH(w)  ((uint32_t)((w) >> 4 & 1023u))
#define SEEP_LIVE_STACK(w)  ((uint32_t)((w) >> 14 & 0xffffffu))
#define SEEP_LIVE_SIZE(w)   ((w) >> 38 & 0x1ffffu)
#define SEEP_LIVE_SLACK(w)  ((uint32_t)((w) >> 55))
#define SEEP_SLACK_UNKNOWN  511u
#define SEEP_LIVE_INHERITED 8ull

// Side table (large blocks) and map table alike. address: 0 never used, 1 being written, 2 removed.
struct seep_side_block {
    uint64_t address;
    uint64_t size;
    uint32_t stack;
    uint32_t epoch;
    uint64_t slack; // the allocator's block is this much larger; SEEP_SLACK_UNKNOWN as above; SEEP_SIDE_INHERITED
};
#define SEEP_SIDE_INHERITED (1ull << 32)
#define SEEP_SIDE_BUSY      1u
#define SEEP_SIDE_GONE      2u
#define SEEP_SIDE_PROBES    64u

// ---- what stood where since the last fork, for the child to go back by ----

struct seep_journal_entry {
    uint64_t sequence; // index of the entry + 1 when complete
    uint64_t address;
    uint64_t size;
    uint32_t stack; // SEEP_STACK_NONE: there was no block
    uint16_t epoch;
    uint16_t slack_and_table; // bit 15: SEEP_JOURNAL_MAPS
};
enum { SEEP_JOURNAL_LIVE = 0, SEEP_JOURNAL_MAPS = 1 };

// ---- copied stacks ----

enum seep_ring_why { SEEP_RING_CHECK = 0, SEEP_RING_NEW = 1, SEEP_RING_TRUNCATED = 2 };
enum {
    SEEP_REG_RBX,
    SEEP_REG_RBP,
    SEEP_REG_R12,
    SEEP_REG_R13,
    SEEP_REG_R14,
    SEEP_REG_R15,
    SEEP_REG_RSP,
    SEEP_REG_RIP,
    SEEP_REGS
};

// Registers are those inside the probe; the copied bytes start at RSP. Unwound from there, the frames that lie in the
// probe itself come first and are to be dropped; what follows must equal `frame`.
struct seep_ring_record {
    uint64_t sequence; // index of the record + 1 when complete
    uint32_t stack;
    uint32_t tid;
    uint32_t why;
    uint32_t epoch;
    uint32_t frames;
    uint32_t stack_bytes;
    uint64_t regs[SEEP_REGS];
    uint64_t frame[SEEP_FRAMES_MAX];
    uint8_t bytes[SEEP_RING_SLOT_BYTES - 8 - 24 - 8 * SEEP_REGS - 8 * SEEP_FRAMES_MAX];
};

// ---- the probe's own caches: nothing a reader needs ----

struct seep_rule_slot {
    uint64_t check; // key ^ rule: a torn pair matches no key
    uint64_t rule;
};

// Where a walk looked, in words above the sp it started from. Values are compared as they are, pointers into the stack
// by their distance from sp; all of them come to a number that divides by four, the last one repeated where needed.
#define SEEP_SHAPE_SLOTS 180u
struct seep_shape {
    uint32_t sequence; // odd while being written
    uint16_t values, pointers;
    uint16_t reach; // highest offset
    uint16_t frame; // 1: the caller's frame pointer matters too
    uint32_t reserved;
    uint64_t salt; // hash of everything below and above: the shape's identity
    uint16_t offset[SEEP_SHAPE_SLOTS];
};

// A remembered stack: what a shape's slots held, hashed, and the stack's id.
struct seep_known_slot {
    uint64_t check; // hash ^ stack: a torn pair matches no hash
    uint64_t stack;
};

#define SEEP_GUESS_WAYS 4u // shapes worth trying for three innermost pcs

_Static_assert(sizeof(struct seep_hello) == 56, "wire layout");
_Static_assert(sizeof(struct seep_hello_reply) == 48, "wire layout");
_Static_assert(sizeof(struct seep_allocator_stats) == 128, "wire layout");
_Static_assert(sizeof(struct seep_header) <= 4096, "the header is one page");
_Static_assert(sizeof(struct seep_control) == 64 + 8 * SEEP_EPOCHS, "wire layout");
_Static_assert(sizeof(struct seep_thread_slot) == 64, "wire layout");
_Static_assert(sizeof(struct seep_mark_name) == 64, "wire layout");
_Static_assert(sizeof(struct seep_mark_counts) == 8 * SEEP_MARKS, "wire layout");
_Static_assert(sizeof(struct seep_module) == 512, "wire layout");
_Static_assert(sizeof(struct seep_stack) == SEEP_STACK_ENTRY_BYTES, "wire layout");
_Static_assert(sizeof(struct seep_live_range) == 32, "wire layout");
_Static_assert(sizeof(struct seep_side_block) == 32, "wire layout");
_Static_assert(sizeof(struct seep_journal_entry) == 32, "wire layout");
_Static_assert(sizeof(struct seep_ring_record) == SEEP_RING_SLOT_BYTES, "wire layout");
_Static_assert(sizeof(struct seep_shape) == 384, "wire layout");
_Static_assert(sizeof(struct seep_known_slot) == 16, "wire layout");
_Static_assert(SEEP_LARGE_BYTES <= 0x1ffffu + 1, "the size of a small block fits its word");
_Static_assert((8u << (SEEP_RANGE_SHIFT - SEEP_GRANULE_SHIFT)) == SEEP_CHUNK_BYTES, "a live chunk is a pool chunk");

#endif
