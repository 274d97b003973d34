// The ranked stacks: one expandable row each, worst first.
#include "report/html.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { GROWING_OPEN = 1, QUIET_SHOWN = 8, QUIET_FOLDED = 60 };

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static size_t first_own(const struct report_stack *s)
{
    for (size_t i = 0; i < s->n_frames; i++)
        if (!s->frames[i].library)
            return i;
    return 0;
}

static void put_function(const struct report_frame *f, struct seep_buf *out)
{
    if (f->function != NULL) {
        html_name(out, f->function);
        return;
    }
    html_name(out, base_name(f->module));
    buf_printf(out, "+0x%llx", (unsigned long long)f->offset);
}

static void put_place(const struct report_frame *f, struct seep_buf *out)
{
    if (f->file != NULL) {
        html_name(out, f->file);
        if (f->line > 0)
            buf_printf(out, ":%d", f->line);
    } else {
        html_name(out, base_name(f->module));
    }
}

// "session_new  src/session.c:88  < handle_login < dispatch".
static void put_title(const struct report_stack *s, struct seep_buf *out)
{
    if (s->n_frames == 0) {
        buf_str(out,
                s->flags & STACK_OTHER ? "<b>other</b> <small>past the table's ceiling</small>" : "<b>no frames</b>");
        return;
    }
    size_t first = first_own(s);
    buf_str(out, "<b class=\"fn\">");
    put_function(&s->frames[first], out);
    buf_str(out, "</b> <span class=\"loc\">");
    put_place(&s->frames[first], out);
    buf_str(out, "</span><span class=\"chain\">");
    for (size_t i = first + 1; i < s->n_frames && i < first + 5; i++) {
        buf_str(out, " &lt; ");
        put_function(&s->frames[i], out);
        if (s->frames[i].function != NULL && strcmp(s->frames[i].function, "main") == 0)
            break; // what the C library does before it is no news
    }
    buf_str(out, "</span>");
}

static void put_per_op(const struct report_stack *s, struct seep_buf *out)
{
    char bytes[48];
    for (size_t i = 0; i < s->n_per_op; i++) {
        if (!(s->per_op[i].value.lo > 0))
            continue;
        buf_printf(out, "<span class=\"perop\">%s per <code>",
                   units_bytes(bytes, sizeof bytes, s->per_op[i].value.bytes_per_op));
        html_name(out, s->per_op[i].operation);
        buf_str(out, "</code></span> ");
    }
}

static void put_summary(const struct report_stack *s, struct seep_buf *out)
{
    char rate[48], lo[48], hi[48];
    const struct judge_stack *j = &s->judge;
    judge_format(rate, sizeof rate, j->slope_per_s, JUDGE_U_BYTES_PER_S);
    judge_format(lo, sizeof lo, j->lo_per_s, JUDGE_U_BYTES_PER_S);
    judge_format(hi, sizeof hi, j->hi_per_s, JUDGE_U_BYTES_PER_S);
    buf_printf(out, "<summary><span class=\"rank\">#%zu</span>", j->rank);
    html_spark(s->spark, s->n_spark, out);
    buf_printf(out, "<span class=\"rate%s\"><b>%s%s</b><small>%s to %s</small></span><span class=\"share\">",
               j->over ? " over" : "", j->slope_per_s > 0 ? "+" : "", rate, lo, hi);
    if (j->rejected)
        buf_printf(out,
                   "<b>%.0f %%</b><svg class=\"sharebar\" viewBox=\"0 0 100 6\" preserveAspectRatio=\"none\" "
                   "aria-hidden=\"true\"><rect class=\"track\" width=\"100\" height=\"6\"/><rect class=\"fill\" "
                   "width=\"%.1f\" height=\"6\"/></svg>",
                   j->share * 100, fmin(fmax(j->share, 0), 1) * 100);
    buf_printf(out, "</span><span class=\"what\"><span class=\"chip %s\">%s</span> ", judge_class_name(j->klass),
               judge_class_name(j->klass));
    if (s->allowed != NULL)
        buf_str(out, "<span class=\"chip\">allowed</span> ");
    put_per_op(s, out);
    put_title(s, out);
    buf_str(out, "</span></summary>\n");
}

