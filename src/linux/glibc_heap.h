// How much glibc's malloc has given out, counted from outside: the process is neither stopped nor asked.
//
// Place: `seep attach`, where no probe can call mallinfo2(). Trust: the memory is the target's, and where glibc keeps
// its books is no promise of glibc's. So nothing is assumed to lie anywhere: the arena is recognised by its 127 bins,
// which form rings through themselves, by the ring of arenas that leads back to it, and by what must hold between its
// numbers; a C library that is built otherwise is not recognised, and that is said. Counting follows the rings of free
// chunks, checks every link, and believes a count only when it was the same before and after.
#ifndef SEEP_LINUX_GLIBC_HEAP_H
#define SEEP_LINUX_GLIBC_HEAP_H

#include "linux/proc.h"

struct linux_glibc_heap {
    int64_t allocated_bytes; // given out, heads and what threads keep in their caches included; mallinfo2's uordblks +
                             // hblkhd
    int64_t mapped_bytes;    // taken from the kernel: arena + hblkhd
    int64_t arenas, free_chunks;
};

// module: the path that holds malloc as /proc/PID/maps tells it, "" for the executable itself. A process that never
// allocated has zeros. SEEP_E_UNSUPPORTED when its memory may not be read, when the C library's books are not
// recognised, or when there are more than LINUX_GLIBC_FREE_MAX free chunks; SEEP_E_AGAIN when it changed all the time;
// SEEP_E_TARGET when it is gone.
#define LINUX_GLIBC_FREE_MAX 200000
int linux_glibc_heap_read(int proc_fd, pid_t pid, const char *module, struct linux_glibc_heap *out,
                          struct seep_err *err);

// Resident bytes of malloc's memory outside of [heap]: the heaps of its other arenas, and blocks in mappings of their
// own, which are recognised by their heads. SEEP_E_UNSUPPORTED also when these do not add up to what malloc says it
// has, so that the program's own anonymous mappings cannot be told from it.
int linux_glibc_heap_resident(int proc_fd, pid_t pid, const char *module, int64_t *resident_bytes,
                              struct seep_err *err);

#endif
