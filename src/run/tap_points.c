// The functions that are watched: see tap_points.h.
#include "run/tap_points.h"
#include "linux/exe.h"
#include "linux/mapped.h"
#include "run/tap_code.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The first CORE are always watched; the others, where some file of the process asks for them by name: each event
// costs descriptors, and time when it is taken away.
enum { CORE = 4 };
static const struct {
    const char *name;
    enum tap_role role;
} functions[] = {
    {"malloc", TAP_MALLOC},
    {"free", TAP_FREE},
    {"calloc", TAP_CALLOC},
    {"realloc", TAP_REALLOC},
    {"posix_memalign", TAP_POSIX},
    {"aligned_alloc", TAP_ALIGNED},
    {"memalign", TAP_ALIGNED},
    {"valloc", TAP_COUNT},
    {"pvalloc", TAP_COUNT},
    {"cfree", TAP_FREE},
    {"free_sized", TAP_FREE},
    {"free_aligned_sized", TAP_FREE},
    {"mallocx", TAP_MALLOC},
    {"rallocx", TAP_REALLOC},
    {"xallocx", TAP_RESIZE},
    {"dallocx", TAP_FREE},
    {"sdallocx", TAP_FREE},
    // An allocator's own operators; those of libstdc++ call malloc and free. The ones that promise not to throw can
    // bear a return probe, the others cannot: the unwinder would meet the kernel's trampoline instead of the caller.
    {"_ZnwmRKSt9nothrow_t", TAP_MALLOC},
    {"_ZnamRKSt9nothrow_t", TAP_MALLOC},
    {"_Znwm", TAP_COUNT},
    {"_Znam", TAP_COUNT},
    {"_ZnwmSt11align_val_t", TAP_COUNT},
    {"_ZnamSt11align_val_t", TAP_COUNT},
    {"_ZdlPv", TAP_FREE},
    {"_ZdaPv", TAP_FREE},
    {"_ZdlPvm", TAP_FREE},
    {"_ZdaPvm", TAP_FREE},
    {"_ZdlPvSt11align_val_t", TAP_FREE},
    {"_ZdaPvSt11align_val_t", TAP_FREE},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

// Of the C library. What maps for itself (an allocator, thread stacks) is told by its caller's address.
static const struct {
    const char *name;
    enum tap_role role;
} map_functions[] = {{"mmap", TAP_MAP}, {"mmap64", TAP_MAP}, {"munmap", TAP_UNMAP}, {"mremap", TAP_REMAP}};
enum { MAP_FUNCTIONS = sizeof map_functions / sizeof *map_functions };

static const unsigned keeps[] = {
    [TAP_MALLOC] = TAP_CODE_RDI,
    [TAP_CALLOC] = TAP_CODE_RDI | TAP_CODE_RSI,
    [TAP_REALLOC] = TAP_CODE_RDI | TAP_CODE_RSI,
    [TAP_ALIGNED] = TAP_CODE_RDI | TAP_CODE_RSI,
    [TAP_POSIX] = TAP_CODE_RDI | TAP_CODE_RSI | TAP_CODE_RDX,
    [TAP_RESIZE] = TAP_CODE_RDI | TAP_CODE_RSI,
    [TAP_FREE] = TAP_CODE_RDI,
    [TAP_MAP] = TAP_CODE_RDI | TAP_CODE_RSI | TAP_CODE_RDX | TAP_CODE_RCX,
    [TAP_REMAP] = TAP_CODE_RDI | TAP_CODE_RSI | TAP_CODE_RDX | TAP_CODE_RCX,
    [TAP_UNMAP] = TAP_CODE_RDI | TAP_CODE_RSI,
    [TAP_COUNT] = 0,
};

struct module {
    int fd; // the very file that is mapped, also after it was replaced on disk or its process has ended
    char by_root[LINUX_EXE_PATH_MAX + 64];
    uint64_t inode;
    unsigned dev_major, dev_minor;
    bool is_program;
};

struct finding {
    int proc_fd;
    struct resolve *resolver;
    bool imported[FUNCTIONS];
    const char *wanted; // path; "": the executable's, NULL: the C library's
    pid_t pid;
    char exe[LINUX_EXE_PATH_MAX];
    struct module found;
    bool any;
};

static void names_of(const char *names[FUNCTIONS])
{
    for (size_t i = 0; i < FUNCTIONS; i++)
        names[i] = functions[i].name;
}

// libstdc++ asks for what it defines itself: only who uses it tells whether its operators are used.
static int look_for_imports(const struct linux_map *m, void *arg)
{
    struct finding *f = arg;
    const char *names[FUNCTIONS];
    struct resolve_symbol symbols[FUNCTIONS];
    if (m->perms[2] != 'x' || m->path[0] != '/')
        return 0;
    int fd = linux_mapped_open(f->proc_fd, f->pid, m);
    struct resolve_module file = {.kind = RESOLVE_ELF, .path = m->path, .fd = fd};
    names_of(names);
    if (fd < 0 || resolve_find(f->resolver, &file, names, FUNCTIONS, symbols, NULL))
        memset(symbols, 0, sizeof symbols);
    for (size_t i = 0; i < FUNCTIONS; i++)
        f->imported[i] |= symbols[i].imported != 0;
    if (fd >= 0)
        close(fd);
    return 0;
}

// "/lib/x86_64-linux-gnu/libc.so.6", "/lib/libc-2.28.so", "/lib/ld-musl-x86_64.so.1".
static bool is_c_library(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    return strncmp(name, "libc.so", 7) == 0 || strncmp(name, "libc-", 5) == 0 || strncmp(name, "ld-musl-", 8) == 0;
}

static int look_for_code(const struct linux_map *m, void *arg)
{
    struct finding *f = arg;
    const char *wanted = f->wanted && f->wanted[0] ? f->wanted : f->exe;
    if (m->perms[2] != 'x' || (f->wanted ? strcmp(m->path, wanted) != 0 : !is_c_library(m->path)))
        return 0;
    f->found = (struct module){.fd = linux_mapped_open(f->proc_fd, f->pid, m),
                               .inode = m->inode,
                               .dev_major = m->dev_major,
                               .dev_minor = m->dev_minor,
                               .is_program = strcmp(m->path, f->exe) == 0};
    snprintf(f->found.by_root, sizeof f->found.by_root, "/proc/%d/root%s", (int)f->pid, m->path);
    f->any = true;
    return 1;
}

static int add_point(struct tap_points *p, const char *path, uint64_t offset, enum linux_uprobe_kind kind,
                     enum tap_role role, uint32_t function)
{
    if (p->n == LINUX_UPROBE_POINTS_MAX)
        return -1;
    char *copy = strdup(path);
    if (!copy)
        return -1;
    p->where[p->n] = (struct linux_uprobe_point){.path = copy, .file_offset = offset, .kind = kind};
    p->what[p->n++] = (struct tap_point){.role = role, .function = function, .is_return = kind == LINUX_UPROBE_RETURN};
    return 0;
}

// Is it always watched, or asked for under this name or another one of the same code?
static bool used(const struct resolve_symbol *s, const bool *imported, size_t i)
{
    for (size_t k = 0; k < FUNCTIONS; k++)
        if (s[k].found && s[k].file_offset == s[i].file_offset && (k < CORE || imported[k]))
            return true;
    return false;
}

static bool seen_before(const struct resolve_symbol *s, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (s[k].found && s[k].file_offset == s[i].file_offset)
            return true;
    return false;
}

// Entry and, unless the entry says it all, return of one function.
static int add_function(struct tap_points *p, const char *path, const struct resolve_symbol *s, enum tap_role role)
{
    uint64_t at = s->file_offset + tap_code_skip(s->code, s->n_code, keeps[role]);
    bool light = role == TAP_FREE || role == TAP_COUNT || role == TAP_UNMAP;
    if (add_point(p, path, at, light ? LINUX_UPROBE_ENTRY : LINUX_UPROBE_ENTRY_STACK, role, p->functions) ||
        (!light && add_point(p, path, at, LINUX_UPROBE_RETURN, role, p->functions)))
        return -1;
    p->functions++;
    return 0;
}

static int add_functions(struct tap_points *p, const char *path, const struct resolve_symbol *s, const bool *imported)
{
    for (size_t i = 0; i < FUNCTIONS; i++) {
        if (!s[i].found || !s[i].is_function || s[i].file_offset == UINT64_MAX || seen_before(s, i))
            continue;
        if (!used(s, imported, i)) {
            p->left_out = true;
            continue;
        }
        if (add_function(p, path, &s[i], functions[i].role))
            return -1;
    }
    return 0;
}

static struct tap_core core_of(const struct finding *f)
{
    const struct module *m = &f->found;
    return (struct tap_core){.fd = m->fd,
                             .inode = m->inode,
                             .dev_major = m->dev_major,
                             .dev_minor = m->dev_minor,
                             .from = UINT64_MAX,
                             .is_program = m->is_program};
}

static void add_core(struct tap_points *p, const struct finding *f, const struct resolve_symbol *s)
{
    struct tap_core core = core_of(f);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        bool allocators = functions[i].name[0] != '_'; // operators stand elsewhere in the file
        if (!s[i].found || s[i].file_offset == UINT64_MAX || !allocators)
            continue;
        if (s[i].file_offset < core.from)
            core.from = s[i].file_offset;
        if (s[i].file_offset + s[i].size > core.to)
            core.to = s[i].file_offset + s[i].size;
    }
    p->cores[p->n_cores++] = core;
}

