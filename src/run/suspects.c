// Choosing suspects and having them scanned: see suspects.h.
#include "run/suspects.h"

#include "linux/hold.h"
#include "run/tap.h"
#include "seep_wire.h"
#include "wire/wire.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Later ones are a case of their own, with scans of their own: they must be worth it.
#define GROWTH_FIRST_BYTES 256.0
#define GROWTH_LATER_BYTES 4096.0
#define GROWTH_LATER_SHARE 0.002 // of all growth
#define BLOCKS_MIN         4.0

void suspects_free(struct run_suspects *s)
{
    for (size_t i = 0; i < s->n_cases; i++)
        scan_case_free(s->cases[i].scan);
    free(s->then);
    memset(s, 0, sizeof *s);
}

void suspects_remember(struct run_suspects *s, const struct run_tick *t)
{
    double *then = malloc((t->n_stacks + 1) * sizeof *then);
    if (!then || !t->has_stacks) {
        free(then);
        return;
    }
    for (size_t i = 0; i < t->n_stacks; i++)
        then[i] = t->stacks[i].live_bytes;
    free(s->then);
    s->then = then;
    s->n_then = t->n_stacks;
    s->has_then = true;
}

// ---- which stacks

struct choice {
    uint32_t number;
    double growth;
    // The process with most of it.
    uint32_t region, id;
    double bytes;
};

struct choosing {
    struct choice choice[SUSPECTS_MOST]; // most growth first
    size_t n;
};

static bool known_already(const struct run_suspects *s, uint32_t number)
{
    for (size_t i = 0; i < s->n_cases; i++)
        for (size_t k = 0; k < s->cases[i].n; k++)
            if (s->cases[i].number[k] == number)
                return true;
    return false;
}

static void offer(struct choosing *c, uint32_t number, double growth)
{
    size_t at = c->n;
    while (at > 0 && c->choice[at - 1].growth < growth)
        at--;
    if (at == SUSPECTS_MOST)
        return;
    c->n += c->n < SUSPECTS_MOST;
    memmove(&c->choice[at + 1], &c->choice[at], (c->n - at - 1) * sizeof *c->choice);
    c->choice[at] = (struct choice){.number = number, .growth = growth};
}

static void most_grown(const struct run_suspects *s, const struct run_tick *t, struct choosing *c)
{
    double all = 0, least = GROWTH_FIRST_BYTES;
    for (size_t i = 1; i < t->n_stacks; i++) { // 0 is "(other)"
        double growth = t->stacks[i].live_bytes - (i < s->n_then ? s->then[i] : 0);
        all += growth > 0 ? growth : 0;
    }
    if (s->n_cases > 0)
        least = GROWTH_LATER_SHARE * all > GROWTH_LATER_BYTES ? GROWTH_LATER_SHARE * all : GROWTH_LATER_BYTES;
    for (size_t i = 1; i < t->n_stacks; i++) {
        double growth = t->stacks[i].live_bytes - (i < s->n_then ? s->then[i] : 0);
        if (growth >= least && t->stacks[i].live_blocks >= BLOCKS_MIN && !known_already(s, t->stacks[i].stack))
            offer(c, t->stacks[i].stack, growth);
    }
}

static void find_process(const struct heap_view *v, void *ctx)
{
    struct choosing *c = ctx;
    for (size_t i = 0; i < v->n_stacks; i++) {
        const struct wire_stack *s = &v->stack[i];
        for (size_t k = 0; k < c->n && s->id < v->n_number; k++)
            if (v->number[s->id] == c->choice[k].number && s->klass == SEEP_CLASS_HEAP &&
                s->live_bytes > c->choice[k].bytes) {
                c->choice[k].region = v->region;
                c->choice[k].id = s->id;
                c->choice[k].bytes = s->live_bytes;
            }
    }
}

// ---- one process

struct opening {
    struct run_suspects *s;
    const struct choosing *c;
    int proc_fd;
};

