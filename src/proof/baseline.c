// The file of baselines: see baseline.h.
#include "proof/baseline.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/jsonw.h"
#include "linux/exe.h"
#include "report/names.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 16 << 20 };

static char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

static void free_entry(struct baseline_entry *e)
{
    free(e->run);
    free(e->how);
    free(e->reason);
    free(e->by);
    free(e->sha256);
    free(e->build_id);
}

void baseline_free(struct baselines *all)
{
    for (size_t i = 0; all && i < all->n; i++) {
        struct baseline *b = &all->list[i];
        for (size_t k = 0; k < b->n; k++)
            free_entry(&b->entries[k]);
        free(b->entries);
        free(b->profile);
        free(b->target);
    }
    if (!all)
        return;
    if (all->dir_fd >= 0)
        close(all->dir_fd);
    if (all->lock_fd >= 0)
        close(all->lock_fd);
    free(all->list);
    free(all);
}

// Over what the entry says, whose it is, and the seal of the one before.
static int seal_of(const struct baseline *b, const struct baseline_entry *e, const char *before, char seal[65])
{
    struct seep_buf text;
    struct jsonw w;
    uint8_t sum[32];
    buf_init(&text, 1u << 20);
    jsonw_init(&w, &text, false);
    jsonw_array(&w, NULL);
    const char *const parts[] = {before,    b->profile, b->target, e->run,     e->how,
                                 e->reason, e->by,      e->sha256, e->build_id};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        jsonw_string(&w, NULL, parts[i]);
    jsonw_int(&w, NULL, e->at_ns);
    jsonw_end_array(&w);
    int failed = text.failed || linux_sha256(text.data, text.len, sum, NULL);
    if (!failed)
        linux_hex(sum, sizeof sum, seal);
    buf_free(&text);
    return failed ? -1 : 0;
}

