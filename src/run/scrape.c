// Scraped endpoints: see scrape.h.
#include "run/scrape.h"
#include "load/http_check.h"
#include "run/errand.h"
#include "run/state.h"
#include "scrape/expr.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_LIMIT (8u << 20)
#define RAW_MAX    512 // series of an endpoint that are kept as they are
#define ACCEPT     "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=1,*/*;q=0.1"

struct endpoint {
    struct run *run;
    const struct profile_scrape *want;
    struct run_errand errand;
    struct scrape_table table;
    struct scrape_expr **expr; // want->n_series
    double within_s;
    // Of the scrape under way, the thread's until it is done:
    struct run_tick *points; // only its points are used
    const char *series;      // being evaluated
    bool failed;
    char why[300];
    uint64_t left_out;
    // The loop's:
    int64_t tick; // that it was asked for
    bool said_failed, said_left_out;
    uint64_t late;
};

struct run_scrapes {
    struct endpoint *at;
    int n;
    struct run_tick *held; // waits for the answers
    uv_timer_t timer;
};

// ---- one scrape, on its thread

static void labels_for(const struct endpoint *p, const char *labels, char *out, size_t size)
{
    if (p->run->profile->n_scrapes > 1)
        snprintf(out, size, "%s%sscrape=\"%s\"", labels, *labels ? "," : "", p->want->name);
    else
        snprintf(out, size, "%s", labels);
}

static void add(struct endpoint *p, const char *name, const char *labels, enum store_series_kind kind, double value)
{
    char full[SCRAPE_NAME_BYTES + 16], own[SCRAPE_LABELS_BYTES + 80];
    snprintf(full, sizeof full, S_SCRAPED_PREFIX "%s", name);
    labels_for(p, labels, own, sizeof own);
    if (tick_point(p->points, full, own, UNIT_NONE, kind, value))
        p->left_out++;
}

static void take_result(const char *labels, double value, void *ctx)
{
    struct endpoint *p = ctx;
    add(p, p->series, labels, SERIES_GAUGE, value);
}

static bool is_kept(const struct profile_scrape *s, const char *name)
{
    for (int i = 0; i < s->n_metrics; i++)
        if (fnmatch(s->metrics[i], name, 0) == 0)
            return true;
    return false;
}

static bool is_wanted(const char *name, void *ctx)
{
    const struct endpoint *p = ctx;
    for (int i = 0; i < p->want->n_series; i++)
        if (scrape_expr_wants(p->expr[i], name))
            return true;
    return is_kept(p->want, name);
}

static void keep_raw(struct endpoint *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->table.n; i++) {
        const struct scrape_row *row = &p->table.row[i];
        if (!scrape_row_present(&p->table, row) || !is_kept(p->want, row->name))
            continue;
        if (kept++ >= RAW_MAX)
            p->left_out++;
        else
            add(p, row->name, row->labels, row->counter ? SERIES_COUNTER : SERIES_GAUGE,
                row->counter ? row->value : row->raw);
    }
}

static void make_points(struct endpoint *p, const struct seep_buf *body)
{
    struct scrape_counts counts;
    scrape_table_take(&p->table, body->data ? body->data : "", body->len, clock_mono_ns(), &counts);
    p->left_out = p->table.left_out;
    keep_raw(p);
    for (int i = 0; i < p->want->n_series; i++) {
        p->series = p->want->series[i].key;
        int rc = scrape_expr_eval(p->expr[i], &p->table, take_result, p);
        p->left_out += rc > 0 ? (uint64_t)rc : rc < 0;
    }
    if (counts.samples == 0) {
        p->failed = true;
        snprintf(p->why, sizeof p->why, "it answers without a single metric");
    }
}

static void scrape_work(void *ctx)
{
    struct endpoint *p = ctx;
    struct seep_err err = {0};
    struct seep_buf body;
    int status = 0;
    buf_init(&body, BODY_LIMIT);
    p->failed = false;
    p->left_out = 0;
    p->points = tick_new();
    char *url = p->points ? profile_expand_env(p->want->url, &err) : NULL;
    if (!url || load_http_get(url, ACCEPT, p->within_s, &status, &body, &err)) {
        p->failed = true;
        snprintf(p->why, sizeof p->why, "%.290s", url || err.text[0] ? err.text : "there is no memory");
    } else if (status != 200) {
        p->failed = true;
        snprintf(p->why, sizeof p->why, "it answers with status %d", status);
    } else {
        make_points(p, &body);
    }
    free(url);
    buf_free(&body);
}

// ---- on the loop

// Once when it stops to answer, and once when it answers again.
static void say(struct endpoint *p)
{
    if (p->failed != p->said_failed && p->failed)
        run_event_note(p->run, E_SCRAPE, "The endpoint '%s' gives no metrics: %.250s.", p->want->name, p->why);
    else if (p->failed != p->said_failed)
        run_event_note(p->run, E_SCRAPE, "The endpoint '%s' gives metrics again.", p->want->name);
    p->said_failed = p->failed;
    if (p->left_out && !p->said_left_out)
        run_event_note(p->run, E_DEGRADED, "The endpoint '%s' has more series than are kept: %llu were left out.",
                       p->want->name, (unsigned long long)p->left_out);
    p->said_left_out |= p->left_out > 0;
}

static void move_points(struct run_tick *to, struct run_tick *from)
{
    for (size_t i = 0; i < from->n_points; i++)
        tick_point(to, from->points[i].name, from->points[i].labels, from->points[i].unit, from->points[i].kind,
                   from->points[i].value);
}