static int add_module(struct tap_points *p, const struct finding *f, struct seep_err *err)
{
    const struct module *m = &f->found;
    const char *names[FUNCTIONS];
    char path[32];
    struct resolve_symbol symbols[FUNCTIONS];
    struct resolve_module file = {.kind = RESOLVE_ELF, .path = m->by_root, .fd = m->fd};
    if (m->fd < 0)
        return seep_fail(err, SEEP_E_UNSUPPORTED, "the file of its allocator, '%.200s', cannot be opened", m->by_root);
    snprintf(path, sizeof path, "/proc/self/fd/%d", m->fd);
    names_of(names);
    if (resolve_find(f->resolver, &file, names, FUNCTIONS, symbols, err))
        return -1;
    if (!symbols[0].found || !symbols[1].found)
        return seep_fail(
            err, SEEP_E_UNSUPPORTED,
            "malloc and free are not among the symbols of '%.200s' (a stripped program with an allocator of "
            "its own?)",
            strchr(m->by_root + 6, '/') ? strstr(m->by_root, "/root") + 5 : m->by_root);
    if (add_functions(p, path, symbols, f->imported))
        return seep_fail(err, SEEP_E_LIMIT, "there are more allocator functions than can be watched");
    add_core(p, f, symbols);
    return 0;
}

