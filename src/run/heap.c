// The heap of the tree: see heap.h. What comes from a region has been validated by wire/; what it says is still only
// the target's word.
#include "run/heap.h"
#include "base/check.h"
#include "base/clock.h"
#include "linux/mapped.h"
#include "linux/mem.h"
#include "run/heap_priv.h"
#include "run/module_files.h"
#include "seep_wire.h"
#include "wire/wire.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NO_NUMBER    UINT32_MAX
#define FRAMES_BATCH 256

struct run_heap *heap_new(bool sampled, double sampling_mean_bytes, struct seep_err *err)
{
    struct run_heap *h = calloc(1, sizeof *h);
    struct stack_table *table = stack_table_new(err);
    if (!h || !table) {
        free(h);
        stack_table_free(table);
        seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the heap's tables");
        return NULL;
    }
    h->sampled = sampled;
    h->mean_bytes = sampling_mean_bytes;
    h->table = table;
    pthread_mutex_init(&h->lock, NULL);
    return h;
}

static void free_region(struct region *g)
{
    wire_snapshot_free(&g->snapshot);
    wire_close(g->wire);
    if (g->memory_fd >= 0)
        close(g->memory_fd);
    free(g->number);
    free(g->watch);
    module_files_free(&g->files);
    free(g);
}

void heap_free(struct run_heap *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->n_regions; i++)
        free_region(h->regions[i]);
    while (h->arrivals) {
        struct region *next = h->arrivals->next;
        free_region(h->arrivals);
        h->arrivals = next;
    }
    stack_table_free(h->table);
    free(h->sums);
    free(h->age_bytes);
    free(h->age_blocks);
    free(h);
}

int heap_region_add(struct run_heap *h, int fd, int memory_fd, uint32_t id, pid_t pid, uint64_t starttime_ticks,
                    bool main, struct seep_err *err)
{
    struct region *g = calloc(1, sizeof *g);
    if (!g)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for another process");
    g->wire = wire_open(fd, err);
    if (!g->wire) {
        free(g);
        return -1;
    }
    close(fd);
    g->memory_fd = memory_fd;
    g->id = id;
    g->pid = pid;
    g->starttime_ticks = starttime_ticks;
    g->main = main;
    pthread_mutex_lock(&h->lock);
    g->next = h->arrivals;
    h->arrivals = g;
    pthread_mutex_unlock(&h->lock);
    return 0;
}

static bool has_region(const struct run_heap *h, uint32_t id)
{
    for (size_t i = 0; i < h->n_regions; i++)
        if (h->regions[i]->id == id)
            return true;
    return false;
}

// tick: whose row holds the last that was read of it.
static void release(struct run_heap *h, uint32_t id, int64_t tick)
{
    if (h->n_released < HEAP_RELEASED_MAX)
        h->released[h->n_released++] = (struct heap_released){.id = id, .tick = tick};
}

void heap_take_arrivals(struct run_heap *h)
{
    pthread_mutex_lock(&h->lock);
    struct region *list = h->arrivals;
    h->arrivals = NULL;
    pthread_mutex_unlock(&h->lock);
    while (list) {
        struct region *next = list->next;
        if (h->only_main && !list->main) {
            wire_turn_off(list->wire);
            release(h, list->id, 0);
            free_region(list);
        } else if (heap_marks_was_folded(&h->marks, list->id)) { // read to its end before seep was lost
            release(h, list->id, 0);
            free_region(list);
        } else if (h->n_regions < HEAP_REGIONS_MAX && !has_region(h, list->id)) {
            wire_set_epoch(list->wire, h->epoch, h->sampled ? (uint64_t)h->mean_bytes : 0, NULL);
            h->regions[h->n_regions++] = list;
        } else {
            free_region(list);
        }
        list = next;
    }
}

// ---- modules and stacks of the run

// Grows a table of numbers to hold index i; new entries are NO_NUMBER.
static bool number_slot(uint32_t **table, size_t *n, size_t i)
{
    if (i < *n)
        return true;
    size_t want = *n ? *n : 64;
    while (want <= i)
        want *= 2;
    uint32_t *grown = realloc(*table, want * sizeof *grown);
    if (!grown)
        return false;
    for (size_t k = *n; k < want; k++)
        grown[k] = NO_NUMBER;
    *table = grown;
    *n = want;
    return true;
}

