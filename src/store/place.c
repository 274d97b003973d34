// The run directory as a place: its lock, its file system, its reserve of space, and whether it is still there.
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static void lock_holder(int fd, char *out, size_t size)
{
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = 0;
    long pid = strtol(text, NULL, 10);
    if (pid > 0)
        snprintf(out, size, "process %ld", pid);
    else
        snprintf(out, size, "another process");
}

static void lock_sign(int fd)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    // Only a name for the sentence the second one gets: the lock holds without it.
    if (pwrite(fd, text, (size_t)len, 0) == len && ftruncate(fd, len))
        return;
}

int place_lock(int dir_fd, bool create, struct seep_err *err)
{
    int fd = openat(dir_fd, "run.lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_CREAT, 0600);
    if (fd < 0 && !create && errno == EACCES)
        return seep_fail_errno(err, EACCES, "The run belongs to another user; its lock cannot be opened");
    if (fd < 0)
        return seep_fail_errno(err, errno, "Cannot make the lock file 'run.lock' in the run directory");
    if (fchmod(fd, 0600) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        lock_sign(fd);
        return fd;
    }
    int saved = errno;
    char holder[48];
    lock_holder(fd, holder, sizeof holder);
    close(fd);
    if (saved != EWOULDBLOCK)
        return seep_fail_errno(err, saved, "Cannot lock 'run.lock' in the run directory");
    return seep_fail(err, SEEP_E_USAGE, "The run is being written by %s; wait for it or stop it first", holder);
}

bool place_is_network(uint32_t fs_type, const char **name)
{
    static const struct {
        uint32_t type;
        const char *name;
    } network[] = {
        {0x6969, "NFS"},      {0x517b, "SMB"},       {0xfe534d42, "SMB2"},   {0xff534d42, "CIFS"},
        {0x5346414f, "AFS"},  {0x6b414653, "AFS"},   {0x73757245, "Coda"},   {0x564c, "NCP"},
        {0x01021997, "9p"},   {0x00c36400, "Ceph"},  {0x0bd00bd0, "Lustre"}, {0x47504653, "GPFS"},
        {0x01161970, "GFS2"}, {0x7461636f, "OCFS2"}, {0x786f4256, "vboxsf"}, {0x19830326, "BeeGFS"},
    };
    for (size_t i = 0; i < sizeof network / sizeof network[0]; i++)
        if (network[i].type == fs_type) {
            *name = network[i].name;
            return true;
        }
    return false;
}

int place_refuse_network(int dir_fd, struct seep_err *err)
{
    struct statfs fs;
    const char *name;
    if (fstatfs(dir_fd, &fs))
        return seep_fail_errno(err, errno, "Cannot ask for the file system of the run directory");
    if (place_is_network((uint32_t)fs.f_type, &name))
        return seep_fail(err, SEEP_E_UNSUPPORTED,
                         "The run directory lies on a network file system (%s), where a run cannot be stored safely; "
                         "choose a local directory with --results",
                         name);
    return 0;
}

bool store_on_network(int dir_fd, const char **name)
{
    struct statfs fs;
    return fstatfs(dir_fd, &fs) == 0 && place_is_network((uint32_t)fs.f_type, name);
}

int place_reserve(int dir_fd, struct seep_err *err)
{
    int fd = openat(dir_fd, "run.reserve", O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_CREAT, 0600);
    if (fd < 0)
        return seep_fail_errno(err, errno, "Cannot make the reserve file 'run.reserve'");
    int rc = posix_fallocate(fd, 0, STORE_RESERVE_BYTES);
    close(fd);
    if (rc == 0)
        return 0;
    unlinkat(dir_fd, "run.reserve", 0);
    return seep_fail_errno(err, rc, "Cannot set 8 MiB aside in 'run.reserve' for the end of the run");
}

bool place_free_reserve(int dir_fd)
{
    return unlinkat(dir_fd, "run.reserve", 0) == 0;
}

int place_path(int dir_fd, char *out, size_t size)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", dir_fd);
    ssize_t n = readlink(link, out, size - 1);
    out[n > 0 ? n : 0] = 0;
    return n > 0 ? 0 : -1;
}

static enum store_place say(struct store *st, enum store_place place, const char *now, struct seep_err *err)
{
    if (place == STORE_PLACE_MOVED) {
        seep_fail(err, SEEP_E_SYSTEM,
                  "The run directory '%.150s' was moved or covered; the run goes on writing into it at '%.150s'",
                  st->path, now);
        return place;
    }
    seep_fail(
        err, SEEP_E_SYSTEM,
        "The run directory '%.200s' or the database in it was removed; what is measured now is kept in memory only",
        st->path);
    return place;
}

enum store_place store_check_place(struct store *st, struct seep_err *err)
{
    SEEP_CHECK_OBJ(st, STORE_MAGIC);
    struct stat dir, other;
    char now[512];
    if (fstat(st->dir_fd, &dir) || dir.st_nlink == 0) {
        st->gone = st->writer;
        return say(st, STORE_PLACE_GONE, "", err);
    }
    struct conn *c = &st->parts[st->n_parts - 1];
    if (st->n_parts > 0 && c->db && c->ino != 0) {
        bool there = fstatat(st->dir_fd, c->name, &other, AT_SYMLINK_NOFOLLOW) == 0;
        if (!there || other.st_ino != c->ino || other.st_dev != c->dev) {
            st->gone = st->writer;
            return say(st, STORE_PLACE_GONE, "", err);
        }
    }
    if (place_path(st->dir_fd, now, sizeof now))
        return STORE_PLACE_SAME;
    bool same = strcmp(now, st->path) == 0 && stat(now, &other) == 0 && other.st_ino == dir.st_ino &&
                other.st_dev == dir.st_dev;
    return same ? STORE_PLACE_SAME : say(st, STORE_PLACE_MOVED, now, err);
}
