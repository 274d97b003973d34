// The table of what is counted apart: see series.h.
#include "load/series.h"
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALL_ROW = 0 };

static const char *const keys[] = {
    [LOAD_SERIES_LOAD] = "load",
    [LOAD_SERIES_SCENARIO] = "scenario",
    [LOAD_SERIES_STEP] = "step",
    [LOAD_SERIES_TRANSACTION] = "transaction",
};

// ---- building -------------------------------------------------------------------------------------------------------

// Returns the new row's index, or -1.
static int add(struct load_series_table *t, const struct load_series *like, const char *name, struct seep_err *err)
{
    if (t->n == LOAD_SERIES_MAX)
        return seep_fail(err, SEEP_E_LIMIT,
                         "The loads of the profile have more than %d scenarios, steps and transactions together; fewer "
                         "can be told apart in one run.",
                         LOAD_SERIES_MAX);
    struct load_series *row = &t->row[t->n];
    *row = *like;
    row->name = row->labels;
    if (like->kind == LOAD_SERIES_ALL)
        return t->n++;
    const char *above = t->row[like->parent].labels;
    size_t len = strlen(above), room = sizeof row->labels - len;
    memcpy(row->labels, above, len);
    int more = snprintf(row->labels + len, room, "%s%s=%s", len ? "," : "", keys[like->kind], name);
    SEEP_CHECK(more > 0 && (size_t)more < room); // names of a profile are bounded
    row->name = row->labels + len + (size_t)more - strlen(name);
    return t->n++;
}

static int add_steps(struct load_series_table *t, const struct profile_scenario *s, const struct load_series *above,
                     struct seep_err *err)
{
    for (int i = 0; i < s->n_steps; i++) {
        const struct load_series like = {.kind = LOAD_SERIES_STEP,
                                         .parent = (int)(above - t->row),
                                         .load = above->load,
                                         .scenario = above->scenario,
                                         .step = i,
                                         .leaf = true};
        if (add(t, &like, s->steps[i].name, err) < 0)
            return -1;
    }
    return 0;
}

static int add_transactions(struct load_series_table *t, const struct profile_scenario *s,
                            const struct load_series *above, struct seep_err *err)
{
    for (int i = 0; i < s->n_steps; i++) {
        const char *name = s->steps[i].transaction;
        if (!name || load_series_of_transaction(t, above->load, above->scenario, name) >= 0)
            continue;
        const struct load_series like = {.kind = LOAD_SERIES_TRANSACTION,
                                         .parent = (int)(above - t->row),
                                         .load = above->load,
                                         .scenario = above->scenario,
                                         .step = i,
                                         .passes = true};
        if (add(t, &like, name, err) < 0)
            return -1;
    }
    return 0;
}

static int add_scenario(struct load_series_table *t, const struct profile_load *l, int load, int parent, int scenario,
                        struct seep_err *err)
{
    const struct profile_scenario *s = &l->scenarios[scenario];
    const struct load_series like = {.kind = LOAD_SERIES_SCENARIO,
                                     .parent = parent,
                                     .load = load,
                                     .scenario = scenario,
                                     .step = -1,
                                     .leaf = s->n_steps == 1,
                                     .passes = true};
    int at = add(t, &like, s->name, err);
    if (at < 0 || (s->n_steps > 1 && add_steps(t, s, &t->row[at], err) < 0))
        return -1;
    return add_transactions(t, s, &t->row[at], err);
}

// A single load is the whole.
static int add_load(struct load_series_table *t, const struct profile *p, int load, struct seep_err *err)
{
    const struct profile_load *l = &p->loads[load];
    const struct load_series like = {
        .kind = LOAD_SERIES_LOAD, .parent = ALL_ROW, .load = load, .scenario = -1, .step = -1};
    int above = p->n_loads > 1 ? add(t, &like, l->name, err) : ALL_ROW;
    for (int s = 0; above >= 0 && s < l->n_scenarios; s++)
        if (add_scenario(t, l, load, above, s, err) < 0)
            return -1;
    return above < 0 ? -1 : 0;
}

