// The load worker: a process that turns a profile into requests and tells its supervisor about them.
//
// It lives as long as its supervisor's end of the socket: no supervisor, no load. Reports are made on a timer; when the
// supervisor does not read, nothing is queued: counters are cumulative and histograms keep collecting until they can be
// sent.
#include "load/worker.h"
#include "base/clock.h"
#include "base/fs.h"
#include "load/engine.h"
#include "load/proto.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOTES = 32, HELLO_WITHIN_MS = 10000, WORKER_OK = 0, WORKER_BAD_PROFILE = 2, WORKER_FAILED = 6 };

struct worker {
    int fd;
    uv_loop_t loop;
    uv_poll_t channel;
    uv_timer_t timer, start;
    struct load_proto_begin begin; // for `start`
    struct profile *profile;
    struct load_series_table series;
    struct load_metric_table metrics;
    struct load_tally tally;
    struct engine *engine;
    struct seep_buf blob;
    bool watching_write;

    // What is to be sent, in this order: notes, then the steps of a report, then a state.
    char note[NOTES][PROTO_TEXT_MAX];
    int n_notes, notes_lost;
    bool reporting;
    int step; // of the report: a histogram, the counters or the status codes of a series, or a metric each
    struct {
        bool setup, over; // to be sent
        int fd;           // of its setup; -1: that failed
    } once[PROFILE_LOADS_MAX];
    bool state_due;
    enum load_state state;
};

// ---- sending --------------------------------------------------------------------------------------------------------

static void on_channel(uv_poll_t *poll, int status, int events);

static void watch(struct worker *w, bool writable)
{
    if (writable == w->watching_write)
        return;
    w->watching_write = writable;
    uv_poll_start(&w->channel, UV_READABLE | (writable ? UV_WRITABLE : 0), on_channel);
}

static bool send_note(struct worker *w)
{
    const char *text = w->note[0];
    if (load_proto_send(w->fd, PROTO_NOTE, 0, text, strlen(text), -1) < 0)
        return false;
    memmove(w->note[0], w->note[1], sizeof w->note - sizeof w->note[0]);
    w->n_notes--;
    return true;
}

static bool send_hist(struct worker *w, enum load_proto_type type, int which, struct load_hist *h)
{
    if (!h || h->count == 0)
        return true;
    buf_clear(&w->blob);
    hist_pack(h, &w->blob);
    if (w->blob.failed)
        return true; // no memory now: it keeps collecting
    if (load_proto_send(w->fd, type, (uint32_t)which, w->blob.data, w->blob.len, -1) < 0)
        return errno == EMSGSIZE; // the kernel's limit is too small for it: keeps collecting, counters go on
    hist_reset(h);
    return true;
}

static bool send_counts(struct worker *w, int series)
{
    const struct load_series *s = &w->series.row[series];
    const struct load_counts *c = &w->tally.counts[series];
    return !(s->leaf || s->passes) || load_proto_send(w->fd, PROTO_COUNTS, (uint32_t)series, c, sizeof *c, -1) == 0;
}

static bool send_codes(struct worker *w, int series)
{
    const struct load_codes *c = &w->tally.codes[series];
    return c->n == 0 || load_proto_send(w->fd, PROTO_CODES, (uint32_t)series, c, sizeof *c, -1) == 0;
}

// One step; false: the supervisor does not read at present.
static bool send_step(struct worker *w)
{
    int step = w->step, series = w->series.n;
    if (step < series * LOAD_HIST_KINDS)
        return send_hist(w, PROTO_HIST, step, w->tally.hist[step]);
    step -= series * LOAD_HIST_KINDS;
    if (step < series)
        return send_counts(w, step);
    if (step < 2 * series)
        return send_codes(w, step - series);
    step -= 2 * series;
    if (step < w->metrics.n)
        return send_hist(w, PROTO_VALUES, step, w->tally.metric_hist[step]);
    step -= w->metrics.n;
    if (step < w->metrics.n)
        return load_proto_send(w->fd, PROTO_METRIC, (uint32_t)step, &w->tally.metric[step],
                               sizeof w->tally.metric[step], -1) == 0;
    struct load_generator g;
    engine_generator(w->engine, &g);
    if (load_proto_send(w->fd, PROTO_GENERATOR, 0, &g, sizeof g, -1) < 0)
        return false;
    w->reporting = false;
    return true;
}

static bool send_state(struct worker *w)
{
    if (load_proto_send(w->fd, PROTO_STATE, (uint32_t)w->state, NULL, 0, -1) < 0)
        return false;
    w->state_due = false;
    return true;
}