static bool among(const struct tap_core *c, size_t n, const struct module *m)
{
    for (size_t i = 0; i < n; i++)
        if (c[i].inode == m->inode && c[i].dev_major == m->dev_major && c[i].dev_minor == m->dev_minor)
            return true;
    return false;
}

// mmap() and kin of one process's C library, which a static program holds itself. They are worth having and no more:
// without them the heap is watched alone.
static void add_maps(struct tap_points *p, int proc_fd, pid_t pid, struct finding *f)
{
    const char *names[MAP_FUNCTIONS];
    struct resolve_symbol s[MAP_FUNCTIONS];
    char path[32];
    f->any = false;
    f->wanted = NULL;
    if (linux_maps_each(proc_fd, pid, look_for_code, f, NULL) < 0)
        return;
    f->wanted = "";
    if (!f->any && linux_maps_each(proc_fd, pid, look_for_code, f, NULL) < 0)
        return;
    for (size_t i = 0; i < MAP_FUNCTIONS; i++)
        names[i] = map_functions[i].name;
    struct resolve_module file = {.kind = RESOLVE_ELF, .path = f->found.by_root, .fd = f->found.fd};
    bool room = p->n_libs < TAP_MODULES_MAX && p->n + 2 * MAP_FUNCTIONS <= LINUX_UPROBE_POINTS_MAX;
    if (!f->any || f->found.fd < 0 || !room || among(p->libs, p->n_libs, &f->found) ||
        resolve_find(f->resolver, &file, names, MAP_FUNCTIONS, s, NULL) || !s[0].found || !s[2].found) {
        if (f->any && f->found.fd >= 0)
            close(f->found.fd);
        return;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", f->found.fd);
    for (size_t i = 0; i < MAP_FUNCTIONS; i++)
        if (s[i].found && s[i].is_function && s[i].file_offset != UINT64_MAX && !seen_before(s, i))
            add_function(p, path, &s[i], map_functions[i].role);
    p->libs[p->n_libs++] = core_of(f);
}

static bool usable(const char *name, struct seep_err *err)
{
    if (strcmp(name, "asan") != 0)
        return true;
    seep_fail(err, SEEP_E_UNSUPPORTED, "the program is built with a sanitizer, which has an allocator of its own");
    return false;
}

// The allocator of one process; *module is left empty when another process brought it already.
static int find_module(int proc_fd, pid_t pid, struct resolve *resolver, struct finding *f, char allocator[200],
                       struct seep_err *err)
{
    char name[16] = "", path[LINUX_EXE_PATH_MAX] = "", link[64];
    if (linux_native_of(proc_fd, pid, err) || linux_allocator_of(proc_fd, pid, name, path, err) || !usable(name, err))
        return -1;
    *f = (struct finding){.proc_fd = proc_fd, .resolver = resolver, .wanted = path, .pid = pid, .found = {.fd = -1}};
    snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
    ssize_t len = readlink(link, f->exe, sizeof f->exe - 1);
    f->exe[len > 0 ? len : 0] = 0;
    snprintf(allocator, 200, "%s%s%.170s", name, path[0] ? " " : "", path);
    if (linux_maps_each(proc_fd, pid, look_for_code, f, err) < 0)
        return -1;
    f->wanted = "";
    if (!f->any)
        return seep_fail(err, SEEP_E_UNSUPPORTED, "the code of its allocator (%s) is not among its mappings", name);
    return 0;
}

// The allocator of one process, if no other has brought it already.
static int add_process(struct tap_points *p, int proc_fd, pid_t pid, struct resolve *resolver, bool maps,
                       struct seep_err *err)
{
    struct finding f = {.found = {.fd = -1}};
    char allocator[sizeof p->allocator];
    int rc = find_module(proc_fd, pid, resolver, &f, allocator, err);
    bool met = rc == 0 && among(p->cores, p->n_cores, &f.found);
    if (rc == 0 && !met && p->n_cores == TAP_MODULES_MAX)
        rc = seep_fail(err, SEEP_E_LIMIT, "more than %d allocators would have to be watched", TAP_MODULES_MAX);
    if (rc == 0 && !met)
        rc = linux_maps_each(proc_fd, pid, look_for_imports, &f, err) < 0 || add_module(p, &f, err) ? -1 : 0;
    if (f.found.fd >= 0 && (rc || met))
        close(f.found.fd);
    if (rc == 0 && !p->allocator[0])
        snprintf(p->allocator, sizeof p->allocator, "%s", allocator);
    if (rc == 0 && maps)
        add_maps(p, proc_fd, pid, &f);
    return rc;
}

int tap_points_find(struct tap_points *p, int proc_fd, const struct linux_tree *tree, struct resolve *resolver,
                    bool maps, struct seep_err *err)
{
    struct seep_err first = {0}, one;
    memset(p, 0, sizeof *p);
    for (size_t i = 0; i < tree->count; i++) {
        if (tree->nodes[i].state == 'Z')
            continue;
        // One that ended meanwhile, or of another kind: what starts a program in a container is often static.
        if (add_process(p, proc_fd, tree->nodes[i].pid, resolver, maps, &one) == 0)
            p->main_too |= i == 0;
        else if (first.code == SEEP_OK)
            first = one;
    }
    if (p->n)
        return 0;
    if (first.code == SEEP_OK)
        return seep_fail(err, SEEP_E_TARGET, "there is no process to watch");
    if (err)
        *err = first;
    return -1;
}

void tap_points_free(struct tap_points *p)
{
    for (size_t i = 0; i < p->n; i++)
        free((char *)p->where[i].path);
    for (size_t i = 0; i < p->n_cores; i++)
        close(p->cores[i].fd);
    for (size_t i = 0; i < p->n_libs; i++)
        close(p->libs[i].fd);
    p->n = p->n_cores = p->n_libs = 0;
}
