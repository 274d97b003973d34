// Copies of stacks for the outside: the authority (libunwind) unwinds them again, in another process, and compares.
//
// Wanted are a standing share of all walks, new stacks, and those that this walker could not finish. The ring never
// waits: without a free slot the copy is not made, and that is counted.
#include "malloc/probe.h"

#include <string.h>

// New stacks may use half of the ring, so that the standing share always finds room.
static int claim(struct probe_region *r, unsigned why, uint64_t *index)
{
    uint64_t room = why == SEEP_RING_CHECK ? r->layout.ring : r->layout.ring / 2;
    uint64_t head = load_relaxed(&r->header->ring_head);
    do {
        if (head - load_acquire(&r->control->ring_tail) >= room) {
            add_relaxed(&r->header->ring_lost, 1);
            return -1;
        }
    } while (
        !__atomic_compare_exchange_n(&r->header->ring_head, &head, head + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    *index = head;
    return 0;
}

void probe_ring_copy(struct probe_region *r, const struct probe_walk *w, uint32_t stack, unsigned why)
{
    uint64_t reg[PROBE_REGS] = {0}, index;
    if (claim(r, why, &index) < 0)
        return;
    struct seep_ring_record *rec = (struct seep_ring_record *)(r->ring + index % r->layout.ring * SEEP_RING_SLOT_BYTES);
    store_relaxed(&rec->sequence, 0);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    probe_capture(reg);
    rec->stack = stack;
    rec->tid = probe_no_syscalls ? 0 : (uint32_t)sys3(SYS_gettid, 0, 0, 0);
    rec->why = why;
    rec->epoch = SEEP_WORD_EPOCH(load_relaxed(&r->control->word));
    rec->regs[SEEP_REG_RBX] = reg[3];
    rec->regs[SEEP_REG_RBP] = reg[6];
    rec->regs[SEEP_REG_R12] = reg[12];
    rec->regs[SEEP_REG_R13] = reg[13];
    rec->regs[SEEP_REG_R14] = reg[14];
    rec->regs[SEEP_REG_R15] = reg[15];
    rec->regs[SEEP_REG_RSP] = reg[7];
    rec->regs[SEEP_REG_RIP] = reg[16];
    rec->frames = w->frames;
    memcpy(rec->frame, w->frame, 8ul * w->frames);
    // From our own frames (below w->low the stack is in use by us, so it is there) up to what was seen to be readable.
    uintptr_t from = reg[7], bytes = w->high > from ? w->high - from : 0;
    if (from < w->low && w->low - from > 65536)
        bytes = 0; // another stack (a handler's): nothing that belongs together
    rec->stack_bytes = (uint32_t)(bytes < sizeof rec->bytes ? bytes : sizeof rec->bytes);
    memcpy(rec->bytes, (const void *)from, rec->stack_bytes);
    store_release(&rec->sequence, index + 1);
}
