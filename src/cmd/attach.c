// `seep attach`: the main job on a process that runs already.
#include "cmd/command.h"
#include "cmd/gates.h"
#include "cmd/load_run_profile.h"
#include "linux/proc.h"
#include "load/validate.h"
#include "run/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 64

struct attach_opts {
    struct cmd_run_profile profile;
    const char *results, *name;
    bool detach, quiet;
};

static const struct cmd_option options[] = {
    CMD_RUN_PROFILE_OPTIONS(struct attach_opts, profile),
    CMD_OPTION_RESULTS(struct attach_opts, results),
    {.name = "name",
     .arg = "ID",
     .type = CMD_STRING,
     .offset = offsetof(struct attach_opts, name),
     .help = "the run's id (default: date, time and four random digits)"},
    {.name = "detach",
     .type = CMD_FLAG,
     .offset = offsetof(struct attach_opts, detach),
     .help = "go into the background once the watching has begun"},
    {.name = "quiet",
     .letter = 'q',
     .type = CMD_FLAG,
     .offset = offsetof(struct attach_opts, quiet),
     .help = "no progress lines"},
    {0},
};

static const char *const description[] = {
    "Does what seep run does, on a process that runs already: samples its memory and every other leakable resource, "
    "and "
    "that of its descendants, drives the profile's load, attributes heap growth to call stacks, judges, and writes the "
    "same report. The process is never signalled: at the end, on Ctrl-C, and when seep is killed it runs on as before, "
    "and there is no shutdown check.",
    "Call stacks come from uprobes on its allocator (glibc, jemalloc, tcmalloc, mimalloc; not one that is linked into "
    "a stripped program) and, where BPF can be used, on mmap, munmap and mremap. That needs root, CAP_SYS_ADMIN, or "
    "from Linux 6.6 on CAP_PERFMON and CAP_BPF; another user's "
    "process, or one with more rights than seep, needs CAP_SYS_PTRACE too. Without them, and with "
    "attribution.mode=off, totals are judged, heap.* by the C library's own count of what it has given out where that "
    "is "
    "glibc and its memory may be read (of a 32-bit program the heap stays unknown), "
    "and gates that need stacks are INCONCLUSIVE. Only blocks allocated after the attach are known. A block freed from "
    "before may have made room for a new one, so growth counts only as far as it exceeds what was freed of the old. "
    "Memory scans say of growing stacks whether their blocks are unreachable, and who holds them; what only blocks "
    "from "
    "before the attach point at stays undecided.",
    "Each call of the allocator costs the process some microseconds meanwhile. What that comes to is measured and "
    "stands "
    "in the report; above attribution.cost (100 ms of processor time a second), or attribution.events calls a second, "
    "the stacks are given up within about a second and the breakpoints taken out: totals are judged from then on. What "
    "tells how a run starts its target (target.command, env, cwd, user, "
    "limits) and shutdown are not used here. One page that the kernel maps for uprobes, [uprobes], stays in the "
    "process.",
    NULL,
};

static const struct cmd_example examples[] = {
    {"seep attach 4711 --duration 10m", "watch a process for ten minutes"},
    {"seep attach -p ours.yaml --detach $(pidof myserver)", "with gates and load, in the background"},
    {"seep attach 4711 -o attribution.mode=off", "totals only: nothing touches the process"},
    {0},
};

static int run(int argc, char **argv, void *opts);

const struct cmd_command cmd_attach = {
    .name = "attach",
    .summary = "soak a process that runs already",
    .usage = "PID",
    .description = description,
    .options = options,
    .examples = examples,
    .opts_size = sizeof(struct attach_opts),
    .run = run,
};

static bool parse_pid(const char *text, int32_t *pid)
{
    char *end;
    long v = strtol(text, &end, 10);
    if (end == text || *end || v <= 0 || v > INT32_MAX || text[0] < '0' || text[0] > '9')
        return false;
    *pid = (int32_t)v;
    return true;
}

// The process's own command line stands for the command of the profile. Kept in `text`; words has room for WORDS_MAX.
static int command_of(int32_t pid, char *text, size_t size, const char **words)
{
    struct linux_stat st;
    size_t len = 0;
    int n = 0, proc_fd = linux_proc_open(NULL);
    if (proc_fd < 0)
        return 0;
    if (linux_cmdline_read(proc_fd, pid, text, size - 1, &len, NULL) == 0) {
        text[len < size ? len : size - 1] = 0;
        for (size_t at = 0; at < len && n < WORDS_MAX; at += strlen(text + at) + 1)
            words[n++] = text + at;
    }
    if (n == 0 && linux_stat_read(proc_fd, pid, &st, NULL) == 0) { // it has written over its arguments
        snprintf(text, size, "%s", st.comm);
        words[n++] = text;
    }
    close(proc_fd);
    return n;
}

static int run(int argc, char **argv, void *opts)
{
    const struct attach_opts *o = opts;
    struct profile *profile = NULL;
    struct seep_err err = {0};
    int32_t pid;
    char text[16384];
    const char *words[WORDS_MAX];
    if (argc == 0)
        return cmd_usage_error("attach", "give the id of a process");
    if (argc > 1)
        return cmd_usage_error("attach", "'%.60s' is too much: give one process id", argv[1]);
    if (!parse_pid(argv[0], &pid))
        return cmd_usage_error("attach", "'%.60s' is no process id", argv[0]);
    int n = command_of(pid, text, sizeof text, words);
    if (n == 0) {
        seep_fail(&err, SEEP_E_USAGE, "There is no process %d", (int)pid);
        return cmd_fail(&err);
    }
    if (cmd_load_run_profile(&o->profile, words, n, &profile, &err) || cmd_check_gates(profile, &err) ||
        load_validate(profile, &err)) {
        profile_free(profile);
        return cmd_fail(&err);
    }
    struct run_options ro = {.profile = profile,
                             .results_dir = cmd_results_dir(o->results),
                             .name = o->name,
                             .detach = o->detach,
                             .quiet = o->quiet,
                             .attach_pid = pid};
    int status = cmd_start_run(&ro, NULL);
    profile_free(profile);
    return status;
}
