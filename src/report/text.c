// The verdict for people: what decided, where the growth sits, which stacks, every gate, shutdown, evidence.
#include "report/text.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_COLUMN = 12, STACKS_SHOWN = 5, MARKS_SHOWN = 6, SCRAPED_SHOWN = 6 };

static enum text_colour final_colour(enum judge_final verdict)
{
    return verdict == JUDGE_FINAL_PASS ? TEXT_GREEN : verdict == JUDGE_FINAL_INCONCLUSIVE ? TEXT_YELLOW : TEXT_RED;
}

static void put_label(struct text *t, const char *label)
{
    text_printf(t, TEXT_PLAIN, "  %s", label);
    text_pad(t, LABEL_COLUMN);
}

const char *report_verdict_note(const struct report *r)
{
    return r->cut ? " as far as stored" : r->live ? " so far" : "";
}

static void put_head(struct text *t, const struct report *r)
{
    char word[32];
    text_upper(word, sizeof word, judge_final_name(r->final.verdict));
    text_put(t, final_colour(r->final.verdict), word);
    text_put(t, TEXT_PLAIN, report_verdict_note(r));
    text_put(t, TEXT_PLAIN, "  ");
    text_wrapped(t, TEXT_BOLD, r->headline, t->column);
    char end[256];
    snprintf(end, sizeof end, "run %s   exit %d", r->run == NULL ? "unknown" : r->run, r->final.exit_code);
    text_end_right(t, end);
}

static const char *part_word(enum judge_part part)
{
    static const char *const words[JUDGE_PARTS] = {"live heap", "fragmentation", "thread stacks", "mmap",
                                                   "files",     "shared memory", "the probe",     "unexplained"};
    return words[part];
}

// A rate without its unit where that is MB/h too, as the whole is printed.
static void put_part(struct text *t, const struct judge_explained *e, enum judge_part part)
{
    char rate[48], share[24] = "";
    judge_format(rate, sizeof rate, e->rate.slope_per_s, JUDGE_U_BYTES_PER_S);
    if (e->share >= 0.005 && part == JUDGE_PART_HEAP)
        snprintf(share, sizeof share, " (%.0f %%)", e->share * 100);
    char item[128];
    snprintf(item, sizeof item, "%s %s%s", part_word(part), rate, share);
    if (text_columns(item, strlen(item)) + 2 > text_room(t)) {
        text_end_line(t);
        text_pad(t, 4);
    }
    text_printf(t, TEXT_PLAIN, "%s  ", item);
}

const char *report_untouched_text(const struct report *r, char *out, size_t size)
{
    char rate[48];
    double slope = r->explained_untouched.slope_per_s, whole = r->explained_whole.slope_per_s;
    const struct judge_rate *heap = &r->explained[JUDGE_PART_HEAP].rate;
    out[0] = '\0';
    if (!(fabs(slope) >= 0.02 * whole) || !isfinite(heap->slope_per_s))
        return out;
    judge_format(rate, sizeof rate, fabs(slope), JUDGE_U_BYTES_PER_S);
    if (slope > 0 && r->explained_untouched.lo_per_s > 0)
        snprintf(out, size, "%s more is allocated and never written to: live heap, but not resident", rate);
    else if (slope < 0 && r->explained_untouched.hi_per_s < 0)
        snprintf(out, size, "%s of the live heap was allocated before and is written to only now", rate);
    return out;
}

static void put_explained(struct text *t, const struct report *r)
{
    char whole[48];
    double slope = r->explained_whole.slope_per_s;
    // Without measurable growth there is nothing to explain.
    if (!r->explained_known || !(r->explained_whole.lo_per_s > 0) || r->live)
        return;
    judge_format(whole, sizeof whole, slope, JUDGE_U_BYTES_PER_S);
    text_printf(t, TEXT_PLAIN, "  where the RSS growth of %s sits:  ", whole);
    for (int p = 0; p < JUDGE_PARTS; p++) {
        double part = r->explained[p].rate.slope_per_s;
        bool matters = isfinite(part) && fabs(part) >= 0.005 * slope;
        if (p == JUDGE_PART_PROBE)
            continue;
        if (matters || (p == JUDGE_PART_HEAP && isfinite(part)) || (p == JUDGE_PART_UNEXPLAINED && isfinite(part)))
            put_part(t, &r->explained[p], (enum judge_part)p);
    }
    text_end_line(t);
    char note[160];
    if (*report_untouched_text(r, note, sizeof note)) {
        text_pad(t, 4);
        text_wrapped(t, TEXT_DIM, note, 4);
        text_end_line(t);
    }
}

