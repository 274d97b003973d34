// What seep-keeper and the supervisor say to each other, and what the keeper leaves on disk.
//
// Place: the keeper is the target's parent and outlives the supervisor; a later supervisor may be of another build, so
// every message and record starts with a magic, a version and its size, and is refused, both versions named, when they
// differ. Trust: both ends run under one uid in a 0700 directory, checked by SO_PEERCRED. The records on disk are read
// with their CRC checked: a torn or foreign file is "unknown", never a number.
//
// Append-only: a released field keeps its place and meaning; a changed layout is a new KEEPER_VERSION.
#ifndef SEEP_KEEPER_PROTOCOL_H
#define SEEP_KEEPER_PROTOCOL_H

#include <stdint.h>

#define KEEPER_MAGIC        0x6b706573u // "sepk"
#define KEEPER_EXIT_MAGIC   0x74697865u // "exit"
#define KEEPER_START_MAGIC  0x74727473u // "strt"
#define KEEPER_CONFIG_MAGIC 0x67666373u // "scfg"
#define KEEPER_VERSION      1

// Names inside the run directory.
#define KEEPER_SOCKET_NAME "keeper.sock"
#define KEEPER_EXIT_NAME   "exit.rec"
#define KEEPER_START_NAME  "start.rec"
#define KEEPER_LOG_NAME    "target.log"
#define KEEPER_TAIL_NAME   "target.tail" // gone once it was merged into target.log
#define KEEPER_TAIL_MAGIC  0x6c696174u   // "tail"

// Fixed descriptors a keeper is started with.
#define KEEPER_FD_CONFIG 3 // sealed memfd: struct keeper_config_wire and its strings
#define KEEPER_FD_LINK   4 // first supervisor, SOCK_SEQPACKET
#define KEEPER_FD_RUNDIR 5 // the run directory

// Ceilings.
#define KEEPER_REGIONS_MAX 64 // regions held at once, the target's own included
#define KEEPER_JOIN_MAX    6  // cgroup directories the target joins
#define KEEPER_RLIMITS_MAX 16
#define KEEPER_GROUPS_MAX  64
#define KEEPER_CLIENTS_MAX 4

enum keeper_output { KEEPER_OUTPUT_LOG, KEEPER_OUTPUT_TEE, KEEPER_OUTPUT_INHERIT };

enum keeper_state {
    KEEPER_WAITING,   // started, no START yet
    KEEPER_STARTING,  // forked, exec not done yet
    KEEPER_RUNNING,   // the main process lives
    KEEPER_LINGERING, // the main process is gone, descendants live
    KEEPER_EMPTY,     // nobody lives, the supervisor has not said SHUTDOWN yet
    KEEPER_LEAVING,   // cleaning up
    KEEPER_STATES
};

// Types below 64 go to the keeper, the others come from it. A request is answered by KEEPER_MSG_REPLY with its seq.
enum keeper_msg_type {
    KEEPER_MSG_HELLO = 1,      // u.hello; the reply carries u.stats; then everything not yet gone is pushed again
    KEEPER_MSG_START,          // run the target now, or once more when all of it is gone
    KEEPER_MSG_SIGNAL,         // u.signal
    KEEPER_MSG_KILL_ALL,       // SIGKILL every descendant until none is left; u.signal.flags; the reply carries u.stats
    KEEPER_MSG_STATUS,         // the reply carries u.stats
    KEEPER_MSG_LIST_REGIONS,   // pushes every region once more
    KEEPER_MSG_RELEASE_REGION, // u.region.id: unmap and forget; the only request without a reply
    KEEPER_MSG_SHUTDOWN,       // end; EBUSY while a descendant lives
    KEEPER_MSG_KNOB,           // u.knob: writes a file of the target's control group
    KEEPER_MSG_REPLY = 64,     // result is 0 or an errno
    KEEPER_MSG_STARTED,        // u.started; descriptors: pidfd, then the read ends of stdout and stderr if captured
    KEEPER_MSG_START_FAILED,   // u.failed
    KEEPER_MSG_EXITED,         // u.exit
    KEEPER_MSG_EMPTY,          // no descendant lives any more
    KEEPER_MSG_REGION,         // u.region; descriptors: the region's memfd, and the process's memory if asked for
    KEEPER_MSG_STATS,          // u.stats, at most once a second and only when something changed
};

// Who gets a signal.
enum keeper_whom { KEEPER_WHOM_MAIN, KEEPER_WHOM_GROUP, KEEPER_WHOM_ALL };

