// Writing for a terminal: columns, wrapping and colour, with everything foreign escaped. Shared with the other rooms
// that print.
#ifndef SEEP_REPORT_TEXT_H
#define SEEP_REPORT_TEXT_H

#include "report/report.h"

enum text_colour { TEXT_PLAIN, TEXT_RED, TEXT_GREEN, TEXT_YELLOW, TEXT_DIM, TEXT_BOLD };

struct text {
    struct seep_buf *out;
    const struct report_style *style;
    int column; // of the next character, from 0
    int width;
};

void text_init(struct text *t, const struct report_style *style, struct seep_buf *out);

// Our own words: no escaping needed, counted by UTF-8 characters.
void text_put(struct text *t, enum text_colour colour, const char *words);
void text_printf(struct text *t, enum text_colour colour, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
// Words of the target's: escaped by esc_term, and cut with "..." to at most max columns (0: no limit).
void text_foreign(struct text *t, enum text_colour colour, const char *words, int max);
// A sentence, foreign words and all, that wraps at blanks and continues under `column`.
void text_wrapped(struct text *t, enum text_colour colour, const char *sentence, int column);
void text_pad(struct text *t, int column); // blanks up to the column; at least none
void text_end_line(struct text *t);
// Ends the line with foreign words at its right edge, or on a line of their own where there is no room.
void text_end_right(struct text *t, const char *end);
// Columns left in the line.
int text_room(const struct text *t);
// The columns a string takes, in UTF-8 characters.
int text_columns(const char *s, size_t len);

// A status word as it is shown: "target_failed" as "TARGET FAILED".
void text_upper(char *out, size_t size, const char *word);

enum text_colour text_status_colour(enum judge_status status);

// One line (and its continuation) of the ranked list.
void text_stack(struct text *t, const struct report_stack *s);
// Below stacks with unreachable blocks: what scans do not look into.
void text_not_covered(struct text *t, const struct report *r);
// "session_new src/session.c:88 < handle_login < main", from the first frame of the program's own; fits the line.
void text_chain(struct text *t, const struct report_stack *s);

#endif
