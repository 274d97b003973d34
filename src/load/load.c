// The supervisor's side of the load: starts the workers, adds up what they say, notices when they are gone.
//
// Each worker is a link (link.h), which checks what it says; here their parts come together. The workers' sockets hang
// on one epoll descriptor, so that there is one to poll however many there are.
#include "load/load.h"
#include "base/check.h"
#include "base/clock.h"
#include "load/link.h"
#include "load/minutes.h"
#include "load/proto.h"
#include "load/rng.h"
#include "load/summary.h"
#include "load/tally.h"
#include "load/together.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

enum { EVENTS = 64, NOTES_SEEN = 256 };
#define HEAD_START_NS 50000000 // with several workers: so that each has its word to begin before the moment comes

static const unsigned load_magic = 0x6c6f6164;

struct series { // sums over the workers
    struct load_counts counts;
    struct load_codes codes;
    struct load_hist hist[LOAD_HIST_KINDS];
};

struct metric { // likewise
    struct load_metric_counts counts;
    struct load_hist values;
};

struct event {
    int level;
    char text[640];
};

struct load {
    unsigned magic;
    enum load_state state;
    struct load_link *link;
    int n_links, lost;
    int epoll_fd; // -1 once all are lost
    struct load_together together;
    struct load_series_table table;
    struct series *series; // table.n
    struct load_metric_table metrics;
    struct metric *metric; // metrics.n
    struct load_generator generator;
    struct load_minutes minutes;
    struct event event[EVENTS], told;
    int first_event, n_events;
    unsigned events_lost;
    uint64_t note[NOTES_SEEN]; // hashes of what workers said, so that all of them saying it makes one event
    int n_notes;
    struct load_rng rng;
};

static const char *const state_names[] = {"starting", "ready", "running", "stopping", "stopped", "lost"};
static const char *const error_names[LOAD_ERRORS] = {
    [LOAD_ERR_DNS] = "dns",
    [LOAD_ERR_REFUSED] = "refused",
    [LOAD_ERR_CONNECT] = "connect",
    [LOAD_ERR_TLS] = "tls",
    [LOAD_ERR_RESET] = "reset",
    [LOAD_ERR_CLOSED] = "closed",
    [LOAD_ERR_TIMEOUT] = "timeout",
    [LOAD_ERR_PROTOCOL] = "protocol",
    [LOAD_ERR_HEAD] = "head_too_large",
    [LOAD_ERR_BODY] = "too_large",
    [LOAD_ERR_DECODE] = "decode",
    [LOAD_ERR_HOST] = "host",
    [LOAD_ERR_REDIRECTS] = "redirects",
    [LOAD_ERR_STATUS] = "status",
    [LOAD_ERR_CHECK] = "check",
    [LOAD_ERR_EXTRACT] = "extract",
    [LOAD_ERR_SLOW] = "slow",
    [LOAD_ERR_REQUEST] = "request",
    [LOAD_ERR_BACK_OFF] = "back_off",
    [LOAD_ERR_LOCAL] = "local",
};

const char *load_state_name(enum load_state state)
{
    return state_names[state];
}

const char *load_error_name(enum load_error kind)
{
    return error_names[kind];
}

uint64_t load_errors(const struct load_counts *c)
{
    uint64_t sum = 0;
    for (int i = 0; i < LOAD_ERRORS; i++)
        sum += c->error[i];
    return sum;
}

double load_duration_s(const struct profile *p)
{
    double longest_s = 0;
    for (int i = 0; i < p->n_loads; i++) {
        const struct profile_load *l = &p->loads[i];
        if (!(l->duration_s > 0))
            return p->run.duration_s;
        longest_s = fmax(longest_s, l->start_s + l->duration_s);
    }
    return p->n_loads ? longest_s : p->run.duration_s;
}

// ---- events ---------------------------------------------------------------------------------------------------------

__attribute__((format(printf, 3, 4))) static void tell(struct load *l, int level, const char *fmt, ...)
{
    if (l->n_events == EVENTS) {
        l->events_lost++;
        return;
    }
    struct event *e = &l->event[(l->first_event + l->n_events++) % EVENTS];
    e->level = level;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
}

