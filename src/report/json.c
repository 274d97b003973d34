// verdict.json, schema seep.verdict/1: docs/schema/seep.verdict.1.json says what every member means.
//
// Status words, never bare booleans; what is not known is null. Growth rates are per hour, as people speak of them.
#include "report/json.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double hour_s = 3600;

static void put_time(struct jsonw *w, const char *key, int64_t real_ns)
{
    char text[32];
    jsonw_string(w, key, real_ns == SEEP_UNKNOWN ? NULL : clock_iso8601(text, real_ns));
}

void report_json_interval(struct jsonw *w, double lo, double hi)
{
    jsonw_array(w, "ci90");
    jsonw_double(w, NULL, lo);
    jsonw_double(w, NULL, hi);
    jsonw_end_array(w);
}

static void put_target(struct jsonw *w, const struct report *r)
{
    const struct report_target *t = &r->target;
    jsonw_object(w, "target");
    jsonw_array(w, "argv");
    for (int i = 0; i < t->argc; i++)
        jsonw_string(w, NULL, t->argv[i]);
    jsonw_end_array(w);
    jsonw_string(w, "exe", t->exe);
    jsonw_string(w, "version", t->version);
    jsonw_string(w, "sha256", t->sha256);
    jsonw_string(w, "build_id", t->build_id);
    report_json_identity(w, t->identity_json);
    jsonw_string(w, "allocator", t->allocator);
    jsonw_int(w, "pid", t->pid);
    jsonw_double(w, "ready_s", t->ready_s);
    jsonw_object(w, "exit");
    jsonw_string(w, "kind", t->exit_kind);
    jsonw_int(w, "status", t->exit_status);
    jsonw_int(w, "signal", t->exit_signal);
    jsonw_string(w, "core", t->exit_core);
    jsonw_string(w, "sentence", t->exit_sentence);
    jsonw_end_object(w);
    jsonw_end_object(w);
}

static void put_host(struct jsonw *w, const struct report *r)
{
    jsonw_object(w, "host");
    for (size_t i = 0; i < r->n_host; i++)
        jsonw_string(w, r->host[i].key, r->host[i].value);
    jsonw_end_object(w);
}

// How a unit is called in JSON, and what its base unit is multiplied by: rates of growth in bytes are per hour.
static const char *report_json_unit(enum judge_unit unit, double *factor)
{
    *factor = 1;
    switch (unit) {
    case JUDGE_U_BYTES:
        return "bytes";
    case JUDGE_U_BYTES_PER_S:
        *factor = hour_s;
        return "bytes/h";
    case JUDGE_U_BYTES_PER_OP:
        return "bytes/request";
    case JUDGE_U_SECONDS:
        return "s";
    case JUDGE_U_RATIO:
        return "ratio";
    case JUDGE_U_PER_S:
        return "1/s";
    case JUDGE_U_COUNT:
    case JUDGE_UNITS:
        break;
    }
    return "count";
}

const char *report_json_measure_unit(const char *name, enum judge_unit unit, double *factor)
{
    const char *word = report_json_unit(unit, factor);
    if (unit != JUDGE_U_PER_S || strstr(name, ".growth") == NULL)
        return word;
    *factor = hour_s;
    return "1/h";
}

static const char *gate_unit(const struct report_gate *g, double *factor)
{
    if (g->result.unit == JUDGE_U_PER_S && g->gate.kind == JUDGE_M_GROWTH) {
        *factor = hour_s;
        return "1/h";
    }
    return report_json_unit(g->result.unit, factor);
}

// The members of one gate, into the object that is open.
static void put_gate(struct jsonw *w, const struct report_gate *g)
{
    double factor;
    const char *unit = gate_unit(g, &factor);
    jsonw_string(w, "name", g->gate.name);
    jsonw_string(w, "text", g->text);
    jsonw_string(w, "status", judge_status_name(g->result.status));
    jsonw_double(w, "value", g->result.value * factor);
    report_json_interval(w, g->result.lo * factor, g->result.hi * factor);
    jsonw_string(w, "op", judge_op_name(g->gate.op));
    jsonw_double(w, "limit", g->result.limit * factor);
    jsonw_double(w, "distance", g->result.distance * factor);
    jsonw_string(w, "unit", unit);
    jsonw_string(w, "reason", g->result.reason);
}

