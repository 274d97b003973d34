// Which files the client opens for the resolver: see client.h.
//
// A path comes from the target and may name anything: a FIFO that blocks, a device whose opening acts, a procfs file.
// So it is first pinned with O_PATH, which neither blocks nor acts, looked at, and only then opened for reading. Names
// of debug files come out of ELF files: build-ids become hexadecimal digits, a debug link must be a plain file name.
// Whether a debug file really belongs to the program is checked by the resolver, not here.
#include "resolve/client.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

static bool is_kernel_fs(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 && (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC);
}

// NULL when the descriptor may be read from, else why not.
static const char *objection(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return "The path does not name a regular file.";
    if (is_kernel_fs(fd))
        return "The path names a file of the kernel, not a program.";
    if (st.st_size == 0)
        return "The file is empty.";
    return NULL;
}

static int reopen(int pinned, char *reason, size_t size)
{
    const char *why = objection(pinned);
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", pinned);
    int fd = why ? -1 : open(self, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (why)
        snprintf(reason, size, "%s", why);
    else if (fd < 0)
        snprintf(reason, size, "The file cannot be opened: %s.", strerror(errno));
    return fd;
}

// follow: the path is our own configuration's, where symbolic links are usual.
static int open_checked(const char *path, bool follow, char *reason, size_t size)
{
    int pinned = open(path, O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
    struct stat st;
    // The links of procfs (exe, map_files) lead straight to the mapped file, whatever its name is by now.
    if (pinned >= 0 && fstat(pinned, &st) == 0 && S_ISLNK(st.st_mode) && is_kernel_fs(pinned)) {
        close(pinned);
        pinned = open(path, O_PATH | O_CLOEXEC);
    }
    if (pinned < 0) {
        snprintf(reason, size, "The file cannot be opened: %s.", strerror(errno));
        return -1;
    }
    int fd = reopen(pinned, reason, size);
    close(pinned);
    return fd;
}

// The kernel maps the same page into every process of a kind, so our own serves.
static int open_vdso(char *reason, size_t size)
{
    const unsigned char *image = (const unsigned char *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
    int fd = image ? memfd_create("vdso", MFD_CLOEXEC) : -1;
    if (fd < 0) {
        snprintf(reason, size, "This machine gives programs no vdso.");
        return -1;
    }
    // The section headers lie at its end: their place gives the length.
    uint64_t headers;
    uint16_t entry, count;
    memcpy(&headers, image + 40, sizeof headers);
    memcpy(&entry, image + 58, sizeof entry);
    memcpy(&count, image + 60, sizeof count);
    size_t len = (size_t)headers + (size_t)entry * count;
    if (len < 64 || len > 1 << 20 || write(fd, image, len) != (ssize_t)len) {
        close(fd);
        snprintf(reason, size, "The vdso cannot be copied.");
        return -1;
    }
    return fd;
}

int files_open_module(const struct resolve_module *m, char *reason, size_t size)
{
    if (m->kind == RESOLVE_VDSO)
        return open_vdso(reason, size);
    if (m->fd >= 0) {
        const char *why = objection(m->fd);
        int fd = why ? -1 : fcntl(m->fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
            snprintf(reason, size, "%s", why ? why : "There is no free file descriptor.");
        return fd;
    }
    const char *path = m->open_path ? m->open_path : m->path;
    if (!path || path[0] != '/') {
        snprintf(reason, size, "The code belongs to no file with an absolute path.");
        return -1;
    }
    return open_checked(path, false, reason, size);
}

static void hex(const uint8_t *id, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++)
        sprintf(out + 2 * i, "%02x", id[i]);
}

static int open_by_build_id(const char *root, const uint8_t *id, size_t len)
{
    char digits[2 * RESOLVE_BUILD_ID_MAX + 1], path[RESOLVE_PATH_MAX], why[8];
    if (len < 2)
        return -1;
    hex(id, len, digits);
    int n = snprintf(path, sizeof path, "%s/.build-id/%.2s/%s.debug", root, digits, digits + 2);
    return n > 0 && (size_t)n < sizeof path ? open_checked(path, true, why, sizeof why) : -1;
}

static int open_by_link(const char *root, const char *module_path, const char *middle, const char *link)
{
    char path[RESOLVE_PATH_MAX], why[8];
    const char *slash = module_path ? strrchr(module_path, '/') : NULL;
    if (!slash || module_path[0] != '/' || link[0] == '\0' || strchr(link, '/') || strcmp(link, "..") == 0 ||
        strcmp(link, ".") == 0)
        return -1;
    int n = snprintf(path, sizeof path, "%s%.*s%s/%s", root, (int)(slash - module_path), module_path, middle, link);
    return n > 0 && (size_t)n < sizeof path ? open_checked(path, root[0] != '\0', why, sizeof why) : -1;
}

// By build-id from the servers of $DEBUGINFOD_URLS, or -1. Loaded at run time: a machine without the library loses only
// this option.
static int from_debuginfod(const uint8_t *build_id, size_t len)
{
    if (len == 0 || !getenv("DEBUGINFOD_URLS"))
        return -1;
    void *lib = dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return -1;
    void *(*begin)(void);
    int (*find)(void *, const unsigned char *, int, char **);
    void (*end)(void *);
    *(void **)&begin = dlsym(lib, "debuginfod_begin");
    *(void **)&find = dlsym(lib, "debuginfod_find_debuginfo");
    *(void **)&end = dlsym(lib, "debuginfod_end");
    int fd = -1;
    void *client = begin && find && end ? begin() : NULL;
    if (client) {
        fd = find(client, build_id, (int)len, NULL);
        end(client);
    }
    // Not closed: the library leaves threads and curl's state behind.
    return fd >= 0 ? fd : -1;
}

// The directories of GDB's manual, in its order: build-ids below each root, then next to the program, its .debug, and
// the program's directory below each root.
int files_next_debug(const struct resolve *r, const struct resolve_module *m, const struct proto_loaded *main_file,
                     int *step)
{
    int roots = (int)r->n_debug_roots;
    for (;;) {
        int i = (*step)++, fd;
        if (i < roots) {
            fd = open_by_build_id(r->debug_roots[i], main_file->build_id, main_file->build_id_len);
        } else if (i < roots + 4) {
            // Seen from inside the target's own file system first, where the caller gave that.
            bool inside = i < roots + 2;
            fd = open_by_link("", inside ? m->open_path : m->path, (i - roots) % 2 ? "/.debug" : "", main_file->link);
        } else if (i < 2 * roots + 4) {
            fd = open_by_link(r->debug_roots[i - roots - 4], m->path, "", main_file->link);
        } else if (i == 2 * roots + 4 && r->debuginfod) {
            fd = from_debuginfod(main_file->build_id, main_file->build_id_len);
        } else {
            *step = -1;
            return -1;
        }
        if (fd >= 0)
            return fd;
    }
}

int files_alt(const struct resolve *r, const struct proto_loaded *debug_file)
{
    const char *dwz = strstr(debug_file->alt, "/.dwz/");
    for (size_t i = 0; i < r->n_debug_roots; i++) {
        int fd = open_by_build_id(r->debug_roots[i], debug_file->alt_id, debug_file->alt_id_len);
        char path[RESOLVE_PATH_MAX], why[8];
        if (fd < 0 && dwz && !strstr(dwz, "/../")) {
            snprintf(path, sizeof path, "%s%s", r->debug_roots[i], dwz);
            fd = open_checked(path, true, why, sizeof why);
        }
        if (fd >= 0)
            return fd;
    }
    return r->debuginfod ? from_debuginfod(debug_file->alt_id, debug_file->alt_id_len) : -1;
}

static int open_joined(const char *root, const char *dir, size_t dir_len, const char *name)
{
    char path[RESOLVE_PATH_MAX], why[8];
    int n = snprintf(path, sizeof path, "%s%.*s%s%s", root, (int)dir_len, dir, dir_len ? "/" : "", name);
    return n > 0 && (size_t)n < sizeof path && path[0] == '/' ? open_checked(path, root[0] != '\0', why, sizeof why)
                                                              : -1;
}

// Where the compiler wrote it; then beside the program, under its full relative name and its last part: build trees are
// moved, and installed programs carry their split files along; then the first below each root.
int files_next_split(const struct resolve *r, const struct resolve_module *m, const struct proto_split *split,
                     int *step)
{
    const char *path = m->path ? m->path : "", *slash = strrchr(path, '/'), *last = strrchr(split->name, '/');
    size_t beside = slash ? (size_t)(slash - path) : 0, dir = strlen(split->dir);
    bool absolute = split->name[0] == '/';
    for (;;) {
        int i = (*step)++, fd = -1;
        if (i == 0)
            fd = open_joined("", split->dir, absolute ? 0 : dir, split->name);
        else if (i == 1 && slash && !absolute)
            fd = open_joined("", path, beside, split->name);
        else if (i == 2 && slash && last)
            fd = open_joined("", path, beside, last + 1);
        else if (i >= 3 && (size_t)i < 3 + r->n_debug_roots)
            fd = open_joined(r->debug_roots[i - 3], split->dir, absolute ? 0 : dir, split->name);
        else if (i >= 3) {
            *step = -1;
            return -1;
        }
        if (fd >= 0)
            return fd;
    }
}

int files_package(const struct resolve *r, const struct resolve_module *m)
{
    char name[RESOLVE_PATH_MAX];
    int fd = -1, n = snprintf(name, sizeof name, "%s.dwp", m->path ? m->path : "");
    if (n < 0 || (size_t)n >= sizeof name || name[0] != '/')
        return -1;
    fd = open_joined("", "", 0, name);
    for (size_t i = 0; i < r->n_debug_roots && fd < 0; i++)
        fd = open_joined(r->debug_roots[i], "", 0, name);
    return fd;
}
