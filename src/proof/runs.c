// What runs there are, at first sight: profile, program, times. A run that cannot be opened is counted and named, since
// what it would have said is not known.
#include "base/fs.h"
#include "proof/internal.h"
#include "report/names.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *meta(struct store *st, const char *key)
{
    char *value = NULL;
    return store_get_meta(st, key, &value, NULL) ? NULL : value;
}

static char *profile_name(struct store *st)
{
    char *dump = meta(st, M_PROFILE), *name = NULL;
    struct profile *p = NULL;
    if (dump && profile_parse(dump, strlen(dump), "(stored)", &p, NULL) == 0 && p->name)
        name = strdup(p->name);
    profile_free(p);
    free(dump);
    return name;
}

static void take_facts(struct store *st, struct proof_run *r)
{
    struct seep_time when = {0};
    char *reason = NULL, *json = NULL, *started = meta(st, M_STARTED);
    int code;
    r->profile = profile_name(st);
    r->sha256 = meta(st, M_TARGET_SHA256);
    r->build_id = meta(st, M_TARGET_BUILD_ID);
    r->identity = meta(st, M_TARGET_IDENTITY);
    r->started_ns = started ? strtoll(started, NULL, 10) : SEEP_UNKNOWN;
    if (store_read_end(st, &r->ended, &when, &reason, &code, &json, NULL))
        r->ended = false;
    r->ended_ns = r->ended ? when.real_ns : SEEP_UNKNOWN;
    free(started);
    free(reason);
    free(json);
}

static void free_run(struct proof_run *r)
{
    free(r->id);
    free(r->dir);
    free(r->profile);
    free(r->sha256);
    free(r->build_id);
    free(r->identity);
}

// 1: a run was read, 0: there is none, -1: there is one that cannot be opened.
static int read_run(int results_fd, const char *results_dir, const char *name, struct proof_run *r,
                    struct seep_err *err)
{
    struct stat stat;
    struct store *st = NULL;
    *r = (struct proof_run){.started_ns = SEEP_UNKNOWN, .ended_ns = SEEP_UNKNOWN};
    int fd = openat(results_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), answer = 0;
    if (fd >= 0 && fstatat(fd, "run.db", &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(stat.st_mode))
        answer = store_open_read(fd, &st, err) ? -1 : 1;
    if (answer == 1) {
        take_facts(st, r);
        r->id = strdup(name);
        if (!r->id || asprintf(&r->dir, "%s/%s", results_dir, name) < 0)
            r->dir = NULL;
    }
    store_close(st);
    if (fd >= 0)
        close(fd);
    return answer;
}

static int newest_first(const void *a, const void *b)
{
    const struct proof_run *x = a, *y = b;
    return (x->ended_ns < y->ended_ns) - (x->ended_ns > y->ended_ns);
}

static int add(struct proof_runs *runs, size_t *cap, const struct proof_run *r)
{
    if (runs->n == *cap) {
        size_t more = *cap ? 2 * *cap : 32;
        struct proof_run *list = realloc(runs->list, more * sizeof *list);
        if (!list)
            return -1;
        runs->list = list;
        *cap = more;
    }
    runs->list[runs->n++] = *r;
    return 0;
}

static void note_unreadable(struct proof_runs *runs, const char *name, const struct seep_err *why)
{
    if (runs->n_unreadable++ == 0 && asprintf(&runs->unreadable, "%s: %s", name, why->text) < 0)
        runs->unreadable = NULL;
}

int proof_list_runs(const char *results_dir, struct proof_runs *out, struct seep_err *err)
{
    *out = (struct proof_runs){0};
    int fd = fs_open_dir(results_dir, false, err), failed = 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    size_t cap = 0;
    if (!d)
        return -1;
    for (struct dirent *e; !failed && (e = readdir(d)) != NULL;) {
        struct proof_run r;
        struct seep_err why = {0};
        int got = fs_name_ok(e->d_name) ? read_run(dirfd(d), results_dir, e->d_name, &r, &why) : 0;
        if (got < 0)
            note_unreadable(out, e->d_name, &why);
        if (got == 1 && !r.profile) {
            seep_fail(&why, SEEP_E_CORRUPT, "it has no profile: it ended before it began, or is damaged");
            note_unreadable(out, e->d_name, &why);
        }
        if (got <= 0)
            continue;
        failed = !r.id || !r.dir || add(out, &cap, &r);
        if (failed)
            free_run(&r);
    }
    closedir(d);
    if (out->n > 0)
        qsort(out->list, out->n, sizeof *out->list, newest_first);
    if (!failed)
        return 0;
    proof_free_runs(out);
    return seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
}

void proof_free_runs(struct proof_runs *runs)
{
    for (size_t i = 0; i < runs->n; i++)
        free_run(&runs->list[i]);
    free(runs->list);
    free(runs->unreadable);
    *runs = (struct proof_runs){0};
}
