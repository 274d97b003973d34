// One process under suspicion, seen from the supervisor: the mailbox, the worker, and the sum of several scans.
//
// The worker is a process of its own because a scan needs memory in proportion to the target's heap, and the
// supervisor's working set stays what it is. It is ended by its limits, by the deadline, or with the supervisor.
#include "scan/internal.h"

#include "base/check.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define CASE_MAGIC 0x73616373u
#define ASKED_MS   5 // how often we look whether the worker asks

struct scan_case {
    uint32_t magic;
    int box_fd, region_fd, memory_fd; // region_fd: -1 with a list
    struct scan_list list;
    struct scan_box *box;
};

const char *scan_trouble_text(enum scan_trouble t)
{
    static const char *const text[SCAN_TROUBLES] = {
        "nothing went wrong",
        "the time limit was reached",
        "there are too many blocks or pointers for its memory",
        "part of the target's memory is swapped out",
        "the process ended or executed another program",
        "its memory may not be read",
        "the scan worker ended before its time",
        "what its allocator did meanwhile was not known in time",
    };
    return (unsigned)t < SCAN_TROUBLES ? text[t] : "an unknown reason";
}

const char *scan_holder_word(enum scan_holder_kind kind)
{
    static const char *const word[SCAN_HOLDERS] = {"none",    "stack",  "own",    "data",   "thread",
                                                   "mapping", "shared", "kernel", "unknown"};
    return (unsigned)kind < SCAN_HOLDERS ? word[kind] : "none";
}

static int open_box(struct scan_case *c, struct seep_err *err)
{
    c->box_fd = memfd_create("seep-scan", MFD_CLOEXEC);
    if (c->box_fd < 0 || ftruncate(c->box_fd, sizeof *c->box) < 0)
        return seep_fail_errno(err, errno, "There is no memory for a scan of the target's memory");
    c->box = mmap(NULL, sizeof *c->box, PROT_READ | PROT_WRITE, MAP_SHARED, c->box_fd, 0);
    if (c->box != MAP_FAILED)
        return 0;
    c->box = NULL;
    return seep_fail_errno(err, errno, "There is no memory for a scan of the target's memory");
}

static struct scan_case *new_case(int region_fd, scan_fill_fn *fill, void *ctx, int memory_fd, pid_t pid,
                                  const uint32_t *stacks, size_t n, struct seep_err *err)
{
    struct scan_case *c = calloc(1, sizeof *c);
    if (!c) {
        if (region_fd >= 0)
            close(region_fd);
        close(memory_fd);
        seep_fail(err, SEEP_E_SYSTEM, "There is no memory for a scan of the target's memory");
        return NULL;
    }
    *c = (struct scan_case){.magic = CASE_MAGIC,
                            .box_fd = -1,
                            .region_fd = region_fd,
                            .memory_fd = memory_fd,
                            .list = {.fd = -1, .fill = fill, .ctx = ctx}};
    if (open_box(c, err) || (fill && scan_list_open(&c->list))) {
        if (c->box)
            seep_fail_errno(err, errno, "There is no memory for a list of the target's blocks");
        scan_case_free(c);
        return NULL;
    }
    c->box->listed = fill != NULL;
    c->box->magic = SCAN_BOX_MAGIC;
    c->box->version = SCAN_BOX_VERSION;
    c->box->pid = pid;
    c->box->n_suspects = (uint32_t)(n < SCAN_SUSPECTS_MAX ? n : SCAN_SUSPECTS_MAX);
    for (uint32_t i = 0; i < c->box->n_suspects; i++)
        c->box->suspect[i].stack = stacks[i];
    return c;
}

struct scan_case *scan_case_new(int region_fd, int memory_fd, pid_t pid, const uint32_t *stacks, size_t n,
                                struct seep_err *err)
{
    return new_case(region_fd, NULL, NULL, memory_fd, pid, stacks, n, err);
}

struct scan_case *scan_case_new_listed(scan_fill_fn *fill, void *ctx, int memory_fd, pid_t pid, const uint32_t *stacks,
                                       size_t n, struct seep_err *err)
{
    return new_case(-1, fill, ctx, memory_fd, pid, stacks, n, err);
}

void scan_case_free(struct scan_case *c)
{
    if (!c)
        return;
    SEEP_CHECK_OBJ(c, CASE_MAGIC);
    if (c->box)
        munmap(c->box, sizeof *c->box);
    if (c->box_fd >= 0)
        close(c->box_fd);
    if (c->region_fd >= 0)
        close(c->region_fd);
    close(c->memory_fd);
    scan_list_close(&c->list);
    free(c);
}

// ---- the worker

static int table_fd(const struct scan_case *c)
{
    return c->box->listed ? c->list.fd : c->region_fd;
}

static int spawn(struct scan_case *c, const char *self_exe, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    // Away from 3..5 first: the descriptors themselves may have these numbers.
    int apart[3] = {-1, -1, -1};
    const int from[3] = {c->box_fd, table_fd(c), c->memory_fd};
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    for (int i = 0; i < 3; i++)
        apart[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 6);
    for (int i = 0; i < 3; i++)
        posix_spawn_file_actions_adddup2(&files, apart[i], 3 + i);
    posix_spawn_file_actions_addclosefrom_np(&files, 6);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    char name[] = "seep", verb[] = "scan-worker";
    char *argv[] = {name, verb, NULL};
    int failed = posix_spawn(pid, self_exe, &files, &attr, argv, environ);
    for (int i = 0; i < 3; i++)
        if (apart[i] >= 0)
            close(apart[i]);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return failed;
}

