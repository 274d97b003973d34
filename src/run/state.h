// Everything one run knows, shared by the files of this room only. One thread, the loop's, owns all of it; what worker
// threads touch is named beside the field.
#ifndef SEEP_RUN_STATE_H
#define SEEP_RUN_STATE_H

#include "base/clock.h"
#include "judge/early.h"
#include "keeper/link.h"
#include "linux/cgroup.h"
#include "linux/pidfd.h"
#include "load/load.h"
#include "report/report.h"
#include "run/control.h"
#include "run/deps.h"
#include "run/faults.h"
#include "run/identity.h"
#include "run/live.h"
#include "run/machine.h"
#include "run/probes.h"
#include "run/ready.h"
#include "run/run.h"
#include "run/sampler.h"
#include "run/scrape.h"
#include "run/shutdown.h"
#include "run/writer.h"
#include "store/store.h"
#include <limits.h>
#include <uv.h>

#define RUN_META_CGROUP "run.cgroup" // struct linux_cgroup, for the same build of seep
#define RUN_MAGIC       0x6e757273u
#define RUN_EVENT_QUEUE 32
#define RUN_SIGNALS     5

// How the run ended, apart from its gates; goes into the store as facts for report_build().
struct run_outcome {
    bool error;
    bool target_failed;
    bool stopped;       // by `seep stop` or early stop: the verdict keeps its own exit code
    bool early;         // early stop
    int interrupted_by; // signal to us, 0 none
    char text[480];     // a sentence; "" when all went as planned
};

struct run {
    unsigned magic;
    // The machine
    enum run_state state;
    enum run_event queued[RUN_EVENT_QUEUE];
    unsigned n_queued;
    bool feeding;

    // What to do
    const struct profile *profile;
    const char *baseline; // of run_options; only read while the run is set up
    struct run_options opt;
    double interval_s, idle_interval_s, duration_s, drain_s;
    bool adopting; // resume or finish: the target runs already
    bool finish_only;
    bool had_ended; // resume or finish of a run that has its end record: nothing of it is touched

    // Where
    char id[72];
    char dir[PATH_MAX];
    int dir_fd;

    // Parts
    uv_loop_t loop;
    uv_timer_t tick_timer, patience_timer, report_timer;
    uv_poll_t keeper_poll, load_poll, control_poll, client_poll[CONTROL_CLIENTS];
    int client_fd[CONTROL_CLIENTS];
    uv_signal_t signals[RUN_SIGNALS];
    uv_work_t ready_work, sample_work, write_work, judge_work, check_work, scan_work, finish_work;
    struct keeper_link link;
    struct keeper_config keeper;
    struct linux_cgroup cgroup;
    struct run_sampler sampler;          // the sample job's while `sampling`
    struct run_crosscheck crosscheck;    // its items are the sample job's, the rest the check job's
    struct crosscheck_item *check_items; // the check job's
    struct run_writer writer;            // its queue is locked inside
    struct run_ready ready;              // the ready job's while `readying`
    struct run_identity identity;        // the ready job's while `readying`, the sample job's while `sampling`
    bool identity_anew;                  // the last sample found another program in the target's process
    struct run_live live;
    struct run_shutdown shutdown;
    struct run_deps *deps;       // NULL: none
    struct run_scrapes *scrapes; // NULL: none
    struct run_probes *probes;   // NULL: none
    struct run_faults *faults;   // NULL: none, and the target is not started again
    struct load *load;           // NULL: no load
    struct store *store;         // the write job's while `writing`
    int control_fd;
    char *exec_path;
    char **envp, **argv; // of the target, expanded
    gid_t groups[KEEPER_GROUPS_MAX];
    struct keeper_rlimit rlimits[KEEPER_RLIMITS_MAX];
    char keeper_path[PATH_MAX], probe_path[PATH_MAX], probe_more[2 * PATH_MAX];
    struct profile *own_profile; // read back from the store on resume
    // A job is at work:
    bool sampling, writing, readying, judging, checking, scanning, finishing;
    bool loop_up, linked, polling_keeper, polling_load;

    // Progress
    struct seep_time began, measure_began, measure_ended;
    bool has_measure;
    struct clock_ticker ticker;
    enum store_phase phase;
    int64_t phase_end_ns; // monotonic; of the present phase of ticks
    bool ticking;         // the present phase takes ticks
    bool last_tick;       // the tick being taken is the phase's last
    int64_t tick_index;   // over all phases
    int64_t skipped_ticks;
    int64_t stack_every; // stack points go with every k-th tick
    struct seep_time last_tick_time;
    bool tick_done_any;
    struct seep_time last_stored; // last tick in the store when the run was taken up again
    bool has_last_stored;
    double last_values[RUN_SERIES_N]; // of the last tick, for the status line
    bool has_values;
    struct run_tick *notes; // events that wait for the next tick
    int64_t notes_lost;
    bool storage_waiting;        // a person was told that the disk takes nothing for now
    bool look_failed;            // what the last look for early stop said
    bool load_wanted;            // requests should be arriving
    struct run_windows *windows; // histograms at the last tick and at the last window's end; see driving.c
    struct judge_early early;
    uint32_t epoch;

