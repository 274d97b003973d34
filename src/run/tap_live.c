// The live set of a program watched from outside: see tap_live.h.
//
// Calls nest: realloc may call malloc, an aligned allocation another entry point. Only the outermost call counts. A
// return belongs to the call with the same function and the same stack pointer, which holds also when records between
// them were lost. free() and the old block of realloc() are taken out at the entry, before the allocator can give the
// address to another thread; a realloc() that fails puts the block back.
#include "run/tap_live.h"
#include "run/tap_maps.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH       6
#define THREADS_MAX 65536

struct block {
    uint64_t address, size;
    uint32_t pid, slot; // pid 0: empty
    uint32_t epoch;
};

struct call {
    enum tap_role role;
    uint32_t function, slot;
    uint64_t sp, argument, size;
    bool own_map;           // of mmap() and kin: the allocator's or the C library's doing
    struct block old;       // of realloc; pid 0: not known
    struct tap_range moved; // of mremap, the same
};

struct thread {
    pid_t tid, pid; // tid 0: empty
    unsigned depth;
    bool met; // something was seen of it before
    struct call calls[DEPTH];
    uint64_t freed, freed_sp; // the last address that was freed
};

struct tap_live {
    struct block *blocks; // open addressing
    size_t n_blocks, cap_blocks, max_blocks;
    struct thread *threads; // open addressing
    size_t n_threads, cap_threads;
    struct tap_sums *sums; // TAP_SLOTS_MAX
    struct tap_maps maps;
    struct tap_counts counts;
    uint32_t epoch;
    tap_peek_fn *peek;
    tap_own_fn *own, *own_map;
    void *ask_ctx;
};

struct tap_live *tap_live_new(size_t max_blocks)
{
    struct tap_live *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->max_blocks = max_blocks;
    l->cap_blocks = 1 << 14;
    l->cap_threads = 1 << 8;
    l->blocks = calloc(l->cap_blocks, sizeof *l->blocks);
    l->threads = calloc(l->cap_threads, sizeof *l->threads);
    l->sums = calloc(TAP_SLOTS_MAX, sizeof *l->sums);
    if (tap_maps_init(&l->maps) || !l->blocks || !l->threads || !l->sums) {
        tap_live_free(l);
        return NULL;
    }
    return l;
}

void tap_live_free(struct tap_live *l)
{
    if (!l)
        return;
    free(l->blocks);
    free(l->threads);
    free(l->sums);
    tap_maps_free(&l->maps);
    free(l);
}

void tap_live_set_asks(struct tap_live *l, tap_peek_fn *peek, tap_own_fn *own, tap_own_fn *own_map, void *ctx)
{
    l->peek = peek;
    l->own = own;
    l->own_map = own_map;
    l->ask_ctx = ctx;
}

// ---- blocks

static size_t home(const struct tap_live *l, uint64_t address, uint32_t pid)
{
    uint64_t h = (address >> 4 ^ (uint64_t)pid << 44) * 0x9e3779b97f4a7c15ull;
    return (h ^ h >> 32) & (l->cap_blocks - 1);
}

static size_t find(const struct tap_live *l, uint64_t address, uint32_t pid)
{
    size_t at = home(l, address, pid);
    while (l->blocks[at].pid && (l->blocks[at].address != address || l->blocks[at].pid != pid))
        at = (at + 1) & (l->cap_blocks - 1);
    return at;
}

static bool grow_blocks(struct tap_live *l)
{
    struct block *old = l->blocks;
    struct block *fresh = l->n_blocks < l->max_blocks ? calloc(2 * l->cap_blocks, sizeof *fresh) : NULL;
    if (!fresh)
        return false;
    size_t cap = l->cap_blocks;
    l->blocks = fresh;
    l->cap_blocks *= 2;
    for (size_t i = 0; i < cap; i++)
        if (old[i].pid)
            fresh[find(l, old[i].address, old[i].pid)] = old[i];
    free(old);
    return true;
}

static void subtract(struct tap_live *l, const struct block *b)
{
    struct tap_sums *s = &l->sums[b->slot];
    s->live_bytes -= b->size;
    s->live_blocks--;
}

// Empties a place and moves up what had to give way to it.
static void remove_at(struct tap_live *l, size_t at)
{
    size_t mask = l->cap_blocks - 1, hole = at;
    l->n_blocks--;
    for (size_t i = (at + 1) & mask; l->blocks[i].pid; i = (i + 1) & mask) {
        size_t want = home(l, l->blocks[i].address, l->blocks[i].pid);
        if (((i - want) & mask) >= ((i - hole) & mask)) {
            l->blocks[hole] = l->blocks[i];
            hole = i;
        }
    }
    l->blocks[hole].pid = 0;
}

