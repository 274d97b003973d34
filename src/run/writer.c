// From ticks to the store: see writer.h.
#include "run/writer.h"
#include "base/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GENERATOR_POINTS 15
#define METRIC_POINTS    2
#define LOAD_POINTS      (13 + LOAD_ERRORS + TICK_QUANTILES + LOAD_CODES + 1) // most points of one scenario at one tick

int writer_init(struct run_writer *w, struct store *store, struct stack_table *table, struct seep_err *err)
{
    *w = (struct run_writer){.store = store, .table = table, .done_index = -1};
    if (uv_mutex_init(&w->lock))
        return seep_fail(err, SEEP_E_SYSTEM, "A lock cannot be made");
    return 0;
}

void writer_free(struct run_writer *w)
{
    if (!w->store)
        return;
    for (size_t i = 0; i < w->n_queued; i++)
        tick_free(w->queue[i]);
    while (w->metas) {
        struct writer_meta *next = w->metas->next;
        free(w->metas->value);
        free(w->metas);
        w->metas = next;
    }
    uv_mutex_destroy(&w->lock);
    free(w->module_id);
    free(w->stack_id);
    w->store = NULL;
}

void writer_put(struct run_writer *w, struct run_tick *t)
{
    uv_mutex_lock(&w->lock);
    if (w->n_queued == WRITER_QUEUE) {
        struct run_tick *oldest = w->queue[0];
        if (w->dropped++ == 0)
            w->dropped_from = oldest->time;
        w->dropped_to = oldest->time;
        tick_free(oldest);
        memmove(w->queue, w->queue + 1, --w->n_queued * sizeof *w->queue);
    }
    w->queue[w->n_queued++] = t;
    uv_mutex_unlock(&w->lock);
}

void writer_meta(struct run_writer *w, const char *key, const char *value)
{
    struct writer_meta *m = calloc(1, sizeof *m);
    char *copy = value ? strdup(value) : NULL;
    if (!m || (value && !copy)) {
        free(m);
        free(copy);
        return;
    }
    snprintf(m->key, sizeof m->key, "%s", key);
    m->value = copy;
    uv_mutex_lock(&w->lock);
    m->next = w->metas;
    w->metas = m;
    uv_mutex_unlock(&w->lock);
}

// In the order they were given: a later value of the same key wins.
static void flush_metas(struct run_writer *w)
{
    uv_mutex_lock(&w->lock);
    struct writer_meta *list = w->metas, *ordered = NULL;
    w->metas = NULL;
    uv_mutex_unlock(&w->lock);
    while (list) {
        struct writer_meta *next = list->next;
        list->next = ordered;
        ordered = list;
        list = next;
    }
    while (ordered) {
        struct writer_meta *next = ordered->next;
        store_set_meta(w->store, ordered->key, ordered->value, &w->err);
        free(ordered->value);
        free(ordered);
        ordered = next;
    }
}

int64_t writer_done(struct run_writer *w)
{
    uv_mutex_lock(&w->lock);
    int64_t index = w->done_index;
    uv_mutex_unlock(&w->lock);
    return index;
}

bool writer_waiting(struct run_writer *w)
{
    uv_mutex_lock(&w->lock);
    bool any = w->n_queued > 0 || w->metas;
    uv_mutex_unlock(&w->lock);
    return any;
}

// Makes room for index i in a table of ids (0: not written yet).
static bool id_slot(uint32_t **ids, size_t *cap, size_t i)
{
    if (i < *cap)
        return true;
    size_t want = *cap ? *cap : 256;
    while (want <= i)
        want *= 2;
    uint32_t *grown = realloc(*ids, want * sizeof *grown);
    if (!grown)
        return false;
    memset(grown + *cap, 0, (want - *cap) * sizeof *grown);
    *ids = grown;
    *cap = want;
    return true;
}

static uint32_t module_id(struct run_writer *w, size_t index)
{
    if (!id_slot(&w->module_id, &w->cap_modules, index))
        return 0;
    if (w->module_id[index] == 0) {
        struct stack_table_module m = stack_table_module(w->table, index);
        struct store_module sm = {.path = m.path, .build_id = m.build_id, .size = m.size};
        if (store_module(w->store, &sm, &w->module_id[index], &w->err))
            w->module_id[index] = 0;
    }
    return w->module_id[index];
}

