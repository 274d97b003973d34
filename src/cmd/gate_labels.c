// A gate's labels against the names of a profile: see gate_labels.h.
//
// A label nobody has would not be noticed before the run's end, when its gate finds no figures and decides nothing: a
// night lost to a letter. The names stand in the profile, so they are compared before anything starts.
#include "cmd/gate_labels.h"
#include "base/near.h"

#include <string.h>

int gate_labels_init(struct gate_labels *l, const struct profile *p, struct seep_err *err)
{
    *l = (struct gate_labels){.profile = p};
    load_metrics_build(p, &l->metrics);
    return load_series_build(p, &l->series, err);
}

void gate_labels_free(struct gate_labels *l)
{
    load_series_free(&l->series);
}

// ---- names by kind --------------------------------------------------------------------------------------------------

struct names { // of what one key of a metric's labels can be
    const struct gate_labels *labels;
    const char *what;                                                // "scenario"
    const char *(*name)(const struct gate_labels *l, int i, int of); // NULL: there is no i-th
    int of;                                                          // handed on to name()
};

static const char *series_name(const struct gate_labels *l, int i, int kind)
{
    for (int row = 0; row < l->series.n; row++)
        if ((int)l->series.row[row].kind == kind && i-- == 0)
            return l->series.row[row].name;
    return NULL;
}

static const char *metric_name(const struct gate_labels *l, int i, int of)
{
    (void)of;
    return i < l->metrics.n ? l->metrics.row[i].name : NULL;
}

static const char *fault_name(const struct gate_labels *l, int i, int of)
{
    (void)of;
    return i < l->profile->n_faults ? l->profile->faults[i].name : NULL;
}

static const char *probe_name(const struct gate_labels *l, int i, int of)
{
    (void)of;
    return i < l->profile->n_probes ? l->profile->probes[i].name : NULL;
}

static const char *dependency_name(const struct gate_labels *l, int i, int of)
{
    (void)of;
    return i < l->profile->n_dependencies ? l->profile->dependencies[i].name : NULL;
}

// What a label of `gate` may say. The metric's family decides what `name` is the name of.
static struct names names_of(const struct gate_labels *l, const struct judge_gate *gate, const char *key)
{
    static const struct {
        const char *family, *key;
        struct names names;
    } kinds[] = {
        {"metric.", "name", {.what = "metric", .name = metric_name}},
        {"fault.", "fault", {.what = "fault", .name = fault_name}},
        {"probe.", "name", {.what = "probe", .name = probe_name}},
        {"dependency.", "name", {.what = "dependency", .name = dependency_name}},
        {"", "load", {.what = "load", .name = series_name, .of = LOAD_SERIES_LOAD}},
        {"", "scenario", {.what = "scenario", .name = series_name, .of = LOAD_SERIES_SCENARIO}},
        {"", "step", {.what = "step", .name = series_name, .of = LOAD_SERIES_STEP}},
        {"", "transaction", {.what = "transaction", .name = series_name, .of = LOAD_SERIES_TRANSACTION}},
    };
    struct names none = {.labels = l};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (!strncmp(gate->metric, kinds[i].family, strlen(kinds[i].family)) && !strcmp(key, kinds[i].key)) {
            none = kinds[i].names;
            none.labels = l;
            return none;
        }
    return none;
}

static const char *candidate(size_t i, const void *ctx)
{
    const struct names *n = ctx;
    return n->name(n->labels, (int)i, n->of);
}

static bool is_there(const struct names *n, const char *value)
{
    const char *name;
    for (size_t i = 0; (name = candidate(i, n)) != NULL; i++)
        if (!strcmp(name, value))
            return true;
    return false;
}

// ---- checking -------------------------------------------------------------------------------------------------------

// The 1-based column of the value of label `index` in a text that has been parsed.
static size_t column_of(const char *text, size_t index)
{
    const char *s = strchr(text, '{');
    for (size_t i = 0; s; i++) {
        s = strchr(s, '=');
        if (!s)
            break;
        s += 1 + strspn(s + 1, " \t");
        bool quoted = *s == '"';
        s += quoted;
        if (i == index)
            return (size_t)(s - text) + 1;
        s += strcspn(s, quoted ? "\"" : ",}");
    }
    return 1;
}

// Some things of the load have no figures of their own, because they are the same as what they are part of.
static const char *why_none(const struct names *n)
{
    if (n->labels->profile->n_loads == 0 && n->name == series_name)
        return "the profile has no load";
    if (n->name == series_name && n->of == LOAD_SERIES_LOAD)
        return "its only load is the whole, so leave the label out";
    if (n->name == series_name && n->of == LOAD_SERIES_STEP)
        return "only the steps of a scenario that has several are told apart";
    return "the profile has none";
}

static int unknown(const struct names *n, const char *value, struct seep_err *err)
{
    const char *near = near_find(value, candidate, n);
    if (near)
        return seep_fail(err, SEEP_E_USAGE, "There is no %s '%s'; did you mean '%s'?", n->what, value, near);
    if (candidate(0, n))
        return seep_fail(err, SEEP_E_USAGE, "There is no %s '%s'; the first of the profile is '%s'.", n->what, value,
                         candidate(0, n));
    return seep_fail(err, SEEP_E_USAGE, "There is no %s '%s': %s.", n->what, value, why_none(n));
}

// The parts of the load that a gate's labels fit alike, as judge_load_find() weighs them: none where each name is there
// but not within the others (a step of another scenario), several where the run's end would find no way to choose.
struct fit {
    size_t n;
    const char *labels[2]; // of the first two
};

static struct fit parts_that_fit(const struct gate_labels *l, const struct judge_gate *gate)
{
    struct fit f = {0};
    for (int i = 0; i < l->series.n; i++) {
        bool ambiguous = false;
        const struct judge_load pair[] = {{.labels = f.n > 0 ? f.labels[0] : l->series.row[i].labels},
                                          {.labels = l->series.row[i].labels}};
        const struct judge_load *found = judge_load_find(gate, pair, f.n > 0 ? 2 : 1, &ambiguous);
        if (ambiguous) {
            if (f.n == 1)
                f.labels[1] = pair[1].labels;
            f.n++;
        } else if (found && (f.n == 0 || found == &pair[1])) {
            f = (struct fit){1, {found->labels}};
        }
    }
    return f;
}

static int check_part(const struct gate_labels *l, const struct judge_gate *gate, struct seep_err *err)
{
    struct fit f = parts_that_fit(l, gate);
    if (f.n == 0)
        return seep_fail(err, SEEP_E_USAGE,
                         "No part of the load has all these labels: '%s' is there, but not within the others.",
                         gate->label[gate->n_labels - 1].value);
    if (f.n > 1)
        return seep_fail(err, SEEP_E_USAGE,
                         "%zu parts of the load have these labels: {%s} and {%s}%s. Say which one, with another label.",
                         f.n, f.labels[0], f.labels[1], f.n > 2 ? " among them" : "");
    return 0;
}

int gate_labels_check(const struct gate_labels *l, const struct judge_gate *gate, const char *text, size_t *column,
                      struct seep_err *err)
{
    bool of_load = false;
    for (size_t i = 0; i < gate->n_labels && !gate->scraped; i++) {
        struct names names = names_of(l, gate, gate->label[i].key);
        if (!names.name || is_there(&names, gate->label[i].value)) {
            of_load |= names.name == series_name;
            continue;
        }
        *column = column_of(text, i);
        return unknown(&names, gate->label[i].value, err);
    }
    if (!of_load)
        return 0;
    *column = column_of(text, gate->n_labels - 1);
    return check_part(l, gate, err);
}