static void put_frames(const struct report_stack *s, struct seep_buf *out)
{
    buf_str(out, "<ol class=\"frames\">");
    for (size_t i = 0; i < s->n_frames; i++) {
        const struct report_frame *f = &s->frames[i];
        buf_printf(out, "<li%s><code>", f->library ? " class=\"lib\"" : "");
        put_function(f, out);
        buf_str(out, "</code> <span class=\"loc\">");
        put_place(f, out);
        buf_printf(out, "</span>%s</li>",
                   f->inlined   ? " <small>inlined</small>"
                   : f->changed ? " <small>the file has changed since it ran</small>"
                                : "");
    }
    buf_str(out, "</ol>");
    if (s->flags & STACK_TRUNCATED)
        buf_str(out, "<p class=\"note\">The stack was cut here when it was walked.</p>");
}

static void put_holder(const struct report_holder *h, const char *how, struct seep_buf *out)
{
    char by[512];
    if (h->kind == NULL)
        return;
    buf_printf(out, "<dt>%s</dt><dd>", how);
    html_name(out, report_holder_text(h, by, sizeof by));
    if (h->file != NULL) {
        buf_str(out, " <span class=\"loc\">");
        html_name(out, h->file);
        buf_printf(out, ":%d</span>", h->line);
    }
    buf_printf(out, " (%lld blocks)</dd>", (long long)h->blocks);
}

static void put_confirm(const struct report_stack *s, struct seep_buf *out)
{
    if (s->confirm_status == NULL || s->confirm_why == NULL)
        return;
    buf_str(out, "<dt>valgrind</dt><dd><b>");
    html_name(out, report_confirm_word(s->confirm_status));
    buf_str(out, "</b>: ");
    html_name(out, s->confirm_why);
    buf_str(out, "</dd>");
}

static void put_facts(const struct report_stack *s, struct seep_buf *out)
{
    char live[32], blocks[32], old[32], mde[48];
    units_bytes(live, sizeof live, s->judge.live_bytes);
    units_count(blocks, sizeof blocks, s->live_blocks);
    judge_format(mde, sizeof mde, s->judge.mde_per_s, JUDGE_U_BYTES_PER_S);
    buf_printf(out, "<dl class=\"facts\"><dt>live</dt><dd>%s in %s blocks</dd>", live, blocks);
    if (isfinite(s->judge.survivor_bytes))
        buf_printf(out, "<dt>from the first half, still live</dt><dd>%s</dd>",
                   units_bytes(old, sizeof old, s->judge.survivor_bytes));
    buf_printf(out, "<dt>least visible growth</dt><dd>%s</dd>", mde);
    if (s->unreachable_checked != SEEP_UNKNOWN)
        buf_printf(out,
                   "<dt>unreachable</dt><dd>%lld of %lld checked blocks have no path to them from any root, in %lld "
                   "of %lld scans; %lld not decided</dd>",
                   (long long)s->unreachable_blocks, (long long)s->unreachable_checked,
                   (long long)(s->unreachable_agreed != SEEP_UNKNOWN ? s->unreachable_agreed : s->unreachable_scans),
                   (long long)s->unreachable_scans,
                   (long long)(s->unreachable_undecided != SEEP_UNKNOWN ? s->unreachable_undecided : 0));
    put_holder(&s->holder, "held by", out);
    put_holder(&s->entry, "entered from", out);
    put_confirm(s, out);
    if (s->allowed != NULL) {
        buf_str(out, "<dt>allowed</dt><dd>");
        html_name(out, s->allowed);
        buf_str(out, "</dd>");
    }
    buf_str(out, "</dl>");
}

static void put_stack(const struct report_stack *s, bool open, struct seep_buf *out)
{
    buf_printf(out, "<details class=\"stack%s\"%s>", s->judge.rejected ? " grows" : "", open ? " open" : "");
    put_summary(s, out);
    buf_str(out, "<div class=\"body\">");
    put_frames(s, out);
    buf_str(out, "<div class=\"side\">");
    put_facts(s, out);
    if (s->n_ages > 0) {
        buf_str(out,
                "<figure class=\"ages\"><figcaption>Live at the end by age: new at the left, from the start at the "
                "right</figcaption>");
        html_bars(s->age_bytes, s->n_ages, out);
        buf_str(out, "</figure>");
    }
    buf_str(out, "</div></div></details>\n");
}

