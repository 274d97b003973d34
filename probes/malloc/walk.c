// From a hook's caller to a stack id.
//
// Three layers, each exact or silent about it:
//  1. A rule per pc: where the caller's frame is and where rbp was saved, 60 bits out of the unwind tables, cached in a
//     lock-free table (key and rule are xor-ed so that a torn pair matches nothing).
//  2. The walk: apply rules from frame to frame. Only sp and bp are followed; a frame that needs more (hand-written
//     assembler) hands the whole walk to walk_slow.c. No unwind information: the frame pointer is believed if it
//     leads upwards within the stack and is seen to be the frame's own; else the stack is marked as truncated.
//  3. Whole stacks that were walked before (known.c).
// Memory is only read where it has been seen to be readable (bounds below), so no walk can fault.
#include "malloc/probe.h"

#include <string.h>

uint32_t probe_map_generation = 1;

// ---- bounds: what of a stack can be read ----

#define PAGE         4096ul
#define EXTEND_PAGES 512

// Widens w->high page by page so that it covers `end`; -1 at the first page that cannot be read.
static int extend_to(struct probe_walk *w, uintptr_t end, unsigned pages)
{
    while (w->high < end) {
        if (!pages-- || !sys_readable(w->high))
            return -1;
        w->high += PAGE;
    }
    return 0;
}

int probe_readable_further(struct probe_walk *w, uintptr_t address)
{
    if (address < w->low || address & 7 || address > UINTPTR_MAX - 8)
        return 0;
    return extend_to(w, address + 8, EXTEND_PAGES) == 0;
}

extern void *__libc_stack_end __attribute__((weak));

uintptr_t probe_main_stack_end(void)
{
    return &__libc_stack_end ? (uintptr_t)__libc_stack_end : 0;
}

// A range found contiguous up to the thread's own end of stack stays for the life of the thread. Any other (a fiber, a
// signal stack) may be unmapped and mapped again: it holds only while probe_map_generation stands still.
static void bounds_find(struct probe_walk *w, uintptr_t sp)
{
    uintptr_t page = sp & ~(PAGE - 1), tp = probe_thread_pointer(), main_end = probe_main_stack_end();
    uintptr_t own = tp > sp && (main_end <= sp || tp < main_end) ? tp : main_end;
    w->low = page;
    w->high = page + PAGE; // we stand on it
    w->map_generation = load_relaxed(&probe_map_generation);
    if (own > sp && own - sp < (8ul << 20) && extend_to(w, (own & ~(PAGE - 1)) + PAGE, EXTEND_PAGES) == 0)
        w->map_generation = 0;
}

void probe_bounds(struct probe_walk *w, uintptr_t sp)
{
    struct probe_tls *t = &probe_tls;
    int fresh = probe_bounds_fresh(t);
    if (likely(fresh && sp >= t->stack_low && sp < t->stack_high)) {
        w->low = t->stack_low;
        w->high = t->stack_high;
        w->map_generation = t->map_generation;
        return;
    }
    if (fresh && sp < t->stack_low && t->stack_low - sp < EXTEND_PAGES * PAGE) {
        w->low = sp & ~(PAGE - 1);
        w->high = w->low + PAGE;
        if (extend_to(w, t->stack_low, EXTEND_PAGES) == 0) {
            w->high = t->stack_high;
            w->map_generation = t->map_generation;
            return;
        }
    }
    bounds_find(w, sp);
}

static void bounds_keep(const struct probe_walk *w)
{
    struct probe_tls *t = &probe_tls;
    t->stack_low = w->low;
    t->stack_high = w->high;
    t->map_generation = w->map_generation;
}

// ---- rules ----

enum rule_kind { RULE_NONE, RULE_NORMAL, RULE_END, RULE_SIGNAL, RULE_POINTER, RULE_DRAP, RULE_SLOW };