// How a series went, in words; information, no gate.
static void put_course(struct text *t, const struct report *r, const char *name)
{
    char total[48], from[32], halves[48] = "", judged[64] = "", line[320];
    const struct report_growth *g = report_find_growth(r, name);
    if (g == NULL || g->growth.shape_text[0] == '\0' || r->live)
        return;
    if (isfinite(g->growth.half_ratio) && g->growth.shape != JUDGE_SHAPE_FLAT) // of noise there are no halves
        snprintf(halves, sizeof halves, ", second half %.2f of the first", g->growth.half_ratio);
    if (isfinite(g->growth.warmup_end_s))
        snprintf(judged, sizeof judged, "; judged from %s on",
                 units_duration(from, sizeof from, g->growth.warmup_end_s));
    snprintf(line, sizeof line, "%s; %s in total%s%s", g->growth.shape_text,
             judge_format(total, sizeof total, g->growth.total_growth, JUDGE_U_BYTES), halves, judged);
    put_label(t, name);
    text_wrapped(t, TEXT_DIM, line, LABEL_COLUMN);
    text_end_line(t);
}

// Whole things that surely pile up although no gate asked: a PASS must not hide zombies.
static void put_ungated(struct text *t, const struct report *r)
{
    char line[320] = "", rate[48];
    size_t used = 0;
    for (size_t i = 0; i < r->n_growths && !r->live; i++) {
        const struct report_growth *g = &r->growths[i];
        if (g->gate != NULL || g->unit != JUDGE_U_COUNT || g->growth.verdict != JUDGE_FAIL || used >= sizeof line)
            continue;
        judge_format(rate, sizeof rate, g->growth.slope_per_s, JUDGE_U_PER_S);
        used += (size_t)snprintf(line + used, sizeof line - used, "%s%s +%s", used > 0 ? ", " : "", g->name, rate);
    }
    if (used == 0)
        return;
    put_label(t, "ungated");
    text_wrapped(t, TEXT_YELLOW, line, LABEL_COLUMN);
    text_wrapped(t, TEXT_DIM, ": judged for information only", LABEL_COLUMN);
    text_end_line(t);
}

static void put_stacks(struct text *t, const struct report *r)
{
    size_t shown = 0, growing = 0;
    bool unreachable = false;
    for (size_t i = 0; i < r->n_stacks; i++) {
        if (!r->stacks[i].judge.rejected)
            continue;
        growing++;
        if (shown < STACKS_SHOWN) {
            text_stack(t, &r->stacks[i]);
            unreachable |= r->stacks[i].unreachable_blocks > 0;
            shown++;
        }
    }
    if (r->judge_stacks.n_rejected > growing)
        growing = r->judge_stacks.n_rejected; // a report keeps the first only
    if (unreachable)
        text_not_covered(t, r);
    if (growing > shown)
        text_printf(t, TEXT_DIM, "      and %zu more growing stacks: seep stacks %s", growing - shown,
                    r->run == NULL ? "RUN" : r->run);
    if (growing > shown)
        text_end_line(t);
    for (size_t i = 0; i < r->n_allows && r->allows[i].sentence != NULL; i++) {
        put_label(t, i == 0 ? "allowed" : "");
        text_wrapped(t, report_allow_is_warning(&r->allows[i]) ? TEXT_YELLOW : TEXT_PLAIN, r->allows[i].sentence,
                     LABEL_COLUMN);
        text_end_line(t);
    }
    if (r->stacks_known || r->evidence.attribution_reason == NULL)
        return;
    put_label(t, "stacks");
    text_wrapped(t, TEXT_YELLOW, r->evidence.attribution_reason, LABEL_COLUMN);
    text_end_line(t);
}

