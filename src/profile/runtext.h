// Run-time text: the references in it that are put in for each exchange of a load. Pure; used to check a profile when
// it is read, and by the load engine to compile what it renders.
//
//   ${user:NAME}           a variable of the session: extracted from a reply, or given by the load; ${user:id} is the
//                          number of the user, from 1
//   ${data:SOURCE.COLUMN}  a cell of the row of data the iteration has
//   ${env:NAME}            the environment of seep
//   ${gen:iteration}       number of the iteration in this worker, from 1
//   ${gen:uuid}            a random UUID, version 4
//   ${gen:now_ms} ${gen:now_s}  time since 1970
//   ${gen:int(LOW,HIGH)}   a whole number of the range, both ends included
//   ${gen:pick(a,b,c)}     one of the texts, without blanks around them
//   ${gen:text(N)}         N random lower-case letters and digits
//   ${hex:00ff}            these bytes
// A value may be written for the place it goes to: ${user:NAME|url} with all but letters, digits and -._~ as %XX,
// ${user:NAME|json} as the inside of a JSON string. That holds for user and data.
// `$${` stands for the two characters `${` wherever they would begin one of these.
#ifndef SEEP_PROFILE_RUNTEXT_H
#define SEEP_PROFILE_RUNTEXT_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RUNTEXT_NAME_MAX = 63, RUNTEXT_TEXT_MAX = 65536 };

enum runtext_kind {
    RUNTEXT_LITERAL, // `text`, `len` as they are
    RUNTEXT_HEX,     // `text` are 2 * n hexadecimal digits
    RUNTEXT_ENV,     // `text` is the name
    RUNTEXT_USER,    // `text` is the name
    RUNTEXT_USER_ID,
    RUNTEXT_DATA, // `text` is the source, `column` the column
    RUNTEXT_ITERATION,
    RUNTEXT_UUID,
    RUNTEXT_NOW_MS,
    RUNTEXT_NOW_S,
    RUNTEXT_INT,  // low..high
    RUNTEXT_PICK, // `text` is the list; runtext_choice() gives the n-th of `high`
    RUNTEXT_TEXT, // `high` letters
};

enum runtext_filter { RUNTEXT_PLAIN, RUNTEXT_AS_URL, RUNTEXT_AS_JSON };

// One piece of a run-time text; the pointers lead into it.
struct runtext_part {
    enum runtext_kind kind;
    enum runtext_filter filter;
    const char *text, *column;
    size_t len, column_len;
    int64_t low, high;
    size_t at; // where it begins in the text
};

// Takes the next part off *rest, which moves on. 1: *out is set; 0: the end; -1: an error whose sentence names the
// reference, with out->at where it stands.
int runtext_next(const char *text, const char **rest, struct runtext_part *out, struct seep_err *err);

// The n-th text of a RUNTEXT_PICK, n from 0 and less than part->high.
const char *runtext_choice(const struct runtext_part *part, int64_t n, size_t *len);

// Whether p, which is at "${", begins a reference that stays as it is when a profile is read.
bool runtext_is_kept(const char *p);

// The first reference of the text that only a running load can put in; NULL: there is none.
const char *runtext_find(const char *text);

#endif
