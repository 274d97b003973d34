// Files by directory descriptor: see fs.h.
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

bool fs_name_ok(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(name);
    return len >= 1 && len <= 64 && strspn(name, allowed) == len && !strchr("._-", name[0]);
}

static int make_parents(const char *path)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part) {
        errno = len ? ENAMETOOLONG : ENOENT;
        return -1;
    }
    memcpy(part, path, len + 1);
    for (char *p = part + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = 0;
        if (mkdir(part, 0755) && errno != EEXIST)
            return -1;
        *p = '/';
    }
    return mkdir(part, 0755) && errno != EEXIST ? -1 : 0;
}

static mode_t owner_bits_taken;

void fs_keep_owner_bits(void)
{
    mode_t mask = umask(077); // the only way to read it
    owner_bits_taken = mask & 0700;
    umask(mask & (mode_t)~0700);
}

unsigned fs_callers_umask(void)
{
    mode_t mask = umask(077);
    umask(mask);
    return mask | owner_bits_taken;
}

int fs_open_dir(const char *path, bool create, struct seep_err *err)
{
    if (create && make_parents(path))
        return seep_fail_errno(err, errno, "The directory '%.300s' cannot be made", path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return seep_fail_errno(err, errno, "The directory '%.300s' cannot be opened", path);
    return fd;
}

int fs_make_private_dir(int dir_fd, const char *name, struct seep_err *err)
{
    if (mkdirat(dir_fd, name, 0700))
        return seep_fail_errno(err, errno, "The directory '%.200s' cannot be made", name);
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return seep_fail_errno(err, errno, "The new directory '%.200s' cannot be opened", name);
    return fd;
}

// Opens an existing regular file below dir_fd for reading; symbolic links in the last component are refused.
static int fs_open_read(int dir_fd, const char *name, struct seep_err *err)
{
    // O_NONBLOCK: a FIFO in the file's place must not stop us before fstat has seen what it is.
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return seep_fail_errno(err, errno, "The file '%.300s' cannot be opened", name);
    struct stat st;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        return seep_fail(err, SEEP_E_SYSTEM, "'%.300s' is not a regular file", name);
    }
    return fd;
}

int fs_read_file(int dir_fd, const char *name, struct seep_buf *out, struct seep_err *err)
{
    int fd = fs_open_read(dir_fd, name, err);
    if (fd < 0)
        return -1;
    char chunk[16384];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        buf_add(out, chunk, (size_t)n);
        if (out->failed)
            break;
    }
    int saved = errno;
    close(fd);
    if (n < 0)
        return seep_fail_errno(err, saved, "The file '%.300s' cannot be read", name);
    return buf_check(out, name, err);
}

int fs_write_all(int fd, const void *data, size_t len, struct seep_err *err)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return seep_fail_errno(err, errno, "Writing %zu bytes failed", len);
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int fs_write_file(int dir_fd, const char *name, const void *data, size_t len, struct seep_err *err)
{
    char tmp[NAME_MAX + 1];
    if (snprintf(tmp, sizeof tmp, ".%.200s.%d.tmp", name, (int)getpid()) >= (int)sizeof tmp)
        return seep_fail(err, SEEP_E_SYSTEM, "The file name '%.100s' is too long", name);
    unlinkat(dir_fd, tmp, 0);
    int fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return seep_fail_errno(err, errno, "The file '%.200s' cannot be written", name);
    int rc = fs_write_all(fd, data, len, err);
    if (rc == 0 && fsync(fd))
        rc = seep_fail_errno(err, errno, "The file '%.200s' cannot be made durable", name);
    if (close(fd) && rc == 0)
        rc = seep_fail_errno(err, errno, "The file '%.200s' cannot be closed", name);
    if (rc == 0 && renameat(dir_fd, tmp, dir_fd, name))
        rc = seep_fail_errno(err, errno, "The file '%.200s' cannot be put in place", name);
    if (rc)
        unlinkat(dir_fd, tmp, 0);
    else
        fsync(dir_fd);
    return rc;
}

char *fs_prefix(struct seep_err *err)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) {
        seep_fail_errno(err, errno, "seep cannot find its own program through /proc/self/exe");
        return NULL;
    }
    path[n] = 0;
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(path, '/');
        if (!slash || slash == path)
            break;
        *slash = 0;
    }
    return strdup(path);
}

int fs_random_hex(char out[33], struct seep_err *err)
{
    unsigned char raw[16];
    for (size_t have = 0; have < sizeof raw;) {
        ssize_t n = getrandom(raw + have, sizeof raw - have, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return seep_fail_errno(err, errno, "The kernel gave no randomness");
        have += (size_t)n;
    }
    for (size_t i = 0; i < sizeof raw; i++)
        snprintf(out + 2 * i, 3, "%02x", raw[i]);
    return 0;
}
