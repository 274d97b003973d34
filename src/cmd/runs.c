// `seep runs`: what is in the results directory, and removing what is too old to keep.
//
// Only what certainly is an ended run of ours is ever removed: a directory with a run.db that has an end record, that
// nothing marks as kept, and that holds plain files only.
#include "base/clock.h"
#include "base/esc.h"
#include "base/fs.h"
#include "base/units.h"
#include "cmd/command.h"
#include "judge/verdict.h"
#include "profile/profile.h"
#include "report/names.h"
#include "store/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct runs_opts {
    const char *results;
    bool prune, dry_run;
    double keep_s;
};

static const struct cmd_option options[] = {
    {.name = "prune",
     .type = CMD_FLAG,
     .offset = offsetof(struct runs_opts, prune),
     .help = "remove ended runs that are older than their own profile's run.keep, or else than --keep"},
    {.name = "keep",
     .arg = "TIME",
     .type = CMD_DURATION,
     .offset = offsetof(struct runs_opts, keep_s),
     .help = "with --prune: how old a run may be, e.g. 30d; a run whose own profile has run.keep goes by that"},
    {.name = "dry-run",
     .type = CMD_FLAG,
     .offset = offsetof(struct runs_opts, dry_run),
     .help = "with --prune: only say what would be removed"},
    CMD_OPTION_RESULTS(struct runs_opts, results),
    {0},
};

static const char *const description[] = {
    "Lists the runs of the results directory, the oldest first: id, verdict, exit code, when it began, how long it "
    "measured, profile and command.",
    "--prune removes old runs and says how many bytes that freed. A run's age counts from its end. Baselines, sealed "
    "runs, runs that have not ended, and anything that is not plainly a run of seep are never removed.",
    NULL,
};

static const struct cmd_example examples[] = {
    {"seep runs", "what there is"},
    {"seep runs --prune --keep 30d --dry-run", "what removing all that is older than a month would free"},
    {"seep runs --prune --keep 30d", "remove it"},
    {0},
};

static int run(int argc, char **argv, void *opts);

const struct cmd_command cmd_runs = {
    .name = "runs",
    .summary = "list runs, and prune old ones",
    .usage = "",
    .description = description,
    .options = options,
    .examples = examples,
    .opts_size = sizeof(struct runs_opts),
    .run = run,
};

struct entry {
    char *id;
    char *verdict, *headline, *profile, *command; // malloc'ed or NULL
    int exit_code;
    bool ended, kept, readable;
    int64_t started_ns, ended_ns;
    double keep_s; // of its own profile
};

static void entry_free(struct entry *e)
{
    free(e->id);
    free(e->verdict);
    free(e->headline);
    free(e->profile);
    free(e->command);
}

static char *copy_member(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? strdup(value) : NULL;
}

// The end record holds verdict.json as it was written; its head is all that a list needs.
static void take_end(struct entry *e, struct store *st)
{
    struct seep_time when = {0};
    char *reason = NULL, *text = NULL;
    if (store_read_end(st, &e->ended, &when, &reason, &e->exit_code, &text, NULL))
        e->ended = false;
    json_t *verdict = e->ended && text ? json_loads(text, 0, NULL) : NULL;
    if (e->ended)
        e->ended_ns = when.real_ns;
    e->verdict = copy_member(verdict, "verdict");
    e->headline = copy_member(verdict, "headline");
    json_decref(verdict);
    free(reason);
    free(text);
}

static void take_command(struct entry *e, const char *argv_json)
{
    struct seep_buf line;
    size_t i;
    json_t *word, *argv = argv_json ? json_loads(argv_json, 0, NULL) : NULL;
    buf_init(&line, 4096);
    json_array_foreach(argv, i, word)
    {
        buf_str(&line, i ? " " : "");
        buf_str(&line, json_string_value(word) ? json_string_value(word) : "?");
    }
    e->command = line.data ? strdup(line.data) : NULL;
    buf_free(&line);
    json_decref(argv);
}

