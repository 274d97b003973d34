// Stacks in text: one line each in the verdict, and the whole ranked list of `seep stacks`.
#include "report/profile_text.h"
#include "report/short_name.h"
#include "report/text.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { INDENT = 12 };

// The last two components of a source path: enough to find it, short enough for a line.
static const char *short_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    while (slash != NULL && slash > path) {
        slash--;
        if (*slash == '/')
            return slash + 1;
    }
    return path;
}

static void frame_name(const struct report_frame *f, char *out, size_t size)
{
    if (f->function != NULL)
        report_short_name(f->function, out, size);
    else
        snprintf(out, size, "%s+0x%llx", profile_base_name(f->module), (unsigned long long)f->offset);
}

static const char *place_text(const struct report_frame *f, char *out, size_t size)
{
    out[0] = '\0';
    if (f->file != NULL)
        snprintf(out, size, f->line > 0 ? "  %s:%d" : "  %s", short_path(f->file), f->line);
    return out;
}

static void put_place(struct text *t, const struct report_frame *f)
{
    char place[300];
    if (*place_text(f, place, sizeof place))
        text_foreign(t, TEXT_DIM, place, text_room(t) > 12 ? text_room(t) : 12);
}

void text_chain(struct text *t, const struct report_stack *s)
{
    char name[512];
    if (s->n_frames == 0) {
        text_put(t, TEXT_DIM, s->flags & STACK_OTHER ? "(other: past the table's ceiling)" : "(no frames)");
        return;
    }
    size_t first = profile_first_own(s);
    frame_name(&s->frames[first], name, sizeof name);
    char place[300];
    place_text(&s->frames[first], place, sizeof place);
    int room = text_room(t) - text_columns(place, strlen(place)); // where it is says more than the end of a long name
    text_foreign(t, TEXT_BOLD, name, room > 20 ? room : 20);
    put_place(t, &s->frames[first]);
    for (size_t i = first + 1; i < s->n_frames; i++) {
        frame_name(&s->frames[i], name, sizeof name);
        if ((int)strlen(name) + 7 > text_room(t)) {
            text_put(t, TEXT_DIM, text_room(t) >= 6 ? " < ..." : "");
            return;
        }
        text_put(t, TEXT_DIM, " < ");
        text_foreign(t, TEXT_PLAIN, name, 0);
        if (strcmp(name, "main") == 0) // what the C library does before it is no news
            return;
    }
}

static void put_per_op(struct text *t, const struct report_stack *s)
{
    char bytes[48];
    const struct report_per_op *best = NULL;
    // The operation that explains most; one is enough for a line. Small change of the others is noise.
    for (size_t i = 0; i < s->n_per_op; i++)
        if (s->per_op[i].value.lo > 0 && (best == NULL || s->per_op[i].value.bytes_per_op > best->value.bytes_per_op))
            best = &s->per_op[i];
    if (best == NULL)
        return;
    units_bytes(bytes, sizeof bytes, best->value.bytes_per_op);
    text_printf(t, TEXT_PLAIN, "%s per `", bytes);
    text_foreign(t, TEXT_PLAIN, best->operation, 40);
    text_put(t, TEXT_PLAIN, "`  ");
}

// Blocks that the scans could not decide on, beside those that they could.
static const char *undecided_text(const struct report_stack *s, char *out, size_t size)
{
    out[0] = '\0';
    if (s->unreachable_undecided != SEEP_UNKNOWN && s->unreachable_undecided > 0)
        snprintf(out, size, "; not decided for %lld more", (long long)s->unreachable_undecided);
    return out;
}

static void put_unreachable(struct text *t, const struct report_stack *s)
{
    char line[320], more[64];
    if (s->unreachable_checked == SEEP_UNKNOWN || s->unreachable_blocks == 0)
        return;
    snprintf(line, sizeof line,
             "unreachable: %lld of %lld checked blocks have no path to them from any root, in %lld of %lld scans%s",
             (long long)s->unreachable_blocks, (long long)s->unreachable_checked,
             (long long)(s->unreachable_agreed != SEEP_UNKNOWN ? s->unreachable_agreed : s->unreachable_scans),
             (long long)s->unreachable_scans, undecided_text(s, more, sizeof more));
    text_pad(t, INDENT);
    text_wrapped(t, TEXT_PLAIN, line, INDENT + 2);
    text_end_line(t);
}