bool load_next_event(struct load *l, struct load_event *event)
{
    if (l->n_events) {
        l->told = l->event[l->first_event];
        l->first_event = (l->first_event + 1) % EVENTS;
        l->n_events--;
    } else if (l->events_lost) {
        l->told.level = 1;
        snprintf(l->told.text, sizeof l->told.text, "%u more events of the load were not kept.", l->events_lost);
        l->events_lost = 0;
    } else {
        return false;
    }
    *event = (struct load_event){.level = l->told.level, .text = l->told.text};
    return true;
}

static uint64_t hash_of(const char *text)
{
    uint64_t h = 14695981039346656037u; // FNV-1a
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h;
}

static bool said_before(struct load *l, const char *text)
{
    uint64_t h = hash_of(text);
    for (int i = 0; i < l->n_notes; i++)
        if (l->note[i] == h)
            return true;
    if (l->n_notes < NOTES_SEEN)
        l->note[l->n_notes++] = h;
    return false;
}

static void on_text(void *ctx, int level, const char *text)
{
    struct load *l = ctx;
    if (l->n_links == 1 || !said_before(l, text))
        tell(l, level, "%s", text);
}

// ---- adding up ------------------------------------------------------------------------------------------------------

static void on_hist(void *ctx, int series, int kind, const struct load_hist *h)
{
    struct load *l = ctx;
    for (int at = series; at >= 0; at = kind == LOAD_PASS ? -1 : l->table.row[at].parent)
        hist_merge(&l->series[at].hist[kind], h);
}

static void on_values(void *ctx, int metric, const struct load_hist *h)
{
    struct load *l = ctx;
    hist_merge(&l->metric[metric].values, h);
}

static void on_setup(void *ctx, struct load_link *from, uint32_t load, int fd)
{
    struct load *l = ctx;
    if (load <= INT_MAX)
        together_setup(&l->together, l->link, (int)(from - l->link), (int)load, fd);
}

static void on_over(void *ctx, struct load_link *from, uint32_t load)
{
    struct load *l = ctx;
    if (load <= INT_MAX)
        together_part_over(&l->together, l->link, (int)(from - l->link), (int)load);
}

static void add_up_metrics(struct load *l)
{
    for (int i = 0; i < l->metrics.n; i++) {
        struct load_metric_counts *sum = &l->metric[i].counts;
        *sum = (struct load_metric_counts){0};
        for (int w = 0; w < l->n_links; w++) {
            const struct load_metric_counts *c = &l->link[w].metric[i];
            sum->total += c->total;
            sum->hits += c->hits;
            sum->sum += c->sum;
        }
    }
}

static void add_generator(struct load_generator *sum, const struct load_generator *g)
{
    sum->running_ns = g->running_ns > sum->running_ns ? g->running_ns : sum->running_ns;
    sum->busiest_us = g->cpu_us > sum->busiest_us ? g->cpu_us : sum->busiest_us;
    sum->lag_max_us = g->lag_max_us > sum->lag_max_us ? g->lag_max_us : sum->lag_max_us;
    sum->full_us = g->full_us > sum->full_us ? g->full_us : sum->full_us;
    sum->cpu_us += g->cpu_us;
    sum->connections += g->connections;
    sum->retried += g->retried;
    sum->programs += g->programs;
    sum->programs_failed += g->programs_failed;
    sum->lag_count += g->lag_count;
    sum->lag_sum_us += g->lag_sum_us;
}

// What a worker has at the moment; of a lost one nothing.
static void add_present(struct load_generator *sum, const struct load_generator *g)
{
    sum->in_flight += g->in_flight;
    sum->waiting += g->waiting;
    sum->users += g->users;
    sum->rss_bytes += g->rss_bytes;
    if (!isnan(g->target_rate_per_s))
        sum->target_rate_per_s = (isnan(sum->target_rate_per_s) ? 0 : sum->target_rate_per_s) + g->target_rate_per_s;
}

// Workers that did not drive their share all the time.
static uint32_t workers_lost(const struct load *l)
{
    uint32_t n = 0;
    for (int i = 0; i < l->n_links; i++)
        n += l->link[i].state == LOAD_LOST || l->link[i].was_silent;
    return n;
}

