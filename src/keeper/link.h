// The supervisor's side of seep-keeper: start one, attach to one left by an earlier supervisor, talk to it.
//
// Place: used by run/ only. No event loop in here: poll keeper_fd() for reading and then call keeper_next_event() until
// it says KEEPER_EV_NONE. Requests wait for their reply, at most KEEPER_REPLY_MS (but for a release); events that
// arrive meanwhile are queued. Not thread-safe: one thread owns a link.
#ifndef SEEP_KEEPER_LINK_H
#define SEEP_KEEPER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "keeper/protocol.h"

#define KEEPER_REPLY_MS  5000
#define KEEPER_QUEUE_MAX 160

// Everything the keeper must know. Strings are borrowed until keeper_start() returns. Zero is the default everywhere.
struct keeper_config {
    const char *keeper_path; // absolute path of the seep-keeper program
    int run_dir_fd;
    const char *exec_path;   // file to execute, absolute or relative to cwd (linux_exe_find() looks PATH up)
    const char *const *argv; // NULL-terminated, at least argv[0]
    const char *const *envp; // the target's whole environment, NULL-terminated; the probe's variables are added to it
    const char *cwd;         // NULL: the caller's, even if that directory was deleted
    bool set_ids;            // run the target as uid, gid and groups
    uid_t uid;
    gid_t gid;
    const gid_t *groups;
    size_t group_count; // at most KEEPER_GROUPS_MAX
    const struct keeper_rlimit *rlimits;
    size_t rlimit_count; // at most KEEPER_RLIMITS_MAX
    enum keeper_output output;
    uint64_t log_head_bytes, log_tail_bytes; // 0: 1 MiB each

    const char *join[KEEPER_JOIN_MAX]; // cgroup directories the target joins; see linux/cgroup.h
    const char *kill_dir;              // v2 directory with cgroup.kill, or NULL
    const char *freezer_dir;           // v1 freezer directory, or NULL
    const char *oom_file;              // file with an "oom_kill N" line that counts the target's group, or NULL
    bool remove_cgroup;                // the keeper removes the joined directories when it ends

    const char *probe_path;       // libseep-probe.so; NULL: no attribution
    const char *probe_more;       // libraries to go with it (what allocators call themselves), or NULL
    uint32_t probe_mode;          // the flags of SEEP_PROBE, see seep_wire.h
    uint32_t probe_filters;       // seccomp filters that seep itself lives under, see seep_wire.h
    uint64_t sample_mean_bytes;   // as in seep_wire.h
    uint64_t main_region_bytes;   // 0: the larger of 64 MiB and 1/32 of memory
    uint64_t child_region_bytes;  // 0: the larger of 16 MiB and 1/8 of the main region
    uint64_t regions_total_bytes; // 0: twice the main region; counts committed bytes
    uint64_t absent_limit_ns;     // how long an empty keeper waits for a successor; 0: one hour
    pid_t companion_pid;          // without a supervisor, and once this process is gone, everybody is ended; 0: none
    uint64_t companion_starttime_ticks;
};

enum keeper_event_kind {
    KEEPER_EV_NONE,         // nothing to read now
    KEEPER_EV_STARTED,      // u.started; the link now holds the pidfd and the output pipes
    KEEPER_EV_START_FAILED, // u.failed; keeper_start_failure() makes the sentence
    KEEPER_EV_EXITED,       // u.exit
    KEEPER_EV_EMPTY,        // the last descendant is gone
    KEEPER_EV_REGION,       // u.region; fd and memory_fd are the caller's to close
    KEEPER_EV_STATS,        // u.stats
    KEEPER_EV_LOST,         // the keeper is gone; see keeper_orphan_wait()
};

struct keeper_event {
    enum keeper_event_kind kind;
    int fd;        // -1: none
    int memory_fd; // /proc/PID/mem of the region's process, after keeper_attach() alone; -1: none
    union {
        struct keeper_started started;
        struct keeper_failed failed;
        struct keeper_exit_record exit;
        struct keeper_region region;
        struct keeper_stats stats;
    } u;
};

struct keeper_link {
    uint32_t magic;
    int fd;           // the connection; -1: not connected
    int target_pidfd; // -1 until STARTED
    int output_fd[2]; // read ends kept so that the target survives a dead keeper; -1: not captured
    pid_t keeper_pid; // 0: unknown
    bool keeper_is_child;
    bool lost_told;
    uint32_t seq;
    size_t queued;
    struct keeper_event queue[KEEPER_QUEUE_MAX];
};

// Starts seep-keeper in a session of its own with cfg and opens the link to it; the target itself runs after
// keeper_begin(). Also makes the caller a subreaper, so that the target becomes its child if the keeper is killed.
// Errors: SEEP_E_USAGE for a config that can never work (no argv, a probe path with a space or a colon), SEEP_E_SYSTEM.
int keeper_start(const struct keeper_config *cfg, struct keeper_link *link, struct seep_err *err);

