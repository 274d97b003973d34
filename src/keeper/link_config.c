// Starts seep-keeper: the configuration as a sealed memfd, the probe's environment, the fixed descriptors.
//
// Place: keeper_start() of link.h. The configuration's strings come from the user's profile and are only copied.
#include "keeper/link.h"
#include "keeper/link_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "seep_region.h"

#define STRINGS_CEILING (16u << 20) // the kernel itself takes at most 6 MiB of arguments
#define DEFAULT_LOG     (1u << 20)
#define HOUR_NS         3600000000000u

static uint32_t put_string(struct seep_buf *b, const char *text)
{
    uint32_t at = (uint32_t)b->len;
    if (!text)
        return KEEPER_NO_STRING;
    buf_add(b, text, strlen(text) + 1);
    return at;
}

static uint32_t put_list(struct seep_buf *b, const char *const *list, uint32_t *count)
{
    uint32_t at = (uint32_t)b->len;
    for (; list && *list; list++, ++*count)
        put_string(b, *list);
    return at;
}

static bool is_variable(const char *entry, const char *name)
{
    size_t len = strlen(name);
    return !strncmp(entry, name, len) && entry[len] == '=';
}

// The target's environment with ours. The probe comes before what the target preloads itself: an allocator among that
// is then behind the probe's hooks and stays in charge, as one the target is linked with; in front of them it would
// hide every call.
static void put_environment(struct seep_buf *b, struct keeper_config_wire *w, const struct keeper_config *cfg,
                            const char *hex)
{
    const char *preload = "";
    w->envp = (uint32_t)b->len;
    for (const char *const *e = cfg->envp; e && *e; e++) {
        if (cfg->probe_path && is_variable(*e, "LD_PRELOAD"))
            preload = *e + strlen("LD_PRELOAD=");
        else if (!is_variable(*e, SEEP_ENV_PROBE) && ++w->envc)
            put_string(b, *e);
    }
    if (!cfg->probe_path)
        return;
    buf_printf(b, "LD_PRELOAD=%s%s%s%s%s", cfg->probe_path, cfg->probe_more ? ":" : "",
               cfg->probe_more ? cfg->probe_more : "", *preload ? ":" : "", preload);
    buf_char(b, '\0');
    buf_printf(b, SEEP_ENV_PROBE "=%s:%u:%u", hex, cfg->probe_mode, cfg->probe_filters);
    buf_char(b, '\0');
    w->envc += 2;
}

static uint64_t memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t or_default(uint64_t wanted, uint64_t fallback)
{
    return wanted ? wanted : fallback;
}

static void fill_numbers(struct keeper_config_wire *w, const struct keeper_config *cfg)
{
    w->magic = KEEPER_CONFIG_MAGIC;
    w->version = KEEPER_VERSION;
    w->size_bytes = sizeof *w;
    w->output = cfg->output;
    w->set_ids = cfg->set_ids;
    w->uid = cfg->uid;
    w->gid = cfg->gid;
    w->group_count = (uint32_t)cfg->group_count;
    for (size_t i = 0; i < cfg->group_count; i++)
        w->groups[i] = cfg->groups[i];
    w->rlimit_count = (uint32_t)cfg->rlimit_count;
    for (size_t i = 0; i < cfg->rlimit_count; i++)
        w->rlimits[i] = cfg->rlimits[i];
    w->umask_bits = fs_callers_umask();
    w->log_head_bytes = or_default(cfg->log_head_bytes, DEFAULT_LOG);
    w->log_tail_bytes = or_default(cfg->log_tail_bytes, DEFAULT_LOG);
    w->remove_cgroup = cfg->remove_cgroup;
    w->probe_mode = cfg->probe_mode;
    w->sample_mean_bytes = cfg->sample_mean_bytes;
    w->main_region_bytes = or_default(cfg->main_region_bytes, larger(64u << 20, memory_bytes() / 32));
    w->child_region_bytes = or_default(cfg->child_region_bytes, larger(16u << 20, w->main_region_bytes / 8));
    w->regions_total_bytes = or_default(cfg->regions_total_bytes, 2 * w->main_region_bytes);
    w->absent_limit_ns = or_default(cfg->absent_limit_ns, HOUR_NS);
    w->companion_pid = (uint64_t)cfg->companion_pid;
    w->companion_starttime_ticks = cfg->companion_starttime_ticks;
}

static int check(const struct keeper_config *cfg, struct seep_err *err)
{
    if (!cfg->argv || !cfg->argv[0] || !cfg->exec_path)
        return seep_fail(err, SEEP_E_USAGE, "no command was given to run; put it after \"--\"");
    if (cfg->group_count > KEEPER_GROUPS_MAX)
        return seep_fail(err, SEEP_E_LIMIT, "the target's user is in %zu groups, seep can pass on %d", cfg->group_count,
                         KEEPER_GROUPS_MAX);
    if (cfg->rlimit_count > KEEPER_RLIMITS_MAX)
        return seep_fail(err, SEEP_E_LIMIT, "the profile sets %zu limits, seep can set %d", cfg->rlimit_count,
                         KEEPER_RLIMITS_MAX);
    if (cfg->probe_path && strpbrk(cfg->probe_path, " :\t\n"))
        return seep_fail(
            err, SEEP_E_UNSUPPORTED,
            "the probe lies at \"%s\"; the loader cannot preload from a path with a blank or a colon, so install "
            "seep elsewhere",
            cfg->probe_path);
    return 0;
}

