// Inside scan/: one scan at work. See scan.h for the method.
#ifndef SEEP_SCAN_INTERNAL_H
#define SEEP_SCAN_INTERNAL_H

#include "scan/scan.h"
#include "wire/wire.h"

// Ceilings of one scan. Beyond them blocks are unknown heap; too many pointers end the scan undecided.
#define SCAN_BLOCKS_CEILING (8u << 20)  // 24 bytes each, and 14 for the graph
#define SCAN_EDGES_CEILING  (48u << 20) // 4 bytes each
#define SCAN_NOTES_CEILING  (1u << 19)
#define SCAN_DATA_CEILING   (768ull << 20) // of the worker, enforced by the kernel
#define SCAN_NONE           UINT32_MAX

// Registers that hold addresses and show them to nobody. A thread that sleeps in a system call has its callee-saved
// registers only; any other may hold one in each general register and four in each of 16 vector registers.
#define SCAN_UNSEEN_ASLEEP 6u
#define SCAN_UNSEEN_AWAKE  80u

// ---- the mailbox between supervisor and worker: a memfd

#define SCAN_BOX_MAGIC   0x78627363u
#define SCAN_BOX_VERSION 3u

enum scan_verdict { SCAN_UNSEEN, SCAN_ALIVE_REACHABLE, SCAN_ALIVE_UNDECIDED, SCAN_ALIVE_LOST, SCAN_FREED };

struct scan_checked {
    uint64_t address;
    uint32_t suspect;
    uint16_t epoch;
    uint8_t freed;
    uint8_t verdict[SCAN_LOOKS_MAX]; // enum scan_verdict
};

enum scan_answer { SCAN_ANSWER_NONE, SCAN_ANSWER_NEW, SCAN_ANSWER_NO };

struct scan_box {
    uint32_t magic, version;
    int32_t pid;
    uint32_t looks;   // scans done
    uint32_t trouble; // of the last try, enum scan_trouble
    uint32_t n_suspects, n_checked;
    double limit_s;           // of the next scan
    uint32_t listed;          // the blocks are in a list, not in a region
    uint32_t asked, answered; // for a new list: the worker sets the one, the supervisor the other (enum scan_answer)
    struct scan_suspect suspect[SCAN_SUSPECTS_MAX];
    struct scan_checked checked[SCAN_SUSPECTS_MAX * SCAN_CHECKED_MAX]; // by address once chosen
};

// ---- where the blocks are from

struct scan_listed { // as they lie in the list's memfd
    uint64_t address, bytes;
    uint32_t stack, epoch;
};

struct scan_list { // the supervisor's
    int fd;
    uint8_t *at; // mapped: the head's page, then the blocks
    size_t n, room;
    scan_fill_fn *fill;
    void *ctx;
};

struct scan_table { // the reader's: one of the two
    struct wire *wire;
    int list_fd;
    struct scan_box *box;
    struct scan_list *here; // the list is made in this process (tests); NULL: box->asked has it made
};
int scan_table_open(struct scan_table *t, struct scan_box *box, int fd, struct scan_list *here);
void scan_table_close(struct scan_table *t);
// Every block, as wire_scan_live() does.
int scan_table_each(const struct scan_table *t, wire_visit *visit, void *arg);
// A list is made anew, at the earliest of this moment; a region is always of the present. Returns 0, or -1 with why.
int scan_table_again(struct scan_table *t, int64_t deadline_ns, enum scan_trouble *trouble);
uint32_t scan_table_epoch(const struct scan_table *t);
bool scan_table_of_glibc(const struct scan_table *t);
uint64_t scan_table_missed(const struct scan_table *t);
// list.c
int scan_list_open(struct scan_list *l);
void scan_list_close(struct scan_list *l);
int scan_list_fill(struct scan_list *l);
void scan_list_empty(struct scan_list *l); // gives the memory back

// ---- blocks

enum scan_mark { SCAN_UNMARKED, SCAN_MAYBE, SCAN_SURE };
#define SCAN_F_HINTED  1u // something uncertain points at it
#define SCAN_F_CHECKED 2u
#define SCAN_F_SUSPECT 8u // of a suspect, checked or not
#define SCAN_F_THERE   4u // still there when the scan ended

