// The loop of a run: timers, signals, the keeper's and the load's descriptors, the control socket, and the jobs on
// worker threads.
//
// Nothing here blocks. A sample job and a write job run at most one at a time each; a tick that comes due while its
// sample job is still at work is not made up afterwards: the next one taken says how many were missed.
#include "base/check.h"
#include "run/actions.h"
#include "run/attach.h"
#include "run/state.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHOW_EVERY_MS 1000

static const int run_signals[RUN_SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};

static void schedule_tick(struct run *r);

// ---- the sample job ------------------------------------------------------------------------------------------------

static void sample_job(uv_work_t *req)
{
    struct run *r = req->data;
    sampler_take(&r->sampler);
    run_deps_sample(r, r->sampler.tick);
    r->identity_anew = identity_changed(&r->identity, r->sampler.proc_fd, r->target_pid);
    if (!r->identity_anew)
        return;
    identity_free(&r->identity);
    identity_read(r->sampler.proc_fd, r->target_pid, r->profile, &r->identity, NULL);
}

// Time in which the target stood still (SIGSTOP) or the machine slept is a row, and is cut out of every fit.
static void note_stillness(struct run *r, struct run_tick *t)
{
    struct seep_time before = r->last_tick_time;
    if (r->tick_done_any) {
        int64_t slept = (t->time.boot_ns - t->time.mono_ns) - (before.boot_ns - before.mono_ns);
        if (slept > 1000000000)
            tick_event(t, E_SUSPENDED, before, t->time, SEEP_UNKNOWN, "The machine was suspended.");
        int64_t stepped = (t->time.real_ns - t->time.boot_ns) - (before.real_ns - before.boot_ns);
        if (stepped > 2000000000 || stepped < -2000000000)
            tick_event(t, E_WARNING, before, t->time, stepped / 1000000000,
                       "The clock of the machine was set; times of day jump, intervals do not.");
        if (t->processes > 0 && t->stopped == t->processes)
            tick_event(t, E_PAUSED, before, t->time, SEEP_UNKNOWN, "Every process of the target was stopped.");
        if (t->missed > 0)
            tick_event(t, E_GAP, before, t->time, t->missed,
                       "Ticks were missed: a sample took longer than the interval, or seep stood still.");
    }
    r->last_tick_time = t->time;
    r->tick_done_any = true;
}

static void write_job(uv_work_t *req)
{
    struct run *r = req->data;
    writer_flush(&r->writer);
    writer_check_place(&r->writer);
}

static void start_writing(struct run *r);

// Once when the disk stops taking ticks, and once when it takes them again.
static void say_storage(struct run *r)
{
    if (r->writer.waiting == r->storage_waiting)
        return;
    r->storage_waiting = r->writer.waiting;
    live_say(&r->live, r->storage_waiting ? r->writer.err.text : "what waited for the disk has been stored");
}

static void write_done(uv_work_t *req, int status)
{
    struct run *r = req->data;
    (void)status;
    r->writing = false;
    if (r->writer.failures >= 3 && r->writer.err.code != SEEP_OK && !r->outcome.error) {
        struct seep_err err = r->writer.err;
        run_error(r, &err);
    }
    say_storage(r);
    if (writer_waiting(&r->writer))
        start_writing(r);
    run_maybe_judge(r);
    run_after_job(r);
}

static void start_writing(struct run *r)
{
    if (r->writing)
        return;
    r->writing = true;
    SEEP_CHECK(uv_queue_work(&r->loop, &r->write_work, write_job, write_done) == 0);
}

void run_store_tick(struct run *r, struct run_tick *t)
{
    run_faults_tick(r, t);
    writer_put(&r->writer, t);
    start_writing(r);
}

static void check_job(uv_work_t *req)
{
    struct run *r = req->data;
    crosscheck_work(&r->crosscheck, r->check_items);
}

static void check_done(uv_work_t *req, int status)
{
    struct run *r = req->data;
    (void)status;
    r->checking = false;
    r->check_items = NULL;
    run_after_job(r);
}

// Copied stacks go to the resolver while the target lives: its files are then where its mappings say.
static void start_checking(struct run *r)
{
    if (r->checking || !r->crosscheck.items)
        return;
    r->check_items = r->crosscheck.items;
    r->crosscheck.items = NULL;
    r->crosscheck.n_items = 0;
    r->checking = true;
    SEEP_CHECK(uv_queue_work(&r->loop, &r->check_work, check_job, check_done) == 0);
}

