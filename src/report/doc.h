// A document for people, written once and put down as Markdown or as one self-contained HTML page. Private to
// src/report.
//
// Every text that is handed over may be the target's: it is escaped here, so the one who writes a document cannot
// forget to.
#ifndef SEEP_REPORT_DOC_H
#define SEEP_REPORT_DOC_H

#include "base/buf.h"
#include <stdbool.h>
#include <stddef.h>

enum { DOC_COLUMNS_MAX = 16 };

struct doc {
    struct seep_buf *out;
    bool html;
    size_t n_columns, column; // of the table that is open
    bool figures[DOC_COLUMNS_MAX];
};

// word: what kind of document, for the title of the page; ours. nonce: of the page's policy (32 hexadecimal digits);
// Markdown does not need it.
void doc_begin(struct doc *d, const char *word, const char *title, const char *nonce);
void doc_end(struct doc *d);
void doc_heading(struct doc *d, int level, const char *text); // 2 or 3
void doc_text(struct doc *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void doc_list(struct doc *d);
void doc_item(struct doc *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void doc_list_end(struct doc *d);
// heads: separated by '|'; one that begins with '>' is a column of figures.
void doc_table(struct doc *d, const char *heads);
void doc_cell(struct doc *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// A small course of n values over time, unknown ones NaN.
void doc_spark(struct doc *d, const double *y, size_t n);
void doc_table_end(struct doc *d);

#endif
