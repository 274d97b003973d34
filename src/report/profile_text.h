// What profiles (pprof, speedscope, folded stacks, the flame graph) call things. Private to src/report.
//
// Names are the target's: here they become one line of valid UTF-8 without controls and bidirectional overrides, which
// every viewer takes. Each format still escapes for its own syntax.
#ifndef SEEP_REPORT_PROFILE_TEXT_H
#define SEEP_REPORT_PROFILE_TEXT_H

#include "report/report.h"

// The function, or "module+0xOFFSET" where none is known.
void profile_put_name(struct seep_buf *out, const struct report_frame *f);
// What the single frame of a stack without frames is called.
const char *profile_frameless_name(const struct report_stack *s);
// The growth in bytes an hour, rounded; 0 where unknown.
int64_t profile_per_hour(double slope_per_s);
// A count or bytes as an integer, rounded; 0 where unknown.
int64_t profile_integer(double value);
// Last component of a path.
const char *profile_base_name(const char *path);
// The frame a reader looks for: the innermost of the program's own, else the innermost.
size_t profile_first_own(const struct report_stack *s);

#endif
