// The unwind row of one pc out of .eh_frame, through the binary search table of .eh_frame_hdr.
//
// The tables are the program's own, the very ones its exceptions rely on; still every pointer is kept inside the
// object. Anything unusual (no table, another encoding, an unknown instruction) is "no row": the walker then says so.
#include "malloc/probe.h"

#include <string.h>

struct cursor {
    const uint8_t *p, *end;
    int bad;
};

static uint64_t get(struct cursor *c, unsigned bytes)
{
    uint64_t v = 0;
    if ((size_t)(c->end - c->p) < bytes) {
        c->bad = 1;
        return 0;
    }
    memcpy(&v, c->p, bytes);
    c->p += bytes;
    return v;
}

static uint64_t get_uleb(struct cursor *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t b = get(c, 1);
        v |= (b & 127) << shift;
        if (!(b & 128))
            return v;
    }
    c->bad = 1;
    return 0;
}

static int64_t get_sleb(struct cursor *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t b = get(c, 1);
        v |= (b & 127) << shift;
        if (!(b & 128))
            return (int64_t)(b & 64 && shift < 57 ? v | ~0ull << (shift + 7) : v);
    }
    c->bad = 1;
    return 0;
}

// A pointer in one of the DW_EH_PE encodings; `data` is the base of datarel.
static uintptr_t get_pointer(struct cursor *c, uint8_t encoding, uintptr_t data)
{
    uintptr_t base = 0, here = (uintptr_t)c->p;
    uint64_t v;
    switch (encoding & 0x0f) {
    case 0x00:
    case 0x04:
    case 0x0c:
        v = get(c, 8);
        break;
    case 0x01:
        v = get_uleb(c);
        break;
    case 0x02:
        v = get(c, 2);
        break;
    case 0x03:
        v = get(c, 4);
        break;
    case 0x09:
        v = (uint64_t)get_sleb(c);
        break;
    case 0x0a:
        v = (uint64_t)(int16_t)get(c, 2);
        break;
    case 0x0b:
        v = (uint64_t)(int32_t)get(c, 4);
        break;
    default:
        c->bad = 1;
        return 0;
    }
    switch (encoding & 0x70) {
    case 0x00:
        break;
    case 0x10:
        base = here;
        break;
    case 0x30:
        base = data;
        break;
    default:
        c->bad = 1;
    }
    if (encoding & 0x80)
        c->bad = 1; // indirect: only used for personalities, whose value nobody here needs
    return base + v;
}

struct cie {
    const uint8_t *program, *program_end;
    uint64_t code_align;
    int64_t data_align;
    uint8_t pointer_encoding;
    uint8_t augmented, signal_frame;
};

static int parse_augmentation(struct cursor *c, const char *aug, struct cie *cie)
{
    if (!*aug)
        return 0;
    if (*aug != 'z')
        return -1;
    cie->augmented = 1;
    uint64_t bytes = get_uleb(c);
    if (c->bad || bytes > (uint64_t)(c->end - c->p))
        return -1;
    struct cursor d = {c->p, c->p + bytes, 0};
    for (aug++; *aug; aug++) {
        if (*aug == 'R')
            cie->pointer_encoding = (uint8_t)get(&d, 1);
        else if (*aug == 'L')
            get(&d, 1);
        else if (*aug == 'S')
            cie->signal_frame = 1;
        else if (*aug == 'P') {
            uint8_t encoding = (uint8_t)get(&d, 1);
            get_pointer(&d, encoding & 0x7f, 0);
        } else
            break;
    }
    c->p += bytes;
    return d.bad ? -1 : 0;
}

static int parse_cie(const struct probe_object *o, const uint8_t *at, struct cie *cie)
{
    struct cursor c = {at, (const uint8_t *)o->end, 0};
    memset(cie, 0, sizeof *cie);
    uint64_t length = get(&c, 4);
    if (c.bad || length == 0 || length > (uint64_t)(c.end - c.p))
        return -1;
    c.end = c.p + length;
    if (get(&c, 4) != 0)
        return -1;
    uint64_t version = get(&c, 1);
    const char *aug = (const char *)c.p;
    const uint8_t *nul = memchr(c.p, 0, (size_t)(c.end - c.p));
    if (!nul || (version != 1 && version != 3))
        return -1;
    c.p = nul + 1;
    cie->code_align = get_uleb(&c);
    cie->data_align = get_sleb(&c);
    uint64_t ra = version == 1 ? get(&c, 1) : get_uleb(&c);
    if (c.bad || ra != PROBE_R_RA || parse_augmentation(&c, aug, cie) < 0 || c.bad)
        return -1;
    cie->program = c.p;
    cie->program_end = c.end;
    return 0;
}

