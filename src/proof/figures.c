// What a run says of a requirement, in figures: the gates and the shutdown it asks for. Place: under one_run.c, which
// has checked that the run is what it says. Pure over a report.
#include "proof/internal.h"

#include <math.h>
#include <string.h>

enum { FIGURES_MAX = 1200 };

bool proof_gate_is(const struct report_gate *g, const char *name)
{
    return !strcmp(g->gate.name, name) || (g->text && !strcmp(g->text, name));
}

static void put_gate(struct seep_buf *out, const struct report_gate *g)
{
    char value[48], limit[48];
    buf_printf(out, "%s%s", out->len ? ", " : "", g->gate.name);
    if (isfinite(g->result.value))
        buf_printf(out, " %s", judge_format(value, sizeof value, g->result.value, g->result.unit));
    if (isfinite(g->result.value) && isfinite(g->result.limit) && g->result.status == JUDGE_S_PASS)
        buf_printf(out, " %s %s", judge_op_name(g->gate.op),
                   judge_format(limit, sizeof limit, g->result.limit, g->result.unit));
    else
        buf_printf(out, " %s", judge_status_name(g->result.status));
}

const char *proof_figures(struct proof_asked *a, const struct report *r)
{
    struct seep_buf out;
    buf_init(&out, FIGURES_MAX);
    for (int i = 0; i < a->run->n_gates; i++)
        for (size_t k = 0; k < r->n_gates; k++)
            if (proof_gate_is(&r->gates[k], a->run->gates[i]))
                put_gate(&out, &r->gates[k]);
    if (a->run->shutdown && r->shutdown.reason)
        buf_printf(&out, "%sshutdown %s", out.len ? "; " : "", r->shutdown.reason);
    const char *text = out.len > 0 && !out.failed ? out.data : r->headline;
    const char *kept = report_strdup(a->w->arena, text);
    buf_free(&out);
    return kept;
}