// What a keeper that stands still does not take now, it is told at the next tick.
static void release_regions(struct run *r)
{
    uint32_t id;
    struct seep_err err;
    int64_t durable = writer_done(&r->writer);
    while (r->sampler.heap && heap_next_released(r->sampler.heap, durable, &id)) {
        bool told = r->linked && !r->keeper_lost;
        if (told && keeper_release_region(&r->link, id, &err) && err.code == SEEP_E_LIMIT)
            return;
        heap_released(r->sampler.heap);
    }
}

static void sample_done(uv_work_t *req, int status)
{
    struct run *r = req->data;
    (void)status;
    struct run_tick *t = r->sampler.tick;
    r->sampler.tick = NULL;
    r->sampling = false;
    note_stillness(r, t);
    if (r->identity_anew)
        run_program_facts(r);
    release_regions(r);
    start_checking(r);
    run_start_scan(r);
    if (r->phase == PHASE_MEASURE)
        live_tick(&r->live, t, run_elapsed_s(r));
    memcpy(r->last_values, t->value, sizeof r->last_values);
    r->has_values = true;
    run_scrape_hand_over(r, t);
    attach_ticked(r);
    if (r->ticking && r->last_tick) {
        run_ticks_end(r);
        run_feed(r, RUN_EV_PHASE_DONE);
    } else {
        schedule_tick(r);
    }
    run_after_job(r);
}

static bool wants_stacks(const struct run *r, bool edge)
{
    bool attributed = r->sampler.heap || r->sampler.tap;
    if (!attributed || r->phase != PHASE_MEASURE)
        return attributed && edge;
    return edge || r->stack_every <= 1 || r->ticker.next_index % r->stack_every == 0;
}

static void start_sampling(struct run *r, int64_t late_ns, int64_t missed)
{
    struct run_tick *t = tick_new();
    if (!t) { // this tick is skipped with a row when memory is back
        r->skipped_ticks++;
        schedule_tick(r);
        return;
    }
    t->index = r->tick_index++;
    t->time = clock_read();
    t->phase = r->phase;
    t->late_ns = late_ns;
    t->missed = missed + r->skipped_ticks;
    r->skipped_ticks = 0;
    run_fill_load(r, t);
    run_take_notes(r, t);
    r->sampler.edge = r->last_tick || r->ticker.next_index <= 1;
    r->sampler.suspects_step = run_scan_due(r);
    r->sampler.want_stacks = wants_stacks(r, r->sampler.edge) || r->sampler.suspects_step != SUSPECTS_REST;
    r->sampler.want_ages = r->last_tick && r->phase == PHASE_MEASURE;
    r->sampler.tick = t;
    r->sampling = true;
    run_scrape_tick(r);
    SEEP_CHECK(uv_queue_work(&r->loop, &r->sample_work, sample_job, sample_done) == 0);
}

// ---- ticks

static void advance_epoch(struct run *r)
{
    if (r->phase != PHASE_MEASURE || (!r->sampler.heap && !r->sampler.tap))
        return;
    uint32_t epoch = 1 + (uint32_t)(run_elapsed_s(r) / r->duration_s * HEAP_EPOCHS);
    if (epoch > HEAP_EPOCHS)
        epoch = HEAP_EPOCHS;
    if (epoch == r->epoch)
        return;
    r->epoch = epoch;
    if (r->sampler.heap)
        heap_set_epoch(r->sampler.heap, epoch);
    if (r->sampler.tap)
        tap_set_epoch(r->sampler.tap, epoch);
}

static void on_tick(uv_timer_t *timer)
{
    struct run *r = timer->data;
    int64_t now = clock_mono_ns(), late = 0, missed = 0;
    if (r->sampling || !r->ticking)
        return;
    bool at_end = now >= r->phase_end_ns;
    if (clock_ticker_wait_ns(&r->ticker, now) == 0)
        clock_ticker_take(&r->ticker, now, &late, &missed);
    else if (!at_end) {
        schedule_tick(r);
        return;
    }
    r->last_tick = at_end;
    advance_epoch(r);
    start_sampling(r, late, missed);
}

// The next tick, or the end of the phase when that comes first: a phase always ends with a tick of its own.
static void schedule_tick(struct run *r)
{
    if (!r->ticking || r->sampling)
        return;
    int64_t now = clock_mono_ns();
    int64_t wait = clock_ticker_wait_ns(&r->ticker, now);
    int64_t to_end = r->phase_end_ns > now ? r->phase_end_ns - now : 0;
    // A last tick a hair after a regular one would be the same tick twice.
    if (to_end < wait || to_end - wait < r->ticker.interval_ns / 8)
        wait = to_end;
    uv_update_time(&r->loop);
    uv_timer_start(&r->tick_timer, on_tick, (uint64_t)((wait + 999999) / 1000000), 0);
}

