// /proc/locks: see locks.h.
#include "linux/locks.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "linux/proc.h"

// "1: FLOCK  ADVISORY  WRITE 31692 fe:00:10952792 0 EOF". The device is not compared: on some file systems stat() tells
// another one than this list. 0: it is another lock.
static pid_t holder_in(const char *line, unsigned long long inode)
{
    unsigned major, minor;
    unsigned long long of;
    int pid;
    bool is = sscanf(line, "%*d: FLOCK ADVISORY WRITE %d %x:%x:%llu", &pid, &major, &minor, &of) == 4;
    return is && of == inode && pid > 0 ? pid : 0;
}

static bool lives(int proc_fd, pid_t pid)
{
    struct linux_stat st;
    return linux_stat_read(proc_fd, pid, &st, NULL) == 0 && st.state != 'Z' && st.state != 'X';
}

pid_t linux_flock_holder(int proc_fd, int fd)
{
    struct stat st;
    char *line = NULL;
    size_t size = 0;
    pid_t found = 0;
    int locks = fstat(fd, &st) == 0 ? openat(proc_fd, "locks", O_RDONLY | O_CLOEXEC) : -1;
    FILE *f = locks >= 0 ? fdopen(locks, "r") : NULL;
    if (!f && locks >= 0)
        close(locks);
    while (f && !found && getline(&line, &size, f) > 0) {
        pid_t pid = holder_in(line, (unsigned long long)st.st_ino);
        found = pid && lives(proc_fd, pid) ? pid : 0;
    }
    free(line);
    if (f)
        fclose(f);
    return found;
}
