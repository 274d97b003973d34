// The walk with all registers, for stacks with a frame whose rule needs more than sp and bp: hand-written assembler
// that keeps its frame in another register, expressions, PLT stubs under a signal. It starts here, walks out of the
// probe's own frames, and records from the hook's caller on. Slow (about a microsecond a frame) and rare.
#include "malloc/probe.h"

#include <string.h>

#define EVAL_DEPTH 16

struct eval {
    const uint8_t *p, *end;
    const uint64_t *reg;
    struct probe_walk *w;
    uint64_t stack[EVAL_DEPTH];
    int depth, bad;
};

static void push(struct eval *e, uint64_t v)
{
    if (e->depth == EVAL_DEPTH)
        e->bad = 1;
    else
        e->stack[e->depth++] = v;
}

static uint64_t pop(struct eval *e)
{
    if (e->depth == 0) {
        e->bad = 1;
        return 0;
    }
    return e->stack[--e->depth];
}

static uint64_t raw(struct eval *e, unsigned bytes)
{
    uint64_t v = 0;
    if ((size_t)(e->end - e->p) < bytes) {
        e->bad = 1;
        return 0;
    }
    memcpy(&v, e->p, bytes);
    e->p += bytes;
    return v;
}

static uint64_t leb(struct eval *e, int is_signed)
{
    uint64_t v = 0, b = 0x80;
    unsigned shift = 0;
    for (; b & 0x80 && shift < 64; shift += 7) {
        b = raw(e, 1);
        v |= (b & 127) << shift;
    }
    return is_signed && b & 0x40 && shift < 64 ? v | ~0ull << shift : v;
}

static uint64_t fetch(struct eval *e, uint64_t address)
{
    if (!probe_readable(e->w, address)) {
        e->bad = 1;
        return 0;
    }
    return *(const uint64_t *)address;
}

static void eval_binary(struct eval *e, unsigned op)
{
    uint64_t b = pop(e), a = pop(e);
    switch (op) {
    case 0x1a:
        push(e, a & b);
        break;
    case 0x1c:
        push(e, a - b);
        break;
    case 0x1e:
        push(e, a * b);
        break;
    case 0x21:
        push(e, a | b);
        break;
    case 0x22:
        push(e, a + b);
        break;
    case 0x24:
        push(e, b < 64 ? a << b : 0);
        break;
    case 0x25:
        push(e, b < 64 ? a >> b : 0);
        break;
    case 0x27:
        push(e, a ^ b);
        break;
    case 0x29:
        push(e, a == b);
        break;
    case 0x2a:
        push(e, (int64_t)a >= (int64_t)b);
        break;
    case 0x2b:
        push(e, (int64_t)a > (int64_t)b);
        break;
    case 0x2c:
        push(e, (int64_t)a <= (int64_t)b);
        break;
    case 0x2d:
        push(e, (int64_t)a < (int64_t)b);
        break;
    case 0x2e:
        push(e, a != b);
        break;
    default:
        e->bad = 1;
    }
}

static void eval_one(struct eval *e)
{
    unsigned op = (unsigned)raw(e, 1);
    uint64_t v;
    if (op >= 0x30 && op <= 0x4f) {
        push(e, op - 0x30);
    } else if (op >= 0x70 && op <= 0x8f) {
        v = leb(e, 1);
        if (op - 0x70 < PROBE_REGS)
            push(e, e->reg[op - 0x70] + v);
        else
            e->bad = 1;
    } else {
        switch (op) {
        case 0x03:
        case 0x0e:
            push(e, raw(e, 8));
            break;
        case 0x06:
            push(e, fetch(e, pop(e)));
            break;
        case 0x08:
            push(e, raw(e, 1));
            break;
        case 0x09:
            push(e, (uint64_t)(int8_t)raw(e, 1));
            break;
        case 0x0a:
            push(e, raw(e, 2));
            break;
        case 0x0b:
            push(e, (uint64_t)(int16_t)raw(e, 2));
            break;
        case 0x0c:
            push(e, raw(e, 4));
            break;
        case 0x0d:
            push(e, (uint64_t)(int32_t)raw(e, 4));
            break;
        case 0x10:
            push(e, leb(e, 0));
            break;
        case 0x11:
            push(e, leb(e, 1));
            break;
        case 0x12:
            v = pop(e);
            push(e, v);
            push(e, v);
            break;
        case 0x13:
            pop(e);
            break;
        case 0x23:
            v = pop(e);
            push(e, v + leb(e, 0));
            break;
        case 0x96:
            break;
        default:
            eval_binary(e, op);
        }
    }
}

// The value of an expression of the object at o; first: what lies on the evaluation stack at the start (the CFA) or
// nothing. -1 when it cannot be told.
static int evaluate(const struct probe_object *o, int32_t at, unsigned bytes, struct probe_walk *w, const uint64_t *reg,
                    const uint64_t *first, uint64_t *out)
{
    struct eval e = {.p = (const uint8_t *)o->start + at, .reg = reg, .w = w};
    e.end = e.p + bytes;
    if (at < 0 || (uintptr_t)e.end > o->end)
        return -1;
    if (first)
        push(&e, *first);
    for (int i = 0; i < 256 && !e.bad && e.p < e.end; i++)
        eval_one(&e);
    *out = pop(&e);
    return e.bad ? -1 : 0;
}

