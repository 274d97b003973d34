// A run as Markdown: for the summary of a job or a comment on a change. The verdict stands first, then what decided it,
// so that a cut takes what matters least.
#include "report/md.h"
#include "report/profile_text.h"
#include "report/sheet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FRAMES_SHOWN = 6, EVENTS_SHOWN = 50 };

static void put_head(struct md *m, const struct report *r)
{
    char length[32];
    static const char *const words[JUDGE_FINALS] = {"PASS", "FAIL", "INCONCLUSIVE", "TARGET FAILED", "ERROR"};
    buf_printf(m->out, "## %s%s: ", words[r->final.verdict], r->live ? " so far" : "");
    md_foreign(m, r->headline);
    buf_str(m->out, "\n\nRun ");
    md_foreign(m, r->run == NULL ? "unknown" : r->run);
    buf_str(m->out, ", profile ");
    md_foreign(m, r->profile_name == NULL ? "none" : r->profile_name);
    buf_printf(m->out, ", measured %s, exit code %d.\n", units_duration(length, sizeof length, r->elapsed_s),
               r->final.exit_code);
    if (r->outcome_sentence != NULL && r->outcome_sentence != r->headline) {
        md_row(m);
        buf_char(m->out, '\n');
        md_foreign(m, r->outcome_sentence);
        buf_char(m->out, '\n');
        md_row_end(m);
    }
}

static void put_gate(struct md *m, const struct report_gate *g)
{
    bool bad = g->result.status == JUDGE_S_FAIL || g->result.status == JUDGE_S_INCONCLUSIVE;
    md_row(m);
    buf_printf(m->out, "| %s%s%s | ", bad ? "**" : "", judge_status_name(g->result.status), bad ? "**" : "");
    md_foreign(m, g->gate.name);
    buf_str(m->out, " | ");
    md_value(m, g->result.value, g->result.unit);
    buf_str(m->out, " | ");
    md_foreign(m, judge_op_name(g->gate.op));
    buf_char(m->out, ' ');
    md_value(m, g->result.limit, g->result.unit);
    buf_str(m->out, " | ");
    md_foreign(m, g->result.status == JUDGE_S_PASS ? "" : g->result.reason);
    buf_str(m->out, " |\n");
    md_row_end(m);
}

// What did not pass first.
static void put_gates(struct md *m, const struct report *r)
{
    md_section(m, "\n| status | gate | measured | limit | why |\n|---|---|---:|---:|---|\n");
    for (int passed = 0; passed < 2; passed++)
        for (size_t i = 0; i < r->n_gates; i++)
            if ((r->gates[i].result.status == JUDGE_S_PASS) == (passed == 1))
                put_gate(m, &r->gates[i]);
    md_section(m, NULL);
}

static void put_finding(struct md *m, const struct sheet *s, const struct sheet_finding *f)
{
    struct seep_buf chain;
    buf_init(&chain, 64 * 1024);
    sheet_chain(s, f->stack, FRAMES_SHOWN, &chain);
    md_row(m);
    buf_printf(m->out, "| %s | %.0f %% | ", f->level == SHEET_ERROR ? "**over**" : "grows", f->share * 100);
    md_value(m, f->slope_per_s, JUDGE_U_BYTES_PER_S);
    buf_str(m->out, " \\[");
    md_value(m, f->lo_per_s, JUDGE_U_BYTES_PER_S);
    buf_str(m->out, ", ");
    md_value(m, f->hi_per_s, JUDGE_U_BYTES_PER_S);
    buf_printf(m->out, "\\] | %s | ", judge_class_name(f->stack->judge.klass));
    md_foreign(m, chain.data == NULL ? "unknown" : chain.data);
    buf_str(m->out, " |\n");
    md_row_end(m);
    buf_free(&chain);
}

