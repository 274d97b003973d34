// The supervisor's side of the load: starts the workers, adds up what they say, notices when they are gone.
//
// Each worker is a link (link.h), which checks what it says; here their parts come together. The workers' sockets hang
// on one epoll descriptor, so that there is one to poll however many there are.
#include "base/check.h"
#include "base/clock.h"
#include "load/load_state.h"
#include "load/proto.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#define HEAD_START_NS 50000000 // with several workers: so that each has its word to begin before the moment comes

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
    if (l->n_events == LOAD_EVENTS) {
        l->events_lost++;
        return;
    }
    struct load_told *e = &l->event[(l->first_event + l->n_events++) % LOAD_EVENTS];
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
        l->first_event = (l->first_event + 1) % LOAD_EVENTS;
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
    if (l->n_notes < LOAD_NOTES_SEEN)
        l->note[l->n_notes++] = h;
    return false;
}

static void on_text(void *ctx, int level, const char *text)
{
    struct load *l = ctx;
    if (l->n_links == 1 || !said_before(l, text))
        tell(l, level, "%s", text);
}

// ---- looking after the workers --------------------------------------------------------------------------------------

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
    const struct load_sums *all = &l->series[LOAD_ALL];
    if (l->generator.at_ns > 0)
        minutes_look(&l->minutes, clock_read(), &all->counts, &all->hist[LOAD_LATENCY], &l->generator);
}

int load_poll(struct load *l)
{
    SEEP_CHECK_OBJ(l, load_magic);
    int taken = 0;
    for (int i = 0; i < l->n_links; i++)
        taken += link_poll(&l->link[i]);
    if (taken > 0 || load_workers_lost(l) != l->generator.lost)
        load_add_up(l);
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
    const struct link_hooks hooks = {.on_hist = load_take_hist,
                                     .on_values = load_take_values,
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