// Connects to the keeper that an earlier supervisor left in run_dir_fd. With control, every event not told or told to
// the dead supervisor comes again: STARTED, all REGIONs, EXITED, EMPTY. Without control only status can be asked.
// Errors: SEEP_E_TARGET when no keeper listens there (then read the records), SEEP_E_LIMIT when another supervisor has
// control, SEEP_E_UNSUPPORTED when its version differs.
int keeper_attach(int run_dir_fd, bool control, struct keeper_link *link, struct seep_err *err);

// The descriptor to poll for reading; readable too when the keeper is gone.
int keeper_fd(const struct keeper_link *link);

// Takes the next event without waiting. Returns 0 with ev->kind (KEEPER_EV_NONE: nothing now), -1 on an error that
// makes the link useless (a reply of another version, out of queue).
int keeper_next_event(struct keeper_link *link, struct keeper_event *ev, struct seep_err *err);

// Writes value to a file of the target's control group ("memory.max"); the keeper writes undo to it when the supervisor
// is gone. undo "": this takes an earlier one back. SEEP_E_SYSTEM with ENOENT: the group has no such file.
int keeper_knob(struct keeper_link *link, const char *file, const char *value, const char *undo, struct seep_err *err);

// Runs the target; after KEEPER_EV_EMPTY once more, and all events come anew. Returns when the keeper has taken the
// order: STARTED or START_FAILED follow as events.
int keeper_begin(struct keeper_link *link, struct seep_err *err);

// Sends sig; flags are KEEPER_SIGNAL_*. STOP marks seep's own stop: what ends afterwards ended in order. AGAIN: whoever
// ends by it is started again, by the keeper when there is no supervisor any more. SEEP_E_TARGET: nobody left to
// signal.
int keeper_signal(struct keeper_link *link, int sig, enum keeper_whom whom, unsigned flags, struct seep_err *err);

// SIGKILLs every descendant, again and again until none is left or 5 s are over. *left gets 0 or 1 (something
// unkillable). The keeper answers when it is done, so this waits up to KEEPER_REPLY_MS more than usual.
int keeper_kill_all(struct keeper_link *link, int *left, struct seep_err *err);

int keeper_status(struct keeper_link *link, struct keeper_stats *stats, struct seep_err *err);

// Every region comes once more as KEEPER_EV_REGION; all are queued when this returns.
int keeper_list_regions(struct keeper_link *link, struct seep_err *err);

// The keeper forgets the region: call after its process is gone and its last content was copied. Never waits, as it is
// called at ticks: 0 once the order is on its way (of an id that the keeper does not know, nothing comes).
// SEEP_E_LIMIT: the keeper stands still and no more orders fit; try again later. SEEP_E_TARGET: it is gone, and its
// regions with it.
int keeper_release_region(struct keeper_link *link, uint32_t id, struct seep_err *err);

// Tells the keeper to end and waits for it (at most KEEPER_REPLY_MS), reaping it if it is our child. SEEP_E_LIMIT while
// a descendant of it lives: kill those first. The link is closed on success.
int keeper_shutdown(struct keeper_link *link, struct seep_err *err);

// Closes the link and leaves keeper and target running. Harmless twice.
void keeper_close(struct keeper_link *link);

// After KEEPER_EV_LOST: reads and drops what the target prints, so that it is never blocked or killed by SIGPIPE.
// Returns the bytes dropped. Call when an output_fd is readable (poll them) or at every tick.
uint64_t keeper_orphan_drain(struct keeper_link *link);

// After KEEPER_EV_LOST: has the target ended? Returns 1 and fills rec (how is KEEPER_HOW_UNKNOWN when it was not our
// child to reap), 0 while it lives, -1 on errors. Never waits.
int keeper_orphan_wait(struct keeper_link *link, struct keeper_exit_record *rec, struct seep_err *err);

// Reads a record of run_dir_fd. Returns 1 when there, 0 when there is none, -1 when unreadable or damaged
// (SEEP_E_CORRUPT) or of another version (SEEP_E_UNSUPPORTED).
int keeper_read_exit_record(int run_dir_fd, struct keeper_exit_record *rec, struct seep_err *err);
int keeper_read_start_record(int run_dir_fd, struct keeper_start_record *rec, struct seep_err *err);

// Fills err with the sentence that says why the target did not start and what to do. Always returns -1; the code is
// SEEP_E_TARGET. cfg is the one that was given to keeper_start().
int keeper_start_failure(const struct keeper_config *cfg, const struct keeper_failed *failed, struct seep_err *err);

// Writes the obituary of the main process into text: "exited with status 3 after 1.2 s", "was killed by signal 11
// (SIGSEGV, core dumped) after ...", "was killed by the kernel for lack of memory (out of memory in its cgroup) after
// ...".
void keeper_exit_text(const struct keeper_exit_record *rec, char *text, size_t text_bytes);

#endif
