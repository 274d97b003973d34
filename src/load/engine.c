// The engine: see engine.h.
//
// All work is done in turn(), after libuv has delivered events: let the transports take in what is finished or out of
// time, start what is due, until nothing is left to do; then set one timer (a timerfd, because libuv's timers know
// only milliseconds) for whatever comes first.
#include "load/engine.h"
#include "base/clock.h"
#include "load/engine_state.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    ROUNDS = 64,                          // of a turn, before libuv gets to deliver events again
    HOUSE_MS = ENGINE_HOUSE_NS / 1000000, // housekeeping: loop lag, number of users
    SPARE_FDS = 64,                       // descriptors that are not connections
};

static uint64_t cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

void engine_note(struct engine *e, const char *fmt, ...)
{
    char text[384];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    e->hooks.on_note(e->hooks.ctx, text);
}

// ---- phases ---------------------------------------------------------------------------------------------------------

static bool full(const struct engine *e)
{
    for (int i = 0; i < e->n_drives; i++) {
        if (e->drive[i].phase == DRIVE_RUNNING && !e->drive[i].load->exec.present &&
            !drive_slot_available(&e->drive[i]))
            return true;
    }
    return false;
}

static void set_alarm(struct engine *e);

static void on_house(uv_timer_t *timer)
{
    struct engine *e = timer->data;
    int64_t now_ns = clock_mono_ns(), lag_ns = now_ns - e->house_ns;
    e->house_ns = now_ns + HOUSE_MS * 1000000;
    if (e->phase != ENGINE_RUNNING)
        return;
    struct load_generator *g = &e->generator;
    g->lag_count++;
    g->lag_sum_us += engine_us(lag_ns);
    if (engine_us(lag_ns) > g->lag_max_us)
        g->lag_max_us = engine_us(lag_ns);
    if (full(e))
        g->full_us += HOUSE_MS * 1000;
    for (int i = 0; i < e->n_drives; i++)
        drive_house(&e->drive[i], now_ns);
    set_alarm(e); // who begins now: libuv's timers come before it waits for events, and turns after that
}

static bool all_in(const struct engine *e, enum drive_phase phase)
{
    for (int i = 0; i < e->n_drives; i++) {
        if (e->drive[i].phase != phase)
            return false;
    }
    return true;
}

static bool any_in(const struct engine *e, enum drive_phase phase)
{
    for (int i = 0; i < e->n_drives; i++) {
        if (e->drive[i].phase == phase)
            return true;
    }
    return false;
}

// Whether any of them still begins iterations, now or later.
static bool any_live(const struct engine *e)
{
    return any_in(e, DRIVE_SETUP) || any_in(e, DRIVE_WAITING) || any_in(e, DRIVE_RUNNING);
}

static void idle(struct engine *e)
{
    e->phase = ENGINE_IDLE;
    uv_timer_stop(&e->house);
    for (int i = 0; i < e->n_drives; i++) // kept connections are closed: the target is to be as before the load
        drive_restart(&e->drive[i]);
    e->hooks.on_idle(e->hooks.ctx);
}

static void wind_down(struct engine *e, int64_t now_ns)
{
    if (e->begun) {
        e->generator.running_ns += now_ns - e->begin_ns;
        e->generator.cpu_us += cpu_us() - e->cpu_begin_us;
    }
    e->begun = false;
    e->phase = ENGINE_FINISHING;
}

void engine_stop(struct engine *e, double grace_s)
{
    if (e->phase == ENGINE_IDLE)
        return;
    int64_t now_ns = clock_mono_ns();
    for (int i = 0; i < e->n_drives; i++)
        drive_finish(&e->drive[i], grace_s, now_ns);
    if (e->phase == ENGINE_RUNNING)
        wind_down(e, now_ns);
    uv_timer_start(&e->house, on_house, 0, HOUSE_MS); // so that a turn follows at once
    e->house_ns = now_ns;
}

void engine_take_setup(struct engine *e, uint32_t load, int fd)
{
    if (load < (uint32_t)e->n_drives)
        drive_take_setup(&e->drive[load], fd);
}

void engine_all_over(struct engine *e, uint32_t load)
{
    if (load < (uint32_t)e->n_drives)
        drive_all_over(&e->drive[load], clock_mono_ns());
}

bool engine_running(const struct engine *e)
{
    return e->phase == ENGINE_RUNNING;
}

// The clocks of all loads start together: at the moment told, or when the last setup is over.
static void begin_drives(struct engine *e, int64_t now_ns, bool set_up)
{
    e->begun = true;
    e->begin_ns = set_up ? now_ns : e->at_ns;
    e->house_ns = now_ns;
    e->cpu_begin_us = cpu_us();
    for (int i = 0; i < e->n_drives; i++) {
        if (e->drive[i].phase == DRIVE_WAITING)
            drive_begin(&e->drive[i], e->begin_ns);
    }
    uv_timer_start(&e->house, on_house, 0, HOUSE_MS);
}

void engine_begin(struct engine *e, double from_s, int64_t at_ns, uint64_t seed)
{
    if (e->phase != ENGINE_IDLE)
        return;
    e->phase = ENGINE_RUNNING;
    e->from_s = from_s;
    e->at_ns = at_ns;
    e->arrival_seed = seed;
    e->begun = false;
    e->house_ns = clock_mono_ns();
    for (int i = 0; i < e->n_drives; i++)
        drive_setup(&e->drive[i]);
    if (!any_in(e, DRIVE_SETUP))
        begin_drives(e, clock_mono_ns(), false);
    uv_timer_start(&e->house, on_house, 0, HOUSE_MS);
}

// ---- the turn -------------------------------------------------------------------------------------------------------

