// The state machine of a run: see machine.h. The actions are in phases.c and stopping.c.
#include "run/machine.h"
#include "base/check.h"
#include "run/actions.h"
#include "run/state.h"

const char *const run_state_names[RUN_STATES] = {"new",      "starting", "readying",  "baseline", "measure",
                                                 "drain",    "settle",   "reload",    "redrain",  "close",
                                                 "stopping", "killing",  "finishing", "over"};

// Shared rows: in every phase with a living target its end, and orders to stop, mean the same.
#define WHILE_ALIVE                                                                                                    \
    [RUN_EV_COMPLETED] = {RUN_KILLING, run_act_completed}, [RUN_EV_LOST] = {RUN_KILLING, run_act_lost},                \
    [RUN_EV_STOP] = {RUN_STOPPING, run_act_stop}, [RUN_EV_STOP_NOW] = {RUN_KILLING, run_act_kill}

static const struct run_step run_table[RUN_STATES][RUN_EVENTS] =
    {
        [RUN_NEW] =
            {
                [RUN_EV_BEGIN] = {RUN_STARTING, run_act_begin},
                [RUN_EV_STOP] = {RUN_FINISHING, run_act_finish},
                [RUN_EV_STOP_NOW] = {RUN_FINISHING, run_act_finish},
            },
        [RUN_STARTING] =
            {
                [RUN_EV_STARTED] = {RUN_READYING, run_act_readying},
                [RUN_EV_START_FAILED] = {RUN_FINISHING, run_act_finish},
                [RUN_EV_STOP] = {RUN_KILLING, run_act_kill},
                [RUN_EV_STOP_NOW] = {RUN_KILLING, run_act_kill},
            },
        [RUN_READYING] =
            {
                [RUN_EV_READY] = {RUN_BASELINE, run_act_baseline},
                [RUN_EV_NOT_READY] = {RUN_STOPPING, run_act_not_ready},
                WHILE_ALIVE,
            },
        [RUN_BASELINE] = {[RUN_EV_PHASE_DONE] = {RUN_MEASURE, run_act_measure}, WHILE_ALIVE},
        [RUN_MEASURE] = {[RUN_EV_PHASE_DONE] = {RUN_DRAIN, run_act_drain}, WHILE_ALIVE},
        [RUN_DRAIN] = {[RUN_EV_PHASE_DONE] = {RUN_SETTLE, run_act_settle}, WHILE_ALIVE},
        [RUN_SETTLE] = {[RUN_EV_PHASE_DONE] = {RUN_RELOAD, run_act_reload}, WHILE_ALIVE},
        [RUN_RELOAD] = {[RUN_EV_PHASE_DONE] = {RUN_REDRAIN, run_act_redrain}, WHILE_ALIVE},
        [RUN_REDRAIN] = {[RUN_EV_PHASE_DONE] = {RUN_CLOSE, run_act_close}, WHILE_ALIVE},
        [RUN_CLOSE] = {[RUN_EV_PHASE_DONE] = {RUN_STOPPING, run_act_stop}, WHILE_ALIVE},
        [RUN_STOPPING] =
            {
                [RUN_EV_COMPLETED] = {RUN_STOPPING, run_act_ended_after_stop},
                [RUN_EV_LOST] = {RUN_STOPPING, run_act_ended_after_stop},
                [RUN_EV_EMPTY] = {RUN_FINISHING, run_act_finish},
                [RUN_EV_PATIENCE] = {RUN_KILLING, run_act_out_of_patience},
                [RUN_EV_STOP_NOW] = {RUN_KILLING, run_act_kill},
            },
        [RUN_KILLING] =
            {
                [RUN_EV_EMPTY] = {RUN_FINISHING, run_act_finish},
                [RUN_EV_PATIENCE] = {RUN_FINISHING, run_act_unkillable},
            },
        [RUN_FINISHING] = {[RUN_EV_PHASE_DONE] = {RUN_OVER, run_act_over}},
};

void run_feed(struct run *r, enum run_event event)
{
    SEEP_CHECK(r->n_queued < RUN_EVENT_QUEUE);
    r->queued[r->n_queued++] = event;
    if (r->feeding)
        return;
    r->feeding = true;
    for (unsigned i = 0; i < r->n_queued; i++) {
        const struct run_step *step = &run_table[r->state][r->queued[i]];
        if (!step->action)
            continue;
        r->state = step->next;
        step->action(r);
    }
    r->n_queued = 0;
    r->feeding = false;
}
