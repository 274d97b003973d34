// What a search for the limit found, as text and as JSON (schema seep.limit/1).
#include "base/esc.h"
#include "base/jsonw.h"
#include "base/units.h"
#include "cmd/load_limit_state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const outcome_names[] = {
    [LIMIT_HELD] = "held", [LIMIT_FAILED] = "failed", [LIMIT_GENERATOR] = "generator"};

const char *load_limit_unit_name(enum limit_unit unit)
{
    static const char *const names[] = {[LIMIT_RATE] = "/s", [LIMIT_USERS] = "users", [LIMIT_FACTOR] = "times"};
    return names[unit];
}

static const char *load_limit_status(const struct limit_run *r)
{
    const struct limit_search *s = &r->search;
    if (limit_found(s))
        return load_limit_sure(r) ? "found" : "unsure";
    if (s->low > 0 && isinf(s->high))
        return "nothing_failed";
    return s->high_is_generator ? "generator" : s->low > 0 ? "unsure" : "nothing_held";
}

static int by_level(const void *a, const void *b)
{
    const struct limit_try *x = *(const struct limit_try *const *)a, *y = *(const struct limit_try *const *)b;
    return x->level != y->level ? (x->level > y->level) - (x->level < y->level) : (x > y) - (x < y);
}

static void sort_tries(const struct limit_run *r, const struct limit_try *out[LIMIT_TRIES_MAX])
{
    for (int i = 0; i < r->n_tried; i++)
        out[i] = &r->tried[i];
    qsort(out, (size_t)r->n_tried, sizeof *out, by_level);
}

// ---- text -----------------------------------------------------------------------------------------------------------

static const char *duration(char *out, size_t size, double us)
{
    return isnan(us) ? "-" : units_duration(out, size, us / 1e6);
}

static void text_head(struct seep_buf *b, const struct limit_run *r)
{
    char p95[32], p99[32];
    const char *unit = load_limit_unit_name(r->unit);
    const struct limit_try *held = load_limit_try_at(r, r->search.low, true);
    const struct limit_try *not = load_limit_try_at(r, r->search.high, false);
    buf_printf(b, "  limit     %s", load_limit_status(r));
    if (held)
        buf_printf(b, "  %.6g %s held: %.1f requests/s, errors %.3g %%, p95 %s, p99 %s, stability %.0f %%", held->level,
                   unit, held->rate_per_s, isnan(held->error_ratio) ? 0 : held->error_ratio * 100,
                   duration(p95, sizeof p95, held->p95_us), duration(p99, sizeof p99, held->p99_us),
                   isnan(r->stability) ? 0 : r->stability * 100);
    buf_char(b, '\n');
    if (held && held->unsure)
        buf_printf(b, "            not all gates could be told there: %s\n", held->why);
    if (not )
        buf_printf(b, "  first     %.6g %s %s: %s\n", not ->level, unit,
                   not ->outcome == LIMIT_GENERATOR ? "was too much for the generator, not for the target" : "failed",
                   not ->why);
}

static void text_tries(struct seep_buf *b, const struct limit_run *r)
{
    const struct limit_try *tries[LIMIT_TRIES_MAX];
    sort_tries(r, tries);
    buf_printf(b, "  %12s  %12s  %8s  %8s  %10s  %10s  %10s\n", load_limit_unit_name(r->unit), "requests/s", "started",
               "errors", "p50", "p95", "p99");
    for (int i = 0; i < r->n_tried; i++) {
        const struct limit_try *t = tries[i];
        char q[3][32];
        buf_printf(b, "  %12.6g  %12.1f  %7.1f%%  %7.2f%%  %10s  %10s  %10s  %s%s\n", t->level, t->rate_per_s,
                   t->started_ratio * 100, isnan(t->error_ratio) ? 0 : t->error_ratio * 100,
                   duration(q[0], sizeof q[0], t->p50_us), duration(q[1], sizeof q[1], t->p95_us),
                   duration(q[2], sizeof q[2], t->p99_us), outcome_names[t->outcome],
                   t->confirmation ? " (again)" : "");
    }
}

static void text_rest(struct seep_buf *b, const struct limit_run *r)
{
    char after[32];
    const char *unit = load_limit_unit_name(r->unit);
    if (r->recovery_known && r->recovered)
        buf_printf(b, "  recovery  the gates held again %s after %.6g fell to %.6g %s\n",
                   r->recovery_s > 0 ? units_duration(after, sizeof after, r->recovery_s) : "at once", r->recovery_from,
                   r->recovery_to, unit);
    else if (r->recovery_known)
        buf_printf(b, "  recovery  the gates did not hold again after %.6g fell to %.6g %s\n", r->recovery_from,
                   r->recovery_to, unit);
    if (r->at_once_known)
        buf_printf(b, "  at once   %lld requests at once take %.2f times as long as one: %.1f /s against %.1f /s%s\n",
                   (long long)r->opts->at_once, r->at_once_ratio, r->many_rate_per_s, r->one_rate_per_s,
                   load_limit_at_once_failed(r) ? "  FAIL" : "");
}