static void set_alarm(struct engine *e)
{
    int64_t at_ns = INT64_MAX;
    for (int i = 0; i < e->n_drives; i++) {
        int64_t next_ns = drive_next_ns(&e->drive[i]);
        at_ns = next_ns < at_ns ? next_ns : at_ns;
    }
    if (at_ns == e->alarm_ns)
        return;
    e->alarm_ns = at_ns;
    struct itimerspec spec = {0};
    if (at_ns != INT64_MAX) {
        at_ns = at_ns > 0 ? at_ns : 1; // zero would disarm it
        spec.it_value = (struct timespec){.tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000};
    }
    timerfd_settime(e->alarm_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void turn(struct engine *e)
{
    for (int round = 0; round < ROUNDS; round++) {
        int64_t now_ns = clock_mono_ns();
        bool any = false;
        for (int i = 0; i < e->n_drives; i++)
            any = drive_turn(&e->drive[i], now_ns) || any;
        if (e->phase == ENGINE_RUNNING && !e->begun && !any_in(e, DRIVE_SETUP)) {
            begin_drives(e, now_ns, true);
            any = true;
        }
        if (!any)
            break;
    }
    if (e->phase == ENGINE_RUNNING && !any_live(e))
        wind_down(e, clock_mono_ns());
    if (e->phase == ENGINE_FINISHING && all_in(e, DRIVE_OVER))
        idle(e);
    set_alarm(e);
}

static void on_check(uv_check_t *check)
{
    turn(check->data);
}

static void on_alarm(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct engine *e = poll->data;
    uint64_t times;
    if (read(e->alarm_fd, &times, sizeof times) < 0)
        return; // disarmed meanwhile
    e->alarm_ns = INT64_MAX;
}

// ---- opening, closing, looking --------------------------------------------------------------------------------------

static int check_connections(const struct engine *e, struct seep_err *err)
{
    struct rlimit fds;
    getrlimit(RLIMIT_NOFILE, &fds);
    double most = fds.rlim_cur > SPARE_FDS ? (double)(fds.rlim_cur - SPARE_FDS) : 1, wanted = 0;
    for (int i = 0; i < e->n_drives; i++)
        wanted += e->drive[i].n_slots;
    if (wanted > most)
        return seep_fail(err, SEEP_E_LIMIT,
                         "The load wants %.0f connections, and this machine allows %.0f; raise the limit of open files "
                         "(ulimit -n) or ask for fewer.",
                         wanted, most);
    return 0;
}

static int open_drives(struct engine *e, struct seep_err *err)
{
    e->drive = calloc((size_t)e->profile->n_loads, sizeof *e->drive);
    if (!e->drive)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for %d loads.", e->profile->n_loads);
    for (; e->n_drives < e->profile->n_loads;) {
        int failed = drive_open(&e->drive[e->n_drives], e, e->n_drives, err);
        e->n_drives++;
        if (failed)
            return -1;
    }
    return check_connections(e, err);
}

static void close_data(struct engine *e)
{
    for (int i = 0; i < e->n_drives; i++)
        drive_close(&e->drive[i]);
    free(e->drive);
    free(e);
}

static void close_transports(struct engine *e)
{
    for (int i = 0; i < e->n_drives; i++)
        drive_close_transports(&e->drive[i]);
}

int engine_open(uv_loop_t *loop, const struct profile *p, struct load_tally *tally, const struct engine_part *part,
                struct engine_hooks hooks, struct engine **out, struct seep_err *err)
{
    struct engine *e = calloc(1, sizeof *e);
    if (!e)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the load engine.");
    *e = (struct engine){.profile = p,
                         .tally = tally,
                         .hooks = hooks,
                         .loop = loop,
                         .part = *part,
                         .rng = {part->seed},
                         .alarm_ns = INT64_MAX};
    if (open_drives(e, err) < 0) {
        close_transports(e);
        close_data(e);
        return -1;
    }
    e->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (e->alarm_fd < 0 || uv_poll_init(loop, &e->alarm, e->alarm_fd) != 0) {
        seep_fail(err, SEEP_E_SYSTEM, "The load engine could not make its timer.");
        close_transports(e);
        close_data(e);
        return -1;
    }
    uv_check_init(loop, &e->check);
    uv_timer_init(loop, &e->house);
    e->check.data = e->alarm.data = e->house.data = e;
    uv_poll_start(&e->alarm, UV_READABLE, on_alarm);
    uv_check_start(&e->check, on_check);
    *out = e;
    return 0;
}

// libuv tells of closed handles in an order of its own; the last one takes the memory they all lie in with it.
static void on_closed(uv_handle_t *handle)
{
    struct engine *e = handle->data;
    if (--e->handles == 0)
        close_data(e);
}

void engine_close(struct engine *e)
{
    for (int i = 0; i < e->n_drives; i++)
        drive_cancel_all(&e->drive[i]);
    close_transports(e);
    e->handles = 3;
    uv_close((uv_handle_t *)&e->alarm, on_closed);
    uv_close((uv_handle_t *)&e->house, on_closed);
    uv_close((uv_handle_t *)&e->check, on_closed);
    close(e->alarm_fd);
}

static uint64_t resident_bytes(void)
{
    char line[128] = "";
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;
    if (f && fgets(line, sizeof line, f) && sscanf(line, "%*u %lu", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void engine_generator(const struct engine *e, struct load_generator *out)
{
    int64_t now_ns = clock_mono_ns();
    *out = e->generator;
    out->at_ns = now_ns;
    out->target_rate_per_s = NAN;
    out->rss_bytes = resident_bytes();
    for (int i = 0; i < e->n_drives; i++)
        drive_generator(&e->drive[i], now_ns, out);
    if (e->begun) {
        out->running_ns += now_ns - e->begin_ns;
        out->cpu_us += cpu_us() - e->cpu_begin_us;
    }
}
