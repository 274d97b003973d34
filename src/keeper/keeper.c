// seep-keeper: the target's parent. Starts it, captures its output, gives shared regions to the probe, reaps everybody,
// writes the exit record, and does all that whether a supervisor lives or not. See keeper.h for the rules of this
// program.
//
// Place: started by link.c with descriptors 3, 4 and 5 (protocol.h). Trust: the configuration comes from our own
// supervisor; everything the target can touch (its pipes, the probe's socket, /proc text about it) is bounded and never
// believed.
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

uint64_t keeper_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t keeper_real_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

const char *keeper_string(const struct keeper *k, uint32_t offset)
{
    return offset < k->cfg->strings_bytes ? k->strings + offset : NULL;
}

// --- the state table
// ---------------------------------------------------------------------------------------------------

static void act_started(struct keeper *k)
{
    k->start_mono_ns = keeper_now_ns();
    k->start_real_ns = keeper_real_ns();
    keeper_save_start(k);
}

// Output first: whoever learns of the exit may read the log at once and wants the last lines in it.
static void act_exited(struct keeper *k)
{
    for (int i = 0; i < 2; i++)
        keeper_output_read(k, &k->streams[i], 8);
    keeper_save_exit(k);
}

static void act_spawn(struct keeper *k)
{
    keeper_undo_note_start();
    int sys_errno = keeper_spawn(k);
    if (sys_errno) {
        k->failed = (struct keeper_failed){.stage = KEEPER_STAGE_FORK, .sys_errno = sys_errno};
        keeper_happens(k, HAPPENS_EXEC_FAILED);
        keeper_reap(k);
    }
}

// Once more, after all of the target has gone: what was told of the former life is told anew of this one.
static void act_again(struct keeper *k)
{
    if (k->pidfd >= 0)
        close(k->pidfd);
    k->pidfd = -1;
    k->has_exited = k->has_failed = k->killed_by_us = false;
    k->stop_signal = 0;
    k->stop_mono_ns = 0;
    k->told = 0;
    act_spawn(k);
}

// Told to the supervisor only when the child is reaped, so that a SHUTDOWN that follows at once finds nobody.
static void act_failed(struct keeper *k)
{
    k->has_failed = true;
}

struct keeper_step {
    bool allowed;
    enum keeper_state next;
    void (*act)(struct keeper *k); // after the state has changed
};

#define GO(state, act)                                                                                                 \
    {                                                                                                                  \
        true, state, act                                                                                               \
    }
static const struct keeper_step steps[KEEPER_STATES][HAPPENINGS] = {
    [KEEPER_WAITING] = {[HAPPENS_START] = GO(KEEPER_STARTING, act_spawn),
                        [HAPPENS_SHUTDOWN] = GO(KEEPER_LEAVING, NULL),
                        [HAPPENS_ABSENT] = GO(KEEPER_LEAVING, NULL)},
    [KEEPER_STARTING] =
        {[HAPPENS_EXEC_OK] = GO(KEEPER_RUNNING, act_started), [HAPPENS_EXEC_FAILED] = GO(KEEPER_LINGERING, act_failed)},
    [KEEPER_RUNNING] = {[HAPPENS_MAIN_EXIT] = GO(KEEPER_LINGERING, act_exited)},
    [KEEPER_LINGERING] = {[HAPPENS_ALL_GONE] = GO(KEEPER_EMPTY, keeper_output_finish)},
    [KEEPER_EMPTY] = {[HAPPENS_START] = GO(KEEPER_STARTING, act_again),
                      [HAPPENS_SHUTDOWN] = GO(KEEPER_LEAVING, NULL),
                      [HAPPENS_ABSENT] = GO(KEEPER_LEAVING, NULL)},
    [KEEPER_LEAVING] = {[HAPPENS_SHUTDOWN] = GO(KEEPER_LEAVING, NULL)},
};

int keeper_happens(struct keeper *k, enum keeper_happening what)
{
    const struct keeper_step *step = &steps[k->state][what];
    if (!step->allowed)
        return EBUSY;
    k->state = step->next;
    k->stats_changed = true;
    if (step->act)
        step->act(k);
    return 0;
}

// --- start
// -------------------------------------------------------------------------------------------------------------

// A descriptor 0, 1 or 2 that is closed would be taken by our next open, and then be the target's.
static void fill_stdio(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY);
}

