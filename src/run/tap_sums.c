// What the sample job takes from a tap: sums of the live set, survivor ages, evidence. See tap.h.
#include "base/clock.h"
#include "run/tap_priv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool in_tree(pid_t pid, void *ctx)
{
    const struct linux_tree *tree = ctx;
    for (size_t i = 0; i < tree->count; i++)
        if (tree->nodes[i].pid == pid)
            return tree->nodes[i].state != 'Z' && tree->nodes[i].state != 'X';
    return tree->beyond > 0;
}

static void add_sums(struct tick_stack *s, const struct tap_sums *more)
{
    s->live_bytes += (double)more->live_bytes;
    s->live_blocks += (double)more->live_blocks;
    s->alloc_bytes += (double)more->alloc_bytes;
    s->alloc_blocks += (double)more->alloc_blocks;
}

// Sums of slots, brought together under the run's numbers.
static void sum_stacks(struct run_tap *t, struct run_tick *tick)
{
    size_t n_slots = tap_stacks_numbers(t->stacks, t->numbers), n = stack_table_count(t->table);
    if (t->cap_sums < n) {
        struct tick_stack *grown = realloc(t->sums, 2 * n * sizeof *grown);
        if (!grown)
            return;
        t->sums = grown;
        t->cap_sums = 2 * n;
    }
    memset(t->sums, 0, n * sizeof *t->sums);
    for (size_t i = 0; i < n; i++)
        t->sums[i].stack = (uint32_t)i;
    const struct tap_sums *by_slot = tap_live_sums(t->live), *of_maps = tap_live_map_sums(t->live);
    for (size_t i = 0; i < n_slots; i++) {
        uint32_t number = t->numbers[i] < n ? t->numbers[i] : 0;
        add_sums(&t->sums[number], &by_slot[i]);
        if (number) // "(other)" is of the heap
            add_sums(&t->sums[number], &of_maps[i]);
    }
    tick->stacks = malloc(n * sizeof *tick->stacks);
    if (!tick->stacks)
        return;
    memcpy(tick->stacks, t->sums, n * sizeof *tick->stacks);
    tick->n_stacks = n;
    tick->has_stacks = true;
}

static void tell_news(struct run_tap *t, struct run_tick *tick)
{
    const struct tap_counts *c = tap_live_counts(t->live);
    uint64_t lost = c->lost + t->missing;
    if (lost > t->told_lost) {
        tick_event(
            tick, E_LOST, tick->time, tick->time, (int64_t)(lost - t->told_lost),
            "Calls of the allocator came faster than they could be read; each may leave one block that counts as "
            "live, or hide one.");
        t->told_lost = lost;
    }
    if (t->ended && !t->told_ended) {
        tick_event(tick, E_DEGRADED, tick->time, tick->time, SEEP_UNKNOWN, t->why);
        t->told_ended = true;
    }
}

void tap_sample(struct run_tap *t, const struct linux_tree *tree, bool want_stacks, struct run_tick *tick,
                struct tap_totals *out)
{
    *out = (struct tap_totals){NAN, NAN, NAN, NAN, NAN, NAN};
    if (want_stacks)
        tap_stacks_settle(t->stacks, 200); // what was allocated just now belongs to a stack, not to (other)
    pthread_mutex_lock(&t->lock);
    tell_news(t, tick);
    if (!t->ended) {
        const struct tap_counts *c = tap_live_counts(t->live);
        tap_live_drop_dead(t->live, in_tree, (void *)tree);
        const struct tap_sums *by_slot = tap_live_sums(t->live);
        *out = (struct tap_totals){.live_bytes = 0,
                                   .live_blocks = 0,
                                   .allocs = (double)c->allocs,
                                   .alloc_bytes = (double)c->alloc_bytes,
                                   .doubt = (double)(tap_live_doubt(t->live) + t->late + t->missing),
                                   .map_doubt = (double)(tap_live_map_doubt(t->live) + t->late + t->missing)};
        for (size_t i = 0; i < TAP_SLOTS_MAX; i++) {
            out->live_bytes += (double)by_slot[i].live_bytes;
            out->live_blocks += (double)by_slot[i].live_blocks;
        }
        if (want_stacks)
            sum_stacks(t, tick);
    }
    bool watching = !t->ended;
    pthread_mutex_unlock(&t->lock);
    if (watching)
        tap_follow(t, t->proc_fd, tree);
}

