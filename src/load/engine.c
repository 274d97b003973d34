// The engine: see engine.h.
//
// All work is done in turn(), after libuv has delivered events: let the transports take in what is finished or out of
// time, start what is due, until nothing is left to do; then set one timer (a timerfd, because libuv's timers know
// only milliseconds) for whatever comes first.
#include "load/engine.h"
#include "base/clock.h"
#include "load/engine_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    ROUNDS = 64,     // of a turn, before libuv gets to deliver events again
    HOUSE_MS = 20,   // housekeeping: loop lag, number of users
    USERS_STEP = 20, // new users per housekeeping, at most: 1000 a second, within any listen backlog
    SPARE_FDS = 64,  // descriptors that are not connections
};

static bool is_open_model(const struct engine *e)
{
    return e->load->open_model;
}

static double schedule_now(const struct engine *e, int64_t now_ns)
{
    return e->from_s + (double)(now_ns - e->begin_ns) / 1e9;
}

static uint64_t cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

// ---- phases ---------------------------------------------------------------------------------------------------------

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
    if (!engine_slot_available(e))
        g->full_us += HOUSE_MS * 1000;
    if (!is_open_model(e))
        users_set(&e->users, share_part(e->share, (int)lround(schedule_value(&e->schedule, schedule_now(e, now_ns)))),
                  USERS_STEP, now_ns);
}

static void idle(struct engine *e)
{
    e->phase = ENGINE_IDLE;
    e->deadline_ns = INT64_MAX;
    uv_timer_stop(&e->house);
    for (int i = 0; i < e->n_transports; i++) // kept connections are closed: the target is to be as before the load
        e->transport[i]->ops->restart(e->transport[i]);
    e->hooks.on_idle(e->hooks.ctx);
}

void engine_stop(struct engine *e, double grace_s)
{
    if (e->phase != ENGINE_RUNNING)
        return;
    int64_t now_ns = clock_mono_ns();
    if (is_open_model(e))
        engine_drop_waiting(e, now_ns);
    users_stop(&e->users);
    e->generator.running_ns += now_ns - e->begin_ns;
    e->generator.cpu_us += cpu_us() - e->cpu_begin_us;
    e->phase = ENGINE_FINISHING;
    e->deadline_ns = grace_s < 1e9 ? now_ns + (int64_t)(grace_s * 1e9) : INT64_MAX;
    uv_timer_start(&e->house, on_house, 0, HOUSE_MS); // so that a turn follows at once
    e->house_ns = now_ns;
}

bool engine_running(const struct engine *e)
{
    return e->phase == ENGINE_RUNNING;
}

void engine_begin(struct engine *e, double from_s, int64_t at_ns, uint64_t seed)
{
    if (e->phase != ENGINE_IDLE)
        return;
    e->phase = ENGINE_RUNNING;
    e->from_s = from_s;
    e->begin_ns = at_ns;
    e->house_ns = clock_mono_ns();
    e->cpu_begin_us = cpu_us();
    e->full_ns = 0;
    e->end_ns = e->load->duration_s > 0 ? engine_moment(e, e->load->duration_s) : INT64_MAX;
    if (is_open_model(e)) {
        arrivals_start(&e->due, &e->schedule, e->load->poisson, e->share, from_s, seed);
        arrivals_start(&e->next, &e->schedule, e->load->poisson, e->share, from_s, seed);
    }
    e->next_scenario = -1;
    uv_timer_start(&e->house, on_house, 0, HOUSE_MS);
}

// ---- the turn -------------------------------------------------------------------------------------------------------

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_start_ns(const struct engine *e)
{
    if (e->phase != ENGINE_RUNNING ||
        !engine_slot_available(e)) // a full engine goes on when a request ends; house drops
        return INT64_MAX;
    return is_open_model(e) ? engine_moment(e, e->next.next_s) : users_first_ns(&e->users);
}

