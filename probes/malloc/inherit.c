// Blocks inherited over fork: a child's table starts as the parent's was at that very moment.
//
// The tables are shared memory, so fork does not copy them: the child still sees the parent's, and the parent goes on.
// To tell what was there at the moment of the fork, the parent keeps a journal from then on: before a block enters or
// leaves its live set, what stood at that address goes into a ring of the region. The child copies the table as it is
// by then and sets back every address that the journal names, latest first: the earliest entry of an address, which
// comes last, says what was there at the fork. So the copy may be torn as it likes. Blocks that another thread of the
// parent was just about to enter or remove belong to no thread of the child and cannot be freed there.
//
// The parent never waits: it stops writing when the children have read or when the ring is full, and then a child that
// has not read yet knows nothing of its heritage. Such a child, one made by a raw clone (no mark of the moment), and
// one whose table has no room count what is freed without being known as inherited, in sum, under no stack.
//
// Inherited blocks are marked in their entries, so that outside they are not counted twice.
#include "malloc/probe.h"

#include <string.h>

#define COPY_LIMIT_NS 100000000ull // of processor time
#define ENTRY_WAITS   10000

uint32_t probe_journal_on;
static uint64_t journal_until;

// ---- the parent's side ----

static struct seep_journal_entry *entry_at(const struct probe_region *r, uint64_t index)
{
    return &r->journal[index & (r->layout.journal - 1)];
}

// From here on changes go untold: first the head leaps, so that whoever still wants to read sees that it is too late.
static void journal_end(struct probe_region *r)
{
    __atomic_fetch_add(&r->header->journal_head, r->layout.journal + 1, __ATOMIC_SEQ_CST);
    store_release(&probe_journal_on, 0);
}

void probe_journal(struct probe_region *r, uintptr_t address, const struct probe_block *was, unsigned table)
{
    struct seep_header *h = r->header;
    if (load_relaxed(&h->forks_open) == 0) {
        journal_end(r);
        return;
    }
    uint64_t index = add_relaxed(&h->journal_head, 1);
    if (index >= load_relaxed(&journal_until)) {
        journal_end(r);
        return;
    }
    struct seep_journal_entry *e = entry_at(r, index);
    store_relaxed(&e->sequence, 0);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    e->address = address;
    e->size = was ? was->size : 0;
    e->stack = was ? was->stack : SEEP_STACK_NONE;
    e->epoch = was ? (uint16_t)was->epoch : 0;
    e->slack_and_table = (uint16_t)((was ? was->slack : 0) | table << 15);
    store_release(&e->sequence, index + 1);
}

// Also where the child is first heard of from another of its threads: this one then has no slot there that is its own.
static void before_fork(void)
{
    probe_tls.word = 0;
    struct probe_page *page = load_relaxed(&probe_page);
    uint32_t phase = page ? load_acquire(&page->phase) : PROBE_OFF;
    if (phase == PROBE_FRESH)
        return; // forked itself and has not touched the heap since: its child goes back to the same moment
    probe_tls.fork_mark = 0;
    if (phase != PROBE_ON)
        return;
    struct seep_header *h = probe_region.header;
    uint64_t head = load_relaxed(&h->journal_head);
    store_relaxed(&journal_until, head + probe_region.layout.journal);
    if (load_relaxed(&probe_journal_on))
        add_relaxed(&h->forks_open, 1);
    else
        store_relaxed(&h->forks_open, 1); // children that never read are forgotten; a late one ends the journal early
    probe_tls.fork_mark = head + 1;
    __atomic_store_n(&probe_journal_on, 1, __ATOMIC_SEQ_CST);
}

static void after_fork(void)
{
    probe_tls.fork_mark = 0;
}

// By name: not every C library has it, and ours must load with all of them.
void probe_inherit_init(void)
{
    extern void *__dso_handle;
    int (*at_fork)(void (*)(void), void (*)(void), void (*)(void), void *);
    void *symbol = probe_dlsym_start("__register_atfork", 0);
    memcpy(&at_fork, &symbol, sizeof symbol);
    if (at_fork)
        at_fork(before_fork, after_fork, NULL, &__dso_handle);
}

// ---- the child's side ----

struct heir {
    struct probe_region *to;
    const struct probe_region *from;
    uint32_t *stack; // ours by the parent's, 0: not met yet
    uint32_t stacks;
    uint64_t until_ns;
};

// The logs of modules are the same from here on, so frames need no translation.
static int copy_modules(struct heir *h)
{
    uint64_t count = load_acquire(&h->from->header->module_count);
    if (count > h->to->layout.modules || count > h->from->layout.modules)
        return -1;
    for (uint64_t i = 1; i < count; i++) {
        h->to->modules[i] = h->from->modules[i];
        store_release(&h->to->modules[i].state, h->from->modules[i].state ? h->from->modules[i].state : 2);
    }
    store_release(&h->to->header->module_count, count);
    return 0;
}