static void take_profile(struct entry *e, const char *dump)
{
    struct profile *p = NULL;
    e->keep_s = PROFILE_AUTO;
    if (!dump || profile_parse(dump, strlen(dump), "(stored)", &p, NULL))
        return;
    e->profile = p->name ? strdup(p->name) : NULL;
    e->keep_s = p->run.keep_s;
    profile_free(p);
}

static char *meta(struct store *st, const char *key)
{
    char *value = NULL;
    return store_get_meta(st, key, &value, NULL) ? NULL : value;
}

static void take_facts(struct entry *e, struct store *st)
{
    char *profile = meta(st, M_PROFILE), *argv = meta(st, M_ARGV), *started = meta(st, M_STARTED);
    char *sealed = meta(st, M_SEALED), *baseline = meta(st, M_BASELINE);
    take_profile(e, profile);
    take_command(e, argv);
    e->started_ns = started ? strtoll(started, NULL, 10) : SEEP_UNKNOWN;
    e->kept = sealed || baseline;
    free(profile);
    free(argv);
    free(started);
    free(sealed);
    free(baseline);
}

// Reads one run; false when the directory holds none.
static bool read_entry(int results_fd, const char *name, struct entry *e)
{
    *e = (struct entry){.started_ns = SEEP_UNKNOWN, .ended_ns = SEEP_UNKNOWN, .keep_s = PROFILE_AUTO};
    int fd = openat(results_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    bool there = fd >= 0 && fstatat(fd, "run.db", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
    struct store *store = NULL;
    if (there && store_open_read(fd, &store, NULL) == 0) {
        e->readable = true;
        take_end(e, store);
        take_facts(e, store);
    }
    store_close(store);
    if (fd >= 0)
        close(fd);
    if (there)
        e->id = strdup(name);
    return there && e->id;
}

static int by_start(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->started_ns != y->started_ns)
        return x->started_ns < y->started_ns ? -1 : 1;
    return strcmp(x->id, y->id);
}

static int list_runs(int results_fd, struct entry **out, size_t *n, struct seep_err *err)
{
    int fd = openat(results_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    size_t room = 0;
    struct dirent *d;
    *out = NULL;
    *n = 0;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return seep_fail(err, SEEP_E_SYSTEM, "The results directory cannot be read");
    }
    while ((d = readdir(dir))) {
        if (*n == room) {
            struct entry *more = realloc(*out, (room = room * 2 + 16) * sizeof **out);
            if (!more)
                break;
            *out = more;
        }
        if (!fs_name_ok(d->d_name))
            continue;
        if (read_entry(results_fd, d->d_name, &(*out)[*n]))
            ++*n;
        else
            entry_free(&(*out)[*n]);
    }
    closedir(dir);
    if (*n)
        qsort(*out, *n, sizeof **out, by_start);
    return 0;
}

static const char *state_of(const struct entry *e)
{
    return !e->readable ? "unreadable" : !e->ended ? "no end" : e->verdict ? e->verdict : "ended";
}

static void print_entry(const struct entry *e)
{
    char when[32], length[32] = "";
    struct seep_buf safe;
    buf_init(&safe, 65536);
    if (e->command)
        esc_term(&safe, e->command, strlen(e->command));
    if (e->ended && e->started_ns != SEEP_UNKNOWN)
        units_duration(length, sizeof length, (double)(e->ended_ns - e->started_ns) / 1e9);
    printf("%-24s %-14s", e->id, state_of(e));
    if (e->ended)
        printf("%3d  ", e->exit_code);
    else
        printf("  -  ");
    printf("%-20s  %7s  %-14s %.80s%s\n", clock_iso8601(when, e->started_ns), length, e->profile ? e->profile : "-",
           safe.len ? safe.data : "", e->kept ? "  [kept]" : "");
    buf_free(&safe);
}

// ---- pruning --------------------------------------------------------------------------------------------------------

// Only plain files; a directory with anything else is left alone. *bytes becomes what they take on the disk.
static int only_files(DIR *dir, double *bytes)
{
    struct dirent *d;
    struct stat st;
    *bytes = 0;
    while ((d = readdir(dir))) {
        if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
            continue;
        if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) || S_ISDIR(st.st_mode))
            return 0;
        *bytes += (double)st.st_blocks * 512;
    }
    rewinddir(dir);
    return 1;
}

