// Shared by uprobe.c (descriptors), uprobe_bpf.c (the BPF way) and uprobe_ring.c (records).
#ifndef SEEP_LINUX_UPROBE_PRIV_H
#define SEEP_LINUX_UPROBE_PRIV_H

#include "linux/uprobe.h"

#include <linux/perf_event.h>
#include <poll.h>

// What an event's records are, where a point's number would stand.
enum { UPROBE_TASKS = LINUX_UPROBE_POINTS_MAX, UPROBE_BPF_STACK, UPROBE_BPF_LIGHT };

#define UPROBE_WORD_BYTES 8u // of the stack, where no more is wanted

struct uprobe_event {
    int fd;
    uint64_t id;
    uint32_t point; // or one of the above
};

struct uprobe_ring {
    int cpu, lead; // lead: the descriptor it is mapped from; -1: no event yet
    struct perf_event_mmap_page *page;
};

struct uprobe_link {
    int fd;
    pid_t pid;
};

struct linux_uprobes {
    int pmu_type, return_bit;
    uint32_t stack_bytes;
    struct linux_uprobe_point points[LINUX_UPROBE_POINTS_MAX];
    size_t n_points;
    size_t n_rings, ring_bytes;
    struct uprobe_ring *rings;
    struct pollfd *polls;
    struct uprobe_event *events;
    size_t n_events, cap_events;
    uint32_t *slots; // open addressing over the ids: index + 1
    size_t n_slots;
    uint8_t *record; // a record that wraps around its ring
    // BPF
    bool bpf;
    int maps[2], programs[2]; // with the stack, without; -1: none
    struct uprobe_link *links;
    size_t n_links, cap_links;
};

// uprobe.c
uint64_t uprobe_mask(enum linux_uprobe_kind kind); // of registers, in perf's numbers
size_t uprobe_slot(const struct linux_uprobes *u, uint64_t id);
// Opens an event on the ring's processor and leads it into the ring. Returns the descriptor, kept by u; -1 with err.
int uprobe_open(struct linux_uprobes *u, struct uprobe_ring *g, struct perf_event_attr *attr, pid_t tid, uint32_t point,
                struct seep_err *err);

// uprobe_bpf.c: 0 when BPF can be used (u->bpf is then set), -1 when the PMU has to do.
int uprobe_bpf_prepare(struct linux_uprobes *u);
int uprobe_bpf_watch(struct linux_uprobes *u, pid_t pid, struct seep_err *err);
void uprobe_bpf_free(struct linux_uprobes *u);

#endif