// Offset of a return address in its module. An exact pc (above a signal frame) is stored one higher, so that the rule
// "look one byte before a return address" finds the very instruction.
static struct store_frame map_frame(struct run_heap *h, struct region *g, const struct wire_frame *f)
{
    struct store_frame out = {.module = 0, .offset = f->pc + (f->exact ? 1 : 0)};
    uint64_t bias;
    out.module = module_files_number(&g->files, h->table, g->wire, f->module, &bias);
    out.offset -= bias;
    return out;
}

// The run's number of a region's stack.
static uint32_t number_of(struct run_heap *h, struct region *g, uint32_t id, uint8_t klass, uint8_t wire_flags)
{
    if (id < SEEP_STACK_FIRST || !number_slot(&g->number, &g->n_number, id))
        return 0;
    if (g->number[id] != NO_NUMBER)
        return g->number[id];
    struct wire_frame raw[FRAMES_BATCH];
    struct store_frame frames[FRAMES_BATCH];
    size_t n = wire_stack_frames(g->wire, id, raw, FRAMES_BATCH);
    for (size_t i = 0; i < n; i++)
        frames[i] = map_frame(h, g, &raw[i]);
    unsigned flags = (wire_flags & (SEEP_STACK_TRUNCATED | SEEP_STACK_CUT) ? STACK_TRUNCATED : 0) |
                     (klass != SEEP_CLASS_HEAP ? STACK_MMAP : 0);
    g->number[id] = n ? stack_table_add(h->table, flags, frames, n) : 0;
    return g->number[id];
}

// ---- sums

// Room for every stack there is, all sums zero.
static bool clear_sums(struct run_heap *h)
{
    size_t n = stack_table_count(h->table);
    if (h->cap_sums < n) {
        struct tick_stack *grown = realloc(h->sums, 2 * n * sizeof *grown);
        if (!grown)
            return false;
        h->sums = grown;
        h->cap_sums = 2 * n;
    }
    h->n_sums = n;
    memset(h->sums, 0, n * sizeof *h->sums);
    for (size_t i = 0; i < n; i++)
        h->sums[i].stack = (uint32_t)i;
    return true;
}

// What of its heap a process adds to the tree's: not the blocks it inherited over fork, which are its parent's and
// shared with it, but what it has more than it inherited. Having less takes nothing from the others: their copies live.
static double grown(const struct region *g, double live, double inherited)
{
    return g->heir ? live : fmax(0, live - inherited);
}

static void add_stack_sum(struct run_heap *h, const struct region *g, uint32_t number, const struct wire_stack *s,
                          double mean)
{
    struct tick_stack *sum = &h->sums[number];
    double live_bytes = grown(g, s->live_bytes, s->inherited_bytes);
    sum->live_bytes += live_bytes;
    sum->live_blocks += grown(g, s->live_blocks, s->inherited_blocks);
    sum->alloc_bytes += s->alloc_bytes;
    sum->alloc_blocks += s->alloc_blocks;
    sum->variance += mean * live_bytes;
}

// Numbers first, so that the table of sums has its final size before anything is added.
static void number_all(struct run_heap *h, struct region *g)
{
    for (size_t i = 0; i < g->snapshot.stacks; i++) {
        struct wire_stack *s = &g->snapshot.stack[i];
        number_of(h, g, s->id, s->klass, s->flags);
    }
}

static void add_region_stacks(struct run_heap *h, struct region *g)
{
    double mean = (double)SEEP_WORD_MEAN(g->snapshot.word);
    for (size_t i = 0; i < g->snapshot.stacks; i++) {
        struct wire_stack *s = &g->snapshot.stack[i];
        add_stack_sum(h, g, number_of(h, g, s->id, s->klass, s->flags), s, mean);
    }
}

static double zero_if_unknown(double v)
{
    return isnan(v) ? 0 : v;
}

