// The client's side of unwinding: which files a copied stack can need, the question, and the check of the answer.
#include "resolve/client.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int by_start(const void *a, const void *b)
{
    const struct proto_map *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

static const struct resolve_map *map_of(const struct resolve_map *const *maps, size_t n, uint64_t addr)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (maps[mid]->start <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo > 0 && addr < maps[lo - 1]->end ? maps[lo - 1] : NULL;
}

static int by_start_ptr(const void *a, const void *b)
{
    const struct resolve_map *x = *(const struct resolve_map *const *)a, *y = *(const struct resolve_map *const *)b;
    return x->start < y->start ? -1 : x->start > y->start;
}

// A return address that matters stands in a register or on the stack: only the files that such words point into are
// needed, which keeps a target of a thousand libraries within the resolver's slots.
static void mark_needed(const struct resolve_map *const *sorted, size_t n, const struct resolve_regs *regs,
                        const uint8_t *stack, size_t stack_len, bool *needed)
{
    for (size_t i = 0; i < RESOLVE_REGS; i++) {
        const struct resolve_map *m = regs->known >> i & 1 ? map_of(sorted, n, regs->value[i]) : NULL;
        if (m)
            needed[m->module] = true;
    }
    for (size_t at = 0; at + 8 <= stack_len; at += 8) {
        uint64_t word;
        memcpy(&word, stack + at, sizeof word);
        const struct resolve_map *m = map_of(sorted, n, word);
        if (m)
            needed[m->module] = true;
    }
}

static void load_needed(struct resolve *r, const struct resolve_module *modules, size_t n_modules, const bool *needed,
                        uint32_t *slots)
{
    r->use++;
    for (size_t i = 0; i < n_modules; i++) {
        struct load l;
        int fd;
        slots[i] = UINT32_MAX;
        bool code = modules[i].kind == RESOLVE_ELF || modules[i].kind == RESOLVE_VDSO;
        if (!needed[i] || !code)
            continue;
        uint32_t known = load_known(r, &modules[i], &fd, &l);
        if (known == UINT32_MAX)
            continue;
        load_module(r, &modules[i], known, fd, &l);
        if (l.ok)
            slots[i] = l.slot;
    }
    // A crash while loading a later file emptied the slots of earlier ones: what is no longer there is not used.
    for (size_t i = 0; i < n_modules; i++) {
        if (slots[i] != UINT32_MAX && !r->slots[slots[i]].used)
            slots[i] = UINT32_MAX;
    }
}

static size_t wire_maps(const struct resolve_map *const *sorted, size_t n, const uint32_t *slots, struct proto_map *out)
{
    size_t k = 0;
    for (size_t i = 0; i < n && k < PROTO_MAPS_MAX; i++) {
        const struct resolve_map *m = sorted[i];
        if (slots[m->module] == UINT32_MAX)
            continue;
        out[k++] = (struct proto_map){.start = m->start,
                                      .end = m->end,
                                      .file_offset = m->file_offset,
                                      .bias = m->bias,
                                      .slot = slots[m->module],
                                      .bias_known = m->bias_known};
    }
    qsort(out, k, sizeof *out, by_start);
    return k;
}

static bool take_answer(struct resolve *r, struct resolve_unwound *out)
{
    struct proto_cursor c = {.at = (const uint8_t *)r->in.data, .left = r->in.len};
    struct proto_unwound head;
    if (!proto_take(&c, &head, sizeof head) || head.n == 0 || head.n > RESOLVE_DEPTH_MAX ||
        head.end > RESOLVE_END_BAD || head.guessed_from > head.n)
        return false;
    for (uint32_t i = 0; i < head.n; i++) {
        struct proto_step step;
        if (!proto_take(&c, &step, sizeof step))
            return false;
        out->pc[i] = step.pc;
        out->exact[i] = step.exact != 0;
        out->sp[i] = step.sp;
        out->bp[i] = step.bp;
        out->bp_at[i] = step.bp_at;
        out->bias[i] = step.bias;
    }
    out->n = head.n;
    out->end = (enum resolve_end)head.end;
    out->guessed_from = head.guessed_from;
    return true;
}

static void ask_unwind(struct resolve *r, const struct proto_unwind *head, const struct proto_map *maps,
                       const void *stack, struct resolve_unwound *out)
{
    buf_clear(&r->out);
    buf_add(&r->out, head, sizeof *head);
    if (head->n_maps > 0)
        buf_add(&r->out, maps, head->n_maps * sizeof *maps);
    if (head->stack_len > 0)
        buf_add(&r->out, stack, head->stack_len);
    enum ask outcome = client_ask(r, PROTO_UNWIND, -1);
    if (outcome == ASK_OK && take_answer(r, out))
        return;
    if (outcome == ASK_OK) {
        client_end_process(r);
        r->stats.crashes++;
    }
    out->pc[0] = head->regs.value[RESOLVE_REG_RIP];
    out->exact[0] = true;
    out->n = out->guessed_from = 1;
    out->end = RESOLVE_END_FAILED;
}

static int check_arguments(const struct resolve_module *modules, size_t n_modules, const struct resolve_map *maps,
                           size_t n_maps, const struct resolve_regs *regs, size_t stack_len, struct seep_err *err)
{
    const uint32_t required = 1u << RESOLVE_REG_RSP | 1u << RESOLVE_REG_RIP;
    if ((regs->known & required) != required)
        return seep_fail(err, SEEP_E_CORRUPT,
                         "A stack without its stack pointer and program counter cannot be unwound.");
    if (stack_len > RESOLVE_STACK_MAX)
        return seep_fail(err, SEEP_E_LIMIT, "A copied stack of %zu bytes is larger than the limit of %d.", stack_len,
                         RESOLVE_STACK_MAX);
    for (size_t i = 0; i < n_maps; i++) {
        if (maps[i].module >= n_modules)
            return seep_fail(err, SEEP_E_CORRUPT, "Mapping %zu names a file that is not in the list of files.", i);
    }
    for (size_t i = 0; i < n_modules; i++) {
        if (modules[i].build_id_len > RESOLVE_BUILD_ID_MAX)
            return seep_fail(err, SEEP_E_CORRUPT, "A build-id of %zu bytes is not possible.", modules[i].build_id_len);
    }
    return 0;
}

int resolve_unwind(struct resolve *r, const struct resolve_module *modules, size_t n_modules,
                   const struct resolve_map *maps, size_t n_maps, const struct resolve_regs *regs, uint64_t stack_base,
                   const void *stack, size_t stack_len, struct resolve_unwound *out, struct seep_err *err)
{
    SEEP_CHECK_OBJ(r, CLIENT_MAGIC);
    memset(out, 0, sizeof *out);
    if (check_arguments(modules, n_modules, maps, n_maps, regs, stack_len, err) != 0)
        return -1;
    const struct resolve_map **sorted = calloc(n_maps + 1, sizeof *sorted);
    bool *needed = calloc(n_modules + 1, sizeof *needed);
    uint32_t *slots = calloc(n_modules + 1, sizeof *slots);
    struct proto_map *wire = calloc(PROTO_MAPS_MAX, sizeof *wire);
    int rc = 0;
    if (sorted && needed && slots && wire) {
        for (size_t i = 0; i < n_maps; i++)
            sorted[i] = &maps[i];
        qsort(sorted, n_maps, sizeof *sorted, by_start_ptr);
        mark_needed(sorted, n_maps, regs, stack, stack_len, needed);
        load_needed(r, modules, n_modules, needed, slots);
        struct proto_unwind head = {.regs = *regs, .stack_base = stack_base, .stack_len = (uint32_t)stack_len};
        head.n_maps = (uint32_t)wire_maps(sorted, n_maps, slots, wire);
        ask_unwind(r, &head, wire, stack, out);
    } else {
        rc = seep_fail(err, SEEP_E_SYSTEM, "There is no memory to unwind a stack.");
    }
    free(sorted);
    free(needed);
    free(slots);
    free(wire);
    return rc;
}

enum resolve_check resolve_crosscheck(const uint64_t *walker_pcs, size_t n, bool walker_truncated,
                                      const struct resolve_unwound *authority, size_t *at)
{
    size_t sure = authority->guessed_from < authority->n ? authority->guessed_from : authority->n;
    size_t common = n < sure ? n : sure;
    for (size_t i = 0; i < common; i++) {
        if (walker_pcs[i] != authority->pc[i]) {
            *at = i;
            return RESOLVE_CHECK_MISMATCH;
        }
    }
    *at = common;
    if (n == sure && authority->end == RESOLVE_END_OUTERMOST && sure == authority->n)
        return RESOLVE_CHECK_MATCH;
    if (n < sure)
        return walker_truncated ? RESOLVE_CHECK_MATCH : RESOLVE_CHECK_MISMATCH;
    if (authority->end == RESOLVE_END_OUTERMOST && sure == authority->n)
        return RESOLVE_CHECK_MISMATCH; // the walker went on past the outermost frame
    // libunwind stopped for a reason of its own. A walker that stopped in the same place for its own limit agrees with
    // it.
    return n == sure && walker_truncated ? RESOLVE_CHECK_MATCH : RESOLVE_CHECK_GAVE_UP;
}
