// RUN on a command line: see find_run.h.
#include "cmd/find_run.h"
#include "base/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool holds_run(const char *dir)
{
    char *path = NULL;
    struct stat st;
    bool there = asprintf(&path, "%s/run.db", dir) > 0 && lstat(path, &st) == 0 && S_ISREG(st.st_mode);
    free(path);
    return there;
}

// When a directory was made, in nanoseconds; its modification time where the file system does not keep births.
static long long born(const char *dir)
{
    struct statx sx;
    if (statx(AT_FDCWD, dir, AT_SYMLINK_NOFOLLOW, STATX_BTIME | STATX_MTIME, &sx))
        return -1;
    struct statx_timestamp t = sx.stx_mask & STATX_BTIME ? sx.stx_btime : sx.stx_mtime;
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static char *join(const char *dir, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", dir, name) > 0 ? path : NULL;
}

static char *find_last(const char *results_dir)
{
    DIR *d = opendir(results_dir);
    char *best = NULL;
    long long best_born = -1;
    struct dirent *entry;
    while (d && (entry = readdir(d))) {
        char *path = fs_name_ok(entry->d_name) ? join(results_dir, entry->d_name) : NULL;
        long long at = path && holds_run(path) ? born(path) : -1;
        if (at > best_born) {
            free(best);
            best = path;
            best_born = at;
            path = NULL;
        }
        free(path);
    }
    if (d)
        closedir(d);
    return best;
}

char *cmd_find_run(const char *results_dir, const char *word, struct seep_err *err)
{
    char *path = NULL;
    if (!word) {
        seep_fail(err, SEEP_E_USAGE, "Which run? Give a run id, a run directory, or last (seep runs lists them)");
        return NULL;
    }
    if (!strcmp(word, "last")) {
        path = find_last(results_dir);
        if (!path)
            seep_fail(err, SEEP_E_USAGE, "There is no run in '%.300s'", results_dir);
        return path;
    }
    path = strchr(word, '/') || !fs_name_ok(word) ? strdup(word) : join(results_dir, word);
    if (path && holds_run(path))
        return path;
    free(path);
    if (holds_run(word))
        return strdup(word);
    seep_fail(err, SEEP_E_USAGE, "There is no run '%.100s' in '%.300s' (seep runs lists them)", word, results_dir);
    return NULL;
}