static bool take_out(struct tap_live *l, uint64_t address, pid_t pid, struct block *out)
{
    size_t at = find(l, address, (uint32_t)pid);
    if (!l->blocks[at].pid)
        return false;
    *out = l->blocks[at];
    subtract(l, out);
    remove_at(l, at);
    return true;
}

static void put_in(struct tap_live *l, const struct block *b)
{
    struct block gone;
    if (take_out(l, b->address, (pid_t)b->pid, &gone))
        l->counts.replaced++;
    bool room = 4 * (l->n_blocks + 1) <= 3 * l->cap_blocks || grow_blocks(l);
    if (!room || l->n_blocks >= l->max_blocks) {
        l->counts.overflowed++;
        return;
    }
    l->blocks[find(l, b->address, b->pid)] = *b;
    l->n_blocks++;
    struct tap_sums *s = &l->sums[b->slot];
    s->live_bytes += b->size;
    s->live_blocks++;
}

// ---- threads

static struct thread *thread_of(struct tap_live *l, pid_t tid, pid_t pid);

static void grow_threads(struct tap_live *l)
{
    struct thread *old = l->threads, *fresh = calloc(2 * l->cap_threads, sizeof *fresh);
    if (!fresh)
        return;
    size_t cap = l->cap_threads;
    l->threads = fresh;
    l->cap_threads *= 2;
    l->n_threads = 0;
    for (size_t i = 0; i < cap; i++)
        if (old[i].tid)
            *thread_of(l, old[i].tid, old[i].pid) = old[i];
    free(old);
}

// Its place, made when new. Past the ceiling strangers share a place: their calls then go unpaired and are counted.
static struct thread *thread_of(struct tap_live *l, pid_t tid, pid_t pid)
{
    if (2 * l->n_threads >= l->cap_threads && l->cap_threads < 2 * THREADS_MAX)
        grow_threads(l);
    size_t mask = l->cap_threads - 1, at = (uint32_t)tid * 0x9e3779b1u >> 7 & mask;
    for (size_t tries = 0; tries < l->cap_threads && l->threads[at].tid; tries++) {
        if (l->threads[at].tid == tid)
            return &l->threads[at];
        at = (at + 1) & mask;
    }
    if (l->threads[at].tid == 0)
        l->n_threads++;
    memset(&l->threads[at], 0, sizeof l->threads[at]);
    l->threads[at].tid = tid;
    l->threads[at].pid = pid;
    return &l->threads[at];
}

// ---- calls

static void begin_remap(struct tap_live *l, struct thread *t, struct call *c, const struct linux_uprobe_record *r);

static void begin_call(struct tap_live *l, struct thread *t, const struct linux_uprobe_record *r,
                       const struct tap_point *p, uint32_t slot, uint64_t caller)
{
    uint64_t rdi = r->value[5], rsi = r->value[4], rdx = r->value[1], sp = r->value[7];
    // A nested call stands deeper in the stack; one that jumped here from another function, at the same place.
    while (t->depth > 0 && (t->calls[t->depth - 1].sp < sp ||
                            (t->calls[t->depth - 1].sp == sp && t->calls[t->depth - 1].function == p->function))) {
        l->counts.unpaired++;
        t->depth--;
    }
    if (t->depth == DEPTH) {
        l->counts.unpaired++;
        return;
    }
    struct call *c = &t->calls[t->depth++];
    *c = (struct call){.role = p->role,
                       .function = p->function,
                       .slot = slot < TAP_SLOTS_MAX ? slot : TAP_SLOT_OTHER,
                       .sp = sp,
                       .argument = rdi,
                       .size = rdi};
    uint64_t product;
    switch (p->role) {
    case TAP_CALLOC:
        c->size = __builtin_mul_overflow(rdi, rsi, &product) ? UINT64_MAX : product;
        break;
    case TAP_REALLOC:
        c->size = rsi;
        if (t->depth == 1 && rdi)
            take_out(l, rdi, t->pid, &c->old);
        break;
    case TAP_ALIGNED:
    case TAP_RESIZE:
        c->size = rsi;
        break;
    case TAP_POSIX:
        c->size = rdx;
        break;
    case TAP_MAP:
    case TAP_REMAP:
        c->size = p->role == TAP_MAP ? rsi : rdx;
        c->own_map = l->own_map && caller && l->own_map(r->pid, caller, l->ask_ctx);
        if (p->role == TAP_REMAP && t->depth == 1)
            begin_remap(l, t, c, r);
        break;
    default:
        break;
    }
}

static void born(struct tap_live *l, struct thread *t, const struct call *c, uint64_t address)
{
    struct block b = {.address = address, .size = c->size, .pid = (uint32_t)t->pid, .slot = c->slot, .epoch = l->epoch};
    struct tap_sums *s = &l->sums[c->slot];
    s->alloc_bytes += c->size;
    s->alloc_blocks++;
    l->counts.allocs++;
    l->counts.alloc_bytes += c->size;
    if (t->freed == address)
        t->freed = 0;
    put_in(l, &b);
}