static uint32_t translate(struct heir *h, uint32_t id)
{
    if (id < SEEP_STACK_FIRST || id >= h->stacks)
        return id < SEEP_STACK_FIRST ? id : SEEP_STACK_OTHER;
    if (h->stack[id])
        return h->stack[id];
    const struct seep_stack *s = probe_stack(h->from, id);
    uint8_t flags = load_acquire(&s->flags);
    uint32_t mine = SEEP_STACK_OTHER;
    int is_new;
    if (flags & SEEP_STACK_READY && s->frames <= SEEP_FRAMES_MAX) {
        const uint64_t *frame = probe_stack_frames(h->from, s);
        mine = probe_intern(h->to, frame, s->frames, s->klass, flags & ~SEEP_STACK_READY, &is_new);
    }
    return h->stack[id] = mine;
}

static uint64_t mean_of(const struct heir *h, uint32_t epoch)
{
    return load_relaxed(&h->to->control->mean_of_epoch[epoch % SEEP_EPOCHS]);
}

// Counts a block into (sign 1) or out of (sign -1) its stack, as a part that was inherited.
static void count_inherited(struct heir *h, const struct probe_block *b, uint64_t mean, int sign)
{
    struct seep_stack *s = probe_stack(h->to, b->stack);
    struct seep_shard before = s->shared;
    probe_count(h->to, b->stack, mean, b->size, COUNT_ALLOC, 1);
    uint64_t bytes = s->shared.alloc_bytes - before.alloc_bytes;
    uint64_t blocks = s->shared.alloc_blocks_q8 - before.alloc_blocks_q8;
    if (sign < 0) {
        bytes = 0 - bytes;
        blocks = 0 - blocks;
        s->shared.alloc_bytes = before.alloc_bytes + bytes;
        s->shared.alloc_blocks_q8 = before.alloc_blocks_q8 + blocks;
    }
    s->own[0].inherited_bytes += bytes;
    s->own[0].inherited_blocks_q8 += blocks;
}

static void drop(struct heir *h, uintptr_t address, unsigned table)
{
    struct probe_block b;
    int maps = table == SEEP_JOURNAL_MAPS;
    while ((maps ? probe_side_remove(h->to->maps, h->to->layout.maps, address, &b)
                 : probe_live_remove(h->to, address, &b)) == 0) {
        uint64_t mean = maps ? 0 : mean_of(h, b.epoch);
        count_inherited(h, &b, mean, -1);
        if (mean)
            probe_filter_add(h->to, address, -1);
    }
}

static int put(struct heir *h, uintptr_t address, const struct probe_block *was, unsigned table)
{
    struct probe_block b = *was, gone = {.stack = SEEP_STACK_NONE};
    int maps = table == SEEP_JOURNAL_MAPS;
    uint64_t mean = maps ? 0 : mean_of(h, b.epoch);
    b.stack = translate(h, was->stack);
    b.inherited = 1;
    if ((maps ? probe_side_insert(h->to->maps, h->to->layout.maps, address, &b)
              : probe_live_insert(h->to, address, &b, &gone)) < 0)
        return -1;
    if (gone.stack)
        count_inherited(h, &gone, mean_of(h, gone.epoch), -1);
    count_inherited(h, &b, mean, 1);
    if (mean)
        probe_filter_add(h->to, address, 1);
    return 0;
}

static int copy_chunk(struct heir *h, uint64_t range, const uint64_t *words)
{
    for (uint32_t i = 0; i < SEEP_CHUNK_BYTES / 8; i++) {
        uint64_t word = load_relaxed(&words[i]);
        if (!(word & 1))
            continue;
        uintptr_t address =
            (range << SEEP_RANGE_SHIFT) + ((uintptr_t)i << SEEP_GRANULE_SHIFT) + 8 * SEEP_LIVE_SUB(word);
        struct probe_block b = {.size = SEEP_LIVE_SIZE(word),
                                .stack = SEEP_LIVE_STACK(word),
                                .epoch = SEEP_LIVE_EPOCH(word),
                                .slack = SEEP_LIVE_SLACK(word)};
        if (put(h, address, &b, SEEP_JOURNAL_LIVE) < 0)
            return -1;
    }
    return 0;
}