static void add_up_generator(struct load *l)
{
    struct load_generator sum = {
        .target_rate_per_s = NAN, .at_ns = INT64_MAX, .workers = (uint32_t)l->n_links, .lost = workers_lost(l)};
    for (int i = 0; i < l->n_links; i++) {
        const struct load_link *k = &l->link[i];
        add_generator(&sum, &k->generator);
        if (k->state == LOAD_LOST)
            continue;
        add_present(&sum, &k->generator);
        if (k->generator.at_ns < sum.at_ns)
            sum.at_ns = k->generator.at_ns;
    }
    if (sum.at_ns == INT64_MAX) // all are lost: the last that was known
        sum.at_ns = l->generator.at_ns;
    l->generator = sum;
}

// Of a load and of the whole the passes are those of its scenarios.
static void add_passes(struct load *l, int to, const struct load_counts *c)
{
    for (; to >= 0; to = l->table.row[to].parent) {
        l->series[to].counts.passes += c->passes;
        l->series[to].counts.passes_failed += c->passes_failed;
    }
}

// A leaf is the sum over the workers, what is above it the sum of what is below. Passes stay where they were counted.
static void add_up(struct load *l)
{
    for (int i = 0; i < l->table.n; i++) {
        struct series *s = &l->series[i];
        s->counts = (struct load_counts){0};
        s->codes = (struct load_codes){0};
        for (int w = 0; w < l->n_links; w++) {
            const struct load_counts *c = &l->link[w].counts[i];
            load_counts_add(&s->counts, c);
            s->counts.passes += c->passes;
            s->counts.passes_failed += c->passes_failed;
            load_codes_merge(&s->codes, &l->link[w].codes[i]);
        }
    }
    for (int i = l->table.n - 1; i > 0; i--) {
        const struct load_series *row = &l->table.row[i];
        if (row->kind == LOAD_SERIES_SCENARIO)
            add_passes(l, row->parent, &l->series[i].counts);
        struct series *above = &l->series[l->table.row[i].parent];
        load_counts_add(&above->counts, &l->series[i].counts);
        load_codes_merge(&above->codes, &l->series[i].codes);
    }
    add_up_metrics(l);
    add_up_generator(l);
    l->series[LOAD_ALL].counts.offered += l->generator.waiting;
}

// As far as the one that is furthest behind, in this order.
static enum load_state state_of_all(const struct load *l)
{
    static const enum load_state order[] = {LOAD_STARTING, LOAD_RUNNING, LOAD_STOPPING, LOAD_READY, LOAD_STOPPED};
    for (size_t o = 0; o < sizeof order / sizeof *order; o++)
        for (int i = 0; i < l->n_links; i++)
            if (l->link[i].state == order[o])
                return order[o];
    return LOAD_LOST;
}

static void look_at_states(struct load *l)
{
    l->state = state_of_all(l);
    int lost = 0;
    for (int i = 0; i < l->n_links; i++)
        lost += l->link[i].state == LOAD_LOST;
    if (lost > l->lost)
        together_look(&l->together, l->link);
    if (lost > l->lost && lost < l->n_links)
        tell(l, 1,
             "%d of %d load workers are gone; the others drive their own shares on, so less than the profile asks.",
             lost, l->n_links);
    l->lost = lost;
    if (l->state == LOAD_LOST && l->epoll_fd >= 0) {
        close(l->epoll_fd);
        l->epoll_fd = -1;
    }
}

static void look_at_minutes(struct load *l)
{
    const struct series *all = &l->series[LOAD_ALL];
    if (l->generator.at_ns > 0)
        minutes_look(&l->minutes, clock_read(), &all->counts, &all->hist[LOAD_LATENCY], &l->generator);
}

int load_poll(struct load *l)
{
    SEEP_CHECK_OBJ(l, load_magic);
    int taken = 0;
    for (int i = 0; i < l->n_links; i++)
        taken += link_poll(&l->link[i]);
    if (taken > 0 || workers_lost(l) != l->generator.lost)
        add_up(l);
    look_at_states(l);
    look_at_minutes(l);
    return taken;
}

// ---- starting, commanding, ending -----------------------------------------------------------------------------------

