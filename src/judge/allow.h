// The allow list: call stacks that a profile lets grow, each with a budget, a reason and a last day. Pure.
#ifndef SEEP_JUDGE_ALLOW_H
#define SEEP_JUDGE_ALLOW_H

#include <stdbool.h>
#include <stddef.h>

// One frame as patterns see it; NULL where unknown. function: without compiler suffixes (.constprop.0, .part.1, .cold).
struct judge_allow_frame {
    const char *function, *file, *module;
};

// Does an entry that ends with the day `expires` ("YYYY-MM-DD", NULL: never) no longer count on the day `today`? Days
// of that form sort as text. Its last day is the one named.
bool judge_allow_expired(const char *expires, const char *today);

// Does a stack, innermost frame first, match? A pattern is a glob (fnmatch) over the function, the file or the module
// of any frame. "inner < outer" matches where `inner` does and, further out, `outer` does; any number of parts.
bool judge_allow_matches(const char *pattern, const struct judge_allow_frame *frames, size_t n);

#endif