static void set_alarm(struct engine *e)
{
    int64_t at_ns = earlier(next_start_ns(e), e->deadline_ns);
    for (int i = 0; i < e->n_transports; i++)
        at_ns = earlier(at_ns, e->transport[i]->ops->next_ns(e->transport[i]));
    if (e->phase == ENGINE_RUNNING)
        at_ns = earlier(at_ns, e->end_ns);
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
        if (e->phase == ENGINE_RUNNING && now_ns >= e->end_ns)
            engine_stop(e, INFINITY); // each ends by its own timeout
        bool any = false;
        for (int i = 0; i < e->n_transports; i++)
            any = e->transport[i]->ops->turn(e->transport[i], now_ns) || any;
        if (e->phase == ENGINE_RUNNING)
            any = (is_open_model(e) ? engine_start_arrivals(e, now_ns) : engine_start_users(e, now_ns)) || any;
        if (!any)
            break;
    }
    if (e->phase == ENGINE_FINISHING && clock_mono_ns() >= e->deadline_ns)
        engine_cancel_all(e);
    if (e->phase == ENGINE_FINISHING && e->in_flight == 0)
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

static int count_slots(const struct engine *e, int *out, struct seep_err *err)
{
    struct rlimit fds;
    getrlimit(RLIMIT_NOFILE, &fds);
    double most = fds.rlim_cur > SPARE_FDS ? (double)(fds.rlim_cur - SPARE_FDS) : 1;
    double whole = is_open_model(e) ? e->load->connections : ceil(schedule_max(&e->schedule));
    double wanted = whole < 1e9 ? share_part(e->share, (int)whole) : whole;
    if (wanted < 1)
        wanted = 1;
    if (wanted > most)
        return seep_fail(err, SEEP_E_LIMIT,
                         "The load wants %.0f connections, and this machine allows %.0f; raise the limit of open files "
                         "(ulimit -n) or ask for fewer.",
                         wanted, most);
    *out = (int)wanted;
    return 0;
}

// The instance of that kind, made when the first scenario wants it.
static struct transport *transport_of(struct engine *e, const struct transport_ops *kind,
                                      const struct transport_setup *setup, struct seep_err *err)
{
    for (int i = 0; i < e->n_transports; i++) {
        if (e->transport[i]->ops == kind)
            return e->transport[i];
    }
    if (e->n_transports == TRANSPORTS_MAX) {
        seep_fail(err, SEEP_E_LIMIT, "The load needs more than %d kinds of connections.", TRANSPORTS_MAX);
        return NULL;
    }
    if (kind->open(setup, &e->transport[e->n_transports], err) < 0)
        return NULL;
    return e->transport[e->n_transports++];
}

static int write_request(struct engine *e, const struct profile_scenario *s, struct scenario_state *st,
                         struct seep_err *err)
{
    const struct profile_request *r = &s->steps[0].request;
    for (int i = 0; i < r->n_headers; i++) {
        char *value = profile_expand_env(r->headers[i].value ? r->headers[i].value : "", err);
        int failed = value ? request_add_header(&st->text, r->headers[i].key, value, err) : -1;
        free(value);
        if (failed)
            return -1;
    }
    char *url = profile_expand_env(r->url, err), *target = NULL, *userinfo = NULL;
    char *body = url && r->body ? profile_expand_env(r->body, err) : NULL;
    int failed =
        !url || (r->body && !body) ? -1 : origin_add(&e->origins, url, NULL, &st->spec.origin, &target, &userinfo, err);
    if (!failed)
        failed = request_finish(&st->text, st->spec.origin, r->method, target, body, userinfo, err);
    free(url);
    free(body);
    free(userinfo);
    return failed;
}

