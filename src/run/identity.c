// The target's identity: see identity.h.
#include "run/identity.h"
#include "base/jsonw.h"
#include "linux/exe.h"
#include "linux/mem.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void write_file(struct jsonw *w, const char *shown, const char *open_path)
{
    struct linux_exe exe;
    char hex[2 * 64 + 1];
    uint8_t sum[32];
    int fd = open(open_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    jsonw_object(w, NULL);
    jsonw_string(w, "path", shown);
    if (fd >= 0 && linux_sha256_fd(fd, sum, NULL) == 0) {
        linux_hex(sum, sizeof sum, hex);
        jsonw_string(w, "sha256", hex);
    } else {
        jsonw_null(w, "sha256");
    }
    bool elf = fd >= 0 && linux_exe_read_fd(fd, shown, false, &exe, NULL) == 0 && exe.build_id_len > 0;
    if (elf)
        linux_hex(exe.build_id, exe.build_id_len, hex);
    jsonw_string(w, "build_id", elf ? hex : NULL);
    jsonw_end_object(w);
    if (fd >= 0)
        close(fd);
}

int identity_json(int proc_fd, pid_t pid, const struct profile *p, struct seep_buf *out, struct seep_err *err)
{
    struct files f = {0};
    struct jsonw w;
    char link[64], exe[PATH_MAX], open_path[PATH_MAX + 64];
    if (linux_maps_each(proc_fd, pid, note_file, &f, err) < 0)
        return -1;
    qsort(f.path, f.n, sizeof *f.path, by_name);
    snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
    ssize_t len = readlink(link, exe, sizeof exe - 1);
    exe[len > 0 ? len : 0] = 0;
    jsonw_init(&w, out, false);
    jsonw_array(&w, NULL);
    if (len > 0)
        write_file(&w, exe, link);
    for (size_t i = 0; i < f.n; i++) {
        snprintf(open_path, sizeof open_path, "/proc/%d/root%s", (int)pid, f.path[i]);
        if (strcmp(f.path[i], exe))
            write_file(&w, f.path[i], open_path);
        free(f.path[i]);
    }
    for (int i = 0; i < p->target.n_identity; i++)
        write_file(&w, p->target.identity[i], p->target.identity[i]);
    jsonw_end_array(&w);
    return buf_check(out, "The target's identity", err);
}