static void realloc_ended(struct tap_live *l, struct thread *t, const struct call *c, uint64_t result)
{
    if (!result && c->size > 0) { // it failed: the block is as it was
        if (c->old.pid)
            put_in(l, &c->old);
        return;
    }
    if (c->argument && !c->old.pid)
        l->counts.old_frees++;
    if (result)
        born(l, t, c, result);
}

static void posix_ended(struct tap_live *l, struct thread *t, const struct call *c, uint64_t result)
{
    uint64_t address = 0;
    if ((uint32_t)result != 0)
        return;
    if (!l->peek || !l->peek(t->pid, c->argument, &address, l->ask_ctx) || !address) {
        l->counts.unpaired++;
        return;
    }
    l->counts.guessed++; // the program may have stored something else there since
    born(l, t, c, address);
}

static void resized(struct tap_live *l, struct thread *t, const struct call *c, uint64_t result)
{
    struct block b;
    if (!take_out(l, c->argument, t->pid, &b))
        return;
    b.size = result;
    put_in(l, &b);
}

// ---- mappings

// Taken out before the kernel can give the range to another thread. It fails only for what names no mapping at all.
static void unmapped(struct tap_live *l, struct thread *t, const struct linux_uprobe_record *r, uint64_t caller)
{
    uint64_t from = r->value[5], to;
    struct tap_range was;
    if (!tap_maps_pages(from, r->value[4], &to))
        return;
    tap_maps_cut(&l->maps, t->pid, from, to, &was);
    if (!was.pid && t->depth == 0 && !(l->own_map && caller && l->own_map(r->pid, caller, l->ask_ctx)))
        l->counts.old_unmaps++;
}

static void begin_remap(struct tap_live *l, struct thread *t, struct call *c, const struct linux_uprobe_record *r)
{
    enum { RCX = 2, DONT_UNMAP = 4 };
    uint64_t to;
    if (c->own_map || r->value[RCX] & DONT_UNMAP || !tap_maps_pages(c->argument, r->value[4], &to))
        return;
    tap_maps_cut(&l->maps, t->pid, c->argument, to, &c->moved);
    if (!c->moved.pid)
        l->counts.old_unmaps++;
    c->moved.from = c->argument; // of several ranges under one, should it fail
    c->moved.to = to;
}

static void mapped(struct tap_live *l, const struct thread *t, const struct call *c, uint64_t result)
{
    struct tap_range made = {.from = result, .pid = t->pid, .slot = c->slot, .epoch = l->epoch}, was;
    if (result > -(uint64_t)4096 || !tap_maps_pages(result, c->size, &made.to)) { // it failed
        if (c->moved.pid)
            tap_maps_add(&l->maps, &c->moved);
        return;
    }
    if (c->own_map)
        tap_maps_cut(&l->maps, t->pid, made.from, made.to, &was);
    else
        tap_maps_add(&l->maps, &made);
}

static void end_call(struct tap_live *l, struct thread *t, const struct linux_uprobe_record *r,
                     const struct tap_point *p)
{
    uint64_t sp = r->value[7] - 8;
    unsigned at = t->depth;
    while (at > 0 && (t->calls[at - 1].function != p->function || t->calls[at - 1].sp != sp))
        at--;
    if (at == 0) { // the first thing that is seen of a thread may be the end of a call that began unseen
        l->counts.unpaired += t->met;
        return;
    }
    l->counts.unpaired += t->depth - at;
    t->depth = at - 1;
    if (t->depth > 0)
        return; // the outermost call says what came of it
    const struct call *c = &t->calls[0];
    uint64_t result = r->value[0];
    if (c->role == TAP_MAP || c->role == TAP_REMAP)
        mapped(l, t, c, result);
    else if (c->role == TAP_REALLOC)
        realloc_ended(l, t, c, result);
    else if (c->role == TAP_POSIX)
        posix_ended(l, t, c, result);
    else if (c->role == TAP_RESIZE)
        resized(l, t, c, result);
    else if (result)
        born(l, t, c, result);
}

static void freed(struct tap_live *l, struct thread *t, const struct linux_uprobe_record *r, uint64_t caller)
{
    uint64_t address = r->value[5], sp = r->value[7];
    struct block b;
    if (!address || (t->depth > 0 && t->calls[0].role == TAP_REALLOC && t->calls[0].argument == address))
        return;
    bool known = take_out(l, address, t->pid, &b);
    // operator delete that goes on in free(): one freeing, two entry points.
    bool again = t->freed == address && sp <= t->freed_sp;
    if (!known && !again && !(caller && l->own && l->own(r->pid, caller, l->ask_ctx)))
        l->counts.old_frees++;
    t->freed = address;
    t->freed_sp = sp;
}

