// Values taken from replies: by JSON path, header, cookie, regular expression, or what stands between two texts.
//
// Replies come from anyone; what is taken from them is text of any content and bounded size, and no more is done with
// it than to keep it. Nothing is allocated once a value has been taken before, except by regular expressions, which the
// C library gives memory of its own while it matches: `between` does the usual of them without.
#ifndef SEEP_LOAD_EXTRACT_H
#define SEEP_LOAD_EXTRACT_H

#include "base/buf.h"
#include "load/transport.h"
#include "profile/profile.h"
#include <stdbool.h>

struct extract;

// `value` is validated, and stays the caller's until close.
int extract_open(const struct profile_extract *value, struct extract **out, struct seep_err *err);
void extract_close(struct extract *x); // NULL is allowed

// What of the reply must be kept for it.
bool extract_wants_head(const struct extract *x);
bool extract_wants_body(const struct extract *x);

// Replaces what `out` holds by the value. False: the reply does not hold it, or it is larger than out's ceiling; out is
// then empty. (The profile's default is the caller's to put in: it may hold references.)
bool extract_text(const struct extract *x, const struct exchange_reply *reply, struct seep_buf *out);

// The value as a number; false when there is none or it is no finite number. `scratch` is overwritten.
bool extract_number(const struct extract *x, const struct exchange_reply *reply, struct seep_buf *scratch, double *out);

#endif