#define REMEMBER_MAX 2 // compilers nest none; each costs 150 bytes of the program's stack
struct machine {
    const struct probe_object *o;
    const struct cie *cie;
    struct probe_cfi_row *row;
    struct probe_cfi_row initial;
    struct probe_cfi_row saved[REMEMBER_MAX];
    unsigned depth;
    uintptr_t at, pc; // current location, the one wanted
    int done;
};

static void set_reg(struct machine *m, uint64_t reg, unsigned kind, int64_t value, unsigned bytes)
{
    if (reg < PROBE_REGS)
        m->row->reg[reg] = (struct probe_cfi_reg){(int32_t)value, (uint16_t)bytes, (uint8_t)kind};
}

static void restore_reg(struct machine *m, uint64_t reg)
{
    if (reg < PROBE_REGS)
        m->row->reg[reg] = m->initial.reg[reg];
}

static void advance(struct machine *m, uint64_t delta)
{
    m->at += delta * m->cie->code_align;
    m->done = m->at > m->pc;
}

// An expression stays where it is; the row remembers its place relative to the object.
static int64_t expression(struct machine *m, struct cursor *c, unsigned *bytes)
{
    uint64_t n = get_uleb(c);
    if (n > UINT16_MAX || n > (uint64_t)(c->end - c->p)) {
        c->bad = 1;
        n = 0;
    }
    int64_t at = (int64_t)((uintptr_t)c->p - m->o->start);
    c->p += n;
    *bytes = (unsigned)n;
    return at;
}

static void set_cfa(struct machine *m, uint64_t reg, int64_t offset)
{
    m->row->cfa_reg = (uint8_t)(reg < PROBE_REGS ? reg : 255);
    m->row->cfa_offset = (int32_t)offset;
    m->row->cfa_bytes = 0;
}

static void run_cfa_rule(struct machine *m, struct cursor *c, unsigned op)
{
    unsigned bytes;
    int64_t v;
    uint64_t reg;
    switch (op) {
    case 0x0c:
        reg = get_uleb(c);
        set_cfa(m, reg, (int64_t)get_uleb(c));
        break;
    case 0x12:
        reg = get_uleb(c);
        set_cfa(m, reg, get_sleb(c) * m->cie->data_align);
        break;
    case 0x0d:
        set_cfa(m, get_uleb(c), m->row->cfa_offset);
        break;
    case 0x0e:
        set_cfa(m, m->row->cfa_reg, (int64_t)get_uleb(c));
        break;
    case 0x13:
        set_cfa(m, m->row->cfa_reg, get_sleb(c) * m->cie->data_align);
        break;
    default: // 0x0f
        v = expression(m, c, &bytes);
        m->row->cfa_offset = (int32_t)v;
        m->row->cfa_bytes = (uint16_t)bytes;
    }
}

static void run_reg_rule(struct machine *m, struct cursor *c, unsigned op)
{
    uint64_t reg = get_uleb(c);
    unsigned bytes = 0;
    int64_t v, align = m->cie->data_align;
    switch (op) {
    case 0x05:
        set_reg(m, reg, CFI_OFFSET, (int64_t)get_uleb(c) * align, 0);
        break;
    case 0x11:
        set_reg(m, reg, CFI_OFFSET, get_sleb(c) * align, 0);
        break;
    case 0x06:
        restore_reg(m, reg);
        break;
    case 0x07:
        set_reg(m, reg, CFI_UNDEFINED, 0, 0);
        break;
    case 0x08:
        set_reg(m, reg, CFI_SAME, 0, 0);
        break;
    case 0x09:
        set_reg(m, reg, CFI_REGISTER, (int64_t)get_uleb(c), 0);
        break;
    case 0x14:
        set_reg(m, reg, CFI_VAL_OFFSET, (int64_t)get_uleb(c) * align, 0);
        break;
    case 0x15:
        set_reg(m, reg, CFI_VAL_OFFSET, get_sleb(c) * align, 0);
        break;
    default: // 0x10, 0x16
        v = expression(m, c, &bytes);
        set_reg(m, reg, op == 0x10 ? CFI_EXPRESSION : CFI_VAL_EXPRESSION, v, bytes);
    }
}

static void run_state(struct machine *m, struct cursor *c, unsigned op)
{
    if (op == 0x0a) {
        if (m->depth < REMEMBER_MAX)
            m->saved[m->depth++] = *m->row;
        else
            c->bad = 1;
    } else if (m->depth) {
        uint8_t signal_frame = m->row->signal_frame;
        *m->row = m->saved[--m->depth];
        m->row->signal_frame = signal_frame;
    } else {
        c->bad = 1;
    }
}