static void put_stacks(struct md *m, const struct report *r, const struct sheet *s)
{
    md_section(m, "\n### Call stacks that grow\n\n| | share | rate \\[90 %\\] | class | stack, innermost first |\n"
                  "|---|---:|---:|---|---|\n");
    for (size_t i = 0; i < s->n_findings; i++)
        put_finding(m, s, &s->findings[i]);
    md_section(m, NULL);
    if (s->n_more > 0) {
        md_row(m);
        buf_printf(m->out, "\nand %zu more that grow less.\n", s->n_more);
        md_row_end(m);
    }
    if (r->stacks_known || r->evidence.attribution_reason == NULL)
        return;
    md_row(m);
    buf_str(m->out, "\nCall stacks are not known: ");
    md_foreign(m, r->evidence.attribution_reason);
    buf_char(m->out, '\n');
    md_row_end(m);
}

static void put_sentence(struct md *m, const char *title, const char *status, const char *sentence)
{
    md_row(m);
    buf_str(m->out, "- ");
    md_foreign(m, title); // the kind of an event stands in the store
    buf_printf(m->out, "%s%s: ", status == NULL ? "" : " ", status == NULL ? "" : status);
    md_foreign(m, sentence);
    buf_char(m->out, '\n');
    md_row_end(m);
}

// What `seep confirm` found, for each stack that it looked for.
static void put_confirmed(struct md *m, const struct report *r, const struct sheet *s)
{
    char sentence[1200];
    struct seep_buf chain;
    if (report_confirm_text(&r->confirm, sentence, sizeof sentence) == NULL)
        return;
    md_section(m, "\n### The growing stacks under valgrind\n\n");
    md_row(m);
    md_foreign(m, sentence);
    buf_str(m->out, "\n\n");
    md_row_end(m);
    for (size_t i = 0; i < r->n_stacks; i++) {
        const struct report_stack *one = &r->stacks[i];
        if (one->confirm_status == NULL || one->confirm_why == NULL)
            continue;
        buf_init(&chain, 64 * 1024);
        sheet_chain(s, one, FRAMES_SHOWN, &chain);
        put_sentence(m, chain.data == NULL ? "unknown" : chain.data, report_confirm_word(one->confirm_status),
                     one->confirm_why);
        buf_free(&chain);
    }
    md_section(m, NULL);
}

static void put_growth(struct md *m, const struct report_growth *g)
{
    enum judge_unit rate = g->unit == JUDGE_U_BYTES ? JUDGE_U_BYTES_PER_S : JUDGE_U_PER_S;
    md_row(m);
    buf_str(m->out, "| ");
    md_foreign(m, g->name);
    buf_str(m->out, " | ");
    md_value(m, g->last, g->unit);
    buf_str(m->out, " | ");
    md_value(m, g->growth.slope_per_s, rate);
    buf_str(m->out, " | ");
    md_value(m, g->growth.total_growth, g->unit);
    buf_str(m->out, " | ");
    md_foreign(m, g->growth.shape_text);
    buf_str(m->out, " |\n");
    md_row_end(m);
}

static void put_growths(struct md *m, const struct report *r)
{
    md_section(m, "\n### What was measured\n\n| | last | rate | in total | course |\n|---|---:|---:|---:|---|\n");
    for (size_t i = 0; i < r->n_growths; i++)
        put_growth(m, &r->growths[i]);
    md_section(m, NULL);
}

static void put_marks(struct md *m, const struct report *r)
{
    char count[32];
    md_section(m, "\n### Marked operations\n\n| | count | rate | heap growth for each |\n|---|---:|---:|---:|\n");
    for (size_t i = 0; i < r->n_marks; i++) {
        const struct report_per_op *op = report_find_per_op(r->per_op, r->n_per_op, r->marks[i].name);
        md_row(m);
        buf_str(m->out, "| ");
        md_foreign(m, r->marks[i].name);
        buf_printf(m->out, " | %s | ", units_count(count, sizeof count, r->marks[i].count));
        md_value(m, r->marks[i].rate_per_s, JUDGE_U_PER_S);
        buf_str(m->out, " | ");
        if (op != NULL)
            md_value(m, op->value.bytes_per_op, JUDGE_U_BYTES_PER_OP);
        buf_str(m->out, " |\n");
        md_row_end(m);
    }
    md_section(m, NULL);
}

