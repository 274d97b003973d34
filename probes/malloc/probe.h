// Inside the probe: its state, and what its files offer each other.
//
// Everything here runs in somebody else's program, inside its malloc. The rules (README.md): no lock that could be held
// across fork or a signal on the way of a malloc, no allocation, no libc call that could take a lock or set errno, no
// file descriptor kept, nothing printed, nothing ended. When in doubt the probe is off.
#ifndef PROBE_H
#define PROBE_H

#include "malloc/sys.h"
#include "seep_region.h"

#include <stddef.h>
#include <stdint.h>

#define likely(x)           __builtin_expect(!!(x), 1)
#define unlikely(x)         __builtin_expect(!!(x), 0)
#define PROBE_EXPORT        __attribute__((visibility("default")))
#define load_relaxed(p)     __atomic_load_n((p), __ATOMIC_RELAXED)
#define load_acquire(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define add_relaxed(p, v)   __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)

// Where the process stands. FRESH is what a forked or raw-cloned child reads, because the page is wiped on fork; a
// vfork child shares the page and records as its parent, whose heap it uses.
enum probe_phase { PROBE_FRESH = 0, PROBE_ATTACHING = 1, PROBE_ON = 2, PROBE_OFF = 3 };

struct probe_page {
    uint32_t phase;
};

// The region as this process sees it. Written once by attach, before the page says PROBE_ON.
struct probe_region {
    struct seep_control *control;
    struct seep_thread_slot *threads;
    const uint8_t *free_filter; // `filter`, NULL once exact mode was on: it knows of samples only
    struct seep_header *header;
    struct seep_mark_name *marks;
    struct seep_mark_counts *mark_counts;
    struct seep_module *modules;
    struct seep_rule_slot *rules;
    struct seep_shape *shapes;
    uint16_t *guesses;
    struct seep_known_slot *known;
    uint8_t *filter;
    uint64_t *index;
    uint32_t *stack_dir;
    uint32_t *frame_dir;
    struct seep_live_range *live_dir;
    struct seep_side_block *side;
    struct seep_side_block *maps;
    struct seep_journal_entry *journal;
    uint8_t *ring;
    uint8_t *pool;
    struct seep_layout layout;
    uint64_t mapped_bytes;
    uint32_t serial; // counts attachments: a thread's slot belongs to one of them
    uint32_t pid;
};

#pragma GCC visibility push(hidden) // each is at a known distance from the code: no table to look it up in

// Per thread, in static TLS: plain data, at most 72 bytes, no destructor.
struct probe_tls {
    uintptr_t busy;    // frame address of the hook at work, 0 when none
    uintptr_t passing; // see hooks_cxx.c: within the allocator's own new (bit 0) or delete (bit 1), with the block
    uint64_t word;     // control word the countdown was drawn under and PROBE_WORD_SEEN, 0: none in this region
    int64_t countdown; // bytes to the next sample
    uint32_t map_generation; // the bounds hold while this equals probe_map_generation; 0: for ever
    uint8_t slot;
    uint8_t serial;
    uint16_t walks;
    uintptr_t stack_low, stack_high; // readable bounds of the stack last walked
    uint64_t random;
    uint64_t fork_mark; // journal position + 1 when this thread began to fork; the child has it as well
};
_Static_assert(sizeof(struct probe_tls) <= 72, "static TLS is scarce");

#define PROBE_WORD_SEEN (1ull << 12) // a bit the control word leaves free: what a new thread has matches no word

extern struct probe_page *probe_page;
extern struct probe_region probe_region;
extern __thread struct probe_tls probe_tls;
extern uint32_t probe_map_generation; // raised when memory that might be a stack goes away
extern uint32_t probe_generation;     // raised when code may have gone away: cached rules and walks end here
extern uint32_t probe_seccomp;        // the program restricted its system calls: its children do not attach
extern uint32_t probe_flags;          // PROBE_FLAG_*, from the environment
#define PROBE_FLAG_NO_FIND_OBJECT 1u
#define PROBE_FLAG_NO_WALK_CACHE  2u
#define PROBE_FLAG_NO_RULE_CACHE  4u

// ---- attach.c ----

// The slow way to a region: attaches once, NULL when the probe is off in this process.
struct probe_region *probe_attach(void);