void load_limit_print_text(const struct limit_run *r)
{
    struct seep_buf b, safe;
    buf_init(&b, 256 * 1024);
    text_head(&b, r);
    text_tries(&b, r);
    text_rest(&b, r);
    buf_init(&safe, 1024 * 1024);
    for (const char *line = b.data; line && *line;) { // names of gates are the profile's
        size_t len = strcspn(line, "\n");
        esc_term(&safe, line, len);
        buf_char(&safe, '\n');
        line += len + (line[len] == '\n');
    }
    fputs(safe.data ? safe.data : "", stdout);
    buf_free(&safe);
    buf_free(&b);
}

// ---- JSON -----------------------------------------------------------------------------------------------------------

static void json_try(struct jsonw *w, const char *key, const struct limit_try *t)
{
    jsonw_object(w, key);
    jsonw_double(w, "level", t->level);
    jsonw_string(w, "outcome", outcome_names[t->outcome]);
    jsonw_string(w, "kind", t->confirmation ? "confirmation" : "search");
    jsonw_string(w, "gates", t->unsure ? "unsure" : "told");
    jsonw_double(w, "rate_per_s", t->rate_per_s);
    jsonw_double(w, "started_ratio", t->started_ratio);
    jsonw_double(w, "error_ratio", t->error_ratio);
    jsonw_object(w, "latency_us");
    jsonw_double(w, "p50", t->p50_us);
    jsonw_double(w, "p95", t->p95_us);
    jsonw_double(w, "p99", t->p99_us);
    jsonw_end_object(w);
    jsonw_double(w, "generator_cpu", t->generator_cpu);
    jsonw_string(w, "reason", t->why[0] ? t->why : NULL);
    jsonw_end_object(w);
}

static void json_recovery(struct jsonw *w, const struct limit_run *r)
{
    if (!r->recovery_known) {
        jsonw_string(w, "recovery", NULL);
        return;
    }
    jsonw_object(w, "recovery");
    jsonw_string(w, "status", r->recovered ? "recovered" : "not_recovered");
    jsonw_double(w, "seconds", r->recovery_s);
    jsonw_double(w, "from_level", r->recovery_from);
    jsonw_double(w, "to_level", r->recovery_to);
    jsonw_end_object(w);
}

static void json_at_once(struct jsonw *w, const struct limit_run *r)
{
    if (!r->at_once_known) {
        jsonw_string(w, "at_once", NULL);
        return;
    }
    jsonw_object(w, "at_once");
    jsonw_int(w, "requests", r->opts->at_once);
    jsonw_double(w, "one_rate_per_s", r->one_rate_per_s);
    jsonw_double(w, "rate_per_s", r->many_rate_per_s);
    jsonw_double(w, "ratio", r->at_once_ratio);
    jsonw_double(w, "under", r->opts->at_once_under > 0 ? r->opts->at_once_under : NAN);
    jsonw_string(w, "status",
                 !(r->opts->at_once_under > 0)  ? "skipped"
                 : load_limit_at_once_failed(r) ? "fail"
                                                : "pass");
    jsonw_end_object(w);
}

void load_limit_print_json(const struct limit_run *r)
{
    const struct limit_try *held = load_limit_try_at(r, r->search.low, true);
    const struct limit_try *not = load_limit_try_at(r, r->search.high, false);
    struct seep_buf b;
    struct jsonw w;
    buf_init(&b, 1024 * 1024);
    jsonw_init(&w, &b, true);
    jsonw_object(&w, NULL);
    jsonw_string(&w, "schema", "seep.limit/1");
    jsonw_object(&w, "limit");
    jsonw_string(&w, "status", load_limit_status(r));
    static const char *const units[] = {
        [LIMIT_RATE] = "requests_per_s", [LIMIT_USERS] = "users", [LIMIT_FACTOR] = "factor"};
    jsonw_string(&w, "unit", units[r->unit]);
    jsonw_double(&w, "precision", r->precision);
    jsonw_double(&w, "level", held ? held->level : NAN);
    jsonw_double(&w, "stability", r->stability);
    jsonw_int(&w, "stability_windows", r->n_counts);
    if (held)
        json_try(&w, "held", held);
    else
        jsonw_string(&w, "held", NULL);
    if (not )
        json_try(&w, "first_failed", not );
    else
        jsonw_string(&w, "first_failed", NULL);
    json_recovery(&w, r);
    json_at_once(&w, r);
    const struct limit_try *tries[LIMIT_TRIES_MAX];
    sort_tries(r, tries);
    jsonw_array(&w, "tries");
    for (int i = 0; i < r->n_tried; i++)
        json_try(&w, NULL, tries[i]);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    jsonw_end_object(&w);
    printf("%s\n", b.data ? b.data : "");
    buf_free(&b);
}
