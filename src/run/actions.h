// What the steps of the machine do. phases.c: up to the end of the measured time; stopping.c: from the stop signal on.
#ifndef SEEP_RUN_ACTIONS_H
#define SEEP_RUN_ACTIONS_H

#include "run/machine.h"

run_action_fn run_act_begin;     // tells the keeper to run the target
run_action_fn run_act_readying;  // starts the ready check
run_action_fn run_act_not_ready; // notes the failure, then as stop
run_action_fn run_act_baseline;  // idle samples; at once past without a load
run_action_fn run_act_measure;   // load on, the clock of the duration starts
run_action_fn run_act_drain;     // load off; at once past without a load
run_action_fn run_act_settle;    // idle samples; at once past without run.reload, as are the next two
run_action_fn run_act_reload;    // load on again, for as long as before
run_action_fn run_act_redrain;   // load off again
run_action_fn run_act_close;     // idle samples; at once past without a load

run_action_fn run_act_completed;        // the target ended by itself, in order
run_action_fn run_act_lost;             // it ended although it should not have
run_action_fn run_act_stop;             // sends the stop signal
run_action_fn run_act_ended_after_stop; // the main process is gone: who is left?
run_action_fn run_act_out_of_patience;  // notes that the signal did not do, then kills
run_action_fn run_act_kill;             // kills whatever lives
run_action_fn run_act_unkillable;       // notes who is left, and finishes
run_action_fn run_act_finish;           // nobody lives: store, judge, report
run_action_fn run_act_over;

#endif
