// What the memory scan takes from a tap: the blocks of one process, and which process has most of a stack. See tap.h.
#include "base/clock.h"
#include "run/tap_priv.h"
#include "scan/scan.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define SHARES_MAX 512 // pairs of stack and process that are told apart

// Waits until everything from before now has been counted.
static int catch_up(struct run_tap *t)
{
    int64_t now = clock_mono_ns(), end = now + TAP_CATCH_UP_MS * 1000000ll;
    for (;; poll(NULL, 0, TAP_ROUND_MS / 4)) {
        pthread_mutex_lock(&t->lock);
        bool there = t->seen_ns > now, ended = t->ended;
        pthread_mutex_unlock(&t->lock);
        if (there || ended)
            return there && !ended ? 0 : -1;
        if (clock_mono_ns() > end)
            return -1;
    }
}

struct listing {
    const struct run_tap *t;
    struct scan_list *list;
    const uint32_t *number;
    size_t n_slots;
};

static int list_one(pid_t pid, uint64_t address, uint64_t bytes, uint32_t slot, uint32_t epoch, void *ctx)
{
    struct listing *l = ctx;
    (void)pid;
    struct wire_block b = {
        .address = address, .bytes = bytes, .stack = slot < l->n_slots ? l->number[slot] : 0, .epoch = epoch};
    return scan_list_add(l->list, &b);
}

int tap_list(struct run_tap *t, pid_t pid, struct scan_list *list)
{
    static const char glibc[] = "glibc";
    uint32_t *number = malloc(TAP_SLOTS_MAX * sizeof *number);
    if (!number || catch_up(t)) {
        free(number);
        return -1;
    }
    struct listing l = {t, list, number, tap_stacks_numbers(t->stacks, number)};
    pthread_mutex_lock(&t->lock);
    struct scan_list_head head = {.epoch = tap_live_epoch(t->live),
                                  .glibc = strncmp(t->points.allocator, glibc, sizeof glibc - 1) == 0,
                                  .missed = tap_live_missed(t->live) + t->late + t->missing};
    int rc = t->ended || scan_list_begin(list, &head) ? -1 : tap_live_each(t->live, pid, list_one, &l);
    pthread_mutex_unlock(&t->lock);
    free(number);
    return rc;
}

// ---- who has most

struct share {
    size_t which;
    pid_t pid;
    double bytes;
};

struct shares {
    uint8_t *of_slot; // 1 + index of the stack asked for; 0: none of them
    struct share share[SHARES_MAX];
    size_t n, last;
};

static int add_share(pid_t pid, uint64_t address, uint64_t bytes, uint32_t slot, uint32_t epoch, void *ctx)
{
    struct shares *s = ctx;
    (void)address, (void)epoch;
    if (!s->of_slot[slot])
        return 0;
    size_t which = s->of_slot[slot] - 1u, i = s->last;
    if (i >= s->n || s->share[i].which != which || s->share[i].pid != pid)
        for (i = 0; i < s->n && (s->share[i].which != which || s->share[i].pid != pid);)
            i++;
    if (i == s->n && i < SHARES_MAX)
        s->share[s->n++] = (struct share){.which = which, .pid = pid};
    if (i < s->n)
        s->share[i].bytes += (double)bytes;
    s->last = i;
    return 0;
}

static void ask_slots(struct run_tap *t, const struct tap_most *most, size_t n, uint32_t *number, struct shares *s)
{
    size_t slots = tap_stacks_numbers(t->stacks, number);
    for (size_t i = 0; i < slots; i++)
        for (size_t k = 0; k < n && k < UINT8_MAX && number[i] && !s->of_slot[i]; k++)
            s->of_slot[i] = most[k].number == number[i] ? (uint8_t)(k + 1) : 0;
}

void tap_find_most(struct run_tap *t, struct tap_most *most, size_t n)
{
    struct shares *s = calloc(1, sizeof *s);
    uint32_t *number = malloc(TAP_SLOTS_MAX * sizeof *number);
    for (size_t i = 0; i < n; i++)
        most[i].pid = 0, most[i].bytes = 0;
    if (s && number && (s->of_slot = calloc(TAP_SLOTS_MAX, 1)) != NULL) {
        ask_slots(t, most, n, number, s);
        pthread_mutex_lock(&t->lock);
        if (!t->ended)
            tap_live_each(t->live, 0, add_share, s);
        pthread_mutex_unlock(&t->lock);
        for (size_t i = 0; i < s->n; i++)
            if (s->share[i].bytes > most[s->share[i].which].bytes) {
                most[s->share[i].which].pid = s->share[i].pid;
                most[s->share[i].which].bytes = s->share[i].bytes;
            }
        free(s->of_slot);
    }
    free(number);
    free(s);
}