static uint32_t stack_id(struct run_writer *w, uint32_t stack)
{
    if (!id_slot(&w->stack_id, &w->cap_stacks, stack))
        return 0;
    if (w->stack_id[stack])
        return w->stack_id[stack];
    struct stack_table_stack s = stack_table_stack(w->table, stack);
    struct store_frame frames[256];
    size_t n = s.n_frames < 256 ? s.n_frames : 256;
    for (size_t i = 0; i < n; i++) {
        frames[i] = s.frames[i];
        if (frames[i].module)
            frames[i].module = module_id(w, frames[i].module - 1);
    }
    if (store_stack(w->store, s.flags, frames, n, &w->stack_id[stack], &w->err))
        w->stack_id[stack] = 0;
    return w->stack_id[stack];
}

uint32_t writer_stack_id(const struct run_writer *w, uint32_t stack)
{
    return stack < w->cap_stacks ? w->stack_id[stack] : 0;
}

static void add_point(struct run_writer *w, struct store_point *points, size_t *n, uint32_t *id, const char *name,
                      const char *labels, enum seep_unit unit, enum store_series_kind kind, double value)
{
    if (isnan(value))
        return;
    uint32_t local = 0;
    uint32_t *slot = id ? id : &local;
    if (*slot == 0 && store_series(w->store, name, labels, units_name(unit), kind, slot, &w->err))
        return;
    points[(*n)++] = (struct store_point){.series = *slot, .value = value};
}

static void code_points(struct run_writer *w, const struct tick_load *l, struct store_point *points, size_t *n)
{
    char name[64];
    for (uint32_t i = 0; i < l->codes.n; i++) {
        snprintf(name, sizeof name, S_HTTP_STATUS_PREFIX "%d", l->codes.code[i]);
        add_point(w, points, n, NULL, name, l->labels, UNIT_NONE, SERIES_COUNTER, (double)l->codes.count[i]);
    }
    if (l->codes.other)
        add_point(w, points, n, NULL, S_HTTP_STATUS_PREFIX "other", l->labels, UNIT_NONE, SERIES_COUNTER,
                  (double)l->codes.other);
}

static void count_points(struct run_writer *w, const struct tick_load *l, struct store_point *points, size_t *n)
{
    const struct load_counts *c = &l->counts;
    const char *labels = l->labels;
    bool transaction = l->kind == LOAD_SERIES_TRANSACTION;
    const struct {
        const char *name;
        enum seep_unit unit;
        uint64_t value;
    } rows[] = {
        {S_HTTP_REQUESTS, UNIT_NONE, transaction ? c->passes : c->completed},
        {S_HTTP_ERRORS, UNIT_NONE, transaction ? c->passes_failed : load_errors(c)},
        {S_HTTP_OK, UNIT_NONE, c->ok},
        {S_HTTP_OFFERED, UNIT_NONE, c->offered},
        {S_HTTP_STARTED, UNIT_NONE, c->started},
        {S_HTTP_DROPPED, UNIT_NONE, c->dropped},
        {S_HTTP_CANCELLED, UNIT_NONE, c->cancelled},
        {S_HTTP_LATE, UNIT_NONE, c->late},
        {S_HTTP_LATE_SELF, UNIT_NONE, c->late_self},
        {S_HTTP_SENT, UNIT_BYTES, c->sent_bytes},
        {S_HTTP_RECEIVED, UNIT_BYTES, c->received_bytes},
        {S_LOAD_ITERATIONS, UNIT_NONE, c->passes},
        {S_LOAD_FAILED, UNIT_NONE, c->passes_failed},
    };
    for (size_t i = 0; i < (transaction ? 2 : sizeof rows / sizeof *rows); i++)
        add_point(w, points, n, NULL, rows[i].name, labels, rows[i].unit, SERIES_COUNTER, (double)rows[i].value);
    for (int kind = 0; kind < LOAD_ERRORS; kind++) {
        char name[64];
        snprintf(name, sizeof name, S_HTTP_ERROR_PREFIX "%s", load_error_name((enum load_error)kind));
        if (c->error[kind])
            add_point(w, points, n, NULL, name, labels, UNIT_NONE, SERIES_COUNTER, (double)c->error[kind]);
    }
}

static void write_window(struct run_writer *w, const struct run_tick *t, const char *name, const char *of,
                         const struct seep_buf *window)
{
    char labels[LOAD_LABELS_MAX + 32];
    if (!window->len || window->failed)
        return;
    snprintf(labels, sizeof labels, H_WINDOW_LABELS, of, of[0] ? "," : "", (long long)t->index);
    store_histogram(w->store, name, labels, window->data, window->len, &w->err);
}

