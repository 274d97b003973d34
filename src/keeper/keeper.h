// Inside of seep-keeper: its one state and what its files offer each other.
//
// The keeper is the target's parent and must never be the reason that a run or a target ends. So: libc only, everything
// in static storage or mapped before the target starts, no parsing of anything but a few lines of /proc and messages of
// fixed size, one loop over poll(2), and one table of states and events (keeper.c). Everything that a later supervisor
// must learn is state, and what was told to the present one is a flag beside it.
#ifndef SEEP_KEEPER_KEEPER_H
#define SEEP_KEEPER_KEEPER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "keeper/protocol.h"

#define KEEPER_POLL_MAX (16 + KEEPER_CLIENTS_MAX + KEEPER_REGIONS_MAX)

enum keeper_happening { // the events of the state table
    HAPPENS_START,
    HAPPENS_EXEC_OK,
    HAPPENS_EXEC_FAILED,
    HAPPENS_MAIN_EXIT,
    HAPPENS_ALL_GONE,
    HAPPENS_SHUTDOWN,
    HAPPENS_ABSENT, // no supervisor for too long, or it died before START
    HAPPENINGS
};

// What the present supervisor has been told.
#define TOLD_STARTED (1u << 0)
#define TOLD_FAILED  (1u << 1)
#define TOLD_EXITED  (1u << 2)
#define TOLD_EMPTY   (1u << 3)

struct keeper_client {
    int fd; // -1: free
    bool control;
    bool memory; // wants each process's memory with its region
};

struct keeper_stream {
    int fd;     // read end of the target's stdout or stderr; -1: none
    int tee_fd; // -1: nobody to copy to
    bool tee_is_socket, tee_is_tty;
    uint8_t escape[4]; // state of the filter for terminals, keeper_output.c
};

struct keeper {
    enum keeper_state state;
    const struct keeper_config_wire *cfg;
    const char *strings;
    char **argv, **envp;

    int run_dir_fd, cwd_fd, signal_fd, listen_fd, status_fd; // status_fd: the child tells why it could not exec
    struct keeper_client clients[KEEPER_CLIENTS_MAX];
    struct keeper_stream streams[2];
    char oom_score_adj[16]; // the caller's, given back to the target

    pid_t pid;
    int pidfd;
    uint64_t start_mono_ns, start_real_ns;
    uint8_t boot_id[16];
    struct keeper_failed failed;
    struct keeper_exit_record exit;
    struct keeper_stats stats;
    bool has_failed, has_exited, killed_by_us;
    int stop_signal;
    uint64_t stop_mono_ns;
    uint64_t oom_before, host_oom_before; // UINT64_MAX: unknown

    uint32_t told; // TOLD_*
    bool stats_changed;
    uint64_t stats_told_ns, absent_since_ns; // absent_since_ns 0: a supervisor has control
};

// keeper.c
uint64_t keeper_now_ns(void);
uint64_t keeper_real_ns(void);
const char *keeper_string(const struct keeper *k, uint32_t offset); // NULL when absent
int keeper_happens(struct keeper *k, enum keeper_happening what);   // 0, or an errno when the state refuses it

// keeper_spawn.c: fork, set up and exec the target; read what became of it from status_fd.
int keeper_spawn(struct keeper *k);
void keeper_spawn_status(struct keeper *k);

// keeper_reap.c: reap every child, compose and save the records.
void keeper_oom_begin(struct keeper *k);
void keeper_reap(struct keeper *k);
void keeper_save_start(struct keeper *k);
void keeper_save_exit(struct keeper *k);
void keeper_records_prepare(struct keeper *k); // reserves the disk space of the exit record
uint64_t keeper_starttime(pid_t pid);          // field 22 of its stat; 0 when gone
pid_t keeper_parent_of(pid_t pid);             // 0 when gone
ssize_t keeper_slurp(int dir_fd, const char *path, char *buf, size_t size); // whole small file, NUL-terminated

// keeper_tree.c: signals to more than one process.
int keeper_signal_main(struct keeper *k, int sig);
int keeper_signal_many(struct keeper *k, int sig, bool group_only); // 0 or errno
bool keeper_kill_everybody(struct keeper *k);                       // true: nobody is left
bool keeper_is_descendant(pid_t pid);

// keeper_undo.c: what is done to the target for a while, and undone when the supervisor is gone.
void keeper_undo_note_signal(const struct keeper_signal *s); // before it is sent
void keeper_undo_note_start(void);                           // it was started (again)
// A target that was ended for a while is to be started again by us. Until it is, nobody is told of its end.
bool keeper_undo_pending(const struct keeper *k);
void keeper_undo_turn(struct keeper *k);                                // at every turn
int keeper_knob_set(struct keeper *k, const struct keeper_knob *asked); // 0 or errno
void keeper_undo_all(struct keeper *k);
bool keeper_companion_gone(const struct keeper *k);

// keeper_output.c
int keeper_output_open(struct keeper *k, int child_fds[2]); // 0 or errno; child_fds are -1 when inherited
void keeper_output_read(struct keeper *k, struct keeper_stream *s, unsigned rounds);
void keeper_output_finish(struct keeper *k);

// keeper_ctl.c: supervisors.
void keeper_ctl_open(struct keeper *k);
void keeper_ctl_accept(struct keeper *k);
void keeper_ctl_read(struct keeper *k, struct keeper_client *c);
void keeper_ctl_push(struct keeper *k); // tells what has not been told yet
bool keeper_ctl_send(struct keeper *k, struct keeper_client *c, struct keeper_msg *m, const int *fds, size_t fd_count);
struct keeper_client *keeper_ctl_master(struct keeper *k); // NULL: no supervisor has control

// keeper_region.c: shared regions for the probe.
void keeper_region_open(struct keeper *k);
size_t keeper_region_poll(struct keeper *k, struct pollfd *fds); // adds its descriptors, returns how many
void keeper_region_handle(struct keeper *k, const struct pollfd *fds, size_t count);
int keeper_region_timeout_ms(struct keeper *k); // -1: none
void keeper_region_tick(struct keeper *k);      // commits ahead of need
void keeper_region_push(struct keeper *k, struct keeper_client *c, bool again);
int keeper_region_release(struct keeper *k, uint32_t id); // 0 or errno

#endif
