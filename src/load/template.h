// Run-time texts (profile/runtext.h) compiled once and rendered for each exchange.
//
// A text without references that change is constant: it is never rendered. Rendering appends to a buffer with a ceiling
// that keeps its memory, so nothing is allocated in the steady state. Values of sessions come from replies, that is
// from anyone: in a url they are written so that they stay inside it, and in a header one that would end the line is
// refused.
#ifndef SEEP_LOAD_TEMPLATE_H
#define SEEP_LOAD_TEMPLATE_H

#include "base/buf.h"
#include "load/rng.h"
#include "load/text.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct feeds;

enum { TEMPLATE_SIZE_MAX = 64 * 1024 * 1024, TEMPLATE_NAMES_MAX = 1024 };

// The session variables of a load: a name's place is the place of its value in every session.
struct template_names {
    char **name;
    int n, cap;
};

// The place of a name, which is added when it is new. -1 when there is no room for it.
int template_slot(struct template_names *names, const char *name, size_t len);
void template_names_free(struct template_names *names);

// Where a text goes, which decides what its values may hold.
enum template_place {
    TEMPLATE_BODY,   // any bytes
    TEMPLATE_URL,    // blanks, control characters, '#' and what no url may hold are written as %XX
    TEMPLATE_HEADER, // a value with a control character is unfit
};

struct template;

// Compiles `text`, a validated run-time text; the environment is read now. Variables get places in `names`; `feeds` may
// be NULL when there are none. -1 when a variable of the environment is not set, or there is no such table or column.
int template_open(const char *text, enum template_place place, struct template_names *names, const struct feeds *feeds,
                  struct template **out, struct seep_err *err);
// The bytes of a file as a constant template.
int template_open_file(const char *path, struct template **out, struct seep_err *err);
void template_close(struct template *t); // NULL is allowed

// The whole text of a constant template; NULL: it must be rendered.
const struct load_text *template_constant(const struct template *t);

// What references stand for at one moment.
struct template_scope {
    const struct load_text *user; // by place; text NULL: not set. As many as the load's names have.
    uint64_t user_id;             // from 1; 0: no user
    uint64_t iteration;           // from 1
    const struct feeds *feeds;
    const uint32_t *row; // of each table, by its number
    struct load_rng *rng;
    int64_t now_ms; // since 1970
};

enum template_end {
    TEMPLATE_DONE,
    TEMPLATE_UNSET, // a variable has no value
    TEMPLATE_UNFIT, // a value holds what cannot stand there
    TEMPLATE_LARGE, // the buffer's ceiling
};

// Appends the text to `out`. *name (may be NULL) gets the reference that is to blame, which lives as long as t.
enum template_end template_render(const struct template *t, const struct template_scope *scope, struct seep_buf *out,
                                  const char **name);

// Appends words as a RESP array of bulk strings. `scratch` is overwritten.
enum template_end template_render_resp(struct template *const *words, int n, const struct template_scope *scope,
                                       struct seep_buf *scratch, struct seep_buf *out, const char **name);

#endif