static inline struct probe_region *probe_get(void)
{
    struct probe_page *page = load_relaxed(&probe_page);
    if (likely(page && load_acquire(&page->phase) == PROBE_ON))
        return &probe_region;
    return probe_attach();
}
// The region if there is one already. For calls that the allocator makes itself, perhaps under its lock: attaching
// looks symbols up, which may allocate.
static inline struct probe_region *probe_ready(void)
{
    struct probe_page *page = load_relaxed(&probe_page);
    return likely(page && load_acquire(&page->phase) == PROBE_ON) ? &probe_region : NULL;
}
void probe_turn_off(uint32_t reason);
// The same, and the region leaves the address space. Only where no other thread can be in the probe. -1: not now.
int probe_leave_alone(uint32_t reason);

// ---- sandbox.c ----

// Whether this process lives under more seccomp filters than seep itself: then it is left alone.
int probe_is_locked_in(uint32_t filters_of_seep);
// sanitizer.c: whether a sanitizer's runtime is in this process, which the probe then leaves alone.
int probe_is_sanitized(void);

// ---- pool.c ----

// A zeroed chunk of the pool by number, 0 when the ceiling is reached. probe_chunk_unused takes one back (a lost race).
uint32_t probe_chunk_new(struct probe_region *r);
void probe_chunk_unused(struct probe_region *r, uint32_t chunk);
// The chunk in a directory cell, made on demand; 0 when there is none to be had.
uint32_t probe_chunk_at(struct probe_region *r, uint32_t *cell);

static inline void *probe_chunk(const struct probe_region *r, uint32_t chunk)
{
    return r->pool + (uint64_t)chunk * SEEP_CHUNK_BYTES;
}

// ---- live.c ----

struct probe_block {
    uint64_t size; // requested
    uint32_t stack;
    uint32_t epoch;
    uint32_t slack;     // usable minus requested, at most SEEP_SLACK_UNKNOWN
    uint32_t inherited; // 1: born before the fork that made this process
};
// Where the directory is searched first: neighbours lie side by side, so that the entries of a heap share lines and
// pages.
static inline uint32_t probe_live_hash(uint64_t key)
{
    return (uint32_t)((key >> 5) * 0x9e3779b97f4a7c15ull >> 32 & ~31ull) | (uint32_t)(key & 31);
}
static inline uint32_t probe_live_granule(uintptr_t address)
{
    return (uint32_t)(address >> SEEP_GRANULE_SHIFT) & ((1u << (SEEP_RANGE_SHIFT - SEEP_GRANULE_SHIFT)) - 1);
}
// The directory's entry of a range (address >> SEEP_RANGE_SHIFT, plus 1); NULL for none.
struct seep_live_range *probe_live_range(struct probe_region *r, uint64_t key);
void probe_block_of(uint64_t word, struct probe_block *b); // what a word of the live set says
// Sends for the word that a small block at this address will most likely get.
void probe_live_ahead(struct probe_region *r, uintptr_t address);
// 0, or -1 when there is no room. *gone: what stood at this address and was not seen to be freed, size 0 and stack
// SEEP_STACK_NONE for nothing.
int probe_live_insert(struct probe_region *r, uintptr_t address, const struct probe_block *b, struct probe_block *gone);
// 0 and the block, or -1 when the address is not known.
int probe_live_remove(struct probe_region *r, uintptr_t address, struct probe_block *b);
int probe_side_insert(struct seep_side_block *table, uint32_t entries, uintptr_t address, const struct probe_block *b);
int probe_side_remove(struct seep_side_block *table, uint32_t entries, uintptr_t address, struct probe_block *b);

// ---- modules.c ----

struct probe_object {
    uintptr_t start, end; // mapping
    uintptr_t bias;
    const uint8_t *eh_frame_hdr; // NULL: no unwind information
    const char *path;
    uintptr_t tag;
};
// Looks the object up that holds pc, without any lock. Returns 0, or -1 for generated code.
int probe_object_find(uintptr_t pc, struct probe_object *o);
int probe_object_find_is_cheap(void); // no system calls, some ten nanoseconds
// Its index in the module log, appended when new; 0 when the log is full.
uint32_t probe_module_index(struct probe_region *r, const struct probe_object *o);
// Code may have been unloaded: forget every cached rule and walk.
void probe_code_changed(struct probe_region *r);
void probe_modules_init(void);

// ---- cfi.c ----