// The usable counts are of the process's own calls alone: a child that only frees what it inherited stands below zero.
static void add_totals(struct run_heap *h, const struct region *g, struct heap_totals *out)
{
    const struct wire_totals *t = &g->snapshot.totals;
    double live = fmax(0, (double)t->usable_alloc_bytes - (double)t->usable_free_bytes);
    double blocks = fmax(0, (double)t->alloc_blocks - (double)t->free_blocks);
    if (!h->sampled) {
        live = grown(g, t->live_bytes, t->inherited_bytes + (double)t->inherited_free_bytes);
        blocks = grown(g, t->live_blocks, t->inherited_blocks + (double)t->inherited_frees);
    }
    out->live_bytes = zero_if_unknown(out->live_bytes) + live;
    out->live_blocks = zero_if_unknown(out->live_blocks) + blocks;
    out->allocs = zero_if_unknown(out->allocs) + (double)t->alloc_blocks;
    out->alloc_bytes = zero_if_unknown(out->alloc_bytes) + (double)t->usable_alloc_bytes;
    out->lost += t->stack_overflow + t->live_overflow + t->samples_lost;
}

static void add_one(double *sum, uint64_t v)
{
    if (v != WIRE_UNKNOWN)
        *sum = zero_if_unknown(*sum) + (double)v;
}

static void add_allocator(struct region *g, struct heap_allocator *out)
{
    static const char *const kinds[] = {"", "glibc", "jemalloc", "tcmalloc", "mimalloc"};
    struct wire_allocator a;
    if (wire_allocator_stats(g->wire, &a))
        return;
    if (a.kind < sizeof kinds / sizeof *kinds && (g->main || !out->kind[0]))
        snprintf(out->kind, sizeof out->kind, "%s", kinds[a.kind]);
    if (a.state == 1) {
        add_one(&out->allocated, a.allocated_bytes);
        add_one(&out->active, a.active_bytes);
        add_one(&out->resident, a.resident_bytes);
        add_one(&out->retained, a.retained_bytes);
        add_one(&out->mapped, a.mapped_bytes);
        double age = (double)(clock_mono_ns() - (int64_t)a.time_ns) / 1e9;
        out->age_s = isnan(out->age_s) || age > out->age_s ? age : out->age_s;
    }
    wire_request_allocator_stats(g->wire);
}

static void add_probe_rss(int proc_fd, struct region *g, struct heap_totals *out)
{
    struct wire_hello hello;
    int64_t resident = 0;
    wire_hello(g->wire, &hello);
    g->attached = hello.attached;
    if (hello.attached && hello.map_bytes &&
        linux_range_resident(proc_fd, g->pid, hello.map_address, hello.map_bytes, &resident, NULL) == 0)
        out->probe_rss = zero_if_unknown(out->probe_rss) + (double)resident;
}

static void publish_stacks(struct run_heap *h, struct run_tick *tick)
{
    tick->stacks = malloc(h->n_sums * sizeof *tick->stacks);
    if (!tick->stacks)
        return;
    memcpy(tick->stacks, h->sums, h->n_sums * sizeof *tick->stacks);
    tick->n_stacks = h->n_sums;
    tick->has_stacks = true;
}

static void release_dead(struct run_heap *h, int64_t tick)
{
    for (size_t i = 0; i < h->n_regions;) {
        struct region *g = h->regions[i];
        if (g->alive || g->main || h->n_released == HEAP_RELEASED_MAX) {
            i++;
            continue;
        }
        release(h, g->id, tick);
        heap_marks_add(&h->marks, g->wire, true);
        free_region(g);
        h->regions[i] = h->regions[--h->n_regions];
    }
}

static void note_evidence(struct run_heap *h, const struct linux_tree *tree, const struct heap_totals *out,
                          uint64_t truncated)
{
    size_t attached = 0;
    for (size_t i = 0; i < h->n_regions; i++)
        attached += heap_tells(h->regions[i]) && h->regions[i]->alive;
    for (size_t i = 0; i < h->n_regions; i++)
        h->seen.any |= h->regions[i]->attached && h->regions[i]->alive;
    if (tree->count >= h->seen.processes_seen || attached > h->seen.processes_attributed) {
        h->seen.processes_seen = tree->count;
        h->seen.processes_attributed = attached;
    }
    if (tree->count)
        h->seen.main_unseen = heap_main_is_unseen(h, tree);
    h->seen.lost = out->lost;
    h->seen.truncated = truncated;
}