static int map_config(struct keeper *k)
{
    struct stat st;
    if (fstat(KEEPER_FD_CONFIG, &st) < 0 || st.st_size < (off_t)sizeof *k->cfg)
        return -1;
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, KEEPER_FD_CONFIG, 0);
    if (map == MAP_FAILED)
        return -1;
    k->cfg = map;
    k->strings = (const char *)map + sizeof *k->cfg;
    bool ok = k->cfg->magic == KEEPER_CONFIG_MAGIC && k->cfg->version == KEEPER_VERSION &&
              k->cfg->size_bytes == sizeof *k->cfg && k->cfg->strings_bytes == (uint64_t)st.st_size - sizeof *k->cfg &&
              k->cfg->rlimit_count <= KEEPER_RLIMITS_MAX && k->cfg->group_count <= KEEPER_GROUPS_MAX;
    close(KEEPER_FD_CONFIG);
    return ok ? 0 : -1;
}

static char **list_strings(char **slots, const char *first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        slots[i] = (char *)first;
        first += strlen(first) + 1;
    }
    slots[count] = NULL;
    return slots;
}

static int build_vectors(struct keeper *k)
{
    size_t slots = (size_t)k->cfg->argc + k->cfg->envc + 2;
    char **vec = mmap(NULL, slots * sizeof *vec, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (vec == MAP_FAILED)
        return -1;
    k->argv = list_strings(vec, k->strings + k->cfg->argv, k->cfg->argc);
    k->envp = list_strings(vec + k->cfg->argc + 1, k->strings + k->cfg->envp, k->cfg->envc);
    return 0;
}

// Signals are blocked, not caught: a target that does kill(-1, SIGTERM) must not end its keeper.
static int take_signals(struct keeper *k)
{
    sigset_t all;
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
        return -1;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL); // an inherited SIG_IGN would have the kernel reap, and the status would be lost
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    k->signal_fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    return k->signal_fd;
}

// The last one the kernel should kill for memory: without us the exit status is lost. Needs privilege, so best effort.
static void lower_oom_score(struct keeper *k)
{
    if (keeper_slurp(AT_FDCWD, "/proc/self/oom_score_adj", k->oom_score_adj, sizeof k->oom_score_adj) <= 0)
        k->oom_score_adj[0] = '\0';
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, "-900", 4);
    close(fd);
}

static int begin(struct keeper *k)
{
    fill_stdio();
    if (map_config(k) < 0 || build_vectors(k) < 0 || take_signals(k) < 0)
        return -1;
    umask(077);
    fcntl(KEEPER_FD_LINK, F_SETFD, FD_CLOEXEC);
    fcntl(KEEPER_FD_RUNDIR, F_SETFD, FD_CLOEXEC);
    k->run_dir_fd = KEEPER_FD_RUNDIR;
    k->cwd_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC); // works in a deleted directory too
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 || fchdir(k->run_dir_fd) < 0)
        return -1;
    lower_oom_score(k);
    char boot_id[48] = "";
    keeper_slurp(AT_FDCWD, "/proc/sys/kernel/random/boot_id", boot_id, sizeof boot_id);
    for (size_t i = 0, nibble = 0; boot_id[i] && nibble < 32; i++) {
        unsigned c = (unsigned char)boot_id[i] | 0x20u;
        unsigned v = c >= '0' && c <= '9' ? c - '0' : c - 'a' + 10;
        if (boot_id[i] != '-' && v < 16) {
            k->boot_id[nibble / 2] |= (uint8_t)(nibble % 2 ? v : v << 4);
            nibble++;
        }
    }
    keeper_records_prepare(k);
    keeper_ctl_open(k);
    keeper_region_open(k);
    return 0;
}

// --- the loop
// ----------------------------------------------------------------------------------------------------------

#define PLACE_EVERY_NS 2000000000u // how often an empty keeper without a supervisor looks whether to go
#define AGAIN_EVERY_NS 200000000u  // how often it looks whether what it is to start again is gone

