// Markdown under a hard limit: whole rows or none, and a sentence for what had no room. Private to src/report.
//
// GitHub refuses a step summary over 1 MiB and a comment over 64 KiB as a whole, so what is cut must be cut here.
#ifndef SEEP_REPORT_MD_H
#define SEEP_REPORT_MD_H

#include "report/report.h"

enum { MD_LIMIT_DEFAULT = 1024 * 1024 };

struct md {
    struct seep_buf *out;
    size_t limit;
    size_t mark;         // where the present row began
    const char *section; // written before its first row; NULL: it has one already
    bool cut;            // a row had no room: none follows
    size_t left_out;
};

// limit_bytes 0: MD_LIMIT_DEFAULT. out may hold something already, which counts.
void md_init(struct md *m, struct seep_buf *out, size_t limit_bytes);
// What stands before the next rows (a title, a table's head), if there are any. The text must live until md_end().
void md_section(struct md *m, const char *text);
// A row: everything written to m->out between the two. md_row_end() takes it back when it has no room.
void md_row(struct md *m);
void md_row_end(struct md *m);
// The sentence on what was left out, if any.
void md_end(struct md *m);

// Words of the target's, escaped.
void md_foreign(struct md *m, const char *text);
void md_value(struct md *m, double value, enum judge_unit unit);

#endif
