// Workflow commands of GitHub Actions: one annotation a growing place in the source and one a gate that did not pass,
// and a last line for people. GitHub shows ten of each kind from a step and drops the rest in silence, so the tenth
// says how many there are.
//
// A command is one line "::KIND PROPERTIES::MESSAGE". Everything foreign is first made one printable line (esc_term),
// then escaped as the runner decodes it: % CR LF everywhere, ":" and "," in properties too. So no name of the target's
// begins a command of its own.
#include "base/esc.h"
#include "report/sheet.h"

#include <stdio.h>
#include <string.h>

enum { PER_KIND = 10 };

static void put_escaped(struct seep_buf *out, const char *text, bool property)
{
    struct seep_buf plain;
    buf_init(&plain, 256 * 1024);
    esc_term(&plain, text, strlen(text));
    for (size_t i = 0; i < plain.len; i++) {
        char c = plain.data[i];
        if (c == '%' || (property && (c == ':' || c == ',')))
            buf_printf(out, "%%%02X", (unsigned char)c);
        else
            buf_char(out, c);
    }
    out->failed |= plain.failed;
    buf_free(&plain);
}

static const char *kind_of(enum sheet_level level)
{
    return level == SHEET_ERROR ? "error" : level == SHEET_WARNING ? "warning" : "notice";
}

static void put_property(struct seep_buf *out, bool *first, const char *name, const char *value)
{
    buf_printf(out, "%s%s=", *first ? " " : ",", name);
    put_escaped(out, value, true);
    *first = false;
}

static void put_finding(struct seep_buf *out, const struct sheet *s, const struct sheet_finding *f)
{
    static const char *const titles[] = {[SHEET_STATE_NONE] = "growing call stack",
                                         [SHEET_NEW] = "new growing call stack",
                                         [SHEET_UPDATED] = "call stack grows otherwise",
                                         [SHEET_UNCHANGED] = "growing call stack, as in the base",
                                         [SHEET_ABSENT] = "call stack no longer grows"};
    bool first = true;
    buf_printf(out, "::%s", kind_of(f->level));
    if (f->at != NULL) {
        char line[16];
        snprintf(line, sizeof line, "%d", f->at->line);
        put_property(out, &first, "file", sheet_path(s, f->at->file));
        put_property(out, &first, "line", line);
    }
    put_property(out, &first, "title", titles[f->state]);
    buf_str(out, "::");
    put_escaped(out, f->message, false);
    buf_char(out, '\n');
}

static bool check_has_level(const struct sheet_check *c, enum sheet_level level)
{
    if (level == SHEET_ERROR)
        return c->status == JUDGE_S_FAIL || c->status == JUDGE_S_INCONCLUSIVE;
    return level == SHEET_WARNING && c->status == JUDGE_S_WARN;
}

static void put_check(struct seep_buf *out, const struct sheet_check *c, enum sheet_level level)
{
    bool first = true;
    buf_printf(out, "::%s", kind_of(level));
    put_property(out, &first, "title", c->name);
    buf_str(out, "::");
    put_escaped(out, judge_status_name(c->status), false);
    buf_str(out, ": ");
    put_escaped(out, c->demand == NULL ? c->name : c->demand, false);
    buf_str(out, ". ");
    put_escaped(out, c->reason, false);
    buf_char(out, '\n');
}

static size_t count(const struct sheet *s, enum sheet_level level)
{
    size_t n = level == SHEET_NOTE ? s->n_more : 0;
    for (size_t i = 0; i < s->n_checks; i++)
        n += check_has_level(&s->checks[i], level);
    for (size_t i = 0; i < s->n_findings; i++)
        n += s->findings[i].level == level;
    return n;
}

// Gates first: they are few and decide.
static void put_kind(struct seep_buf *out, const struct sheet *s, enum sheet_level level)
{
    size_t n = count(s, level), room = n > PER_KIND ? PER_KIND - 1 : n, shown = 0;
    for (size_t i = 0; i < s->n_checks && shown < room; i++)
        if (check_has_level(&s->checks[i], level)) {
            put_check(out, &s->checks[i], level);
            shown++;
        }
    for (size_t i = 0; i < s->n_findings && shown < room; i++)
        if (s->findings[i].level == level) {
            put_finding(out, s, &s->findings[i]);
            shown++;
        }
    if (n > shown)
        buf_printf(out, "::%s title=seep::and %zu more: see the report of the run\n", kind_of(level), n - shown);
}

int sheet_github(const struct sheet *s, struct seep_buf *out, struct seep_err *err)
{
    put_kind(out, s, SHEET_ERROR);
    put_kind(out, s, SHEET_WARNING);
    put_kind(out, s, SHEET_NOTE);
    buf_printf(out, "seep: %s: ", s->verdict);
    esc_term(out, s->headline, strlen(s->headline));
    buf_char(out, '\n');
    return buf_check(out, "The annotations", err);
}

int report_github(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    struct sheet s;
    if (sheet_of_report(r, style == NULL ? NULL : style->root, &s, err))
        return -1;
    int failed = sheet_github(&s, out, err);
    sheet_free(&s);
    return failed;
}