static int apply_reg(const struct probe_object *o, const struct probe_cfi_reg *rule, struct probe_walk *w,
                     const uint64_t *old, uint64_t cfa, uint64_t *out)
{
    uint64_t at = cfa + (uint64_t)(int64_t)rule->value;
    switch (rule->kind) {
    case CFI_OFFSET:
        break;
    case CFI_VAL_OFFSET:
        *out = at;
        return 0;
    case CFI_REGISTER:
        if (rule->value < 0 || rule->value >= PROBE_REGS)
            return -1;
        *out = old[rule->value];
        return 0;
    case CFI_VAL_EXPRESSION:
        return evaluate(o, rule->value, rule->bytes, w, old, &cfa, out);
    case CFI_EXPRESSION:
        if (evaluate(o, rule->value, rule->bytes, w, old, &cfa, &at) < 0)
            return -1;
        break;
    default:
        return 0; // same, undefined
    }
    if (!probe_readable(w, at))
        return -1;
    *out = *(const uint64_t *)at;
    return 0;
}

// One frame outwards. 1 on, 0 the end of the stack, -1 lost.
static int slow_step(const struct probe_object *o, struct probe_walk *w, uint64_t *reg, const struct probe_cfi_row *row)
{
    uint64_t cfa, old[PROBE_REGS];
    memcpy(old, reg, sizeof old);
    if (row->reg[PROBE_R_RA].kind == CFI_UNDEFINED)
        return 0;
    if (row->cfa_bytes) {
        if (evaluate(o, row->cfa_offset, row->cfa_bytes, w, old, NULL, &cfa) < 0)
            return -1;
    } else if (row->cfa_reg < PROBE_REGS) {
        cfa = old[row->cfa_reg] + (uint64_t)(int64_t)row->cfa_offset;
    } else {
        return -1;
    }
    reg[PROBE_R_RSP] = cfa;
    if (row->signal_frame && (cfa < w->low || cfa >= w->high)) {
        // The saved registers lie on the handler's stack: fetch them first, then look at the other stack.
        for (int i = 0; i < PROBE_REGS; i++)
            if (apply_reg(o, &row->reg[i], w, old, cfa, &reg[i]) < 0)
                return -1;
        probe_bounds(w, reg[PROBE_R_RSP]);
        return sys_readable(reg[PROBE_R_RSP] & ~7ul) ? 1 : -1;
    }
    for (int i = 0; i < PROBE_REGS; i++)
        if (apply_reg(o, &row->reg[i], w, old, cfa, &reg[i]) < 0)
            return -1;
    if (!row->signal_frame && reg[PROBE_R_RSP] <= old[PROBE_R_RSP])
        return -1;
    return reg[PROBE_R_RA] != 0;
}

// Over a frame without rules. 1 on, 0 the end, -1 lost.
static int pointer_step(struct probe_walk *w, uint64_t *reg)
{
    uint64_t bp = reg[PROBE_R_RBP];
    int leads = probe_pointer_leads(w, reg[PROBE_R_RSP], bp);
    if (leads > 0) {
        reg[PROBE_R_RA] = *(uint64_t *)(bp + 8);
        reg[PROBE_R_RBP] = *(uint64_t *)bp;
        reg[PROBE_R_RSP] = bp + 16;
        w->flags |= SEEP_STACK_HEURISTIC;
    }
    return leads;
}

// Stores the registers as they are on return from it, indexed by their DWARF numbers.
void probe_capture(uint64_t *reg);
__asm__(".text\n.hidden probe_capture\n.globl probe_capture\n.type probe_capture, @function\nprobe_capture:\n"
        "mov %rbx, 24(%rdi)\n\tmov %rbp, 48(%rdi)\n\tlea 8(%rsp), %rax\n\tmov %rax, 56(%rdi)\n\t"
        "mov %r12, 96(%rdi)\n\tmov %r13, 104(%rdi)\n\tmov %r14, 112(%rdi)\n\tmov %r15, 120(%rdi)\n\t"
        "mov (%rsp), %rax\n\tmov %rax, 128(%rdi)\n\tret\n.size probe_capture, .-probe_capture\n");

void probe_walk_slow(struct probe_region *r, struct probe_walk *w, uintptr_t hook_sp)
{
    uint64_t reg[PROBE_REGS] = {0};
    int exact = 0, result = 1;
    probe_capture(reg);
    w->low = reg[PROBE_R_RSP] & ~4095ul; // our own frames, below the hook's
    w->frames = 0;
    for (int hops = 0; result == 1 && w->frames < SEEP_FRAMES_MAX && hops < 2 * (int)SEEP_FRAMES_MAX; hops++) {
        struct probe_object o;
        struct probe_cfi_row row;
        int known;
        uint64_t word = probe_frame_word(r, reg[PROBE_R_RA], exact, &o, &known);
        if (reg[PROBE_R_RSP] >= hook_sp || w->frames || exact)
            w->frame[w->frames++] = word;
        if (!known || probe_cfi_row(&o, reg[PROBE_R_RA] - !exact, &row) < 0) {
            exact = 0;
            result = pointer_step(w, reg);
            continue;
        }
        exact = row.signal_frame;
        w->flags |= exact ? SEEP_STACK_SIGNAL : 0;
        result = slow_step(&o, w, reg, &row);
    }
    if (result < 0)
        w->flags |= SEEP_STACK_TRUNCATED;
    else if (result == 1)
        w->flags |= SEEP_STACK_CUT;
}