struct scan_range {       // of 128 KiB of address space
    uint64_t key;         // address >> 17, plus 1; 0 empty
    uint32_t first, last; // blocks that touch it
};

struct scan_known {
    struct wire_block *block; // by address, not overlapping
    uint32_t n;
    uint8_t *mark, *flags;
    struct scan_range *range;
    uint32_t range_mask;
    uint64_t lowest, highest; // no block outside
};

struct scan_hit {
    uint32_t block;  // SCAN_NONE: no block
    uint32_t before; // the value is this block's start and that one's end
};

int scan_known_load(struct scan_known *k, const struct scan_table *t);
// The same for blocks that are there already, in any order. They are sorted; those that overlap are cut.
int scan_known_index(struct scan_known *k);
void scan_known_free(struct scan_known *k);
struct scan_hit scan_known_find(const struct scan_known *k, uint64_t value);
// Exactly this block, by its first address; SCAN_NONE.
uint32_t scan_known_at(const struct scan_known *k, uint64_t address);

// ---- address space

enum scan_span_kind {
    SCAN_SPAN_DATA,  // writable data of a module, and what lies directly behind it
    SCAN_SPAN_STACK, // around a known stack pointer
    SCAN_SPAN_ANON,  // private memory, not the allocator's
    SCAN_SPAN_SHARED,
    SCAN_SPAN_HEAP,   // holds blocks; what lies between them is of unknown content
    SCAN_SPAN_BLOCKS, // holds large blocks only; what lies between them is no heap
    SCAN_SPAN_SKIP,
    // Not memory:
    SCAN_SPAN_REGISTERS,
    SCAN_SPAN_KERNEL,
};

struct scan_span {
    uint64_t start, end;
    uint64_t sure_from; // below it the content is dead or unknown (stacks)
    uint64_t offset;    // in the file
    uint32_t kind;      // enum scan_span_kind
    uint32_t tid;
    bool guarded, is_stack, brk, file_private, shared, allocator_links;
    char path[SCAN_PATH_BYTES];
};

struct scan_place {             // of a file in memory
    const struct scan_span *of; // its beginning
    bool known;
    uint64_t bias; // an address there less the one at link time
    uint64_t end;
};

struct scan_note { // a pointer to a block of a suspect
    uint32_t block;
    uint32_t from; // block or span
    uint64_t at;   // address of the pointer; 0: from is a block
    bool unknown;  // from heap memory of unknown content
};

struct scan {
    struct scan_box *box;
    struct scan_table *table;
    int proc_fd, memory_fd, pagemap_fd;
    int64_t deadline_ns;
    enum scan_trouble trouble; // why it ends
    struct scan_known known, young;
    bool young_known; // from then on the young blocks are what they are
    size_t room_young;
    struct scan_loose *loose;
    size_t n_loose, room_loose;
    struct scan_link *link;
    size_t n_links, room_links;
    uint32_t *young_work;
    size_t n_young_work, room_young_work;
    uint64_t lowest, highest; // no block and no heap outside
    struct scan_span *span;
    uint32_t n_spans;
    size_t room_spans;
    uint32_t *edge, *first; // CSR: pointers of blocks that were not marked when they were read
    size_t n_edges, room_edges;
    uint32_t filled;   // blocks whose `first` is set
    uint32_t position; // blocks below are read
    uint32_t *work;
    size_t n_work, room_work;
    struct scan_note *note;
    size_t n_notes, room_notes;
    bool chunks;                // of glibc: a free block is linked through the end of the one before
    struct scan_chance *chance; // with chunks
    bool counting;              // the heap is read for that only
    uint64_t unseen, swapped_bytes;
    struct scan_place place; // asked for last
    uint8_t *buffer;
};

// spans.c: mappings and roots that are not memory.
int scan_spans_load(struct scan *s);
// Registers and kernel objects; also sets each stack's sure_from. Counts unseen registers when `count`.
int scan_held_values(struct scan *s, bool count);