// Registers followed through frames; PROBE_R_RA is the return address column.
enum { PROBE_R_RBX = 3, PROBE_R_RBP = 6, PROBE_R_RSP = 7, PROBE_R_R12 = 12, PROBE_R_RA = 16, PROBE_REGS = 17 };
enum probe_cfi_kind {
    CFI_SAME,
    CFI_UNDEFINED,
    CFI_OFFSET,
    CFI_VAL_OFFSET,
    CFI_REGISTER,
    CFI_EXPRESSION,
    CFI_VAL_EXPRESSION
};
struct probe_cfi_reg {
    int32_t value;  // offset from the CFA, register number, or offset of the expression from the object's start
    uint16_t bytes; // of the expression
    uint8_t kind;
};
struct probe_cfi_row {
    struct probe_cfi_reg reg[PROBE_REGS];
    int32_t cfa_offset; // or where its expression is
    uint16_t cfa_bytes; // expression length, 0: register + offset
    uint8_t cfa_reg;
    uint8_t signal_frame;
};
// The unwind row that holds at pc (for a return address: pass pc - 1). -1: none.
int probe_cfi_row(const struct probe_object *o, uintptr_t pc, struct probe_cfi_row *row);

// ---- walk.c, walk_slow.c ----

struct probe_walk {
    uintptr_t low, high; // readable
    uint64_t sp, bp;
    uint32_t map_generation;
    uint32_t frames;
    uint32_t flags; // SEEP_STACK_*
    uint64_t frame[SEEP_FRAMES_MAX];
};
// Whether the eight bytes at address can be read; widens the bounds of w upwards when they can.
int probe_readable_further(struct probe_walk *w, uintptr_t address);
static inline int probe_readable(struct probe_walk *w, uintptr_t address)
{
    if (likely(address >= w->low && address <= w->high - 8 && !(address & 7)))
        return 1;
    return probe_readable_further(w, address);
}
void probe_bounds(struct probe_walk *w, uintptr_t sp);
uintptr_t probe_main_stack_end(void); // as the loader told it, 0 unknown
// The stack id of the caller whose hook has this frame address.
#define WALK_HIT 0x100u // the stack was remembered
uint32_t probe_stack_id(struct probe_region *r, const uintptr_t *hook_frame, unsigned klass, unsigned *flags);
static inline int probe_bounds_fresh(const struct probe_tls *t)
{
    return t->stack_high && (!t->map_generation || t->map_generation == load_relaxed(&probe_map_generation));
}
// Whether the stack is known to be readable from sp to the thread's stack_high.
static inline int probe_is_bounded(const struct probe_tls *t, uintptr_t sp)
{
    return likely(sp >= t->stack_low && sp < t->stack_high && probe_bounds_fresh(t));
}
// Now and then a stack is walked although it is remembered. Counts the calls.
static inline int probe_walk_is_due(struct probe_tls *t)
{
    return unlikely((++t->walks & 1023) == 0);
}
static inline uintptr_t probe_thread_pointer(void)
{
    uintptr_t tp;
    __asm__("mov %%fs:0, %0" : "=r"(tp));
    return tp;
}
// The complete walk with all registers, for frames whose rule needs more than sp and bp. Fills frames and flags.
void probe_capture(uint64_t *reg);
void probe_walk_slow(struct probe_region *r, struct probe_walk *w, uintptr_t hook_sp);
uint64_t probe_frame_word(struct probe_region *r, uintptr_t pc, int exact, struct probe_object *o, int *known);

// ---- pointer.c ----

// Code without unwind rules: 1 if the frame pointer bp leads from the frame at sp to its caller (pc at bp + 8), 0 at
// the outermost frame, -1 if it cannot be believed.
int probe_pointer_leads(struct probe_walk *w, uint64_t sp, uint64_t bp);

// ---- known.c: stacks that were walked before ----

