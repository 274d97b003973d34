// Frames of code without unwind rules, by their frame pointer: just-in-time compilers keep one, hand-written assembler
// may or may not. It is only believed where it can be seen to be the frame's own; a stack cut short is no harm, a frame
// skipped would be.
#include "malloc/probe.h"

#define FRAME_MAX_BYTES 8192 // what is looked through

// Whether the bytes before pc are a call: e8 with four bytes, or ff /2 in one of its lengths.
static int after_call(uintptr_t pc, const struct probe_object *o)
{
    static const uint8_t lengths[] = {2, 3, 4, 6, 7};
    const uint8_t *p = (const uint8_t *)pc;
    if (pc < o->start + 7 || pc > o->end || !sys_readable((pc - 7) & ~7ul) || !sys_readable((pc - 1) & ~7ul))
        return 0;
    for (unsigned i = 0; i < sizeof lengths; i++)
        if (p[-lengths[i]] == 0xff && (p[1 - lengths[i]] >> 3 & 7) == 2)
            return 1;
    return p[-5] == 0xe8;
}

// Whether a frame pointer belongs to the frame at hand. Code that keeps none leaves the one of a frame further out in
// rbp: then the return address into its caller still lies below it on the stack, and following rbp would skip that
// caller. It shows if the caller's code has unwind rules; stale words that look alike only cost the rest of the stack.
static int pointer_is_own(const struct probe_walk *w, uint64_t sp, uint64_t bp)
{
    struct probe_object o;
    struct probe_cfi_row row;
    uint64_t out = *(uint64_t *)(bp + 8);
    if (probe_object_find(out - 1, &o) == 0 && !after_call(out, &o))
        return 0;
    if (!probe_object_find_is_cheap() || bp - sp > FRAME_MAX_BYTES || sp < w->low)
        return 0;
    for (uint64_t at = sp; at < bp; at += 8) {
        uint64_t word = *(uint64_t *)at;
        if (word >> 47 || word < 65536 || probe_object_find(word - 1, &o) < 0 || !after_call(word, &o))
            continue;
        if (probe_cfi_row(&o, word - 1, &row) == 0)
            return 0;
    }
    return 1;
}

int probe_pointer_leads(struct probe_walk *w, uint64_t sp, uint64_t bp)
{
    if (probe_main_stack_end() - sp <= 64)
        return 0; // the loader's own entry, which has no unwind information: there is nothing further out
    if (bp < sp || (bp | sp) & 7 || bp - sp > (1u << 20) || !probe_readable(w, bp) || !probe_readable(w, bp + 8))
        return -1;
    uint64_t pc = *(uint64_t *)(bp + 8);
    if (pc < 4096 || pc >> 47)
        return pc ? -1 : 0;
    return pointer_is_own(w, sp, bp) ? 1 : -1;
}
