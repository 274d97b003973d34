// The gates of a profile, checked: see gates.h.
#include "cmd/gates.h"
#include "judge/gate.h"

#include <stdbool.h>
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

static int check_one(const struct profile_gate *g, struct seep_err *err)
{
    const struct judge_gate_text text = {
        .gate = g->expr, .over = g->over, .for_time = g->hold_for, .warn = g->warn, .vs = g->vs, .floor = g->floor};
    struct judge_gate gate;
    struct judge_gate_where where = {.field = "gate", .column = 1};
    struct seep_err inner = {0};
    if (judge_gate_parse(&text, NULL, 0, &gate, &where, &inner) == 0)
        return 0;
    const char *shown = field_text(g, where.field);
    bool other = strcmp(where.field, "gate") != 0;
    return seep_fail(err, SEEP_E_USAGE, "%s:%d:%d: %s\n  %s%s%.120s\n  %*s^",
                     g->where.file ? g->where.file : "(default)", g->where.line, g->where.column, inner.text,
                     other ? where.field : "", other ? ": " : "", shown ? shown : "",
                     (int)(where.column - 1 + (other ? strlen(where.field) + 2 : 0)), "");
}

int cmd_check_gates(const struct profile *p, struct seep_err *err)
{
    for (int i = 0; i < p->n_gates; i++)
        if (check_one(&p->gates[i], err))
            return -1;
    for (int a = 0; a < PROFILE_AREAS; a++)
        for (int i = 0; i < p->requirements.n_gates[a]; i++)
            if (check_one(&p->requirements.gates[a][i], err))
                return -1;
    return 0;
}
