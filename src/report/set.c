// Every format of a run as one directory, for a CI system to keep: see report_write_set().
//
// The files are written into a directory of a temporary name beside the wanted one, which then takes its place in one
// step; so a reader finds the whole old set, the whole new one, or none. What is replaced is removed only when every
// name in it is one that this file writes.
#include "base/fs.h"
#include "base/jsonw.h"
#include "linux/exe.h"
#include "report/compare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX "index.json"

enum { PATH_PARTS_MAX = 4096, INDEX_MAX = 64 * 1024 };

static bool is_name_of_ours(const char *name)
{
    for (const struct report_format *f = report_formats; f->name != NULL; f++)
        if (strcmp(f->file, name) == 0)
            return true;
    return strcmp(name, INDEX) == 0;
}

static DIR *list(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (fd >= 0 && dir == NULL)
        close(fd);
    return dir;
}

// What stands under that name may be replaced: nothing, an empty directory, or a set of ours.
static int may_replace(int dir_fd, const char *name, bool *exists, struct seep_err *err)
{
    struct stat st;
    struct dirent *d;
    size_t n = 0;
    bool has_index = false;
    *exists = fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (!*exists)
        return 0;
    DIR *dir = S_ISDIR(st.st_mode) ? list(dir_fd, name) : NULL;
    if (dir == NULL)
        return seep_fail(err, SEEP_E_USAGE, "'%.200s' is there and is not a directory that can be read", name);
    char other[256] = "";
    while ((d = readdir(dir)) != NULL) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        n++;
        has_index |= strcmp(d->d_name, INDEX) == 0;
        if (!is_name_of_ours(d->d_name))
            snprintf(other, sizeof other, "%s", d->d_name);
    }
    closedir(dir);
    if (other[0] != '\0')
        return seep_fail(err, SEEP_E_USAGE,
                         "'%.160s' holds '%.100s', which is no part of a report: name another directory", name, other);
    if (n > 0 && !has_index)
        return seep_fail(err, SEEP_E_USAGE, "'%.200s' holds files and no " INDEX ": name another directory", name);
    return 0;
}

static void remove_set(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        for (const struct report_format *f = report_formats; f->name != NULL; f++)
            unlinkat(fd, f->file, 0);
        unlinkat(fd, INDEX, 0);
        close(fd);
    }
    unlinkat(dir_fd, name, AT_REMOVEDIR);
}

// ---- writing --------------------------------------------------------------------------------------------------------

static int put_row(struct jsonw *w, const struct report_format *f, const struct seep_buf *file, struct seep_err *err)
{
    uint8_t digest[32];
    char hex[65];
    if (linux_sha256(file->len == 0 ? "" : file->data, file->len, digest, err))
        return -1;
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    jsonw_object(w, NULL);
    jsonw_string(w, "format", f->name);
    jsonw_string(w, "file", f->file);
    jsonw_string(w, "about", f->about);
    jsonw_int(w, "bytes", (int64_t)file->len);
    jsonw_string(w, "sha256", hex);
    jsonw_end_object(w);
    return 0;
}

static int write_one(const struct report_format *f, const struct report *r, const struct compare *since,
                     const struct report_style *style, int fd, struct jsonw *index, struct seep_err *err)
{
    struct seep_buf out;
    buf_init(&out, f->ceiling_bytes);
    int failed = report_write(f, r, since, style, &out, err);
    if (!failed)
        failed = fs_write_file(fd, f->file, out.len == 0 ? "" : out.data, out.len, err);
    if (!failed)
        failed = put_row(index, f, &out, err);
    buf_free(&out);
    return failed;
}

