// One load worker as its supervisor sees it: see link.h.
#include "load/link.h"
#include "base/check.h"
#include "base/clock.h"
#include "load/proto.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PACKETS_PER_POLL = 512, REAP_WITHIN_MS = 2000 };
#define SILENT_NS 5000000000 // a worker that says nothing for longer is told of

__attribute__((format(printf, 3, 4))) static void tell(struct load_link *l, int level, const char *fmt, ...)
{
    char text[640];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    l->hooks.on_text(l->hooks.ctx, level, text);
}

// The worker is of no more use. why: a sentence without the full stop, or NULL for what its exit says.
static void lose(struct load_link *l, const char *why)
{
    char how[160];
    load_worker_end(&l->worker, why ? 0 : 200, REAP_WITHIN_MS, how, sizeof how);
    if (why)
        tell(l, 1, "The load worker (pid %d) was ended: %s.", (int)l->pid, why);
    else
        tell(l, 1, "The load worker (pid %d) is gone: %s. Its load is missing from here on.", (int)l->pid, how);
    l->state = LOAD_LOST;
}

// ---- what the worker says; each returns what is wrong with it, or NULL ----------------------------------------------

static const char *take_state(struct load_link *l, const struct load_proto_head *head)
{
    if (head->len != 0 || head->arg < LOAD_READY || head->arg > LOAD_STOPPED)
        return "it named a state that does not exist";
    l->state = (enum load_state)head->arg;
    return NULL;
}

static const char *take_hist(struct load_link *l, const struct load_proto_head *head)
{
    if (head->arg >= (uint32_t)(l->table->n * LOAD_HIST_KINDS))
        return "it sent a histogram of a series that does not exist";
    struct seep_err err;
    if (hist_unpack(l->packet, head->len, l->scratch, &err) < 0)
        return "it sent a histogram that does not hold together";
    l->hooks.on_hist(l->hooks.ctx, (int)(head->arg / LOAD_HIST_KINDS), (int)(head->arg % LOAD_HIST_KINDS), l->scratch);
    return NULL;
}

// Cumulative counters never fall, and what is finished was started.
static bool counts_plausible(const struct load_counts *old, const struct load_counts *new)
{
    const uint64_t *a = (const uint64_t *)old, *b = (const uint64_t *)new;
    for (size_t i = 0; i < sizeof *old / sizeof *a; i++) {
        if (b[i] < a[i])
            return false;
    }
    return new->completed <= new->started &&new->ok + load_errors(new) ==
           new->completed &&new->started <= new->offered &&new->passes_failed <= new->passes;
}

static const char *take_counts(struct load_link *l, const struct load_proto_head *head)
{
    struct load_counts c;
    if (head->arg >= (uint32_t)l->table->n || head->len != sizeof c)
        return "it sent counters of a series that does not exist";
    memcpy(&c, l->packet, sizeof c);
    if (!counts_plausible(&l->counts[head->arg], &c))
        return "it sent counters that do not hold together";
    l->counts[head->arg] = c;
    return NULL;
}

static const char *take_codes(struct load_link *l, const struct load_proto_head *head)
{
    struct load_codes c;
    if (head->arg >= (uint32_t)l->table->n || head->len != sizeof c)
        return "it sent status codes of a series that does not exist";
    memcpy(&c, l->packet, sizeof c);
    if (c.n > LOAD_CODES)
        return "it sent status codes that do not hold together";
    l->codes[head->arg] = c;
    return NULL;
}

static const char *take_values(struct load_link *l, const struct load_proto_head *head)
{
    struct seep_err err;
    if (head->arg >= (uint32_t)l->metrics->n || l->metrics->row[head->arg].kind != METRIC_TREND)
        return "it sent values of a metric that does not exist";
    if (hist_unpack(l->packet, head->len, l->scratch, &err) < 0)
        return "it sent a histogram that does not hold together";
    l->hooks.on_values(l->hooks.ctx, (int)head->arg, l->scratch);
    return NULL;
}

static const char *take_metric(struct load_link *l, const struct load_proto_head *head)
{
    struct load_metric_counts c;
    if (head->arg >= (uint32_t)l->metrics->n || head->len != sizeof c)
        return "it sent a metric that does not exist";
    memcpy(&c, l->packet, sizeof c);
    const struct load_metric_counts *old = &l->metric[head->arg];
    if (c.total < old->total || c.hits < old->hits || c.hits > c.total || !isfinite(c.sum))
        return "it sent a metric that does not hold together";
    l->metric[head->arg] = c;
    return NULL;
}

static const char *take_generator(struct load_link *l, const struct load_proto_head *head)
{
    if (head->len != sizeof l->generator)
        return "it sent a report of the wrong size";
    memcpy(&l->generator, l->packet, sizeof l->generator);
    return NULL;
}

static const char *take_setup(struct load_link *l, const struct load_proto_head *head, int fd)
{
    l->hooks.on_setup(l->hooks.ctx, l, head->arg, fd);
    return NULL;
}

