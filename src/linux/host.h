// Facts about the machine, for the report's heading and for doctor, and its free memory at each tick.
// Trust: kernel text; distribution names come from a file of the administrator and are bounded.
#ifndef SEEP_LINUX_HOST_H
#define SEEP_LINUX_HOST_H

#include <stdint.h>

#include "base/err.h"
#include "base/units.h"

struct linux_host {
    char hostname[65];
    char kernel[130]; // uname release
    char machine[65];
    char distro[100]; // PRETTY_NAME of os-release; "" unknown
    char cpu_model[100];
    char thp[16];     // always, madvise, never; "" unknown
    char boot_id[37]; // text form; "" unknown
    uint32_t cpus;    // online and permitted to us
    int64_t memory_bytes, swap_bytes;
    int ptrace_scope;  // -1: the kernel has no Yama, so classic rules hold
    int perf_paranoid; // -1 unknown
    int overcommit;    // -1 unknown
    int64_t pid_max;   // SEEP_UNKNOWN when unreadable
    char libc[64];     // "glibc 2.36"
};

// root_fd: descriptor of "/" (or a fake tree with proc/ sys/ etc/). Missing facts are marked as said above, never an
// error.
void linux_host_read(int root_fd, struct linux_host *out);

// MemAvailable, MemFree, SwapFree now; SEEP_UNKNOWN when absent.
struct linux_meminfo {
    int64_t total_bytes, available_bytes, free_bytes, swap_total_bytes, swap_free_bytes;
};
int linux_meminfo_read(int proc_fd, struct linux_meminfo *out, struct seep_err *err);

#endif
