// Which functions of a running program's allocator are watched, and where their code lies. Used by tap.c.
#ifndef SEEP_RUN_TAP_POINTS_H
#define SEEP_RUN_TAP_POINTS_H

#include "linux/tree.h"
#include "linux/uprobe.h"
#include "resolve/resolve.h"

enum tap_role {
    TAP_MALLOC,  // size first
    TAP_CALLOC,  // count, size
    TAP_REALLOC, // block, size
    TAP_ALIGNED, // alignment, size
    TAP_POSIX,   // where to, alignment, size
    TAP_RESIZE,  // block, size; returns the size it has now
    TAP_FREE,    // block
    TAP_MAP,     // where, size, protection, flags
    TAP_UNMAP,   // where, size
    TAP_REMAP,   // where, old size, size, flags
    TAP_COUNT    // only counted: a return probe would break the exceptions it throws, or nobody uses it any more
};

struct tap_point {
    enum tap_role role;
    uint32_t function; // entry and return of one function have the same
    bool is_return;
};

// The stretch of a file that holds an allocator's own functions. What it frees by its own entry points (a thread's
// cache, when the thread ends) was not allocated through them.
struct tap_core {
    int fd; // the file, open as long as it is watched
    uint64_t inode;
    unsigned dev_major, dev_minor;
    uint64_t from, to; // file offsets
    bool is_program;   // the file is the program itself
};
enum { TAP_MODULES_MAX = 4 };

static inline bool tap_role_maps(enum tap_role role)
{
    return role == TAP_MAP || role == TAP_UNMAP || role == TAP_REMAP;
}

struct tap_points {
    struct linux_uprobe_point where[LINUX_UPROBE_POINTS_MAX]; // path malloc'ed
    struct tap_point what[LINUX_UPROBE_POINTS_MAX];
    size_t n;
    uint32_t functions;
    bool main_too; // the first process is one of those that are watched
    bool left_out; // some functions that nothing asked for are not watched
    struct tap_core cores[TAP_MODULES_MAX];
    size_t n_cores;
    struct tap_core libs[TAP_MODULES_MAX]; // whose mmap() and kin are watched; from and to are not used
    size_t n_libs;
    char allocator[200]; // "jemalloc /usr/lib/.../libjemalloc.so.2", of the first process that has one
};

// Finds the allocators of all processes of the tree; those of whom none is found are left out. Errors when no process
// has one, each a finished sentence without a full stop, of the first process: a stripped allocator, a sanitizer's,
// unreadable maps. maps: the C library's mmap() and kin too, where they are found.
int tap_points_find(struct tap_points *p, int proc_fd, const struct linux_tree *tree, struct resolve *resolver,
                    bool maps, struct seep_err *err);
void tap_points_free(struct tap_points *p);

#endif
