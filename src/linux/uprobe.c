// Uprobes: descriptors, rings and rights; see uprobe.h.
//
// A ring is mapped from the first event on its processor and the others are led into it. The first is one that records
// nothing but tasks coming and going: it may be inherited, so it tells of all descendants. perf refuses to map an
// inherited event that is not bound to a processor (many writers, one ring), hence one event per processor.
#include "linux/uprobe_priv.h"

#include "base/buf.h"
#include "linux/text.h"

#include <asm/perf_regs.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PMU            "/sys/bus/event_source/devices/uprobe"
#define CPUS_MAX       1024
#define RINGS_BYTES    (64u << 20) // all rings together
#define RING_BYTES_MAX (8u << 20)
#define RING_BYTES_MIN (512u << 10)
#define RECORD_MAX     65536

#define BIT(r) (1ull << PERF_REG_X86_##r)
static const uint64_t masks[] = {
    [LINUX_UPROBE_ENTRY] = BIT(AX) | BIT(DX) | BIT(SI) | BIT(DI) | BIT(SP),
    [LINUX_UPROBE_ENTRY_STACK] = BIT(AX) | BIT(BX) | BIT(CX) | BIT(DX) | BIT(SI) | BIT(DI) | BIT(BP) | BIT(SP) |
                                 BIT(IP) | BIT(R8) | BIT(R9) | BIT(R10) | BIT(R11) | BIT(R12) | BIT(R13) | BIT(R14) |
                                 BIT(R15),
    [LINUX_UPROBE_RETURN] = BIT(AX) | BIT(SP),
};

uint64_t uprobe_mask(enum linux_uprobe_kind kind)
{
    return masks[kind];
}

static int read_number(const char *path, int *out)
{
    char text[64];
    int64_t v;
    if (text_read(AT_FDCWD, path, text, sizeof text) < 0 || !text_number(text, &v))
        return -1;
    *out = (int)v;
    return 0;
}

// "config:0": the bit of attr.config that asks for a return probe.
static int read_return_bit(void)
{
    char text[64];
    int bit = 0;
    if (text_read(AT_FDCWD, PMU "/format/retprobe", text, sizeof text) > 0 && sscanf(text, "config:%d", &bit) == 1)
        return bit;
    return 0;
}

