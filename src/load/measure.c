// The user's own metrics: see measure.h.
#include "load/measure.h"

#include <stdlib.h>
#include <string.h>

static int open_one(const struct profile_metric *metric, struct template_names *names, const struct feeds *feeds,
                    struct measure *out, struct seep_err *err)
{
    if (metric->source == METRIC_CHECKS)
        return check_open(&metric->match, names, feeds, &out->check, err);
    if (metric->source == METRIC_VALUE)
        return extract_open(&metric->value, &out->value, err);
    return 0;
}

int measure_open(const struct profile_load *load, int index, const struct load_metric_table *table,
                 struct template_names *names, const struct feeds *feeds, struct measures *out, struct seep_err *err)
{
    *out = (struct measures){.row = calloc((size_t)load->n_metrics + 1, sizeof *out->row)};
    if (!out->row)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the metrics of the load %s.", load->name);
    for (int i = 0; i < load->n_metrics; i++) {
        int row = load_metric_of(table, index, i);
        if (row < 0)
            continue;
        struct measure *m = &out->row[out->n++];
        *m = (struct measure){.metric = &load->metrics[i], .row = row};
        if (open_one(m->metric, names, feeds, m, err) < 0)
            return -1;
    }
    return 0;
}

void measure_close(struct measures *m)
{
    for (int i = 0; i < m->n; i++) {
        check_close(m->row[i].check);
        extract_close(m->row[i].value);
    }
    free(m->row);
    *m = (struct measures){0};
}

// "SCENARIO", "SCENARIO.STEP" or a transaction's name.
bool measure_is_of(const struct measure *m, const char *scenario, const struct profile_step *step)
{
    const char *of = m->metric->of;
    size_t len = strlen(scenario);
    if (!of || strcmp(of, scenario) == 0 || (step->transaction && strcmp(of, step->transaction) == 0))
        return true;
    return strncmp(of, scenario, len) == 0 && of[len] == '.' && strcmp(of + len + 1, step->name) == 0;
}

bool measure_wants_head(const struct measure *m)
{
    return (m->check && check_wants_head(m->check)) || (m->value && extract_wants_head(m->value));
}

bool measure_wants_body(const struct measure *m)
{
    return (m->check && check_wants_body(m->check)) || (m->value && extract_wants_body(m->value));
}

static bool meets(const struct measure *m, const struct measure_case *c)
{
    struct check_failure why;
    return c->whole && check_reply(m->check, c->reply, c->service_ns, c->scope, c->room, &why) == CHECK_PASSED;
}

void measure_take(const struct measure *m, struct load_tally *t, const struct measure_case *c)
{
    double value;
    switch (m->metric->source) {
    case METRIC_LATENCY:
        if (c->timed)
            tally_value(t, m->row, (double)c->latency_ns / 1e9);
        break;
    case METRIC_SERVICE:
        if (c->timed)
            tally_value(t, m->row, (double)c->service_ns / 1e9);
        break;
    case METRIC_SIZE:
        if (c->whole)
            tally_value(t, m->row, (double)c->reply->body_bytes);
        break;
    case METRIC_REQUESTS:
        tally_value(t, m->row, 1);
        break;
    case METRIC_ERRORS:
        if (m->metric->kind == METRIC_RATE)
            tally_case(t, m->row, !c->ok);
        else if (!c->ok)
            tally_value(t, m->row, 1);
        break;
    case METRIC_SUCCESS:
        tally_case(t, m->row, c->ok);
        break;
    case METRIC_CHECKS:
        tally_case(t, m->row, meets(m, c));
        break;
    case METRIC_VALUE:
        if (c->whole && extract_number(m->value, c->reply, c->scratch, &value))
            tally_value(t, m->row, value);
        break;
    }
}