static void count_marks(struct run_heap *h, struct run_tick *tick)
{
    heap_marks_begin(&h->marks);
    for (size_t i = 0; i < h->n_regions; i++)
        if (!h->regions[i]->lies)
            heap_marks_add(&h->marks, h->regions[i]->wire, false);
    heap_marks_tell(&h->marks, h->released, h->n_released, tick);
}

void heap_sample(struct run_heap *h, int proc_fd, const struct linux_tree *tree, bool want_stacks,
                 struct run_tick *tick, struct heap_totals *out)
{
    const struct heap_allocator unknown = {
        .allocated = NAN, .active = NAN, .resident = NAN, .retained = NAN, .mapped = NAN, .age_s = NAN};
    *out = (struct heap_totals){NAN, NAN, NAN, NAN, NAN, unknown, 0, 0};
    heap_take_arrivals(h);
    uint64_t truncated = 0;
    heap_look(h, proc_fd, tree);
    heap_watch(h, proc_fd);
    for (size_t i = 0; i < h->n_regions; i++) {
        struct region *g = h->regions[i];
        if (!g->alive && !g->main)
            continue;
        if (wire_snapshot(g->wire, 0, 0, &g->snapshot, NULL))
            g->snapshot.stacks = 0;
        if (!g->alive)
            continue;
        add_probe_rss(proc_fd, g, out);
        if (!heap_tells(g) || !heap_believes(g, proc_fd))
            continue;
        out->regions++;
        add_totals(h, g, out);
        add_allocator(g, &out->allocator);
        truncated += g->snapshot.totals.truncated_walks;
        module_files_look(&g->files, h->table, g->wire, proc_fd, g->pid);
        if (want_stacks)
            number_all(h, g);
    }
    if (want_stacks && clear_sums(h)) {
        for (size_t i = 0; i < h->n_regions; i++)
            if (h->regions[i]->alive && heap_tells(h->regions[i]))
                add_region_stacks(h, h->regions[i]);
        if (out->regions)
            publish_stacks(h, tick);
    }
    if (out->allocator.kind[0])
        h->last_allocator = out->allocator;
    heap_follow(h, proc_fd, tree);
    note_evidence(h, tree, out, truncated);
    release_dead(h, tick->index);
    count_marks(h, tick);
}

// The last image of the main process: a program that executed others leaves a region behind for each.
static struct region *last_main(struct run_heap *h)
{
    struct region *last = NULL;
    for (size_t i = 0; i < h->n_regions; i++) {
        struct region *g = h->regions[i];
        struct wire_hello hello;
        wire_hello(g->wire, &hello);
        if (g->main && hello.attached && !hello.off && (!last || g->id > last->id))
            last = g;
    }
    return last;
}

bool heap_at_exit(struct run_heap *h, struct run_tick *tick)
{
    heap_take_arrivals(h);
    struct region *g = last_main(h);
    if (!g || g->lies || h->seen.main_unseen || wire_snapshot(g->wire, 0, 0, &g->snapshot, NULL))
        return false;
    struct heap_totals totals = {.live_bytes = NAN, .live_blocks = NAN, .allocs = NAN, .alloc_bytes = NAN};
    add_totals(h, g, &totals);
    tick->value[RUN_S_HEAP_LIVE] = totals.live_bytes;
    tick->value[RUN_S_HEAP_BLOCKS] = totals.live_blocks;
    number_all(h, g);
    if (!clear_sums(h))
        return true;
    add_region_stacks(h, g);
    publish_stacks(h, tick);
    return true;
}