static void put_gates(struct jsonw *w, const struct report *r)
{
    jsonw_array(w, "gates");
    for (size_t i = 0; i < r->n_gates; i++) {
        jsonw_object(w, NULL);
        put_gate(w, &r->gates[i]);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void put_score(struct jsonw *w, const struct report_score *s)
{
    if (!s->known) {
        jsonw_null(w, "score");
        return;
    }
    jsonw_object(w, "score");
    jsonw_string(w, "set", s->set);
    jsonw_string(w, "grade", judge_grade_name(s->score.grade));
    jsonw_double(w, "points", s->score.points);
    jsonw_string(w, "at_least", judge_grade_name(s->at_least));
    jsonw_string(w, "status", judge_status_name(s->status));
    jsonw_string(w, "reason", s->score.reason);
    jsonw_object(w, "areas");
    for (int a = 0; a < JUDGE_AREAS; a++)
        jsonw_double(w, judge_area_name((enum judge_area)a), s->score.area[a]);
    jsonw_end_object(w);
    jsonw_array(w, "requirements");
    for (size_t i = 0; i < s->n_requirements; i++) {
        jsonw_object(w, NULL);
        jsonw_string(w, "area", judge_area_name(s->requirements[i].area));
        jsonw_double(w, "points", s->requirements[i].points);
        put_gate(w, &s->requirements[i].gate);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
    jsonw_end_object(w);
}

void report_json_growth(struct jsonw *w, const struct report_growth *g)
{
    const struct judge_growth *j = &g->growth;
    bool bytes = g->unit == JUDGE_U_BYTES;
    jsonw_double(w, bytes ? "slope_bytes_per_hour" : "slope_per_hour", j->slope_per_s * hour_s);
    report_json_interval(w, j->lo_per_s * hour_s, j->hi_per_s * hour_s);
    jsonw_string(w, "shape", judge_shape_name(j->shape));
    jsonw_string(w, "shape_text", j->shape_text);
    jsonw_string(w, "model", j->model);
    jsonw_double(w, bytes ? "mde_bytes_per_hour" : "mde_per_hour", j->mde_per_s * hour_s);
    jsonw_double(w, bytes ? "budget_bytes_per_hour" : "budget_per_hour", j->budget_per_s * hour_s);
    jsonw_string(w, "verdict", judge_verdict_name(j->verdict));
    jsonw_string(w, "reason", j->reason);
    jsonw_string(w, "gate", g->gate);
    jsonw_double(w, "last", g->last);
    jsonw_double(w, "total_growth", j->total_growth);
    jsonw_double(w, "total_margin", j->total_margin);
    jsonw_double(w, "rho", j->rho);
    jsonw_double(w, "half_ratio", j->half_ratio);
    jsonw_double(w, "warmup_end_s", j->warmup_end_s);
    jsonw_double(w, "settle_duration_s", j->settle_duration_s);
    jsonw_int(w, "samples", (int64_t)j->n_given);
    jsonw_int(w, "points", (int64_t)j->n_used);
    jsonw_int(w, "plausible_models", (int64_t)j->n_models);
    jsonw_double(w, "window_s", j->window_s);
    jsonw_int(w, "gaps", (int64_t)j->n_gaps);
    jsonw_double(w, "event_s", j->event_t_s);
    jsonw_double(w, "event_size", j->event_size);
}

static void put_growths(struct jsonw *w, const struct report *r)
{
    jsonw_object(w, "growth");
    for (size_t i = 0; i < r->n_growths; i++) {
        jsonw_object(w, r->growths[i].name);
        report_json_growth(w, &r->growths[i]);
        jsonw_end_object(w);
    }
    jsonw_end_object(w);
}

static void put_explained(struct jsonw *w, const struct report *r)
{
    jsonw_array(w, "explained");
    for (int p = 0; r->explained_known && p < JUDGE_PARTS; p++) {
        const struct judge_explained *e = &r->explained[p];
        jsonw_object(w, NULL);
        jsonw_string(w, "part", judge_part_name((enum judge_part)p));
        jsonw_double(w, "slope_bytes_per_hour", e->rate.slope_per_s * hour_s);
        report_json_interval(w, e->rate.lo_per_s * hour_s, e->rate.hi_per_s * hour_s);
        jsonw_double(w, "share", e->share);
        if (p == JUDGE_PART_HEAP)
            jsonw_double(w, "untouched_bytes_per_hour", r->explained_untouched.slope_per_s * hour_s);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void put_marks(struct jsonw *w, const struct report *r)
{
    jsonw_array(w, "marks");
    for (size_t i = 0; i < r->n_marks; i++) {
        jsonw_object(w, NULL);
        jsonw_string(w, "name", r->marks[i].name);
        jsonw_double(w, "count", r->marks[i].count);
        jsonw_double(w, "per_second", r->marks[i].rate_per_s);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void put_scraped(struct jsonw *w, const struct report *r)
{
    jsonw_array(w, "scraped");
    for (size_t i = 0; i < r->n_scraped; i++) {
        const struct report_scraped *s = &r->scraped[i];
        jsonw_object(w, NULL);
        jsonw_string(w, "name", s->name);
        jsonw_string(w, "labels", s->labels);
        jsonw_string(w, "unit", s->counter ? "per_second" : "value");
        jsonw_int(w, "values", (int64_t)s->n);
        jsonw_double(w, "first", s->first);
        jsonw_double(w, "last", s->last);
        jsonw_double(w, "mean", s->mean);
        jsonw_double(w, "min", s->min);
        jsonw_double(w, "max", s->max);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void put_confirm(struct jsonw *w, const struct report_confirm *c)
{
    if (c->verdict == NULL) {
        jsonw_null(w, "confirm");
        return;
    }
    jsonw_object(w, "confirm");
    jsonw_string(w, "verdict", c->verdict);
    jsonw_string(w, "headline", c->headline);
    jsonw_string(w, "reason", c->reason);
    jsonw_string(w, "tool", c->tool);
    jsonw_end_object(w);
}

static void put_level(struct jsonw *w, const char *key, const struct judge_level *level, bool compared)
{
    if (!compared) {
        jsonw_null(w, key);
        return;
    }
    jsonw_object(w, key);
    jsonw_double(w, "difference_bytes", level->difference);
    jsonw_double(w, "margin_bytes", level->margin);
    jsonw_string(w, "verdict", judge_verdict_name(level->verdict));
    jsonw_string(w, "reason", level->reason);
    jsonw_end_object(w);
}

static void put_never_freed(struct jsonw *w, const struct report_at_exit *x)
{
    if (!x->known) {
        jsonw_null(w, "never_freed");
        return;
    }
    jsonw_object(w, "never_freed");
    jsonw_double(w, "live_bytes", x->bytes);
    jsonw_double(w, "live_blocks", x->blocks);
    jsonw_int(w, "stacks_total", (int64_t)x->n_total);
    jsonw_array(w, "stacks");
    for (size_t i = 0; i < x->n_stacks; i++) {
        jsonw_object(w, NULL);
        jsonw_double(w, "live_bytes", x->stacks[i].judge.live_bytes);
        jsonw_double(w, "live_blocks", x->stacks[i].live_blocks);
        report_json_frames(w, &x->stacks[i]);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
    jsonw_end_object(w);
}

static void put_shutdown(struct jsonw *w, const struct report *r)
{
    const struct report_shutdown *s = &r->shutdown;
    jsonw_object(w, "shutdown");
    jsonw_string(w, "status", judge_status_name(s->status));
    jsonw_string(w, "reason", s->reason);
    jsonw_int(w, "signal", s->signal > 0 ? s->signal : SEEP_UNKNOWN);
    jsonw_double(w, "after_s", s->after_s);
    jsonw_double(w, "within_s", s->within_s);
    jsonw_int(w, "exit_status", s->exit_status);
    jsonw_int(w, "exit_signal", s->exit_signal);
    jsonw_int(w, "children_left", s->children_left);
    jsonw_string(w, "port_released", s->port_released);
    jsonw_string(w, "files_left", s->files_left);
    jsonw_double(w, "back_limit_bytes", s->back_limit_bytes);
    put_level(w, "heap", &s->heap, s->heap_compared);
    put_level(w, "rss", &s->rss, s->rss_compared);
    put_never_freed(w, &s->at_exit);
    jsonw_end_object(w);
}

static void put_cost(struct jsonw *w, const struct report *r)
{
    const struct report_cost c = report_request_cost(r);
    if (!r->has_load) {
        jsonw_null(w, "request_cost");
        return;
    }
    jsonw_object(w, "request_cost");
    jsonw_double(w, "cpu_s", c.cpu_s);
    jsonw_double(w, "disk_read_bytes", c.disk_read_bytes);
    jsonw_double(w, "disk_written_bytes", c.disk_written_bytes);
    jsonw_double(w, "network_bytes", c.network_bytes);
    jsonw_end_object(w);
}

static void put_reload(struct jsonw *w, const struct report_reload *l)
{
    if (l->status == JUDGE_S_SKIPPED) {
        jsonw_null(w, "reload");
        return;
    }
    jsonw_object(w, "reload");
    jsonw_string(w, "status", judge_status_name(l->status));
    jsonw_string(w, "gauge", l->gauge);
    jsonw_double(w, "first_growth_bytes", l->first);
    jsonw_double(w, "second_growth_bytes", l->second);
    jsonw_double(w, "margin_bytes", l->margin);
    jsonw_string(w, "reason", l->reason);
    jsonw_end_object(w);
}

static void put_gaps(struct jsonw *w, const struct report *r)
{
    jsonw_array(w, "gaps");
    for (size_t i = 0; i < r->n_events; i++) {
        const struct report_event *e = &r->events[i];
        if (strcmp(e->kind, E_GAP) != 0)
            continue;
        jsonw_object(w, NULL);
        jsonw_double(w, "from_s", e->from_s);
        jsonw_double(w, "to_s", e->to_s);
        jsonw_int(w, "missed", e->count);
        jsonw_string(w, "reason", e->text);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void put_evidence(struct jsonw *w, const struct report *r)
{
    const struct report_evidence *e = &r->evidence;
    jsonw_object(w, "evidence");
    jsonw_int(w, "samples", (int64_t)e->samples);
    jsonw_int(w, "expected", e->expected);
    put_gaps(w, r);
    jsonw_double(w, "lost", e->lost);
    jsonw_double(w, "coverage", e->coverage);
    jsonw_object(w, "probe");
    jsonw_double(w, "cpu", e->probe_cpu);
    jsonw_double(w, "rss", e->probe_rss_bytes);
    jsonw_end_object(w);
    jsonw_object(w, "seep");
    jsonw_double(w, "cpu", e->seep_cpu);
    jsonw_double(w, "rss", e->seep_rss_bytes);
    jsonw_end_object(w);
    jsonw_string(w, "attribution", e->attribution);
    jsonw_string(w, "attribution_reason", e->attribution_reason);
    jsonw_double(w, "sampling_mean_bytes", e->sampling_mean_bytes);
    jsonw_string(w, "heap_source", e->heap_source);
    jsonw_double(w, "latest_tick_late_s", e->late_max_s);
    jsonw_double(w, "smallest_leak_bytes_per_hour", e->smallest_leak_per_s * hour_s);
    jsonw_string(w, "store", e->degraded ? "degraded" : "whole");
    jsonw_end_object(w);
}

static void put_events(struct jsonw *w, const struct report *r)
{
    jsonw_array(w, "events");
    for (size_t i = 0; i < r->n_events && i < 1000; i++) {
        const struct report_event *e = &r->events[i];
        jsonw_object(w, NULL);
        jsonw_string(w, "kind", e->kind);
        jsonw_double(w, "from_s", e->from_s);
        jsonw_double(w, "to_s", e->to_s);
        jsonw_int(w, "count", e->count);
        jsonw_string(w, "text", e->text);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void put_head(struct jsonw *w, const struct report *r)
{
    jsonw_string(w, "schema", "seep.verdict/1");
    jsonw_string(w, "run", r->run);
    jsonw_string(w, "seep_version", r->version);
    jsonw_string(w, "profile", r->profile_name);
    jsonw_string(w, "state", r->cut ? "cut" : r->live ? "running" : "ended");
    jsonw_string(w, "verdict", judge_final_name(r->final.verdict));
    jsonw_int(w, "exit_code", r->final.exit_code);
    jsonw_string(w, "headline", r->headline);
    jsonw_string(w, "outcome", r->outcome);
    jsonw_string(w, "outcome_sentence", r->outcome_sentence);
    put_time(w, "started", r->started_ns);
    put_time(w, "ended", r->ended_ns);
    jsonw_double(w, "planned_s", r->planned_s);
    jsonw_double(w, "measured_s", r->elapsed_s);
    jsonw_double(w, "interval_s", r->interval_s);
    jsonw_string(w, "redacted", r->redacted);
}

int report_json(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    (void)style;
    struct jsonw w;
    jsonw_init(&w, out, true);
    jsonw_object(&w, NULL);
    put_head(&w, r);
    put_target(&w, r);
    put_host(&w, r);
    put_gates(&w, r);
    put_growths(&w, r);
    put_explained(&w, r);
    put_marks(&w, r);
    put_scraped(&w, r);
    report_json_per_op(&w, "per_op", r->per_op, r->n_per_op);
    report_json_stacks(&w, r);
    put_confirm(&w, &r->confirm);
    put_shutdown(&w, r);
    put_reload(&w, &r->reload);
    put_score(&w, &r->score);
    if (r->has_load)
        load_summary_json(&r->load, &w, "load");
    else
        jsonw_null(&w, "load");
    put_cost(&w, r);
    report_json_faults(&w, r);
    put_evidence(&w, r);
    put_events(&w, r);
    jsonw_end_object(&w);
    buf_char(out, '\n');
    return buf_check(out, "verdict.json", err);
}
