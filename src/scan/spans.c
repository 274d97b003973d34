// The address space of the target, sorted into what can hold pointers and how far it is to be believed; and the
// addresses that threads and the kernel hold.
#include "scan/internal.h"

#include "linux/hold.h"
#include "linux/mem.h"
#include "seep_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ABOVE_HEAP (64ull << 20) // it may have grown since

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_libc(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && (begins(slash, "/libc.so") || begins(slash, "/libc-"));
}

// The kernel's own pages, devices (reading them may do something), the probe's tables (they name every block), and
// files that are only read.
static bool skipped(const struct linux_map *m, const struct wire_hello *probe)
{
    bool own = probe->map_bytes && m->start >= probe->map_address && m->start < probe->map_address + probe->map_bytes;
    bool device = begins(m->path, "/dev/") && !begins(m->path, "/dev/shm/") && !begins(m->path, "/dev/zero");
    bool read_only_file = m->path[0] == '/' && m->perms[3] == 's' && m->perms[1] != 'w' &&
                          !begins(m->path, "/memfd:") && !begins(m->path, "/dev/shm/") && !begins(m->path, "/SYSV");
    return own || device || read_only_file || begins(m->path, "/memfd:seep-probe") || begins(m->path, "[vvar") ||
           begins(m->path, "[vdso]") || begins(m->path, "[vsyscall]");
}

struct reading {
    struct scan *s;
    struct wire_hello probe;
    uint64_t guard_end; // where an inaccessible mapping ended that directly precedes
};

static int add_span(const struct linux_map *m, void *arg)
{
    struct reading *r = arg;
    struct scan *s = r->s;
    bool guarded = r->guard_end == m->start;
    r->guard_end = begins(m->perms, "---p") && !m->path[0] ? m->end : 0;
    if (scan_room(s, &s->span, &s->room_spans, s->n_spans, sizeof *s->span, 1u << 20))
        return 1;
    if (begins(m->path, "/[aio]")) // each request in flight: a buffer and a value of the program's choice
        s->unseen += 2 * ((m->end - m->start) / 32);
    struct scan_span *p = &s->span[s->n_spans++];
    *p = (struct scan_span){.start = m->start,
                            .end = m->end,
                            .sure_from = m->start,
                            .offset = m->offset,
                            .guarded = guarded,
                            .is_stack = begins(m->path, "[stack"),
                            .brk = begins(m->path, "[heap]"),
                            .shared = m->perms[3] == 's',
                            .file_private = m->path[0] == '/' && m->perms[3] != 's',
                            .allocator_links = is_libc(m->path)};
    snprintf(p->path, sizeof p->path, "%s", m->path);
    p->kind = skipped(m, &r->probe) ? SCAN_SPAN_SKIP
              : p->shared           ? SCAN_SPAN_SHARED
              : p->file_private     ? SCAN_SPAN_DATA
              : p->is_stack         ? SCAN_SPAN_STACK
                                    : SCAN_SPAN_ANON;
    return 0;
}

// Private memory with blocks in it is the allocator's. With glibc, where only blocks with a mapping of their own lie,
// the rest is none of the heap: it keeps such blocks apart, page by page.
static void find_heap(struct scan *s)
{
    bool apart = s->chunks = scan_table_of_glibc(s->table);
    s->lowest = s->known.lowest;
    s->highest = s->known.highest;
    uint32_t b = 0;
    for (uint32_t i = 0; i < s->n_spans; i++) {
        struct scan_span *p = &s->span[i];
        bool any = false, small = p->brk;
        for (; b < s->known.n && s->known.block[b].address < p->end; b++) {
            if (s->known.block[b].address < p->start)
                continue;
            any = true;
            small |= s->known.block[b].bytes < SEEP_LARGE_BYTES;
        }
        if (p->kind != SCAN_SPAN_ANON || (!any && !p->brk))
            continue;
        p->kind = small || !apart ? SCAN_SPAN_HEAP : SCAN_SPAN_BLOCKS;
        s->lowest = p->start < s->lowest ? p->start : s->lowest;
        s->highest = p->end + ABOVE_HEAP > s->highest ? p->end + ABOVE_HEAP : s->highest;
    }
}

int scan_spans_load(struct scan *s)
{
    struct reading r = {.s = s};
    if (s->table->wire)
        wire_hello(s->table->wire, &r.probe);
    if (linux_maps_each(s->proc_fd, s->box->pid, add_span, &r, NULL) || s->n_spans == 0)
        s->trouble = s->trouble ? s->trouble : SCAN_GONE;
    if (s->trouble == SCAN_FINE)
        find_heap(s);
    return s->trouble == SCAN_FINE ? 0 : -1;
}

// ---- what is held outside of memory

static struct scan_span *span_at(struct scan *s, uint64_t address)
{
    uint32_t lo = 0, hi = s->n_spans;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (s->span[mid].end <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->n_spans && s->span[lo].start <= address ? &s->span[lo] : NULL;
}

// Below the stack pointer (and the 128 bytes that the calling convention grants there) old frames lie. Only where the
// mapping is a stack for sure; a pool of coroutine stacks has no dead part we would know of.
static void know_stack(struct scan *s, const struct linux_held_thread *t)
{
    struct scan_span *p = span_at(s, t->sp);
    if (!p || (p->kind != SCAN_SPAN_ANON && p->kind != SCAN_SPAN_STACK) || !(p->is_stack || p->guarded))
        return;
    uint64_t from = t->sp - 128 > p->start ? t->sp - 128 : p->start;
    p->sure_from = p->kind == SCAN_SPAN_STACK && p->tid && from > p->sure_from ? p->sure_from : from;
    p->kind = SCAN_SPAN_STACK;
    p->tid = (uint32_t)t->tid;
}

struct holding {
    struct scan *s;
    bool count;
};

static int take_thread(const struct linux_held_thread *t, void *arg)
{
    struct holding *h = arg;
    struct scan_source src = {SCAN_FROM_ROOT, h->s->n_spans, false};
    if (h->count)
        h->s->unseen += t->blocked ? SCAN_UNSEEN_ASLEEP : SCAN_UNSEEN_AWAKE;
    if (t->sp_known) {
        know_stack(h->s, t);
        scan_value(h->s, &src, 0, t->sp);
        scan_value(h->s, &src, 0, t->pc);
    }
    for (int i = 0; t->blocked && i < 6; i++)
        scan_value(h->s, &src, 0, t->arg[i]);
    return 0;
}

static void take_kernel(enum linux_holder_kind kind, uint64_t value, void *arg)
{
    struct holding *h = arg;
    struct scan_source src = {SCAN_FROM_ROOT, h->s->n_spans + 1, false};
    (void)kind;
    scan_value(h->s, &src, 0, value);
}

int scan_held_values(struct scan *s, bool count)
{
    struct holding h = {s, count};
    struct linux_held_summary sum;
    if (linux_held_threads(s->proc_fd, s->box->pid, take_thread, &h, NULL) ||
        linux_held_by_kernel(s->proc_fd, s->box->pid, take_kernel, &h, &sum, NULL)) {
        s->trouble = SCAN_UNREADABLE;
        return -1;
    }
    if (count)
        s->unseen += sum.unseen + (sum.epoll_seen ? 0 : 1u << 20) + (sum.timers_seen ? 0 : 64);
    return 0;
}
