// Registers and kernel objects that hold addresses, and populated pages: see hold.h.
#include "linux/hold.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "linux/text.h"

int linux_memory_open(int proc_fd, pid_t pid, struct seep_err *err)
{
    char path[64];
    snprintf(path, sizeof path, "%d/mem", (int)pid);
    int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? text_fail(err, errno, pid, "mem") : fd;
}

static DIR *directory_of(int proc_fd, pid_t pid, const char *name, struct seep_err *err)
{
    char path[64];
    snprintf(path, sizeof path, "%d/%s", (int)pid, name);
    int fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        text_fail(err, errno, pid, name);
        if (fd >= 0)
            close(fd);
    }
    return dir;
}

// ---- threads

// "running", "-1 SP PC", or "NR ARG*6 SP PC".
static void parse_syscall(const char *text, struct linux_held_thread *t)
{
    unsigned long long v[8];
    long nr;
    int n = sscanf(text, "%ld %llx %llx %llx %llx %llx %llx %llx %llx", &nr, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
                   &v[6], &v[7]);
    if (n != 9 && !(n == 3 && nr == -1))
        return;
    t->blocked = n == 9;
    t->sp_known = true;
    t->sp = v[n - 3];
    t->pc = v[n - 2];
    for (int i = 0; t->blocked && i < 6; i++)
        t->arg[i] = v[i];
}

int linux_held_threads(int proc_fd, pid_t pid, linux_held_thread_fn *fn, void *arg, struct seep_err *err)
{
    DIR *dir = directory_of(proc_fd, pid, "task", err);
    if (!dir)
        return -1;
    int stop = 0;
    for (struct dirent *e; !stop && (e = readdir(dir)) != NULL;) {
        char path[300], text[256];
        struct linux_held_thread t = {.tid = atoi(e->d_name)};
        if (t.tid <= 0)
            continue;
        snprintf(path, sizeof path, "%s/syscall", e->d_name);
        if (text_read(dirfd(dir), path, text, sizeof text) > 0)
            parse_syscall(text, &t);
        stop = fn(&t, arg);
    }
    closedir(dir);
    return 0;
}

// ---- kernel objects

// "tfd:        5 events:       19 data:     7f3c5a0012a0  pos:0 ino:... "
static void epoll_data(const char *text, linux_held_fn *fn, void *arg)
{
    for (const char *line = text; (line = strstr(line, "tfd:")) != NULL; line += 4) {
        const char *data = strstr(line, "data:"), *end = strchr(line, '\n');
        unsigned long long value;
        if (data && (!end || data < end) && sscanf(data + 5, " %llx", &value) == 1)
            fn(LINUX_HELD_EPOLL, value, arg);
    }
}

// Every request in flight may hold the address of a buffer and one of the caller's own choice.
static uint64_t ring_in_flight(const char *text)
{
    const char *mask = strstr(text, "CqMask:");
    unsigned long long entries = 0;
    if (mask)
        sscanf(mask + 7, " %llx", &entries);
    return 2 * ((entries < 1u << 20 ? entries : 1u << 20) + 1);
}

// A whole fdinfo file; those of busy epoll instances are long. NULL when it cannot be read or is longer than 64 MiB.
static char *read_long(int dir_fd, const char *name)
{
    for (size_t size = 1u << 16; size <= 64u << 20; size *= 4) {
        char *text = malloc(size);
        ssize_t got = text ? text_read(dir_fd, name, text, size) : -1;
        if (got >= 0 && (size_t)got < size - 1)
            return text;
        free(text);
        if (got < 0)
            return NULL;
    }
    return NULL;
}

static void look_at_descriptor(int fd_dir, int info_dir, const char *name, linux_held_fn *fn, void *arg,
                               struct linux_held_summary *out)
{
    char target[64];
    ssize_t len = readlinkat(fd_dir, name, target, sizeof target - 1);
    target[len > 0 ? len : 0] = '\0';
    enum linux_fd_kind kind = linux_fd_classify(target);
    if (kind != LINUX_FD_EPOLL && kind != LINUX_FD_IO_URING)
        return;
    char *text = read_long(info_dir, name);
    if (kind == LINUX_FD_IO_URING)
        out->unseen += ring_in_flight(text ? text : "");
    else if (text)
        epoll_data(text, fn, arg);
    else
        out->epoll_seen = false;
    free(text);
}

// "ID: 0\nsignal: 60/00007fff86e452a8\nnotify: signal/pid.2634\n..."
static bool timers(int proc_fd, pid_t pid, linux_held_fn *fn, void *arg)
{
    char path[64];
    snprintf(path, sizeof path, "%d/timers", (int)pid);
    char *text = read_long(proc_fd, path);
    if (!text)
        return false;
    for (const char *line = text; (line = strstr(line, "signal:")) != NULL; line += 7) {
        unsigned long long value;
        if (sscanf(line + 7, " %*d/%llx", &value) == 1)
            fn(LINUX_HELD_TIMER, value, arg);
    }
    free(text);
    return true;
}