static int load_allocate(const struct profile *p, const struct load_options *options, struct load **out,
                         struct seep_err *err)
{
    struct load *l = calloc(1, sizeof *l);
    *out = l;
    if (!l)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the load.");
    l->magic = load_magic;
    l->epoll_fd = -1;
    l->generator.target_rate_per_s = NAN;
    if (load_series_build(p, &l->table, err) < 0)
        return -1;
    int workers = profile_load_workers(p);
    load_metrics_build(p, &l->metrics);
    for (int i = 0; i < l->metrics.n; i++)
        l->metrics.row[i].name = strchr(l->metrics.row[i].labels, '=') + 1; // the profile is not ours to keep
    l->series = calloc((size_t)l->table.n, sizeof *l->series);
    l->metric = calloc((size_t)l->metrics.n + 1, sizeof *l->metric);
    l->link = calloc((size_t)workers, sizeof *l->link);
    if (together_open(&l->together, p, workers, err) < 0)
        return -1;
    if (!l->series || !l->metric || !l->link)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the %d series of the load.", l->table.n);
    l->rng.state = options ? options->seed : 0;
    if (l->rng.state == 0 && getrandom(&l->rng.state, sizeof l->rng.state, 0) != (ssize_t)sizeof l->rng.state)
        return seep_fail_errno(err, errno, "The kernel gives no random numbers");
    if ((l->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
        return seep_fail_errno(err, errno, "The load's descriptors cannot be watched");
    l->generator.workers = (uint32_t)workers;
    return workers;
}

static int start_worker(struct load *l, const char *self_exe, struct load_proto_hello *hello, int profile_fd,
                        struct seep_err *err)
{
    struct load_link *k = &l->link[l->n_links];
    const struct link_hooks hooks = {.on_hist = on_hist,
                                     .on_values = on_values,
                                     .on_text = on_text,
                                     .on_setup = on_setup,
                                     .on_over = on_over,
                                     .ctx = l};
    hello->process = (uint32_t)l->n_links;
    hello->seed = rng_next(&l->rng);
    if (link_open(self_exe, &l->table, &l->metrics, hello, profile_fd, hooks, k, err) < 0)
        return -1;
    l->n_links++;
    struct epoll_event ev = {.events = EPOLLIN};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, k->worker.fd, &ev) == 0)
        return 0;
    return seep_fail_errno(err, errno, "The load worker's socket cannot be watched");
}

static int start_workers(struct load *l, int n, const struct profile *p, const char *self_exe, int report_interval_ms,
                         struct seep_err *err)
{
    struct load_proto_hello hello = {.report_interval_ms = (uint32_t)report_interval_ms, .processes = (uint32_t)n};
    char *text = profile_dump(p, false);
    if (!text)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the text of the profile.");
    int profile_fd = load_profile_fd(text, err), failed = profile_fd < 0;
    free(text);
    for (int i = 0; !failed && i < n; i++)
        failed = start_worker(l, self_exe, &hello, profile_fd, err);
    if (profile_fd >= 0)
        close(profile_fd);
    return failed ? -1 : 0;
}

int load_start(const struct profile *p, const char *self_exe, const struct load_options *options, struct load **out,
               struct seep_err *err)
{
    SEEP_CHECK(p->n_loads > 0);
    int interval_ms = options && options->report_interval_ms ? options->report_interval_ms : 1000;
    SEEP_CHECK(interval_ms >= 50 && interval_ms <= 10000);
    struct load *l;
    int workers = load_allocate(p, options, &l, err);
    if (workers < 0 || start_workers(l, workers, p, self_exe, interval_ms, err) < 0) {
        load_free(l);
        *out = NULL;
        return -1;
    }
    *out = l;
    return 0;
}

int load_begin(struct load *l, double from_s, struct seep_err *err)
{
    SEEP_CHECK_OBJ(l, load_magic);
    if (l->state != LOAD_READY && l->state != LOAD_STOPPED)
        return seep_fail(err, SEEP_E_SYSTEM, "The load cannot begin: its worker is %s.", load_state_name(l->state));
    struct load_proto_begin begin = {.from_s = from_s > 0 ? from_s : 0,
                                     .at_ns = clock_mono_ns() + (l->n_links > 1 ? HEAD_START_NS : 0),
                                     .seed = rng_next(&l->rng)};
    together_begin(&l->together);
    for (int i = 0; i < l->n_links; i++) {
        struct load_link *k = &l->link[i];
        if (k->state == LOAD_LOST)
            continue;
        if (link_say(k, PROTO_BEGIN, &begin, sizeof begin, err) < 0)
            return -1;
        k->state = LOAD_RUNNING;
        k->heard_ns = clock_mono_ns();
    }
    l->state = LOAD_RUNNING;
    return 0;
}

