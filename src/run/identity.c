// The target's identity: see identity.h.
#include "run/identity.h"
#include "base/jsonw.h"
#include "linux/mem.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 256

struct files {
    char *path[FILES_MAX];
    size_t n;
};

static int note_file(const struct linux_map *map, void *arg)
{
    struct files *f = arg;
    if (map->perms[2] != 'x' || map->path[0] != '/' || strstr(map->path, "/libseep-probe"))
        return 0;
    for (size_t i = 0; i < f->n; i++)
        if (!strcmp(f->path[i], map->path))
            return 0;
    char *copy = strdup(map->path);
    if (!copy)
        return 1;
    f->path[f->n++] = copy;
    return f->n == FILES_MAX;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// Hashes and writes one file; *exe tells what it is.
static bool write_file(struct jsonw *w, const char *shown, int dir_fd, const char *open_path, struct linux_exe *exe)
{
    char hex[2 * 64 + 1];
    int fd = openat(dir_fd, open_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool read = fd >= 0 && linux_exe_read_fd(fd, shown, true, exe, NULL) == 0;
    bool hashed = read ? exe->have_sha256 : fd >= 0 && linux_sha256_fd(fd, exe->sha256, NULL) == 0;
    jsonw_object(w, NULL);
    jsonw_string(w, "path", shown);
    if (hashed)
        linux_hex(exe->sha256, sizeof exe->sha256, hex);
    jsonw_string(w, "sha256", hashed ? hex : NULL);
    bool named = read && exe->build_id_len > 0;
    if (named)
        linux_hex(exe->build_id, exe->build_id_len, hex);
    jsonw_string(w, "build_id", named ? hex : NULL);
    jsonw_end_object(w);
    if (fd >= 0)
        close(fd);
    return read;
}

// Which file the process runs. False when it cannot be seen: a zombie, another user's.
static bool stat_exe(int proc_fd, pid_t pid, struct stat *st)
{
    char link[64];
    snprintf(link, sizeof link, "%d/exe", (int)pid);
    return fstatat(proc_fd, link, st, 0) == 0;
}

bool identity_changed(const struct run_identity *id, int proc_fd, pid_t pid)
{
    struct stat st;
    return stat_exe(proc_fd, pid, &st) && (pid != id->pid || st.st_ino != id->ino || st.st_dev != id->dev);
}

int identity_read(int proc_fd, pid_t pid, const struct profile *p, struct run_identity *out, struct seep_err *err)
{
    struct files f = {0};
    struct jsonw w;
    struct linux_exe exe;
    char link[64], open_path[PATH_MAX + 64];
    struct stat st;
    if (stat_exe(proc_fd, pid, &st)) {
        out->pid = pid;
        out->dev = st.st_dev;
        out->ino = st.st_ino;
    }
    if (linux_maps_each(proc_fd, pid, note_file, &f, err) < 0)
        return -1;
    qsort(f.path, f.n, sizeof *f.path, by_name);
    snprintf(link, sizeof link, "%d/exe", (int)pid);
    ssize_t len = readlinkat(proc_fd, link, out->path, sizeof out->path - 1);
    out->path[len > 0 ? len : 0] = 0;
    buf_init(&out->json, 1u << 20);
    jsonw_init(&w, &out->json, false);
    jsonw_array(&w, NULL);
    if (len > 0) // the file itself, even if deleted
        out->known = write_file(&w, out->path, proc_fd, link, &out->exe);
    for (size_t i = 0; i < f.n; i++) {
        snprintf(open_path, sizeof open_path, "%d/root%s", (int)pid, f.path[i]);
        if (strcmp(f.path[i], out->path))
            write_file(&w, f.path[i], proc_fd, open_path, &exe);
        free(f.path[i]);
    }
    for (int i = 0; i < p->target.n_identity; i++)
        write_file(&w, p->target.identity[i], AT_FDCWD, p->target.identity[i], &exe);
    jsonw_end_array(&w);
    int failed = buf_check(&out->json, "The target's identity", err);
    if (failed)
        buf_free(&out->json);
    return failed;
}

void identity_free(struct run_identity *id)
{
    buf_free(&id->json);
    *id = (struct run_identity){0};
}