void run_ticks_begin(struct run *r, enum store_phase phase, double interval_s, double total_s)
{
    r->phase = phase;
    r->ticking = true;
    r->last_tick = false;
    int64_t now = clock_mono_ns();
    clock_ticker_start(&r->ticker, now, (int64_t)(interval_s * 1e9));
    r->phase_end_ns = now + (int64_t)(total_s * 1e9);
    schedule_tick(r);
}

void run_ticks_align(struct run *r, int64_t start_ns)
{
    r->ticker.start_ns = start_ns;
    r->ticker.next_index = (clock_mono_ns() - start_ns) / r->ticker.interval_ns + 1;
}

void run_ticks_end(struct run *r)
{
    r->ticking = false;
    uv_timer_stop(&r->tick_timer);
}

// ---- patience

static void on_patience(uv_timer_t *timer)
{
    run_feed(timer->data, RUN_EV_PATIENCE);
}

void run_patience(struct run *r, double seconds)
{
    uv_update_time(&r->loop);
    uv_timer_start(&r->patience_timer, on_patience, (uint64_t)(seconds * 1000) + 1, 0);
}

void run_patience_off(struct run *r)
{
    uv_timer_stop(&r->patience_timer);
}

// ---- what a person sees

static void on_show(uv_timer_t *timer)
{
    struct run *r = timer->data;
    run_show(r);
    if (r->linked && !r->keeper_lost)
        run_keeper_events(r);
    if (r->keeper_lost)
        run_orphan_look(r);
    if (r->load)
        run_load_look(r);
}

void run_show(struct run *r)
{
    struct run_tick *t = NULL;
    if (r->has_values && (t = tick_new()))
        memcpy(t->value, r->last_values, sizeof t->value);
    bool measuring = r->state == RUN_MEASURE;
    live_show(&r->live, run_state_names[r->state], measuring ? run_elapsed_s(r) : NAN, t);
    tick_free(t);
}

// ---- signals to us

static void on_signal(uv_signal_t *handle, int sig)
{
    struct run *r = handle->data;
    if (sig == SIGPIPE)
        return;
    if (sig == SIGHUP) { // the terminal is gone: go on without it
        r->live.fd = -1;
        run_event_note(r, E_WARNING, "The terminal went away; the run went on without it.");
        return;
    }
    if (sig == SIGQUIT) { // leave at once; keeper and target go on, `seep resume` takes them back
        r->leave = true;
        uv_stop(&r->loop);
        return;
    }
    if (r->outcome.interrupted_by) {
        run_feed(r, RUN_EV_STOP_NOW);
        return;
    }
    r->outcome.interrupted_by = sig;
    snprintf(r->outcome.text, sizeof r->outcome.text, "The run was interrupted by %s after %.0f s of %.0f s.",
             sig == SIGINT ? "SIGINT" : "SIGTERM", r->has_measure ? run_elapsed_s(r) : 0.0, r->duration_s);
    live_say(&r->live, "interrupted: stopping the target in order; once more stops it at once");
    run_feed(r, RUN_EV_STOP);
}

// ---- control clients

static void closed_client(uv_handle_t *handle)
{
    struct run *r = handle->data;
    size_t i = (size_t)((uv_poll_t *)handle - r->client_poll);
    close(r->client_fd[i]);
    r->client_fd[i] = -1;
}

static void drop_client(struct run *r, size_t i)
{
    if (r->client_fd[i] >= 0 && !uv_is_closing((uv_handle_t *)&r->client_poll[i]))
        uv_close((uv_handle_t *)&r->client_poll[i], closed_client);
}

static int answer_hour(const struct run *r, int fd)
{
    struct load_minute all[LOAD_MINUTES + 1];
    struct control_hour hour = {.magic = CONTROL_MAGIC, .version = CONTROL_VERSION};
    int n = r->load ? load_last_hour(r->load, all) : 0, skip = n > LOAD_MINUTES ? n - LOAD_MINUTES : 0;
    hour.n = (uint16_t)(n - skip);
    memcpy(hour.minute, all + skip, hour.n * sizeof all[0]);
    return control_answer_hour(fd, &hour);
}