static void put_scraped(struct md *m, const struct report *r)
{
    md_section(m,
               "\n### What the target exposed\n\n| series | mean | least | most | last |\n|---|---:|---:|---:|---:|\n");
    for (size_t i = 0; i < r->n_scraped; i++) {
        const struct report_scraped *s = &r->scraped[i];
        md_row(m);
        buf_str(m->out, "| ");
        md_foreign(m, s->name);
        if (s->labels[0] != '\0') {
            buf_char(m->out, '{');
            md_foreign(m, s->labels);
            buf_char(m->out, '}');
        }
        buf_printf(m->out, "%s | %.6g | %.6g | %.6g | %.6g |\n", s->counter ? ", a second" : "", s->mean, s->min,
                   s->max, s->last);
        md_row_end(m);
    }
    md_section(m, NULL);
}

static void put_load_row(struct md *m, const struct load_summary_row *row, const char *name, int depth)
{
    char requests[32];
    bool transaction = row->kind == LOAD_SERIES_TRANSACTION;
    const struct hist_figures *h = transaction ? &row->pass : &row->latency;
    md_row(m);
    buf_str(m->out, "| ");
    for (int i = 0; i < depth; i++)
        buf_str(m->out, "&emsp;");
    md_foreign(m, name);
    if (transaction)
        buf_str(m->out, " (transaction)");
    buf_printf(
        m->out, " | %s | ",
        units_count(requests, sizeof requests, (double)(transaction ? row->counts.passes : row->counts.completed)));
    md_value(m, row->rate_per_s, JUDGE_U_PER_S);
    buf_str(m->out, " | ");
    md_value(m, row->error_ratio, JUDGE_U_RATIO);
    const double us[] = {h->p50_us, h->p95_us, h->p99_us};
    for (size_t i = 0; i < 3; i++) {
        buf_str(m->out, " | ");
        md_value(m, us[i] / 1e6, JUDGE_U_SECONDS);
    }
    buf_str(m->out, " |\n");
    md_row_end(m);
}

static void put_load(struct md *m, const struct report *r)
{
    if (!r->has_load)
        return;
    md_section(m,
               "\n### Load\n\n| | requests | rate | errors | p50 | p95 | p99 |\n|---|---:|---:|---:|---:|---:|---:|\n");
    put_load_row(m, &r->load.all, "all", 0);
    for (int i = 0; i < r->load.n_rows; i++)
        put_load_row(m, &r->load.row[i], r->load.row[i].name, load_summary_depth(&r->load, &r->load.row[i]));
    md_section(m, NULL);
    char cost[200];
    if (!*report_request_cost_text(r, cost, sizeof cost))
        return;
    md_row(m);
    buf_printf(m->out, "\n- %s\n", cost);
    md_row_end(m);
}

// The user's own metrics: of a trend its quantiles, of a rate the share of hits, of a counter the sum.
static void put_metric(struct md *m, const struct load_summary_metric *x)
{
    char total[32], p[3][48] = {"", "", ""}, value[48] = "";
    enum seep_unit unit = x->metric.unit;
    if (x->metric.kind == METRIC_TREND) {
        units_value(p[0], sizeof p[0], x->values.p50_us, unit); // in the metric's unit whatever the name says
        units_value(p[1], sizeof p[1], x->values.p95_us, unit);
        units_value(p[2], sizeof p[2], x->values.p99_us, unit);
    } else if (x->metric.kind == METRIC_RATE) {
        units_value(value, sizeof value, x->ratio, UNIT_RATIO);
    } else {
        units_value(value, sizeof value, x->counts.sum, unit);
    }
    md_row(m);
    buf_str(m->out, "| ");
    md_foreign(m, load_summary_metric_name(x));
    buf_printf(m->out, " | %s | %s | %s | %s | %s |\n", units_count(total, sizeof total, (double)x->counts.total),
               value, p[0], p[1], p[2]);
    md_row_end(m);
}

