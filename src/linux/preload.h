// Why a process is or is not under a preloaded library: what its file, its environment and its mappings say.
// Trust: text of /proc about a process that may end meanwhile, or may not be ours to read; then the answer says so.
#ifndef SEEP_LINUX_PRELOAD_H
#define SEEP_LINUX_PRELOAD_H

#include <stddef.h>
#include <sys/types.h>

enum linux_preload {
    LINUX_PRELOAD_MAPPED,  // the library is there
    LINUX_PRELOAD_CANNOT,  // nothing for it in such a program: static, setuid, another libc, a sanitizer's allocator
    LINUX_PRELOAD_CLEARED, // its environment does not name the library
    LINUX_PRELOAD_LEFT,    // named, and the loader left it out: another root directory, no right to read it
    LINUX_PRELOAD_UNKNOWN, // gone, or hidden from us
};

// library: the end of its file name, as "libseep-probe.so". text (size bytes) gets the end of a sentence that begins
// with the process: "its environment was cleared of LD_PRELOAD".
enum linux_preload linux_preload_of(int proc_fd, pid_t pid, const char *library, char *text, size_t size);

#endif
