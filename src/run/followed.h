// Which processes of the tree are attributed, and why others are not, for the report: one line for each process that
// was met at two looks or more, the first FOLLOWED_MAX of them; the rest are counted.
//
// Part of run/heap.h and run/tap.h; the sample job's while it runs.
#ifndef SEEP_RUN_FOLLOWED_H
#define SEEP_RUN_FOLLOWED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "linux/tree.h"

#define FOLLOWED_MAX 128

enum followed_state { FOLLOWED_YES, FOLLOWED_OFF, FOLLOWED_NO };

struct followed_process {
    pid_t pid;
    uint64_t starttime_ticks;
    unsigned looks;
    enum followed_state state;
    char name[64]; // bytes of the target
    char why[240]; // the end of a sentence; "" when it is attributed and there is nothing to say
};

struct followed {
    struct followed_process process[FOLLOWED_MAX];
    size_t count;
    uint64_t beyond; // looks at processes past the ceiling
};

// Notes what this look says of a process. state FOLLOWED_NO without a `why`: the probe's reason is found out here. Name
// and reason are those of the program it executes by then: they are read again at its 2nd, 4th, 8th ... look.
void followed_note(struct followed *f, int proc_fd, const struct linux_tree_node *node, enum followed_state state,
                   const char *why);
// "The process pid 12 (nginx) is attributed." For the i-th; false when it was met only once, in passing.
bool followed_sentence(const struct followed *f, size_t i, char *text, size_t size);

#endif