static void on_client(uv_poll_t *handle, int status, int events)
{
    struct run *r = handle->data;
    size_t i = (size_t)(handle - r->client_poll);
    struct control_request req;
    (void)events;
    int got = status < 0 ? -1 : control_read(r->client_fd[i], &req);
    if (got == 0)
        return;
    if (got < 0) {
        drop_client(r, i);
        return;
    }
    if (req.verb == CONTROL_HOUR) {
        if (answer_hour(r, r->client_fd[i]))
            drop_client(r, i);
        return;
    }
    if (req.verb == CONTROL_STOP && r->state < RUN_STOPPING) {
        r->outcome.stopped = true;
        snprintf(r->outcome.text, sizeof r->outcome.text, "The run was stopped by request.");
        run_feed(r, RUN_EV_STOP);
    }
    struct control_reply reply = {.magic = CONTROL_MAGIC,
                                  .version = CONTROL_VERSION,
                                  .state = (uint16_t)r->state,
                                  .pid = (int32_t)getpid(),
                                  .target_pid = r->target_pid,
                                  .elapsed_s = r->has_measure ? run_elapsed_s(r) : NAN,
                                  .total_s = r->duration_s,
                                  .ticks = r->writer.done_count};
    snprintf(reply.line, sizeof reply.line, "%s", r->live.line);
    if (control_answer(r->client_fd[i], &reply))
        drop_client(r, i);
}

static void on_control(uv_poll_t *handle, int status, int events)
{
    struct run *r = handle->data;
    (void)events;
    int fd = status < 0 ? -1 : control_accept(r->control_fd);
    if (fd < 0)
        return;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        if (r->client_fd[i] < 0) {
            r->client_fd[i] = fd;
            r->client_poll[i].data = r;
            if (uv_poll_init(&r->loop, &r->client_poll[i], fd)) {
                close(fd);
                r->client_fd[i] = -1;
                return;
            }
            r->client_poll[i].data = r;
            uv_poll_start(&r->client_poll[i], UV_READABLE | UV_DISCONNECT, on_client);
            return;
        }
    close(fd);
}

// ---- keeper

static void on_keeper(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    run_keeper_events(handle->data);
}

void run_watch_keeper(struct run *r)
{
    if (r->polling_keeper)
        return;
    SEEP_CHECK(uv_poll_init(&r->loop, &r->keeper_poll, keeper_fd(&r->link)) == 0);
    r->keeper_poll.data = r;
    r->polling_keeper = true;
    uv_poll_start(&r->keeper_poll, UV_READABLE | UV_DISCONNECT, on_keeper);
}

void run_unwatch_keeper(struct run *r)
{
    if (r->polling_keeper)
        uv_poll_stop(&r->keeper_poll);
    r->polling_keeper = false;
}

// ---- init and end

int run_loop_init(struct run *r, struct seep_err *err)
{
    if (uv_loop_init(&r->loop))
        return seep_fail(err, SEEP_E_SYSTEM, "The event loop cannot be made; is the limit of open files too low?");
    r->loop_up = true;
    uv_timer_t *timers[] = {&r->tick_timer, &r->patience_timer, &r->report_timer};
    for (size_t i = 0; i < sizeof timers / sizeof *timers; i++) {
        uv_timer_init(&r->loop, timers[i]);
        timers[i]->data = r;
    }
    for (size_t i = 0; i < RUN_SIGNALS; i++) {
        uv_signal_init(&r->loop, &r->signals[i]);
        r->signals[i].data = r;
        uv_signal_start(&r->signals[i], on_signal, run_signals[i]);
    }
    r->ready_work.data = r->sample_work.data = r->write_work.data = r->judge_work.data = r->check_work.data =
        r->scan_work.data = r->finish_work.data = r;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        r->client_fd[i] = -1;
    r->control_fd = control_listen(r->dir_fd, err);
    if (r->control_fd < 0)
        return -1;
    uv_poll_init(&r->loop, &r->control_poll, r->control_fd);
    r->control_poll.data = r;
    uv_poll_start(&r->control_poll, UV_READABLE, on_control);
    uv_timer_start(&r->report_timer, on_show, SHOW_EVERY_MS, SHOW_EVERY_MS);
    return run_scrape_open(r, err) || run_probes_open(r, err) ? -1 : 0;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    struct run *r = arg;
    bool client =
        handle >= (uv_handle_t *)&r->client_poll[0] && handle < (uv_handle_t *)&r->client_poll[CONTROL_CLIENTS];
    if (!uv_is_closing(handle))
        uv_close(handle, client ? closed_client : NULL);
}

void run_loop_close(struct run *r)
{
    if (!r->loop_up)
        return;
    run_scrape_join(r);
    run_probes_join(r);
    uv_walk(&r->loop, close_handle, r);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    uv_loop_close(&r->loop);
    r->loop_up = false;
    if (r->control_fd >= 0) {
        close(r->control_fd);
        if (!r->leave)
            unlinkat(r->dir_fd, CONTROL_NAME, 0);
    }
}