static int make_memfd(const struct keeper_config_wire *w, const struct seep_buf *strings, struct seep_err *err)
{
    int fd = memfd_create("seep-keeper-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return seep_fail_errno(err, errno, "the keeper's configuration cannot be made");
    if (fs_write_all(fd, w, sizeof *w, err) < 0 || fs_write_all(fd, strings->data, strings->len, err) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        close(fd);
        return seep_fail_errno(err, errno, "the keeper's configuration cannot be written");
    }
    return fd;
}

static int config_fd(const struct keeper_config *cfg, struct seep_err *err)
{
    struct keeper_config_wire w = {0};
    struct seep_buf strings;
    char hex[33], name[64];
    if (check(cfg, err) < 0 || fs_random_hex(hex, err) < 0)
        return -1;
    buf_init(&strings, STRINGS_CEILING);
    fill_numbers(&w, cfg);
    w.exec_path = put_string(&strings, cfg->exec_path);
    w.cwd = put_string(&strings, cfg->cwd);
    w.argv = put_list(&strings, cfg->argv, &w.argc);
    put_environment(&strings, &w, cfg, hex);
    for (int i = 0; i < KEEPER_JOIN_MAX; i++)
        w.join[i] = put_string(&strings, cfg->join[i]);
    w.kill_dir = put_string(&strings, cfg->kill_dir);
    w.freezer_dir = put_string(&strings, cfg->freezer_dir);
    w.oom_file = put_string(&strings, cfg->oom_file);
    snprintf(name, sizeof name, SEEP_SOCKET_PREFIX "%s", hex);
    w.probe = put_string(&strings, cfg->probe_path ? name : NULL);
    w.strings_bytes = (uint32_t)strings.len;
    int fd = -1;
    if (buf_check(&strings, "the command line and environment", err) == 0)
        fd = make_memfd(&w, &strings, err);
    buf_free(&strings);
    return fd;
}

// Above the fixed descriptors, so that none of the moves overwrites a source.
static int lift(int *fd)
{
    int high = fcntl(*fd, F_DUPFD_CLOEXEC, 16);
    if (high < 0)
        return -1;
    close(*fd);
    *fd = high;
    return 0;
}

static int plan_descriptors(posix_spawn_file_actions_t *fa, const struct keeper_config *cfg, int config, int link,
                            int run_dir)
{
    int rc = 0;
    if (cfg->output != KEEPER_OUTPUT_INHERIT)
        rc |= posix_spawn_file_actions_addopen(fa, 0, "/dev/null", O_RDONLY, 0);
    for (int fd = 1; cfg->output == KEEPER_OUTPUT_LOG && fd < 3; fd++)
        rc |= posix_spawn_file_actions_addopen(fa, fd, "/dev/null", O_WRONLY, 0);
    rc |= posix_spawn_file_actions_adddup2(fa, config, KEEPER_FD_CONFIG);
    rc |= posix_spawn_file_actions_adddup2(fa, link, KEEPER_FD_LINK);
    rc |= posix_spawn_file_actions_adddup2(fa, run_dir, KEEPER_FD_RUNDIR);
    rc |= posix_spawn_file_actions_addclosefrom_np(fa, KEEPER_FD_RUNDIR + 1);
    return rc;
}

static int run_keeper(const struct keeper_config *cfg, int config, int link, int run_dir, pid_t *pid,
                      struct seep_err *err)
{
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;
    char *argv[] = {(char *)"seep-keeper", NULL}, *envp[] = {(char *)"LC_ALL=C", NULL};
    posix_spawn_file_actions_init(&fa);
    posix_spawnattr_init(&attr);
    int rc = plan_descriptors(&fa, cfg, config, link, run_dir) | posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID);
    if (!rc)
        rc = posix_spawn(pid, cfg->keeper_path, &fa, &attr, argv, envp);
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&attr);
    if (rc)
        return seep_fail_errno(err, rc, "the keeper program \"%s\" cannot be started; is seep installed whole?",
                               cfg->keeper_path);
    return 0;
}

int keeper_start(const struct keeper_config *cfg, struct keeper_link *link, struct seep_err *err)
{
    int pair[2], run_dir = -1;
    keeper_link_init(link);
    int config = config_fd(cfg, err);
    if (config < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        seep_fail_errno(err, errno, "no connection to the keeper can be made");
        close(config);
        return -1;
    }
    // Should the keeper be killed, the target becomes our child and its end is not lost.
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    int rc = 0;
    run_dir = fcntl(cfg->run_dir_fd, F_DUPFD_CLOEXEC, 16);
    if (run_dir < 0 || lift(&config) < 0 || lift(&pair[1]) < 0)
        rc = seep_fail_errno(err, errno, "no descriptor is left for the keeper");
    else
        rc = run_keeper(cfg, config, pair[1], run_dir, &link->keeper_pid, err);
    close(config);
    close(pair[1]);
    if (run_dir >= 0)
        close(run_dir);
    if (rc < 0) {
        close(pair[0]);
        link->keeper_pid = 0;
        return -1;
    }
    link->fd = pair[0];
    link->keeper_is_child = true;
    struct keeper_stats stats;
    if (keeper_status(link, &stats, err) == 0)
        return 0;
    keeper_close(link);
    return seep_fail(err, SEEP_E_SYSTEM, "the keeper ended before it could answer; its run directory must be writable");
}