static void put_metrics(struct md *m, const struct report *r)
{
    if (!r->has_load || r->load.n_metrics == 0)
        return;
    md_section(m, "\n### Metrics\n\n| | values | share or sum | p50 | p95 | p99 |\n|---|---:|---:|---:|---:|---:|\n");
    for (int i = 0; i < r->load.n_metrics; i++)
        put_metric(m, &r->load.metric[i]);
    md_section(m, NULL);
}

static void put_fault(struct md *m, const struct report_fault *f)
{
    char at[32], length[32], back[32];
    md_row(m);
    buf_str(m->out, "| ");
    md_foreign(m, f->name);
    buf_printf(m->out, " | %s%s | %s | %s | ", f->from_s < 0 ? "-" : "", units_clock(at, sizeof at, fabs(f->from_s)),
               units_duration(length, sizeof length, f->to_s - f->from_s),
               isfinite(f->recovery_s) ? units_duration(back, sizeof back, f->recovery_s)
               : f->told               ? "**not recovered**"
                                       : "not told");
    md_foreign(m, f->what);
    buf_str(m->out, " |\n");
    md_row_end(m);
}

static void put_faults(struct md *m, const struct report *r)
{
    if (r->n_faults == 0)
        return;
    md_section(m, "\n### Faults\n\n| | at | for | recovered after | what |\n|---|---:|---:|---:|---|\n");
    for (size_t i = 0; i < r->n_faults; i++)
        put_fault(m, &r->faults[i]);
    md_section(m, NULL);
}

// What casts doubt on figures; phases and processes that came and went do not.
static bool is_news(const char *kind)
{
    static const char *const kinds[] = {E_GAP,     E_LOST,  E_DEGRADED, E_RESTART,
                                        E_WARNING, E_AFTER, E_PAUSED,   E_SUSPENDED};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    return false;
}

static void put_ending(struct md *m, const struct report *r)
{
    const struct report_evidence *e = &r->evidence;
    char line[256], leak[48];
    md_section(m, "\n### Shutdown and evidence\n\n");
    if (!r->live)
        put_sentence(m, "shutdown", judge_status_name(r->shutdown.status), r->shutdown.reason);
    if (r->reload.status != JUDGE_S_SKIPPED)
        put_sentence(m, "reload", judge_status_name(r->reload.status), r->reload.reason);
    if (r->score.known)
        put_sentence(m, "grade", judge_grade_name(r->score.score.grade), r->score.score.reason);
    snprintf(line, sizeof line, "%zu samples, %zu gaps, %.0f lost events; smallest leak this run could have seen: %s.",
             e->samples, e->n_gaps, e->lost,
             judge_format(leak, sizeof leak, e->smallest_leak_per_s, JUDGE_U_BYTES_PER_S));
    put_sentence(m, "evidence", NULL, line);
    for (size_t i = 0; i < r->n_allows; i++)
        if (r->allows[i].sentence != NULL)
            put_sentence(m, "allowed", NULL, r->allows[i].sentence);
    size_t shown = 0;
    for (size_t i = 0; i < r->n_events && shown < EVENTS_SHOWN; i++)
        if (is_news(r->events[i].kind) && r->events[i].text != NULL && r->events[i].text[0] != '\0') {
            put_sentence(m, r->events[i].kind, NULL, r->events[i].text);
            shown++;
        }
    md_section(m, NULL);
}

int report_markdown(const struct report *r, const struct report_style *style, struct seep_buf *out,
                    struct seep_err *err)
{
    struct sheet s;
    struct md m;
    if (sheet_of_report(r, style == NULL ? NULL : style->root, &s, err))
        return -1;
    md_init(&m, out, style == NULL ? 0 : style->limit_bytes);
    put_head(&m, r);
    put_gates(&m, r);
    put_stacks(&m, r, &s);
    put_confirmed(&m, r, &s);
    put_growths(&m, r);
    put_marks(&m, r);
    put_scraped(&m, r);
    put_load(&m, r);
    put_metrics(&m, r);
    put_faults(&m, r);
    put_ending(&m, r);
    md_end(&m);
    sheet_free(&s);
    return buf_check(out, "The Markdown of the report", err);
}