static int copy_ranges(struct heir *h)
{
    for (uint32_t i = 0; i < h->from->layout.live_dir; i++) {
        const struct seep_live_range *range = &h->from->live_dir[i];
        uint64_t key = load_acquire(&range->key);
        for (uint32_t level = 0; key && level < SEEP_LIVE_LEVELS; level++) {
            uint32_t chunk = load_acquire(&range->chunk[level]);
            if (!chunk)
                break;
            if (copy_chunk(h, key - 1, probe_chunk(h->from, chunk)) < 0 || sys_cpu_ns() > h->until_ns)
                return -1;
        }
    }
    return 0;
}

static int copy_side(struct heir *h, const struct seep_side_block *table, uint32_t entries, unsigned which)
{
    for (uint32_t i = 0; i < entries; i++) {
        uint64_t address = load_acquire(&table[i].address);
        struct probe_block b = {.size = table[i].size,
                                .stack = table[i].stack,
                                .epoch = table[i].epoch,
                                .slack = (uint32_t)(table[i].slack & SEEP_SLACK_UNKNOWN)};
        if (address > SEEP_SIDE_GONE && load_acquire(&table[i].address) == address && put(h, address, &b, which) < 0)
            return -1;
    }
    return 0;
}

// Latest first, back to the moment of the fork. -1: the journal does not reach back so far.
static int undo(struct heir *h, uint64_t mark)
{
    uint64_t head = load_acquire(&h->from->header->journal_head);
    for (uint64_t i = head; i-- > mark;) {
        const struct seep_journal_entry *e = entry_at(h->from, i);
        if (head - mark > h->from->layout.journal)
            return -1;
        for (int k = 0; load_acquire(&e->sequence) != i + 1; k++)
            if (k == ENTRY_WAITS)
                return -1;
        struct seep_journal_entry copy = *e;
        struct probe_block was = {.size = copy.size,
                                  .stack = copy.stack,
                                  .epoch = copy.epoch,
                                  .slack = copy.slack_and_table & SEEP_SLACK_UNKNOWN};
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (load_relaxed(&e->sequence) != i + 1)
            return -1;
        drop(h, copy.address, copy.slack_and_table >> 15);
        if (copy.stack && put(h, copy.address, &was, copy.slack_and_table >> 15) < 0)
            return -1;
    }
    return 0;
}

// Nothing was inherited after all: the tables as they came from the keeper.
static void start_over(struct probe_region *r)
{
    uint8_t *from = (uint8_t *)r->threads, *to = r->pool + load_relaxed(&r->header->pool_next) * SEEP_CHUNK_BYTES;
    memset(from, 0, (size_t)(to - from));
    r->header->pool_next = 1;
    r->header->stack_count = SEEP_STACK_FIRST;
    r->header->frame_next = 0;
    r->header->module_count = 1;
    r->header->pool_spare = 0;
    probe_stacks_init(r);
}

static int copy_all(struct heir *h, uint64_t mark)
{
    if (copy_modules(h) < 0)
        return -1;
    uint64_t exact_seen = load_relaxed(&h->from->header->flags) & SEEP_HDR_EXACT_SEEN;
    __atomic_fetch_or(&h->to->header->flags, exact_seen, __ATOMIC_RELAXED);
    if (copy_ranges(h) < 0 || copy_side(h, h->from->side, h->from->layout.side, SEEP_JOURNAL_LIVE) < 0 ||
        copy_side(h, h->from->maps, h->from->layout.maps, SEEP_JOURNAL_MAPS) < 0)
        return -1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return undo(h, mark);
}

void probe_inherit(struct probe_region *to, const struct probe_region *from)
{
    uint64_t mark = probe_tls.fork_mark;
    to->header->parent_time_ns = from->header->attach_time_ns;
    to->header->heritage = SEEP_HERITAGE_UNKNOWN;
    store_relaxed(&probe_journal_on, 0);
    if (!mark--)
        return;
    struct heir h = {.to = to, .from = from, .stacks = (uint32_t)load_acquire(&from->header->stack_count)};
    uint64_t behind = load_relaxed(&from->header->journal_head) - mark;
    long room = (long)h.stacks * 4, p = sys6(SYS_mmap, 0, room, 3, 0x22, -1, 0);
    if (!sys_failed(p) && behind <= from->layout.journal) {
        h.stack = (uint32_t *)p;
        h.until_ns = sys_cpu_ns() + COPY_LIMIT_NS;
        if (copy_all(&h, mark) == 0)
            to->header->heritage = SEEP_HERITAGE_KNOWN;
        else
            start_over(to);
    }
    if (!sys_failed(p))
        sys3(SYS_munmap, p, room, 0);
    __atomic_fetch_sub(&from->header->forks_open, 1, __ATOMIC_RELAXED);
}

void probe_inherit_done(void)
{
    probe_tls.fork_mark = 0;
}
