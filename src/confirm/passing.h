// A pass under way, as the files of src/confirm that make it up share it: spawn.c starts it, looks.c asks memcheck,
// pass.c does the rest. Private to them.
#ifndef SEEP_CONFIRM_PASSING_H
#define SEEP_CONFIRM_PASSING_H

#include "confirm/pass.h"

struct passing {
    struct confirm_pass *p;
    pid_t pid;
    int out_fd, log_fd, proc_fd;
    size_t logged;
    int64_t began_ns, shown_ns, noted_ns;
    bool ended;
    double cpu_s;                 // of all its processes, at the last reading
    pid_t mute[CONFIRM_PIDS_MAX]; // do not answer vgdb
    size_t n_mute;
    struct load *load;
    struct confirm_deps *deps;     // NULL: the target has none
    struct confirm_faults *faults; // while it is under load; NULL: the profile has none
    struct confirm_probes *probes; // the same
};

#define CONFIRM_DEP_DIR "dep." // of a dependency in the directory of the pass

// Keeps the first reason why the pass is not what it should be: a word of seep.confirm/1 and a sentence.
void confirm_pass_fail(struct confirm_pass *p, const char *word, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

bool confirm_pass_interrupted(void);

// Starts valgrind with the target; false with the reason kept.
bool confirm_pass_start(struct passing *s);

// In a child before exec: takes an account's ids; NULL: stays as it is. -1 with errno.
int confirm_become(const char *user);
// In a child before exec: the pairs of a profile, expanded; a pair without value is taken out.
void confirm_set_env(const struct profile_pair *env, int n);

// depend.c: proxies and dependencies, each ready before the next; false with the reason kept. End is harmless without.
bool confirm_deps_start(struct passing *s);
void confirm_deps_end(struct passing *s);

// Of a dependency that the profile has: a signal to it, or with `all` to everybody in its group; 0 is its own signal to
// end. Whether it has ended, how long it may take for that, and its start anew (nobody waits until it is ready).
void confirm_dep_signal(struct passing *s, const char *name, int sig, bool all);
bool confirm_dep_gone(struct passing *s, const char *name);
double confirm_dep_patience_s(const struct passing *s, const char *name);
int confirm_dep_start_again(struct passing *s, const char *name, struct seep_err *err);
struct fault_proxies *confirm_deps_proxies(struct passing *s); // NULL: there are none

// faults.c: from the begin of the time under load to its end, when all is undone; harmless without faults. turn does
// what is due. wake_target ends its pause at once.
void confirm_faults_begin(struct passing *s);
void confirm_faults_turn(struct passing *s);
void confirm_faults_wake_target(struct passing *s);
void confirm_faults_end(struct passing *s);

// probes.c: those before the load, and from now on the continuous ones; then no more of these, and those at the end.
void confirm_probes_begin(struct passing *s);
void confirm_probes_end(struct passing *s);

// Waits up to 100 ms for output and looks at all limits. False when the pass is over: it ended, or passed a limit.
bool confirm_pass_watch(struct passing *s, const char *doing);

// The same without the limits: output is read for up to 100 ms.
void confirm_pass_wait(struct passing *s);

// looks.c: does valgrind watch a process yet? Notes where the files of new processes lie; ends with `sig` whoever the
// main process left, until `end`.
size_t confirm_pass_pids(const struct confirm_pass *p, pid_t pids[CONFIRM_PIDS_MAX]); // those it watches
bool confirm_pass_has_begun(const struct passing *s);
void confirm_pass_note_places(struct passing *s);
void confirm_pass_stop_rest(struct passing *s, int sig, int64_t end);

// Asks memcheck for all blocks of every process and reads the answers into p->sites as point `point`.
void confirm_pass_look(struct passing *s, int point);

#endif
