// Inside profile/: the YAML of one source as a tree with positions, and the memory all of a profile lives in.
//
// Trust: the text is a file of unknown origin. What this layer lets through is plain maps, lists and scalars, without
// aliases, anchors, tags, merge keys or duplicate keys, at most PROFILE_DEPTH_MAX deep and of bounded size.
#ifndef SEEP_PROFILE_TREE_H
#define SEEP_PROFILE_TREE_H

#include "base/err.h"
#include "profile/profile.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    PROFILE_DEPTH_MAX = 16,
    PROFILE_ITEMS_MAX = 1024,       // of one list or map
    PROFILE_SIZE_MAX = 256 * 1024,  // of a file
    PROFILE_DUMP_MAX = 1024 * 1024, // of what profile_dump writes
};

// Memory that is freed at once: a profile is built in many small pieces and only ever dropped whole.
struct arena {
    struct arena_block *head;
};

void *arena_alloc(struct arena *a, size_t size); // zeroed; aborts never: NULL when memory ran out
char *arena_text(struct arena *a, const char *text, size_t len);
void arena_free(struct arena *a);

// A text that nodes point into: a file, one -o override, or the defaults.
struct source {
    const char *name; // as shown: "ours.yaml", "-o", "(default)"
    const char *text; // NUL-terminated
    size_t len;
};

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    bool plain; // a scalar without quotes
    const struct source *source;
    int line, column; // from 1, of the first character (of the quote, where there is one)
    const char *text; // scalars: NUL-terminated, without NUL inside
    int n, cap;
    struct node **items; // list items, or the values of a map
    struct node **keys;  // maps: scalars, parallel to items
};

struct schema_key;
// What a load works with; everything is allocated from `arena`.
struct load_context {
    struct arena *arena;
    struct seep_err *err;
    const struct node *vars; // the merged `vars` map, or NULL
    bool keep_unknown_vars;
    const char *document;          // what is read, for sentences; NULL: "profile"
    const struct schema_key *root; // the table at its top, for sentences; NULL: a profile's
};

// "file:line:column: sentence", the source line, a caret. Returns -1. `column` counts characters from 1; line 0 leaves
// position and line out.
int source_fail(struct seep_err *err, const struct source *s, int line, int column, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
int source_vfail(struct seep_err *err, const struct source *s, int line, int column, const char *fmt, va_list ap);
int node_fail(struct seep_err *err, const struct node *n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
// The same, `offset` bytes into the scalar's text.
int node_fail_at(struct seep_err *err, const struct node *n, size_t offset, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

// Reads a file (or pipe) of at most PROFILE_SIZE_MAX bytes; what: "profile", for sentences. NULL with an error.
struct source *source_read(struct arena *a, const char *what, const char *path, struct seep_err *err);
struct source *source_from(struct arena *a, const char *name, const char *text, size_t len);

// Parses from byte `from` of the source on; column_shift is added to columns of line 1. An empty document gives an
// empty map. NULL with an error.
struct node *node_parse(struct arena *a, const struct source *s, size_t from, int column_shift, struct seep_err *err);

struct node *node_new(struct arena *a, enum node_kind kind, const struct source *s, int line, int column);
// Adds to a list (key NULL) or a map. -1 when memory ran out.
int node_add(struct arena *a, struct node *to, struct node *key, struct node *value);
// The value under `key`, or NULL; index gets its place (may be NULL).
struct node *node_get(const struct node *map, const char *key, int *index);
bool node_is_null(const struct node *n); // ~ or null: as if it were not given
const char *node_kind_name(const struct node *n);
// The value under a key, unless it is null; else n itself, so that an error points at the map.
const struct node *node_under(const struct node *n, const char *key);
bool node_given(const struct node *n, const char *key); // there is a value under the key
// A list's items; anything else is a list of itself.
int node_count(const struct node *n);
const struct node *node_item(const struct node *n, int i);

// Lays `later` over `earlier`: maps key by key, everything else is replaced. Returns the result (one of both, changed).
struct node *node_merge(struct arena *a, struct node *earlier, struct node *later);
// Applies a source that says "key.path=value" to the tree *root.
int node_override(struct arena *a, struct node **root, const struct source *source, struct seep_err *err);

// "dir/ours.yaml" is called "ours" when it does not say otherwise. NULL when memory ran out.
char *profile_name_of(struct arena *a, const char *source_name);

// The scalar's text with ${name} replaced by vars; `$${` stands for `${`, `${env:NAME}` is kept. NULL with an error.
const char *node_expand(const struct load_context *ctx, const struct node *n);

#endif