static bool send_once(struct worker *w, uint32_t load)
{
    if (w->once[load].setup) {
        if (load_proto_send(w->fd, PROTO_SETUP, load, NULL, 0, w->once[load].fd) < 0)
            return false;
        if (w->once[load].fd >= 0)
            close(w->once[load].fd);
        w->once[load].setup = false;
    }
    if (w->once[load].over && load_proto_send(w->fd, PROTO_OVER, load, NULL, 0, -1) < 0)
        return false;
    w->once[load].over = false;
    return true;
}

static void pump(struct worker *w)
{
    bool flows = true;
    while (flows && w->n_notes)
        flows = send_note(w);
    for (uint32_t i = 0; flows && i < PROFILE_LOADS_MAX; i++)
        flows = send_once(w, i);
    for (; flows && w->reporting; w->step++)
        flows = send_step(w);
    if (!flows && w->reporting)
        w->step--; // that step again
    if (flows && w->state_due)
        flows = send_state(w);
    watch(w, !flows);
}

static void report(struct worker *w)
{
    if (!w->reporting) {
        w->reporting = true;
        w->step = 0;
    }
    pump(w);
}

static void tell_state(struct worker *w, enum load_state state)
{
    w->state = state;
    w->state_due = true;
}

// ---- hooks and commands ---------------------------------------------------------------------------------------------

static void on_note(void *ctx, const char *text)
{
    struct worker *w = ctx;
    if (w->n_notes == NOTES)
        return; // at most one a scenario and kind is made; these are the first
    snprintf(w->note[w->n_notes++], PROTO_TEXT_MAX, "%s", text);
}

static void on_setup(void *ctx, int load, int fd)
{
    struct worker *w = ctx;
    w->once[load].setup = true;
    w->once[load].fd = fd;
    pump(w);
}

static void on_over(void *ctx, int load)
{
    struct worker *w = ctx;
    w->once[load].over = true;
    pump(w);
}

// The last report must be whole and come before the state, so one that is half sent begins anew.
static void on_idle(void *ctx)
{
    struct worker *w = ctx;
    uv_timer_stop(&w->timer);
    tell_state(w, LOAD_STOPPED);
    w->reporting = false;
    report(w);
}

static void on_timer(uv_timer_t *timer)
{
    struct worker *w = timer->data;
    if (w->state == LOAD_RUNNING && !engine_running(w->engine))
        tell_state(w, LOAD_STOPPING); // load.duration is over
    report(w);
}

static void on_start(uv_timer_t *timer)
{
    struct worker *w = timer->data;
    engine_begin(w->engine, w->begin.from_s, w->begin.at_ns, w->begin.seed);
    uv_timer_again(&w->timer);
}

static void begin(struct worker *w, const struct load_proto_begin *b)
{
    w->begin = *b;
    int64_t wait_ns = b->at_ns - clock_mono_ns();
    if (wait_ns > 0)
        uv_timer_start(&w->start, on_start, (uint64_t)((wait_ns + 999999) / 1000000), 0);
    else
        on_start(&w->start);
    tell_state(w, LOAD_RUNNING);
    pump(w);
}

static void stop(struct worker *w, const struct load_proto_stop *s)
{
    if (uv_is_active((uv_handle_t *)&w->start)) { // not yet begun
        uv_timer_stop(&w->start);
        on_idle(w);
        return;
    }
    if (!engine_running(w->engine))
        return;
    engine_stop(w->engine, s->grace_s);
    tell_state(w, LOAD_STOPPING);
    pump(w);
}

// Another process has begun already, and is through with its setup: so the moment to begin has come.
static void take_setup(struct worker *w, uint32_t load, int fd)
{
    if (uv_is_active((uv_handle_t *)&w->start)) {
        uv_timer_stop(&w->start);
        on_start(&w->start);
    }
    engine_take_setup(w->engine, load, fd);
}

static void command(struct worker *w, const struct load_proto_head *head, const void *payload, int fd)
{
    if (head->type == PROTO_BEGIN && head->len == sizeof(struct load_proto_begin))
        begin(w, payload);
    else if (head->type == PROTO_STOP && head->len == sizeof(struct load_proto_stop))
        stop(w, payload);
    else if (head->type == PROTO_ASK)
        report(w);
    else if (head->type == PROTO_SETUP)
        take_setup(w, head->arg, fd);
    else if (head->type == PROTO_OVER)
        engine_all_over(w->engine, head->arg);
}