// What valgrind says of it.
static void put_confirm(struct text *t, const struct report_stack *s)
{
    if (s->confirm_status == NULL || s->confirm_why == NULL)
        return;
    text_pad(t, INDENT);
    text_put(t, TEXT_PLAIN, "valgrind: ");
    text_wrapped(t, TEXT_PLAIN, s->confirm_why, INDENT + 2);
    text_end_line(t);
}

void text_not_covered(struct text *t, const struct report *r)
{
    char sentence[1024];
    text_pad(t, INDENT);
    bool attached = r->evidence.attached != NULL;
    text_wrapped(t, TEXT_DIM, report_not_covered_text(attached, sentence, sizeof sentence), INDENT);
    text_end_line(t);
}

static void add_holder(char *line, size_t size, const char *how, const struct report_holder *h)
{
    char by[400];
    size_t n = strlen(line);
    if (h->kind != NULL)
        snprintf(line + n, size - n, "%s%s", how, report_holder_text(h, by, sizeof by));
}

static void put_holder(struct text *t, const struct report_stack *s)
{
    char line[1200], more[64];
    int64_t reachable = s->unreachable_checked - s->unreachable_blocks;
    if (s->unreachable_checked == SEEP_UNKNOWN || (reachable == 0 && s->unreachable_blocks > 0))
        return;
    if (reachable == 0) {
        snprintf(line, sizeof line, "reachable or not: not decided for %lld checked blocks, in %lld scans",
                 (long long)s->unreachable_undecided, (long long)s->unreachable_scans);
        add_holder(line, sizeof line, "; perhaps held by ", &s->holder);
    } else {
        snprintf(line, sizeof line, "reachable: %lld of %lld checked blocks", (long long)reachable,
                 (long long)s->unreachable_checked);
        add_holder(line, sizeof line, ", held by ", &s->holder);
    }
    add_holder(line, sizeof line, ", entered from ", &s->entry);
    size_t n = strlen(line);
    if (reachable > 0 && s->unreachable_blocks == 0) // else it was said before
        snprintf(line + n, sizeof line - n, "%s", undecided_text(s, more, sizeof more));
    text_pad(t, INDENT);
    text_wrapped(t, reachable == 0 ? TEXT_DIM : TEXT_PLAIN, line, INDENT + 2);
    text_end_line(t);
}

static void put_rate(struct text *t, const struct report_stack *s)
{
    char rate[48];
    judge_format(rate, sizeof rate, s->judge.slope_per_s, JUDGE_U_BYTES_PER_S);
    text_printf(t, TEXT_PLAIN, "%s%s", s->judge.slope_per_s > 0 ? "+" : "", rate);
}

void text_stack(struct text *t, const struct report_stack *s)
{
    text_printf(t, TEXT_BOLD, "  #%-3zu", s->judge.rank);
    text_printf(t, TEXT_PLAIN, "%3.0f %%  ", s->judge.share * 100);
    put_rate(t, s);
    text_put(t, TEXT_PLAIN, "  ");
    put_per_op(t, s);
    if (s->allowed != NULL)
        text_put(t, TEXT_DIM, "allowed  ");
    else if (s->judge.klass != JUDGE_CLASS_LEAK)
        text_printf(t, TEXT_DIM, "%s  ", judge_class_name(s->judge.klass));
    text_chain(t, s);
    text_end_line(t);
    put_unreachable(t, s);
    put_confirm(t, s);
    bool looked = s->unreachable_blocks != SEEP_UNKNOWN && s->unreachable_checked != SEEP_UNKNOWN;
    if (!looked || s->unreachable_blocks < s->unreachable_checked - s->unreachable_blocks ||
        s->unreachable_checked == 0)
        put_holder(t, s);
}

// ---- seep stacks ----------------------------------------------------------------------------------------------------

// Eight steps from empty to full; what is live by age, oldest at the right.
static void put_bars(struct text *t, const double *values, size_t n)
{
    static const char *const steps[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, values[i]);
    for (size_t i = 0; i < n; i++) {
        int step = most > 0 ? (int)(fmax(values[i], 0) / most * 7.999) : 0;
        text_put(t, TEXT_PLAIN, values[i] > 0 ? steps[step] : "·");
    }
}