// Where a walk starts: the hook's caller.
struct probe_start {
    uintptr_t pc;
    uint64_t sp, bp;
    unsigned klass;
};
// What a walk read that decided where it went, as offsets from sp in words: values from the front of the array,
// pointers from its back, latest first.
struct probe_path {
    uint16_t values, pointers, frame;
    uint16_t keep; // 0: this walk is not one to remember
    uint16_t offset[SEEP_SHAPE_SLOTS];
};
void probe_known_init(void);
// The id of the stack if it is known under the shape this start had last, SEEP_STACK_NONE otherwise. high: up to where
// the stack can be read. known.h has the same to be built in.
uint32_t probe_known_guess(struct probe_region *r, const struct probe_start *s, uintptr_t high);
// The same among the shapes that started with these three pcs.
uint32_t probe_known_look(struct probe_region *r, const struct probe_start *s, const uintptr_t *pc, uintptr_t high);
void probe_known_learn(struct probe_region *r, const struct probe_start *s, const uintptr_t *pc,
                       const struct probe_path *path, uintptr_t high, uint32_t id);

// What is left of probe_stack_id() where the guess was not made (asked: 0) or found nothing. turn: the stack is to be
// walked in any case.
uint32_t probe_look_further(struct probe_region *r, const struct probe_start *start, int asked, int turn,
                            unsigned *flags);

// ---- stacks.c ----

// The id of this stack, made when new; SEEP_STACK_OTHER past the ceilings. *is_new says which.
uint32_t probe_intern(struct probe_region *r, const uint64_t *frame, uint32_t frames, unsigned klass, unsigned flags,
                      int *is_new);
static inline struct seep_stack *probe_stack(const struct probe_region *r, uint32_t id)
{
    uint32_t chunk = load_acquire(&r->stack_dir[id / SEEP_STACKS_PER_CHUNK]);
    return (struct seep_stack *)probe_chunk(r, chunk) + id % SEEP_STACKS_PER_CHUNK;
}
int probe_stacks_init(struct probe_region *r);
const uint64_t *probe_stack_frames(const struct probe_region *r, const struct seep_stack *s);

// ---- ring.c ----

void probe_ring_copy(struct probe_region *r, const struct probe_walk *w, uint32_t stack, unsigned why);

// ---- record.c ----

// A block is born / about to be freed. frame: __builtin_frame_address(0) of the hook. quick.c for almost all, record.c
// for the rest.
void probe_on_alloc(void *p, size_t size, const void *frame);
void probe_alloc_general(void *p, size_t size, const void *frame);
// Takes the block out of the books; *f tells what was known so that a failed realloc can put it back.
enum probe_known { PROBE_KNOWN_NOT = 0, PROBE_KNOWN_PACKED, PROBE_KNOWN_BLOCK };
struct probe_freed {
    struct probe_block block; // PROBE_KNOWN_BLOCK
    uint64_t word;            // PROBE_KNOWN_PACKED: its word of the live set
    size_t usable;
    enum probe_known known; // whether it was in the live set
    int counted;            // it entered the totals
};
void probe_on_free(void *p, const void *frame, struct probe_freed *f);
size_t probe_free_general(void *p, const void *frame, struct probe_freed *f); // bytes that left the totals
// The same for a block of another allocator than malloc's, which alone can say how large it is.
void probe_alloc_as(void *p, size_t size, size_t usable, const void *frame);
void probe_free_as(void *p, size_t usable, const void *frame, struct probe_freed *f);
void probe_undo_free(void *p, const void *frame, const struct probe_freed *f);
// Memory may stop being a stack without munmap being seen: the allocator returns large blocks on its own.
static inline void probe_forget_large(size_t bytes)
{
    if (unlikely(bytes >= 16384))
        add_relaxed(&probe_map_generation, 1);
}
// Puts a block with its stack into the live set and under that stack's counters, whatever stands in the way. mean: 0
// exact.
void probe_insert_block(struct probe_region *r, void *p, size_t usable, const struct probe_block *b, uint64_t mean,
                        int nested);