int load_stop(struct load *l, double grace_s, struct seep_err *err)
{
    SEEP_CHECK_OBJ(l, load_magic);
    if (l->state != LOAD_RUNNING)
        return 0;
    struct load_proto_stop stop = {.grace_s = grace_s > 0 ? grace_s : 0};
    int failed = 0;
    for (int i = 0; i < l->n_links; i++) {
        struct load_link *k = &l->link[i];
        if (k->state != LOAD_RUNNING)
            continue;
        if (link_say(k, PROTO_STOP, &stop, sizeof stop, err) < 0)
            failed = -1; // the others are to stop all the same
        else
            k->state = LOAD_STOPPING;
    }
    l->state = state_of_all(l);
    return failed;
}

void load_ask(struct load *l)
{
    for (int i = 0; i < l->n_links; i++)
        if (l->link[i].state != LOAD_LOST)
            link_say(&l->link[i], PROTO_ASK, NULL, 0, NULL);
}

void load_free(struct load *l)
{
    if (!l)
        return;
    SEEP_CHECK_OBJ(l, load_magic);
    for (int i = 0; i < l->n_links; i++)
        link_close(&l->link[i]);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    free(l->link);
    together_close(&l->together);
    free(l->series);
    free(l->metric);
    load_series_free(&l->table);
    l->magic = 0;
    free(l);
}

// ---- looking --------------------------------------------------------------------------------------------------------

static const struct series *series_of(const struct load *l, int series)
{
    SEEP_CHECK_OBJ(l, load_magic);
    SEEP_CHECK(series >= 0 && series < l->table.n);
    return &l->series[series];
}

int load_fd(const struct load *l)
{
    return l->epoll_fd;
}

enum load_state load_state(const struct load *l)
{
    return l->state;
}

const struct load_series_table *load_series_of(const struct load *l)
{
    return &l->table;
}

const struct load_counts *load_counts(const struct load *l, int series)
{
    return &series_of(l, series)->counts;
}

const struct load_codes *load_codes(const struct load *l, int series)
{
    return &series_of(l, series)->codes;
}

const struct load_generator *load_generator(const struct load *l)
{
    return &l->generator;
}

const struct load_hist *load_hist(const struct load *l, int series, enum load_hist_kind kind)
{
    return &series_of(l, series)->hist[kind];
}

int load_last_hour(struct load *l, struct load_minute *out)
{
    const struct series *all = &l->series[LOAD_ALL];
    return minutes_read(&l->minutes, clock_read(), &all->counts, &all->hist[LOAD_LATENCY], &l->generator, out);
}

const struct load_metric_table *load_metrics_of(const struct load *l)
{
    return &l->metrics;
}

const struct load_metric_counts *load_metric_counts(const struct load *l, int metric)
{
    SEEP_CHECK(metric >= 0 && metric < l->metrics.n);
    return &l->metric[metric].counts;
}

const struct load_hist *load_metric_hist(const struct load *l, int metric)
{
    SEEP_CHECK(metric >= 0 && metric < l->metrics.n);
    return &l->metric[metric].values;
}

int load_workers(const struct load *l)
{
    return l->n_links;
}

pid_t load_worker_pid(const struct load *l, int worker)
{
    SEEP_CHECK(worker >= 0 && worker < l->n_links);
    return l->link[worker].worker.pid;
}

int load_summary(const struct load *l, struct load_summary *out, struct seep_err *err)
{
    struct load_summary_part *part = calloc((size_t)l->table.n, sizeof *part);
    int n = 0;
    if (!part)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the summary of the load.");
    for (int i = LOAD_ALL + 1; i < l->table.n; i++) {
        const struct series *s = &l->series[i];
        part[n++] = (struct load_summary_part){.labels = l->table.row[i].labels,
                                               .leaf = l->table.row[i].leaf,
                                               .counts = &s->counts,
                                               .codes = &s->codes,
                                               .latency = &s->hist[LOAD_LATENCY],
                                               .service = &s->hist[LOAD_SERVICE],
                                               .pass = &s->hist[LOAD_PASS]};
    }
    struct load_summary_metric metric[PROFILE_METRICS_MAX];
    for (int i = 0; i < l->metrics.n; i++)
        load_summarise_metric(&l->metrics.row[i], &l->metric[i].counts, &l->metric[i].values, &metric[i]);
    int failed = load_summarise(part, n, &l->generator, out, err);
    if (!failed)
        failed = load_summary_add_metrics(out, metric, l->metrics.n, err);
    free(part);
    return failed;
}
