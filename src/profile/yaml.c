// YAML into a tree: the events of libyaml, checked one by one before anything is built from them, so that aliases,
// tags, deep nesting and duplicate keys are refused without cost. See tree.h for what is let through.
#include "base/check.h"
#include "profile/tree.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t yaml;
    struct arena *arena;
    const struct source *source;
    int column_shift; // of line 1
    struct seep_err *err;
    struct node *stack[PROFILE_DEPTH_MAX + 1];
    struct node *pending_key[PROFILE_DEPTH_MAX + 1]; // of the map at the same depth
    int depth;
    int documents;
    struct node *root;
};

static int position(const struct reader *r, yaml_mark_t mark, int *column)
{
    *column = (int)mark.column + 1 + (mark.line == 0 ? r->column_shift : 0);
    return (int)mark.line + 1;
}

static int refuse(const struct reader *r, yaml_mark_t mark, const char *why)
{
    int column, line = position(r, mark, &column);
    return source_fail(r->err, r->source, line, column, "%s", why);
}

static int out_of_memory(const struct reader *r)
{
    return seep_fail(r->err, SEEP_E_SYSTEM, "Memory ran out while '%.200s' was read", r->source->name);
}

static struct node *node_at(struct reader *r, enum node_kind kind, yaml_mark_t mark)
{
    int column, line = position(r, mark, &column);
    return node_new(r->arena, kind, r->source, line, column);
}

// Keys must be plain text, once each.
static int take_key(struct reader *r, struct node *n)
{
    struct node *map = r->stack[r->depth - 1];
    if (n->kind != NODE_SCALAR)
        return node_fail(r->err, n, "A key must be text, not a %s.", node_kind_name(n));
    if (n->plain && !strcmp(n->text, "<<"))
        return node_fail(r->err, n, "Merge keys ('<<') are not taken; give several profiles with -p instead.");
    int at;
    if (node_get(map, n->text, &at))
        return node_fail(r->err, n, "The key '%.60s' stands here twice; the first is in line %d.", n->text,
                         map->keys[at]->line);
    r->pending_key[r->depth - 1] = n;
    return 0;
}

// Hangs a finished scalar, or a list or map just begun, into what is open.
static int place(struct reader *r, struct node *n)
{
    if (!n)
        return out_of_memory(r);
    if (r->depth == 0) {
        r->root = n;
        return 0;
    }
    struct node *parent = r->stack[r->depth - 1];
    struct node **key = &r->pending_key[r->depth - 1];
    if (parent->kind == NODE_MAP && !*key)
        return take_key(r, n);
    if (parent->n >= PROFILE_ITEMS_MAX)
        return node_fail(r->err, n, "This %s has more than %d entries.", node_kind_name(parent), PROFILE_ITEMS_MAX);
    if (node_add(r->arena, parent, *key, n))
        return out_of_memory(r);
    *key = NULL;
    return 0;
}

static int begin(struct reader *r, enum node_kind kind, const yaml_event_t *e, bool marked)
{
    if (marked)
        return refuse(r, e->start_mark, "Anchors ('&') and tags ('!') are not taken in a profile.");
    if (r->depth >= PROFILE_DEPTH_MAX)
        return refuse(r, e->start_mark, "This is nested deeper than 16 levels.");
    struct node *n = node_at(r, kind, e->start_mark);
    if (place(r, n))
        return -1;
    struct node *parent = r->depth ? r->stack[r->depth - 1] : NULL;
    SEEP_CHECK(!parent || parent->kind == NODE_LIST || r->pending_key[r->depth - 1] == NULL);
    r->stack[r->depth] = n;
    r->pending_key[r->depth++] = NULL;
    return 0;
}

static int scalar(struct reader *r, const yaml_event_t *e)
{
    const char *text = (const char *)e->data.scalar.value;
    size_t len = e->data.scalar.length;
    if (e->data.scalar.anchor || e->data.scalar.tag)
        return refuse(r, e->start_mark, "Anchors ('&') and tags ('!') are not taken in a profile.");
    if (memchr(text, 0, len))
        return refuse(r, e->start_mark, "This text holds a NUL character.");
    struct node *n = node_at(r, NODE_SCALAR, e->start_mark);
    if (!n)
        return out_of_memory(r);
    n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    n->text = arena_text(r->arena, text, len);
    if (!n->text)
        return out_of_memory(r);
    return place(r, n);
}

static int document(struct reader *r, const yaml_event_t *e)
{
    if (r->documents++)
        return refuse(r, e->start_mark, "A second document begins here; a profile is one document.");
    if (e->data.document_start.tag_directives.start != e->data.document_start.tag_directives.end)
        return refuse(r, e->start_mark, "Tag directives are not taken in a profile.");
    return 0;
}

static int take_event(struct reader *r, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        return document(r, e);
    case YAML_ALIAS_EVENT:
        return refuse(r, e->start_mark, "Aliases ('*') are not taken in a profile; write the value out, or use vars.");
    case YAML_SCALAR_EVENT:
        return scalar(r, e);
    case YAML_SEQUENCE_START_EVENT:
        return begin(r, NODE_LIST, e, e->data.sequence_start.anchor || e->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return begin(r, NODE_MAP, e, e->data.mapping_start.anchor || e->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        r->depth--;
        return 0;
    default:
        return 0;
    }
}

static int syntax_error(const struct reader *r)
{
    const yaml_parser_t *y = &r->yaml;
    if (y->error == YAML_MEMORY_ERROR)
        return out_of_memory(r);
    if (y->error == YAML_READER_ERROR)
        return seep_fail(r->err, SEEP_E_USAGE, "%.200s: byte %zu is not UTF-8 text: %s.", r->source->name,
                         y->problem_offset, y->problem ? y->problem : "unreadable");
    int column, line = position(r, y->problem_mark, &column);
    return source_fail(r->err, r->source, line, column, "This is not YAML: %s%s%s.", y->problem ? y->problem : "error",
                       y->context ? " " : "", y->context ? y->context : "");
}

static int read_events(struct reader *r)
{
    for (bool done = false; !done;) {
        yaml_event_t e;
        if (!yaml_parser_parse(&r->yaml, &e))
            return syntax_error(r);
        int rc = take_event(r, &e);
        done = e.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&e);
        if (rc)
            return -1;
    }
    return 0;
}

static int refuse_nul(const struct source *s, size_t from, int column_shift, struct seep_err *err)
{
    const char *nul = memchr(s->text + from, 0, s->len - from);
    if (!nul)
        return 0;
    int line = 1, column = 1 + column_shift;
    for (const char *p = s->text + from; p < nul; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    return source_fail(err, s, line, column, "There is a NUL byte here; a profile is text.");
}

struct node *node_parse(struct arena *a, const struct source *s, size_t from, int column_shift, struct seep_err *err)
{
    SEEP_CHECK(from <= s->len);
    if (refuse_nul(s, from, column_shift, err))
        return NULL;
    if (s->len - from >= 3 && !memcmp(s->text + from, "\xef\xbb\xbf", 3))
        from += 3;
    struct reader r = {.arena = a, .source = s, .column_shift = column_shift, .err = err};
    if (!yaml_parser_initialize(&r.yaml)) {
        out_of_memory(&r);
        return NULL;
    }
    yaml_parser_set_encoding(&r.yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.yaml, (const unsigned char *)s->text + from, s->len - from);
    int rc = read_events(&r);
    yaml_parser_delete(&r.yaml);
    if (rc)
        return NULL;
    if (!r.root && !(r.root = node_new(a, NODE_MAP, s, 1, 1 + column_shift)))
        out_of_memory(&r);
    return r.root;
}
