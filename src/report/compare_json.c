// seep.compare/1: docs/schema/seep.compare.1.json says what every member means. Unknown is null; growth is per hour.
#include "base/jsonw.h"
#include "report/compare.h"
#include "report/json.h"

#include <math.h>

static void put_measure(struct jsonw *w, const char *key, const struct judge_measure *m, double factor)
{
    jsonw_object(w, key);
    jsonw_double(w, "value", m->value * factor);
    jsonw_double(w, "se_lo", m->se_lo * factor);
    jsonw_double(w, "se_hi", m->se_hi * factor);
    jsonw_double(w, "nu", m->nu);
    jsonw_double(w, "peak", m->peak * factor);
    jsonw_double(w, "plain", m->plain * factor);
    jsonw_double(w, "plain_se", m->plain_se * factor);
    jsonw_string(w, "why", m->why);
    jsonw_end_object(w);
}

static void put_pair(struct jsonw *w, const char *key, double lo, double hi)
{
    jsonw_array(w, key);
    jsonw_double(w, NULL, lo);
    jsonw_double(w, NULL, hi);
    jsonw_end_array(w);
}

static void put_figure(struct jsonw *w, const struct compare_figure *f)
{
    const struct judge_difference *d = &f->difference;
    double factor;
    const char *unit = report_json_measure_unit(f->name, f->unit, &factor);
    jsonw_object(w, NULL);
    jsonw_string(w, "name", f->name);
    jsonw_string(w, "unit", unit);
    jsonw_string(w, "better", f->better == JUDGE_LESS_IS_BETTER ? "less" : "more");
    jsonw_string(w, "gated", f->decisive ? "yes" : "no");
    jsonw_string(w, "change", judge_change_name(d->change));
    jsonw_string(w, "severity", judge_severity_name(d->severity));
    jsonw_double(w, "difference", d->value * factor);
    put_pair(w, "ci90", d->lo * factor, d->hi * factor);
    jsonw_double(w, "relative", d->relative);
    jsonw_double(w, "allowed", d->allowed * factor);
    jsonw_double(w, "p", d->p);
    put_measure(w, "base", &f->base, factor);
    put_measure(w, "candidate", &f->candidate, factor);
    jsonw_end_object(w);
}

static void put_stack(struct jsonw *w, const struct compare_stack *s)
{
    const struct judge_stack_difference *d = &s->difference;
    const struct report_stack *shown = s->candidate != NULL ? s->candidate : s->base;
    jsonw_object(w, NULL);
    jsonw_string(w, "change", judge_stack_change_name(d->change));
    jsonw_string(w, "severity", judge_severity_name(d->severity));
    jsonw_double(w, "difference_bytes_per_hour", d->value * 3600);
    put_pair(w, "ci90", d->lo * 3600, d->hi * 3600);
    jsonw_double(w, "base_bytes_per_hour", s->rates.in_base ? s->rates.base.slope * 3600 : NAN);
    jsonw_double(w, "candidate_bytes_per_hour", s->candidate != NULL ? s->rates.candidate.slope * 3600 : NAN);
    report_json_frames(w, shown);
    jsonw_end_object(w);
}

static void put_run(struct jsonw *w, const char *key, const struct report *r)
{
    jsonw_object(w, key);
    jsonw_string(w, "run", r->run);
    jsonw_string(w, "profile", r->profile_name);
    jsonw_string(w, "verdict", judge_final_name(r->final.verdict));
    jsonw_string(w, "sha256", r->target.sha256);
    jsonw_string(w, "build_id", r->target.build_id);
    jsonw_double(w, "measured_s", r->measure_to_s - r->measure_from_s);
    jsonw_end_object(w);
}

static void put_strings(struct jsonw *w, const char *key, const char *const *strings, size_t n)
{
    jsonw_array(w, key);
    for (size_t i = 0; i < n; i++)
        jsonw_string(w, NULL, strings[i]);
    jsonw_end_array(w);
}

int compare_json(const struct compare *c, struct seep_buf *out, struct seep_err *err)
{
    struct jsonw w;
    jsonw_init(&w, out, true);
    jsonw_object(&w, NULL);
    jsonw_string(&w, "schema", "seep.compare/1");
    jsonw_string(&w, "verdict", judge_verdict_name(c->verdict));
    jsonw_int(&w, "exit_code", compare_exit_code(c));
    jsonw_string(&w, "headline", c->headline);
    jsonw_double(&w, "threshold", c->share);
    put_run(&w, "base", c->base);
    put_run(&w, "candidate", c->candidate);
    jsonw_array(&w, "figures");
    for (size_t i = 0; i < c->n_figures; i++)
        put_figure(&w, &c->figures[i]);
    jsonw_end_array(&w);
    jsonw_string(&w, "stacks_compared", c->stacks_compared ? "yes" : "no");
    jsonw_array(&w, "stacks");
    for (size_t i = 0; i < c->n_stacks; i++)
        put_stack(&w, &c->stacks[i]);
    jsonw_end_array(&w);
    put_strings(&w, "advice", c->advice, c->n_advice);
    put_strings(&w, "notes", c->notes, c->n_notes);
    jsonw_end_object(&w);
    buf_char(out, '\n');
    return buf_check(out, "The JSON of the comparison", err);
}