#define KEEPER_SIGNAL_STOP  1u // this is seep's stop: what ends from now on ended "after stop"
#define KEEPER_SIGNAL_AGAIN 2u // who ends by it is started again: by START, or by the keeper without a supervisor

// At which step of starting the target an errno arose.
enum keeper_stage {
    KEEPER_STAGE_NONE,
    KEEPER_STAGE_FORK,
    KEEPER_STAGE_SESSION,
    KEEPER_STAGE_CGROUP,
    KEEPER_STAGE_RLIMIT,
    KEEPER_STAGE_STDIO,
    KEEPER_STAGE_IDS,
    KEEPER_STAGE_CWD,
    KEEPER_STAGE_EXEC,
    KEEPER_STAGES
};

// Things the report must mention; bits of keeper_stats.warnings, never cleared.
#define KEEPER_WARN_LOG_LOST        (1u << 0) // target.log could not be written (full disk): see log_lost_bytes
#define KEEPER_WARN_TEE_DROPPED     (1u << 1) // the caller's terminal or pipe was too slow or gone
#define KEEPER_WARN_REGION_REFUSED  (1u << 2) // a process asked for a region beyond the ceilings
#define KEEPER_WARN_REGION_NOMEM    (1u << 3) // memfd or fallocate failed
#define KEEPER_WARN_PROBE_REJECTED  (1u << 4) // a hello from outside the tree or of another version
#define KEEPER_WARN_KILL_INCOMPLETE (1u << 5) // kill-all ran into its deadline: something is unkillable
#define KEEPER_WARN_REGION_DROPPED  (1u << 7) // a dead child's region was given up for a living one's
#define KEEPER_WARN_EXIT_UNSAVED    (1u << 6) // the exit record could not be written to disk

struct keeper_hello {
    uint32_t control; // 1: takes the events; 0: only looks
    int32_t pid;
    uint32_t flags; // KEEPER_HELLO_*
};

// Regions come with /proc/PID/mem of their process, opened to be read: by Yama's rules the keeper may, as the target's
// ancestor, and a supervisor that came later may not.
#define KEEPER_HELLO_MEMORY 1u

struct keeper_signal {
    int32_t sig;
    uint32_t whom;  // enum keeper_whom
    uint32_t flags; // KEEPER_SIGNAL_*
};

// A limit of the target's control group for a while. The keeper remembers what it was and puts that back when the
// supervisor is gone.
struct keeper_knob {
    char file[48];  // "memory.max": a name within one of the joined directories
    char value[64]; // written as it is
    char undo[64];  // what undoes it; "": this is the undoing
};

struct keeper_started {
    int32_t pid;
    uint32_t captured;        // 1: descriptors 2 and 3 are present
    uint64_t starttime_ticks; // field 22 of /proc/PID/stat: identity together with pid
    uint64_t mono_ns;         // CLOCK_MONOTONIC when exec succeeded
    uint64_t real_ns;
};

struct keeper_failed {
    uint32_t stage; // enum keeper_stage
    int32_t sys_errno;
    uint64_t detail; // rlimit or join index, by stage
};

struct keeper_region {
    uint32_t id; // never reused in one run
    int32_t pid;
    uint64_t starttime_ticks;
    uint64_t size_bytes;
    uint32_t main;       // 1: the target's main process
    uint32_t generation; // how many regions this pid has had before (an exec makes a new one)
};

struct keeper_stats {
    uint32_t state;    // enum keeper_state
    uint32_t warnings; // KEEPER_WARN_*
    int32_t keeper_pid, target_pid;
    uint64_t target_starttime_ticks;
    uint64_t reaped;            // children reaped, the main process included
    uint64_t out_bytes;         // captured from both streams since the start
    uint64_t out_dropped_bytes; // neither in the head nor in the tail
    uint64_t log_lost_bytes;    // could not be written
    uint64_t tee_dropped_bytes;
    uint64_t region_bytes; // committed for all regions
    uint32_t regions, regions_refused;
    uint32_t regions_dropped, hellos_rejected;
    uint32_t pad;
    uint32_t killed;    // processes the last KILL_ALL signalled
    uint64_t oom_kills; // growth of the cgroup's oom_kill counter since the start; UINT64_MAX: unknown
};

enum keeper_how { KEEPER_HOW_UNKNOWN, KEEPER_HOW_EXITED, KEEPER_HOW_SIGNALLED, KEEPER_HOW_CORE };

enum keeper_oom {
    KEEPER_OOM_NO,       // not killed by SIGKILL, or by our own
    KEEPER_OOM_YES,      // SIGKILL and the target's own cgroup counted an oom kill
    KEEPER_OOM_POSSIBLE, // SIGKILL and only the host's counter moved: another process may have been the victim
    KEEPER_OOM_UNKNOWN,  // SIGKILL, sender unknown
};

