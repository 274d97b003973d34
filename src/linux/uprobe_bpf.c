// Uprobes by BPF: see uprobe.h.
//
// One program, loaded twice, for hits with and without a copy of the stack:
//
//     u64 point = bpf_get_attach_cookie(ctx);
//     bpf_perf_event_output(ctx, &map, BPF_F_CURRENT_CPU, &point, sizeof point);
//     return 0;
//
// The map holds an event for each processor, whose attributes say what perf copies: registers, stack. So the kernel's
// verifier has nothing to doubt, and no compiler is needed. A link ties the program to all points of one file in one
// process (uprobe_multi); it is undone when its descriptor closes.
#include "linux/uprobe_priv.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// Newer than the headers of Debian 12.
#define TRACE_UPROBE_MULTI       48
#define F_UPROBE_MULTI_RETURN    1u
#define HELPER_PERF_EVENT_OUTPUT 25
#define HELPER_GET_ATTACH_COOKIE 174
#define UNKNOWN_ATTR_SIZE        (sizeof(struct link_create) - 4)
struct link_create {
    uint32_t program, target, attach_type, flags;
    uint64_t path, offsets, reference_counts, cookies;
    uint32_t count, multi_flags, pid, pad;
};

static int bpf(int command, void *attr, size_t size)
{
    return (int)syscall(SYS_bpf, command, attr, size);
}

static int make_map(const struct linux_uprobes *u)
{
    uint32_t cpus = 0;
    for (size_t i = 0; i < u->n_rings; i++)
        if ((uint32_t)u->rings[i].cpu >= cpus)
            cpus = (uint32_t)u->rings[i].cpu + 1;
    union bpf_attr a;
    memset(&a, 0, sizeof a);
    a.map_type = BPF_MAP_TYPE_PERF_EVENT_ARRAY;
    a.key_size = a.value_size = sizeof(uint32_t);
    a.max_entries = cpus;
    return bpf(BPF_MAP_CREATE, &a, sizeof a);
}

static int load_program(int map)
{
    const struct bpf_insn code[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_6, .src_reg = BPF_REG_1},
        {.code = BPF_JMP | BPF_CALL, .imm = HELPER_GET_ATTACH_COOKIE},
        {.code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .src_reg = BPF_REG_0, .off = -8},
        {.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_6},
        {.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = BPF_REG_2, .src_reg = BPF_PSEUDO_MAP_FD, .imm = map},
        {0},
        {.code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = -1}, // BPF_F_CURRENT_CPU
        {.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_4, .src_reg = BPF_REG_10},
        {.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_4, .imm = -8},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_5, .imm = 8},
        {.code = BPF_JMP | BPF_CALL, .imm = HELPER_PERF_EVENT_OUTPUT},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr a;
    memset(&a, 0, sizeof a);
    a.prog_type = BPF_PROG_TYPE_KPROBE;
    a.insns = (uint64_t)(uintptr_t)code;
    a.insn_cnt = sizeof code / sizeof *code;
    a.license = (uint64_t)(uintptr_t) "GPL"; // what the kernel demands of users of these helpers
    a.expected_attach_type = TRACE_UPROBE_MULTI;
    return bpf(BPF_PROG_LOAD, &a, sizeof a);
}

// The event of one processor and one of the two programs.
static int add_output(struct linux_uprobes *u, struct uprobe_ring *g, bool stack)
{
    struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_BPF_OUTPUT, .sample_period = 1};
    a.sample_type = PERF_SAMPLE_RAW | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
    a.sample_regs_user = uprobe_mask(stack ? LINUX_UPROBE_ENTRY_STACK : LINUX_UPROBE_ENTRY);
    a.sample_stack_user = stack ? u->stack_bytes : UPROBE_WORD_BYTES;
    int fd = uprobe_open(u, g, &a, -1, stack ? UPROBE_BPF_STACK : UPROBE_BPF_LIGHT, NULL);
    if (fd < 0)
        return -1;
    uint32_t key = (uint32_t)g->cpu;
    union bpf_attr update;
    memset(&update, 0, sizeof update);
    update.map_fd = (uint32_t)u->maps[stack ? 0 : 1];
    update.key = (uint64_t)(uintptr_t)&key;
    update.value = (uint64_t)(uintptr_t)&fd;
    return bpf(BPF_MAP_UPDATE_ELEM, &update, sizeof update);
}

