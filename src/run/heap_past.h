// Memory that grows past the probe: an allocator that is linked into the program, under names that no hook sees, or one
// of the program's own. Its growth would look like a heap that does not grow. The sample job's.
#ifndef SEEP_RUN_HEAP_PAST_H
#define SEEP_RUN_HEAP_PAST_H

#include <stdbool.h>
#include <sys/types.h>

enum heap_past_kind {
    HEAP_PAST_NO,
    HEAP_PAST_EMBEDDED, // an allocator known by its texts stands in the program, and memory grows that nobody allocated
    HEAP_PAST_BRK,      // the program break rises unseen, and malloc was never called
    HEAP_PAST_BRK_TOLD, // it rises, and the C library's own count of what its malloc has taken does not
};

struct heap_past {
    enum heap_past_kind kind;
    bool looked, begun; // at the program; at its memory
    char name[16];      // of the embedded allocator, "" none
    char exe[256];
    double outside, brk, live, calls; // when it began
    double grown;                     // bytes that were seen to grow past the probe
};

// One look at the main process. outside: resident bytes of its anonymous memory without stacks, brk: of what lies at
// its program break and was not put there before the probe's eyes; live: usable bytes of live blocks, calls:
// allocations, both by the probe, or by the uprobes of an attached program, whose brk is the size of that mapping (what
// it touches late of old blocks makes nothing rise). Where the C library's count is all there is: live, and as calls
// the bytes it has taken from the kernel; heap_past_told() then.
void heap_past_look(struct heap_past *p, int proc_fd, pid_t pid, double outside, double brk, double live, double calls);
void heap_past_told(struct heap_past *p);
// The sentence. Returns out; "" for HEAP_PAST_NO.
char *heap_past_text(const struct heap_past *p, char *out, unsigned long size);

#endif
