// The JSON writer: see jsonw.h.
#include "base/jsonw.h"
#include "base/check.h"
#include "base/esc.h"
#include "base/units.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void jsonw_init(struct jsonw *w, struct seep_buf *out, bool pretty)
{
    *w = (struct jsonw){.out = out, .pretty = pretty};
}

static void newline(struct jsonw *w)
{
    if (!w->pretty)
        return;
    buf_char(w->out, '\n');
    for (int i = 0; i < w->depth; i++)
        buf_str(w->out, "  ");
}

static void quoted(struct jsonw *w, const char *s, size_t len)
{
    buf_char(w->out, '"');
    esc_json(w->out, s, len, w->in_html);
    buf_char(w->out, '"');
}

static void lead(struct jsonw *w, const char *key)
{
    if (w->depth > 0) {
        if (w->has_item[w->depth])
            buf_char(w->out, ',');
        w->has_item[w->depth] = true;
        newline(w);
    }
    if (key) {
        quoted(w, key, strlen(key));
        buf_str(w->out, w->pretty ? ": " : ":");
    }
}

static void open_level(struct jsonw *w, const char *key, char c)
{
    lead(w, key);
    buf_char(w->out, c);
    SEEP_CHECK(w->depth + 1 < (int)(sizeof w->has_item / sizeof *w->has_item));
    w->has_item[++w->depth] = false;
}

static void close_level(struct jsonw *w, char c)
{
    SEEP_CHECK(w->depth > 0);
    bool any = w->has_item[w->depth--];
    if (any)
        newline(w);
    buf_char(w->out, c);
}

void jsonw_object(struct jsonw *w, const char *key)
{
    open_level(w, key, '{');
}

void jsonw_array(struct jsonw *w, const char *key)
{
    open_level(w, key, '[');
}

void jsonw_end_object(struct jsonw *w)
{
    close_level(w, '}');
}

void jsonw_end_array(struct jsonw *w)
{
    close_level(w, ']');
}

void jsonw_null(struct jsonw *w, const char *key)
{
    lead(w, key);
    buf_str(w->out, "null");
}

void jsonw_stringn(struct jsonw *w, const char *key, const char *value, size_t len)
{
    lead(w, key);
    quoted(w, value, len);
}

void jsonw_string(struct jsonw *w, const char *key, const char *value)
{
    if (value)
        jsonw_stringn(w, key, value, strlen(value));
    else
        jsonw_null(w, key);
}

void jsonw_int(struct jsonw *w, const char *key, int64_t value)
{
    if (value == SEEP_UNKNOWN) {
        jsonw_null(w, key);
        return;
    }
    lead(w, key);
    buf_printf(w->out, "%lld", (long long)value);
}

void jsonw_double(struct jsonw *w, const char *key, double value)
{
    if (!isfinite(value) || value == (double)SEEP_UNKNOWN) {
        jsonw_null(w, key);
        return;
    }
    lead(w, key);
    buf_double(w->out, value);
}

void jsonw_bool(struct jsonw *w, const char *key, bool value)
{
    lead(w, key);
    buf_str(w->out, value ? "true" : "false");
}
