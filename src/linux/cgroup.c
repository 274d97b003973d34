// A control group for the target: see cgroup.h.
//
// Version 2 counts only if the group we are in delegates the memory controller or we may enable it; moving ourselves to
// make that possible is not ours to do, so on a busy group we fall back: version 1, or a version 2 group for killing
// only.
#include "linux/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "linux/text.h"

#define DEFAULT_ROOT "/sys/fs/cgroup"

const char *linux_cgroup_kind_name(enum linux_cgroup_kind kind)
{
    return kind == LINUX_CGROUP_V2 ? "v2" : kind == LINUX_CGROUP_V1 ? "v1" : "none";
}

static bool exists(const char *dir, const char *name)
{
    char path[LINUX_PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

// The line "N:controllers:path" of /proc/self/cgroup whose list holds the controller ("" is version 2's line). The path
// must be absolute and free of "..", which a cgroup namespace's outside shows as.
static bool own_path(const char *self, const char *controller, char *out, size_t size)
{
    size_t wanted = strlen(controller);
    for (const char *line = self; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        const char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
        if (!path)
            return false;
        bool hit = wanted == 0 && path == list + 1;
        for (const char *item = list + 1; wanted && !hit && item < path;) {
            size_t len = strcspn(item, ",:");
            hit = len == wanted && !strncmp(item, controller, len);
            item += len + 1;
        }
        if (!hit)
            continue;
        text_line(out, size, path + 1);
        return out[0] == '/' && !strstr(out, "/..");
    }
    return false;
}

static bool join_path(char *out, const char *a, const char *b, const char *c)
{
    return snprintf(out, LINUX_PATH_MAX, "%s%s%s%s", a, !strcmp(b, "/") ? "" : b, c[0] ? "/" : "", c) < LINUX_PATH_MAX;
}

// Makes dir; proves that it is ours to use by what the kernel put in it.
static bool make_group(struct linux_cgroup *cg, const char *dir, const char *proof)
{
    if (mkdir(dir, 0755) < 0) {
        if (errno == EEXIST) // somebody else's group: never shared, never written to
            snprintf(cg->why_not, sizeof cg->why_not, "a control group \"%.140s\" exists already, so none is used",
                     dir);
        return false;
    }
    if (exists(dir, proof))
        return true;
    int saved = errno;
    rmdir(dir);
    errno = saved;
    return false;
}

static void add_dir(struct linux_cgroup *cg, const char *dir)
{
    if (cg->dir_count < LINUX_CGROUP_DIRS)
        snprintf(cg->dirs[cg->dir_count++], LINUX_PATH_MAX, "%s", dir);
}

static void copy_path(char *to, const char *from)
{
    snprintf(to, LINUX_PATH_MAX, "%s", from);
}

static void oom_path(struct linux_cgroup *cg, const char *dir, const char *name)
{
    if (exists(dir, name) &&
        snprintf(cg->oom_file, sizeof cg->oom_file, "%s/%s", dir, name) >= (int)sizeof cg->oom_file)
        cg->oom_file[0] = '\0';
}

// mount: where version 2 lies. True when a group was made.
static bool create_v2(const char *mount, const char *self, const char *name, struct linux_cgroup *cg)
{
    char own[LINUX_PATH_MAX], parent[LINUX_PATH_MAX], dir[LINUX_PATH_MAX];
    if (!own_path(self, "", own, sizeof own) || !join_path(parent, mount, own, "") || !exists(parent, "cgroup.procs") ||
        !join_path(dir, parent, "", name) || !make_group(cg, dir, "cgroup.procs"))
        return false;
    add_dir(cg, dir);
    if (exists(dir, "cgroup.kill"))
        copy_path(cg->kill_dir, dir);
    if (exists(dir, "memory.current"))
        copy_path(cg->memory_dir, dir);
    if (exists(dir, "pids.max"))
        copy_path(cg->pids_dir, dir);
    oom_path(cg, dir, "memory.events");
    cg->kind = LINUX_CGROUP_V2;
    cg->ours = true;
    return true;
}

static bool create_v1(const char *root, const char *self, const char *name, const char *controller, const char *proof,
                      char *role, struct linux_cgroup *cg)
{
    char own[LINUX_PATH_MAX], mount[LINUX_PATH_MAX], parent[LINUX_PATH_MAX], dir[LINUX_PATH_MAX];
    if (!own_path(self, controller, own, sizeof own) || !join_path(mount, root, "", controller) ||
        !join_path(parent, mount, own, ""))
        return false;
    // In a container the path is often the host's, which is not there: our own root is then what is mounted.
    if (!exists(parent, "cgroup.procs"))
        copy_path(parent, mount);
    if (!join_path(dir, parent, "", name))
        return false;
    // Co-mounted controllers are one directory under two names.
    for (size_t i = 0; i < cg->dir_count; i++) {
        struct stat a, b;
        if (stat(cg->dirs[i], &a) == 0 && stat(dir, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev) {
            copy_path(role, cg->dirs[i]);
            return true;
        }
    }
    if (!make_group(cg, dir, proof))
        return false;
    add_dir(cg, dir);
    copy_path(role, dir);
    cg->kind = LINUX_CGROUP_V1;
    cg->ours = true;
    return true;
}

static void explain(struct linux_cgroup *cg, int sys_errno)
{
    if (cg->why_not[0]) {
        char clash[sizeof cg->why_not];
        memcpy(clash, cg->why_not, sizeof clash);
        linux_cgroup_remove(cg, NULL);
        memset(cg, 0, sizeof *cg);
        memcpy(cg->why_not, clash, sizeof clash);
        return;
    }
    if (cg->kind == LINUX_CGROUP_NONE)
        snprintf(
            cg->why_not, sizeof cg->why_not,
            "no control group could be made (%s), so memory is counted by process and stopping goes process by process",
            sys_errno ? strerror(sys_errno) : "none is mounted");
    else if (!cg->memory_dir[0])
        snprintf(cg->why_not, sizeof cg->why_not,
                 "the control group does not count memory, so an out-of-memory kill cannot be told from any SIGKILL");
}

int linux_cgroup_create(const char *root, const char *self, const char *name, struct linux_cgroup *cg,
                        struct seep_err *err)
{
    char text[8192], unified[LINUX_PATH_MAX];
    memset(cg, 0, sizeof *cg);
    root = root ? root : DEFAULT_ROOT;
    if (!name[0] || strchr(name, '/') || name[0] == '.')
        return seep_fail(err, SEEP_E_USAGE, "\"%s\" cannot be the name of a control group", name);
    if (!self) {
        text[0] = '\0';
        text_read(AT_FDCWD, "/proc/self/cgroup", text, sizeof text);
        self = text;
    }
    errno = 0;
    if (exists(root, "cgroup.controllers")) {
        create_v2(root, self, name, cg);
    } else {
        create_v1(root, self, name, "memory", "memory.usage_in_bytes", cg->memory_dir, cg);
        create_v1(root, self, name, "freezer", "freezer.state", cg->freezer_dir, cg);
        create_v1(root, self, name, "pids", "pids.max", cg->pids_dir, cg);
        if (cg->memory_dir[0])
            oom_path(cg, cg->memory_dir, "memory.oom_control");
        // Hybrid: version 2 without controllers still kills a whole group at once.
        if (!cg->freezer_dir[0] && join_path(unified, root, "", "unified")) {
            enum linux_cgroup_kind kind = cg->kind;
            if (create_v2(unified, self, name, cg) && kind == LINUX_CGROUP_V1)
                cg->kind = kind;
        }
    }
    explain(cg, errno);
    return 0;
}

void linux_cgroup_add_cpu(const char *root, const char *self, const char *name, struct linux_cgroup *cg)
{
    char text[8192];
    if (cg->kind == LINUX_CGROUP_V2 && exists(cg->dirs[0], "cpu.max"))
        copy_path(cg->cpu_dir, cg->dirs[0]);
    if (cg->kind != LINUX_CGROUP_V1)
        return;
    if (!self) {
        text[0] = '\0';
        text_read(AT_FDCWD, "/proc/self/cgroup", text, sizeof text);
        self = text;
    }
    create_v1(root ? root : DEFAULT_ROOT, self, name, "cpu", "cpu.cfs_quota_us", cg->cpu_dir, cg);
}

int linux_cgroup_memory_knob(const struct linux_cgroup *cg, double bytes, struct linux_cgroup_knob *out,
                             struct seep_err *err)
{
    if (!cg->memory_dir[0])
        return seep_fail(err, SEEP_E_UNSUPPORTED, "memory cannot be limited here: %s", cg->why_not);
    bool v2 = exists(cg->memory_dir, "memory.max");
    snprintf(out->file, sizeof out->file, "%s", v2 ? "memory.max" : "memory.limit_in_bytes");
    snprintf(out->value, sizeof out->value, "%.0f", bytes);
    snprintf(out->undo, sizeof out->undo, "%s", v2 ? "max" : "-1");
    return 0;
}

// Per 100 ms, the kernel's default.
int linux_cgroup_cpu_knob(const struct linux_cgroup *cg, double cores, struct linux_cgroup_knob *out,
                          struct seep_err *err)
{
    if (!cg->cpu_dir[0])
        return seep_fail(err, SEEP_E_UNSUPPORTED, "CPU time cannot be limited here: %s",
                         cg->why_not[0] ? cg->why_not : "there is no cpu controller to use");
    bool v2 = exists(cg->cpu_dir, "cpu.max");
    snprintf(out->file, sizeof out->file, "%s", v2 ? "cpu.max" : "cpu.cfs_quota_us");
    snprintf(out->value, sizeof out->value, v2 ? "%.0f 100000" : "%.0f", cores * 100000);
    snprintf(out->undo, sizeof out->undo, "%s", v2 ? "max 100000" : "-1");
    return 0;
}

static int turn(const char *dir, const struct linux_cgroup_knob *knob, struct seep_err *err)
{
    char path[LINUX_PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", dir, knob->file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    size_t len = strlen(knob->value);
    bool done = fd >= 0 && write(fd, knob->value, len) == (ssize_t)len;
    int why = errno;
    if (fd >= 0)
        close(fd);
    return done ? 0 : seep_fail_errno(err, why, "The limit %s of the target's control group cannot be set", knob->file);
}

int linux_cgroup_limit(const struct linux_cgroup *cg, double bytes, double cores, struct seep_err *err)
{
    struct linux_cgroup_knob knob;
    if (bytes > 0 && (linux_cgroup_memory_knob(cg, bytes, &knob, err) || turn(cg->memory_dir, &knob, err)))
        return -1;
    if (cores > 0 && (linux_cgroup_cpu_knob(cg, cores, &knob, err) || turn(cg->cpu_dir, &knob, err)))
        return -1;
    return 0;
}

static int remove_one(const char *dir)
{
    for (int attempt = 0; attempt < 50; attempt++) {
        if (rmdir(dir) == 0 || errno == ENOENT)
            return 0;
        if (errno != EBUSY)
            return -1;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL); // a dead process leaves its group a little later
    }
    return -1;
}

int linux_cgroup_remove(struct linux_cgroup *cg, struct seep_err *err)
{
    int rc = 0;
    for (size_t i = 0; cg->ours && i < cg->dir_count; i++)
        if (remove_one(cg->dirs[i]) < 0)
            rc = seep_fail_errno(err, errno, "the control group \"%s\" cannot be removed", cg->dirs[i]);
    if (rc == 0)
        cg->ours = false;
    return rc;
}

static int64_t number_in(const char *dir, const char *name)
{
    char path[LINUX_PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return text_number_of(AT_FDCWD, path);
}

static int64_t lines_in(const char *dir, const char *name)
{
    char path[LINUX_PATH_MAX + 64], text[65536];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (text_read(AT_FDCWD, path, text, sizeof text) < 0)
        return SEEP_UNKNOWN;
    int64_t lines = 0;
    for (char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    return lines;
}

static int64_t either(int64_t a, int64_t b)
{
    return a != SEEP_UNKNOWN ? a : b;
}

int linux_cgroup_memory_read(const struct linux_cgroup *cg, struct linux_cgroup_memory *out, struct seep_err *err)
{
    char path[LINUX_PATH_MAX + 64], text[8192];
    const char *dir = cg->memory_dir;
    int64_t *field = (int64_t *)out;
    for (size_t i = 0; i < sizeof *out / sizeof *field; i++)
        field[i] = SEEP_UNKNOWN;
    if (cg->dir_count)
        out->processes = lines_in(cg->dirs[0], "cgroup.procs");
    if (!dir[0])
        return seep_fail(err, SEEP_E_UNSUPPORTED, "no control group counts the target's memory: %s", cg->why_not);
    bool v2 = exists(dir, "memory.current");
    out->current_bytes = number_in(dir, v2 ? "memory.current" : "memory.usage_in_bytes");
    out->peak_bytes = number_in(dir, v2 ? "memory.peak" : "memory.max_usage_in_bytes");
    out->limit_bytes = number_in(dir, v2 ? "memory.max" : "memory.limit_in_bytes");
    if (out->limit_bytes > INT64_MAX / 2) // version 1 writes "no limit" as a huge number
        out->limit_bytes = SEEP_UNKNOWN;
    snprintf(path, sizeof path, "%s/memory.stat", dir);
    if (text_read(AT_FDCWD, path, text, sizeof text) > 0) {
        out->anon_bytes = either(text_field(text, "anon "), text_field(text, "rss "));
        out->file_bytes = either(text_field(text, "file "), text_field(text, "cache "));
        out->kernel_bytes = text_field(text, "kernel ");
    }
    if (!v2)
        out->kernel_bytes = number_in(dir, "memory.kmem.usage_in_bytes");
    if (cg->oom_file[0] && text_read(AT_FDCWD, cg->oom_file, text, sizeof text) > 0)
        out->oom_kills = text_field(text, "oom_kill ");
    out->events_max = v2 && cg->oom_file[0] ? text_field(text, "max ") : number_in(dir, "memory.failcnt");
    if (out->current_bytes == SEEP_UNKNOWN)
        return seep_fail(err, SEEP_E_SYSTEM, "the control group \"%s\" was removed by somebody else", dir);
    return 0;
}