// Adds to the counters of a stack. mean: of the block's epoch, 0 for exact.
enum probe_way { COUNT_ALLOC, COUNT_FREE, COUNT_UNFREE };
void probe_count(struct probe_region *r, uint32_t stack, uint64_t mean, uint64_t size, enum probe_way way, int nested);
// Marks this thread as inside the probe; 0 when it already was: the caller runs in a signal handler that interrupted
// us, and may use nothing but atomics.
int probe_enter(const void *frame);
static inline void probe_leave(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    probe_tls.busy = 0;
}
// What the supervisor watches (run/heap_watch.c): a thread that hangs in here has an odd mark that never moves. A
// handler that interrupts a walk and allocates moves it, so that only our own work can look like a stall; a walk left
// by longjmp leaves the mark odd, and the next one begins with another. Threads without a slot of their own go
// unwatched.
static inline void probe_cold_begin(struct probe_region *r)
{
    if (likely(probe_tls.slot))
        store_relaxed(&r->threads[probe_tls.slot].cold, (r->threads[probe_tls.slot].cold + 1) | 1);
}
static inline void probe_cold_end(struct probe_region *r)
{
    if (likely(probe_tls.slot))
        store_relaxed(&r->threads[probe_tls.slot].cold, (r->threads[probe_tls.slot].cold | 1) + 1);
}
static inline void probe_still_alive(struct probe_region *r)
{
    if (probe_tls.slot)
        add_relaxed(&r->threads[probe_tls.slot].cold, 2);
}
// One instruction either way: a signal handler comes before or after it, never in between. shared: others add to it
// too.
static inline __attribute__((always_inline)) void probe_bump(uint64_t *cell, uint64_t by, int shared)
{
    if (unlikely(shared))
        add_relaxed(cell, by);
    else
        __asm__("addq %1, %0" : "+m"(*cell) : "er"(by) : "cc");
}
static inline __attribute__((always_inline)) void probe_count_total(struct probe_region *r, uint64_t usable,
                                                                    enum probe_way way, int nested)
{
    uint32_t slot = nested ? 0 : probe_tls.slot;
    struct seep_thread_slot *s = &r->threads[slot];
    probe_bump(way == COUNT_ALLOC ? &s->alloc_bytes : &s->free_bytes, way == COUNT_UNFREE ? 0 - usable : usable,
               slot == 0);
    probe_bump(way == COUNT_ALLOC ? &s->alloc_blocks : &s->free_blocks, way == COUNT_UNFREE ? ~0ull : 1, slot == 0);
}
// Brings the thread up to the control word and gives it its slot.
void probe_thread_refresh(struct probe_region *r, struct probe_tls *t, uint64_t word);

// The filter of sampled mode: one more (1) or less (-1) sample at this address.
void probe_filter_add(struct probe_region *r, uintptr_t address, int by);
// Neighbours lie side by side, so that the cells of what a program uses at the moment are few lines.
static inline size_t probe_filter_index(const struct probe_region *r, uintptr_t p)
{
    return ((p >> 5) + (p >> 21) * 0x9e37) & (r->layout.filter - 1);
}
static inline uint8_t *probe_filter_cell(struct probe_region *r, uintptr_t p)
{
    return &r->filter[probe_filter_index(r, p)];
}
static inline int probe_filtered_out(const struct probe_region *r, const void *p)
{
    const uint8_t *filter = load_relaxed(&r->free_filter);
    return filter && !load_relaxed(&filter[probe_filter_index(r, (uintptr_t)p)]);
}

// ---- inherit.c ----

// Non-zero between a fork and its child's reading: every change of the live set is told to probe_journal() before it is
// made. was: the block that is there, NULL for none; table: SEEP_JOURNAL_*.
extern uint32_t probe_journal_on;
void probe_journal(struct probe_region *r, uintptr_t address, const struct probe_block *was, unsigned table);
void probe_inherit_init(void);
// In a forked child with a region of its own: fills its tables with what the parent's held at the fork. Nobody else
// runs in the process.
void probe_inherit(struct probe_region *to, const struct probe_region *from);
// Whatever became of it: the moment of the fork means nothing any more.
void probe_inherit_done(void);

// ---- hooks.c ----

// A hook for the probe's other hooks: by this name they get there even where the program defines one of its own.
#define PROBE_ALSO(name) __asm__(".globl probe_" #name "\n.hidden probe_" #name "\n.set probe_" #name ", " #name)
void *probe_malloc(size_t size);
void *probe_calloc(size_t n, size_t size);
void *probe_realloc(void *old, size_t size);
void *probe_memalign(size_t alignment, size_t size);
void *probe_valloc(size_t size);
void *probe_pvalloc(size_t size);
void probe_free(void *p);

// ---- maps.c ----

