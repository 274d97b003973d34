// A small streaming JSON writer: commas and nesting are kept right, numbers that are NaN, infinite or SEEP_UNKNOWN
// become null, strings that are not UTF-8 are escaped byte by byte as U+FFFD so that any reader takes the result.
#ifndef SEEP_BASE_JSONW_H
#define SEEP_BASE_JSONW_H

#include "base/buf.h"
#include <stdbool.h>
#include <stdint.h>

struct jsonw {
    struct seep_buf *out; // not owned
    int depth;
    bool has_item[32]; // per open level: something was written there
    bool pretty;       // two blanks a level
    bool in_html;      // '<' is written \u003c, so that the text can stand inside a <script> element
};

void jsonw_init(struct jsonw *w, struct seep_buf *out, bool pretty);
// key is NULL inside arrays and at the top.
void jsonw_object(struct jsonw *w, const char *key);
void jsonw_array(struct jsonw *w, const char *key);
void jsonw_end_object(struct jsonw *w);
void jsonw_end_array(struct jsonw *w);
void jsonw_string(struct jsonw *w, const char *key, const char *value); // NULL: null
void jsonw_stringn(struct jsonw *w, const char *key, const char *value, size_t len);
void jsonw_int(struct jsonw *w, const char *key, int64_t value);
void jsonw_double(struct jsonw *w, const char *key, double value); // shortest of up to 17 digits that reads back equal
void jsonw_bool(struct jsonw *w, const char *key, bool value);
void jsonw_null(struct jsonw *w, const char *key);

#endif
