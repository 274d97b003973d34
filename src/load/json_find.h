// What stands at a path (profile/jsonpath.h) of a JSON text: found in one pass over it, without a tree and without
// memory.
//
// The text is a reply's: of any content. It is read strictly (RFC 8259, at most JSON_DEPTH_MAX deep): a text that is no
// JSON as a whole has nothing at any path. Of two members of one name the later one counts, as in most readers.
#ifndef SEEP_LOAD_JSON_FIND_H
#define SEEP_LOAD_JSON_FIND_H

#include "base/buf.h"
#include "load/text.h"
#include "profile/jsonpath.h"
#include <stdbool.h>
#include <stddef.h>

enum { JSON_DEPTH_MAX = 64 };

enum json_kind {
    JSON_KIND_NULL,
    JSON_KIND_FALSE,
    JSON_KIND_TRUE,
    JSON_KIND_NUMBER,
    JSON_KIND_STRING,
    JSON_KIND_LIST,
    JSON_KIND_MAP
};

// A value, as it stands in the text: a string with its quotes, a list with its brackets.
struct json_value {
    enum json_kind kind;
    struct load_text text;
    size_t length; // items of a list or map, characters (code points) of a string; else 0
};

// How many values match, the first of which is *first (unchanged when none does). -1: this is no JSON.
long json_find(const char *text, size_t len, const struct jsonpath *path, struct json_value *first);

// Whether the whole of it is one JSON value.
bool json_is_valid(const char *text, size_t len);

// Appends the value as text: a string without its quotes and escapes (a lone surrogate becomes U+FFFD), everything else
// as it stands there.
void json_append(const struct json_value *v, struct seep_buf *out);

// The value of a number; NAN for everything else.
double json_number(const struct json_value *v);

// Whether it is `text`: for numbers by value, for strings without their escapes, for true, false and null by the word.
// A list or map equals nothing. `scratch` is overwritten.
bool json_equals(const struct json_value *v, struct load_text text, struct seep_buf *scratch);

#endif