// "heap.growth FAIL 3.21 > 1 MB/h"; a passed gate on its own limit needs no figures only when it has none.
static void put_gate(struct text *t, const struct report_gate *g)
{
    char word[24], value[48], limit[48], figures[128] = "";
    text_upper(word, sizeof word, judge_status_name(g->result.status));
    judge_format(value, sizeof value, g->result.value, g->result.unit);
    judge_format(limit, sizeof limit, g->result.limit, g->result.unit);
    bool warns = g->result.status == JUDGE_S_WARN,
         over = g->result.status == JUDGE_S_FAIL || (warns && g->result.distance < 0);
    const char *op = judge_op_name(g->gate.op), *sign = !over ? op : op[0] == '<' ? ">" : "<";
    if (isfinite(g->result.value) && isfinite(g->result.limit) && (over || g->result.status == JUDGE_S_PASS))
        snprintf(figures, sizeof figures, " %s %s %s", value, sign, limit);
    else if (warns && isfinite(g->result.value))
        snprintf(figures, sizeof figures, " %s", value);
    int columns = text_columns(g->gate.name, strlen(g->gate.name)) + (int)strlen(word) + 1 + (int)strlen(figures);
    if (columns > text_room(t) && t->column > LABEL_COLUMN) {
        text_end_line(t);
        text_pad(t, LABEL_COLUMN);
    }
    text_foreign(t, TEXT_PLAIN, g->gate.name, 0);
    text_put(t, TEXT_PLAIN, " ");
    text_put(t, text_status_colour(g->result.status), word);
    text_put(t, TEXT_PLAIN, figures);
    text_put(t, TEXT_PLAIN, "    ");
}

// Why a gate did not pass, one line each.
static void put_reasons(struct text *t, const struct report *r)
{
    for (size_t i = 0; i < r->n_gates; i++) {
        const struct report_gate *g = &r->gates[i];
        // A failed gate with figures has said it all.
        bool said = g->result.status == JUDGE_S_FAIL && isfinite(g->result.value) && isfinite(g->result.limit);
        if (g->result.status == JUDGE_S_PASS || said || g->result.reason[0] == '\0')
            continue;
        size_t len = strlen(g->gate.name);
        if (strncmp(r->headline, g->gate.name, len) == 0 && strncmp(r->headline + len, ": ", 2) == 0)
            continue; // the first line said it
        text_pad(t, LABEL_COLUMN);
        text_foreign(t, TEXT_DIM, g->gate.name, 0);
        text_put(t, TEXT_DIM, ": ");
        text_wrapped(t, TEXT_DIM, g->result.reason, LABEL_COLUMN + 2);
        text_end_line(t);
    }
}

static void put_gates(struct text *t, const struct report *r)
{
    if (r->n_gates == 0)
        return;
    put_label(t, "gates");
    for (size_t i = 0; i < r->n_gates; i++)
        put_gate(t, &r->gates[i]);
    text_end_line(t);
    put_reasons(t, r);
}

// "marks  list 4000 (25/s), login 1200 (7.5/s)"
static void put_marks(struct text *t, const struct report *r)
{
    char count[32], rate[32], figures[80];
    if (r->n_marks == 0)
        return;
    put_label(t, "marks");
    for (size_t i = 0; i < r->n_marks && i < MARKS_SHOWN; i++) {
        const struct report_mark *m = &r->marks[i];
        units_count(count, sizeof count, m->count);
        units_value(rate, sizeof rate, m->rate_per_s, UNIT_PER_SECOND);
        snprintf(figures, sizeof figures, " %s (%s)%s", count, rate, i + 1 < r->n_marks ? ", " : "");
        if (text_columns(m->name, strlen(m->name)) + text_columns(figures, strlen(figures)) > text_room(t) &&
            t->column > LABEL_COLUMN) {
            text_end_line(t);
            text_pad(t, LABEL_COLUMN);
        }
        text_foreign(t, TEXT_PLAIN, m->name, 0);
        text_put(t, TEXT_PLAIN, figures);
    }
    if (r->n_marks > MARKS_SHOWN)
        text_printf(t, TEXT_PLAIN, "and %zu more", r->n_marks - MARKS_SHOWN);
    text_end_line(t);
}