struct keeper_exit_record {
    uint32_t magic;
    uint16_t version, size_bytes;
    int32_t pid;
    uint8_t how;          // enum keeper_how
    uint8_t oom;          // enum keeper_oom
    uint8_t after_stop;   // 1: seep had sent its stop signal before
    uint8_t killed_by_us; // 1: seep had sent SIGKILL before
    int32_t status;       // exit status, or signal number
    int32_t si_code;      // CLD_EXITED, CLD_KILLED or CLD_DUMPED
    int32_t stop_signal;  // 0: none was sent
    uint32_t pad;
    uint64_t starttime_ticks;
    uint64_t start_mono_ns, end_mono_ns;
    uint64_t start_real_ns, end_real_ns;
    uint64_t stop_mono_ns;                   // when the first stop signal was sent; 0: never
    uint64_t utime_us, stime_us, maxrss_kib; // of the process and the children it waited for
    uint64_t minflt, majflt, inblock, oublock, nvcsw, nivcsw;
    uint8_t boot_id[16];
    uint32_t crc32; // of everything before; in the last four bytes used
    uint32_t pad2;
};

// Written when the target was started; says whom a later supervisor would find.
struct keeper_start_record {
    uint32_t magic;
    uint16_t version, size_bytes;
    int32_t keeper_pid, target_pid;
    uint64_t keeper_starttime_ticks, target_starttime_ticks;
    uint64_t start_mono_ns, start_real_ns;
    uint8_t boot_id[16];
    uint32_t crc32;
    uint32_t pad;
};

struct keeper_msg {
    uint32_t magic;
    uint16_t version, type;
    uint32_t seq; // chosen by the supervisor; 0 in events
    int32_t result;
    union {
        struct keeper_hello hello;
        struct keeper_signal signal;
        struct keeper_started started;
        struct keeper_failed failed;
        struct keeper_region region;
        struct keeper_stats stats;
        struct keeper_exit_record exit;
        struct keeper_knob knob;
        uint8_t room[240];
    } u;
};
_Static_assert(sizeof(struct keeper_msg) == 256, "the length of a message is part of the protocol");
_Static_assert(sizeof(struct keeper_exit_record) == 176, "layout on disk");
_Static_assert(sizeof(struct keeper_start_record) == 72, "layout on disk");

// target.tail: this, then a ring of capacity_bytes. Byte n of the output after the head stands at n % capacity_bytes.
struct keeper_tail_header {
    uint32_t magic;
    uint16_t version, size_bytes;
    uint64_t capacity_bytes;
    uint64_t written_bytes; // all that ever went into the ring
    uint64_t dropped_bytes; // of that, overwritten
};

struct keeper_rlimit {
    int32_t resource; // RLIMIT_*
    uint32_t pad;
    uint64_t soft, hard; // RLIM_INFINITY = no limit
};

// The sealed memfd at KEEPER_FD_CONFIG: this, then strings_bytes of NUL-terminated strings. String offsets count from
// the first string; KEEPER_NO_STRING means absent.
#define KEEPER_NO_STRING UINT32_MAX
struct keeper_config_wire {
    uint32_t magic;
    uint16_t version, size_bytes;
    uint32_t output; // enum keeper_output
    uint32_t strings_bytes;
    uint32_t exec_path, cwd;
    uint32_t argv, argc; // argc strings one after the other
    uint32_t envp, envc;
    uint32_t set_ids, uid, gid, group_count;
    uint32_t groups[KEEPER_GROUPS_MAX];
    uint32_t rlimit_count, umask_bits;
    struct keeper_rlimit rlimits[KEEPER_RLIMITS_MAX];
    uint64_t log_head_bytes, log_tail_bytes;
    uint32_t join[KEEPER_JOIN_MAX]; // cgroup directories
    uint32_t kill_dir, freezer_dir, oom_file;
    uint32_t remove_cgroup; // 1: the keeper removes the joined directories when it leaves
    uint32_t probe;         // abstract socket name without the leading NUL; KEEPER_NO_STRING: no attribution
    uint32_t probe_mode;    // as in seep_wire.h
    uint64_t sample_mean_bytes;
    uint64_t main_region_bytes, child_region_bytes, regions_total_bytes;
    uint64_t absent_limit_ns; // how long an empty keeper waits for a supervisor to come back
    uint64_t companion_pid;   // without a supervisor and once this process is gone everybody is ended; 0: none
    uint64_t companion_starttime_ticks;
};

#endif
