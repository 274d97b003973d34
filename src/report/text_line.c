// Columns and colour for text output: see text.h.
#include "base/esc.h"
#include "report/text.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH_DEFAULT = 120, WIDTH_MIN = 60 };

void text_init(struct text *t, const struct report_style *style, struct seep_buf *out)
{
    static const struct report_style plain = {0};
    *t = (struct text){.out = out, .style = style == NULL ? &plain : style};
    int width = t->style->width;
    t->width = width == 0 ? WIDTH_DEFAULT : width < WIDTH_MIN ? WIDTH_MIN : width;
}

int text_columns(const char *s, size_t len)
{
    int n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)s[i] & 0xc0) != 0x80;
    return n;
}

static void start_colour(struct text *t, enum text_colour colour)
{
    static const char *const codes[] = {
        [TEXT_PLAIN] = "",      [TEXT_RED] = "\033[1;31m", [TEXT_GREEN] = "\033[1;32m", [TEXT_YELLOW] = "\033[1;33m",
        [TEXT_DIM] = "\033[2m", [TEXT_BOLD] = "\033[1m"};
    if (t->style->colour)
        buf_str(t->out, codes[colour]);
}

static void end_colour(struct text *t, enum text_colour colour)
{
    if (t->style->colour && colour != TEXT_PLAIN)
        buf_str(t->out, "\033[0m");
}

static void put_bytes(struct text *t, enum text_colour colour, const char *s, size_t len)
{
    start_colour(t, colour);
    buf_add(t->out, s, len);
    end_colour(t, colour);
    t->column += text_columns(s, len);
}

void text_put(struct text *t, enum text_colour colour, const char *words)
{
    put_bytes(t, colour, words, strlen(words));
}

void text_printf(struct text *t, enum text_colour colour, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    text_put(t, colour, line);
}

// Bytes of s that fill at most `columns` columns; never splits a character.
static size_t fit(const char *s, size_t len, int columns)
{
    int n = 0;
    for (size_t i = 0; i < len; i++) {
        n += ((unsigned char)s[i] & 0xc0) != 0x80;
        if (n > columns)
            return i;
    }
    return len;
}

void text_foreign(struct text *t, enum text_colour colour, const char *words, int max)
{
    struct seep_buf safe;
    buf_init(&safe, 64 * 1024);
    esc_term(&safe, words, strlen(words));
    if (safe.len > 0 && max > 0 && text_columns(safe.data, safe.len) > max) {
        put_bytes(t, colour, safe.data, fit(safe.data, safe.len, max > 3 ? max - 3 : max));
        if (max > 3)
            put_bytes(t, colour, "...", 3);
    } else if (safe.len > 0) {
        put_bytes(t, colour, safe.data, safe.len);
    }
    buf_free(&safe);
}

void text_pad(struct text *t, int column)
{
    while (t->column < column) {
        buf_char(t->out, ' ');
        t->column++;
    }
}

void text_end_line(struct text *t)
{
    while (t->out->len > 0 && t->out->data[t->out->len - 1] == ' ')
        t->out->data[--t->out->len] = '\0';
    buf_char(t->out, '\n');
    t->column = 0;
}

void text_wrapped(struct text *t, enum text_colour colour, const char *sentence, int column)
{
    struct seep_buf word;
    buf_init(&word, 64 * 1024);
    for (const char *s = sentence; *s != '\0';) {
        size_t len = strcspn(s, " ");
        buf_clear(&word);
        buf_add(&word, s, len);
        if (t->column > column && text_columns(word.data == NULL ? "" : word.data, len) >= text_room(t)) {
            text_end_line(t);
            text_pad(t, column);
        } else if (s != sentence) {
            text_put(t, TEXT_PLAIN, " ");
        }
        text_foreign(t, colour, len == 0 ? "" : word.data, 0);
        s += len;
        while (*s == ' ')
            s++;
    }
    buf_free(&word);
}

void text_end_right(struct text *t, const char *end)
{
    int place = t->width - text_columns(end, strlen(end));
    if (place < t->column + 3) {
        text_end_line(t);
        text_pad(t, 2);
    } else {
        text_pad(t, place);
    }
    text_foreign(t, TEXT_DIM, end, 0);
    text_end_line(t);
}

int text_room(const struct text *t)
{
    return t->column < t->width ? t->width - t->column : 0;
}

enum text_colour text_status_colour(enum judge_status status)
{
    switch (status) {
    case JUDGE_S_PASS:
        return TEXT_GREEN;
    case JUDGE_S_FAIL:
        return TEXT_RED;
    case JUDGE_S_INCONCLUSIVE:
    case JUDGE_S_WARN:
        return TEXT_YELLOW;
    case JUDGE_S_SKIPPED:
    case JUDGE_STATUSES:
        break;
    }
    return TEXT_DIM;
}

void text_upper(char *out, size_t size, const char *word)
{
    size_t i = 0;
    for (; word[i] != '\0' && i + 1 < size; i++)
        out[i] = word[i] == '_' ? ' ' : (char)toupper((unsigned char)word[i]);
    out[i] = '\0';
}