// The worker wants the list once more.
static void answer(struct scan_case *c)
{
    if (!c->box->listed || !__atomic_load_n(&c->box->asked, __ATOMIC_ACQUIRE) || c->box->answered != SCAN_ANSWER_NONE)
        return;
    uint32_t a = scan_list_fill(&c->list) == 0 ? SCAN_ANSWER_NEW : SCAN_ANSWER_NO;
    __atomic_store_n(&c->box->answered, a, __ATOMIC_RELEASE);
}

static bool ends_within(struct scan_case *c, pid_t pid, double limit_s)
{
    int64_t end = clock_mono_ns() + (int64_t)(limit_s * 1e9), left;
    int fd = pidfd_open(pid, 0), n = 0;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (fd < 0)
        return false;
    while (n != 1 && (left = (end - clock_mono_ns()) / 1000000) > 0) {
        n = poll(&p, 1, c->box->listed && left > ASKED_MS ? ASKED_MS : (int)left);
        answer(c);
    }
    close(fd);
    return n == 1;
}

static int prepare(struct scan_case *c, double limit_s)
{
    c->box->limit_s = limit_s;
    c->box->asked = 0;
    c->box->answered = SCAN_ANSWER_NONE;
    return c->box->listed ? scan_list_fill(&c->list) : 0;
}

int scan_case_run(struct scan_case *c, const char *self_exe, double limit_s, enum scan_trouble *trouble, double *cpu_s,
                  struct seep_err *err)
{
    pid_t pid;
    int status = 0;
    struct rusage used = {0};
    SEEP_CHECK_OBJ(c, CASE_MAGIC);
    if (prepare(c, limit_s)) {
        *trouble = SCAN_BEHIND;
        *cpu_s = 0;
        return 0;
    }
    c->box->trouble = SCAN_CRASHED; // unless the worker says otherwise
    int failed = spawn(c, self_exe, &pid);
    if (failed)
        return seep_fail_errno(err, failed, "The scan worker could not be started");
    if (!ends_within(c, pid, limit_s + 2)) {
        kill(pid, SIGKILL);
        c->box->trouble = SCAN_TIME;
    }
    while (wait4(pid, &status, 0, &used) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
        c->box->trouble = SCAN_TIME;
    if (c->box->listed)
        scan_list_empty(&c->list);
    *trouble = c->box->trouble < SCAN_TROUBLES ? (enum scan_trouble)c->box->trouble : SCAN_CRASHED;
    *cpu_s = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
             (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    return 0;
}

int scan_case_run_here(struct scan_case *c, double limit_s, enum scan_trouble *trouble)
{
    SEEP_CHECK_OBJ(c, CASE_MAGIC);
    struct scan_table table;
    if (prepare(c, limit_s) || scan_table_open(&table, c->box, table_fd(c), c->box->listed ? &c->list : NULL)) {
        *trouble = SCAN_BEHIND;
        return -1;
    }
    int rc = scan_pass(c->box, &table, c->memory_fd);
    *trouble = (enum scan_trouble)c->box->trouble;
    scan_table_close(&table);
    return rc;
}

// ---- the sum

size_t scan_case_suspects(const struct scan_case *c)
{
    return c->box->n_suspects;
}

pid_t scan_case_pid(const struct scan_case *c)
{
    return c->box->pid;
}

enum answer { OPEN, LOST, HELD };

static enum answer answer_of(uint32_t lost, uint32_t reachable)
{
    return lost + reachable == 0 ? OPEN : 4 * lost >= lost + reachable ? LOST : HELD; // a quarter: as judge/age.c
}

// What is lost stays lost, but what reached it before need not have been a pointer: an old value in memory that was
// given out again and not written to holds a block for a while. So the latter half of the looks decides, two at least.
static void sum_block(const struct scan_checked *k, uint32_t looks, struct scan_sum *out)
{
    uint32_t half = looks / 2 > 2 ? looks / 2 : 2, from = looks > half ? looks - half : 0;
    bool lost = true, ever_reached = false;
    for (uint32_t i = 0; i < looks; i++) {
        lost &= k->verdict[i] == SCAN_ALIVE_LOST || i < from;
        ever_reached |= k->verdict[i] == SCAN_ALIVE_REACHABLE && i >= from;
    }
    out->lost += lost;
    out->checked += lost || ever_reached;
    out->undecided += !lost && !ever_reached;
}

void scan_case_sum(const struct scan_case *c, size_t i, uint32_t *stack, struct scan_sum *out)
{
    const struct scan_box *box = c->box;
    const struct scan_suspect *s = &box->suspect[i];
    uint32_t looks = box->looks < SCAN_LOOKS_MAX ? box->looks : SCAN_LOOKS_MAX, doubt = 0;
    *stack = s->stack;
    *out = (struct scan_sum){.scans = looks, .holder = s->holder, .entry = s->entry};
    for (uint32_t k = 0; looks > 0 && k < box->n_checked; k++)
        if (box->checked[k].suspect == i && !box->checked[k].freed)
            sum_block(&box->checked[k], looks, out);
    for (uint32_t k = 0; k < looks; k++)
        doubt = s->look[k].doubt > doubt ? s->look[k].doubt : doubt;
    uint32_t held_back = doubt < out->lost ? doubt : out->lost;
    out->lost -= held_back;
    out->undecided += held_back;
    out->checked -= held_back;
    for (uint32_t k = 0; k < looks; k++)
        out->agreed += answer_of(s->look[k].lost - s->look[k].doubt, s->look[k].reachable) ==
                       answer_of(out->lost, out->checked - out->lost);
}