static bool any_out(const struct run_scrapes *all, int64_t tick)
{
    for (int i = 0; i < all->n; i++)
        if (all->at[i].errand.busy && all->at[i].tick == tick)
            return true;
    return false;
}

void run_scrape_flush(struct run *r)
{
    struct run_scrapes *all = r->scrapes;
    if (!all || !all->held)
        return;
    struct run_tick *t = all->held;
    all->held = NULL;
    uv_timer_stop(&all->timer);
    run_store_tick(r, t);
}

static void scrape_done(void *ctx)
{
    struct endpoint *p = ctx;
    struct run_scrapes *all = p->run->scrapes;
    say(p);
    struct run_tick *held = all->held;
    bool in_time = held && held->index == p->tick;
    if (in_time && p->points)
        move_points(held, p->points);
    else if (!p->run->sampling && !in_time)
        p->late++;
    // The sample of its tick is not whole yet: it waits in `points` until then.
    bool early = !in_time && p->run->sampling && p->run->sampler.tick && p->run->sampler.tick->index == p->tick;
    if (!early) {
        tick_free(p->points);
        p->points = NULL;
    }
    if (in_time && !any_out(all, held->index))
        run_scrape_flush(p->run);
    run_after_job(p->run);
}

static void on_late(uv_timer_t *timer)
{
    run_scrape_flush(timer->data);
}

void run_scrape_tick(struct run *r)
{
    for (int i = 0; r->scrapes && i < r->scrapes->n; i++) {
        struct endpoint *p = &r->scrapes->at[i];
        if (p->errand.busy)
            continue; // it has not answered yet: this tick has a gap
        tick_free(p->points);
        p->points = NULL;
        p->tick = r->sampler.tick->index;
        run_errand_start(&p->errand);
    }
}

void run_scrape_hand_over(struct run *r, struct run_tick *t)
{
    struct run_scrapes *all = r->scrapes;
    if (!all) {
        run_store_tick(r, t);
        return;
    }
    run_scrape_flush(r);
    double patience = 0;
    for (int i = 0; i < all->n; i++) {
        struct endpoint *p = &all->at[i];
        if (!p->errand.busy && p->points && p->tick == t->index) {
            move_points(t, p->points);
            tick_free(p->points);
            p->points = NULL;
        }
        patience = fmax(patience, p->within_s);
    }
    if (!any_out(all, t->index)) {
        run_store_tick(r, t);
        return;
    }
    all->held = t;
    uv_update_time(&r->loop);
    uv_timer_start(&all->timer, on_late, (uint64_t)(patience * 1000) + 50, 0);
}

bool run_scrape_busy(const struct run *r)
{
    bool busy = r->scrapes && r->scrapes->held;
    for (int i = 0; r->scrapes && i < r->scrapes->n; i++)
        busy |= r->scrapes->at[i].errand.busy;
    return busy;
}

// ---- beginning and end

static int open_one(struct run *r, struct endpoint *p, struct seep_err *err)
{
    double longest = 0;
    const struct profile_scrape *s = p->want;
    p->run = r;
    p->within_s = fmax(0.05, fmin(s->within_s, r->interval_s * 0.9));
    p->expr = calloc((size_t)s->n_series + 1, sizeof(struct scrape_expr *));
    if (!p->expr)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for a scraped endpoint");
    for (int i = 0; i < s->n_series; i++) {
        if (scrape_expr_parse(s->series[i].value, &p->expr[i], NULL, err))
            return -1;
        longest = fmax(longest, scrape_expr_longest_s(p->expr[i]));
    }
    if (scrape_table_init(&p->table, longest, is_wanted, p) ||
        run_errand_open(&p->errand, &r->loop, scrape_work, scrape_done, p))
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for a scraped endpoint");
    return 0;
}

int run_scrape_open(struct run *r, struct seep_err *err)
{
    const struct profile *p = r->profile;
    if (p->n_scrapes == 0)
        return 0;
    r->scrapes = calloc(1, sizeof *r->scrapes);
    if (r->scrapes)
        r->scrapes->at = calloc((size_t)p->n_scrapes, sizeof *r->scrapes->at);
    if (!r->scrapes || !r->scrapes->at)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for scraped endpoints");
    uv_timer_init(&r->loop, &r->scrapes->timer);
    r->scrapes->timer.data = r;
    for (int i = 0; i < p->n_scrapes; i++) {
        r->scrapes->n++;
        r->scrapes->at[i].want = &p->scrapes[i];
        if (open_one(r, &r->scrapes->at[i], err))
            return -1;
    }
    return 0;
}

// At most as long as a scrape may take.
void run_scrape_join(struct run *r)
{
    for (int i = 0; r->scrapes && i < r->scrapes->n; i++)
        run_errand_join(&r->scrapes->at[i].errand);
}

void run_scrape_free(struct run *r)
{
    struct run_scrapes *all = r->scrapes;
    for (int i = 0; all && i < all->n; i++) {
        struct endpoint *p = &all->at[i];
        for (int k = 0; p->expr && k < p->want->n_series; k++)
            scrape_expr_free(p->expr[k]);
        free(p->expr);
        scrape_table_free(&p->table);
        tick_free(p->points);
    }
    if (all) {
        tick_free(all->held);
        free(all->at);
    }
    free(all);
    r->scrapes = NULL;
}
