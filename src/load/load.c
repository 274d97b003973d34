// The supervisor's side of the load: starts the worker, takes in what it says, notices when it is gone.
//
// Nothing the worker sends is trusted: sizes, indices and histograms are checked, the amount taken per call is bounded,
// and the first packet that does not hold together ends the worker. The counts then stay what they were.
#include "load/load.h"
#include "base/check.h"
#include "base/clock.h"
#include "load/proto.h"
#include "load/spawn.h"
#include "load/tally.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { EVENTS = 64, PACKETS_PER_POLL = 512, REAP_WITHIN_MS = 2000 };
#define SILENT_NS 5000000000 // a worker that says nothing for longer is told of

static const unsigned load_magic = 0x6c6f6164;

struct series {
    struct load_counts counts;
    struct load_codes codes;
    struct load_hist hist[LOAD_HIST_KINDS];
};

struct event {
    int level;
    char text[640];
};

struct load {
    unsigned magic;
    enum load_state state;
    struct load_worker worker;
    struct load_series_table table;
    struct series *series; // table.n
    struct load_generator generator;
    int64_t heard_ns, silent_ns; // when it spoke last; how long it may be silent
    bool silent;                 // told of
    struct event event[EVENTS], told;
    int first_event, n_events;
    unsigned events_lost;
    struct load_hist *scratch;
    unsigned char *packet; // PROTO_PAYLOAD_MAX
};

