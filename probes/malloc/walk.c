// From a hook's caller to a stack id.
//
// Three layers, each exact or silent about it:
//  1. A rule per pc: where the caller's frame is and where rbp was saved, 60 bits out of the unwind tables, cached in a
//     lock-free table (key and rule are xor-ed so that a torn pair matches nothing).
//  2. The walk: apply rules from frame to frame. Only sp and bp are followed; a frame that needs more (hand-written
//     assembler) hands the whole walk to walk_slow.c. No unwind information: the frame pointer is believed if it
//     leads upwards within the stack and is seen to be the frame's own; else the stack is marked as truncated.
//  3. Whole stacks, verified: the next walk that starts with the same first three pcs at the same sp compares every
//     slot the remembered walk had read (all return addresses, and saved rbp where a frame depends on it). If they are
//     all equal each step must come out as before, by induction, so the id is the same.
// Memory is only read where it has been seen to be readable (bounds below), so no walk can fault.
#include "malloc/probe.h"

#include <string.h>

uint32_t probe_map_generation = 1;

// ---- bounds: what of a stack can be read ----

#define PAGE         4096ul
#define EXTEND_PAGES 512

static inline uintptr_t thread_pointer(void)
{
    uintptr_t tp;
    __asm__("mov %%fs:0, %0" : "=r"(tp));
    return tp;
}

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

int probe_readable(struct probe_walk *w, uintptr_t address)
{
    if (unlikely(address < w->low || address & 7 || address > UINTPTR_MAX - 8))
        return 0;
    if (likely(address + 8 <= w->high))
        return 1;
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
    uintptr_t page = sp & ~(PAGE - 1), tp = thread_pointer(), main_end = probe_main_stack_end();
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
    int fresh = t->stack_high && (!t->map_generation || t->map_generation == load_relaxed(&probe_map_generation));
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

static __attribute__((noinline)) uint64_t rule_make(struct probe_region *r, uintptr_t pc, int exact,
                                                    uint32_t generation, struct seep_rule_slot *slot, uint64_t key)
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

static inline uint64_t rule_of(struct probe_region *r, uintptr_t pc, int exact)
{
    uint32_t generation = load_relaxed(&probe_generation);
    uint64_t key = pc | (uint64_t)exact << 47 | (uint64_t)generation << 48;
    struct seep_rule_slot *slot = &r->rules[(pc * 0x9e3779b97f4a7c15ull >> 40) & (r->layout.rules - 1)];
    uint64_t rule = load_relaxed(&slot->rule);
    if (likely((load_relaxed(&slot->check) ^ rule) == key))
        return rule;
    return rule_make(r, pc, exact, generation, slot, key);
}

// ---- the walk ----

// What the walk read that decided where it went; off when slot is NULL.
struct recorder {
    struct seep_walk_slot *slot;
    uintptr_t base;
    uintptr_t bp_from; // slot the current bp was loaded from, 0: the caller's own, 1: already recorded
};

static void record_slot(struct recorder *rec, uintptr_t address, uint64_t value)
{
    struct seep_walk_slot *s = rec->slot;
    if (!s)
        return;
    uintptr_t offset = address - rec->base;
    if (s->checks >= SEEP_WALK_CHECKS || offset >= 1u << 28) {
        s->pc[0] = 0; // does not fit: the slot stays empty
        rec->slot = NULL;
        return;
    }
    s->offset[s->checks] = (uint32_t)offset;
    s->value[s->checks++] = value;
    if (offset > s->reach)
        s->reach = (uint32_t)offset;
}

static void record_bp(struct recorder *rec, uint64_t bp)
{
    if (!rec->slot || rec->bp_from == 1)
        return;
    if (rec->bp_from == 0)
        rec->slot->bp_matters = 1;
    else
        record_slot(rec, rec->bp_from, bp);
    rec->bp_from = 1;
}

struct place {
    uintptr_t pc;
    uint64_t sp, bp;
    int exact;
};
enum step { STEP_ON, STEP_END, STEP_LOST, STEP_SLOW };

static inline enum step step_to(struct probe_walk *w, struct place *at, uint64_t cfa, uintptr_t bp_at,
                                struct recorder *rec)
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
        record_slot(rec, cfa - 8, at->pc);
    return at->pc ? STEP_ON : STEP_END;
}

