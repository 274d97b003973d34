// Gates with "vs: baseline": the baseline's figures as one run gives them away and another keeps them.
#include "base/jsonw.h"
#include "report/build.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const over_names[] = {
    [JUDGE_OVER_WHOLE] = "whole", [JUDGE_OVER_LAST] = "last", [JUDGE_OVER_EACH] = "each"};

char *report_baseline_values(const struct report *r, const char **missing)
{
    struct seep_buf out;
    struct jsonw w;
    *missing = NULL;
    buf_init(&out, 1u << 20);
    jsonw_init(&w, &out, false);
    jsonw_object(&w, NULL);
    jsonw_string(&w, "run", r->run);
    jsonw_array(&w, "values");
    for (size_t i = 0; i < r->n_gates; i++) {
        const struct report_gate *g = &r->gates[i];
        if (!g->gate.vs_baseline)
            continue;
        if (!isfinite(g->result.value) && *missing == NULL)
            *missing = g->gate.name;
        jsonw_object(&w, NULL);
        jsonw_string(&w, "gate", g->gate.name);
        jsonw_string(&w, "over", over_names[g->gate.over]);
        jsonw_double(&w, "over_s", g->gate.over_s);
        jsonw_double(&w, "value", g->result.value);
        jsonw_end_object(&w);
    }
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    if (!out.failed)
        return out.data;
    buf_free(&out);
    return NULL;
}

static bool take_value(struct build *b, json_t *row, struct judge_baseline_value *v)
{
    const char *gate = json_string_value(json_object_get(row, "gate"));
    const char *over = json_string_value(json_object_get(row, "over"));
    json_t *value = json_object_get(row, "value"), *over_s = json_object_get(row, "over_s");
    if (gate == NULL || over == NULL || !json_is_number(value))
        return false;
    *v = (struct judge_baseline_value){.name = report_strdup(b->arena, gate),
                                       .over_s = json_is_number(over_s) ? json_number_value(over_s) : NAN,
                                       .value = json_number_value(value)};
    for (size_t i = 0; i < sizeof over_names / sizeof over_names[0]; i++)
        if (strcmp(over, over_names[i]) == 0)
            v->over = (enum judge_over)i;
    return v->name != NULL;
}

int build_baseline(struct build *b, struct judge_baseline_value **values, size_t *n, struct seep_err *err)
{
    const char *text;
    *n = 0;
    if (build_get(b, M_BASELINE_VALUES, &text, err) != 0)
        return -1;
    json_t *all = text == NULL ? NULL : json_loads(text, 0, NULL), *rows = json_object_get(all, "values");
    size_t room = json_array_size(rows);
    *values = report_alloc(b->arena, room, sizeof **values);
    for (size_t i = 0; *values != NULL && i < room; i++)
        *n += take_value(b, json_array_get(rows, i), &(*values)[*n]);
    json_decref(all);
    return *values == NULL ? build_no_memory(err) : 0;
}