static void run_one(struct machine *m, struct cursor *c)
{
    unsigned op = (unsigned)get(c, 1);
    switch (op >> 6) {
    case 1:
        advance(m, op & 63);
        return;
    case 2:
        set_reg(m, op & 63, CFI_OFFSET, (int64_t)get_uleb(c) * m->cie->data_align, 0);
        return;
    case 3:
        restore_reg(m, op & 63);
        return;
    }
    switch (op) {
    case 0x00:
        break;
    case 0x01:
        m->at = get_pointer(c, m->cie->pointer_encoding, 0);
        m->done = m->at > m->pc;
        break;
    case 0x02:
        advance(m, get(c, 1));
        break;
    case 0x03:
        advance(m, get(c, 2));
        break;
    case 0x04:
        advance(m, get(c, 4));
        break;
    case 0x0a:
    case 0x0b:
        run_state(m, c, op);
        break;
    case 0x0c:
    case 0x0d:
    case 0x0e:
    case 0x0f:
    case 0x12:
    case 0x13:
        run_cfa_rule(m, c, op);
        break;
    case 0x05:
    case 0x06:
    case 0x07:
    case 0x08:
    case 0x09:
    case 0x10:
    case 0x11:
    case 0x14:
    case 0x15:
    case 0x16:
        run_reg_rule(m, c, op);
        break;
    case 0x2e:
        get_uleb(c);
        break; // DW_CFA_GNU_args_size
    default:
        c->bad = 1;
    }
}

static int run(struct machine *m, const uint8_t *p, const uint8_t *end)
{
    struct cursor c = {p, end, 0};
    while (!c.bad && !m->done && c.p < c.end)
        run_one(m, &c);
    return c.bad ? -1 : 0;
}

// The FDE that the search table of .eh_frame_hdr names for pc.
static const uint8_t *find_fde(const struct probe_object *o, uintptr_t pc)
{
    const uint8_t *hdr = o->eh_frame_hdr;
    if ((uintptr_t)hdr < o->start || (uintptr_t)hdr + 16 > o->end || hdr[0] != 1 || hdr[2] != 0x03 || hdr[3] != 0x3b)
        return NULL;
    struct cursor c = {hdr + 4, (const uint8_t *)o->end, 0};
    get_pointer(&c, hdr[1], (uintptr_t)hdr);
    uint64_t n = get(&c, 4);
    if (c.bad || n == 0 || n > (uint64_t)(c.end - c.p) / 8)
        return NULL;
    const int32_t *table = (const int32_t *)(const void *)c.p;
    int64_t want = (int64_t)(pc - (uintptr_t)hdr);
    uint64_t low = 0, high = n;
    while (high - low > 1) {
        uint64_t mid = (low + high) / 2;
        if (table[2 * mid] <= want)
            low = mid;
        else
            high = mid;
    }
    if (table[2 * low] > want)
        return NULL;
    const uint8_t *fde = hdr + table[2 * low + 1];
    return (uintptr_t)fde >= o->start && (uintptr_t)fde + 16 < o->end ? fde : NULL;
}

int probe_cfi_row(const struct probe_object *o, uintptr_t pc, struct probe_cfi_row *row)
{
    const uint8_t *fde = o->eh_frame_hdr ? find_fde(o, pc) : NULL;
    struct cie cie;
    if (!fde)
        return -1;
    struct cursor c = {fde, (const uint8_t *)o->end, 0};
    uint64_t length = get(&c, 4);
    if (c.bad || length < 4 || length > (uint64_t)(c.end - c.p))
        return -1;
    c.end = c.p + length;
    const uint8_t *back = c.p;
    uint64_t distance = get(&c, 4);
    if (distance == 0 || distance > (uintptr_t)back - o->start || parse_cie(o, back - distance, &cie) < 0)
        return -1;
    uintptr_t start = get_pointer(&c, cie.pointer_encoding, 0);
    uintptr_t bytes = get_pointer(&c, cie.pointer_encoding & 0x0f, 0);
    if (cie.augmented) {
        uint64_t skip = get_uleb(&c);
        c.bad |= skip > (uint64_t)(c.end - c.p);
        c.p += c.bad ? 0 : skip;
    }
    if (c.bad || pc < start || pc - start >= bytes)
        return -1;
    struct machine m = {.o = o, .cie = &cie, .row = row, .at = start, .pc = pc};
    memset(row, 0, sizeof *row);
    row->cfa_reg = 255;
    row->signal_frame = cie.signal_frame;
    if (run(&m, cie.program, cie.program_end) < 0)
        return -1;
    m.initial = *row;
    m.done = 0;
    return run(&m, c.p, c.end);
}