static int write_files(const struct report *r, const struct compare *since, const struct report_style *style, int fd,
                       struct seep_err *err)
{
    struct seep_buf index;
    struct jsonw w;
    int failed = 0;
    buf_init(&index, INDEX_MAX);
    jsonw_init(&w, &index, true);
    jsonw_object(&w, NULL);
    jsonw_string(&w, "schema", "seep.reports/1");
    jsonw_string(&w, "run", r->run);
    jsonw_string(&w, "base", since == NULL ? NULL : since->base->run);
    jsonw_string(&w, "verdict", judge_final_name(r->final.verdict));
    jsonw_int(&w, "exit_code", r->final.exit_code);
    jsonw_array(&w, "files");
    for (const struct report_format *f = report_formats; !failed && f->name != NULL; f++)
        failed = write_one(f, r, since, style, fd, &w, err);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    buf_char(&index, '\n');
    if (!failed)
        failed = buf_check(&index, INDEX, err) || fs_write_file(fd, INDEX, index.data, index.len, err) ? -1 : 0;
    buf_free(&index);
    return failed;
}

// ---- taking the place -----------------------------------------------------------------------------------------------

// Exchanges the two names, in one step where the file system can.
static int exchange(int dir_fd, const char *fresh, const char *name, struct seep_err *err)
{
    char aside[300];
    if (renameat2(dir_fd, fresh, dir_fd, name, RENAME_EXCHANGE) == 0)
        return 0;
    snprintf(aside, sizeof aside, "%s.old", fresh);
    if (renameat(dir_fd, name, dir_fd, aside) != 0)
        return seep_fail_errno(err, errno, "'%.200s' cannot be replaced", name);
    if (renameat(dir_fd, fresh, dir_fd, name) != 0) {
        int saved = errno;
        renameat(dir_fd, aside, dir_fd, name);
        return seep_fail_errno(err, saved, "'%.200s' cannot be replaced", name);
    }
    renameat(dir_fd, aside, dir_fd, fresh);
    return 0;
}

static int take_place(int dir_fd, const char *fresh, const char *name, bool exists, struct seep_err *err)
{
    if (exists) {
        if (exchange(dir_fd, fresh, name, err))
            return -1;
        remove_set(dir_fd, fresh); // now the old one
    } else if (renameat(dir_fd, fresh, dir_fd, name) != 0) {
        return seep_fail_errno(err, errno, "'%.200s' cannot be made", name);
    }
    return fsync(dir_fd) == 0 ? 0 : seep_fail_errno(err, errno, "'%.200s' cannot be made durable", name);
}

static int write_beside(const struct report *r, const struct compare *since, const struct report_style *style,
                        int dir_fd, const char *name, struct seep_err *err)
{
    char random[33], fresh[64];
    bool exists;
    if (may_replace(dir_fd, name, &exists, err) || fs_random_hex(random, err))
        return -1;
    snprintf(fresh, sizeof fresh, ".seep-report-%.16s", random);
    int fd = fs_make_private_dir(dir_fd, fresh, err);
    if (fd < 0)
        return -1;
    int failed = write_files(r, since, style, fd, err);
    close(fd);
    if (!failed)
        failed = take_place(dir_fd, fresh, name, exists, err);
    if (failed)
        remove_set(dir_fd, fresh);
    return failed;
}

int report_write_set(const struct report *r, const struct compare *since, const struct report_style *style,
                     const char *path, struct seep_err *err)
{
    char parent[PATH_PARTS_MAX];
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    if (len == 0 || len >= sizeof parent)
        return seep_fail(err, SEEP_E_USAGE, "'%.100s' is not the name of a directory", path);
    memcpy(parent, path, len);
    parent[len] = '\0';
    char *slash = strrchr(parent, '/');
    const char *own = slash == NULL ? parent : slash + 1;
    char name[NAME_MAX + 1];
    if (strlen(own) >= sizeof name || own[0] == '\0' || strcmp(own, ".") == 0 || strcmp(own, "..") == 0)
        return seep_fail(err, SEEP_E_USAGE, "'%.100s' is not the name of a directory of its own", path);
    memcpy(name, own, strlen(own) + 1);
    if (slash != NULL)
        slash[1] = '\0';
    int fd = fs_open_dir(slash == NULL ? "." : parent, true, err);
    if (fd < 0)
        return -1;
    int failed = write_beside(r, since, style, fd, name, err);
    close(fd);
    return failed;
}
