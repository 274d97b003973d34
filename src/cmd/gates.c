// The gates of a profile, checked: see gates.h.
#include "cmd/gates.h"
#include "judge/gate.h"

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

int cmd_check_gates(const struct profile *p, struct seep_err *err)
{
    for (int i = 0; i < p->n_gates; i++) {
        const struct profile_gate *g = &p->gates[i];
        const struct judge_gate_text text = {
            .gate = g->expr, .over = g->over, .for_time = g->hold_for, .warn = g->warn, .vs = g->vs, .floor = g->floor};
        struct judge_gate gate;
        struct judge_gate_where where = {.field = "gate", .column = 1};
        struct seep_err inner = {0};
        if (judge_gate_parse(&text, NULL, 0, &gate, &where, &inner) == 0)
            continue;
        const char *shown = field_text(g, where.field);
        return seep_fail(err, SEEP_E_USAGE, "%s:%d:%d: %s\n  %s%s%.120s\n  %*s^",
                         g->where.file ? g->where.file : "(default)", g->where.line, g->where.column, inner.text,
                         strcmp(where.field, "gate") ? where.field : "", strcmp(where.field, "gate") ? ": " : "",
                         shown ? shown : "",
                         (int)(where.column - 1 + (strcmp(where.field, "gate") ? strlen(where.field) + 2 : 0)), "");
    }
    return 0;
}
