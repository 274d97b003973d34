// From sources to a profile: find them, parse, lay them over each other, read by the table, check. See profile.h.
#include "base/check.h"
#include "base/fs.h"
#include "base/near.h"
#include "profile/schema.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROFILE_MAGIC = 0x5eeb0f11, SHIPPED_MAX = 256 };

// What a struct profile is part of: its memory, and the texts its positions point into.
struct box {
    struct profile profile; // first: a profile's address is its box's
    struct arena arena;
    const struct source **sources;
    int n_sources, cap_sources;
};

static int no_memory(struct seep_err *err)
{
    return seep_fail(err, SEEP_E_SYSTEM, "Memory ran out while a profile was read");
}

static bool is_path(const char *name)
{
    const char *dot = strrchr(name, '.');
    return strchr(name, '/') || (dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml") || !strcmp(dot, ".json")));
}

struct names {
    char *list[SHIPPED_MAX];
    size_t n;
};

static const char *shipped_name(size_t i, const void *ctx)
{
    const struct names *names = ctx;
    return i < names->n ? names->list[i] : NULL;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_shipped(const char *dir, struct names *names, struct seep_err *err)
{
    DIR *d = opendir(dir);
    if (!d)
        return seep_fail_errno(err, errno, "The directory of shipped profiles '%.200s' cannot be read", dir);
    struct dirent *e;
    while ((e = readdir(d)) != NULL && names->n < SHIPPED_MAX) {
        size_t len = strlen(e->d_name);
        if (len <= 5 || strcmp(e->d_name + len - 5, ".yaml") != 0 || e->d_name[0] == '.')
            continue;
        names->list[names->n] = strndup(e->d_name, len - 5);
        names->n += names->list[names->n] != NULL;
    }
    closedir(d);
    qsort(names->list, names->n, sizeof *names->list, compare_names);
    return 0;
}

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->list[i]);
}

static int unknown_shipped(const char *dir, const char *name, struct seep_err *err)
{
    struct names names = {0};
    const char *meant = NULL;
    if (dir && list_shipped(dir, &names, NULL) == 0)
        meant = near_find(name, shipped_name, &names);
    if (meant)
        seep_fail(err, SEEP_E_USAGE, "There is no shipped profile '%.64s'; did you mean '%s'?", name, meant);
    else
        seep_fail(
            err, SEEP_E_USAGE,
            "There is no shipped profile '%.64s'; `seep profiles` lists the %zu there are, and a file is given as "
            "a path, such as ./%.64s.yaml.",
            name, names.n, name);
    free_names(&names);
    return -1;
}

static struct source *open_source(struct arena *a, const char *name, const char *shipped_dir, struct seep_err *err)
{
    if (is_path(name))
        return source_read(a, "profile", name, err);
    char *path = NULL;
    struct source *s = NULL;
    if (!fs_name_ok(name) || !shipped_dir || asprintf(&path, "%s/%s.yaml", shipped_dir, name) < 0) {
        unknown_shipped(shipped_dir, name, err);
        return NULL;
    }
    struct seep_err why = {0};
    s = source_read(a, "profile", path, &why);
    if (!s && why.sys_errno == ENOENT)
        unknown_shipped(shipped_dir, name, err);
    else if (!s && err)
        *err = why;
    free(path);
    return s;
}

static int keep_source(struct box *box, const struct source *s)
{
    if (box->n_sources == box->cap_sources) {
        int cap = box->cap_sources ? 2 * box->cap_sources : 8;
        const struct source **grown = arena_alloc(&box->arena, sizeof *grown * (size_t)cap);
        if (!grown)
            return -1;
        if (box->n_sources)
            memcpy(grown, box->sources, sizeof *grown * (size_t)box->n_sources);
        box->sources = grown;
        box->cap_sources = cap;
    }
    box->sources[box->n_sources++] = s;
    return 0;
}

// One file: parsed, a map, and of a known version.
static struct node *parse_source(struct box *box, const struct source *s, struct seep_err *err)
{
    struct node *n = node_parse(&box->arena, s, 0, 0, err);
    if (!n)
        return NULL;
    if (keep_source(box, s)) {
        no_memory(err);
        return NULL;
    }
    if (n->kind != NODE_MAP && !(n->kind == NODE_SCALAR && n->plain && !*n->text)) {
        node_fail(err, n, "A profile is a map of keys, not a %s.", node_kind_name(n));
        return NULL;
    }
    if (!node_get(n, "version", NULL)) {
        node_fail(err, n, "A profile says which format it has: begin it with 'version: 1'.");
        return NULL;
    }
    return n;
}