void heap_copies(struct run_heap *h, size_t max, heap_copy_fn *each, void *ctx)
{
    struct wire_copy *copy = malloc(sizeof *copy);
    size_t given = 0;
    bool any = copy != NULL;
    while (any && given < max) {
        any = false;
        for (size_t i = 0; i < h->n_regions && given < max; i++) {
            if (!h->regions[i]->alive || wire_ring_read(h->regions[i]->wire, copy) != 1)
                continue;
            each(h->regions[i]->pid, h->regions[i]->wire, copy, ctx);
            any = true;
            given++;
        }
    }
    free(copy);
}

bool heap_next_released(const struct run_heap *h, int64_t tick, uint32_t *id)
{
    if (!h->n_released || h->released[0].tick > tick)
        return false;
    *id = h->released[0].id;
    return true;
}

void heap_released(struct run_heap *h)
{
    SEEP_CHECK(h->n_released);
    memmove(h->released, h->released + 1, --h->n_released * sizeof *h->released);
}

void heap_set_epoch(struct run_heap *h, uint32_t epoch)
{
    h->epoch = epoch;
    for (size_t i = 0; i < h->n_regions; i++)
        wire_set_epoch(h->regions[i]->wire, epoch, h->sampled ? (uint64_t)h->mean_bytes : 0, NULL);
}

// ---- ages

static void add_ages(struct run_heap *h, struct region *g, const struct wire_age_profile *p)
{
    for (size_t i = 0; i < p->rows; i++) {
        uint32_t id = p->row[i].stack;
        uint32_t number = id < g->n_number && g->number[id] != NO_NUMBER ? g->number[id] : 0;
        uint32_t epoch = p->row[i].epoch <= HEAP_EPOCHS ? p->row[i].epoch : HEAP_EPOCHS;
        if (number >= h->n_aged)
            continue;
        h->age_bytes[(size_t)number * (HEAP_EPOCHS + 1) + epoch] += p->row[i].bytes;
        h->age_blocks[(size_t)number * (HEAP_EPOCHS + 1) + epoch] += p->row[i].blocks;
    }
}

int heap_take_ages(struct run_heap *h, struct seep_err *err)
{
    size_t n = stack_table_count(h->table), cells = n * (HEAP_EPOCHS + 1);
    free(h->age_bytes);
    free(h->age_blocks);
    h->age_bytes = calloc(cells, sizeof *h->age_bytes);
    h->age_blocks = calloc(cells, sizeof *h->age_blocks);
    h->n_aged = h->age_bytes && h->age_blocks ? n : 0;
    if (!h->n_aged)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for survivor ages");
    struct wire_age_profile profile = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < h->n_regions; i++) {
        if (!heap_tells(h->regions[i]))
            continue;
        rc = wire_age_profile(h->regions[i]->wire, 0, &profile, err);
        if (rc == 0)
            add_ages(h, h->regions[i], &profile);
    }
    wire_age_profile_free(&profile);
    return rc;
}

bool heap_ages_taken(const struct run_heap *h)
{
    return h->n_aged > 0;
}

int heap_each_age(const struct run_heap *h, heap_age_fn *each, void *ctx)
{
    for (size_t s = 0; s < h->n_aged; s++) {
        uint64_t b[HEAP_EPOCHS + 1], n[HEAP_EPOCHS + 1];
        bool any = false;
        for (size_t e = 0; e <= HEAP_EPOCHS; e++) {
            b[e] = (uint64_t)llround(fmax(0, h->age_bytes[s * (HEAP_EPOCHS + 1) + e]));
            n[e] = (uint64_t)llround(fmax(0, h->age_blocks[s * (HEAP_EPOCHS + 1) + e]));
            any |= b[e] || n[e];
        }
        if (any && each((uint32_t)s, b, n, HEAP_EPOCHS + 1, ctx))
            return -1;
    }
    return 0;
}

void heap_restore(struct run_heap *h, struct store *st)
{
    struct store_stack_point *last = NULL;
    size_t n = 0;
    heap_marks_restore(&h->marks, st);
    // Without a keeper there is no region left that could say so.
    h->seen.any |= store_read_stack_last(st, &last, &n, NULL) == 0 && n > 0;
    free(last);
}

struct stack_table *heap_table(struct run_heap *h)
{
    return h->table;
}
