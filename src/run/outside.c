// Which allocator a process has is asked once for each program it runs: see outside.h.
#include "run/outside.h"
#include "linux/exe.h"
#include "linux/glibc_heap.h"
#include "linux/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACES 2048 // by pid modulo; who comes later takes the place

struct place {
    pid_t pid;
    uint64_t starttime_ticks;
    bool counted; // once, with this module
    char allocator[16];
    char *module; // "": the executable itself
};

struct run_outside {
    struct place places[PLACES];
};

struct run_outside *outside_new(void)
{
    return calloc(1, sizeof(struct run_outside));
}

void outside_free(struct run_outside *o)
{
    for (size_t i = 0; o && i < PLACES; i++)
        free(o->places[i].module);
    free(o);
}

static int find_place(struct place *p, int proc_fd, const struct linux_tree_node *node, struct seep_err *err)
{
    char path[LINUX_EXE_PATH_MAX];
    if (p->pid == node->pid && p->starttime_ticks == node->starttime_ticks && p->module)
        return 0;
    free(p->module);
    *p = (struct place){.pid = node->pid, .starttime_ticks = node->starttime_ticks};
    if (linux_native_of(proc_fd, node->pid, err) || linux_allocator_of(proc_fd, node->pid, p->allocator, path, err))
        return -1;
    p->module = strdup(path);
    return p->module ? 0 : seep_fail(err, SEEP_E_SYSTEM, "there is no memory for the name of its C library");
}

// A program linked with glibc itself has no library that tells so: it is tried.
static bool may_be_glibc(const struct place *p)
{
    return strcmp(p->allocator, "glibc") == 0 || strcmp(p->allocator, "unknown") == 0;
}

// Why nobody but the program can say what its allocator has given out.
static const char *why_not(const char *allocator)
{
    static const struct {
        const char *name, *why;
    } known[] = {
        {"jemalloc",
         "jemalloc counts by thread and arena, in a layout of each build, and adds up only when the program "
         "itself asks it (mallctl)"},
        {"tcmalloc",
         "tcmalloc keeps its counts in thread caches and page lists, in a layout of each build, and adds up "
         "only when the program itself asks it (MallocExtension)"},
        {"mimalloc",
         "mimalloc counts by thread, in a layout of each build, and adds up when a thread ends or the program "
         "itself asks it (mi_stats)"},
        {"musl", "musl's malloc keeps no count"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, allocator) == 0)
            return known[i].why;
    return "its allocator keeps its counts where only the program itself can ask for them";
}

static int count(struct place *p, int proc_fd, const struct linux_tree_node *node, struct linux_glibc_heap *h,
                 struct seep_err *err)
{
    if (find_place(p, proc_fd, node, err))
        return -1;
    if (!may_be_glibc(p))
        return seep_fail(err, SEEP_E_UNSUPPORTED, "%s", why_not(p->allocator));
    if (linux_glibc_heap_read(proc_fd, node->pid, p->module, h, err))
        return -1;
    if (strcmp(p->allocator, "unknown") == 0 && h->arenas == 0)
        return seep_fail(err, SEEP_E_UNSUPPORTED, "the allocator of process %d is not known", (int)node->pid);
    return 0;
}

static bool is_gone(int proc_fd, const struct linux_tree_node *node)
{
    struct linux_stat st;
    return linux_stat_read(proc_fd, node->pid, &st, NULL) < 0 || st.state == 'Z' || st.state == 'X' ||
           st.starttime_ticks != node->starttime_ticks;
}

void outside_sample(struct run_outside *o, int proc_fd, const struct linux_tree *tree, struct outside_sum *out)
{
    double allocated = 0, mapped = 0;
    *out = (struct outside_sum){.allocated = NAN, .mapped = NAN};
    for (size_t i = 0; i < tree->count; i++) {
        const struct linux_tree_node *node = &tree->nodes[i];
        struct place *p = &o->places[(uint32_t)node->pid % PLACES];
        struct linux_glibc_heap h = {0};
        struct seep_err err;
        if (node->state == 'Z' || node->state == 'X' || (i > 0 && linux_memory_shared(node->pid, node->ppid)))
            continue;
        int rc = count(p, proc_fd, node, &h, &err);
        if (rc && p->counted) { // it may run another program by now
            p->pid = 0;
            rc = err.code == SEEP_E_UNSUPPORTED ? count(p, proc_fd, node, &h, &err) : rc;
        }
        if (rc && is_gone(proc_fd, node))
            continue;
        if (rc) {
            if (err.code != SEEP_E_CORRUPT)
                snprintf(out->why, sizeof out->why, "%.280s", err.text);
            return;
        }
        p->counted = true;
        allocated += (double)h.allocated_bytes;
        mapped += (double)h.mapped_bytes;
    }
    if (tree->count == 0 || tree->beyond > 0)
        return;
    out->allocated = allocated;
    out->mapped = mapped;
}

double outside_mapped_resident(struct run_outside *o, int proc_fd, const struct linux_tree *tree, double anon_bytes)
{
    double mallocs = 0;
    for (size_t i = 0; i < tree->count; i++) {
        const struct linux_tree_node *node = &tree->nodes[i];
        struct place *p = &o->places[(uint32_t)node->pid % PLACES];
        struct seep_err err;
        int64_t resident = 0;
        if (node->state == 'Z' || node->state == 'X' || (i > 0 && linux_memory_shared(node->pid, node->ppid)))
            continue;
        if (find_place(p, proc_fd, node, &err) || !may_be_glibc(p) || !p->counted ||
            linux_glibc_heap_resident(proc_fd, node->pid, p->module, &resident, &err)) {
            if (is_gone(proc_fd, node))
                continue;
            return NAN;
        }
        mallocs += (double)resident;
    }
    return tree->count > 0 && tree->beyond == 0 && mallocs <= anon_bytes ? anon_bytes - mallocs : NAN;
}