static long open_event(struct perf_event_attr *attr, pid_t tid, int cpu)
{
    return syscall(SYS_perf_event_open, attr, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

bool linux_uprobe_bpf(void)
{
    struct linux_uprobes *u = linux_uprobes_new(NULL, 0, UPROBE_WORD_BYTES, true, NULL);
    bool follows = u && linux_uprobes_follows(u);
    linux_uprobes_free(u);
    return follows;
}

// Tried on ourselves, on a file that is never executed: the answer is the kernel's, not a guess from settings.
int linux_uprobe_allowed(struct seep_err *err)
{
    int type, paranoid = -1;
    if (read_number(PMU "/type", &type))
        return seep_fail(err, SEEP_E_UNSUPPORTED,
                         "this kernel has no uprobe PMU (" PMU
                         "): it is built without CONFIG_UPROBE_EVENTS, or /sys is "
                         "not mounted");
    struct perf_event_attr attr = {.size = sizeof attr, .type = (uint32_t)type, .disabled = 1};
    attr.config1 = (uint64_t)(uintptr_t) "/proc/self/exe";
    attr.config2 = 0;
    long fd = open_event(&attr, 0, -1);
    int saved = errno;
    if (fd >= 0) {
        close((int)fd);
        return 0;
    }
    if (saved != EACCES && saved != EPERM)
        return saved == ENOSYS ? seep_fail_errno(err, saved, "perf_event_open is not permitted here") : 0;
    if (linux_uprobe_bpf()) // which asks for less than the PMU does
        return 0;
    read_number("/proc/sys/kernel/perf_event_paranoid", &paranoid);
    return seep_fail(err, SEEP_E_UNSUPPORTED,
                     "uprobes are refused (%s): they need root, CAP_SYS_ADMIN, or from Linux 6.6 on CAP_PERFMON and "
                     "CAP_BPF (kernel.perf_event_paranoid is %d, which changes nothing for them; in a container also a "
                     "seccomp profile that permits perf_event_open and bpf)",
                     strerror(saved), paranoid);
}

// "0-3,8": into rings.
static int list_cpus(struct linux_uprobes *u, struct seep_err *err)
{
    char text[4096];
    if (text_read(AT_FDCWD, "/sys/devices/system/cpu/online", text, sizeof text) <= 0)
        return seep_fail(err, SEEP_E_UNSUPPORTED, "the processors cannot be listed");
    for (char *at = text, *end; *at >= '0' && *at <= '9'; at = *end == ',' ? end + 1 : end) {
        long from = strtol(at, &end, 10), to = from;
        if (*end == '-')
            to = strtol(end + 1, &end, 10);
        for (; from <= to && u->n_rings < CPUS_MAX; from++)
            u->rings[u->n_rings++] = (struct uprobe_ring){.cpu = (int)from, .lead = -1};
    }
    return u->n_rings ? 0 : seep_fail(err, SEEP_E_UNSUPPORTED, "the processors cannot be listed");
}

static void raise_limit(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max && l.rlim_cur < LINUX_UPROBE_EVENTS_MAX + 512) {
        rlim_t want = LINUX_UPROBE_EVENTS_MAX + 512;
        l.rlim_cur = want < l.rlim_max ? want : l.rlim_max;
        setrlimit(RLIMIT_NOFILE, &l);
    }
}

struct linux_uprobes *linux_uprobes_new(const struct linux_uprobe_point *points, size_t n, uint32_t stack_bytes,
                                        bool bpf, struct seep_err *err)
{
    struct linux_uprobes *u = calloc(1, sizeof *u);
    if (!u || n > LINUX_UPROBE_POINTS_MAX) {
        free(u);
        seep_fail(err, SEEP_E_LIMIT, "there is no room for %zu points to watch", n);
        return NULL;
    }
    u->rings = calloc(CPUS_MAX, sizeof *u->rings);
    u->polls = calloc(CPUS_MAX, sizeof *u->polls);
    u->record = malloc(RECORD_MAX);
    u->stack_bytes = stack_bytes;
    u->maps[0] = u->maps[1] = u->programs[0] = u->programs[1] = -1;
    u->return_bit = read_return_bit();
    if (!u->rings || !u->polls || !u->record || read_number(PMU "/type", &u->pmu_type)) {
        seep_fail(err, SEEP_E_UNSUPPORTED, "this kernel has no uprobe PMU, or there is no memory");
        linux_uprobes_free(u);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        u->points[i] = points[i];
        u->points[i].path = strdup(points[i].path);
        u->n_points++;
    }
    if (list_cpus(u, err)) {
        linux_uprobes_free(u);
        return NULL;
    }
    u->ring_bytes = RING_BYTES_MAX;
    while (u->ring_bytes > RING_BYTES_MIN && u->ring_bytes * u->n_rings > RINGS_BYTES)
        u->ring_bytes /= 2;
    raise_limit();
    if (bpf)
        uprobe_bpf_prepare(u);
    return u;
}

void linux_uprobes_free(struct linux_uprobes *u)
{
    if (!u)
        return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uprobe_bpf_free(u);
    for (size_t i = 0; i < u->n_rings; i++)
        if (u->rings[i].page)
            munmap(u->rings[i].page, u->ring_bytes + page);
    for (size_t i = 0; i < u->n_events; i++)
        close(u->events[i].fd);
    for (size_t i = 0; i < u->n_points; i++)
        free((char *)u->points[i].path);
    free(u->events);
    free(u->slots);
    free(u->rings);
    free(u->polls);
    free(u->record);
    free(u);
}

size_t linux_uprobes_events(const struct linux_uprobes *u)
{
    return u->n_events + u->n_links;
}

// ---- events

size_t uprobe_slot(const struct linux_uprobes *u, uint64_t id)
{
    size_t at = id * 0x9e3779b97f4a7c15ull >> 20 & (u->n_slots - 1);
    while (u->slots[at] && u->events[u->slots[at] - 1].id != id)
        at = (at + 1) & (u->n_slots - 1);
    return at;
}

static int grow(struct linux_uprobes *u, size_t more)
{
    if (u->n_events + more <= u->cap_events)
        return 0;
    size_t cap = u->cap_events ? u->cap_events * 2 : 256;
    while (cap < u->n_events + more)
        cap *= 2;
    struct uprobe_event *events = realloc(u->events, cap * sizeof *events);
    uint32_t *slots = calloc(4 * cap, sizeof *slots);
    if (events)
        u->events = events;
    if (!events || !slots) {
        free(slots);
        return -1;
    }
    free(u->slots);
    u->slots = slots;
    u->n_slots = 4 * cap;
    u->cap_events = cap;
    for (size_t i = 0; i < u->n_events; i++)
        u->slots[uprobe_slot(u, u->events[i].id)] = (uint32_t)i + 1;
    return 0;
}

// What all events have in common.
static void fill_common(const struct linux_uprobes *u, struct perf_event_attr *a)
{
    a->size = sizeof *a;
    a->sample_id_all = 1;
    a->use_clockid = 1;
    a->clockid = CLOCK_MONOTONIC;
    a->watermark = 1;
    a->wakeup_watermark = (uint32_t)(u->ring_bytes / 8);
    a->sample_type |= PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_TIME;
}

static void fill_point(const struct linux_uprobes *u, uint32_t point, struct perf_event_attr *a)
{
    const struct linux_uprobe_point *p = &u->points[point];
    *a = (struct perf_event_attr){.type = (uint32_t)u->pmu_type, .sample_period = 1};
    a->config = p->kind == LINUX_UPROBE_RETURN ? 1ull << u->return_bit : 0;
    a->config1 = (uint64_t)(uintptr_t)p->path;
    a->config2 = p->file_offset;
    a->sample_type = PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
    a->sample_regs_user = masks[p->kind];
    a->sample_stack_user = p->kind == LINUX_UPROBE_ENTRY_STACK ? u->stack_bytes : UPROBE_WORD_BYTES;
}

static int map_ring(struct linux_uprobes *u, struct uprobe_ring *g, int fd, struct seep_err *err)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *at = mmap(NULL, u->ring_bytes + page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return seep_fail_errno(err, errno, "the ring of processor %d cannot be mapped", g->cpu);
    g->page = at;
    g->lead = fd;
    u->polls[g - u->rings] = (struct pollfd){.fd = fd, .events = POLLIN};
    return 0;
}

static int fail_open(int saved, pid_t tid, struct seep_err *err)
{
    if (saved == ESRCH)
        return seep_fail(err, SEEP_E_TARGET, "thread %d has ended", (int)tid);
    if (saved == EMFILE || saved == ENFILE)
        return seep_fail(err, SEEP_E_LIMIT, "too many descriptors would be needed (raise ulimit -n)");
    return seep_fail_errno(err, saved, "the kernel refuses an event for thread %d", (int)tid);
}

int uprobe_open(struct linux_uprobes *u, struct uprobe_ring *g, struct perf_event_attr *attr, pid_t tid, uint32_t point,
                struct seep_err *err)
{
    if (u->n_events == LINUX_UPROBE_EVENTS_MAX || grow(u, 1))
        return seep_fail(err, SEEP_E_LIMIT, "more than %d events would be needed", LINUX_UPROBE_EVENTS_MAX);
    fill_common(u, attr);
    int fd = (int)open_event(attr, tid, g->cpu);
    if (fd < 0)
        return fail_open(errno, tid, err);
    uint64_t id = 0;
    int rc = 0;
    if (g->lead < 0)
        rc = map_ring(u, g, fd, err);
    else if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, g->lead))
        rc = seep_fail_errno(err, errno, "an event cannot be led into its processor's ring");
    if (rc == 0 && ioctl(fd, PERF_EVENT_IOC_ID, &id))
        rc = seep_fail_errno(err, errno, "an event has no number");
    if (rc) {
        close(fd);
        return -1;
    }
    u->events[u->n_events] = (struct uprobe_event){.fd = fd, .id = id, .point = point};
    u->slots[uprobe_slot(u, id)] = (uint32_t)++u->n_events;
    return fd;
}

