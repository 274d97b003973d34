// Finding a program as execvp() does, and judging whether it can be attributed: see exe.h.
#include "linux/exe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "linux/mem.h"

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

// --- finding
// -----------------------------------------------------------------------------------------------------------------

// 0 usable; else an errno that says why not.
static int usable(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return errno;
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    if (!S_ISREG(st.st_mode))
        return EINVAL;
    return access(path, X_OK) == 0 ? 0 : EACCES;
}

static int refuse(struct seep_err *err, int why, const char *path)
{
    const char *way_out = why == ENOENT || why == ENOTDIR ? "there is no such file; check the path"
                          : why == EISDIR                 ? "it is a directory; name the program inside it"
                          : why == EINVAL                 ? "it is not a regular file"
                          : why == EACCES ? "it may not be executed; check its mode (chmod +x) and directories"
                                          : strerror(why);
    seep_fail(err, SEEP_E_TARGET, "\"%s\" cannot be run: %s", path, way_out);
    if (err)
        err->sys_errno = why;
    return -1;
}

static int too_long(struct seep_err *err)
{
    return seep_fail(err, SEEP_E_TARGET, "the program's path is longer than %d bytes", LINUX_EXE_PATH_MAX);
}

static bool put(char *out, const char *dir, size_t dir_len, const char *name)
{
    return snprintf(out, LINUX_EXE_PATH_MAX, "%.*s%s%s", (int)dir_len, dir, dir_len ? "/" : "", name) <
           LINUX_EXE_PATH_MAX;
}

int linux_exe_find(const char *name, const char *cwd, const char *path_env, char out[LINUX_EXE_PATH_MAX],
                   struct seep_err *err)
{
    if (!name[0])
        return seep_fail(err, SEEP_E_TARGET, "the program's name is empty");
    if (strchr(name, '/')) {
        bool relative = name[0] != '/' && cwd && cwd[0];
        if (!put(out, relative ? cwd : "", relative ? strlen(cwd) : 0, name))
            return too_long(err);
        int why = usable(out);
        return why ? refuse(err, why, out) : 0;
    }
    int worst = ENOENT;
    char denied[LINUX_EXE_PATH_MAX] = "";
    for (const char *at = path_env ? path_env : DEFAULT_PATH; at; at = strchr(at, ':'), at = at ? at + 1 : NULL) {
        size_t len = strcspn(at, ":");
        if (!put(out, len ? at : ".", len ? len : 1, name)) // an empty entry is the current directory
            continue;
        int why = usable(out);
        if (!why)
            return 0;
        if (why == EACCES) {
            worst = why;
            memcpy(denied, out, sizeof denied);
        }
    }
    if (worst == EACCES)
        return refuse(err, EACCES, denied);
    seep_fail(err, SEEP_E_TARGET, "\"%s\" was not found in PATH; give its path, for example ./%s", name, name);
    if (err)
        err->sys_errno = ENOENT;
    return -1;
}

// --- attribution
// ---------------------------------------------------------------------------------------------------------------

static const char *const reasons[] = {
    [LINUX_ATTRIBUTE_YES] = "allocations of %s can be attributed to call stacks.",
    [LINUX_ATTRIBUTE_STATIC] = "%s is linked statically: nothing can be preloaded, so allocations are not attributed; "
                               "link it dynamically.",
    [LINUX_ATTRIBUTE_SECURE] = "%s is setuid, setgid or has file capabilities: the loader ignores the probe, so "
                               "allocations are not attributed; run a copy without these rights.",
    [LINUX_ATTRIBUTE_SANITIZER] = "%s is built with a sanitizer, whose allocator must come first: the probe stays "
                                  "out of it; use a build without it.",
    [LINUX_ATTRIBUTE_MUSL] = "%s uses the musl C library, the probe needs glibc: allocations are not attributed.",
    [LINUX_ATTRIBUTE_FOREIGN] = "%s is built for another architecture than the probe: allocations are not attributed.",
    [LINUX_ATTRIBUTE_OWN_MALLOC] = "%s contains its own malloc, which preloading cannot see: allocations are not "
                                   "attributed; link the allocator as a shared library.",
    [LINUX_ATTRIBUTE_UNKNOWN] = "%s is no ELF program, so nothing is known about its allocations.",
};

