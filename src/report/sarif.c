// SARIF 2.1.0 (OASIS): each growing place in the program as a result at file and line, with its whole stack, the way to
// it as a code flow, and its state against the base run. Gates that did not pass stand among the notifications of the
// invocation: they have no place in the source, and readers refuse results without one.
#include "base/clock.h"
#include "base/jsonw.h"
#include "report/arena.h"
#include "report/build.h"
#include "report/profile_text.h"
#include "report/sheet.h"

#include <stdio.h>
#include <string.h>

enum { FRAMES_MAX = 64, URI_MAX = 16 * 1024 };

static const char schema[] =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

static const char *level_name(enum sheet_level level)
{
    return level == SHEET_ERROR ? "error" : level == SHEET_WARNING ? "warning" : "note";
}

static const char *state_name(enum sheet_state state)
{
    static const char *const names[] = {NULL, "new", "updated", "unchanged", "absent"};
    return names[state];
}

// RFC 3986: all but the unreserved characters and "/" as %XX of its bytes.
static void put_path(struct seep_buf *out, const char *path)
{
    for (; *path != '\0'; path++) {
        unsigned char c = (unsigned char)*path;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~/", c) != NULL)
            buf_char(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

// Relative paths are below the root of the sources, wherever the reader has it.
static void put_artifact(struct jsonw *w, const struct sheet *s, const char *path)
{
    struct seep_buf uri;
    path = sheet_path(s, path);
    bool absolute = path[0] == '/';
    buf_init(&uri, URI_MAX);
    buf_str(&uri, absolute ? "file://" : "");
    put_path(&uri, path);
    jsonw_object(w, "artifactLocation");
    jsonw_string(w, "uri", uri.data == NULL ? "unknown" : uri.data);
    if (!absolute)
        jsonw_string(w, "uriBaseId", "%SRCROOT%");
    jsonw_end_object(w);
    buf_free(&uri);
}

static void put_name(struct jsonw *w, const char *key, const struct report_frame *f)
{
    struct seep_buf name;
    buf_init(&name, 64 * 1024);
    profile_put_name(&name, f);
    jsonw_string(w, key, name.data == NULL ? "unknown" : name.data);
    buf_free(&name);
}

static void put_physical(struct jsonw *w, const struct sheet *s, const char *path, int line)
{
    jsonw_object(w, "physicalLocation");
    put_artifact(w, s, path);
    if (line > 0) {
        jsonw_object(w, "region");
        jsonw_int(w, "startLine", line);
        jsonw_end_object(w);
    }
    jsonw_end_object(w);
}

// Members of a location: its source, and the function.
static void put_location(struct jsonw *w, const struct sheet *s, const struct report_frame *f)
{
    if (f->file != NULL && f->file[0] != '\0')
        put_physical(w, s, f->file, f->line);
    jsonw_array(w, "logicalLocations");
    jsonw_object(w, NULL);
    put_name(w, "fullyQualifiedName", f);
    jsonw_string(w, "kind", "function");
    jsonw_end_object(w);
    jsonw_end_array(w);
}

static void put_message(struct jsonw *w, const char *key, const char *text)
{
    jsonw_object(w, key);
    jsonw_string(w, "text", text);
    jsonw_end_object(w);
}

// Where nothing has a line there is still the file that the code is in.
static void put_place(struct jsonw *w, const struct sheet *s, const struct sheet_finding *f)
{
    jsonw_array(w, "locations");
    jsonw_object(w, NULL);
    if (f->at != NULL)
        put_location(w, s, f->at);
    else if (f->stack->n_frames > 0)
        put_physical(w, s, f->stack->frames[profile_first_own(f->stack)].module, 0);
    else
        put_physical(w, s, "(other)", 0);
    jsonw_end_object(w);
    jsonw_end_array(w);
}

static void put_stack(struct jsonw *w, const struct sheet *s, const struct report_stack *stack)
{
    if (stack->n_frames == 0)
        return;
    jsonw_array(w, "stacks");
    jsonw_object(w, NULL);
    put_message(w, "message", "the call stack that allocates, innermost first");
    jsonw_array(w, "frames");
    for (size_t i = 0; i < stack->n_frames && i < FRAMES_MAX; i++) {
        const struct report_frame *f = &stack->frames[i];
        jsonw_object(w, NULL);
        jsonw_object(w, "location");
        put_location(w, s, f);
        jsonw_end_object(w);
        jsonw_string(w, "module", profile_base_name(f->module));
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
    jsonw_end_object(w);
    jsonw_end_array(w);
}

static size_t frames_with_source(const struct report_stack *stack)
{
    size_t n = 0;
    for (size_t i = 0; i < stack->n_frames && i < FRAMES_MAX; i++)
        n += stack->frames[i].file != NULL && stack->frames[i].line > 0;
    return n;
}

// From the outermost frame with a source to the allocation.
static void put_flow(struct jsonw *w, const struct sheet *s, const struct report_stack *stack)
{
    if (frames_with_source(stack) < 2)
        return;
    jsonw_array(w, "codeFlows");
    jsonw_object(w, NULL);
    jsonw_array(w, "threadFlows");
    jsonw_object(w, NULL);
    jsonw_array(w, "locations");
    for (size_t i = stack->n_frames < FRAMES_MAX ? stack->n_frames : FRAMES_MAX; i-- > 0;) {
        const struct report_frame *f = &stack->frames[i];
        if (f->file == NULL || f->line <= 0)
            continue;
        jsonw_object(w, NULL);
        jsonw_object(w, "location");
        put_location(w, s, f);
        jsonw_object(w, "message");
        put_name(w, "text", f);
        jsonw_end_object(w);
        jsonw_end_object(w);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
    jsonw_end_object(w);
    jsonw_end_array(w);
    jsonw_end_object(w);
    jsonw_end_array(w);
}

static void put_figures(struct jsonw *w, const struct sheet_finding *f)
{
    const struct report_stack *stack = f->stack;
    jsonw_object(w, "properties");
    jsonw_double(w, "slopeBytesPerHour", f->slope_per_s * 3600);
    jsonw_array(w, "ci90");
    jsonw_double(w, NULL, f->lo_per_s * 3600);
    jsonw_double(w, NULL, f->hi_per_s * 3600);
    jsonw_end_array(w);
    jsonw_double(w, "share", f->share);
    jsonw_double(w, "liveBytes", stack->judge.live_bytes);
    jsonw_double(w, "liveBlocks", stack->live_blocks);
    jsonw_string(w, "class", judge_class_name(stack->judge.klass));
    jsonw_int(w, "unreachableBlocks", stack->unreachable_blocks);
    jsonw_int(w, "checkedBlocks", stack->unreachable_checked);
    jsonw_end_object(w);
}

static void put_fingerprints(struct jsonw *w, const struct sheet_finding *f)
{
    char line_hash[SHEET_FINGERPRINT + 8];
    jsonw_object(w, "partialFingerprints");
    jsonw_string(w, "seepStack/v1", f->fingerprint);
    // GitHub follows results by this name; the line's text would lose a stack whenever somebody edits above it.
    snprintf(line_hash, sizeof line_hash, "%s:1", f->fingerprint);
    jsonw_string(w, "primaryLocationLineHash", line_hash);
    jsonw_end_object(w);
}

static void put_result(struct jsonw *w, const struct sheet *s, const struct sheet_finding *f)
{
    jsonw_object(w, NULL);
    jsonw_string(w, "ruleId", "growing-stack");
    jsonw_int(w, "ruleIndex", 0);
    jsonw_string(w, "level", level_name(f->level));
    put_message(w, "message", f->message);
    put_place(w, s, f);
    put_stack(w, s, f->stack);
    put_flow(w, s, f->stack);
    put_fingerprints(w, f);
    if (f->state != SHEET_STATE_NONE)
        jsonw_string(w, "baselineState", state_name(f->state));
    jsonw_double(w, "rank", !(f->share > 0) ? 0 : f->share > 1 ? 100 : f->share * 100);
    if (f->stack->judge.allowed && f->state != SHEET_ABSENT) {
        jsonw_array(w, "suppressions");
        jsonw_object(w, NULL);
        jsonw_string(w, "kind", "external");
        jsonw_string(w, "justification", f->stack->allowed == NULL ? "allowed by the profile" : f->stack->allowed);
        jsonw_end_object(w);
        jsonw_end_array(w);
    }
    put_figures(w, f);
    jsonw_end_object(w);
}

static void put_driver(struct jsonw *w, const struct sheet *s)
{
    jsonw_object(w, "tool");
    jsonw_object(w, "driver");
    jsonw_string(w, "name", "seep");
    jsonw_string(w, "version", s->version == NULL ? "unknown" : s->version);
    jsonw_array(w, "rules");
    jsonw_object(w, NULL);
    jsonw_string(w, "id", "growing-stack");
    jsonw_string(w, "name", "GrowingCallStack");
    put_message(w, "shortDescription", "Memory allocated by this call stack grows without end");
    put_message(
        w, "fullDescription",
        "During the measured time the live memory of this call stack grew by more than noise explains. An error "
        "is a stack over the budget of a gate that failed, a warning one over its budget, a note one that grows "
        "within it or is allowed.");
    put_message(w, "help", "seep stacks RUN lists every stack with its interval, class and age profile.");
    jsonw_object(w, "defaultConfiguration");
    jsonw_string(w, "level", "warning");
    jsonw_end_object(w);
    jsonw_object(w, "properties");
    jsonw_array(w, "tags");
    jsonw_string(w, NULL, "memory");
    jsonw_string(w, NULL, "leak");
    jsonw_end_array(w);
    jsonw_end_object(w);
    jsonw_end_object(w);
    jsonw_end_array(w);
    jsonw_end_object(w);
    jsonw_end_object(w);
}

static void put_notification(struct jsonw *w, const struct sheet_check *c)
{
    struct seep_buf text;
    buf_init(&text, 64 * 1024);
    buf_printf(&text, "%s: %s", c->name, c->reason[0] != '\0' ? c->reason : judge_status_name(c->status));
    jsonw_object(w, NULL);
    jsonw_string(w, "level", c->status == JUDGE_S_FAIL ? "error" : "warning");
    put_message(w, "message", text.data == NULL ? "unknown" : text.data);
    jsonw_object(w, "descriptor");
    jsonw_string(w, "id", "gate");
    jsonw_end_object(w);
    jsonw_end_object(w);
    buf_free(&text);
}

static void put_invocation(struct jsonw *w, const struct sheet *s)
{
    char when[32];
    jsonw_array(w, "invocations");
    jsonw_object(w, NULL);
    jsonw_bool(w, "executionSuccessful", s->exit_code != 6);
    jsonw_int(w, "exitCode", s->exit_code);
    jsonw_string(w, "exitCodeDescription", s->verdict);
    if (s->command != NULL)
        jsonw_string(w, "commandLine", s->command);
    if (s->started_ns != SEEP_UNKNOWN)
        jsonw_string(w, "startTimeUtc", clock_iso8601(when, s->started_ns));
    if (s->ended_ns != SEEP_UNKNOWN)
        jsonw_string(w, "endTimeUtc", clock_iso8601(when, s->ended_ns));
    jsonw_array(w, "toolExecutionNotifications");
    for (size_t i = 0; i < s->n_checks; i++)
        if (s->checks[i].status != JUDGE_S_PASS && s->checks[i].status != JUDGE_S_SKIPPED)
            put_notification(w, &s->checks[i]);
    jsonw_end_array(w);
    jsonw_end_object(w);
    jsonw_end_array(w);
}

static void put_identity(struct jsonw *w, const struct sheet *s)
{
    struct seep_buf id;
    buf_init(&id, URI_MAX);
    buf_str(&id, "seep/");
    put_path(&id, s->profile == NULL ? "run" : s->profile);
    buf_char(&id, '/');
    put_path(&id, s->run);
    jsonw_object(w, "automationDetails");
    jsonw_string(w, "id", id.data);
    put_message(w, "description", s->headline);
    jsonw_end_object(w);
    buf_free(&id);
}

int sheet_sarif(const struct sheet *s, struct seep_buf *out, struct seep_err *err)
{
    struct jsonw w;
    jsonw_init(&w, out, true);
    jsonw_object(&w, NULL);
    jsonw_string(&w, "$schema", schema);
    jsonw_string(&w, "version", "2.1.0");
    jsonw_array(&w, "runs");
    jsonw_object(&w, NULL);
    put_driver(&w, s);
    put_identity(&w, s);
    put_invocation(&w, s);
    jsonw_array(&w, "results");
    for (size_t i = 0; i < s->n_findings; i++)
        put_result(&w, s, &s->findings[i]);
    jsonw_end_array(&w);
    jsonw_string(&w, "columnKind", "unicodeCodePoints");
    jsonw_object(&w, "properties");
    jsonw_string(&w, "run", s->run);
    jsonw_string(&w, "base", s->base);
    jsonw_int(&w, "placesNotListed", (int64_t)s->n_more);
    jsonw_end_object(&w);
    jsonw_end_object(&w);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    buf_char(out, '\n');
    return buf_check(out, "The SARIF report", err);
}

int report_sarif(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    struct sheet s;
    if (sheet_of_report(r, style == NULL ? NULL : style->root, &s, err))
        return -1;
    int failed = sheet_sarif(&s, out, err);
    sheet_free(&s);
    return failed;
}