// All points of one file and one kind, tied to one process.
static int link_points(struct linux_uprobes *u, pid_t pid, const char *path, enum linux_uprobe_kind kind)
{
    uint64_t offsets[LINUX_UPROBE_POINTS_MAX], cookies[LINUX_UPROBE_POINTS_MAX];
    uint32_t n = 0;
    for (size_t i = 0; i < u->n_points; i++)
        if (u->points[i].kind == kind && strcmp(u->points[i].path, path) == 0) {
            offsets[n] = u->points[i].file_offset;
            cookies[n++] = i;
        }
    if (n == 0)
        return 0;
    if (u->n_links == u->cap_links) {
        size_t cap = u->cap_links ? 2 * u->cap_links : 16;
        struct uprobe_link *grown = cap <= LINUX_UPROBE_EVENTS_MAX ? realloc(u->links, cap * sizeof *grown) : NULL;
        if (!grown) {
            errno = ENOMEM;
            return -1;
        }
        u->links = grown;
        u->cap_links = cap;
    }
    struct link_create a = {.program = (uint32_t)u->programs[kind == LINUX_UPROBE_ENTRY_STACK ? 0 : 1],
                            .attach_type = TRACE_UPROBE_MULTI,
                            .path = (uint64_t)(uintptr_t)path,
                            .offsets = (uint64_t)(uintptr_t)offsets,
                            .cookies = (uint64_t)(uintptr_t)cookies,
                            .count = n,
                            .multi_flags = kind == LINUX_UPROBE_RETURN ? F_UPROBE_MULTI_RETURN : 0,
                            .pid = (uint32_t)pid};
    int fd = bpf(BPF_LINK_CREATE, &a, UNKNOWN_ATTR_SIZE);
    if (fd < 0)
        return -1;
    u->links[u->n_links++] = (struct uprobe_link){fd, pid};
    return 0;
}

static bool first_of_its_file(const struct linux_uprobes *u, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(u->points[k].path, u->points[i].path) == 0)
            return false;
    return true;
}

int uprobe_bpf_watch(struct linux_uprobes *u, pid_t pid, struct seep_err *err)
{
    // Frees first, then returns: whatever is seen to be made is seen to be freed. A return without its call, in the
    // first moment of a thread, is a block from before.
    static const enum linux_uprobe_kind order[] = {LINUX_UPROBE_ENTRY, LINUX_UPROBE_RETURN, LINUX_UPROBE_ENTRY_STACK};
    for (size_t i = 0; i < u->n_points; i++) {
        if (!first_of_its_file(u, i))
            continue;
        for (size_t k = 0; k < sizeof order / sizeof *order; k++)
            if (link_points(u, pid, u->points[i].path, order[k])) {
                if (errno == ESRCH)
                    return seep_fail(err, SEEP_E_TARGET, "process %d has ended", (int)pid);
                return seep_fail_errno(err, errno, "the kernel refuses uprobes in process %d", (int)pid);
            }
    }
    return 0;
}

void linux_uprobes_drop(struct linux_uprobes *u, pid_t pid)
{
    for (size_t i = 0; i < u->n_links;) {
        if (u->links[i].pid != pid) {
            i++;
            continue;
        }
        close(u->links[i].fd);
        u->links[i] = u->links[--u->n_links];
    }
}

int uprobe_bpf_prepare(struct linux_uprobes *u)
{
    for (int k = 0; k < 2; k++) {
        u->maps[k] = make_map(u);
        u->programs[k] = u->maps[k] < 0 ? -1 : load_program(u->maps[k]);
        if (u->programs[k] < 0) {
            uprobe_bpf_free(u);
            return -1;
        }
    }
    for (size_t c = 0; c < u->n_rings; c++)
        if (add_output(u, &u->rings[c], true) || add_output(u, &u->rings[c], false)) {
            uprobe_bpf_free(u);
            return -1;
        }
    u->bpf = true;
    return 0;
}

void uprobe_bpf_free(struct linux_uprobes *u)
{
    for (size_t i = 0; i < u->n_links; i++)
        close(u->links[i].fd);
    free(u->links);
    u->links = NULL;
    u->n_links = u->cap_links = 0;
    for (int k = 0; k < 2; k++) {
        if (u->programs[k] >= 0)
            close(u->programs[k]);
        if (u->maps[k] >= 0)
            close(u->maps[k]);
        u->programs[k] = u->maps[k] = -1;
    }
    u->bpf = false;
}