static const char *take(struct load_link *l, const struct load_proto_head *head, int fd)
{
    int text_len = head->len < PROTO_TEXT_MAX ? (int)head->len : PROTO_TEXT_MAX;
    switch (head->type) {
    case PROTO_STATE:
        return take_state(l, head);
    case PROTO_HIST:
        return take_hist(l, head);
    case PROTO_COUNTS:
        return take_counts(l, head);
    case PROTO_CODES:
        return take_codes(l, head);
    case PROTO_METRIC:
        return take_metric(l, head);
    case PROTO_VALUES:
        return take_values(l, head);
    case PROTO_GENERATOR:
        return take_generator(l, head);
    case PROTO_SETUP:
        return take_setup(l, head, fd);
    case PROTO_OVER:
        l->hooks.on_over(l->hooks.ctx, l, head->arg);
        return NULL;
    case PROTO_NOTE:
        tell(l, 0, "%.*s", text_len, (const char *)l->packet);
        return NULL;
    case PROTO_FAILED:
        tell(l, 1, "%.*s", text_len, (const char *)l->packet);
        return NULL;
    default:
        return "it sent a message that does not exist";
    }
}

static void watch_silence(struct load_link *l, bool heard)
{
    int64_t now_ns = clock_mono_ns();
    if (heard) {
        if (l->silent)
            tell(l, 0, "The load worker (pid %d) speaks again after %.1f s.", (int)l->pid,
                 (double)(now_ns - l->heard_ns) / 1e9);
        l->heard_ns = now_ns;
        l->silent = false;
    } else if (!l->silent && (l->state == LOAD_STARTING || l->state == LOAD_RUNNING || l->state == LOAD_STOPPING) &&
               now_ns - l->heard_ns > l->silent_ns) {
        l->silent = true;
        l->was_silent |= l->state == LOAD_RUNNING;
        tell(l, 1, "The load worker (pid %d) has said nothing for %.1f s.", (int)l->pid,
             (double)(now_ns - l->heard_ns) / 1e9);
    }
}

int link_poll(struct load_link *l)
{
    int taken = 0;
    while (taken < PACKETS_PER_POLL && l->state != LOAD_LOST) {
        struct load_proto_head head;
        int fd;
        int got = load_proto_receive(l->worker.fd, &head, l->packet, PROTO_PAYLOAD_MAX, &fd);
        if (got < 0 && errno == EAGAIN)
            break;
        const char *wrong = got < 0 && errno != ECONNRESET ? "it sent a packet that is not one of ours" : NULL;
        if (got == 1)
            wrong = take(l, &head, fd);
        if (fd >= 0)
            close(fd);
        if (wrong || got != 1)
            lose(l, wrong);
        taken++;
    }
    if (l->state != LOAD_LOST)
        watch_silence(l, taken > 0);
    return taken;
}

// ---- life -----------------------------------------------------------------------------------------------------------

static int link_allocate(struct load_link *l, struct seep_err *err)
{
    l->counts = calloc((size_t)l->table->n, sizeof *l->counts);
    l->codes = calloc((size_t)l->table->n, sizeof *l->codes);
    l->metric = calloc((size_t)l->metrics->n + 1, sizeof *l->metric);
    l->scratch = calloc(1, sizeof *l->scratch);
    l->packet = malloc(PROTO_PAYLOAD_MAX);
    if (l->counts && l->codes && l->metric && l->scratch && l->packet)
        return 0;
    return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the %d series of the load.", l->table->n);
}

static int say_hello(struct load_link *l, const struct load_proto_hello *hello, int profile_fd, struct seep_err *err)
{
    int64_t reports_ns = 5000000LL * hello->report_interval_ms;
    l->silent_ns = SILENT_NS > reports_ns ? SILENT_NS : reports_ns;
    l->heard_ns = clock_mono_ns();
    if (load_proto_send(l->worker.fd, PROTO_HELLO, 0, hello, sizeof *hello, profile_fd) == 0)
        return 0;
    return seep_fail_errno(err, errno, "The load worker does not take its profile");
}

int link_open(const char *self_exe, const struct load_series_table *table, const struct load_metric_table *metrics,
              const struct load_proto_hello *hello, int profile_fd, struct link_hooks hooks, struct load_link *out,
              struct seep_err *err)
{
    *out = (struct load_link){
        .hooks = hooks, .table = table, .metrics = metrics, .worker = {.fd = -1, .pidfd = -1}, .state = LOAD_STARTING};
    if (link_allocate(out, err) == 0 && load_worker_spawn(self_exe, PROTO_SNDBUF, &out->worker, err) == 0) {
        out->pid = out->worker.pid;
        if (say_hello(out, hello, profile_fd, err) == 0)
            return 0;
    }
    link_close(out);
    return -1;
}

int link_say(struct load_link *l, int type, const void *payload, size_t len, struct seep_err *err)
{
    if (load_proto_send(l->worker.fd, (enum load_proto_type)type, 0, payload, len, -1) == 0)
        return 0;
    return seep_fail_errno(err, errno, "The load worker (pid %d) takes no commands", (int)l->pid);
}

int link_hand(struct load_link *l, int type, uint32_t arg, int fd)
{
    return load_proto_send(l->worker.fd, (enum load_proto_type)type, arg, NULL, 0, fd);
}

void link_close(struct load_link *l)
{
    if (l->table)
        load_worker_end(&l->worker, 0, REAP_WITHIN_MS, NULL, 0);
    free(l->counts);
    free(l->codes);
    free(l->metric);
    free(l->scratch);
    free(l->packet);
    *l = (struct load_link){.worker = {.fd = -1, .pidfd = -1}, .state = LOAD_LOST};
}