int linux_held_by_kernel(int proc_fd, pid_t pid, linux_held_fn *fn, void *arg, struct linux_held_summary *out,
                         struct seep_err *err)
{
    *out = (struct linux_held_summary){.epoll_seen = true};
    DIR *fds = directory_of(proc_fd, pid, "fd", err), *infos = fds ? directory_of(proc_fd, pid, "fdinfo", err) : NULL;
    for (struct dirent *e; infos && (e = readdir(fds)) != NULL;)
        if (e->d_name[0] != '.')
            look_at_descriptor(dirfd(fds), dirfd(infos), e->d_name, fn, arg, out);
    out->timers_seen = timers(proc_fd, pid, fn, arg);
    int rc = infos ? 0 : -1;
    if (infos)
        closedir(infos);
    if (fds)
        closedir(fds);
    return rc;
}

// ---- populated pages

#define PAGE_PRESENT (1ull << 63)
#define PAGE_SWAPPED (1ull << 62)
#define PAGE_FILE    (1ull << 61)

// The ioctl of Linux 6.7 (Documentation/admin-guide/mm/pagemap.rst), which older headers do not have. It passes over
// what has no page table at all, so that a reservation of a terabyte costs nothing.
struct scan_arg {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
struct scan_region {
    uint64_t start, end, categories;
};
#define PAGEMAP_SCAN_CALL _IOWR('f', 16, struct scan_arg)
#define SCAN_FILE         (1u << 2)
#define SCAN_PRESENT      (1u << 3)
#define SCAN_SWAPPED      (1u << 4)
#define SCAN_ZERO         (1u << 5) // the one page of zeros that stands where memory was read and never written to
#define SCAN_BATCH        256

int linux_pagemap_open(int proc_fd, pid_t pid, struct seep_err *err)
{
    char path[64];
    snprintf(path, sizeof path, "%d/pagemap", (int)pid);
    int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? text_fail(err, errno, pid, "pagemap") : fd;
}

static ssize_t by_ioctl(int fd, uint64_t start, uint64_t end, struct linux_run *runs, size_t max, uint64_t *next)
{
    struct scan_region found[SCAN_BATCH];
    struct scan_arg a = {.size = sizeof a,
                         .start = start,
                         .end = end,
                         .vec = (uint64_t)(uintptr_t)found,
                         .vec_len = max < SCAN_BATCH ? max : SCAN_BATCH,
                         .category_inverted = SCAN_ZERO, // not these: they count as resident nowhere
                         .category_mask = SCAN_ZERO,
                         .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
                         .return_mask = SCAN_PRESENT | SCAN_SWAPPED | SCAN_FILE};
    int n = ioctl(fd, PAGEMAP_SCAN_CALL, &a);
    if (n < 0)
        return -1;
    for (int i = 0; i < n; i++)
        runs[i] = (struct linux_run){.start = found[i].start,
                                     .end = found[i].end,
                                     .swapped = (found[i].categories & SCAN_SWAPPED) != 0,
                                     .file = (found[i].categories & SCAN_FILE) != 0};
    *next = a.walk_end < end ? a.walk_end : end;
    return n;
}

static bool extends(const struct linux_run *r, uint64_t at, uint64_t entry)
{
    return r->end == at && r->swapped == ((entry & PAGE_SWAPPED) != 0) && r->file == ((entry & PAGE_FILE) != 0);
}

static ssize_t by_reading(int fd, uint64_t start, uint64_t end, struct linux_run *runs, size_t max, uint64_t *next)
{
    uint64_t entries[2048], page = (uint64_t)sysconf(_SC_PAGESIZE);
    size_t n = 0;
    while (start < end) {
        uint64_t pages = (end - start) / page;
        size_t want = (pages < 2048 ? (size_t)pages : 2048) * sizeof *entries;
        ssize_t got = pread(fd, entries, want, (off_t)(start / page * sizeof *entries));
        if (got <= 0)
            return -1;
        for (size_t i = 0; i < (size_t)got / sizeof *entries; i++, start += page) {
            if (!(entries[i] & (PAGE_PRESENT | PAGE_SWAPPED)))
                continue;
            if (n > 0 && extends(&runs[n - 1], start, entries[i])) {
                runs[n - 1].end += page;
            } else if (n == max) {
                *next = start;
                return (ssize_t)n;
            } else {
                runs[n++] = (struct linux_run){.start = start,
                                               .end = start + page,
                                               .swapped = (entries[i] & PAGE_SWAPPED) != 0,
                                               .file = (entries[i] & PAGE_FILE) != 0};
            }
        }
    }
    *next = end;
    return (ssize_t)n;
}

ssize_t linux_populated(int pagemap_fd, uint64_t start, uint64_t end, struct linux_run *runs, size_t max,
                        uint64_t *next, struct seep_err *err)
{
    ssize_t n = by_ioctl(pagemap_fd, start, end, runs, max, next);
    if (n < 0 && (errno == ENOTTY || errno == EINVAL || errno == EOPNOTSUPP))
        n = by_reading(pagemap_fd, start, end, runs, max, next);
    return n < 0 ? seep_fail_errno(err, errno, "The populated pages cannot be read") : n;
}
