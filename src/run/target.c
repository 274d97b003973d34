// What the keeper tells of the target, turned into events of the machine.
#include "run/actions.h"
#include "run/state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void on_started(struct run *r, const struct keeper_started *st)
{
    r->target_pid = st->pid;
    r->target_starttime = st->starttime_ticks;
    r->target_alive = true;
    r->sampler.main_pid = st->pid;
    r->sampler.root = r->link.keeper_pid;
    run_meta_f(r, M_TARGET_PID, "%d", st->pid);
    r->tree_empty = r->have_exit = false;
    bool again = run_faults_target_started(r);
    if (!again)
        run_meta_f(r, M_STARTED, "%llu", (unsigned long long)st->real_ns);
    const char *program = r->profile->target.argc ? r->profile->target.argv[0] : "", *slash = strrchr(program, '/');
    snprintf(r->live.title, sizeof r->live.title, "%.60s  %.60s  pid %d", r->profile->name, slash ? slash + 1 : program,
             st->pid);
    run_feed(r, RUN_EV_STARTED);
}

static void on_failed(struct run *r, const struct keeper_failed *failed)
{
    struct seep_err err;
    keeper_start_failure(&r->keeper, failed, &err);
    if (run_faults_start_failed(r)) {
        snprintf(r->outcome.text, sizeof r->outcome.text, "The target could not be started again: %.400s", err.text);
        run_feed(r, RUN_EV_LOST);
        return;
    }
    r->outcome.target_failed = true;
    snprintf(r->outcome.text, sizeof r->outcome.text, "%s", err.text);
    run_feed(r, RUN_EV_START_FAILED);
}

static bool ended_well(const struct run *r)
{
    return r->exit.how == KEEPER_HOW_EXITED && r->exit.status == 0;
}

void run_exit_text(const struct run *r, char *text, size_t size)
{
    if (r->attached && r->exit.how == KEEPER_HOW_UNKNOWN)
        snprintf(text, size, "ended, and how is not known: seep is not its parent, and this kernel tells nobody else");
    else
        keeper_exit_text(&r->exit, text, size);
}

// What the end of the main process means depends on the life the profile gave it.
void run_target_exited(struct run *r, const struct keeper_exit_record *rec)
{
    char obituary[300];
    r->exit = *rec;
    r->have_exit = true;
    r->target_alive = false;
    if (r->state >= RUN_STOPPING) {
        run_feed(r, RUN_EV_COMPLETED);
        return;
    }
    if (run_faults_target_exited(r))
        return;
    run_exit_text(r, obituary, sizeof obituary);
    if (r->profile->target.life == LIFE_TREE && ended_well(r) && !r->tree_empty) {
        run_event_note(r, E_PROCESS, "The main process %s; its descendants go on.", obituary);
        return;
    }
    snprintf(r->outcome.text, sizeof r->outcome.text, "The target %s%s", obituary,
             r->state < RUN_BASELINE ? ", before it was ready."
             : r->has_measure        ? "."
                                     : ", before the measured time.");
    bool fine = ended_well(r) && (r->profile->target.life == LIFE_JOB || r->finish_only);
    run_feed(r, fine ? RUN_EV_COMPLETED : RUN_EV_LOST);
}

void run_target_emptied(struct run *r)
{
    r->tree_empty = true;
    if (run_faults_target_emptied(r))
        return;
    if (r->state < RUN_STOPPING && r->have_exit && r->profile->target.life == LIFE_TREE)
        run_feed(r, RUN_EV_COMPLETED);
    run_feed(r, RUN_EV_EMPTY);
}

static void on_region(struct run *r, struct keeper_event *ev)
{
    struct seep_err err;
    const struct keeper_region *g = &ev->u.region;
    if (!r->sampler.heap || heap_region_add(r->sampler.heap, ev->fd, ev->memory_fd, g->id, g->pid, g->starttime_ticks,
                                            g->main != 0, &err)) {
        if (r->sampler.heap)
            run_event_note(r, E_DEGRADED, "Process %d is not attributed: %s.", g->pid, err.text);
        close(ev->fd);
        if (ev->memory_fd >= 0)
            close(ev->memory_fd);
    }
}

static void on_stats(struct run *r, const struct keeper_stats *s)
{
    uint32_t news = s->warnings & ~r->keeper_warnings;
    r->keeper_warnings |= s->warnings;
    if (news & KEEPER_WARN_LOG_LOST)
        run_event_note(r, E_DEGRADED, "The target's output could not be written to disk from here on.");
    if (news & (KEEPER_WARN_REGION_REFUSED | KEEPER_WARN_REGION_NOMEM))
        run_event_note(r, E_DEGRADED,
                       "A process of the target is not attributed: the memory for attribution is used up.");
    if (news & KEEPER_WARN_PROBE_REJECTED)
        run_event_note(r, E_WARNING, "A process outside the target, or with another probe, asked for a region.");
}

static void on_lost(struct run *r)
{
    run_unwatch_keeper(r);
    r->keeper_lost = true;
    if (r->state == RUN_STARTING) { // nobody is left to start it, and no event would ever come
        struct seep_err err;
        seep_fail(&err, SEEP_E_SYSTEM, "seep-keeper ended before it had started the target");
        r->tree_empty = true;
        run_error(r, &err);
        return;
    }
    run_event_note(r, E_DEGRADED, "seep-keeper is gone; the target runs on, its exit status may stay unknown.");
}

static void take_event(struct run *r, struct keeper_event *ev)
{
    switch (ev->kind) {
    case KEEPER_EV_STARTED:
        on_started(r, &ev->u.started);
        break;
    case KEEPER_EV_START_FAILED:
        on_failed(r, &ev->u.failed);
        break;
    case KEEPER_EV_EXITED:
        run_target_exited(r, &ev->u.exit);
        break;
    case KEEPER_EV_EMPTY:
        run_target_emptied(r);
        break;
    case KEEPER_EV_REGION:
        on_region(r, ev);
        break;
    case KEEPER_EV_STATS:
        on_stats(r, &ev->u.stats);
        break;
    case KEEPER_EV_LOST:
        on_lost(r);
        break;
    case KEEPER_EV_NONE:
        break;
    }
}

void run_keeper_events(struct run *r)
{
    if (!r->linked || r->keeper_lost)
        return;
    for (;;) {
        struct keeper_event ev;
        struct seep_err err;
        if (keeper_next_event(&r->link, &ev, &err)) {
            run_error(r, &err);
            on_lost(r);
            return;
        }
        if (ev.kind == KEEPER_EV_NONE)
            return;
        take_event(r, &ev);
        if (r->keeper_lost)
            return;
    }
}

void run_orphan_look(struct run *r)
{
    struct keeper_exit_record rec;
    struct seep_err err;
    keeper_orphan_drain(&r->link);
    if (!r->target_alive)
        return;
    int ended = keeper_orphan_wait(&r->link, &rec, &err);
    if (ended == 0)
        return;
    if (ended < 0) {
        memset(&rec, 0, sizeof rec);
        rec.how = KEEPER_HOW_UNKNOWN;
    }
    run_target_exited(r, &rec);
    run_target_emptied(r);
}
