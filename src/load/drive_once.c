// What is done once for a load, however many processes drive it: its setup and its teardown. See together.h for what
// the processes say to each other.
#include "base/clock.h"
#include "load/engine_state.h"
#include "load/handover.h"

enum { TEARDOWN_MAX_S = 10 }; // once the load was told to stop

static bool among_others(const struct drive *d)
{
    return d->engine->part.processes > 1;
}

// Of all processes this is the one that runs what is done once.
static bool does_once(const struct drive *d)
{
    return d->share.index == 0;
}

static int number_of(const struct drive *d)
{
    return (int)(d - d->engine->drive);
}

// Tells the other processes how the setup ended. 0: it ended well, and they can know.
static int tell_setup(struct drive *d, bool ok)
{
    if (!among_others(d))
        return ok ? 0 : -1;
    int fd = ok ? handover_write(&d->shared) : -1;
    if (ok && fd < 0)
        engine_note(d->engine, "load %s: what its setup found out cannot be handed on; it does not begin",
                    d->load->name);
    d->engine->hooks.on_setup(d->engine->hooks.ctx, number_of(d), fd);
    return fd < 0 ? -1 : 0;
}

void drive_take_setup(struct drive *d, int fd)
{
    if (d->phase != DRIVE_SETUP || does_once(d))
        return;
    if (fd >= 0 && handover_read(&d->shared, fd) == 0)
        d->phase = DRIVE_WAITING;
    else
        drive_over(d);
}

void drive_setup(struct drive *d)
{
    d->end_ns = d->deadline_ns = d->pause_ns = INT64_MAX;
    d->phase = DRIVE_WAITING;
    if (d->plan.setup.n == 0)
        return;
    d->phase = DRIVE_SETUP;
    session_reset(&d->shared, NULL);
    if (!does_once(d))
        return;
    const char *why = NULL;
    if (session_begin(&d->shared, NULL, 0, &d->engine->rng, &why) < 0) {
        engine_note(d->engine, "load %s: its setup cannot begin: %s", d->load->name, why);
        tell_setup(d, false);
        d->phase = DRIVE_OVER;
        return;
    }
    flow_begin_own(&d->own, &d->plan.setup, FLOW_SETUP, clock_mono_ns());
}

static void enter(struct drive *d, enum drive_phase phase, int64_t now_ns)
{
    d->phase = phase;
    if (d->deadline_ns != INT64_MAX)
        d->deadline_ns = now_ns + TEARDOWN_MAX_S * 1000000000LL;
}

void drive_run_teardown(struct drive *d, int64_t now_ns)
{
    enter(d, DRIVE_TEARDOWN, now_ns);
    flow_begin_own(&d->own, &d->plan.teardown, FLOW_TEARDOWN, now_ns);
}

void drive_teardown(struct drive *d, int64_t now_ns)
{
    bool any = d->plan.teardown.n > 0;
    if (any && among_others(d))
        d->engine->hooks.on_over(d->engine->hooks.ctx, number_of(d));
    if (!any || !does_once(d))
        drive_over(d);
    else if (d->share.of > 1)
        enter(d, DRIVE_ALONE, now_ns);
    else
        drive_run_teardown(d, now_ns);
}

void drive_all_over(struct drive *d, int64_t now_ns)
{
    if (d->phase == DRIVE_ALONE)
        drive_run_teardown(d, now_ns);
}

void drive_own_over(struct drive *d, bool ok, int64_t now_ns)
{
    (void)now_ns;
    if (!ok)
        engine_note(d->engine, "load %s: its %s failed%s", d->load->name,
                    d->phase == DRIVE_SETUP ? "setup" : "teardown",
                    d->phase == DRIVE_SETUP ? "; it does not begin" : "");
    if (d->phase == DRIVE_SETUP && tell_setup(d, ok) == 0)
        d->phase = DRIVE_WAITING;
    else
        drive_over(d);
}
