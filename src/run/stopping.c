// The steps from the stop signal on: signal, patience, kill, and the end. See machine.c for their order.
//
// The ladder: the profile's signal to the main process (to the whole tree where the tree is the target), SIGCONT after
// it because a stopped process keeps its signals pending, then `shutdown.within` of patience, then SIGKILL to everybody
// until nobody is left.
#include "run/actions.h"
#include "run/attach.h"
#include "run/state.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHILDREN_PATIENCE_S 1.0 // for descendants once the main process has ended in order
#define KILL_PATIENCE_S     5.0

static void stop_driving(struct run *r)
{
    struct seep_err err;
    run_ticks_end(r);
    run_faults_end(r);
    run_deps_cancel(r);
    run_probes_cancel(r);
    if (r->has_measure && !r->measure_ended.mono_ns)
        r->measure_ended = clock_read();
    atomic_store(&r->ready.cancel, true);
    r->load_wanted = false;
    if (r->load)
        load_stop(r->load, 0.2, &err);
}

static void kill_everybody(struct run *r)
{
    struct seep_err err;
    int left = 0;
    stop_driving(r);
    if (!r->linked || r->tree_empty) {
        run_feed(r, RUN_EV_EMPTY);
        return;
    }
    if (!r->keeper_lost && keeper_kill_all(&r->link, &left, &err))
        run_event_note(r, E_WARNING, "%s.", err.text);
    if (r->keeper_lost && r->link.target_pidfd >= 0)
        syscall(SYS_pidfd_send_signal, r->link.target_pidfd, SIGKILL, NULL, 0);
    run_patience(r, KILL_PATIENCE_S);
    run_keeper_events(r);
}

void run_act_kill(struct run *r)
{
    if (r->attached) {
        stop_driving(r);
        attach_leave(r);
        return;
    }
    if (!r->shutdown.sent && !r->shutdown.skipped[0])
        snprintf(r->shutdown.skipped, sizeof r->shutdown.skipped, "The run was ended at once, without a stop signal.");
    kill_everybody(r);
}

void run_act_stop(struct run *r)
{
    struct seep_err err;
    const struct profile_shutdown *want = &r->profile->shutdown;
    stop_driving(r);
    if (r->attached && !r->tree_empty) {
        attach_leave(r);
        return;
    }
    if (r->sampler.heap)
        run_event_note(r, E_PHASE, "stopping");
    if (!r->linked || r->tree_empty) {
        snprintf(r->shutdown.skipped, sizeof r->shutdown.skipped, "Nothing was left to stop.");
        run_feed(r, RUN_EV_EMPTY);
        return;
    }
    if (!r->sampling && r->sampler.heap && !heap_ages_taken(r->sampler.heap))
        heap_take_ages(r->sampler.heap, &err);
    if (!r->sampling)
        linux_tree_walk(r->sampler.proc_fd, r->sampler.root, r->sampler.tree, &err);
    if (r->target_alive)
        run_limit_facts(r);
    shutdown_look_before(&r->shutdown, r->sampler.proc_fd, r->sampler.tree);
    enum keeper_whom whom = r->profile->target.life == LIFE_TREE ? KEEPER_WHOM_ALL : KEEPER_WHOM_MAIN;
    r->shutdown.sent_at = clock_read();
    r->shutdown.after_s = NAN;
    r->shutdown.rest = !r->target_alive;
    if (r->keeper_lost || keeper_signal(&r->link, want->signal, whom, KEEPER_SIGNAL_STOP, &err)) {
        snprintf(r->shutdown.skipped, sizeof r->shutdown.skipped, "The stop signal could not be sent.");
        run_patience(r, 0.01);
        return;
    }
    r->shutdown.sent = true;
    r->shutdown.signal = want->signal;
    if (want->signal != SIGKILL)
        keeper_signal(&r->link, SIGCONT, whom, 0, &err);
    run_patience(r, want->within_s);
    run_keeper_events(r);
}

void run_act_ended_after_stop(struct run *r)
{
    if (r->shutdown.sent && isnan(r->shutdown.after_s))
        r->shutdown.after_s =
            (double)(r->exit.end_mono_ns > 0 ? (int64_t)r->exit.end_mono_ns - r->shutdown.sent_at.mono_ns
                                             : clock_mono_ns() - r->shutdown.sent_at.mono_ns) /
            1e9;
    shutdown_look_children(&r->shutdown, r->sampler.proc_fd, r->sampler.root, r->target_pid);
    if (!r->tree_empty)
        run_patience(r, CHILDREN_PATIENCE_S);
}

void run_act_out_of_patience(struct run *r)
{
    if (r->target_alive || r->shutdown.rest || !r->shutdown.sent)
        r->shutdown.killed = r->shutdown.sent;
    else // only descendants are left: they had their second, count them once more
        shutdown_look_children(&r->shutdown, r->sampler.proc_fd, r->sampler.root, r->target_pid);
    kill_everybody(r);
}

void run_act_completed(struct run *r)
{
    if (r->shutdown.skipped[0] == 0)
        snprintf(r->shutdown.skipped, sizeof r->shutdown.skipped, "The target ended by itself.");
    if (!r->tree_empty)
        run_event_note(r, E_PROCESS, "The main process ended; what it left behind was killed.");
    kill_everybody(r);
}

void run_act_lost(struct run *r)
{
    r->outcome.target_failed = true;
    if (r->shutdown.skipped[0] == 0)
        snprintf(r->shutdown.skipped, sizeof r->shutdown.skipped, "The target was gone before it could be stopped.");
    kill_everybody(r);
}

void run_act_unkillable(struct run *r)
{
    shutdown_look_children(&r->shutdown, r->sampler.proc_fd, r->sampler.root, 0);
    run_event_note(r, E_WARNING, "These processes could not be killed: %s.", r->shutdown.children_names);
    run_act_finish(r);
}

// The tree of a main process that had ended before: nobody else tells that it is gone.
static void note_rest(struct run *r)
{
    if (!r->shutdown.sent || !r->shutdown.rest || r->shutdown.killed || !r->tree_empty)
        return;
    r->shutdown.after_s = (double)(clock_mono_ns() - r->shutdown.sent_at.mono_ns) / 1e9;
    r->shutdown.children_left = 0;
}

void run_act_finish(struct run *r)
{
    note_rest(r);
    stop_driving(r);
    run_deps_stop(r);
    run_scrape_flush(r);
    run_patience_off(r);
    run_after_job(r);
}

void run_act_over(struct run *r)
{
    uv_stop(&r->loop);
}

// The end begins when no job is at work any more.
static void finish_job(uv_work_t *req)
{
    struct run *r = req->data;
    struct seep_err err = {0};
    if (run_end(r, &err)) {
        r->outcome.error = r->end_failed = true;
        snprintf(r->outcome.text, sizeof r->outcome.text, "%s", err.text);
        r->exit_code = seep_codes[SEEP_E_SYSTEM].exit_status;
    }
}

static void finish_done(uv_work_t *req, int status)
{
    struct run *r = req->data;
    (void)status;
    r->finishing = false;
    run_feed(r, RUN_EV_PHASE_DONE);
}

void run_after_job(struct run *r)
{
    if (r->state != RUN_FINISHING || r->sampling || r->writing || r->readying || r->judging || r->checking ||
        r->scanning || r->finishing || run_deps_busy(r) || run_scrape_busy(r) || run_probes_busy(r))
        return;
    r->finishing = true;
    uv_queue_work(&r->loop, &r->finish_work, finish_job, finish_done);
}
