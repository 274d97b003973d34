// The head of a reply as it was kept: a status line, then "Name: value" lines, each with its CR LF. Of any content.
#ifndef SEEP_LOAD_REPLY_HEAD_H
#define SEEP_LOAD_REPLY_HEAD_H

#include "load/text.h"
#include <stdbool.h>
#include <stddef.h>

// The value of the next header field called `name` (without regard to case), without blanks around it. *from is where
// to begin, 0 at first, and moves on. False: there is no other.
bool reply_head_next(struct load_text head, const char *name, size_t *from, struct load_text *value);

// The next member of a comma list ("a, b=\"c,d\""), without blanks around it; *list moves on. False: it is at its end.
bool reply_head_member(struct load_text *list, struct load_text *member);

// The text without blanks around it.
struct load_text load_text_trim(struct load_text t);

#endif