static int unlink_files(DIR *dir)
{
    struct dirent *d;
    int failed = 0;
    while (!failed && (d = readdir(dir)))
        if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
            failed = unlinkat(dirfd(dir), d->d_name, 0);
    return failed;
}

// With dry_run only says what it would free.
static int remove_run(int results_fd, const char *id, bool dry_run, double *bytes, struct seep_err *err)
{
    int fd = openat(results_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return seep_fail(err, SEEP_E_SYSTEM, "Run '%s' cannot be opened for removal", id);
    }
    if (!only_files(dir, bytes)) {
        closedir(dir);
        return seep_fail(err, SEEP_E_UNSUPPORTED, "Run '%s' holds a directory that is not seep's; it is left alone",
                         id);
    }
    int failed = dry_run ? 0 : unlink_files(dir);
    closedir(dir);
    if (failed || (!dry_run && unlinkat(results_fd, id, AT_REMOVEDIR)))
        return seep_fail(err, SEEP_E_SYSTEM, "Run '%s' cannot be removed completely", id);
    return 0;
}

// What a run's own profile says about it wins; "forever" is larger than any age.
static bool too_old(const struct entry *e, double keep_s)
{
    double limit = e->keep_s != PROFILE_AUTO ? e->keep_s : keep_s;
    if (!e->readable || !e->ended || e->kept || !(limit > 0))
        return false;
    return (double)(clock_read().real_ns - e->ended_ns) / 1e9 > limit;
}

// Looked at once more just before it goes: it may have become a baseline or evidence since the list was made.
static bool still_too_old(int results_fd, const char *id, double keep_s)
{
    struct entry now;
    bool old = read_entry(results_fd, id, &now) && too_old(&now, keep_s);
    entry_free(&now);
    return old;
}

static int prune(int results_fd, const struct entry *list, size_t n, const struct runs_opts *o)
{
    struct seep_err err = {0};
    size_t removed = 0, kept = 0;
    double bytes = 0, freed = 0;
    char size[32];
    int status = CMD_PASS;
    for (size_t i = 0; i < n; i++) {
        kept += list[i].kept || isinf(list[i].keep_s);
        if (!too_old(&list[i], o->keep_s) || !still_too_old(results_fd, list[i].id, o->keep_s))
            continue;
        if (remove_run(results_fd, list[i].id, o->dry_run, &bytes, &err)) {
            status = cmd_fail(&err);
            continue;
        }
        printf("%s %s (%s)\n", o->dry_run ? "would remove" : "removed", list[i].id,
               units_bytes(size, sizeof size, bytes));
        removed++;
        freed += bytes;
    }
    printf("%zu of %zu runs %s, %s; %zu kept for ever as baseline or evidence, or as they say\n", removed, n,
           o->dry_run ? "would be removed" : "removed", units_bytes(size, sizeof size, freed), kept);
    return status;
}

static int run(int argc, char **argv, void *opts)
{
    const struct runs_opts *o = opts;
    struct seep_err err = {0};
    struct entry *list;
    size_t n;
    if (argc > 0)
        return cmd_usage_error("runs", "there is nothing to say about '%s' (see seep report)", argv[0]);
    if (!o->prune && (o->keep_s > 0 || o->dry_run))
        return cmd_usage_error("runs", "--keep and --dry-run go with --prune");
    int fd = fs_open_dir(cmd_results_dir(o->results), false, &err);
    if (fd < 0 || list_runs(fd, &list, &n, &err)) {
        if (fd >= 0)
            close(fd);
        return cmd_fail(&err);
    }
    int status = CMD_PASS;
    if (o->prune)
        status = prune(fd, list, n, o);
    else
        for (size_t i = 0; i < n; i++)
            print_entry(&list[i]);
    if (!o->prune && n == 0)
        printf("There are no runs in '%s'.\n", cmd_results_dir(o->results));
    for (size_t i = 0; i < n; i++)
        entry_free(&list[i]);
    free(list);
    close(fd);
    return status;
}
