// Growth past the probe: see heap_past.h.
//
// Memory that a program maps for itself is attributed to the stack that mapped it, and so are an embedded allocator's
// chunks; but nobody sees its blocks. So: where the program holds an allocator's texts, and most of what grew is not in
// blocks that the probe knows, they are that allocator's. Where nothing is known of one, only a program break that
// rises without a single malloc says as much, for nobody else moves it.
#include "run/heap_past.h"
#include "base/units.h"
#include "linux/exe.h"

#include <math.h>
#include <stdio.h>

static const double enough_bytes = 4 << 20; // more than a program's start or a table of its own
static const double most = .5;              // of the growth

static void look_at_program(struct heap_past *p, int proc_fd, pid_t pid)
{
    struct linux_exe exe;
    char path[LINUX_EXE_PATH_MAX];
    p->looked = true;
    if (linux_exe_of(proc_fd, pid, false, &exe, path, NULL) != 0)
        return;
    snprintf(p->name, sizeof p->name, "%s", exe.embedded ? exe.embedded : "");
    snprintf(p->exe, sizeof p->exe, "%.255s", path);
}

void heap_past_look(struct heap_past *p, int proc_fd, pid_t pid, double outside, double brk, double live, double calls)
{
    if (p->kind != HEAP_PAST_NO || isnan(outside) || isnan(brk) || isnan(live) || isnan(calls))
        return;
    if (!p->looked)
        look_at_program(p, proc_fd, pid);
    if (!p->begun) {
        p->begun = true;
        p->outside = outside;
        p->brk = brk;
        p->live = live;
        p->calls = calls;
        return;
    }
    double grown = outside - p->outside, past = grown - fmax(0, live - p->live);
    if (p->name[0] && past >= enough_bytes && past > most * grown)
        p->kind = HEAP_PAST_EMBEDDED;
    else if (calls == p->calls && brk - p->brk >= enough_bytes)
        p->kind = HEAP_PAST_BRK;
    p->grown = p->kind == HEAP_PAST_BRK ? brk - p->brk : past;
}

void heap_past_told(struct heap_past *p)
{
    if (p->kind == HEAP_PAST_BRK)
        p->kind = HEAP_PAST_BRK_TOLD;
}

char *heap_past_text(const struct heap_past *p, char *out, unsigned long size)
{
    char bytes[32];
    units_bytes(bytes, sizeof bytes, p->grown);
    out[0] = '\0';
    if (p->kind == HEAP_PAST_EMBEDDED)
        snprintf(out, size,
                 "%.100s contains %s under names of its own, and its memory grows by what no call of malloc allocated "
                 "(%s): allocations are not attributable; link the allocator as a shared library.",
                 p->exe, p->name, bytes);
    else if (p->kind == HEAP_PAST_BRK)
        snprintf(out, size,
                 "%.100s moves its program break (by %s) without a single call of malloc: it has an allocator of its "
                 "own, and allocations are not attributable.",
                 p->exe, bytes);
    else if (p->kind == HEAP_PAST_BRK_TOLD)
        snprintf(out, size,
                 "%.100s moves its program break (by %s) and its C library's malloc does not: it has an allocator of "
                 "its own, and allocations are not attributable.",
                 p->exe, bytes);
    return out;
}
