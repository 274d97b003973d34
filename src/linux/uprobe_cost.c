// What a hit costs who runs into it: measured on this machine, on a function of our own. See uprobe.h.
//
// The watched program loses somewhat more (its caches, too, are used by the trap): 10 to 15 % where that was compared.
#include "linux/uprobe.h"

#include "base/clock.h"
#include "linux/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BATCH   32 // hits: their records fit into the smallest ring
#define BATCHES 12

// Functions that begin as an allocator's do, with an instruction that the kernel carries out itself. One for each kind.
void uprobe_cost_entry(void);
void uprobe_cost_stack(void);
void uprobe_cost_return(void);
#define FUNCTION(name)                                                                                                 \
    ".globl " name "\n.hidden " name "\n.type " name ",@function\n" name ": push %rbp\npop %rbp\nret\n.size " name     \
    ", .-" name "\n"
__asm__(".text\n" FUNCTION("uprobe_cost_entry") FUNCTION("uprobe_cost_stack") FUNCTION("uprobe_cost_return"));

static void (*const functions[])(void) = {[LINUX_UPROBE_ENTRY] = uprobe_cost_entry,
                                          [LINUX_UPROBE_ENTRY_STACK] = uprobe_cost_stack,
                                          [LINUX_UPROBE_RETURN] = uprobe_cost_return};

struct place {
    uint64_t address, file_offset;
    bool found;
};

static int look(const struct linux_map *m, void *arg)
{
    struct place *p = arg;
    if (p->address < m->start || p->address >= m->end)
        return 0;
    p->file_offset = p->address - m->start + m->offset;
    p->found = true;
    return 1;
}

static void ignore(const struct linux_uprobe_record *record, void *arg)
{
    (void)record, (void)arg;
}

static double fastest(struct linux_uprobes *u, void (*function)(void))
{
    double best = INFINITY;
    for (int i = 0; i < BATCHES; i++) {
        int64_t began = clock_mono_ns();
        for (int k = 0; k < BATCH; k++)
            function();
        double each = (double)(clock_mono_ns() - began) / BATCH;
        best = each < best ? each : best;
        linux_uprobes_read(u, ignore, NULL);
    }
    return best;
}

// As much stack as a program has below its allocator's functions.
__attribute__((noinline)) static void measure(struct linux_uprobes *u, double ns[LINUX_UPROBE_KINDS])
{
    volatile char stack[32768];
    stack[0] = 0;
    for (int k = 0; k < LINUX_UPROBE_KINDS; k++)
        ns[k] = fastest(u, functions[k]);
    stack[sizeof stack - 1] = 0;
}

int linux_uprobe_measure(uint32_t stack_bytes, double ns[LINUX_UPROBE_KINDS], struct seep_err *err)
{
    struct linux_uprobe_point points[LINUX_UPROBE_KINDS];
    pid_t tid = (pid_t)syscall(SYS_gettid);
    int proc_fd = linux_proc_open(err);
    bool found = proc_fd >= 0;
    for (int k = 0; k < LINUX_UPROBE_KINDS && found; k++) {
        struct place p = {.address = (uint64_t)(uintptr_t)functions[k]};
        linux_maps_each(proc_fd, getpid(), look, &p, NULL);
        found = p.found;
        points[k] = (struct linux_uprobe_point){
            .path = "/proc/self/exe", .file_offset = p.file_offset, .kind = (enum linux_uprobe_kind)k};
    }
    if (proc_fd >= 0)
        close(proc_fd);
    if (!found)
        return seep_fail(err, SEEP_E_UNSUPPORTED, "our own code is not among our mappings");
    struct linux_uprobes *u = linux_uprobes_new(points, LINUX_UPROBE_KINDS, stack_bytes, true, err);
    if (!u)
        return -1;
    int rc = linux_uprobes_follows(u) ? linux_uprobes_add(u, getpid(), &tid, 1, false, err)
                                      : seep_fail(err, SEEP_E_UNSUPPORTED, "BPF uprobes cannot be used here");
    if (rc == 0)
        measure(u, ns);
    linux_uprobes_free(u);
    return rc;
}
