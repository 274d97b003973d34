// Escaping at the sinks. Bytes from the target are stored as they came; each sink escapes with exactly one of these.
#ifndef SEEP_BASE_ESC_H
#define SEEP_BASE_ESC_H

#include "base/buf.h"
#include <stdbool.h>
#include <stddef.h>

// Length of the valid UTF-8 sequence at s (1..4), or 0 when the bytes there are not one (overlong, surrogate, >
// U+10FFFF, cut off). *rune (may be NULL) is the code point. len > 0.
int esc_utf8(const char *s, size_t len, unsigned *rune);

// For terminals and log lines: every control character (C0, DEL, C1), every bidirectional override and every byte that
// is not UTF-8 becomes \xNN of its bytes; so no escape sequence of the target's reaches a terminal, and a line stays a
// line.
void esc_term(struct seep_buf *out, const char *s, size_t len);

// For text inside JSON quotes. in_html also writes '<', '>' and '&' as \u00NN, so that it can stand inside <script>.
void esc_json(struct seep_buf *out, const char *s, size_t len, bool in_html);

// For HTML and XML text and attribute values in double quotes. Control characters (but tab and newline), bidirectional
// overrides and what XML refuses become U+FFFD.
void esc_html(struct seep_buf *out, const char *s, size_t len);

// For running text of Markdown within a line (CommonMark, and the cells of GitHub's tables): marks that could begin
// markup are escaped, '<' and '&' become entities, control characters as in esc_term, and an '@' mentions nobody; so it
// shows as it is.
void esc_markdown(struct seep_buf *out, const char *s, size_t len);

// One CSV cell, quoted where needed (RFC 4180); a text cell that a spreadsheet would run as a formula (= + - @ TAB CR
// LF at its start) gets a leading apostrophe. Numbers are not written through this.
void esc_csv(struct seep_buf *out, const char *s, size_t len);

#endif