static int wait_ms(struct keeper *k)
{
    int ms = keeper_region_timeout_ms(k);
    uint64_t now = keeper_now_ns();
    uint64_t due = 0;
    if (keeper_undo_pending(k))
        due = now + AGAIN_EVERY_NS;
    else if (k->stats_changed && keeper_ctl_master(k))
        due = k->stats_told_ns + 1000000000u;
    else if (k->absent_since_ns && (k->state == KEEPER_EMPTY || k->cfg->companion_pid))
        due = now + PLACE_EVERY_NS;
    if (due) {
        uint64_t left_ms = due > now ? (due - now) / 1000000u + 1 : 0;
        int left = left_ms > 3600000 ? 3600000 : (int)left_ms;
        ms = ms < 0 || left < ms ? left : ms;
    }
    return ms;
}

// A run directory that was deleted will see no successor.
static bool place_is_gone(const struct keeper *k)
{
    struct stat st;
    return fstat(k->run_dir_fd, &st) == 0 && st.st_nlink == 0;
}

// The supervisor is away. Before START there is nothing to keep; afterwards we wait for a successor.
static void check_absence(struct keeper *k)
{
    if (keeper_ctl_master(k)) {
        k->absent_since_ns = 0;
        return;
    }
    if (!k->absent_since_ns) {
        k->absent_since_ns = keeper_now_ns();
        keeper_undo_all(k);
    }
    if (keeper_companion_gone(k) && keeper_kill_everybody(k)) {
        keeper_happens(k, HAPPENS_ABSENT);
        return;
    }
    bool over = keeper_now_ns() - k->absent_since_ns >= k->cfg->absent_limit_ns;
    if (k->state == KEEPER_WAITING || over || (k->state == KEEPER_EMPTY && place_is_gone(k)))
        keeper_happens(k, HAPPENS_ABSENT);
}

static void one_turn(struct keeper *k)
{
    struct pollfd p[KEEPER_POLL_MAX] = {
        {.fd = k->status_fd, .events = POLLIN},     {.fd = k->signal_fd, .events = POLLIN},
        {.fd = k->listen_fd, .events = POLLIN},     {.fd = k->streams[0].fd, .events = POLLIN},
        {.fd = k->streams[1].fd, .events = POLLIN},
    };
    size_t n = 5, clients = n;
    for (int i = 0; i < KEEPER_CLIENTS_MAX; i++)
        p[n++] = (struct pollfd){.fd = k->clients[i].fd, .events = POLLIN};
    size_t regions = n;
    n += keeper_region_poll(k, &p[n]);
    if (poll(p, n, wait_ms(k)) < 0 && errno != EINTR)
        return;

    if (p[0].revents)
        keeper_spawn_status(k); // before the reaping: a target that ends at once has been started first
    for (int i = 0; i < 2; i++)
        if (p[3 + i].revents)
            keeper_output_read(k, &k->streams[i], 4);
    keeper_region_handle(k, &p[regions], n - regions); // before the reaping: a hello of a process that ended since
    if (p[1].revents && k->state != KEEPER_STARTING)
        keeper_reap(k);
    for (int i = 0; i < KEEPER_CLIENTS_MAX; i++)
        if (p[clients + (size_t)i].revents && k->clients[i].fd == p[clients + (size_t)i].fd)
            keeper_ctl_read(k, &k->clients[i]);
    if (p[2].revents)
        keeper_ctl_accept(k);
    keeper_region_tick(k);
    check_absence(k);
    keeper_undo_turn(k);
    keeper_ctl_push(k);
}

// Nobody lives here any more. A supervisor that took over from a dead one may not know of the groups, so they are
// removed here; one that removes them too finds nothing.
static void leave(struct keeper *k)
{
    unlinkat(k->run_dir_fd, KEEPER_SOCKET_NAME, 0);
    unlinkat(k->run_dir_fd, KEEPER_EXIT_NAME ".tmp", 0); // still there when the target never ran
    if (k->cfg->remove_cgroup)
        for (int i = 0; i < KEEPER_JOIN_MAX; i++)
            if (keeper_string(k, k->cfg->join[i]))
                rmdir(keeper_string(k, k->cfg->join[i]));
}

int main(void)
{
    static struct keeper k = {.cwd_fd = -1, .signal_fd = -1, .listen_fd = -1, .status_fd = -1, .pidfd = -1};
    for (int i = 0; i < 2; i++)
        k.streams[i].fd = k.streams[i].tee_fd = -1;
    if (begin(&k) < 0)
        return 1;
    k.stats.keeper_pid = getpid();
    while (k.state != KEEPER_LEAVING)
        one_turn(&k);
    leave(&k);
    return 0;
}
