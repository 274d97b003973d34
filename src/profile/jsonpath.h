// Paths into JSON, a documented subset of RFC 9535: `$` and then any number of `.name`, `['name']`, `[0]` and `[*]`,
// all items of a list or map. Pure; used to check a profile and by the load engine.
//
// Also the comparisons of numbers that checks use: "> 0", "<= 1.5", "== 3" (or just "3"), "!= 3".
#ifndef SEEP_PROFILE_JSONPATH_H
#define SEEP_PROFILE_JSONPATH_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

enum { JSONPATH_STEPS_MAX = 16 };

enum jsonpath_kind { JSONPATH_NAME, JSONPATH_INDEX, JSONPATH_ALL };

struct jsonpath_step {
    enum jsonpath_kind kind;
    const char *name; // in the path's text, `len` bytes, compared with the unescaped key
    size_t len;
    long index; // from 0
};

struct jsonpath {
    struct jsonpath_step step[JSONPATH_STEPS_MAX];
    int n;
    bool many; // it holds [*] and may match more than once
};

// `text` must outlive *out. -1: *bad_at is the byte the sentence is about.
int jsonpath_parse(const char *text, struct jsonpath *out, size_t *bad_at, struct seep_err *err);

enum bound_op { BOUND_LESS, BOUND_AT_MOST, BOUND_MORE, BOUND_AT_LEAST, BOUND_EQUAL, BOUND_OTHER };

struct bound {
    enum bound_op op;
    double value;
};

int jsonpath_bound(const char *text, struct bound *out, struct seep_err *err);
bool jsonpath_bound_holds(const struct bound *b, double value);

#endif
