// A load that is another program: when it is started, sampled, told to end and killed. See exec.h for the program
// itself.
//
// Of the drive it uses the phases and the clock; plan, users and arrivals are empty.
#include "load/engine_state.h"

#include <math.h>

enum { GRACE_S = 5 };       // between the two signals that end it
#define AGAIN_NS 1000000000 // from one start to the next, at least

static void on_note(void *ctx, const char *text)
{
    engine_note(ctx, "%s", text);
}

// It is one program: the first process of its share runs it.
int drive_exec_open(struct drive *d, int index, struct seep_err *err)
{
    struct engine *e = d->engine;
    const struct exec_hooks hooks = {.on_note = on_note, .ctx = e};
    return d->share.index == 0 ? exec_open(e->loop, d->load, index, e->tally, hooks, &d->exec, err) : 0;
}

void drive_exec_begin(struct drive *d)
{
    d->exec_begun = false;
    d->again_ns = d->begin_ns;
}

static void sample_next(struct drive *d, int64_t now_ns)
{
    d->sample_ns = now_ns + (int64_t)(d->load->exec.interval_s * 1e9);
}

static bool is_due(const struct drive *d, int64_t now_ns)
{
    return d->exec && !exec_running(d->exec) && now_ns >= d->again_ns && (!d->exec_begun || d->load->exec.again);
}

static void start(struct drive *d, int64_t now_ns)
{
    d->exec_begun = true;
    d->again_ns = now_ns + AGAIN_NS;
    sample_next(d, now_ns);
    exec_start(d->exec);
}

bool drive_exec_turn(struct drive *d, int64_t now_ns)
{
    if (d->phase == DRIVE_RUNNING && now_ns >= d->end_ns)
        drive_finish(d, INFINITY, now_ns);
    if (d->phase == DRIVE_RUNNING && is_due(d, now_ns)) {
        start(d, now_ns);
        return true;
    }
    bool running = d->exec && exec_running(d->exec);
    bool ended = !running && (!d->exec || d->exec_begun) && !d->load->exec.again;
    if ((d->phase == DRIVE_FINISHING && !running) || (d->phase == DRIVE_RUNNING && ended))
        drive_over(d);
    if (d->phase == DRIVE_FINISHING && now_ns >= d->deadline_ns) {
        d->deadline_ns = INT64_MAX;
        exec_kill(d->exec);
    }
    return false;
}

double drive_exec_finish(struct drive *d, double grace_s)
{
    if (d->exec)
        exec_terminate(d->exec);
    return grace_s < GRACE_S ? grace_s : GRACE_S;
}

void drive_exec_house(struct drive *d, int64_t now_ns)
{
    if (!d->exec || !exec_running(d->exec) || now_ns < d->sample_ns)
        return;
    exec_sample(d->exec);
    sample_next(d, now_ns);
}

int64_t drive_exec_next_ns(const struct drive *d)
{
    if (d->phase != DRIVE_RUNNING)
        return d->deadline_ns;
    int64_t at_ns = drive_earlier(d->deadline_ns, d->end_ns);
    return d->exec && !exec_running(d->exec) ? drive_earlier(d->again_ns, at_ns) : at_ns;
}

void drive_exec_generator(const struct drive *d, struct load_generator *g)
{
    uint32_t ended = 0, failed = 0;
    if (d->exec)
        exec_counts(d->exec, &ended, &failed);
    g->programs += ended;
    g->programs_failed += failed;
}