void probe_on_map(void *p, size_t bytes, unsigned klass, const void *frame);
void probe_on_unmap(void *p, size_t bytes, const void *frame);
// The mapping that begins at p leaves the books before the kernel takes it; returns its class, 0 when there is none.
// probe_map_put: it stays after all, or this part of it does.
unsigned probe_map_take(uintptr_t p, struct probe_block *b, const void *frame);
void probe_map_put(uintptr_t p, const struct probe_block *b, const void *frame);
// What is left in the books of mappings of files and segments although their memory is gone.
void probe_maps_sweep(const void *frame);
// The program moved its break.
void probe_on_break(uintptr_t from, uintptr_t to, const void *frame);
#define PROBE_MAP_WHOLE 1u // the slack of an entry that nothing was cut from

// ---- allocators/glibc.c ----

// What glibc's malloc writes before each block is read directly, once its own malloc_usable_size has agreed with that
// many times; the state is never left again. Its blocks are at least 32 bytes apart.
enum probe_heads { PROBE_HEADS_AGREE = 64, PROBE_HEADS_NEVER = 1000 };
extern uint32_t probe_heads;
void probe_glibc_init(void);
size_t probe_usable_asked(const void *p, size_t otherwise);

// Bytes of the block at p that the program may use, as glibc wrote them before it; 0 where that is not known.
static inline size_t probe_usable_read(const void *p)
{
    if (likely(load_relaxed(&probe_heads) == PROBE_HEADS_AGREE)) {
        size_t head = ((const size_t *)p)[-1];
        if (likely(!(head & 2))) // not a mapping of its own
            return (head & ~7ul) - 8;
    }
    return 0;
}
// The same of any block; `otherwise` where the allocator has no answer.
static inline size_t probe_usable(const void *p, size_t otherwise)
{
    size_t usable = probe_usable_read(p);
    return likely(usable) ? usable : probe_usable_asked(p, otherwise);
}

// ---- allocators/stats.c ----

void probe_allocator_init(void);
void probe_allocator_read(struct probe_region *r, uint32_t tick);

// real.c: what is behind us
struct probe_real {
    void *(*malloc)(size_t); // in the order of the names in real.c
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *); // stored last: whoever sees it sees them all
    size_t (*usable)(void *);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    void *(*memalign)(size_t, size_t);
    void *(*valloc)(size_t);
    void *(*pvalloc)(size_t);
    void (*free_sized)(void *, size_t);
    void (*free_aligned_sized)(void *, size_t, size_t);
    int (*dlclose)(void *);
    void *(*mmap)(void *, size_t, int, int, int, long);
    int (*munmap)(void *, size_t);
    void *(*mremap)(void *, size_t, size_t, int, ...);
    int (*brk)(void *);
    void *(*sbrk)(intptr_t);
    void *(*shmat)(int, const void *, int);
    int (*shmdt)(const void *);
    int (*mlockall)(int);
    int (*prctl)(int, ...);
    long (*syscall)(long, ...);
    void *(*libc_malloc)(size_t);
    void *(*libc_calloc)(size_t, size_t);
    void *(*libc_realloc)(void *, size_t);
    void *(*libc_memalign)(size_t, size_t);
    void *(*libc_valloc)(size_t);
    void *(*libc_pvalloc)(size_t);
    void (*libc_free)(void *);
    uintptr_t allocator_start, allocator_end; // the object malloc lives in
    uintptr_t new_start;                      // the object operator new lives in
};
extern struct probe_real probe_real;
void probe_real_init(void);
static inline void probe_need_real(void)
{
    if (unlikely(!load_acquire(&probe_real.free)))
        probe_real_init();
}
void *probe_dlsym_next(const char *name);
// The same while the probe starts, and for what may be nowhere: allocates nothing then. behind_us: only in objects
// after the probe itself.
void *probe_dlsym_start(const char *name, int behind_us);
// lookup.c: the same without dlsym, and whether any object defines the name (1 when that cannot be told). No lock is
// taken against objects that leave: for the start alone.
void *probe_lookup(const char *name, int behind_us);
void *probe_lookup_behind(const char *name, const void *dynamic); // behind the object with this dynamic section
int probe_is_defined(const char *name, int behind_us);
// The static pool for calls before the allocator is known.
void *probe_early_alloc(size_t bytes, size_t alignment);
#define PROBE_EARLY_BYTES (96u << 10)
extern char probe_early_pool[PROBE_EARLY_BYTES];
static inline int probe_early_owns(const void *p)
{
    return (uintptr_t)p - (uintptr_t)probe_early_pool < PROBE_EARLY_BYTES;
}
size_t probe_early_usable(const void *p);

#pragma GCC visibility pop

#endif
