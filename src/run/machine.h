// The life of a run as one table: state x event -> next state and what is done on the way.
//
//   new -> starting -> readying -> baseline -> measure -> drain -> settle -> reload -> redrain -> close -> stopping ->
//   killing -> finishing -> over
//
// Phases that do not apply (settle to redrain without run.reload, all but measure without a load) are entered and left
// at once. Every way out of a run leads through `finishing`, where what was measured is judged. The table is in
// machine.c and nowhere else.
#ifndef SEEP_RUN_MACHINE_H
#define SEEP_RUN_MACHINE_H

enum run_state {
    RUN_NEW,       // the keeper stands by
    RUN_STARTING,  // the keeper was told to run the target
    RUN_READYING,  // the target runs; the ready check has not passed yet
    RUN_BASELINE,  // idle samples before the load
    RUN_MEASURE,   // the duration of the run
    RUN_DRAIN,     // load off, waiting for the target to settle
    RUN_SETTLE,    // with run.reload: idle samples between the cycles
    RUN_RELOAD,    // with run.reload: the same load again
    RUN_REDRAIN,   // load off again
    RUN_CLOSE,     // idle samples after the load
    RUN_STOPPING,  // the stop signal was sent
    RUN_KILLING,   // whatever still lives is being killed
    RUN_FINISHING, // nobody lives; store, judge, report
    RUN_OVER,
    RUN_STATES
};

enum run_event {
    RUN_EV_BEGIN,
    RUN_EV_STARTED,      // exec succeeded
    RUN_EV_START_FAILED, // it did not
    RUN_EV_READY,
    RUN_EV_NOT_READY,  // the time for it is over
    RUN_EV_PHASE_DONE, // the present phase has lasted long enough
    RUN_EV_COMPLETED,  // the target ended by itself, as its life allows
    RUN_EV_LOST,       // the target ended although it should not have
    RUN_EV_EMPTY,      // no process of the target is left
    RUN_EV_STOP,       // end in order: a signal to us, `seep stop`, early stop, a store that cannot go on
    RUN_EV_STOP_NOW,   // end at once: the second signal
    RUN_EV_PATIENCE,   // the time allowed for the present step of stopping is over
    RUN_EVENTS
};

struct run;

// What a step does. Returns 0; errors are kept in the run (they end it), never lost.
typedef void run_action_fn(struct run *r);

struct run_step {
    enum run_state next;
    run_action_fn *action; // NULL: this event means nothing in this state and is ignored
};

extern const char *const run_state_names[RUN_STATES];

// Feeds one event: looks the step up, changes the state, then runs the action, which may feed further events (they are
// queued and run in order after it).
void run_feed(struct run *r, enum run_event event);

#endif