int load_series_build(const struct profile *p, struct load_series_table *out, struct seep_err *err)
{
    *out = (struct load_series_table){.row = calloc(LOAD_SERIES_MAX, sizeof *out->row)};
    if (!out->row)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the series of the load.");
    const struct load_series all = {.kind = LOAD_SERIES_ALL, .parent = -1, .load = -1, .scenario = -1, .step = -1};
    int failed = add(out, &all, "", err) < 0;
    for (int i = 0; !failed && i < p->n_loads; i++)
        failed = add_load(out, p, i, err);
    if (failed)
        load_series_free(out);
    return failed ? -1 : 0;
}

void load_series_free(struct load_series_table *t)
{
    free(t->row);
    *t = (struct load_series_table){0};
}

// ---- finding --------------------------------------------------------------------------------------------------------

int load_series_of_scenario(const struct load_series_table *t, int load, int scenario)
{
    for (int i = 0; i < t->n; i++) {
        const struct load_series *r = &t->row[i];
        if (r->kind == LOAD_SERIES_SCENARIO && r->load == load && r->scenario == scenario)
            return i;
    }
    return -1;
}

int load_series_of_step(const struct load_series_table *t, int load, int scenario, int step)
{
    int above = load_series_of_scenario(t, load, scenario);
    if (above < 0 || t->row[above].leaf)
        return above;
    for (int i = above + 1; i < t->n; i++)
        if (t->row[i].parent == above && t->row[i].kind == LOAD_SERIES_STEP && t->row[i].step == step)
            return i;
    return -1;
}

int load_series_of_transaction(const struct load_series_table *t, int load, int scenario, const char *name)
{
    int above = load_series_of_scenario(t, load, scenario);
    for (int i = above + 1; above >= 0 && i < t->n; i++)
        if (t->row[i].parent == above && t->row[i].kind == LOAD_SERIES_TRANSACTION && !strcmp(t->row[i].name, name))
            return i;
    return -1;
}

int load_series_of_labels(const struct load_series_table *t, const char *labels)
{
    for (int i = 0; i < t->n; i++)
        if (!strcmp(t->row[i].labels, labels))
            return i;
    return -1;
}

// ---- labels as text -------------------------------------------------------------------------------------------------

// One "key=value" of `labels`; moves behind it and its comma. False when it is not that key or not a name.
static bool take_label(const char **labels, const char *key, char out[LOAD_LABEL_NAME_MAX])
{
    size_t key_len = strlen(key);
    if (strncmp(*labels, key, key_len) != 0 || (*labels)[key_len] != '=')
        return false;
    const char *value = *labels + key_len + 1;
    size_t len = strcspn(value, ",");
    if (len == 0 || len >= LOAD_LABEL_NAME_MAX || (value[len] == ',' && value[len + 1] == 0))
        return false;
    memcpy(out, value, len);
    out[len] = 0;
    *labels = value + len + (value[len] == ',');
    return true;
}

bool load_labels_parse(const char *labels, struct load_labels *out)
{
    *out = (struct load_labels){.kind = LOAD_SERIES_ALL};
    if (take_label(&labels, keys[LOAD_SERIES_LOAD], out->load))
        out->kind = LOAD_SERIES_LOAD;
    if (take_label(&labels, keys[LOAD_SERIES_SCENARIO], out->scenario)) {
        out->kind = LOAD_SERIES_SCENARIO;
        if (take_label(&labels, keys[LOAD_SERIES_STEP], out->step))
            out->kind = LOAD_SERIES_STEP;
        else if (take_label(&labels, keys[LOAD_SERIES_TRANSACTION], out->transaction))
            out->kind = LOAD_SERIES_TRANSACTION;
    }
    return *labels == 0;
}
