// Where the files of a process lie in its memory under valgrind, so that a frame without a name is told from another.
//
// Place: beside sites.h, whose keys name such a frame by file and offset as seep's own stacks do. Without it all frames
// of a stripped program would be alike, and any growth of it would confirm any other. Private to src/confirm.
#ifndef SEEP_CONFIRM_PLACES_H
#define SEEP_CONFIRM_PLACES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct confirm_place {
    uint64_t start, end, bias; // code in [start, end): link-time address = address - bias
};

struct confirm_places { // of one process
    pid_t pid;
    struct confirm_place *list;
    size_t n, cap;
};

struct confirm_atlas {
    struct confirm_places *of;
    size_t n, cap;
};

// Reads the maps of a process; what was known of it is replaced, unless they cannot be read. proc_fd: of /proc.
void confirm_atlas_note(struct confirm_atlas *a, int proc_fd, pid_t pid);
const struct confirm_places *confirm_atlas_find(const struct confirm_atlas *a, pid_t pid); // NULL: not known
void confirm_atlas_free(struct confirm_atlas *a);

// The link-time address of the return address of a call, as seep's probe records it, of what valgrind prints for it:
// the byte before. UINT64_MAX: in no file that is known. places may be NULL.
uint64_t confirm_return_address(const struct confirm_places *places, uint64_t ip);

#endif
