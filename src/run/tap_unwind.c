// Copied stacks of a living process: see tap_unwind.h. The files behind its mappings are opened as they are mapped,
// whatever its namespaces and its root are, and whether they still have a name.
#include "run/tap_unwind.h"
#include "linux/exe.h"
#include "linux/mapped.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROCESSES 16
#define MAPS_MAX  512

struct module {
    char path[LINUX_MAPPED_PATH_MAX], open_path[LINUX_MAPPED_NAME_MAX];
    struct linux_map map;
    uint32_t number; // of the run's table; 0: not asked yet
};

struct process {
    pid_t pid; // 0: free
    uint64_t used;
    size_t n;
    bool looked_for_perf_map;
    uint32_t perf_map; // the run's number of its map of generated code; 0: none
    struct resolve_module modules[MAPS_MAX];
    struct resolve_map maps[MAPS_MAX];
    struct module *own; // MAPS_MAX
};

struct tap_unwind {
    struct stack_table *table;
    struct resolve *resolver;
    int proc_fd;
    uint64_t clock;
    struct process processes[PROCESSES];
};

struct tap_unwind *tap_unwind_new(struct stack_table *table, struct resolve *resolver, struct seep_err *err)
{
    struct tap_unwind *w = calloc(1, sizeof *w);
    if (!w) {
        seep_fail(err, SEEP_E_SYSTEM, "there is no memory for unwinding");
        return NULL;
    }
    w->table = table;
    w->resolver = resolver;
    w->proc_fd = linux_proc_open(err);
    if (w->proc_fd < 0) {
        free(w);
        return NULL;
    }
    return w;
}

void tap_unwind_free(struct tap_unwind *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < PROCESSES; i++)
        free(w->processes[i].own);
    close(w->proc_fd);
    free(w);
}

void tap_unwind_forget(struct tap_unwind *w, pid_t pid)
{
    for (size_t i = 0; i < PROCESSES; i++)
        if (!pid || w->processes[i].pid == pid)
            w->processes[i].pid = 0;
}

static int take_map(const struct linux_map *m, void *arg)
{
    struct process *p = arg;
    if (m->perms[2] != 'x' || !strcmp(m->path, "[uprobes]"))
        return 0;
    struct module *own = &p->own[p->n];
    enum resolve_module_kind kind = !strcmp(m->path, "[vdso]") ? RESOLVE_VDSO
                                    : m->path[0] == '/'        ? RESOLVE_ELF
                                                               : RESOLVE_ANONYMOUS;
    if (kind == RESOLVE_ELF) {
        linux_mapped_path(m, own->path);
        linux_mapped_name(p->pid, m, own->open_path);
    } else {
        snprintf(own->path, sizeof own->path, "%s", m->path);
    }
    own->map = *m;
    own->map.path = own->path;
    own->number = 0;
    p->modules[p->n] = (struct resolve_module){
        .kind = kind, .path = own->path, .open_path = kind == RESOLVE_ELF ? own->open_path : NULL, .fd = -1};
    p->maps[p->n] =
        (struct resolve_map){.start = m->start, .end = m->end, .file_offset = m->offset, .module = (uint32_t)p->n};
    return ++p->n == MAPS_MAX;
}

static struct process *process_of(struct tap_unwind *w, pid_t pid)
{
    struct process *oldest = &w->processes[0];
    for (size_t i = 0; i < PROCESSES; i++) {
        if (w->processes[i].pid == pid) {
            w->processes[i].used = ++w->clock;
            return &w->processes[i];
        }
        if (!w->processes[i].pid || w->processes[i].used < oldest->used)
            oldest = &w->processes[i];
    }
    if (!oldest->own && !(oldest->own = calloc(MAPS_MAX, sizeof *oldest->own)))
        return NULL;
    oldest->pid = pid;
    oldest->used = ++w->clock;
    oldest->n = 0;
    oldest->looked_for_perf_map = false;
    oldest->perf_map = 0;
    if (linux_maps_each(w->proc_fd, pid, take_map, oldest, NULL) < 0 || oldest->n == 0) {
        oldest->pid = 0;
        return NULL;
    }
    return oldest;
}

static const struct resolve_map *map_of(const struct process *p, uint64_t pc)
{
    for (size_t i = 0; i < p->n; i++)
        if (pc >= p->maps[i].start && pc < p->maps[i].end)
            return &p->maps[i];
    return NULL;
}

static uint32_t module_number(struct tap_unwind *w, const struct process *p, struct module *m)
{
    struct linux_exe exe;
    char build_id[2 * sizeof exe.build_id + 1] = "";
    if (m->number)
        return m->number;
    int fd = linux_mapped_open(w->proc_fd, p->pid, &m->map);
    if (fd >= 0 && linux_exe_read_fd(fd, m->path, false, &exe, NULL) == 0)
        linux_hex(exe.build_id, exe.build_id_len, build_id);
    return m->number = stack_table_add_module(w->table, m->path, build_id, m->map.end - m->map.start, fd);
}