static void on_channel(uv_poll_t *poll, int status, int events)
{
    struct worker *w = poll->data;
    if (status < 0) {
        uv_stop(&w->loop);
        return;
    }
    if (events & UV_READABLE) {
        struct load_proto_head head;
        double payload[8];
        int fd;
        int got = load_proto_receive(w->fd, &head, payload, sizeof payload, &fd);
        if (got == 1)
            command(w, &head, payload, fd);
        else if (got == 0 || errno != EAGAIN)
            uv_stop(&w->loop); // the supervisor is gone
        if (fd >= 0)
            close(fd);
    }
    if (events & UV_WRITABLE)
        pump(w);
}

// ---- life -----------------------------------------------------------------------------------------------------------

// Before there is a loop: the first packet, with the profile.
static int receive_hello(struct worker *w, struct load_proto_hello *hello, struct seep_err *err)
{
    struct load_proto_head head;
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    int memfd = -1;
    if (poll(&p, 1, HELLO_WITHIN_MS) != 1 || load_proto_receive(w->fd, &head, hello, sizeof *hello, &memfd) != 1 ||
        head.type != PROTO_HELLO || head.len != sizeof *hello || memfd < 0)
        return seep_fail(err, SEEP_E_SYSTEM,
                         "The load worker is part of seep run and seep load, which start it; it got no profile.");
    struct seep_buf text;
    buf_init(&text, PROTO_PROFILE_MAX);
    char chunk[16384];
    for (ssize_t n; (n = pread(memfd, chunk, sizeof chunk, (off_t)text.len)) > 0;)
        buf_add(&text, chunk, (size_t)n);
    close(memfd);
    int failed = buf_check(&text, "The profile of the load", err);
    if (!failed)
        failed = profile_parse(text.data ? text.data : "", text.len, "profile", &w->profile, err);
    buf_free(&text);
    return failed ? -1 : 0;
}

static void raise_limits(void)
{
    struct rlimit fds;
    if (getrlimit(RLIMIT_NOFILE, &fds) == 0) {
        fds.rlim_cur = fds.rlim_max;
        setrlimit(RLIMIT_NOFILE, &fds);
    }
    signal(SIGPIPE, SIG_IGN);
}

static int open_worker(struct worker *w, struct seep_err *err)
{
    struct load_proto_hello hello;
    if (receive_hello(w, &hello, err) < 0)
        return -1;
    const struct engine_part part = {
        .process = (int)hello.process, .processes = (int)hello.processes, .seed = hello.seed};
    struct engine_hooks hooks = {
        .on_idle = on_idle, .on_note = on_note, .on_setup = on_setup, .on_over = on_over, .ctx = w};
    load_metrics_build(w->profile, &w->metrics);
    if (load_series_build(w->profile, &w->series, err) < 0 || tally_open(&w->series, &w->metrics, &w->tally, err) < 0 ||
        engine_open(&w->loop, w->profile, &w->tally, &part, hooks, &w->engine, err) < 0)
        return -1;
    uv_poll_init(&w->loop, &w->channel, w->fd);
    uv_timer_init(&w->loop, &w->timer);
    uv_timer_init(&w->loop, &w->start);
    w->channel.data = w->timer.data = w->start.data = w;
    uv_timer_start(&w->timer, on_timer, hello.report_interval_ms, hello.report_interval_ms);
    uv_timer_stop(&w->timer); // uv_timer_again() starts it with this interval
    uv_poll_start(&w->channel, UV_READABLE, on_channel);
    return 0;
}

static void close_worker(struct worker *w)
{
    if (w->engine) {
        engine_close(w->engine);
        uv_close((uv_handle_t *)&w->channel, NULL);
        uv_close((uv_handle_t *)&w->timer, NULL);
        uv_close((uv_handle_t *)&w->start, NULL);
        uv_run(&w->loop, UV_RUN_DEFAULT);
    }
    uv_loop_close(&w->loop);
    tally_close(&w->tally);
    load_series_free(&w->series);
    profile_free(w->profile);
    buf_free(&w->blob);
}

int load_worker_main(int fd)
{
    static struct worker w; // notes make it large for a stack
    struct seep_err err = {0};
    raise_limits();
    w.fd = fd;
    buf_init(&w.blob, HIST_BLOB_MAX);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || uv_loop_init(&w.loop) != 0)
        return WORKER_FAILED;
    if (open_worker(&w, &err) < 0) {
        load_proto_send(fd, PROTO_FAILED, 0, err.text, strlen(err.text), -1);
        close_worker(&w);
        return err.code == SEEP_E_USAGE ? WORKER_BAD_PROFILE : WORKER_FAILED;
    }
    tell_state(&w, LOAD_READY);
    pump(&w);
    uv_run(&w.loop, UV_RUN_DEFAULT);
    close_worker(&w);
    curl_global_cleanup();
    return WORKER_OK;
}
