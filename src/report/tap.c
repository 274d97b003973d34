// TAP 14: one test point a gate, with its figures as a YAML block. What cannot be decided is "not ok", as in the exit
// code; a warning is "ok".
#include "base/esc.h"
#include "report/sheet.h"

#include <string.h>

// One line, with the characters escaped that TAP gives a meaning.
static void put_words(struct seep_buf *out, const char *text)
{
    struct seep_buf plain;
    buf_init(&plain, 256 * 1024);
    esc_term(&plain, text, strlen(text));
    for (size_t i = 0; i < plain.len; i++) {
        if (plain.data[i] == '\\' || plain.data[i] == '#')
            buf_char(out, '\\');
        buf_char(out, plain.data[i]);
    }
    out->failed |= plain.failed;
    buf_free(&plain);
}

// JSON strings are YAML strings.
static void put_pair(struct seep_buf *out, const char *key, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    buf_printf(out, "  %s: \"", key);
    esc_json(out, value, strlen(value), false);
    buf_str(out, "\"\n");
}

static void put_stacks(struct seep_buf *out, const struct sheet *s)
{
    if (s->n_findings == 0)
        return;
    buf_str(out, "  stacks:\n");
    for (size_t i = 0; i < s->n_findings && i < 10; i++) {
        buf_str(out, "    - \"");
        esc_json(out, s->findings[i].message, strlen(s->findings[i].message), false);
        buf_str(out, "\"\n");
    }
}

static void put_check(struct seep_buf *out, const struct sheet *s, const struct sheet_check *c, size_t number)
{
    bool bad = c->status == JUDGE_S_FAIL || c->status == JUDGE_S_INCONCLUSIVE;
    buf_printf(out, "%s %zu - ", bad ? "not ok" : "ok", number);
    put_words(out, c->name);
    if (c->status == JUDGE_S_SKIPPED) {
        buf_str(out, " # SKIP ");
        put_words(out, c->reason);
    }
    buf_str(out, "\n  ---\n");
    put_pair(out, "status", judge_status_name(c->status));
    put_pair(out, "demand", c->demand);
    put_pair(out, "value", c->value);
    put_pair(out, "limit", c->limit);
    put_pair(out, "message", c->reason);
    if (c->of_stacks)
        put_stacks(out, s);
    buf_str(out, "  ...\n");
}

int sheet_tap(const struct sheet *s, struct seep_buf *out, struct seep_err *err)
{
    buf_printf(out, "TAP version 14\n1..%zu\n# ", s->n_checks);
    put_words(out, s->suite);
    buf_str(out, ", run ");
    put_words(out, s->run);
    buf_printf(out, ": %s: ", s->verdict);
    put_words(out, s->headline);
    buf_char(out, '\n');
    for (size_t i = 0; i < s->n_checks; i++)
        put_check(out, s, &s->checks[i], i + 1);
    return buf_check(out, "The TAP report", err);
}

int report_tap(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    struct sheet s;
    if (sheet_of_report(r, style == NULL ? NULL : style->root, &s, err))
        return -1;
    int failed = sheet_tap(&s, out, err);
    sheet_free(&s);
    return failed;
}
