// A fake /proc or /sys/fs/cgroup in a temporary directory, for tests of src/linux/.
#ifndef SEEP_TESTS_FAKE_TREE_H
#define SEEP_TESTS_FAKE_TREE_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fake {
    char dir[64];
    int fd;
};

static inline void fake_open(struct fake *f)
{
    snprintf(f->dir, sizeof f->dir, "/tmp/seep-fake-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(f->fd >= 0);
}

// Makes the directories of path, then the file.
static inline void fake_file(struct fake *f, const char *path, const char *text)
{
    char part[512];
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        mkdirat(f->fd, part, 0700);
    }
    int fd = openat(f->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static inline void fake_stat(struct fake *f, int pid, const char *name, char state, int ppid, int start)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "%d/stat", pid);
    snprintf(text, sizeof text,
             "%d (%s) %c %d %d %d 0 -1 4194304 11 12 13 14 150 160 17 18 20 0 3 0 %d 1000000 25 18446744073709551615 1 "
             "1 1\n",
             pid, name, state, ppid, pid, pid, start);
    fake_file(f, path, text);
}

static inline int fake_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void fake_close(struct fake *f)
{
    close(f->fd);
    nftw(f->dir, fake_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