static void metric_points(struct run_writer *w, const struct run_tick *t, const struct tick_metric *m,
                          struct store_point *points, size_t *n)
{
    const char *labels = m->metric.labels;
    add_point(w, points, n, NULL, S_METRIC_TOTAL, labels, UNIT_NONE, SERIES_COUNTER, (double)m->counts.total);
    if (m->metric.kind == METRIC_RATE)
        add_point(w, points, n, NULL, S_METRIC_HITS, labels, UNIT_NONE, SERIES_COUNTER, (double)m->counts.hits);
    else
        add_point(w, points, n, NULL, S_METRIC_SUM, labels, m->metric.unit, SERIES_COUNTER, m->counts.sum);
    write_window(w, t, H_METRIC_WINDOW, labels, &m->window);
}

static void load_points(struct run_writer *w, const struct run_tick *t, const struct tick_load *l,
                        struct store_point *points, size_t *n)
{
    static const char *const quantiles[TICK_QUANTILES] = {S_HTTP_P50, S_HTTP_P90, S_HTTP_P95, S_HTTP_P99, S_HTTP_P999};
    count_points(w, l, points, n);
    code_points(w, l, points, n);
    for (int q = 0; q < TICK_QUANTILES; q++)
        add_point(w, points, n, NULL, quantiles[q], l->labels, UNIT_SECONDS, SERIES_GAUGE, l->quantile_s[q]);
    write_window(w, t, H_HTTP_WINDOW, l->labels, &l->window);
}

static void generator_points(struct run_writer *w, const struct load_generator *g, struct store_point *points,
                             size_t *n)
{
    const struct {
        const char *name;
        enum seep_unit unit;
        enum store_series_kind kind;
        double value;
    } rows[GENERATOR_POINTS] = {
        {S_LOAD_RUNNING, UNIT_SECONDS, SERIES_COUNTER, (double)g->running_ns / 1e9},
        {S_LOAD_CPU, UNIT_SECONDS, SERIES_COUNTER, (double)g->cpu_us / 1e6},
        {S_LOAD_BUSIEST, UNIT_SECONDS, SERIES_COUNTER, (double)g->busiest_us / 1e6},
        {S_LOAD_WORKERS, UNIT_NONE, SERIES_GAUGE, g->workers},
        {S_LOAD_LOST, UNIT_NONE, SERIES_GAUGE, g->lost},
        {S_LOAD_PROGRAMS, UNIT_NONE, SERIES_COUNTER, g->programs},
        {S_LOAD_PROGRAMS_FAILED, UNIT_NONE, SERIES_COUNTER, g->programs_failed},
        {S_LOAD_RSS, UNIT_BYTES, SERIES_GAUGE, (double)g->rss_bytes},
        {S_LOAD_CONNECTIONS, UNIT_NONE, SERIES_COUNTER, (double)g->connections},
        {S_LOAD_RETRIED, UNIT_NONE, SERIES_COUNTER, (double)g->retried},
        {S_LOAD_LAG_COUNT, UNIT_NONE, SERIES_COUNTER, (double)g->lag_count},
        {S_LOAD_LAG_SUM, UNIT_SECONDS, SERIES_COUNTER, (double)g->lag_sum_us / 1e6},
        {S_LOAD_LAG_MAX, UNIT_SECONDS, SERIES_GAUGE, (double)g->lag_max_us / 1e6},
        {S_LOAD_FULL, UNIT_SECONDS, SERIES_COUNTER, (double)g->full_us / 1e6},
        {S_LOAD_TARGET_RATE, UNIT_PER_SECOND, SERIES_GAUGE, g->target_rate_per_s},
    };
    for (size_t i = 0; g->at_ns && i < GENERATOR_POINTS; i++)
        add_point(w, points, n, NULL, rows[i].name, "", rows[i].unit, rows[i].kind, rows[i].value);
}

static size_t all_points(struct run_writer *w, const struct run_tick *t, struct store_point *points)
{
    size_t n = 0;
    for (size_t i = 0; i < RUN_SERIES_N; i++) {
        const struct run_series_info *info = &run_series_table[i];
        add_point(w, points, &n, &w->series_id[i], info->name, "", info->unit, info->kind, t->value[i]);
    }
    for (size_t k = 0; k < LINUX_FD_KINDS; k++) {
        char name[32];
        snprintf(name, sizeof name, S_FD_PREFIX "%s", linux_fd_names[k]);
        add_point(w, points, &n, &w->fd_id[k], name, "", UNIT_NONE, SERIES_GAUGE, t->fd_kind[k]);
    }
    for (size_t i = 0; i < t->n_loads; i++)
        load_points(w, t, &t->loads[i], points, &n);
    for (size_t i = 0; i < t->n_metrics; i++)
        metric_points(w, t, &t->metrics[i], points, &n);
    generator_points(w, &t->generator, points, &n);
    for (size_t i = 0; i < t->n_points; i++) {
        const struct tick_point *p = &t->points[i];
        add_point(w, points, &n, NULL, p->name, p->labels, p->unit, p->kind, p->value);
    }
    return n;
}

