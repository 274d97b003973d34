// The files behind mapped code: see mapped.h.
#include "linux/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "linux/text.h"

// Opens a pinned file (O_PATH) for reading if it is a regular one; with an inode, only if it is that one.
static int reopen(int pinned, uint64_t inode)
{
    struct stat st;
    char self[64];
    int fd = -1;
    if (pinned < 0)
        return -1;
    snprintf(self, sizeof self, "/proc/self/fd/%d", pinned);
    if (fstat(pinned, &st) == 0 && S_ISREG(st.st_mode) && (!inode || st.st_ino == inode))
        fd = open(self, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    close(pinned);
    return fd;
}

int linux_mapped_open(int proc_fd, pid_t pid, const struct linux_map *map)
{
    char path[LINUX_MAPPED_PATH_MAX + 64];
    snprintf(path, sizeof path, "%d/map_files/%llx-%llx", (int)pid, (unsigned long long)map->start,
             (unsigned long long)map->end);
    int fd = reopen(openat(proc_fd, path, O_PATH | O_CLOEXEC), 0);
    if (fd >= 0)
        return fd;
    int n = snprintf(path, sizeof path, "%d/root%s", (int)pid, map->path);
    if (n < 0 || (size_t)n >= sizeof path)
        return -1;
    fd = reopen(openat(proc_fd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC), map->inode);
    // The kernel tells paths as the reader sees them: those of a program behind chroot() begin at our root.
    return fd >= 0 ? fd : reopen(open(map->path, O_PATH | O_NOFOLLOW | O_CLOEXEC), map->inode);
}

static bool leads_to(const char *path, int flags, uint64_t inode)
{
    struct stat st;
    int fd = open(path, O_PATH | O_CLOEXEC | flags);
    bool same = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == inode;
    if (fd >= 0)
        close(fd);
    return same;
}

void linux_mapped_name(pid_t pid, const struct linux_map *map, char out[LINUX_MAPPED_NAME_MAX])
{
    char path[LINUX_MAPPED_PATH_MAX];
    linux_mapped_path(map, path);
    snprintf(out, LINUX_MAPPED_NAME_MAX, "/proc/%d/root%s", (int)pid, path);
    if (leads_to(out, O_NOFOLLOW, map->inode))
        return;
    if (leads_to(path, O_NOFOLLOW, map->inode)) {
        snprintf(out, LINUX_MAPPED_NAME_MAX, "%s", path);
        return;
    }
    char link[96];
    snprintf(link, sizeof link, "/proc/%d/map_files/%llx-%llx", (int)pid, (unsigned long long)map->start,
             (unsigned long long)map->end);
    if (leads_to(link, 0, map->inode))
        snprintf(out, LINUX_MAPPED_NAME_MAX, "%s", link);
}

int linux_mapped_by_name(int proc_fd, pid_t pid, const char *name, char out[LINUX_MAPPED_PATH_MAX])
{
    char path[LINUX_MAPPED_PATH_MAX + 64], self[64];
    int n = snprintf(path, sizeof path, name[0] == '/' ? "%d/root%s" : "%d/cwd/%s", (int)pid, name);
    if (!name[0] || n < 0 || (size_t)n >= sizeof path)
        return -1;
    int fd = reopen(openat(proc_fd, path, O_PATH | O_CLOEXEC), 0);
    if (fd < 0)
        return -1;
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(self, out, LINUX_MAPPED_PATH_MAX - 1);
    if (len <= 0 || out[0] != '/') {
        close(fd);
        return -1;
    }
    out[len] = '\0';
    return fd;
}

void linux_mapped_path(const struct linux_map *map, char out[LINUX_MAPPED_PATH_MAX])
{
    static const char gone[] = " (deleted)";
    size_t len = strlen(map->path), tail = sizeof gone - 1;
    if (len > tail && !strcmp(map->path + len - tail, gone))
        len -= tail;
    snprintf(out, LINUX_MAPPED_PATH_MAX, "%.*s", (int)(len < LINUX_MAPPED_PATH_MAX ? len : 0), map->path);
}

bool linux_mapped_there(int proc_fd, pid_t pid, uint64_t start, uint64_t end)
{
    char path[96];
    struct stat st;
    snprintf(path, sizeof path, "%d/map_files/%llx-%llx", (int)pid, (unsigned long long)start, (unsigned long long)end);
    return fstatat(proc_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

int linux_perf_map_open(int proc_fd, pid_t pid, uint32_t own_pid, char path[64])
{
    char there[128];
    snprintf(path, 64, "/tmp/perf-%u.map", own_pid);
    snprintf(there, sizeof there, "%d/root%s", (int)pid, path);
    return reopen(openat(proc_fd, there, O_PATH | O_NOFOLLOW | O_CLOEXEC), 0);
}