// sweep.c: reads memory and tells graph.c what points where.
enum scan_from { SCAN_FROM_ROOT, SCAN_FROM_BLOCK, SCAN_FROM_UNSURE, SCAN_FROM_YOUNG };
struct scan_source {
    enum scan_from from;
    uint32_t index; // of the span or block
    bool links;     // the allocator's own lists may stand here
};
int scan_sweep_roots(struct scan *s);
int scan_sweep_heap(struct scan *s);
int scan_sweep_range(struct scan *s, uint64_t start, uint64_t end, const struct scan_source *src, bool private_only);
// A single value found at address `at` (0: nowhere).
void scan_value(struct scan *s, const struct scan_source *src, uint64_t at, uint64_t value);
// Perhaps no pointer to this block but a link of the allocator's own to the free memory behind it.
bool scan_may_be_chunk_link(const struct scan *s, uint64_t value, uint32_t number);
// Something points at a block, for the question who holds it; numbers as scan_block_of() has them. at: 0, from is a
// block.
void scan_note(struct scan *s, uint32_t block, uint32_t from, uint64_t at, bool unknown);

// chance.c: values that are no pointers. scan_by_chance() answers by what an earlier look, or scan_chance_init(),
// counted.
#define SCAN_PLACES 64u // of 16 bytes, from a block's beginning
int scan_chance_init(struct scan *s);
void scan_chance_count(struct scan *s, uint32_t block, uint64_t value);
bool scan_by_chance(const struct scan *s, uint32_t block, uint64_t value);
void scan_chance_conclude(struct scan *s);
// Sets by_chance and chance_hits from hits, and slots that can be hit, by place; the last one stands for all behind it.
void scan_chance_places(const uint64_t hits[SCAN_PLACES], const uint64_t slots[SCAN_PLACES], struct scan_suspect *out);

// young.c: blocks that came while the scan read. The second look at the table finds them, and what is still there.
int scan_young_blocks(struct scan *s);
// A value that could be a pointer, at no block known; and one in a young block.
void scan_young_value(struct scan *s, const struct scan_source *src, uint64_t at, uint64_t value);
void scan_young_pointer(struct scan *s, uint32_t young, uint32_t old, uint64_t value);
void scan_young_spread(struct scan *s); // scan_spread(), through young blocks too
void scan_young_free(struct scan *s);
// Numbers of blocks: the known ones, then the young ones.
const struct wire_block *scan_block_of(const struct scan *s, uint32_t number);
uint8_t scan_mark_of(const struct scan *s, uint32_t number);

// graph.c
int scan_graph_init(struct scan *s);
void scan_graph_free(struct scan *s);
void scan_mark(struct scan *s, uint32_t block);
void scan_edge(struct scan *s, uint32_t from, uint32_t to, bool hint);
void scan_begin_block(struct scan *s, uint32_t block);
void scan_end_heap(struct scan *s);
void scan_spread(struct scan *s);       // what marked blocks point at is marked
void scan_spread_hints(struct scan *s); // the same with what is uncertain; nothing can be marked surely after it
// parent[]: components of the lost blocks; uses the work list.
int scan_components(struct scan *s, uint32_t **parent);

// checked.c: which blocks are followed, and what this scan says of them.
int scan_choose(struct scan *s);
int scan_conclude(struct scan *s);
// holders.c
void scan_holders(struct scan *s);

// modules.c: whose data lies at an address in a span, as a link-time address in a file. Returns 0 or -1.
int scan_module_at(struct scan *s, uint32_t span, uint64_t address, uint64_t *offset, char path[SCAN_PATH_BYTES]);

// pass.c: one scan from beginning to end; 0 when the box has a new look.
int scan_pass(struct scan_box *box, struct scan_table *table, int memory_fd);

bool scan_late(struct scan *s); // the deadline is over; sets trouble
// Room for one more of `each` bytes, doubling up to `ceiling` entries; -1 sets trouble.
int scan_room(struct scan *s, void *array, size_t *room, size_t n, size_t each, size_t ceiling);

#endif
