// A document as Markdown or HTML: see doc.h.
#include "report/doc.h"
#include "base/esc.h"
#include "report/html.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { WORDS_MAX = 4096, SPARK_COLUMNS = 24 };

static void put(struct doc *d, const char *text)
{
    if (d->html)
        html_name(d->out, text);
    else
        esc_markdown(d->out, text, strlen(text));
}

void doc_begin(struct doc *d, const char *word, const char *title, const char *nonce)
{
    if (!d->html) {
        buf_str(d->out, "# ");
        put(d, title);
        buf_char(d->out, '\n');
        return;
    }
    html_begin(word, title, nonce, d->out);
    buf_str(d->out, "<header class=\"top\"><div class=\"in\"><p class=\"brand\">seep</p>\n<h1>");
    put(d, title);
    buf_str(d->out, "</h1></div></header>\n<main id=\"main\" class=\"doc\">\n");
}

void doc_end(struct doc *d)
{
    if (d->html)
        buf_str(d->out, "</main>\n</body>\n</html>\n");
}

void doc_heading(struct doc *d, int level, const char *text)
{
    if (d->html)
        buf_printf(d->out, "<h%d>", level);
    else
        buf_printf(d->out, "\n%s ", level == 2 ? "##" : "###");
    put(d, text);
    if (d->html)
        buf_printf(d->out, "</h%d>\n", level);
    else
        buf_char(d->out, '\n');
}

static void put_words(struct doc *d, const char *fmt, va_list ap)
{
    char words[WORDS_MAX];
    vsnprintf(words, sizeof words, fmt, ap);
    put(d, words);
}

void doc_text(struct doc *d, const char *fmt, ...)
{
    va_list ap;
    buf_str(d->out, d->html ? "<p>" : "\n");
    va_start(ap, fmt);
    put_words(d, fmt, ap);
    va_end(ap);
    buf_str(d->out, d->html ? "</p>\n" : "\n");
}

void doc_list(struct doc *d)
{
    buf_str(d->out, d->html ? "<ul>\n" : "\n");
}

void doc_item(struct doc *d, const char *fmt, ...)
{
    va_list ap;
    buf_str(d->out, d->html ? "<li>" : "- ");
    va_start(ap, fmt);
    put_words(d, fmt, ap);
    va_end(ap);
    buf_str(d->out, d->html ? "</li>\n" : "\n");
}

void doc_list_end(struct doc *d)
{
    if (d->html)
        buf_str(d->out, "</ul>\n");
}

// ---- tables ---------------------------------------------------------------------------------------------------------

static void put_head(struct doc *d, const char *head, size_t len, bool figures)
{
    char name[128];
    snprintf(name, sizeof name, "%.*s", (int)len, head);
    buf_str(d->out, d->html ? (figures ? "<th class=\"num\">" : "<th>") : " ");
    put(d, name);
    buf_str(d->out, d->html ? "</th>" : " |");
}

void doc_table(struct doc *d, const char *heads)
{
    d->n_columns = d->column = 0;
    buf_str(d->out, d->html ? "<div class=\"card wide\"><table><thead><tr>" : "\n|");
    while (d->n_columns < DOC_COLUMNS_MAX) {
        size_t len = strcspn(heads, "|");
        bool right = heads[0] == '>';
        put_head(d, heads + right, len - right, right);
        d->figures[d->n_columns++] = right;
        if (heads[len] == '\0')
            break;
        heads += len + 1;
    }
    if (d->html) {
        buf_str(d->out, "</tr></thead><tbody>\n");
        return;
    }
    buf_str(d->out, "\n|");
    for (size_t i = 0; i < d->n_columns; i++)
        buf_str(d->out, d->figures[i] ? "---:|" : "---|");
    buf_char(d->out, '\n');
}

static void begin_cell(struct doc *d)
{
    if (d->html)
        buf_printf(d->out, "%s<td%s>", d->column == 0 ? "<tr>" : "", d->figures[d->column] ? " class=\"num\"" : "");
    else
        buf_str(d->out, d->column == 0 ? "| " : " ");
}

static void end_cell(struct doc *d)
{
    buf_str(d->out, d->html ? "</td>" : " |");
    if (++d->column < d->n_columns)
        return;
    buf_str(d->out, d->html ? "</tr>\n" : "\n");
    d->column = 0;
}

void doc_cell(struct doc *d, const char *fmt, ...)
{
    va_list ap;
    begin_cell(d);
    va_start(ap, fmt);
    put_words(d, fmt, ap);
    va_end(ap);
    end_cell(d);
}

void doc_table_end(struct doc *d)
{
    if (d->html)
        buf_str(d->out, "</tbody></table></div>\n");
}

// The mean of each of SPARK_COLUMNS parts, in eight steps between the least and the largest.
static void put_bars(struct doc *d, const double *y, size_t n)
{
    static const char *const steps[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double mean[SPARK_COLUMNS], least = INFINITY, most = -INFINITY;
    for (size_t c = 0; c < SPARK_COLUMNS; c++) {
        double sum = 0;
        size_t known = 0;
        for (size_t i = n * c / SPARK_COLUMNS; i < n * (c + 1) / SPARK_COLUMNS; i++)
            if (isfinite(y[i]))
                sum += y[i], known++;
        mean[c] = known > 0 ? sum / (double)known : NAN;
        least = fmin(least, mean[c]);
        most = fmax(most, mean[c]);
    }
    for (size_t c = 0; c < SPARK_COLUMNS; c++)
        buf_str(d->out, !isfinite(mean[c]) ? "·"
                        : most > least     ? steps[(int)((mean[c] - least) / (most - least) * 7.999)]
                                           : steps[0]);
}

void doc_spark(struct doc *d, const double *y, size_t n)
{
    begin_cell(d);
    put_bars(d, y, n);
    end_cell(d);
}