// bits 0..2 kind, 3 CFA from bp, 4..27 CFA offset / 8 (signed), 28..43 saved bp from the CFA / 8 (signed, 0:
// unchanged), 44..59 module
#define RULE(kind, bp, cfa, saved, module)                                                                             \
    ((uint64_t)(kind) | (uint64_t)(bp) << 3 | ((uint64_t)(cfa)&0xffffff) << 4 | ((uint64_t)(saved)&0xffff) << 28 |     \
     (uint64_t)(module) << 44)
static inline unsigned rule_kind(uint64_t r)
{
    return r & 7;
}
static inline int64_t rule_cfa(uint64_t r)
{
    return (int64_t)(r << 36) >> 40;
}
static inline int64_t rule_saved(uint64_t r)
{
    return (int64_t)(r << 20) >> 48;
}
static inline uint32_t rule_module(uint64_t r)
{
    return (uint32_t)(r >> 44) & 0xffff;
}

// The kernel's way back from a handler: mov $15,%rax; syscall.
static int is_sigreturn(uintptr_t pc, const struct probe_object *o)
{
    static const uint8_t code[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
    return pc + sizeof code <= o->end && !memcmp((const void *)pc, code, sizeof code);
}

// Where makecontext lets a fiber return to: there is no caller, and no rule that says so. Without and with the check
// for a shadow stack before it.
static int is_context_start(uintptr_t pc, const struct probe_object *o)
{
    static const uint8_t plain[] = {0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c, 0x24, 0x48, 0x85, 0xff};
    static const uint8_t shadow[] = {0x64, 0xf7, 0x04, 0x25, 0x48, 0, 0, 0, 0x02, 0, 0, 0};
    return pc + sizeof shadow <= o->end &&
           (!memcmp((const void *)pc, plain, sizeof plain) || !memcmp((const void *)pc, shadow, sizeof shadow));
}

// gcc's realigned frames: CFA = *(rbp + n), saved rbp at *(rbp + 0).
static int is_drap(const struct probe_object *o, const struct probe_cfi_row *row, int64_t *n)
{
    const struct probe_cfi_reg *bp = &row->reg[PROBE_R_RBP];
    const uint8_t *cfa = (const uint8_t *)o->start + row->cfa_offset, *saved = (const uint8_t *)o->start + bp->value;
    if (row->cfa_bytes != 3 || cfa[0] != 0x76 || cfa[1] & 0x80 || cfa[2] != 0x06 || bp->kind != CFI_EXPRESSION ||
        bp->bytes != 2 || saved[0] != 0x76 || saved[1] != 0)
        return 0;
    *n = (int64_t)(cfa[1] & 0x40 ? cfa[1] | ~0x7full : cfa[1]);
    return *n % 8 == 0;
}

static uint64_t rule_compact(const struct probe_object *o, const struct probe_cfi_row *row, uint32_t module)
{
    const struct probe_cfi_reg *ra = &row->reg[PROBE_R_RA], *bp = &row->reg[PROBE_R_RBP];
    int64_t n, saved = bp->kind == CFI_OFFSET ? bp->value : 0;
    if (ra->kind == CFI_UNDEFINED)
        return RULE(RULE_END, 0, 0, 0, module);
    if (ra->kind != CFI_OFFSET || ra->value != -8 || row->reg[PROBE_R_RSP].kind != CFI_SAME)
        return RULE(RULE_SLOW, 0, 0, 0, module);
    if (row->cfa_bytes)
        return is_drap(o, row, &n) ? RULE(RULE_DRAP, 1, n / 8, 0, module) : RULE(RULE_SLOW, 0, 0, 0, module);
    if ((row->cfa_reg != PROBE_R_RSP && row->cfa_reg != PROBE_R_RBP) || row->cfa_offset % 8 || saved % 8 ||
        row->cfa_offset < 0 || row->cfa_offset >= 1 << 25 || saved < -(1 << 18) || saved > 0 ||
        (bp->kind != CFI_SAME && bp->kind != CFI_UNDEFINED && (bp->kind != CFI_OFFSET || !saved)))
        return RULE(RULE_SLOW, 0, 0, 0, module);
    return RULE(RULE_NORMAL, row->cfa_reg == PROBE_R_RBP, row->cfa_offset / 8, saved / 8, module);
}

static __attribute__((noinline, cold)) uint64_t rule_make(struct probe_region *r, uintptr_t pc, int exact,
                                                          uint32_t generation, struct seep_rule_slot *slot,
                                                          uint64_t key)
{
    struct probe_object o;
    struct probe_cfi_row row;
    uint64_t rule;
    add_relaxed(&r->header->rule_misses, 1);
    if (probe_object_find(exact ? pc : pc - 1, &o) < 0)
        return RULE(RULE_POINTER, 0, 0, 0, 0); // not cached: what lies there may change without a word
    uint32_t module = probe_module_index(r, &o);
    if (!exact && is_sigreturn(pc, &o))
        rule = RULE(RULE_SIGNAL, 0, 0, 0, module);
    else if (!exact && is_context_start(pc, &o))
        rule = RULE(RULE_END, 0, 0, 0, module);
    else if (probe_cfi_row(&o, exact ? pc : pc - 1, &row) < 0)
        rule = RULE(RULE_POINTER, 0, 0, 0, module);
    else
        rule = rule_compact(&o, &row, module);
    if (module && generation == load_relaxed(&probe_generation) && !(probe_flags & PROBE_FLAG_NO_RULE_CACHE)) {
        store_relaxed(&slot->check, key ^ rule);
        store_relaxed(&slot->rule, rule);
    }
    return rule;
}

static inline struct seep_rule_slot *rule_slot(struct probe_region *r, uintptr_t pc)
{
    return &r->rules[(pc * 0x9e3779b97f4a7c15ull >> 40) & (r->layout.rules - 1)];
}

static inline uint64_t rule_of(struct probe_region *r, uintptr_t pc, int exact)
{
    uint32_t generation = load_relaxed(&probe_generation);
    uint64_t key = pc | (uint64_t)exact << 47 | (uint64_t)generation << 48;
    struct seep_rule_slot *slot = rule_slot(r, pc);
    uint64_t rule = load_relaxed(&slot->rule);
    if (likely((load_relaxed(&slot->check) ^ rule) == key))
        return rule;
    return rule_make(r, pc, exact, generation, slot, key);
}

// ---- the walk ----

// Notes what the walk reads that decides where it goes.
struct recorder {
    struct probe_path *path;
    uintptr_t base;
    uintptr_t bp_from; // slot the current bp was loaded from, 0: the caller's own, 1: already recorded
};

static inline __attribute__((always_inline)) void record_slot(struct recorder *rec, uintptr_t address, int is_pointer)
{
    struct probe_path *path = rec->path;
    uintptr_t offset = (address - rec->base) / 8;
    if (unlikely(path->values + path->pointers >= (int)SEEP_SHAPE_SLOTS || offset > UINT16_MAX))
        path->keep = 0;
    else if (is_pointer)
        path->offset[SEEP_SHAPE_SLOTS - ++path->pointers] = (uint16_t)offset;
    else
        path->offset[path->values++] = (uint16_t)offset;
}

static inline void record_value(struct recorder *rec, uintptr_t address)
{
    record_slot(rec, address, 0);
}

// A word that is an address within the stack.
static inline void record_pointer(struct recorder *rec, uintptr_t address)
{
    record_slot(rec, address, 1);
}

static void record_bp(struct recorder *rec)
{
    if (rec->bp_from == 0)
        rec->path->frame = 1;
    else if (rec->bp_from != 1)
        record_pointer(rec, rec->bp_from);
    rec->bp_from = 1;
}

struct place {
    uintptr_t pc;
    uint64_t sp, bp;
    int exact;
};
enum step { STEP_ON, STEP_END, STEP_LOST, STEP_SLOW };

static inline __attribute__((always_inline)) enum step step_to(struct probe_walk *w, struct place *at, uint64_t cfa,
                                                               uintptr_t bp_at, struct recorder *rec)
{
    if (unlikely(cfa <= at->sp || !probe_readable(w, cfa - 8)))
        return STEP_LOST;
    if (bp_at) {
        if (unlikely(!probe_readable(w, bp_at)))
            return STEP_LOST;
        at->bp = *(uint64_t *)bp_at;
        if (rec)
            rec->bp_from = bp_at;
    }
    at->pc = *(uint64_t *)(cfa - 8);
    at->sp = cfa;
    at->exact = 0;
    if (rec)
        record_value(rec, cfa - 8);
    return at->pc ? STEP_ON : STEP_END;
}

// Over a signal frame: the kernel left the interrupted registers in the ucontext that sp points to.
static __attribute__((noinline, cold)) enum step step_signal(struct probe_walk *w, struct place *at,
                                                             struct recorder *rec)
{
    uintptr_t uc = at->sp;
    if (!probe_readable(w, uc + 168) || !probe_readable(w, uc + 120))
        return STEP_LOST;
    rec->path->keep = 0; // the stacks may be two
    at->bp = *(uint64_t *)(uc + 120);
    at->sp = *(uint64_t *)(uc + 160);
    at->pc = *(uint64_t *)(uc + 168);
    at->exact = 1;
    w->flags |= SEEP_STACK_SIGNAL;
    if (at->sp < w->low || at->sp >= w->high)
        probe_bounds(w, at->sp);
    // The red zone below the interrupted sp and the page itself must be real: the kernel does not promise it.
    return sys_readable(at->sp & ~7ul) ? STEP_ON : STEP_LOST;
}

static __attribute__((noinline, cold)) enum step step_pointer(struct probe_walk *w, struct place *at,
                                                              struct recorder *rec)
{
    int leads = probe_pointer_leads(w, at->sp, at->bp);
    rec->path->keep &= leads != 0; // that the loader's entry is the end depends on whose stack this is
    if (leads <= 0)
        return leads ? STEP_LOST : STEP_END;
    record_bp(rec);
    w->flags |= SEEP_STACK_HEURISTIC;
    return step_to(w, at, at->bp + 16, at->bp, rec);
}

static inline enum step step(struct probe_walk *w, struct place *at, uint64_t rule, struct recorder *rec)
{
    uint64_t cfa, base;
    switch (rule_kind(rule)) {
    case RULE_NORMAL:
        base = rule & 8 ? at->bp : at->sp;
        if (rule & 8 && rec)
            record_bp(rec);
        cfa = base + 8 * (uint64_t)rule_cfa(rule);
        return step_to(w, at, cfa, rule_saved(rule) ? cfa + 8 * (uint64_t)rule_saved(rule) : 0, rec);
    case RULE_DRAP:
        base = at->bp + 8 * (uint64_t)rule_cfa(rule);
        if (!rec || !probe_readable(w, base))
            return STEP_LOST;
        record_bp(rec);
        cfa = *(uint64_t *)base;
        record_pointer(rec, base);
        return step_to(w, at, cfa, at->bp, rec);
    case RULE_END:
        return STEP_END;
    case RULE_SIGNAL:
        return rec ? step_signal(w, at, rec) : STEP_LOST;
    case RULE_POINTER:
        return rec ? step_pointer(w, at, rec) : STEP_LOST;
    default:
        return STEP_SLOW;
    }
}

static inline uint64_t frame_word(const struct place *at, uint32_t module)
{
    return (at->pc & 0x7fffffffffffull) | (at->exact ? SEEP_FRAME_EXACT : 0) | (uint64_t)module << 48;
}

// As many frames as come one after the other with a known rule that needs nothing but sp, which is most of them: the
// same as steps, in a third of the instructions. Before anything else it stops, with that frame not yet looked at.
static inline void walk_plain(struct probe_region *r, struct probe_walk *w, struct place *at, struct recorder *rec)
{
    struct probe_path *path = rec->path;
    uint64_t pc = at->pc, sp = at->sp, generation = (uint64_t)load_relaxed(&probe_generation) << 48;
    uint32_t frames = w->frames, values = path->values, room = SEEP_SHAPE_SLOTS - path->pointers;
    uintptr_t bp_from = 0, low = w->low, last = w->high - 8;
    while (frames < SEEP_FRAMES_MAX && values < room) {
        const struct seep_rule_slot *slot = rule_slot(r, pc);
        uint64_t rule = load_relaxed(&slot->rule), cfa = sp + 8 * (uint64_t)rule_cfa(rule);
        uintptr_t from = cfa + 8 * (uint64_t)rule_saved(rule), offset = (cfa - 8 - rec->base) / 8;
        if ((load_relaxed(&slot->check) ^ rule) != (pc | generation) || (rule & 15) != RULE_NORMAL || cfa <= sp ||
            cfa - 8 > last || cfa & 7 || offset > UINT16_MAX || from < low || !*(uint64_t *)(cfa - 8))
            break;
        w->frame[frames++] = (pc & 0x7fffffffffffull) | (uint64_t)rule_module(rule) << 48;
        if (from != cfa)
            bp_from = from;
        pc = *(uint64_t *)(cfa - 8);
        sp = cfa;
        path->offset[values++] = (uint16_t)offset;
    }
    if (bp_from) {
        at->bp = *(uint64_t *)bp_from;
        rec->bp_from = bp_from;
    }
    at->pc = pc;
    at->sp = sp;
    path->values = (uint16_t)values;
    w->frames = frames;
}

static enum step walk_frames(struct probe_region *r, struct probe_walk *w, struct place at, struct recorder *rec)
{
    for (w->frames = 0; w->frames < SEEP_FRAMES_MAX;) {
        if (!at.exact)
            walk_plain(r, w, &at, rec);
        if (w->frames == SEEP_FRAMES_MAX)
            break;
        uint64_t rule = rule_of(r, at.pc, at.exact);
        w->frame[w->frames++] = frame_word(&at, rule_module(rule));
        enum step s = step(w, &at, rule, rec);
        if (s != STEP_ON)
            return s;
    }
    w->flags |= SEEP_STACK_CUT;
    return STEP_END;
}

uint64_t probe_frame_word(struct probe_region *r, uintptr_t pc, int exact, struct probe_object *o, int *known)
{
    struct place at = {.pc = pc, .exact = exact};
    *known = probe_object_find(exact ? pc : pc - 1, o) == 0;
    return frame_word(&at, *known ? probe_module_index(r, o) : 0);
}

// ---- remembered stacks ----

// The first three pcs, as far as plain rules lead; -1 when they do not.
static inline int first_three(struct probe_region *r, struct probe_walk *w, struct place at, uintptr_t *pc)
{
    pc[0] = at.pc;
    pc[1] = pc[2] = 0;
    for (int i = 1; i < 3; i++) {
        enum step s = step(w, &at, rule_of(r, at.pc, 0), NULL);
        if (s == STEP_END)
            return 0;
        if (s != STEP_ON)
            return -1;
        pc[i] = at.pc;
    }
    return 0;
}

// Once in a while: are the objects we know still the ones that are there? Unloading inside the C library itself does
// not come by our hook.
static void check_modules(struct probe_region *r, const struct probe_walk *w)
{
    for (uint32_t i = 0; i < w->frames; i++) {
        uint32_t module = SEEP_FRAME_MODULE(w->frame[i]);
        struct probe_object o;
        if (!module || module >= r->layout.modules)
            continue;
        uintptr_t pc = SEEP_FRAME_PC(w->frame[i]) - !(w->frame[i] & SEEP_FRAME_EXACT);
        if (probe_object_find(pc, &o) < 0 || r->modules[module].tag != o.tag || r->modules[module].start != o.start)
            probe_code_changed(r);
    }
}

static void copy_if_wanted(struct probe_region *r, const struct probe_walk *w, uint32_t id, int is_new, int turn)
{
    if (turn)
        check_modules(r, w);
    if (w->flags & SEEP_STACK_TRUNCATED && is_new)
        probe_ring_copy(r, w, id, SEEP_RING_TRUNCATED);
    else if (is_new)
        probe_ring_copy(r, w, id, SEEP_RING_NEW);
    else if (turn)
        probe_ring_copy(r, w, id, SEEP_RING_CHECK);
}

static __attribute__((noinline)) uint32_t walk_whole(struct probe_region *r, struct probe_walk *w,
                                                     const struct probe_start *start, const uintptr_t *pc, int turn)
{
    struct place at = {.pc = start->pc, .sp = start->sp, .bp = start->bp};
    struct probe_path path;
    struct recorder rec = {.path = &path, .base = start->sp};
    int is_new = 0;
    path.values = path.pointers = path.frame = 0;
    path.keep = pc != NULL && !(probe_flags & PROBE_FLAG_NO_WALK_CACHE);
    w->flags = 0;
    enum step s = walk_frames(r, w, at, &rec);
    if (!(w->flags & SEEP_STACK_SIGNAL))
        bounds_keep(w);
    if (s == STEP_SLOW) {
        add_relaxed(&r->header->slow_walks, 1);
        probe_bounds(w, at.sp);
        probe_walk_slow(r, w, at.sp);
    } else if (s == STEP_LOST) {
        w->flags |= SEEP_STACK_TRUNCATED;
    }
    if (w->flags & SEEP_STACK_TRUNCATED)
        add_relaxed(&r->header->truncated_walks, 1);
    uint32_t id = probe_intern(r, w->frame, w->frames, start->klass, w->flags, &is_new);
    if (s == STEP_END && path.keep && id != SEEP_STACK_OTHER)
        probe_known_learn(r, start, pc, &path, w->high, id);
    copy_if_wanted(r, w, id, is_new, turn);
    return id;
}

// Apart from probe_stack_id because of what it takes of the program's stack.
uint32_t probe_look_further(struct probe_region *r, const struct probe_start *start, int asked, int turn,
                            unsigned *flags)
{
    struct probe_walk w;
    uintptr_t pc[3];
    w.flags = 0;
    probe_bounds(&w, start->sp);
    uint32_t id = asked ? SEEP_STACK_NONE : probe_known_guess(r, start, w.high);
    probe_cold_begin(r);
    int plain = first_three(r, &w, (struct place){.pc = start->pc, .sp = start->sp, .bp = start->bp}, pc) == 0;
    if (plain && !id)
        id = probe_known_look(r, start, pc, w.high);
    if (id && !turn) {
        probe_cold_end(r);
        *flags = WALK_HIT;
        return id;
    }
    uint32_t walked = walk_whole(r, &w, start, plain ? pc : NULL, turn);
    probe_cold_end(r);
    if (unlikely(id && id != walked))
        add_relaxed(&r->header->known_wrong, 1);
    *flags = w.flags;
    return walked;
}

uint32_t probe_stack_id(struct probe_region *r, const uintptr_t *hook_frame, unsigned klass, unsigned *flags)
{
    struct probe_start start = {hook_frame[1], (uintptr_t)(hook_frame + 2), hook_frame[0], klass};
    struct probe_tls *t = &probe_tls;
    int turn = probe_walk_is_due(t), asked = !turn && probe_is_bounded(t, start.sp);
    uint32_t id = asked ? probe_known_guess(r, &start, t->stack_high) : SEEP_STACK_NONE;
    if (unlikely(!id))
        return probe_look_further(r, &start, asked, turn, flags);
    *flags = WALK_HIT;
    return id;
}