    // The target
    bool attached;               // it ran before us: see attach.h
    struct linux_process target; // attached only
    int target_lock;
    uv_poll_t target_poll;
    int32_t target_pid;
    uint64_t target_starttime;
    bool target_alive, tree_empty, keeper_lost;
    bool have_exit;
    struct keeper_exit_record exit;
    uint32_t keeper_warnings; // told so far

    struct run_outcome outcome;
    int exit_code;
    bool end_failed;          // the end could not be stored: outcome.text says why, and no report tells it
    const char *verdict_word; // judge_final_name(), once judged
    char *report_text;        // the text verdict, for the caller to print
    int detach_pipe;          // -1: none; else the waiting parent is told when the start is decided
    bool leave;               // go at once and leave target and keeper as they are (SIGQUIT)
};

// ---- events and facts

// Adds a row about something that happened; it is written with the next tick, or at the end.
void run_event_note(struct run *r, const char *kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
// The same with a time span and a count (SEEP_UNKNOWN: none).
void run_event_span(struct run *r, const char *kind, struct seep_time from, struct seep_time to, int64_t count,
                    const char *text);
// A value for the next tick; of several of one series the greatest is kept.
void run_point(struct run *r, const char *name, const char *labels, enum seep_unit unit, enum store_series_kind kind,
               double value);
// Moves the waiting rows into a tick.
void run_take_notes(struct run *r, struct run_tick *t);
// A fact for the store (names.h), written by the next write job.
void run_meta(struct run *r, const char *key, const char *value);
void run_meta_f(struct run *r, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
// Ends the run with an error of seep's own; what was measured is still judged.
void run_error(struct run *r, const struct seep_err *err);

// ---- loop.c

int run_loop_init(struct run *r, struct seep_err *err);
void run_loop_close(struct run *r);
void run_watch_keeper(struct run *r);
void run_unwatch_keeper(struct run *r);
// Ticks every interval_s for total_s; the last one lies at the end and feeds RUN_EV_PHASE_DONE when it is taken.
void run_ticks_begin(struct run *r, enum store_phase phase, double interval_s, double total_s);
// Puts the ticks of the present phase on the grid that began at start_ns (monotonic).
void run_ticks_align(struct run *r, int64_t start_ns);
void run_ticks_end(struct run *r);
void run_store_tick(struct run *r, struct run_tick *t); // a tick that is whole, to the writer
void run_patience(struct run *r, double seconds);
void run_patience_off(struct run *r);
void run_show(struct run *r);

// ---- scanning.c: the memory scans late in the measured time

enum suspects_step run_scan_due(const struct run *r); // what the next tick is to do for them
void run_start_scan(struct run *r);                   // after a tick that chose suspects
void run_scan_end(struct run *r);                     // the same at the end, with what went wrong

// ---- phases.c, target.c, driving.c, looks.c, ending.c, setup.c

double run_elapsed_s(const struct run *r); // of the measured time; NAN before it
void run_keeper_events(struct run *r);     // takes in what the keeper has to tell
void run_orphan_look(struct run *r);       // the keeper is gone: look after the target ourselves
// target.c: what the end of the main process, and of the last one, means for the run.
void run_target_exited(struct run *r, const struct keeper_exit_record *rec);
void run_target_emptied(struct run *r);
void run_exit_text(const struct run *r, char *text, size_t size); // "exited with status 3 after 1.2 s"
void run_detach_tell(struct run *r);                              // the waiting parent of --detach may go
void run_watch_load(struct run *r);
void run_load_free(struct run *r);
void run_load_look(struct run *r);                     // begins the load once its worker is ready, tells its events
void run_fill_load(struct run *r, struct run_tick *t); // counts, quantiles and windows of the load
void run_maybe_judge(struct run *r);                   // early stop: is a look due?
void run_after_job(struct run *r);                     // a job has ended: can the end begin?
int run_setup_new(struct run *r, struct seep_err *err);
int run_setup_again(struct run *r, bool *alive,
                    struct seep_err *err); // resume, finish; *alive tells whether there is a keeper to go on with
void run_setup_free(struct run *r);
uint64_t run_starttime(const struct run *r, pid_t pid); // 0: it is gone
bool run_keeper_lives(int dir_fd);                      // by its record, whether it answers or not
int run_make_dir(struct run *r, struct seep_err *err);  // the run directory
void run_attribution_failed(struct run *r, const char *why);
void run_derive(struct run *r);                                                        // times from the profile
int run_make_parts(struct run *r, bool with_heap, bool sampled, struct seep_err *err); // sampler, heap, status line
// facts.c: what goes into the store about machine, plan and target
struct linux_exe;
void run_plan_facts(struct run *r);
void run_host_facts(struct run *r);
void run_exe_facts(struct run *r, const struct linux_exe *exe);
void run_program_facts(struct run *r);            // which program the target runs, by `identity`
void run_limit_facts(struct run *r);              // what the target may have, as it set it itself
void run_target_facts(struct run *r);             // once the target is ready: executable, allocator, identity
int run_end(struct run *r, struct seep_err *err); // worker thread: facts, names, report, verdict

#endif