static enum linux_attribute judge(const struct linux_exe *x, uid_t run_as)
{
    if (x->kind != LINUX_EXE_ELF)
        return LINUX_ATTRIBUTE_UNKNOWN;
    if (!x->native)
        return LINUX_ATTRIBUTE_FOREIGN;
    if (x->asan || x->tsan || x->msan || x->lsan)
        return LINUX_ATTRIBUTE_SANITIZER;
    if (!x->dynamic)
        return LINUX_ATTRIBUTE_STATIC;
    // AT_SECURE is set when the effective identity differs from the real one: setuid root does not do that for root.
    if ((x->setuid && run_as != x->owner) || x->setgid || (x->has_caps && run_as != 0))
        return LINUX_ATTRIBUTE_SECURE;
    if (x->libc == LINUX_LIBC_MUSL)
        return LINUX_ATTRIBUTE_MUSL;
    // A malloc that only wraps the C library's gets its memory by a name that is hooked.
    return x->defines_malloc && !x->calls_libc_malloc ? LINUX_ATTRIBUTE_OWN_MALLOC : LINUX_ATTRIBUTE_YES;
}

enum linux_attribute linux_exe_attribute(const struct linux_exe *exe, const char *name, uid_t run_as, char *text,
                                         size_t size)
{
    enum linux_attribute a = judge(exe, run_as);
    const char *at = strstr(reasons[a], "%s");
    snprintf(text, size, "%.*s%s%s", (int)(at - reasons[a]), reasons[a], name, at + 2);
    return a;
}

// --- what is mapped
// ---------------------------------------------------------------------------------------------------------------

static const struct {
    const char *needle, *name;
} allocators[] = {
    // The first that is mapped wins: those that replace malloc come before the C library.
    {"libasan.so", "asan"},      {"clang_rt.asan", "asan"},   {"libjemalloc.so", "jemalloc"},
    {"libtcmalloc", "tcmalloc"}, {"libmimalloc", "mimalloc"}, {"ld-musl", "musl"},
    {"-musl/libc.so", "musl"},   {"/libc.so.6", "glibc"},     {"/libc-2.", "glibc"},
};
#define ALLOCATORS (sizeof allocators / sizeof *allocators)

struct look {
    size_t best;
    char *path;
    const char *needle;
    bool found;
};

static int look_for_allocator(const struct linux_map *m, void *arg)
{
    struct look *l = arg;
    for (size_t i = 0; i < l->best; i++)
        if (m->path[0] == '/' && strstr(m->path, allocators[i].needle)) {
            l->best = i;
            snprintf(l->path, LINUX_EXE_PATH_MAX, "%s", m->path);
        }
    return 0;
}

int linux_allocator_of(int proc_fd, pid_t pid, char name[16], char path[LINUX_EXE_PATH_MAX], struct seep_err *err)
{
    struct look l = {.best = ALLOCATORS, .path = path};
    struct linux_exe exe;
    char exe_path[LINUX_EXE_PATH_MAX];
    path[0] = '\0';
    if (linux_maps_each(proc_fd, pid, look_for_allocator, &l, err) < 0)
        return -1;
    const char *found = l.best < ALLOCATORS ? allocators[l.best].name : "unknown";
    // One linked into the executable itself maps no library of its own.
    if ((!strcmp(found, "glibc") || !strcmp(found, "unknown") || !strcmp(found, "musl")) &&
        linux_exe_of(proc_fd, pid, false, &exe, exe_path, NULL) == 0 && (exe.defines_malloc || exe.asan)) {
        found = exe.asan       ? "asan"
                : exe.jemalloc ? "jemalloc"
                : exe.tcmalloc ? "tcmalloc"
                : exe.mimalloc ? "mimalloc"
                : exe.embedded ? exe.embedded
                               : found;
        path[0] = '\0';
    }
    snprintf(name, 16, "%s", found);
    return 0;
}

static int look_for_needle(const struct linux_map *m, void *arg)
{
    struct look *l = arg;
    l->found = strstr(m->path, l->needle) != NULL;
    return l->found;
}

int linux_mapped(int proc_fd, pid_t pid, const char *needle, struct seep_err *err)
{
    struct look l = {.needle = needle};
    return linux_maps_each(proc_fd, pid, look_for_needle, &l, err) < 0 ? -1 : l.found;
}
