// The bounded buffer: see buf.h.
#include "base/buf.h"
#include "base/check.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct seep_buf *b, size_t ceiling)
{
    SEEP_CHECK(ceiling > 0);
    *b = (struct seep_buf){.ceiling = ceiling};
}

void buf_free(struct seep_buf *b)
{
    free(b->data);
    b->data = NULL;
    b->len = b->cap = 0;
}

void buf_clear(struct seep_buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = 0;
}

static bool reserve(struct seep_buf *b, size_t more)
{
    if (b->failed)
        return false;
    if (more > b->ceiling - b->len) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + more + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 256;
    while (cap < need)
        cap *= 2;
    char *data = realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void buf_add(struct seep_buf *b, const void *data, size_t len)
{
    if (!reserve(b, len))
        return;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = 0;
}

void buf_str(struct seep_buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_char(struct seep_buf *b, char c)
{
    buf_add(b, &c, 1);
}

static void buf_vprintf(struct seep_buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (len < 0) {
        b->failed = true;
        return;
    }
    if (!reserve(b, (size_t)len))
        return;
    vsnprintf(b->data + b->len, (size_t)len + 1, fmt, ap);
    b->len += (size_t)len;
}

void buf_printf(struct seep_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

// "%.15g" leaves trailing zeros out, so whatever has a form of up to 15 digits that reads back equal gets it at once;
// only subnormal numbers hold fewer digits than that.
void buf_double(struct seep_buf *b, double value)
{
    char text[40];
    for (int digits = fabs(value) < DBL_MIN ? 6 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_str(b, text);
}

int buf_check(const struct seep_buf *b, const char *what, struct seep_err *err)
{
    if (!b->failed)
        return 0;
    return seep_fail(err, SEEP_E_LIMIT, "%s is larger than %zu bytes, or memory ran out", what, b->ceiling);
}