static void put_missing(const struct report *r, struct seep_buf *out)
{
    buf_str(out, "<div class=\"card\"><p>");
    html_name(out, r->evidence.attribution_reason != NULL ? r->evidence.attribution_reason
                                                          : "No call stacks were recorded in this run.");
    buf_str(out, "</p></div></section>\n");
}

static void put_allows(const struct report *r, struct seep_buf *out)
{
    if (r->n_allows == 0)
        return;
    buf_str(out, "<div class=\"card allow\"><h3>Stacks that the profile lets grow</h3><ul>");
    for (size_t i = 0; i < r->n_allows; i++) {
        const struct report_allow *a = &r->allows[i];
        buf_printf(out, "<li><span class=\"badge %s\">%s</span> ", report_allow_is_warning(a) ? "warn" : "pass",
                   report_allow_word(a->status));
        html_name(out, a->sentence != NULL ? a->sentence : a->pattern);
        buf_str(out, "</li>");
    }
    buf_str(out, "</ul></div>\n");
}

// What the replay came to as a whole; a replay that went wrong says so here, and never that the run is clean.
static void put_replay(const struct report *r, struct seep_buf *out)
{
    char sentence[1200];
    if (report_confirm_text(&r->confirm, sentence, sizeof sentence) == NULL)
        return;
    buf_str(out, "<p class=\"note\">");
    html_name(out, sentence);
    buf_str(out, "</p>\n");
}

void html_stacks(const struct report *r, struct seep_buf *out)
{
    size_t quiet = 0, growing = 0, shown = 0;
    char rate[48];
    buf_str(out, "<section aria-labelledby=\"h-stacks\"><h2 id=\"h-stacks\">Call stacks by growth</h2>\n");
    if (!r->stacks_known) {
        put_missing(r, out);
        return;
    }
    buf_str(out, "<p class=\"lead\">");
    html_name(out, r->judge_stacks.reason);
    buf_str(out, "</p>\n");
    put_replay(r, out);
    buf_str(out, "<div class=\"tools\" hidden><label>Filter <input id=\"filter\" type=\"search\" autocomplete=\"off\" "
                 "placeholder=\"function, file, class\"></label> <button id=\"all\" type=\"button\">Expand all</button>"
                 "</div>\n<div class=\"stacks\">\n");
    for (size_t i = 0; i < r->n_stacks; i++) {
        const struct report_stack *s = &r->stacks[i];
        if (!s->judge.rejected && quiet == QUIET_SHOWN + QUIET_FOLDED)
            continue;
        if (!s->judge.rejected && quiet++ == QUIET_SHOWN)
            buf_str(out, "</div>\n<details class=\"more\"><summary>More stacks, not seen to grow</summary>"
                         "<div class=\"stacks\">\n");
        growing += s->judge.rejected;
        shown++;
        put_stack(s, s->judge.rejected && growing <= GROWING_OPEN, out);
    }
    buf_str(out, quiet > QUIET_SHOWN ? "</div></details>\n" : "</div>\n");
    if (report_any_unreachable(r, r->n_stacks)) {
        char sentence[1024];
        buf_printf(out, "<p class=\"note\">%s</p>\n",
                   report_not_covered_text(r->evidence.attached != NULL, sentence, sizeof sentence));
    }
    put_allows(r, out);
    if (shown < r->n_stacks_total)
        buf_printf(out,
                   "<p class=\"note\">and %zu more stacks, %zu of them growing; those past the first %zu add up to "
                   "%s.</p>\n",
                   r->n_stacks_total - shown, r->judge_stacks.n_rejected - growing, r->n_stacks,
                   judge_format(rate, sizeof rate, r->other_slope_per_s, JUDGE_U_BYTES_PER_S));
    buf_str(out, "</section>\n");
}