// Over a signal frame: the kernel left the interrupted registers in the ucontext that sp points to.
static enum step step_signal(struct probe_walk *w, struct place *at, struct recorder *rec)
{
    uintptr_t uc = at->sp;
    if (!probe_readable(w, uc + 168) || !probe_readable(w, uc + 120))
        return STEP_LOST;
    if (rec->slot) {
        rec->slot->pc[0] = 0; // never remembered: the stacks may be two
        rec->slot = NULL;
    }
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

static enum step step_pointer(struct probe_walk *w, struct place *at, struct recorder *rec)
{
    int leads = probe_pointer_leads(w, at->sp, at->bp);
    if (leads <= 0)
        return leads ? STEP_LOST : STEP_END;
    record_bp(rec, at->bp);
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
            record_bp(rec, at->bp);
        cfa = base + 8 * (uint64_t)rule_cfa(rule);
        return step_to(w, at, cfa, rule_saved(rule) ? cfa + 8 * (uint64_t)rule_saved(rule) : 0, rec);
    case RULE_DRAP:
        base = at->bp + 8 * (uint64_t)rule_cfa(rule);
        if (!rec || !probe_readable(w, base))
            return STEP_LOST;
        record_bp(rec, at->bp);
        cfa = *(uint64_t *)base;
        record_slot(rec, base, cfa);
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

static enum step walk_frames(struct probe_region *r, struct probe_walk *w, struct place at, struct recorder *rec)
{
    for (w->frames = 0; w->frames < SEEP_FRAMES_MAX;) {
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

// Whether the remembered walk started as this one does.
static inline int slot_starts(const struct seep_walk_slot *s, const uintptr_t *pc, const struct place *at,
                              unsigned klass, uintptr_t high)
{
    return s->pc[0] == pc[0] && s->pc[1] == pc[1] && s->pc[2] == pc[2] && s->sp == at->sp && s->reserved[0] == klass &&
           s->generation == load_relaxed(&probe_generation) && at->sp + s->reach + 8 <= high &&
           s->checks <= SEEP_WALK_CHECKS;
}

static inline int slot_matches(const struct seep_walk_slot *s, const struct place *at)
{
    uint64_t differ = s->bp_matters ? s->bp ^ at->bp : 0;
    for (uint32_t i = 0; i < s->checks; i++) {
        uint32_t offset = s->offset[i];
        if (unlikely(offset > s->reach))
            return 0;
        differ |= *(const uint64_t *)(at->sp + offset) ^ s->value[i];
    }
    return differ == 0;
}

// What stands now where the remembered walk had looked: tells sibling paths of the same shape apart.
static inline uint64_t slot_sibling(const struct seep_walk_slot *s, const struct place *at)
{
    uint64_t h = at->sp, factor = 0x9e3779b97f4a7c15ull;
    for (uint32_t i = 0; i < s->checks && s->offset[i] <= s->reach; i++) {
        h += *(const uint64_t *)(at->sp + s->offset[i]) * factor;
        factor += 0x6a09e667f3bcc908ull;
    }
    return h ^ h >> 29;
}

static inline struct seep_walk_slot *slot_at(struct probe_region *r, const uintptr_t *pc, uint64_t sp, uint64_t more)
{
    uint64_t h = (pc[0] ^ pc[1] << 17 ^ pc[2] << 31 ^ sp << 5 ^ more) * 0x9e3779b97f4a7c15ull;
    return &r->walks[(h >> 36) & (r->layout.walks - 1)];
}

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

// Claims the slot for writing; NULL when another thread is at it.
static struct seep_walk_slot *slot_claim(struct seep_walk_slot *s, const uintptr_t *pc, const struct place *at,
                                         unsigned klass)
{
    uint32_t sequence = load_relaxed(&s->sequence);
    if (sequence & 1 ||
        !__atomic_compare_exchange_n(&s->sequence, &sequence, sequence + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return NULL;
    memcpy(s->pc, pc, sizeof s->pc);
    s->sp = at->sp;
    s->bp = at->bp;
    s->generation = load_relaxed(&probe_generation);
    s->reach = 0;
    s->checks = 0;
    s->bp_matters = 0;
    s->reserved[0] = klass;
    return s;
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
                                                     const struct place *at, struct seep_walk_slot *slot,
                                                     unsigned klass, int turn)
{
    struct recorder rec = {.slot = slot, .base = at->sp};
    int is_new = 0;
    w->flags = 0;
    enum step s = walk_frames(r, w, *at, &rec);
    if (!(w->flags & SEEP_STACK_SIGNAL))
        bounds_keep(w);
    if (s == STEP_SLOW) {
        add_relaxed(&r->header->slow_walks, 1);
        probe_bounds(w, at->sp);
        probe_walk_slow(r, w, at->sp);
    } else if (s == STEP_LOST) {
        w->flags |= SEEP_STACK_TRUNCATED;
    }
    if (w->flags & SEEP_STACK_TRUNCATED)
        add_relaxed(&r->header->truncated_walks, 1);
    uint32_t id = probe_intern(r, w->frame, w->frames, klass, w->flags, &is_new);
    if (slot) {
        slot->stack = id;
        slot->flags = (uint8_t)w->flags;
        if (s != STEP_END || id == SEEP_STACK_OTHER || probe_flags & PROBE_FLAG_NO_WALK_CACHE)
            slot->pc[0] = 0;
        store_release(&slot->sequence, slot->sequence + 1);
    }
    copy_if_wanted(r, w, id, is_new, turn);
    return id;
}

// The id if this slot remembers this very stack, SEEP_STACK_NONE if not.
static inline uint32_t slot_answer(const struct seep_walk_slot *s, const uintptr_t *pc, const struct place *at,
                                   unsigned klass, uintptr_t high)
{
    uint32_t sequence = load_acquire(&s->sequence);
    if (sequence & 1 || !slot_starts(s, pc, at, klass, high) || !slot_matches(s, at))
        return SEEP_STACK_NONE;
    uint32_t id = s->stack;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return load_relaxed(&s->sequence) == sequence ? id : SEEP_STACK_NONE;
}

// Looks the stack up under its start and, when another path of the same start stands there, under what that path's
// slots hold now. *slot: where to remember it after a miss; the first place changes hands now and then, lest a rare
// path keep it for ever.
static inline uint32_t remembered(struct probe_region *r, const struct probe_walk *w, const uintptr_t *pc,
                                  const struct place *at, unsigned klass, struct seep_walk_slot **slot)
{
    struct seep_walk_slot *first = slot_at(r, pc, at->sp, 0);
    *slot = first;
    uint32_t id = slot_answer(first, pc, at, klass, w->high);
    if (likely(id) || first->sequence & 1 || !slot_starts(first, pc, at, klass, w->high))
        return id;
    struct seep_walk_slot *sibling = slot_at(r, pc, at->sp, slot_sibling(first, at));
    id = slot_answer(sibling, pc, at, klass, w->high);
    if (!id && probe_tls.walks % 32)
        *slot = sibling;
    return id;
}

uint32_t probe_stack_id(struct probe_region *r, const uintptr_t *hook_frame, unsigned klass, unsigned *flags)
{
    struct place at = {.pc = hook_frame[1], .sp = (uintptr_t)(hook_frame + 2), .bp = hook_frame[0]};
    struct probe_walk w;
    uintptr_t pc[3];
    struct seep_walk_slot *slot = NULL;
    int turn = (++probe_tls.walks & 1023) == 0; // now and then a stack is walked although it is remembered
    w.flags = 0;
    probe_bounds(&w, at.sp);
    if (likely(first_three(r, &w, at, pc) == 0)) {
        uint32_t id = remembered(r, &w, pc, &at, klass, &slot);
        if (likely(id && !turn)) {
            *flags = WALK_HIT;
            return id;
        }
        slot = slot_claim(slot, pc, &at, klass);
    }
    uint32_t id = walk_whole(r, &w, &at, slot, klass, turn);
    *flags = w.flags;
    return id;
}
