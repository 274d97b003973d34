// From a file to a checklist: parse, put overrides in, read by the table, check what holds between keys. See
// checklist.h.
#include "profile/checklist.h"
#include "base/check.h"
#include "profile/schema.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { CHECKLIST_MAGIC = 0x5eebc4e1 };

struct box {
    struct checklist list; // first: a checklist's address is its box's
    struct arena arena;
};

static const char *const kind_names[CHECKLIST_KINDS] = {"run", "command", "http", "tcp", "file", "sql", "manual"};

const char *checklist_kind_name(enum checklist_kind kind)
{
    return kind_names[kind];
}

static int no_memory(struct seep_err *err)
{
    return seep_fail(err, SEEP_E_SYSTEM, "Memory ran out while a checklist was read");
}

static bool all_hex(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isxdigit((unsigned char)text[i]))
            return false;
    return text[len] == '\0';
}

static int check_sql(struct seep_err *err, const struct node *n, const struct checklist_sql *q)
{
    if (q->psql && q->sqlite)
        return node_fail(err, n, "sql asks one database: psql or sqlite, not both.");
    if (!q->psql && !q->sqlite)
        return node_fail(err, n, "sql needs a database: psql, a connection, or sqlite, a file.");
    return 0;
}

static int check_file(struct seep_err *err, const struct node *n, const struct checklist_file *f)
{
    const struct node *sum = node_get(n, "sha256", NULL);
    if (f->sha256 && (strlen(f->sha256) != 64 || !all_hex(f->sha256, 64)))
        return node_fail(err, sum, "sha256 has 64 hexadecimal digits.");
    bool asks = f->max_age_s != PROFILE_AUTO || f->min_age_s != PROFILE_AUTO || f->min_bytes != PROFILE_AUTO ||
                f->max_bytes != PROFILE_AUTO || f->count != PROFILE_AUTO || f->contains || f->sha256;
    if (f->absent && asks)
        return node_fail(err, n, "A file that must be absent has no age, size or content to ask for.");
    return 0;
}

static int check_run(struct seep_err *err, const struct node *n, const struct checklist *c,
                     const struct checklist_run *r)
{
    if (c->n_target == 0 && r->n_target == 0)
        return node_fail(err, n, "A run is evidence for one program: say which with 'target', here or at the top.");
    for (int i = 0; i < r->n_gates; i++)
        if (!r->gates[i][0])
            return node_fail(err, node_get(n, "gates", NULL), "gates names gates, such as http.p99.");
    return 0;
}

// One kind each, and what holds between its keys.
static int check_requirement(struct seep_err *err, const struct checklist *c, struct checklist_requirement *q,
                             const struct node *n)
{
    const bool given[CHECKLIST_KINDS] = {q->run.present,  q->command.present, q->http.present,  q->tcp.present,
                                         q->file.present, q->sql.present,     q->manual.present};
    int count = 0;
    for (int k = 0; k < CHECKLIST_KINDS; k++) {
        if (!given[k])
            continue;
        count++;
        q->kind = (enum checklist_kind)k;
    }
    if (count != 1)
        return node_fail(err, n, "A requirement has one of run, command, http, tcp, file, sql and manual; this has %s.",
                         count == 0 ? "none" : "more than one");
    const struct node *part = node_get(n, kind_names[q->kind], NULL);
    if (q->kind == CHECKLIST_COMMAND && (q->command.argc == 0 || !q->command.argv[0][0]))
        return node_fail(err, part, "A command has at least the name of a program.");
    if (q->kind == CHECKLIST_RUN)
        return check_run(err, part, c, &q->run);
    if (q->kind == CHECKLIST_SQL)
        return check_sql(err, part, &q->sql);
    return q->kind == CHECKLIST_FILE && part->kind == NODE_MAP ? check_file(err, part, &q->file) : 0;
}

// Two of one name could not be told apart in any table.
static int check_names(struct seep_err *err, const struct checklist *c, const struct node *list, int at)
{
    for (int i = 0; i < at; i++)
        if (!strcmp(c->requirements[i].name, c->requirements[at].name))
            return node_fail(err, list->items[at], "There is a requirement '%.80s' already, on line %d.",
                             c->requirements[at].name, c->requirements[i].where.line);
    return 0;
}

static int check_all(struct seep_err *err, struct checklist *c, const struct node *root)
{
    const struct node *list = node_get(root, "requirements", NULL);
    if (list->kind != NODE_LIST || c->n_requirements == 0)
        return node_fail(err, list,
                         "requirements is a list with at least one entry: nothing passes by asking nothing.");
    for (int i = 0; i < c->n_requirements; i++)
        if (check_requirement(err, c, &c->requirements[i], list->items[i]) || check_names(err, c, list, i))
            return -1;
    return 0;
}

static struct node *parse(struct box *box, const char *path, const char *const *overrides, int n_overrides,
                          struct seep_err *err)
{
    struct source *s = source_read(&box->arena, "checklist", path, err);
    struct node *root = s ? node_parse(&box->arena, s, 0, 0, err) : NULL;
    if (!root)
        return NULL;
    box->list.path = s->name;
    box->list.text = s->text;
    box->list.len = s->len;
    if (root->kind != NODE_MAP || !node_get(root, "version", NULL)) {
        node_fail(err, root, "A checklist is a map of keys that begins with 'version: 1'.");
        return NULL;
    }
    for (int i = 0; i < n_overrides; i++) {
        struct source *o = source_from(&box->arena, "-o", overrides[i], strlen(overrides[i]));
        if (!o) {
            no_memory(err);
            return NULL;
        }
        if (node_override(&box->arena, &root, o, err))
            return NULL;
    }
    return root;
}

static int read_list(struct box *box, const struct node *root, struct seep_err *err)
{
    const struct node *vars = node_get(root, "vars", NULL);
    struct load_context ctx = {
        .arena = &box->arena, .err = err, .vars = vars, .document = "checklist", .root = schema_checklist};
    if (vars && vars->kind != NODE_MAP && !node_is_null(vars))
        return node_fail(err, vars, "vars is a map of names to texts, not a %s.", node_kind_name(vars));
    if (schema_read(&ctx, schema_checklist, "", root, &box->list) || check_all(err, &box->list, root))
        return -1;
    if (!box->list.name && !(box->list.name = profile_name_of(&box->arena, box->list.path)))
        return no_memory(err);
    return 0;
}

int checklist_load(const char *path, const char *const *overrides, int n_overrides, struct checklist **out,
                   struct seep_err *err)
{
    *out = NULL;
    struct box *box = calloc(1, sizeof *box);
    if (!box)
        return no_memory(err);
    box->list.magic = CHECKLIST_MAGIC;
    box->list.overrides = overrides;
    box->list.n_overrides = n_overrides;
    struct node *root = parse(box, path, overrides, n_overrides, err);
    if (!root || read_list(box, root, err)) {
        checklist_free(&box->list);
        return -1;
    }
    *out = &box->list;
    return 0;
}

void checklist_free(struct checklist *c)
{
    if (!c)
        return;
    SEEP_CHECK_OBJ(c, CHECKLIST_MAGIC);
    struct box *box = (struct box *)c;
    c->magic = 0;
    arena_free(&box->arena);
    free(box);
}