char *profile_name_of(struct arena *a, const char *source_name)
{
    const char *slash = strrchr(source_name, '/');
    const char *base = slash ? slash + 1 : source_name;
    const char *dot = strrchr(base, '.');
    char *name = arena_text(a, base, dot && dot > base ? (size_t)(dot - base) : strlen(base));
    for (char *p = name; p && *p; p++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", *p))
            *p = '_';
    if (!name || fs_name_ok(name))
        return name;
    return arena_text(a, "profile", 7);
}

static int take_argv(struct box *box, const char *const *argv, int argc, struct seep_err *err)
{
    struct profile_target *t = &box->profile.target;
    if (!argv || argc <= 0)
        return 0;
    t->argv = arena_alloc(&box->arena, sizeof *t->argv * (size_t)(argc + 1));
    if (!t->argv)
        return no_memory(err);
    for (int i = 0; i < argc; i++)
        if (!(t->argv[i] = arena_text(&box->arena, argv[i], strlen(argv[i]))))
            return no_memory(err);
    t->argc = argc;
    return 0;
}

static int read_root(struct box *box, const struct node *root, bool keep_unknown_vars, struct seep_err *err)
{
    const struct node *vars = node_get(root, "vars", NULL);
    struct load_context ctx = {.arena = &box->arena, .err = err, .vars = vars, .keep_unknown_vars = keep_unknown_vars};
    if (vars && vars->kind != NODE_MAP && !node_is_null(vars))
        return node_fail(err, vars, "vars is a map of names to texts, not a %s.", node_kind_name(vars));
    if (schema_read(&ctx, schema_profile, "", root, &box->profile))
        return -1;
    return profile_check(&ctx, root, &box->profile);
}

static struct node *merged(struct box *box, const struct profile_sources *from, const char **last, struct seep_err *err)
{
    struct source *none = source_from(&box->arena, "-o", "", 0);
    struct node *root = none ? node_new(&box->arena, NODE_MAP, none, 0, 0) : NULL;
    if (!root)
        no_memory(err);
    for (int i = 0; root && i < from->n_names; i++) {
        struct source *s = open_source(&box->arena, from->names[i], from->shipped_dir, err);
        struct node *n = s ? parse_source(box, s, err) : NULL;
        if (!n)
            return NULL;
        *last = s->name;
        root = i ? node_merge(&box->arena, root, n) : n;
        if (!root)
            no_memory(err);
    }
    for (int i = 0; root && i < from->n_overrides; i++) {
        struct source *s = source_from(&box->arena, "-o", from->overrides[i], strlen(from->overrides[i]));
        if (!s || keep_source(box, s)) {
            no_memory(err);
            return NULL;
        }
        if (node_override(&box->arena, &root, s, err))
            return NULL;
    }
    return root;
}

int profile_load(const struct profile_sources *sources, struct profile **out, struct seep_err *err)
{
    *out = NULL;
    struct box *box = calloc(1, sizeof *box);
    if (!box)
        return no_memory(err);
    box->profile.magic = PROFILE_MAGIC;
    const char *last = "default";
    struct node *root = merged(box, sources, &last, err);
    if (!root || read_root(box, root, sources->keep_unknown_vars, err) ||
        take_argv(box, sources->argv, sources->argc, err)) {
        profile_free(&box->profile);
        return -1;
    }
    if (!box->profile.name && !(box->profile.name = profile_name_of(&box->arena, last))) {
        profile_free(&box->profile);
        return no_memory(err);
    }
    *out = &box->profile;
    return 0;
}

int profile_parse(const char *text, size_t len, const char *file_name, struct profile **out, struct seep_err *err)
{
    *out = NULL;
    if (len > PROFILE_DUMP_MAX)
        return seep_fail(err, SEEP_E_USAGE, "%.200s is larger than %d KiB", file_name, PROFILE_DUMP_MAX / 1024);
    struct box *box = calloc(1, sizeof *box);
    if (!box)
        return no_memory(err);
    box->profile.magic = PROFILE_MAGIC;
    struct source *s = source_from(&box->arena, file_name, text, len);
    struct node *root = s ? parse_source(box, s, err) : NULL;
    if (!s)
        no_memory(err);
    if (!root || read_root(box, root, false, err) ||
        (!box->profile.name && !(box->profile.name = profile_name_of(&box->arena, file_name)))) {
        profile_free(&box->profile);
        return -1;
    }
    *out = &box->profile;
    return 0;
}

void profile_free(struct profile *p)
{
    if (!p)
        return;
    SEEP_CHECK_OBJ(p, PROFILE_MAGIC);
    struct box *box = (struct box *)p;
    p->magic = 0;
    arena_free(&box->arena);
    free(box);
}

int profile_fail_at(const struct profile *p, const struct profile_where *where, int column_offset, struct seep_err *err,
                    const char *fmt, ...)
{
    SEEP_CHECK_OBJ(p, PROFILE_MAGIC);
    const struct box *box = (const struct box *)p;
    const struct source *s = NULL;
    for (int i = 0; i < box->n_sources; i++)
        if (where->line > 0 && box->sources[i]->name == where->file)
            s = box->sources[i];
    va_list ap;
    va_start(ap, fmt);
    source_vfail(err, s, where->line, where->column + column_offset, fmt, ap);
    va_end(ap);
    return -1;
}

// The first comment line of a profile says what it is for.
static void first_comment(const char *path, char *out, size_t size)
{
    snprintf(out, size, "%s", "");
    FILE *f = fopen(path, "re");
    char line[512];
    while (f && fgets(line, sizeof line, f)) {
        if (line[0] != '#')
            continue;
        size_t from = 1 + strspn(line + 1, " \t");
        line[from + strcspn(line + from, "\r\n")] = 0;
        snprintf(out, size, "%s", line + from);
        break;
    }
    if (f)
        fclose(f);
}

int profile_each_shipped(const char *shipped_dir,
                         int (*each)(const char *name, const char *path, const char *about, void *ctx), void *ctx,
                         struct seep_err *err)
{
    struct names names = {0};
    if (list_shipped(shipped_dir, &names, err))
        return -1;
    for (size_t i = 0; i < names.n; i++) {
        char *path = NULL, about[512];
        if (asprintf(&path, "%s/%s.yaml", shipped_dir, names.list[i]) < 0)
            break;
        first_comment(path, about, sizeof about);
        int stop = each(names.list[i], path, about, ctx);
        free(path);
        if (stop)
            break;
    }
    free_names(&names);
    return 0;
}