static void put_figures(struct text *t, const struct report_stack *s)
{
    char lo[48], hi[48], live[32], blocks[32], old[32];
    judge_format(lo, sizeof lo, s->judge.lo_per_s, JUDGE_U_BYTES_PER_S);
    judge_format(hi, sizeof hi, s->judge.hi_per_s, JUDGE_U_BYTES_PER_S);
    units_bytes(live, sizeof live, s->judge.live_bytes);
    units_count(blocks, sizeof blocks, s->live_blocks);
    text_pad(t, 6);
    text_printf(t, TEXT_DIM, "90 %% interval %s to %s   live %s in %s blocks", lo, hi, live, blocks);
    if (isfinite(s->judge.survivor_bytes)) {
        units_bytes(old, sizeof old, s->judge.survivor_bytes);
        text_printf(t, TEXT_DIM, "   from the first half %s", old);
    }
    text_end_line(t);
}

static void put_profile(struct text *t, const struct report_stack *s)
{
    text_pad(t, 6);
    text_put(t, TEXT_DIM, "live over time ");
    put_bars(t, s->spark, s->n_spark);
    if (s->n_ages > 0) {
        text_put(t, TEXT_DIM, "   by age, new to old ");
        put_bars(t, s->age_bytes, s->n_ages);
    }
    text_end_line(t);
}

static void put_frames(struct text *t, const struct report_stack *s)
{
    char name[512];
    if (s->n_frames == 0) {
        text_pad(t, 8);
        text_chain(t, s);
        text_end_line(t);
    }
    for (size_t i = 0; i < s->n_frames; i++) {
        const struct report_frame *f = &s->frames[i];
        frame_name(f, name, sizeof name);
        text_pad(t, 8);
        text_foreign(t, f->library ? TEXT_DIM : TEXT_PLAIN, name, t->width);
        put_place(t, f);
        if (f->file == NULL && f->function != NULL) {
            text_put(t, TEXT_DIM, "  in ");
            text_foreign(t, TEXT_DIM, profile_base_name(f->module), 60);
        }
        if (f->inlined)
            text_put(t, TEXT_DIM, " (inlined)");
        if (f->changed)
            text_put(t, TEXT_DIM, " (no name: the file has changed since it ran)");
        text_end_line(t);
    }
    if (s->flags & STACK_TRUNCATED) {
        text_pad(t, 8);
        text_put(t, TEXT_DIM, "(truncated here)");
        text_end_line(t);
    }
}

static void put_one(struct text *t, const struct report_stack *s)
{
    text_printf(t, TEXT_BOLD, "#%-4zu ", s->judge.rank);
    put_rate(t, s);
    text_printf(t, s->judge.over ? TEXT_RED : TEXT_PLAIN, "  %s", judge_class_name(s->judge.klass));
    text_put(t, TEXT_PLAIN, s->judge.rejected ? ", grows  " : ", not seen to grow  ");
    if (s->judge.rejected)
        text_printf(t, TEXT_PLAIN, "%.0f %% of what grows  ", s->judge.share * 100);
    put_per_op(t, s);
    if (s->allowed != NULL) {
        text_put(t, TEXT_PLAIN, "allowed: ");
        text_foreign(t, TEXT_PLAIN, s->allowed, 60);
    }
    text_end_line(t);
    put_figures(t, s);
    put_profile(t, s);
    put_unreachable(t, s);
    put_holder(t, s);
    put_frames(t, s);
}

int report_stacks_text(const struct report *r, const struct report_style *style, size_t top, struct seep_buf *out,
                       struct seep_err *err)
{
    struct text t;
    text_init(&t, style, out);
    if (!r->stacks_known) {
        text_foreign(&t, TEXT_YELLOW,
                     r->evidence.attribution_reason != NULL ? r->evidence.attribution_reason
                                                            : "No call stacks were recorded in this run.",
                     0);
        text_end_line(&t);
        return buf_check(out, "The list of stacks", err);
    }
    text_printf(&t, TEXT_PLAIN, "%zu stacks, %zu grow, %zu over budget", r->n_stacks_total, r->judge_stacks.n_rejected,
                r->judge_stacks.n_over);
    text_end_line(&t);
    text_foreign(&t, TEXT_DIM, r->judge_stacks.reason, 0);
    text_end_line(&t);
    size_t shown = top > 0 && top < r->n_stacks ? top : r->n_stacks;
    for (size_t i = 0; i < shown; i++)
        put_one(&t, &r->stacks[i]);
    if (report_any_unreachable(r, shown))
        text_not_covered(&t, r);
    if (shown < r->n_stacks_total) {
        text_printf(&t, TEXT_DIM, "and %zu more", r->n_stacks_total - shown);
        text_end_line(&t);
    }
    return buf_check(out, "The list of stacks", err);
}
