// What a hit does to who runs into it: what it costs, measured on this machine, on a function of our own, and whether
// it ends a program that filters its system calls. See uprobe.h.
//
// The watched program loses somewhat more (its caches, too, are used by the trap): 10 to 15 % where that was compared.
#include "linux/uprobe.h"

#include "base/clock.h"
#include "linux/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

// Where one of our functions stands in our file.
static int own_point(int proc_fd, enum linux_uprobe_kind kind, struct linux_uprobe_point *out, struct seep_err *err)
{
    struct place p = {.address = (uint64_t)(uintptr_t)functions[kind]};
    linux_maps_each(proc_fd, getpid(), look, &p, NULL);
    *out = (struct linux_uprobe_point){.path = "/proc/self/exe", .file_offset = p.file_offset, .kind = kind};
    return p.found ? 0 : seep_fail(err, SEEP_E_UNSUPPORTED, "our own code is not among our mappings");
}

int linux_uprobe_measure(uint32_t stack_bytes, double ns[LINUX_UPROBE_KINDS], struct seep_err *err)
{
    struct linux_uprobe_point points[LINUX_UPROBE_KINDS];
    pid_t tid = (pid_t)syscall(SYS_gettid);
    int proc_fd = linux_proc_open(err), rc = proc_fd < 0 ? -1 : 0;
    for (int k = 0; k < LINUX_UPROBE_KINDS && rc == 0; k++)
        rc = own_point(proc_fd, (enum linux_uprobe_kind)k, &points[k], err);
    if (proc_fd >= 0)
        close(proc_fd);
    struct linux_uprobes *u = rc ? NULL : linux_uprobes_new(points, LINUX_UPROBE_KINDS, stack_bytes, true, err);
    if (!u)
        return -1;
    rc = linux_uprobes_follows(u) ? linux_uprobes_add(u, getpid(), &tid, 1, false, err)
                                  : seep_fail(err, SEEP_E_UNSUPPORTED, "BPF uprobes cannot be used here");
    if (rc == 0)
        measure(u, ns);
    linux_uprobes_free(u);
    return rc;
}

// ---- filters of system calls

// Waits until it is watched, permits itself nothing but read, write and exit, and runs into the probe. In a container
// that filters already strict mode may be refused: then that filter is tried.
static void filtered_child(int told)
{
    char word;
    ssize_t got;
    while ((got = read(told, &word, 1)) < 0 && errno == EINTR)
        ;
    if (got == 1) {
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
        uprobe_cost_return();
    }
    syscall(SYS_exit, 0);
}

// Watches the child, lets it go on and waits for its end. -1: it could not be watched.
static int try_child(struct linux_uprobes *u, pid_t child, int tell, bool *killed, struct seep_err *err)
{
    int status = 0, rc = linux_uprobes_add(u, child, &child, 1, false, err);
    if (rc || write(tell, "", 1) != 1)
        kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    *killed = rc == 0 && WIFSIGNALED(status);
    return rc;
}

static int try_filtered(struct linux_uprobes *u, bool *killed, struct seep_err *err)
{
    int told[2], rc = -1;
    if (pipe2(told, O_CLOEXEC))
        return seep_fail_errno(err, errno, "a pipe cannot be made");
    pid_t child = fork();
    if (child == 0) {
        close(told[1]);
        filtered_child(told[0]);
    }
    if (child > 0)
        rc = try_child(u, child, told[1], killed, err);
    else
        seep_fail_errno(err, errno, "a child to try uprobes on cannot be started");
    close(told[0]);
    close(told[1]);
    return rc;
}

int linux_uprobe_harmless(struct seep_err *err)
{
    struct linux_uprobe_point point;
    bool killed = false;
    int proc_fd = linux_proc_open(err);
    int rc = proc_fd < 0 ? -1 : own_point(proc_fd, LINUX_UPROBE_RETURN, &point, err);
    if (proc_fd >= 0)
        close(proc_fd);
    struct linux_uprobes *u = rc ? NULL : linux_uprobes_new(&point, 1, 8, true, err);
    if (!u)
        return -1;
    rc = try_filtered(u, &killed, err);
    linux_uprobes_free(u);
    if (rc == 0 && killed)
        return seep_fail(err, SEEP_E_UNSUPPORTED,
                         "this kernel carries out return probes by a system call of the program's own, and would end a "
                         "program that filters its system calls (seccomp); Linux 6.14 does not any more");
    return rc;
}
