// Records of the kernel's rings: see uprobe.h.
#include "linux/uprobe_priv.h"

#include <asm/perf_regs.h>
#include <string.h>
#include <unistd.h>

// Where perf's registers stand among DWARF's numbers.
static const struct {
    uint8_t perf, dwarf;
} registers[] = {
    {PERF_REG_X86_AX, 0},   {PERF_REG_X86_BX, 3},   {PERF_REG_X86_CX, 2},   {PERF_REG_X86_DX, 1},
    {PERF_REG_X86_SI, 4},   {PERF_REG_X86_DI, 5},   {PERF_REG_X86_BP, 6},   {PERF_REG_X86_SP, 7},
    {PERF_REG_X86_IP, 16},  {PERF_REG_X86_R8, 8},   {PERF_REG_X86_R9, 9},   {PERF_REG_X86_R10, 10},
    {PERF_REG_X86_R11, 11}, {PERF_REG_X86_R12, 12}, {PERF_REG_X86_R13, 13}, {PERF_REG_X86_R14, 14},
    {PERF_REG_X86_R15, 15},
};

// ---- records

void linux_uprobes_wait(struct linux_uprobes *u, int timeout_ms)
{
    poll(u->polls, u->n_rings, timeout_ms);
}

struct cursor {
    const uint8_t *at;
    size_t left;
};

static uint64_t take(struct cursor *c)
{
    uint64_t v = 0;
    if (c->left < sizeof v) {
        c->left = 0;
        return 0;
    }
    memcpy(&v, c->at, sizeof v);
    c->at += sizeof v;
    c->left -= sizeof v;
    return v;
}

// BPF's payload: its length in 32 bits, the point, padding.
static uint64_t take_point(struct cursor *c)
{
    uint64_t words[2] = {take(c), take(c)}, point;
    memcpy(&point, (const uint8_t *)words + 4, sizeof point);
    return point;
}

static void take_regs(struct cursor *c, uint64_t mask, struct linux_uprobe_record *r)
{
    if (take(c) != PERF_SAMPLE_REGS_ABI_64)
        return; // none, or a 32-bit process: nothing follows, or what we have no use for
    uint64_t by_perf[64] = {0};
    for (int i = 0; i < 64; i++)
        if (mask >> i & 1)
            by_perf[i] = take(c);
    for (size_t i = 0; i < sizeof registers / sizeof *registers; i++)
        if (mask >> registers[i].perf & 1) {
            r->value[registers[i].dwarf] = by_perf[registers[i].perf];
            r->known |= 1u << registers[i].dwarf;
        }
}

static void take_stack(struct cursor *c, struct linux_uprobe_record *r)
{
    uint64_t size = take(c);
    if (size == 0 || size > c->left)
        return;
    r->stack = c->at;
    c->at += size;
    c->left -= size;
    uint64_t copied = take(c);
    r->stack_bytes = copied < size ? copied : size;
}

static bool take_hit(struct linux_uprobes *u, struct cursor *c, struct linux_uprobe_record *r)
{
    uint32_t slot = u->slots[uprobe_slot(u, take(c))];
    uint64_t ids = take(c);
    r->time_ns = (int64_t)take(c);
    r->pid = (pid_t)(uint32_t)ids;
    r->tid = (pid_t)(ids >> 32);
    if (!slot)
        return false;
    uint64_t point = u->events[slot - 1].point;
    bool light = point == UPROBE_BPF_LIGHT;
    if (point == UPROBE_BPF_STACK || light)
        point = take_point(c);
    if (point >= u->n_points)
        return false;
    r->type = LINUX_UPROBE_HIT;
    r->point = (uint32_t)point;
    enum linux_uprobe_kind kind = u->points[point].kind;
    take_regs(c, uprobe_mask(light ? LINUX_UPROBE_ENTRY : kind), r);
    if (r->known)
        take_stack(c, r);
    return r->known != 0;
}

// FORK and EXIT: pid, ppid, tid, ptid, time.
static void take_task(struct cursor *c, enum linux_uprobe_type type, struct linux_uprobe_record *r)
{
    uint64_t pids = take(c), tids = take(c);
    r->type = type;
    r->pid = (pid_t)(uint32_t)pids;
    r->tid = (pid_t)(uint32_t)tids;
    r->parent = (pid_t)(pids >> 32);
    r->time_ns = (int64_t)take(c);
}

static bool take_record(struct linux_uprobes *u, const struct perf_event_header *h, struct linux_uprobe_record *r)
{
    struct cursor c = {(const uint8_t *)(h + 1), h->size - sizeof *h};
    memset(r, 0, sizeof *r);
    switch (h->type) {
    case PERF_RECORD_SAMPLE:
        return take_hit(u, &c, r);
    case PERF_RECORD_LOST:
        take(&c);
        r->type = LINUX_UPROBE_LOST;
        r->lost = take(&c);
        return true;
    case PERF_RECORD_FORK:
        take_task(&c, LINUX_UPROBE_FORK, r);
        return true;
    case PERF_RECORD_EXIT:
        take_task(&c, LINUX_UPROBE_EXIT, r);
        return true;
    case PERF_RECORD_COMM: {
        uint64_t ids = take(&c);
        r->type = LINUX_UPROBE_EXEC;
        r->pid = (pid_t)(uint32_t)ids;
        r->tid = (pid_t)(ids >> 32);
        // The name follows, padded to 8 bytes, then the identity with the time: tid, time, identifier.
        if (c.left >= 24)
            memcpy(&r->time_ns, c.at + c.left - 16, sizeof r->time_ns);
        return h->misc & PERF_RECORD_MISC_COMM_EXEC;
    }
    case PERF_RECORD_MMAP: {
        uint64_t ids = take(&c);
        r->type = LINUX_UPROBE_MAPPED;
        r->pid = (pid_t)(uint32_t)ids;
        r->tid = (pid_t)(ids >> 32);
        // Address, length, page offset, then the name: only files have one with a slash.
        bool of_file = c.left > 24 + 24 && c.at[24] == '/' && c.at[25] != '/';
        if (of_file)
            memcpy(&r->time_ns, c.at + c.left - 16, sizeof r->time_ns);
        return of_file;
    }
    default:
        return false;
    }
}

static void read_ring(struct linux_uprobes *u, struct uprobe_ring *g, linux_uprobe_fn *each, void *arg)
{
    const uint8_t *base = (const uint8_t *)g->page + sysconf(_SC_PAGESIZE);
    uint64_t head = __atomic_load_n(&g->page->data_head, __ATOMIC_ACQUIRE), tail = g->page->data_tail;
    while (tail < head) {
        size_t at = tail & (u->ring_bytes - 1);
        const struct perf_event_header *h = (const void *)(base + at);
        size_t size = h->size;
        if (size < sizeof *h || size > head - tail)
            break;
        if (at + size > u->ring_bytes) {
            memcpy(u->record, base + at, u->ring_bytes - at);
            memcpy(u->record + (u->ring_bytes - at), base, size - (u->ring_bytes - at));
            h = (const void *)u->record;
        }
        struct linux_uprobe_record r;
        if (take_record(u, h, &r))
            each(&r, arg);
        tail += size;
        __atomic_store_n(&g->page->data_tail, tail, __ATOMIC_RELEASE);
    }
}

void linux_uprobes_read(struct linux_uprobes *u, linux_uprobe_fn *each, void *arg)
{
    for (size_t i = 0; i < u->n_rings; i++)
        if (u->rings[i].page)
            read_ring(u, &u->rings[i], each, arg);
}