static const char *const state_names[] = {"starting", "ready", "running", "stopping", "stopped", "lost"};
static const char *const error_names[LOAD_ERRORS] = {
    [LOAD_ERR_DNS] = "dns",         [LOAD_ERR_CONNECT] = "connect", [LOAD_ERR_TLS] = "tls",
    [LOAD_ERR_RESET] = "reset",     [LOAD_ERR_TIMEOUT] = "timeout", [LOAD_ERR_PROTOCOL] = "protocol",
    [LOAD_ERR_BODY] = "body",       [LOAD_ERR_HOST] = "host",       [LOAD_ERR_STATUS] = "status",
    [LOAD_ERR_CHECK] = "check",     [LOAD_ERR_EXTRACT] = "extract", [LOAD_ERR_SLOW] = "slow",
    [LOAD_ERR_REQUEST] = "request", [LOAD_ERR_LOCAL] = "local",
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
    return p->load.duration_s > 0 ? p->load.duration_s : p->run.duration_s;
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

// The worker is of no more use. why: a sentence without the full stop, or NULL for what its exit says.
static void lose(struct load *l, const char *why)
{
    char how[160];
    pid_t pid = l->worker.pid;
    load_worker_end(&l->worker, why ? 0 : 200, REAP_WITHIN_MS, how, sizeof how);
    if (why)
        tell(l, 1, "The load worker (pid %d) was ended: %s.", (int)pid, why);
    else
        tell(l, 1, "The load worker (pid %d) is gone: %s. No load from here on.", (int)pid, how);
    l->state = LOAD_LOST;
}

// ---- what the worker says -------------------------------------------------------------------------------------------

static const char *take_state(struct load *l, const struct load_proto_head *head)
{
    if (head->len != 0 || head->arg < LOAD_READY || head->arg > LOAD_STOPPED)
        return "it named a state that does not exist";
    l->state = (enum load_state)head->arg;
    return NULL;
}

static const char *take_hist(struct load *l, const struct load_proto_head *head)
{
    if (head->arg >= (uint32_t)(l->table.n * LOAD_HIST_KINDS))
        return "it sent a histogram of a series that does not exist";
    struct seep_err err;
    if (hist_unpack(l->packet, head->len, l->scratch, &err) < 0)
        return "it sent a histogram that does not hold together";
    int series = (int)(head->arg / LOAD_HIST_KINDS), kind = (int)(head->arg % LOAD_HIST_KINDS);
    for (int at = series; at >= 0; at = kind == LOAD_PASS ? -1 : l->table.row[at].parent)
        hist_merge(&l->series[at].hist[kind], l->scratch);
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
    return new->completed <= new->started &&new->ok + load_errors(new) == new->completed &&new->started <= new->offered;
}

// Everything above a leaf is the sum of what is below; passes stay where they were counted. LOAD_ALL has what waits for
// a scenario on top.
static void add_up(struct load *l)
{
    for (int i = 0; i < l->table.n; i++) {
        struct load_counts *c = &l->series[i].counts;
        if (!l->table.row[i].leaf)
            *c = (struct load_counts){.passes = c->passes, .passes_failed = c->passes_failed};
    }
    for (int i = l->table.n - 1; i > 0; i--)
        load_counts_add(&l->series[l->table.row[i].parent].counts, &l->series[i].counts);
    l->series[LOAD_ALL].counts.offered += l->generator.waiting;
}

static const char *take_counts(struct load *l, const struct load_proto_head *head)
{
    struct load_counts c;
    if (head->arg >= (uint32_t)l->table.n || head->len != sizeof c)
        return "it sent counters of a series that does not exist";
    memcpy(&c, l->packet, sizeof c);
    if (!counts_plausible(&l->series[head->arg].counts, &c))
        return "it sent counters that do not hold together";
    l->series[head->arg].counts = c;
    add_up(l);
    return NULL;
}

static const char *take_codes(struct load *l, const struct load_proto_head *head)
{
    struct load_codes c;
    if (head->arg >= (uint32_t)l->table.n || head->len != sizeof c || !l->table.row[head->arg].leaf)
        return "it sent status codes of a series that does not exist";
    memcpy(&c, l->packet, sizeof c);
    if (c.n > LOAD_CODES)
        return "it sent status codes that do not hold together";
    l->series[head->arg].codes = c;
    for (int i = 0; i < l->table.n; i++)
        if (!l->table.row[i].leaf)
            l->series[i].codes = (struct load_codes){0};
    for (int i = l->table.n - 1; i > 0; i--)
        load_codes_merge(&l->series[l->table.row[i].parent].codes, &l->series[i].codes);
    return NULL;
}

static const char *take_generator(struct load *l, const struct load_proto_head *head)
{
    if (head->len != sizeof l->generator)
        return "it sent a report of the wrong size";
    memcpy(&l->generator, l->packet, sizeof l->generator);
    add_up(l);
    return NULL;
}

// Returns what is wrong with the packet, or NULL.
static const char *take(struct load *l, const struct load_proto_head *head)
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
    case PROTO_GENERATOR:
        return take_generator(l, head);
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

static void watch_silence(struct load *l, bool heard)
{
    int64_t now_ns = clock_mono_ns();
    if (heard) {
        if (l->silent)
            tell(l, 0, "The load worker speaks again after %.1f s.", (double)(now_ns - l->heard_ns) / 1e9);
        l->heard_ns = now_ns;
        l->silent = false;
    } else if (!l->silent && (l->state == LOAD_STARTING || l->state == LOAD_RUNNING || l->state == LOAD_STOPPING) &&
               now_ns - l->heard_ns > l->silent_ns) {
        l->silent = true;
        tell(l, 1, "The load worker (pid %d) has said nothing for %.1f s.", (int)l->worker.pid,
             (double)(now_ns - l->heard_ns) / 1e9);
    }
}

int load_poll(struct load *l)
{
    SEEP_CHECK_OBJ(l, load_magic);
    int taken = 0;
    while (taken < PACKETS_PER_POLL && l->state != LOAD_LOST) {
        struct load_proto_head head;
        int got = load_proto_receive(l->worker.fd, &head, l->packet, PROTO_PAYLOAD_MAX, NULL);
        if (got < 0 && errno == EAGAIN)
            break;
        const char *wrong = got < 0 && errno != ECONNRESET ? "it sent a packet that is not one of ours" : NULL;
        if (got == 1)
            wrong = take(l, &head);
        if (wrong || got != 1)
            lose(l, wrong);
        taken++;
    }
    if (l->state != LOAD_LOST)
        watch_silence(l, taken > 0);
    return taken;
}

// ---- starting, commanding, ending -----------------------------------------------------------------------------------

static int load_allocate(const struct profile *p, struct load **out, struct seep_err *err)
{
    struct load *l = calloc(1, sizeof *l);
    *out = l;
    if (!l)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the load.");
    *l = (struct load){.magic = load_magic, .worker = {.fd = -1, .pidfd = -1}};
    if (load_series_build(p, &l->table, err) < 0)
        return -1;
    l->series = calloc((size_t)l->table.n, sizeof *l->series);
    l->scratch = calloc(1, sizeof *l->scratch);
    l->packet = malloc(PROTO_PAYLOAD_MAX);
    if (l->series && l->scratch && l->packet)
        return 0;
    return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the %d series of the load.", l->table.n);
}

static int say_hello(struct load *l, const struct profile *p, const struct load_options *options, struct seep_err *err)
{
    int interval_ms = options && options->report_interval_ms ? options->report_interval_ms : 1000;
    SEEP_CHECK(interval_ms >= 50 && interval_ms <= 10000);
    struct load_proto_hello hello = {.report_interval_ms = (uint32_t)interval_ms, .seed = options ? options->seed : 0};
    if (hello.seed == 0 && getrandom(&hello.seed, sizeof hello.seed, 0) != (ssize_t)sizeof hello.seed)
        return seep_fail_errno(err, errno, "The kernel gives no random numbers");
    l->silent_ns = SILENT_NS > 5000000LL * interval_ms ? SILENT_NS : 5000000LL * interval_ms;
    char *text = profile_dump(p, false);
    if (!text)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the text of the profile.");
    int memfd = load_profile_fd(text, err);
    free(text);
    if (memfd < 0)
        return -1;
    int sent = load_proto_send(l->worker.fd, PROTO_HELLO, 0, &hello, sizeof hello, memfd);
    int saved = errno;
    close(memfd);
    return sent == 0 ? 0 : seep_fail_errno(err, saved, "The load worker does not take its profile");
}

int load_start(const struct profile *p, const char *self_exe, const struct load_options *options, struct load **out,
               struct seep_err *err)
{
    SEEP_CHECK(p->load.present && p->load.n_scenarios > 0);
    struct load *l;
    if (load_allocate(p, &l, err) < 0 || load_worker_spawn(self_exe, PROTO_SNDBUF, &l->worker, err) < 0 ||
        say_hello(l, p, options, err) < 0) {
        load_free(l);
        *out = NULL;
        return -1;
    }
    l->heard_ns = clock_mono_ns();
    *out = l;
    return 0;
}

static int say(struct load *l, enum load_proto_type type, const void *payload, size_t len, struct seep_err *err)
{
    if (load_proto_send(l->worker.fd, type, 0, payload, len, -1) == 0)
        return 0;
    return seep_fail_errno(err, errno, "The load worker (pid %d) takes no commands", (int)l->worker.pid);
}

int load_begin(struct load *l, double from_s, struct seep_err *err)
{
    SEEP_CHECK_OBJ(l, load_magic);
    if (l->state != LOAD_READY && l->state != LOAD_STOPPED)
        return seep_fail(err, SEEP_E_SYSTEM, "The load cannot begin: its worker is %s.", load_state_name(l->state));
    struct load_proto_begin begin = {.from_s = from_s > 0 ? from_s : 0};
    if (say(l, PROTO_BEGIN, &begin, sizeof begin, err) < 0)
        return -1;
    l->state = LOAD_RUNNING;
    l->heard_ns = clock_mono_ns();
    return 0;
}

int load_stop(struct load *l, double grace_s, struct seep_err *err)
{
    SEEP_CHECK_OBJ(l, load_magic);
    if (l->state != LOAD_RUNNING)
        return 0;
    struct load_proto_stop stop = {.grace_s = grace_s > 0 ? grace_s : 0};
    if (say(l, PROTO_STOP, &stop, sizeof stop, err) < 0)
        return -1;
    l->state = LOAD_STOPPING;
    return 0;
}

void load_ask(struct load *l)
{
    if (l->state != LOAD_LOST)
        say(l, PROTO_ASK, NULL, 0, NULL);
}

void load_free(struct load *l)
{
    if (!l)
        return;
    SEEP_CHECK_OBJ(l, load_magic);
    load_worker_end(&l->worker, 0, REAP_WITHIN_MS, NULL, 0);
    free(l->series);
    load_series_free(&l->table);
    free(l->scratch);
    free(l->packet);
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
    return l->worker.fd;
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

pid_t load_worker_pid(const struct load *l)
{
    return l->worker.pid;
}

int load_summary(const struct load *l, struct load_summary *out, struct seep_err *err)
{
    struct load_summary_part *part = calloc((size_t)l->table.n, sizeof *part);
    int n = 0;
    if (!part)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the summary of the load.");
    for (int i = 0; i < l->table.n; i++) {
        const struct series *s = &l->series[i];
        if (l->table.row[i].leaf)
            part[n++] = (struct load_summary_part){l->table.row[i].name, &s->counts, &s->hist[LOAD_LATENCY],
                                                   &s->hist[LOAD_SERVICE]};
    }
    int failed = load_summarise(part, n, &l->generator, out, err);
    free(part);
    return failed;
}
