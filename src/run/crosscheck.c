// The standing cross-check: see crosscheck.h.
#include "run/crosscheck.h"
#include "linux/mapped.h"
#include "resolve/resolve.h"
#include "seep_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static void free_item(struct crosscheck_item *item)
{
    for (size_t i = 0; i < item->n_maps; i++) {
        free(item->maps[i].path);
        free(item->maps[i].open_path);
    }
    free(item);
}

struct take {
    struct crosscheck_item *item;
    struct stat region;
    bool same_program, no_memory;
};

// A program that was executed later has not the region of the one that made the copy.
static int take_map(const struct linux_map *map, void *arg)
{
    struct take *t = arg;
    struct crosscheck_item *item = t->item;
    t->same_program |= map->inode == t->region.st_ino && map->dev_major == major(t->region.st_dev) &&
                       map->dev_minor == minor(t->region.st_dev);
    if (map->perms[2] != 'x' || item->n_maps == CROSSCHECK_MAPS)
        return 0;
    char path[LINUX_MAPPED_PATH_MAX], name[LINUX_MAPPED_NAME_MAX] = "";
    linux_mapped_path(map, path);
    if (path[0] == '/')
        linux_mapped_name(item->pid, map, name);
    struct crosscheck_map *m = &item->maps[item->n_maps++];
    *m = (struct crosscheck_map){.start = map->start, .end = map->end, .file_offset = map->offset};
    m->path = strdup(path);
    m->open_path = strdup(name);
    t->no_memory = !m->path || !m->open_path;
    return t->no_memory;
}

// Asked after the mappings were read: what is still there now was there then.
static bool is_all_there(struct wire *region, const struct wire_copy *copy)
{
    struct wire_module m;
    for (uint32_t i = 0; i < copy->frames && i < SEEP_FRAMES_MAX; i++)
        if (copy->frame[i].module && (wire_module(region, copy->frame[i].module, &m) || m.unload_epoch != UINT32_MAX))
            return false;
    return true;
}

void crosscheck_add(struct run_crosscheck *c, int proc_fd, pid_t pid, struct wire *region, const struct wire_copy *copy)
{
    struct crosscheck_item *item = calloc(1, sizeof *item);
    struct take t = {.item = item};
    if (!item)
        return;
    item->pid = pid;
    item->copy = *copy;
    if (fstat(wire_fd(region), &t.region) || linux_maps_each(proc_fd, pid, take_map, &t, NULL) < 0 || t.no_memory ||
        item->n_maps == 0 || !t.same_program || !is_all_there(region, copy)) {
        free_item(item);
        return;
    }
    item->next = c->items;
    c->items = item;
    c->n_items++;
}

void crosscheck_free(struct run_crosscheck *c)
{
    while (c->items) {
        struct crosscheck_item *next = c->items->next;
        free_item(c->items);
        c->items = next;
    }
    resolve_stop(c->resolver);
    c->resolver = NULL;
}

// The files behind the mappings, through the target's own root: its namespaces and chroots are honoured while it lives.
struct check_input {
    struct resolve_module modules[CROSSCHECK_MAPS];
    struct resolve_map maps[CROSSCHECK_MAPS];
    size_t n;
};

static void fill_input(const struct crosscheck_item *item, struct check_input *in)
{
    in->n = item->n_maps;
    for (size_t i = 0; i < item->n_maps; i++) {
        const struct crosscheck_map *m = &item->maps[i];
        enum resolve_module_kind kind = !strcmp(m->path, "[vdso]") ? RESOLVE_VDSO
                                        : m->path[0] == '/'        ? RESOLVE_ELF
                                                                   : RESOLVE_ANONYMOUS;
        in->modules[i] = (struct resolve_module){
            .kind = kind, .path = m->path, .open_path = kind == RESOLVE_ELF ? m->open_path : NULL, .fd = -1};
        in->maps[i] = (struct resolve_map){
            .start = m->start, .end = m->end, .file_offset = m->file_offset, .module = (uint32_t)i};
    }
}

static void fill_regs(const struct wire_copy *copy, struct resolve_regs *regs)
{
    const struct {
        int number;
        uint64_t value;
    } known[] = {{RESOLVE_REG_RBX, copy->rbx},    {RESOLVE_REG_RBP, copy->rbp},    {RESOLVE_REG_R8 + 4, copy->r12},
                 {RESOLVE_REG_R8 + 5, copy->r13}, {RESOLVE_REG_R8 + 6, copy->r14}, {RESOLVE_REG_R15, copy->r15},
                 {RESOLVE_REG_RSP, copy->rsp},    {RESOLVE_REG_RIP, copy->rip}};
    memset(regs, 0, sizeof *regs);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        regs->value[known[i].number] = known[i].value;
        regs->known |= 1u << known[i].number;
    }
}

static bool in_probe(const struct crosscheck_item *item, uint64_t pc)
{
    for (size_t i = 0; i < item->n_maps; i++)
        if (pc >= item->maps[i].start && pc < item->maps[i].end)
            return strstr(item->maps[i].path, "/libseep-probe") != NULL;
    return false;
}

// The copy was taken inside the probe: its own frames come first and are no part of the walker's answer.
static void drop_probe_frames(const struct crosscheck_item *item, struct resolve_unwound *u)
{
    size_t skip = 0;
    while (skip < u->n && in_probe(item, u->pc[skip]))
        skip++;
    memmove(u->pc, u->pc + skip, (u->n - skip) * sizeof *u->pc);
    memmove(u->exact, u->exact + skip, (u->n - skip) * sizeof *u->exact);
    u->n -= skip;
    u->guessed_from = u->guessed_from > skip ? u->guessed_from - skip : 0;
}

static void check_one(struct run_crosscheck *c, const struct crosscheck_item *item, struct check_input *in,
                      struct resolve_unwound *u)
{
    struct resolve_regs regs;
    struct seep_err err;
    uint64_t walker[128];
    size_t at = 0, n = item->copy.frames < 128 ? item->copy.frames : 128;
    fill_input(item, in);
    fill_regs(&item->copy, &regs);
    for (size_t i = 0; i < n; i++)
        walker[i] = item->copy.frame[i].pc;
    c->checked++;
    if (resolve_unwind(c->resolver, in->modules, in->n, in->maps, in->n, &regs, item->copy.rsp, item->copy.bytes,
                       item->copy.stack_bytes, u, &err)) {
        c->gave_up++;
        return;
    }
    drop_probe_frames(item, u);
    enum resolve_check verdict = resolve_crosscheck(walker, n, n == 128, u, &at);
    c->agreed += verdict == RESOLVE_CHECK_MATCH;
    c->gave_up += verdict == RESOLVE_CHECK_GAVE_UP;
}

void crosscheck_work(struct run_crosscheck *c, struct crosscheck_item *items)
{
    struct check_input *in = malloc(sizeof *in);
    struct resolve_unwound *u = malloc(sizeof *u);
    struct resolve_options options = {.exe = "/proc/self/exe"};
    if (!c->resolver)
        c->resolver = resolve_start(&options, NULL);
    while (items) {
        struct crosscheck_item *next = items->next;
        if (in && u && c->resolver)
            check_one(c, items, in, u);
        free_item(items);
        items = next;
    }
    free(in);
    free(u);
}
