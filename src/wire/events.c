// Modules and copied stacks: what the resolver needs.
#include "wire/region.h"

#include "base/check.h"

#include <string.h>

// Calls after which an unfinished record is given up: its writer was killed or is stopped.
#define STUCK_MOST 8

static const struct seep_module *module_at(const struct wire *w, uint32_t index)
{
    return (const struct seep_module *)(w->base + w->layout.modules_offset) + index;
}

uint32_t wire_modules(struct wire *w)
{
    SEEP_CHECK_OBJ(w, WIRE_MAGIC);
    uint64_t n = wire_load64(&wire_header(w)->module_count);
    return (uint32_t)(n < w->layout.modules ? n : w->layout.modules);
}

int wire_module(struct wire *w, uint32_t index, struct wire_module *out)
{
    SEEP_CHECK_OBJ(w, WIRE_MAGIC);
    if (index == 0 || index >= wire_modules(w))
        return -1;
    struct seep_module m;
    uint32_t state = wire_load32(&module_at(w, index)->state);
    memcpy(&m, module_at(w, index), sizeof m);
    if ((state != 1 && state != 2) || m.end <= m.start || m.build_id_bytes > SEEP_BUILD_ID_BYTES)
        return -1;
    memset(out, 0, sizeof *out);
    out->start = m.start;
    out->end = m.end;
    out->bias = m.bias;
    out->load_epoch = m.load_epoch;
    out->unload_epoch = state == 2 ? m.unload_epoch : UINT32_MAX;
    out->build_id_bytes = m.build_id_bytes;
    memcpy(out->build_id, m.build_id, sizeof out->build_id);
    m.path[sizeof m.path - 1] = 0;
    memcpy(out->path, m.path, sizeof m.path);
    if (!out->path[0]) {
        struct wire_hello h;
        wire_hello(w, &h);
        memcpy(out->path, h.exe_path, sizeof out->path);
    }
    return 0;
}

static void advance(struct wire *w)
{
    w->ring_stuck = 0;
    w->ring_tail++;
    __atomic_store_n(&w->control->ring_tail, w->ring_tail, __ATOMIC_RELEASE);
}

static int take(const struct wire *w, const struct seep_ring_record *r, struct wire_copy *out)
{
    uint32_t frames = r->frames, bytes = r->stack_bytes;
    if (frames > SEEP_FRAMES_MAX || bytes > sizeof r->bytes)
        return -1;
    *out = (struct wire_copy){.sequence = w->ring_tail, .stack = r->stack, .tid = r->tid, .why = r->why};
    out->epoch = r->epoch % SEEP_EPOCHS;
    out->rbx = r->regs[SEEP_REG_RBX];
    out->rbp = r->regs[SEEP_REG_RBP];
    out->r12 = r->regs[SEEP_REG_R12];
    out->r13 = r->regs[SEEP_REG_R13];
    out->r14 = r->regs[SEEP_REG_R14];
    out->r15 = r->regs[SEEP_REG_R15];
    out->rsp = r->regs[SEEP_REG_RSP];
    out->rip = r->regs[SEEP_REG_RIP];
    out->frames = frames;
    for (uint32_t i = 0; i < frames; i++)
        wire_decode_frame(w, r->frame[i], &out->frame[i]);
    out->stack_bytes = bytes;
    memcpy(out->bytes, r->bytes, bytes);
    return 0;
}

int wire_ring_read(struct wire *w, struct wire_copy *out)
{
    SEEP_CHECK_OBJ(w, WIRE_MAGIC);
    struct seep_ring_record copy; // one copy out, then only the copy is looked at
    for (uint32_t i = 0; i < w->layout.ring; i++) {
        uint64_t head = wire_load64(&wire_header(w)->ring_head);
        if (head == w->ring_tail)
            return 0;
        const struct seep_ring_record *r =
            (const struct seep_ring_record *)(w->base + w->layout.ring_offset +
                                              w->ring_tail % w->layout.ring * SEEP_RING_SLOT_BYTES);
        uint64_t sequence = wire_load64(&r->sequence);
        if (sequence != w->ring_tail + 1) {
            if (++w->ring_stuck < STUCK_MOST)
                return 0;
            advance(w);
            continue;
        }
        memcpy(&copy, r, sizeof copy);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        int ok = wire_load64(&r->sequence) == sequence && take(w, &copy, out) == 0;
        advance(w);
        if (ok)
            return 1;
    }
    return 0;
}
