// Modules and their files: see module_files.h.
#include "run/module_files.h"
#include "linux/exe.h"
#include "linux/mapped.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOT_MET UINT32_MAX

static bool room_for(struct module_files *f, size_t i)
{
    if (i < f->n)
        return true;
    size_t want = f->n ? f->n : 64;
    while (want <= i)
        want *= 2;
    uint32_t *grown = realloc(f->number, want * sizeof *grown);
    if (!grown)
        return false;
    for (size_t k = f->n; k < want; k++)
        grown[k] = NOT_MET;
    f->number = grown;
    f->n = want;
    return true;
}

static uint32_t add(struct stack_table *t, const struct wire_module *m, const char *path, int fd)
{
    char build_id[2 * sizeof m->build_id + 1] = "";
    linux_hex(m->build_id, m->build_id_bytes <= sizeof m->build_id ? m->build_id_bytes : 0, build_id);
    return stack_table_add_module(t, path, build_id, m->end - m->start, fd);
}

// The process is gone: the loader's name is all there is. Where it names a file with a build-id the resolver will see
// whether it is the right one.
static uint32_t add_by_name(struct stack_table *t, const struct wire_module *m)
{
    char real[PATH_MAX];
    bool follow = m->path[0] == '/' && m->build_id_bytes > 0 && realpath(m->path, real) != NULL;
    return add(t, m, follow ? real : m->path, -1);
}

struct look {
    struct module_files *f;
    struct stack_table *t;
    int proc_fd;
    pid_t pid;
    struct wire_module *modules; // those logged from `first` on
    uint32_t first, count;
};

static int take_map(const struct linux_map *map, void *arg)
{
    struct look *l = arg;
    char path[LINUX_MAPPED_PATH_MAX];
    if (map->perms[2] != 'x' || map->path[0] != '/')
        return 0;
    for (uint32_t i = 0; i < l->count; i++) {
        struct wire_module *m = &l->modules[i];
        uint32_t *number = &l->f->number[l->first + i];
        if (*number != NOT_MET || m->unload_epoch != UINT32_MAX || map->start < m->start || map->start >= m->end)
            continue;
        linux_mapped_path(map, path);
        *number = add(l->t, m, path[0] ? path : m->path, linux_mapped_open(l->proc_fd, l->pid, map));
    }
    return 0;
}

// Unloaded by now: the file of that name, if it has a build-id by which the resolver can tell whether it is the one.
static void take_name(struct look *l, uint32_t i)
{
    char path[LINUX_MAPPED_PATH_MAX];
    const struct wire_module *m = &l->modules[i];
    if (l->f->number[l->first + i] != NOT_MET || m->build_id_bytes == 0 || !m->path[0])
        return;
    int fd = linux_mapped_by_name(l->proc_fd, l->pid, m->path, path);
    if (fd >= 0)
        l->f->number[l->first + i] = add(l->t, m, path, fd);
}

static void look_at_new(struct look *l, struct wire *w)
{
    l->modules = calloc(l->count, sizeof *l->modules);
    if (!l->modules || !room_for(l->f, l->first + l->count - 1)) {
        free(l->modules);
        return;
    }
    for (uint32_t i = 0; i < l->count; i++)
        if (wire_module(w, l->first + i, &l->modules[i]))
            l->modules[i] = (struct wire_module){0}; // not complete: matches nothing
    linux_maps_each(l->proc_fd, l->pid, take_map, l, NULL);
    for (uint32_t i = 0; i < l->count; i++)
        take_name(l, i);
    free(l->modules);
}

static void look_for_perf_map(struct module_files *f, struct stack_table *t, struct wire *w, int proc_fd, pid_t pid)
{
    struct wire_hello hello;
    char path[64];
    wire_hello(w, &hello);
    int fd = hello.attached ? linux_perf_map_open(proc_fd, pid, hello.pid, path) : -1;
    if (fd >= 0)
        f->perf_map = stack_table_add_module(t, path, "", 0, fd);
}

void module_files_look(struct module_files *f, struct stack_table *t, struct wire *w, int proc_fd, pid_t pid)
{
    uint32_t have = wire_modules(w), first = f->looked ? f->looked : 1;
    if (!f->perf_map)
        look_for_perf_map(f, t, w, proc_fd, pid);
    if (have <= first)
        return;
    struct look l = {.f = f, .t = t, .proc_fd = proc_fd, .pid = pid, .first = first, .count = have - first};
    look_at_new(&l, w);
    f->looked = have;
}

uint32_t module_files_number(struct module_files *f, struct stack_table *t, struct wire *w, uint32_t index,
                             uint64_t *bias)
{
    struct wire_module m;
    *bias = 0;
    if (index == 0)
        return f->perf_map;
    if (!room_for(f, index) || wire_module(w, index, &m))
        return 0;
    if (f->number[index] == NOT_MET)
        f->number[index] = add_by_name(t, &m);
    *bias = f->number[index] ? m.bias : 0;
    return f->number[index];
}

void module_files_free(struct module_files *f)
{
    free(f->number);
    *f = (struct module_files){0};
}