static int open_scenario(struct engine *e, const struct profile_scenario *s, struct scenario_state *st,
                         const struct transport_setup *setup, struct seep_err *err)
{
    st->spec = (struct exchange_spec){.name = s->name,
                                      .timeout_ns = (int64_t)(s->steps[0].request.timeout_s * 1e9),
                                      .body_max = EXCHANGE_BODY_MAX,
                                      .constant = &st->text.request};
    if (write_request(e, s, st, err) < 0)
        return -1;
    const struct transport_ops *kind = transport_for(&st->spec, setup);
    if (!kind)
        return seep_fail(err, SEEP_E_UNSUPPORTED, "There is no way to send the request of scenario %s%s.", s->name,
                         setup->only ? " by the engine that the load names" : "");
    st->transport = transport_of(e, kind, setup, err);
    return st->transport ? kind->prepare(st->transport, &st->spec, err) : -1;
}

static int open_data(struct engine *e, uv_loop_t *loop, struct seep_err *err)
{
    if (schedule_build(e->load, &e->schedule, err) < 0 || pick_build(e->load, &e->pick, err) < 0 ||
        count_slots(e, &e->n_slots, err) < 0)
        return -1;
    if (!is_open_model(e) && users_open(&e->users, e->n_slots, err) < 0)
        return -1;
    e->slot = calloc((size_t)e->n_slots, sizeof *e->slot);
    e->scenario = calloc((size_t)e->load->n_scenarios, sizeof *e->scenario);
    if (!e->slot || !e->scenario)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for %d connections and %d scenarios.", e->n_slots,
                         e->load->n_scenarios);
    struct transport_setup setup = {.loop = loop, .connections = e->n_slots, .done = engine_done};
    if (e->load->engine != PROFILE_ENGINE_AUTO)
        setup.only = (e->load->engine == PROFILE_ENGINE_OWN ? &transport_net : &transport_curl)->name;
    for (int i = 0; i < e->load->n_scenarios; i++) {
        e->scenario[i].series = load_series_of_step(e->tally->series, 0, i, 0);
        if (open_scenario(e, &e->load->scenarios[i], &e->scenario[i], &setup, err) < 0)
            return -1;
    }
    return 0;
}

static void close_transports(struct engine *e)
{
    for (int i = 0; i < e->n_transports; i++)
        e->transport[i]->ops->close(e->transport[i]);
    e->n_transports = 0;
}

static void close_data(struct engine *e)
{
    for (int i = 0; e->scenario && i < e->load->n_scenarios; i++)
        request_free(&e->scenario[i].text);
    origin_free(&e->origins);
    free(e->scenario);
    free(e->slot);
    users_close(&e->users);
    pick_free(&e->pick);
    schedule_free(&e->schedule);
    free(e);
}

int engine_open(uv_loop_t *loop, const struct profile *p, struct load_tally *tally, const struct engine_part *part,
                struct engine_hooks hooks, struct engine **out, struct seep_err *err)
{
    struct engine *e = calloc(1, sizeof *e);
    if (!e)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the load engine.");
    *e = (struct engine){.load = &p->loads[0],
                         .tally = tally,
                         .hooks = hooks,
                         .rng = {part->seed},
                         .share =
                             share_of_load(0, share_split(&p->loads[0], part->processes), part->process, part->processes),
                         .first_free = -1,
                         .alarm_ns = INT64_MAX,
                         .deadline_ns = INT64_MAX,
                         .end_ns = INT64_MAX};
    if (open_data(e, loop, err) < 0) {
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
    engine_cancel_all(e);
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
    for (int i = 0; i < e->n_transports; i++) {
        struct transport_counters c;
        e->transport[i]->ops->counters(e->transport[i], &c);
        out->connections += c.connections;
    }
    out->in_flight = (uint32_t)e->in_flight;
    out->rss_bytes = resident_bytes();
    if (e->phase != ENGINE_RUNNING)
        return;
    out->running_ns += now_ns - e->begin_ns;
    out->cpu_us += cpu_us() - e->cpu_begin_us;
    out->users = (uint32_t)e->users.active;
    if (is_open_model(e)) {
        out->target_rate_per_s = schedule_value(&e->schedule, schedule_now(e, now_ns));
        out->waiting = (uint32_t)(e->due.taken > e->next.taken ? e->due.taken - e->next.taken : 0);
    }
}