// "scraped   queue{name=mail} 3 (0 to 12), ...": the mean, and between what it was
static void put_scraped(struct text *t, const struct report *r)
{
    for (size_t i = 0; i < r->n_scraped && i < SCRAPED_SHOWN; i++) {
        const struct report_scraped *s = &r->scraped[i];
        put_label(t, i == 0 ? "scraped" : "");
        text_foreign(t, TEXT_PLAIN, s->name, 60);
        if (s->labels[0] != '\0') {
            text_put(t, TEXT_DIM, "{");
            text_foreign(t, TEXT_DIM, s->labels, 60);
            text_put(t, TEXT_DIM, "}");
        }
        text_printf(t, TEXT_PLAIN, "  %.6g%s", s->mean, s->counter ? "/s" : "");
        text_printf(t, TEXT_DIM, "  from %.6g to %.6g, at the end %.6g", s->min, s->max, s->last);
        text_end_line(t);
    }
    size_t rest = r->n_scraped_more + (r->n_scraped > SCRAPED_SHOWN ? r->n_scraped - SCRAPED_SHOWN : 0);
    if (rest == 0)
        return;
    put_label(t, "");
    text_printf(t, TEXT_DIM, "and %zu more", rest);
    text_end_line(t);
}

static void put_load(struct text *t, const struct report *r)
{
    char requests[32], rate[32], p50[32], p99[32], cost[200];
    if (!r->has_load)
        return;
    const struct load_summary_row *all = &r->load.all;
    units_count(requests, sizeof requests, (double)all->counts.completed);
    units_value(rate, sizeof rate, all->rate_per_s, UNIT_PER_SECOND);
    units_duration(p50, sizeof p50, all->latency.p50_us / 1e6);
    units_duration(p99, sizeof p99, all->latency.p99_us / 1e6);
    put_label(t, "load");
    text_printf(t, TEXT_PLAIN, "%s requests, %s, %.2f %% errors, p50 %s, p99 %s", requests, rate,
                isnan(all->error_ratio) ? 0 : all->error_ratio * 100, p50, p99);
    if (r->load.saturated) {
        text_put(t, TEXT_PLAIN, "; ");
        text_wrapped(t, TEXT_YELLOW, r->load.why_saturated, LABEL_COLUMN);
    }
    text_end_line(t);
    if (*report_request_cost_text(r, cost, sizeof cost)) {
        put_label(t, "");
        text_wrapped(t, TEXT_DIM, cost, LABEL_COLUMN);
        text_end_line(t);
    }
}

static void put_never_freed(struct text *t, const struct report_at_exit *x)
{
    char bytes[32], blocks[32];
    if (!x->known || x->n_stacks == 0)
        return;
    put_label(t, "");
    text_printf(t, TEXT_DIM, "never freed: %s in %s blocks; most by ", units_bytes(bytes, sizeof bytes, x->bytes),
                units_count(blocks, sizeof blocks, x->blocks));
    text_chain(t, &x->stacks[0]);
    text_end_line(t);
}

static void put_shutdown(struct text *t, const struct report *r)
{
    char word[24];
    if (r->live)
        return;
    text_upper(word, sizeof word, judge_status_name(r->shutdown.status));
    put_label(t, "shutdown");
    text_put(t, text_status_colour(r->shutdown.status), word);
    text_put(t, TEXT_PLAIN, "  ");
    text_wrapped(t, TEXT_PLAIN, r->shutdown.reason, LABEL_COLUMN);
    text_end_line(t);
    put_never_freed(t, &r->shutdown.at_exit);
}

static void put_score(struct text *t, const struct report_score *s)
{
    char word[24];
    if (!s->known)
        return;
    text_upper(word, sizeof word, judge_grade_name(s->score.grade));
    put_label(t, "grade");
    text_put(t, s->status == JUDGE_S_SKIPPED ? TEXT_BOLD : text_status_colour(s->status), word);
    if (isfinite(s->score.points))
        text_printf(t, TEXT_PLAIN, " %.0f of 100", s->score.points);
    text_put(t, TEXT_PLAIN, " by ");
    text_foreign(t, TEXT_PLAIN, s->set, 40);
    text_put(t, TEXT_PLAIN, ": ");
    text_wrapped(t, TEXT_PLAIN, s->score.reason, LABEL_COLUMN);
    text_end_line(t);
    text_pad(t, LABEL_COLUMN);
    for (int a = 0; a < JUDGE_AREAS; a++)
        if (isfinite(s->score.area[a]))
            text_printf(t, TEXT_DIM, "%s %.0f   ", judge_area_name((enum judge_area)a), s->score.area[a]);
    text_end_line(t);
    for (size_t i = 0; i < s->n_requirements; i++) {
        const struct report_requirement *q = &s->requirements[i];
        if (q->points >= 75)
            continue;
        text_pad(t, LABEL_COLUMN);
        text_printf(t, TEXT_DIM, "%s: ", isfinite(q->points) ? "not met" : "cannot be told");
        text_foreign(t, TEXT_DIM, q->gate.text, 60);
        text_put(t, TEXT_DIM, ": ");
        text_wrapped(t, TEXT_DIM, q->gate.result.reason, LABEL_COLUMN + 2);
        text_end_line(t);
    }
}