static void thread_ended(struct tap_live *l, pid_t tid, pid_t pid)
{
    struct thread *t = thread_of(l, tid, pid);
    t->depth = 0;
    t->freed = 0;
    t->met = false;
}

void tap_live_take(struct tap_live *l, const struct linux_uprobe_record *r, const struct tap_point *p, uint32_t slot,
                   uint64_t caller)
{
    switch (r->type) {
    case LINUX_UPROBE_LOST:
        l->counts.lost += r->lost;
        return;
    case LINUX_UPROBE_EXIT:
        thread_ended(l, r->tid, r->pid);
        return;
    case LINUX_UPROBE_EXEC:
        tap_live_drop_process(l, r->pid);
        return;
    case LINUX_UPROBE_HIT:
        break;
    default:
        return;
    }
    l->counts.hits++;
    struct thread *t = thread_of(l, r->tid, r->pid);
    t->pid = r->pid;
    if (p->is_return)
        end_call(l, t, r, p);
    else if (p->role == TAP_FREE)
        freed(l, t, r, caller);
    else if (p->role == TAP_UNMAP)
        unmapped(l, t, r, caller);
    else if (p->role == TAP_COUNT)
        l->counts.uncovered++;
    else
        begin_call(l, t, r, p, slot, caller);
    t->met = true;
}

// ---- processes

static bool is_not(pid_t pid, void *ctx)
{
    return pid != *(const pid_t *)ctx;
}

void tap_live_drop_process(struct tap_live *l, pid_t pid)
{
    tap_live_drop_dead(l, is_not, &pid);
}

void tap_live_drop_dead(struct tap_live *l, tap_alive_fn *alive, void *ctx)
{
    pid_t last = 0;
    bool lives = true;
    for (size_t i = 0; i < l->cap_blocks;) {
        struct block *b = &l->blocks[i];
        if (b->pid && (pid_t)b->pid != last) {
            last = (pid_t)b->pid;
            lives = alive(last, ctx);
        }
        if (b->pid && !lives) {
            subtract(l, b);
            remove_at(l, i); // another block may have moved here: look again
        } else {
            i++;
        }
    }
    tap_maps_drop_dead(&l->maps, alive, ctx);
    for (size_t i = 0; i < l->cap_threads; i++)
        if (l->threads[i].tid && !alive(l->threads[i].pid, ctx))
            l->threads[i].depth = 0;
}

// ---- sums

void tap_live_set_epoch(struct tap_live *l, uint32_t epoch)
{
    l->epoch = epoch < TAP_EPOCHS ? epoch : TAP_EPOCHS - 1;
}

const struct tap_counts *tap_live_counts(const struct tap_live *l)
{
    return &l->counts;
}

uint64_t tap_live_doubt(const struct tap_live *l)
{
    const struct tap_counts *c = &l->counts;
    return c->lost + c->old_frees + c->unpaired + c->guessed + c->overflowed + c->uncovered;
}

const struct tap_sums *tap_live_sums(const struct tap_live *l)
{
    return l->sums;
}

const struct tap_sums *tap_live_map_sums(const struct tap_live *l)
{
    return l->maps.sums;
}

uint64_t tap_live_map_doubt(const struct tap_live *l)
{
    return l->counts.lost + l->counts.old_unmaps;
}

void tap_live_ages(const struct tap_live *l, size_t n_slots, double *bytes, double *blocks)
{
    for (size_t i = 0; i < l->cap_blocks; i++) {
        const struct block *b = &l->blocks[i];
        if (!b->pid || b->slot >= n_slots)
            continue;
        bytes[(size_t)b->slot * TAP_EPOCHS + b->epoch] += (double)b->size;
        blocks[(size_t)b->slot * TAP_EPOCHS + b->epoch]++;
    }
    tap_maps_ages(&l->maps, n_slots, bytes, blocks);
}

// ---- one by one

int tap_live_each(const struct tap_live *l, pid_t pid, tap_block_fn *each, void *ctx)
{
    for (size_t i = 0; i < l->cap_blocks; i++) {
        const struct block *b = &l->blocks[i];
        if (!b->pid || (pid && b->pid != (uint32_t)pid))
            continue;
        int rc = each((pid_t)b->pid, b->address, b->size, b->slot, b->epoch, ctx);
        if (rc)
            return rc;
    }
    return 0;
}

// An address that came again without having been freed proves that some freeing goes unseen; so many may have, at
// least, once more.
uint64_t tap_live_missed(const struct tap_live *l)
{
    return l->counts.lost + l->counts.replaced;
}

uint32_t tap_live_epoch(const struct tap_live *l)
{
    return l->epoch;
}
