// A process and a preloaded library: see preload.h.
#include "linux/preload.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "linux/exe.h"

// Whether `wanted` stands in the file, which may be long and may hold NULs; -1 when it cannot be read.
static int file_holds(int proc_fd, const char *path, const char *wanted)
{
    char buf[65536];
    size_t have = 0, overlap = strlen(wanted) - 1;
    int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC), found = 0;
    if (fd < 0)
        return -1;
    for (int rounds = 0; !found && rounds < 256; rounds++) { // 16 MiB of mappings are enough of an answer
        ssize_t n = read(fd, buf + have, sizeof buf - have);
        if (n <= 0) {
            found = n < 0 && rounds == 0 ? -1 : 0;
            break;
        }
        have += (size_t)n;
        found = memmem(buf, have, wanted, strlen(wanted)) != NULL;
        size_t keep = have < overlap ? have : overlap;
        memmove(buf, buf + have - keep, keep);
        have = keep;
    }
    close(fd);
    return found;
}

static enum linux_attribute attribute_of(int proc_fd, pid_t pid, char *text, size_t size)
{
    struct linux_exe exe;
    char path[LINUX_EXE_PATH_MAX];
    return linux_exe_of(proc_fd, pid, false, &exe, path, NULL) == 0
               ? linux_exe_attribute(&exe, path, geteuid(), text, size)
               : LINUX_ATTRIBUTE_YES; // nothing is known that would forbid it
}

enum linux_preload linux_preload_of(int proc_fd, pid_t pid, const char *library, char *text, size_t size)
{
    char path[40];
    snprintf(path, sizeof path, "%d/maps", (int)pid);
    int mapped = file_holds(proc_fd, path, library);
    enum linux_attribute attribute = attribute_of(proc_fd, pid, text, size);
    if (mapped > 0) {
        if (attribute == LINUX_ATTRIBUTE_SANITIZER) // loaded with it, and off by itself
            return LINUX_PRELOAD_CANNOT;
        snprintf(text, size, "the probe is there");
        return LINUX_PRELOAD_MAPPED;
    }
    if (attribute != LINUX_ATTRIBUTE_YES)
        return LINUX_PRELOAD_CANNOT;
    snprintf(path, sizeof path, "%d/environ", (int)pid);
    int named = file_holds(proc_fd, path, library);
    if (mapped < 0 || named < 0) {
        snprintf(text, size, "the kernel does not let us look at it");
        return LINUX_PRELOAD_UNKNOWN;
    }
    snprintf(text, size, "%s",
             named ? "the loader left the probe out: it has another root directory, or may not read the probe's file"
                   : "its environment was cleared of LD_PRELOAD");
    return named ? LINUX_PRELOAD_LEFT : LINUX_PRELOAD_CLEARED;
}