static uint32_t generated_code(struct tap_unwind *w, struct process *p)
{
    char path[64];
    if (!p->looked_for_perf_map) {
        int fd = linux_perf_map_open(w->proc_fd, p->pid, (uint32_t)linux_inner_pid(w->proc_fd, p->pid), path);
        p->looked_for_perf_map = true;
        p->perf_map = fd >= 0 ? stack_table_add_module(w->table, path, "", 0, fd) : 0;
    }
    return p->perf_map;
}

// Offsets from the load bias, an exact address stored one higher, as the probe's frames. Code without a file keeps its
// address.
static struct store_frame frame_of(struct tap_unwind *w, struct process *p, const struct resolve_unwound *u, size_t i)
{
    struct store_frame out = {.module = 0, .offset = u->pc[i] + (u->exact[i] ? 1 : 0)};
    const struct resolve_map *m = map_of(p, u->pc[i]);
    if (m && p->modules[m->module].kind == RESOLVE_ANONYMOUS)
        out.module = generated_code(w, p);
    if (!m || p->modules[m->module].kind != RESOLVE_ELF)
        return out;
    out.module = module_number(w, p, &p->own[m->module]);
    if (out.module)
        out.offset -= u->bias[i];
    return out;
}

enum { RBP = 6, RSP = 7, RIP = 16, WORD = 8 };

#define SHIFT(array) memmove((array) + 1, (array), (RESOLVE_DEPTH_MAX - 1) * sizeof *(array))

// Some C libraries (musl) have no rules for their own code. Where the breakpoint stands nothing has been pushed yet, so
// the caller is known without any: the word on top of the stack.
static bool ask_from_caller(struct tap_unwind *w, const struct process *p, const struct linux_uprobe_record *r,
                            struct resolve_regs *regs, struct resolve_unwound *u)
{
    if (r->stack_bytes < 2 * WORD)
        return false;
    memcpy(&regs->value[RIP], r->stack, WORD);
    regs->value[RSP] += WORD;
    if (resolve_unwind(w->resolver, p->modules, p->n, p->maps, p->n, regs, r->value[RSP] + WORD, r->stack + WORD,
                       r->stack_bytes - WORD, u, NULL) != 0 ||
        u->end == RESOLVE_END_FAILED)
        return false;
    SHIFT(u->pc), SHIFT(u->exact), SHIFT(u->sp), SHIFT(u->bp), SHIFT(u->bp_at), SHIFT(u->bias);
    u->pc[0] = r->value[RIP];
    u->sp[0] = r->value[RSP];
    u->bp[0] = r->value[RBP];
    u->bp_at[0] = u->bias[0] = 0;
    u->exact[0] = true;
    u->exact[1] = false;
    u->guessed_from += u->guessed_from < RESOLVE_DEPTH_MAX;
    u->n += u->n < RESOLVE_DEPTH_MAX;
    return true;
}

static bool ask(struct tap_unwind *w, const struct process *p, const struct linux_uprobe_record *r,
                struct resolve_unwound *u)
{
    struct resolve_regs regs = {.known = r->known};
    memcpy(regs.value, r->value, sizeof regs.value);
    if (resolve_unwind(w->resolver, p->modules, p->n, p->maps, p->n, &regs, r->value[RSP], r->stack, r->stack_bytes, u,
                       NULL) != 0 ||
        u->end == RESOLVE_END_FAILED)
        return false;
    return (u->n > 1 && u->guessed_from > 1) || ask_from_caller(w, p, r, &regs, u);
}

bool tap_unwind_one(struct tap_unwind *w, const struct linux_uprobe_record *r, unsigned flags,
                    struct resolve_unwound *u, size_t *sure, uint32_t *number)
{
    _Static_assert((int)LINUX_UPROBE_REGS == (int)RESOLVE_REGS, "registers have DWARF's numbers on both sides");
    struct store_frame frames[RESOLVE_DEPTH_MAX];
    struct process *p = process_of(w, r->pid);
    if (!p || !ask(w, p, r, u))
        return false;
    if (u->end == RESOLVE_END_NO_RULE && !map_of(p, u->pc[u->n - 1])) { // a library that came later
        tap_unwind_forget(w, r->pid);
        if (!(p = process_of(w, r->pid)) || !ask(w, p, r, u))
            return false;
    }
    *sure = u->guessed_from < u->n ? u->guessed_from : u->n;
    size_t n = *sure > 256 ? 256 : *sure, k = 0;
    for (size_t i = 1; i < n; i++) // frame 0 is the allocator's own entry
        frames[k++] = frame_of(w, p, u, i);
    bool whole = u->end == RESOLVE_END_OUTERMOST && n == u->n;
    *number = k ? stack_table_add(w->table, flags | (whole ? 0 : STACK_TRUNCATED), frames, k) : 0;
    return k > 0;
}