static const char *member(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static int take_entry(struct baseline *b, size_t k, const json_t *o)
{
    struct baseline_entry *e = &b->entries[k];
    const char *seal = member(o, "seal");
    char right[65];
    *e = (struct baseline_entry){.run = copy(member(o, "run")),
                                 .how = copy(member(o, "how")),
                                 .reason = copy(member(o, "reason")),
                                 .by = copy(member(o, "by")),
                                 .sha256 = copy(member(o, "sha256")),
                                 .build_id = copy(member(o, "build_id")),
                                 .at_ns = json_integer_value(json_object_get(o, "at_ns"))};
    b->n++;
    if (!e->run || !fs_name_ok(e->run) || !e->how || !seal || strlen(seal) != 64)
        return -1;
    if (seal_of(b, e, k > 0 ? b->entries[k - 1].seal : NULL, right) || strcmp(seal, right))
        return -1;
    memcpy(e->seal, seal, sizeof e->seal);
    return 0;
}

static int take_baseline(struct baseline *b, const json_t *o, struct seep_err *err)
{
    const json_t *history = json_object_get(o, "history");
    size_t n = json_array_size(history);
    *b = (struct baseline){.profile = copy(member(o, "profile")), .target = copy(member(o, "target"))};
    b->entries = calloc(n + 1, sizeof *b->entries);
    if (!b->profile || !b->target || !b->entries || n == 0)
        return seep_fail(err, SEEP_E_CORRUPT, "'%s' holds a baseline without profile, target or history",
                         BASELINE_FILE);
    for (size_t k = 0; k < n; k++)
        if (take_entry(b, k, json_array_get(history, k)))
            return seep_fail(
                err, SEEP_E_CORRUPT,
                "The history of baselines in '%s' was changed by hand: entry %zu of profile '%.60s' does not "
                "follow from the one before. Put the file back, or move it away and accept a baseline anew",
                BASELINE_FILE, k + 1, b->profile);
    return 0;
}

static int take_all(struct baselines *all, const char *text, struct seep_err *err)
{
    json_error_t why;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    const json_t *list = json_object_get(root, "baselines");
    const char *schema = member(root, "schema");
    int failed = 0;
    if (!root || !schema || strcmp(schema, "seep.baselines/1") || !json_is_array(list))
        failed = seep_fail(err, SEEP_E_CORRUPT, "'%s' is no file of baselines%s%.100s", BASELINE_FILE, root ? "" : ": ",
                           root ? "" : why.text);
    all->list = failed ? NULL : calloc(json_array_size(list) + 2, sizeof *all->list);
    if (!failed && !all->list)
        failed = seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
    for (size_t i = 0; !failed && i < json_array_size(list); i++)
        failed = take_baseline(&all->list[all->n++], json_array_get(list, i), err);
    json_decref(root);
    return failed;
}

static int take_lock(struct baselines *all, struct seep_err *err)
{
    all->lock_fd = openat(all->dir_fd, "baselines.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (all->lock_fd < 0 || flock(all->lock_fd, LOCK_EX))
        return seep_fail_errno(err, errno, "The baselines cannot be locked for a change");
    return 0;
}

int baseline_load(const char *results_dir, bool lock, struct baselines **out, struct seep_err *err)
{
    struct seep_buf text;
    struct seep_err why = {0};
    struct baselines *all = calloc(1, sizeof *all);
    *out = NULL;
    if (!all)
        return seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
    all->lock_fd = -1;
    all->dir_fd = fs_open_dir(results_dir, false, err);
    buf_init(&text, FILE_MAX);
    int failed = all->dir_fd < 0 || (lock && take_lock(all, err));
    if (!failed && fs_read_file(all->dir_fd, BASELINE_FILE, &text, &why)) {
        failed = why.sys_errno != ENOENT;
        if (failed)
            seep_fail(err, why.code, "%s", why.text);
        else
            failed = (all->list = calloc(2, sizeof *all->list)) == NULL;
    } else if (!failed) {
        failed = take_all(all, text.data ? text.data : "", err);
    }
    buf_free(&text);
    if (failed) {
        baseline_free(all);
        return -1;
    }
    *out = all;
    return 0;
}

const struct baseline *baseline_find(const struct baselines *all, const char *profile, const char *target)
{
    for (size_t i = 0; i < all->n; i++)
        if (!strcmp(all->list[i].profile, profile) && !strcmp(all->list[i].target, target))
            return &all->list[i];
    return NULL;
}

const char *baseline_run(const struct baseline *b)
{
    return b && b->n > 0 ? b->entries[b->n - 1].run : NULL;
}

const char *baseline_target(const struct report *r)
{
    const char *exe = r->target.exe ? r->target.exe : r->target.argc > 0 ? r->target.argv[0] : "";
    const char *slash = strrchr(exe, '/');
    return slash ? slash + 1 : exe;
}

const struct baseline_entry *baseline_held(const struct baseline *b, size_t *n)
{
    size_t from = b->n;
    while (from > 0) {
        from--;
        if (!strcmp(b->entries[from].how, "accept"))
            break;
    }
    *n = b->n - from;
    return b->entries + from;
}

static void write_entry(struct jsonw *w, const struct baseline_entry *e)
{
    char when[32];
    jsonw_object(w, NULL);
    jsonw_string(w, "run", e->run);
    jsonw_string(w, "how", e->how);
    jsonw_string(w, "at", clock_iso8601(when, e->at_ns));
    jsonw_int(w, "at_ns", e->at_ns);
    jsonw_string(w, "by", e->by);
    jsonw_string(w, "reason", e->reason);
    jsonw_string(w, "sha256", e->sha256);
    jsonw_string(w, "build_id", e->build_id);
    jsonw_string(w, "seal", e->seal);
    jsonw_end_object(w);
}

int baseline_json(const struct baselines *all, struct seep_buf *out, struct seep_err *err)
{
    struct jsonw w;
    jsonw_init(&w, out, true);
    jsonw_object(&w, NULL);
    jsonw_string(&w, "schema", "seep.baselines/1");
    jsonw_array(&w, "baselines");
    for (size_t i = 0; i < all->n; i++) {
        const struct baseline *b = &all->list[i];
        jsonw_object(&w, NULL);
        jsonw_string(&w, "profile", b->profile);
        jsonw_string(&w, "target", b->target);
        jsonw_string(&w, "run", baseline_run(b));
        jsonw_array(&w, "history");
        for (size_t k = 0; k < b->n; k++)
            write_entry(&w, &b->entries[k]);
        jsonw_end_array(&w);
        jsonw_end_object(&w);
    }
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    buf_char(out, '\n');
    return buf_check(out, "The history of baselines", err);
}

static int write_all(const struct baselines *all, struct seep_err *err)
{
    struct seep_buf out;
    buf_init(&out, FILE_MAX);
    int failed = baseline_json(all, &out, err);
    if (!failed)
        failed = fs_write_file(all->dir_fd, BASELINE_FILE, out.data, out.len, err);
    buf_free(&out);
    return failed;
}

// The list has room for one more than was read.
static struct baseline *find_or_make(struct baselines *all, const char *profile, const char *target)
{
    struct baseline *b = (struct baseline *)baseline_find(all, profile, target);
    if (b)
        return b;
    b = &all->list[all->n];
    *b = (struct baseline){
        .profile = strdup(profile), .target = strdup(target), .entries = calloc(1, sizeof *b->entries)};
    if (!b->profile || !b->target || !b->entries)
        return NULL;
    all->n++;
    return b;
}

static int append(struct baseline *b, const struct baseline_entry *entry)
{
    struct baseline_entry *grown = realloc(b->entries, (b->n + 1) * sizeof *grown);
    if (!grown)
        return -1;
    b->entries = grown;
    struct baseline_entry *e = &grown[b->n];
    *e = (struct baseline_entry){.run = copy(entry->run),
                                 .how = copy(entry->how),
                                 .reason = copy(entry->reason),
                                 .by = copy(entry->by),
                                 .sha256 = copy(entry->sha256),
                                 .build_id = copy(entry->build_id),
                                 .at_ns = entry->at_ns};
    if (!e->run || !e->how || seal_of(b, e, b->n > 0 ? b->entries[b->n - 1].seal : NULL, e->seal)) {
        free_entry(e);
        return -1;
    }
    b->n++;
    return 0;
}

int baseline_mark(int results_fd, const char *run, const char *key, const char *value, struct seep_err *err)
{
    struct store *st = NULL;
    int fd = openat(results_fd, run, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return seep_fail_errno(err, errno, "Run '%.100s' cannot be opened", run);
    int failed = store_open_write(fd, &st, err);
    if (!failed)
        failed = store_set_meta(st, key, value, err) != 0;
    store_close(st);
    close(fd);
    return failed ? -1 : 0;
}

// The mark first: a marked run that is no baseline is kept for nothing, a baseline without a mark may be pruned.
int baseline_add(struct baselines *all, const char *profile, const char *target, const struct baseline_entry *entry,
                 struct seep_err *err)
{
    char note[96];
    struct baseline *b = find_or_make(all, profile, target);
    if (!b || append(b, entry))
        return seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
    snprintf(note, sizeof note, "%s %.64s", entry->how, b->entries[b->n - 1].seal);
    return baseline_mark(all->dir_fd, entry->run, M_BASELINE, note, err) ? -1 : write_all(all, err);
}
