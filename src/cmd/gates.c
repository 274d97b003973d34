// The gates of a profile, checked: see gates.h.
#include "cmd/gates.h"
#include "cmd/gate_labels.h"
#include "judge/gate.h"
#include "report/scraped.h"
#include "run/fault_condition.h"
#include "scrape/expr.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *field_text(const struct profile_gate *g, const char *field)
{
    if (!strcmp(field, "over"))
        return g->over;
    if (!strcmp(field, "for"))
        return g->hold_for;
    if (!strcmp(field, "warn"))
        return g->warn;
    if (!strcmp(field, "vs"))
        return g->vs;
    if (!strcmp(field, "floor"))
        return g->floor;
    return g->expr;
}

// What a profile's gates may be about.
struct known {
    const char **series; // scraped, n of them
    size_t n;
    struct gate_labels labels;
};

static int check_one(const struct profile_gate *g, const struct known *known, struct seep_err *err)
{
    const struct judge_gate_text text = {
        .gate = g->expr, .over = g->over, .for_time = g->hold_for, .warn = g->warn, .vs = g->vs, .floor = g->floor};
    struct judge_gate gate;
    struct judge_gate_where where = {.field = "gate", .column = 1};
    struct seep_err inner = {0};
    if (judge_gate_parse(&text, known->series, known->n, &gate, &where, &inner) == 0) {
        where.field = "gate";
        if (gate_labels_check(&known->labels, &gate, g->expr, &where.column, &inner) == 0)
            return 0;
    }
    const char *shown = field_text(g, where.field);
    bool other = strcmp(where.field, "gate") != 0;
    return seep_fail(err, SEEP_E_USAGE, "%s:%d:%d: %s\n  %s%s%.120s\n  %*s^",
                     g->where.file ? g->where.file : "(default)", g->where.line, g->where.column, inner.text,
                     other ? where.field : "", other ? ": " : "", shown ? shown : "",
                     (int)(where.column - 1 + (other ? strlen(where.field) + 2 : 0)), "");
}

static int check_condition(const struct profile_fault *f, const char *text, const struct known *known,
                           struct seep_err *err)
{
    struct judge_gate gate;
    struct judge_gate_where where = {.field = "gate", .column = 1};
    struct seep_err inner = {0};
    if (run_condition_parse(known->labels.profile, text, &gate, &where, &inner) == 0 &&
        gate_labels_check(&known->labels, &gate, text, &where.column, &inner) == 0)
        return 0;
    return seep_fail(err, SEEP_E_USAGE, "%s:%d:%d: A condition of the fault '%s': %s\n  %.120s\n  %*s^",
                     f->where.file ? f->where.file : "(default)", f->where.line, f->where.column, f->name, inner.text,
                     text, (int)where.column - 1, "");
}

static int check_faults(const struct profile *p, const struct known *known, struct seep_err *err)
{
    for (int i = 0; i < p->n_faults; i++) {
        const struct profile_fault *f = &p->faults[i];
        for (int k = 0; k < f->n_recovered; k++)
            if (check_condition(f, f->recovered[k], known, err))
                return -1;
        for (int k = 0; k < f->n_spares; k++)
            if (check_condition(f, f->spares[k], known, err))
                return -1;
    }
    return 0;
}

static int check_expression(const struct profile_scrape *s, const struct profile_pair *series, struct seep_err *err)
{
    struct scrape_expr *e;
    struct seep_err inner = {0};
    size_t column = 1;
    if (scrape_expr_parse(series->value, &e, &column, &inner) == 0) {
        scrape_expr_free(e);
        return 0;
    }
    return seep_fail(err, SEEP_E_USAGE, "%s:%d:%d: The series '%.60s': %s\n  %.120s\n  %*s^",
                     s->where.file ? s->where.file : "(default)", s->where.line, s->where.column, series->key,
                     inner.text, series->value, (int)column - 1, "");
}

static int check_scrapes(const struct profile *p, struct seep_err *err)
{
    for (int i = 0; i < p->n_scrapes; i++)
        for (int k = 0; k < p->scrapes[i].n_series; k++)
            if (check_expression(&p->scrapes[i], &p->scrapes[i].series[k], err))
                return -1;
    return 0;
}

static int check_all(const struct profile *p, const struct known *known, struct seep_err *err)
{
    for (int i = 0; i < p->n_gates; i++)
        if (check_one(&p->gates[i], known, err))
            return -1;
    for (int a = 0; a < PROFILE_AREAS; a++)
        for (int i = 0; i < p->requirements.n_gates[a]; i++)
            if (check_one(&p->requirements.gates[a][i], known, err))
                return -1;
    return check_faults(p, known, err);
}

int cmd_check_gates(const struct profile *p, struct seep_err *err)
{
    struct known known = {0};
    if (gate_labels_init(&known.labels, p, err))
        return -1;
    known.series = report_scraped_names(p, &known.n);
    int rc = check_all(p, &known, err);
    free(known.series);
    gate_labels_free(&known.labels);
    return rc || check_scrapes(p, err) ? -1 : 0;
}