void tap_set_epoch(struct run_tap *t, uint32_t epoch)
{
    pthread_mutex_lock(&t->lock);
    tap_live_set_epoch(t->live, epoch);
    pthread_mutex_unlock(&t->lock);
}

// ---- ages

int tap_take_ages(struct run_tap *t, struct seep_err *err)
{
    _Static_assert(TAP_EPOCHS == HEAP_EPOCHS + 1, "the same epochs as with the probe");
    size_t n_slots = tap_stacks_numbers(t->stacks, t->numbers), n = stack_table_count(t->table);
    double *bytes = calloc(n_slots * TAP_EPOCHS, sizeof *bytes), *blocks = calloc(n_slots * TAP_EPOCHS, sizeof *blocks);
    free(t->age_bytes);
    free(t->age_blocks);
    t->age_bytes = calloc(n * TAP_EPOCHS, sizeof *t->age_bytes);
    t->age_blocks = calloc(n * TAP_EPOCHS, sizeof *t->age_blocks);
    bool room = bytes && blocks && t->age_bytes && t->age_blocks;
    t->n_aged = room ? n : 0;
    if (room) {
        pthread_mutex_lock(&t->lock);
        tap_live_ages(t->live, n_slots, bytes, blocks);
        pthread_mutex_unlock(&t->lock);
    }
    const struct tap_sums *of_maps = tap_live_map_sums(t->live);
    for (size_t i = 0; room && i < n_slots * TAP_EPOCHS; i++) {
        if (of_maps[i / TAP_EPOCHS].alloc_blocks > 0 && t->numbers[i / TAP_EPOCHS] == 0)
            continue; // "(other)" is of the heap
        size_t number = t->numbers[i / TAP_EPOCHS] < n ? t->numbers[i / TAP_EPOCHS] : 0;
        t->age_bytes[number * TAP_EPOCHS + i % TAP_EPOCHS] += bytes[i];
        t->age_blocks[number * TAP_EPOCHS + i % TAP_EPOCHS] += blocks[i];
    }
    free(bytes);
    free(blocks);
    return room ? 0 : seep_fail(err, SEEP_E_SYSTEM, "There is no memory for survivor ages");
}

bool tap_ages_taken(const struct run_tap *t)
{
    return t->n_aged > 0;
}

int tap_each_age(const struct run_tap *t, heap_age_fn *each, void *ctx)
{
    for (size_t s = 0; s < t->n_aged; s++) {
        uint64_t bytes[TAP_EPOCHS], blocks[TAP_EPOCHS];
        bool any = false;
        for (size_t e = 0; e < TAP_EPOCHS; e++) {
            bytes[e] = (uint64_t)t->age_bytes[s * TAP_EPOCHS + e];
            blocks[e] = (uint64_t)t->age_blocks[s * TAP_EPOCHS + e];
            any |= bytes[e] || blocks[e];
        }
        if (any && each((uint32_t)s, bytes, blocks, TAP_EPOCHS, ctx))
            return -1;
    }
    return 0;
}

void tap_evidence(struct run_tap *t, struct tap_evidence *out)
{
    struct tap_stacks_counts s = tap_stacks_counts(t->stacks);
    pthread_mutex_lock(&t->lock);
    *out = (struct tap_evidence){.counts = *tap_live_counts(t->live),
                                 .late = t->late,
                                 .recognised = s.recognised,
                                 .unwound = s.unwound,
                                 .failed = s.failed,
                                 .unplaced = s.dropped,
                                 .events = t->n_descriptors,
                                 .means = t->means};
    out->counts.lost += t->missing;
    out->seconds = (double)((t->ended ? t->ended_ns : clock_mono_ns()) - t->began_ns) / 1e9;
    out->cost_s = t->cost_s;
    out->cost_measured = t->cost_measured;
    out->own_cpu_s = t->cpu_ns > 0 ? (double)t->cpu_ns / 1e9 : NAN;
    out->seen_per_s = out->seconds > 0 ? (double)out->counts.hits / out->seconds : NAN;
    snprintf(out->ended, sizeof out->ended, "%s", t->why);
    pthread_mutex_unlock(&t->lock);
}