// Tasks, programs and code that come and go: by a thread and everybody it starts.
static int add_tasks(struct linux_uprobes *u, struct uprobe_ring *g, pid_t tid, struct seep_err *err)
{
    struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_DUMMY};
    a.inherit = a.task = a.comm = a.comm_exec = a.mmap = 1;
    return uprobe_open(u, g, &a, tid, UPROBE_TASKS, err) < 0 ? -1 : 0;
}

static int add_points(struct linux_uprobes *u, struct uprobe_ring *g, pid_t tid, struct seep_err *err)
{
    for (uint32_t p = 0; p < u->n_points; p++) {
        struct perf_event_attr a;
        fill_point(u, p, &a);
        if (uprobe_open(u, g, &a, tid, p, err) < 0)
            return -1;
    }
    return 0;
}

int linux_uprobes_add(struct linux_uprobes *u, pid_t pid, const pid_t *tids, size_t n, bool added, struct seep_err *err)
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < u->n_rings; c++) {
            struct seep_err why;
            if (add_tasks(u, &u->rings[c], tids[i], &why) == 0 &&
                (u->bpf || add_points(u, &u->rings[c], tids[i], &why) == 0))
                continue;
            if (why.code == SEEP_E_TARGET)
                break;
            if (err)
                *err = why;
            return -1;
        }
    return u->bpf && !added ? uprobe_bpf_watch(u, pid, err) : 0;
}

int linux_uprobes_add_child(struct linux_uprobes *u, pid_t pid, struct seep_err *err)
{
    if (u->bpf)
        return uprobe_bpf_watch(u, pid, err);
    for (size_t c = 0; c < u->n_rings; c++)
        if (add_points(u, &u->rings[c], pid, err))
            return -1;
    return 0;
}

bool linux_uprobes_follows(const struct linux_uprobes *u)
{
    return u->bpf;
}

const char *linux_uprobes_means(const struct linux_uprobes *u)
{
    return u->bpf ? "BPF" : "the uprobe PMU";
}
