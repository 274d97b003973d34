// JUnit XML, as GitLab and Jenkins read it: one test suite, one test case a gate (and one each for the run itself, the
// shutdown, ...). A failed gate is a failure, one that cannot be decided is an error, so that neither leaves a job
// green. Only elements and attributes that the JUnit plugin of Jenkins and GitLab both read.
#include "base/clock.h"
#include "base/esc.h"
#include "report/sheet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SYSTEM_OUT_MAX = 16 * 1024, FINDINGS_SHOWN = 10 };

static void put_text(struct seep_buf *out, const char *s)
{
    esc_html(out, s, strlen(s));
}

static void put_attribute(struct seep_buf *out, const char *name, const char *value)
{
    buf_printf(out, " %s=\"", name);
    put_text(out, value == NULL ? "" : value);
    buf_char(out, '"');
}

static void put_seconds(struct seep_buf *out, double seconds)
{
    buf_printf(out, " time=\"%.3f\"", isfinite(seconds) && seconds > 0 ? seconds : 0.0);
}

static void put_property(struct seep_buf *out, const char *name, const char *value)
{
    if (value == NULL)
        return;
    buf_str(out, "      <property");
    put_attribute(out, "name", name);
    put_attribute(out, "value", value);
    buf_str(out, "/>\n");
}

static void put_properties(struct seep_buf *out, const struct sheet *s)
{
    char code[16];
    snprintf(code, sizeof code, "%d", s->exit_code);
    buf_str(out, "    <properties>\n");
    put_property(out, "run", s->run);
    put_property(out, "base", s->base);
    put_property(out, "profile", s->profile);
    put_property(out, "command", s->command);
    put_property(out, "verdict", s->verdict);
    put_property(out, "exit_code", code);
    put_property(out, "headline", s->headline);
    put_property(out, "seep_version", s->version);
    buf_str(out, "    </properties>\n");
}

static void put_findings(struct seep_buf *out, const struct sheet *s)
{
    for (size_t i = 0; i < s->n_findings && i < FINDINGS_SHOWN; i++) {
        put_text(out, s->findings[i].message);
        buf_char(out, '\n');
    }
    if (s->n_findings > FINDINGS_SHOWN)
        buf_printf(out, "and %zu more\n", s->n_findings - FINDINGS_SHOWN + s->n_more);
}

static void put_problem(struct seep_buf *out, const struct sheet *s, const struct sheet_check *c, const char *element)
{
    buf_printf(out, "      <%s", element);
    put_attribute(out, "message", c->reason[0] != '\0' ? c->reason : judge_status_name(c->status));
    put_attribute(out, "type", judge_status_name(c->status));
    buf_char(out, '>');
    if (c->demand != NULL) {
        put_text(out, c->demand);
        buf_str(out, ": ");
    }
    put_text(out, c->reason);
    buf_char(out, '\n');
    if (c->of_stacks)
        put_findings(out, s);
    buf_printf(out, "</%s>\n", element);
}

static void put_case(struct seep_buf *out, const struct sheet *s, const struct sheet_check *c)
{
    buf_str(out, "    <testcase");
    put_attribute(out, "name", c->name);
    buf_str(out, " classname=\"");
    put_text(out, s->suite);
    buf_char(out, '.');
    put_text(out, s->profile == NULL ? "run" : s->profile);
    buf_char(out, '"');
    put_seconds(out, s->seconds);
    buf_str(out, ">\n");
    if (c->status == JUDGE_S_FAIL)
        put_problem(out, s, c, "failure");
    else if (c->status == JUDGE_S_INCONCLUSIVE)
        put_problem(out, s, c, "error");
    else if (c->status == JUDGE_S_SKIPPED) {
        buf_str(out, "      <skipped");
        put_attribute(out, "message", c->reason);
        buf_str(out, "/>\n");
    }
    if (c->value[0] != '\0' || c->status == JUDGE_S_WARN) {
        buf_str(out, "      <system-out>");
        buf_str(out, c->status == JUDGE_S_WARN ? "warning: " : "");
        put_text(out, c->demand == NULL ? c->name : c->demand);
        buf_str(out, ", measured ");
        put_text(out, c->value[0] != '\0' ? c->value : "unknown");
        buf_str(out, "</system-out>\n");
    }
    buf_str(out, "    </testcase>\n");
}

// The text report, cut at a whole line.
static void put_details(struct seep_buf *out, const char *details)
{
    size_t len = strlen(details), kept = len;
    if (len > SYSTEM_OUT_MAX)
        for (kept = SYSTEM_OUT_MAX; kept > 0 && details[kept - 1] != '\n';)
            kept--;
    buf_str(out, "    <system-out>");
    esc_html(out, details, kept);
    if (kept < len)
        buf_printf(out, "%zu more bytes are left out here: seep report shows them.\n", len - kept);
    buf_str(out, "</system-out>\n");
}

static size_t count(const struct sheet *s, enum judge_status status)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_checks; i++)
        n += s->checks[i].status == status;
    return n;
}

static void put_counts(struct seep_buf *out, const struct sheet *s)
{
    buf_printf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\"", s->n_checks, count(s, JUDGE_S_FAIL),
               count(s, JUDGE_S_INCONCLUSIVE));
}

int sheet_junit(const struct sheet *s, struct seep_buf *out, struct seep_err *err)
{
    char when[32];
    buf_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
    put_attribute(out, "name", s->suite);
    put_counts(out, s);
    put_seconds(out, s->seconds);
    buf_str(out, ">\n  <testsuite");
    put_attribute(out, "name", s->profile == NULL ? s->suite : s->profile);
    put_counts(out, s);
    buf_printf(out, " skipped=\"%zu\"", count(s, JUDGE_S_SKIPPED));
    put_seconds(out, s->seconds);
    if (s->started_ns != SEEP_UNKNOWN) {
        clock_iso8601(when, s->started_ns);
        when[strcspn(when, "Z")] = '\0'; // the schemas want a dateTime without a zone
        put_attribute(out, "timestamp", when);
    }
    put_attribute(out, "hostname", s->host == NULL ? "unknown" : s->host);
    buf_str(out, ">\n");
    put_properties(out, s);
    for (size_t i = 0; i < s->n_checks; i++)
        put_case(out, s, &s->checks[i]);
    put_details(out, s->details);
    buf_str(out, "  </testsuite>\n</testsuites>\n");
    return buf_check(out, "The JUnit report", err);
}

int report_junit(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    struct sheet s;
    if (sheet_of_report(r, style == NULL ? NULL : style->root, &s, err))
        return -1;
    int failed = sheet_junit(&s, out, err);
    sheet_free(&s);
    return failed;
}
