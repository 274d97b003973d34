// What the target never freed: the heap of its main process as it was when that ended, by call stack. Listed, never
// gated: many sound programs leave freeing to the kernel.
#include "report/build.h"

#include <math.h>
#include <stdlib.h>

enum { AT_EXIT_LISTED = 5 };

// The column of the tick that was written after the end, or SIZE_MAX.
static size_t exit_column(const struct build *b)
{
    size_t m = b->matrix.m, n = b->ticks.n;
    if (m == 0 || n == 0 || b->ticks.phase[n - 1] != PHASE_STOP || b->matrix.ticks[m - 1] != b->ticks.index[n - 1])
        return SIZE_MAX;
    return m - 1;
}

// Puts a stack among the largest; *n of them are there, largest first.
static void keep_largest(struct report_stack *list, size_t *n, const struct report_stack *one)
{
    size_t at = *n < AT_EXIT_LISTED ? (*n)++ : AT_EXIT_LISTED - 1;
    if (at == AT_EXIT_LISTED - 1 && *n == AT_EXIT_LISTED && list[at].judge.live_bytes >= one->judge.live_bytes)
        return;
    for (; at > 0 && list[at - 1].judge.live_bytes < one->judge.live_bytes; at--)
        list[at] = list[at - 1];
    list[at] = *one;
}

int build_at_exit(struct build *b, struct seep_err *err)
{
    struct report_at_exit *x = &b->r->shutdown.at_exit;
    size_t column = exit_column(b), m = b->matrix.m;
    if (column == SIZE_MAX)
        return 0;
    x->stacks = report_alloc(b->arena, AT_EXIT_LISTED, sizeof *x->stacks);
    if (x->stacks == NULL)
        return build_no_memory(err);
    x->known = true;
    for (size_t s = 0; s < b->n_stack_infos; s++) {
        double bytes = b->matrix.live_bytes[s * m + column], blocks = b->matrix.live_blocks[s * m + column];
        if (!(bytes > 0) || (b->stack_infos[s].flags & STACK_MMAP))
            continue;
        x->bytes += bytes;
        x->blocks += blocks;
        x->n_total++;
        struct report_stack one = {.id = b->stack_infos[s].id, .live_blocks = blocks, .flags = b->stack_infos[s].flags};
        one.judge.live_bytes = bytes;
        keep_largest(x->stacks, &x->n_stacks, &one);
    }
    return b->opt.skip & REPORT_SKIP_FRAMES ? 0 : build_frames(b, x->stacks, x->n_stacks, err);
}