static void open_case(const struct heap_view *v, void *ctx)
{
    struct opening *o = ctx;
    struct suspects_case *k = &o->s->cases[o->s->n_cases];
    uint32_t id[SCAN_SUSPECTS_MAX];
    if (o->s->n_cases == SUSPECTS_CASES)
        return;
    *k = (struct suspects_case){.region = v->region};
    for (size_t i = 0; i < o->c->n && k->n < SCAN_SUSPECTS_MAX; i++)
        if (o->c->choice[i].region == v->region && o->c->choice[i].bytes > 0) {
            id[k->n] = o->c->choice[i].id;
            k->number[k->n++] = o->c->choice[i].number;
        }
    if (k->n == 0)
        return;
    // After `seep resume` the supervisor is no ancestor of the target: only the keeper may open its memory then.
    struct seep_err err = {0};
    int memory = linux_memory_open(o->proc_fd, v->pid, &err);
    if (memory < 0 && v->memory_fd >= 0)
        memory = dup(v->memory_fd);
    if (memory < 0)
        o->s->err = err;
    int region = memory >= 0 ? dup(v->region_fd) : -1;
    if (region >= 0)
        k->scan = scan_case_new(region, memory, v->pid, id, k->n, &o->s->err);
    else if (memory >= 0)
        close(memory);
    o->s->n_cases += k->scan != NULL;
}

void suspects_choose(struct run_suspects *s, struct run_heap *h, int proc_fd, const struct run_tick *t)
{
    struct choosing c = {.n = 0};
    struct opening o = {s, &c, proc_fd};
    if (!t->has_stacks || !s->has_then)
        return;
    most_grown(s, t, &c);
    heap_each_region(h, find_process, &c);
    if (c.n > 0)
        heap_each_region(h, open_case, &o);
}

// ---- the same, watched from outside

static int fill(struct scan_list *list, void *ctx)
{
    struct suspects_case *k = ctx;
    return tap_list(k->tap, k->pid, list);
}

static void open_tapped(struct run_suspects *s, struct run_tap *tap, pid_t pid, const struct tap_most *most, size_t n,
                        int proc_fd)
{
    struct suspects_case *k = &s->cases[s->n_cases];
    if (s->n_cases == SUSPECTS_CASES)
        return;
    *k = (struct suspects_case){.tap = tap, .pid = pid};
    for (size_t i = 0; i < n && k->n < SCAN_SUSPECTS_MAX; i++)
        if (most[i].pid == pid)
            k->number[k->n++] = most[i].number;
    int memory = linux_memory_open(proc_fd, pid, &s->err);
    if (memory >= 0)
        k->scan = scan_case_new_listed(fill, k, memory, pid, k->number, k->n, &s->err);
    s->n_cases += k->scan != NULL;
}

void suspects_choose_tapped(struct run_suspects *s, struct run_tap *tap, int proc_fd, const struct run_tick *t)
{
    struct choosing c = {.n = 0};
    struct tap_most most[SUSPECTS_MOST];
    if (!t->has_stacks || !s->has_then)
        return;
    most_grown(s, t, &c);
    for (size_t i = 0; i < c.n; i++)
        most[i].number = c.choice[i].number;
    tap_find_most(tap, most, c.n);
    for (size_t i = 0; i < c.n; i++) {
        size_t first = 0; // of its process
        while (most[first].pid != most[i].pid)
            first++;
        if (first == i && most[i].pid)
            open_tapped(s, tap, most[i].pid, most, c.n, proc_fd);
    }
}

// ---- scanning

void suspects_scan(struct run_suspects *s, double limit_s)
{
    s->trouble = SCAN_FINE;
    s->steps++;
    for (size_t i = 0; i < s->n_cases; i++) {
        enum scan_trouble trouble = SCAN_FINE;
        double cpu_s = 0;
        if (scan_case_run(s->cases[i].scan, "/proc/self/exe", limit_s, &trouble, &cpu_s, &s->err))
            trouble = SCAN_CRASHED;
        s->cpu_s += cpu_s;
        if (trouble != SCAN_FINE) {
            s->trouble = trouble;
            s->trouble_pid = scan_case_pid(s->cases[i].scan);
        }
    }
}

void suspects_each(const struct run_suspects *s, suspects_fn *fn, void *ctx)
{
    for (size_t i = 0; i < s->n_cases; i++)
        for (size_t k = 0; k < s->cases[i].n; k++) {
            struct scan_sum sum;
            uint32_t id;
            scan_case_sum(s->cases[i].scan, k, &id, &sum);
            if (sum.scans > 0)
                fn(s->cases[i].number[k], &s->cases[i], &sum, ctx);
        }
}