static void put_reload(struct text *t, const struct report_reload *l)
{
    char first[32], second[32], word[24];
    if (l->status == JUDGE_S_SKIPPED)
        return;
    text_upper(word, sizeof word, judge_status_name(l->status));
    put_label(t, "reload");
    text_put(t, text_status_colour(l->status), word);
    text_printf(t, TEXT_PLAIN, "  %s grew %s in the first cycle, %s in the second: ", l->gauge,
                judge_format(first, sizeof first, l->first, JUDGE_U_BYTES),
                judge_format(second, sizeof second, l->second, JUDGE_U_BYTES));
    text_wrapped(t, TEXT_PLAIN, l->reason, LABEL_COLUMN);
    text_end_line(t);
}

static void put_faults(struct text *t, const struct report *r)
{
    char line[256], longest[32] = "";
    size_t back = 0, lost = 0;
    double most = NAN;
    for (size_t i = 0; i < r->n_faults; i++) {
        back += isfinite(r->faults[i].recovery_s);
        lost += r->faults[i].told && !isfinite(r->faults[i].recovery_s);
        most = fmax(most, r->faults[i].recovery_s);
    }
    if (r->n_faults == 0)
        return;
    if (back > 0)
        snprintf(longest, sizeof longest, ", the longest after %.1f s", most);
    snprintf(line, sizeof line, "%zu: %zu recovered%s, %zu not recovered, %zu not told", r->n_faults, back, longest,
             lost, r->n_faults - back - lost);
    put_label(t, "faults");
    text_wrapped(t, lost > 0 ? TEXT_BOLD : TEXT_PLAIN, line, LABEL_COLUMN);
    text_end_line(t);
}

static void put_evidence(struct text *t, const struct report *r)
{
    const struct report_evidence *e = &r->evidence;
    char line[512], leak[48];
    judge_format(leak, sizeof leak, e->smallest_leak_per_s, JUDGE_U_BYTES_PER_S);
    int n = snprintf(line, sizeof line, "%zu", e->samples);
    if (e->expected != SEEP_UNKNOWN)
        n += snprintf(line + n, sizeof line - (size_t)n, "/%lld", (long long)e->expected);
    n += snprintf(line + n, sizeof line - (size_t)n,
                  " samples, %zu gap%s, %.0f lost events; smallest leak this run could have seen: %s", e->n_gaps,
                  e->n_gaps == 1 ? "" : "s", e->lost, leak);
    if (isfinite(e->sampling_mean_bytes)) {
        char mean[32];
        units_bytes(mean, sizeof mean, e->sampling_mean_bytes);
        n += snprintf(line + n, sizeof line - (size_t)n, "; sampled every %s", mean);
    }
    if (e->degraded)
        snprintf(line + n, sizeof line - (size_t)n, "; DEGRADED, see the events");
    put_label(t, "evidence");
    text_wrapped(t, TEXT_PLAIN, line, LABEL_COLUMN);
    text_end_line(t);
}

static void put_outcome(struct text *t, const struct report *r)
{
    if (r->outcome_sentence == NULL || r->outcome_sentence[0] == '\0' || r->headline == r->outcome_sentence)
        return;
    put_label(t, "ended");
    text_wrapped(t, TEXT_PLAIN, r->outcome_sentence, LABEL_COLUMN);
    text_end_line(t);
}

int report_text(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    struct text t;
    text_init(&t, style, out);
    put_head(&t, r);
    put_outcome(&t, r);
    put_explained(&t, r);
    put_stacks(&t, r);
    put_course(&t, r, "heap");
    put_course(&t, r, "rss");
    put_ungated(&t, r);
    put_gates(&t, r);
    put_score(&t, &r->score);
    put_marks(&t, r);
    put_scraped(&t, r);
    put_load(&t, r);
    put_faults(&t, r);
    put_reload(&t, &r->reload);
    put_shutdown(&t, r);
    put_evidence(&t, r);
    return buf_check(out, "The text of the report", err);
}