static size_t all_stacks(struct run_writer *w, const struct run_tick *t, struct store_stack_point *out)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_stacks; i++) {
        const struct tick_stack *s = &t->stacks[i];
        uint32_t id = stack_id(w, s->stack);
        if (id)
            out[n++] = (struct store_stack_point){.stack = id,
                                                  .live_bytes = s->live_bytes,
                                                  .live_blocks = s->live_blocks,
                                                  .alloc_bytes = s->alloc_bytes,
                                                  .alloc_blocks = s->alloc_blocks,
                                                  .variance = s->variance};
    }
    return n;
}

static int write_tick(struct run_writer *w, const struct run_tick *t)
{
    size_t max_points = RUN_SERIES_N + LINUX_FD_KINDS + t->n_loads * LOAD_POINTS + t->n_metrics * METRIC_POINTS +
                        GENERATOR_POINTS + t->n_points;
    struct store_point *points = malloc(max_points * sizeof *points);
    struct store_stack_point *stacks = malloc((t->n_stacks + 1) * sizeof *stacks);
    struct store_event *events = malloc((t->n_events + 1) * sizeof *events);
    int rc = -1;
    if (points && stacks && events) {
        for (size_t i = 0; i < t->n_events; i++)
            events[i] = (struct store_event){.kind = t->events[i].kind,
                                             .from = t->events[i].from,
                                             .to = t->events[i].to,
                                             .count = t->events[i].count,
                                             .text = t->events[i].text};
        struct store_tick st = {.index = t->index,
                                .time = t->time,
                                .phase = t->phase,
                                .late_ns = t->late_ns,
                                .missed = t->missed,
                                .points = points,
                                .n_points = all_points(w, t, points),
                                .stacks = stacks,
                                .n_stacks = all_stacks(w, t, stacks),
                                .events = events,
                                .n_events = t->n_events};
        rc = store_write_tick(w->store, &st, &w->err);
    } else {
        seep_fail(&w->err, SEEP_E_SYSTEM, "There is no memory to write a tick");
    }
    free(points);
    free(stacks);
    free(events);
    return rc;
}

static void tell_dropped(struct run_writer *w)
{
    uv_mutex_lock(&w->lock);
    int64_t n = w->dropped;
    struct store_event e = {.kind = E_GAP,
                            .from = w->dropped_from,
                            .to = w->dropped_to,
                            .count = n,
                            .text = "The store could not keep up; the ticks that waited longest were given up."};
    w->dropped = 0;
    uv_mutex_unlock(&w->lock);
    if (n > 0 && store_write_event(w->store, &e, &w->err) < 0) {
        uv_mutex_lock(&w->lock);
        w->dropped += n;
        w->dropped_from = e.from;
        uv_mutex_unlock(&w->lock);
    }
}

void writer_flush(struct run_writer *w)
{
    flush_metas(w);
    for (;;) {
        uv_mutex_lock(&w->lock);
        struct run_tick *t = w->n_queued ? w->queue[0] : NULL;
        if (t)
            memmove(w->queue, w->queue + 1, --w->n_queued * sizeof *w->queue);
        uv_mutex_unlock(&w->lock);
        if (!t)
            break;
        int rc = write_tick(w, t);
        w->waiting = rc == 1;
        if (rc < 0) {
            w->failures++;
            uv_mutex_lock(&w->lock);
            if (w->dropped++ == 0)
                w->dropped_from = t->time;
            w->dropped_to = t->time;
            uv_mutex_unlock(&w->lock);
        } else {
            w->failures = 0;
            if (rc == 0)
                w->err.code = SEEP_OK;
            uv_mutex_lock(&w->lock);
            w->done_index = t->index;
            w->done_count++;
            uv_mutex_unlock(&w->lock);
        }
        tick_free(t);
    }
    if (w->dropped > 0)
        tell_dropped(w);
}

#define PLACE_EVERY_NS 60000000000ll

void writer_check_place(struct run_writer *w)
{
    struct seep_time now = clock_read();
    struct seep_err err = {0};
    if (now.mono_ns - w->place_at_ns < PLACE_EVERY_NS)
        return;
    w->place_at_ns = now.mono_ns;
    enum store_place place = store_check_place(w->store, &err);
    if (place == w->place)
        return;
    w->place = place;
    struct store_event e = {.kind = E_DEGRADED,
                            .from = now,
                            .to = now,
                            .count = SEEP_UNKNOWN,
                            .text = place == STORE_PLACE_SAME ? "The run directory is where it was again." : err.text};
    store_write_event(w->store, &e, &w->err);
}
