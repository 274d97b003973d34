// A comparison of variants for a terminal, and as JSON.
#include "base/esc.h"
#include "base/jsonw.h"
#include "report/json.h"
#include "report/variants.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { COLUMN = 34 };

static void put_name(const char *name, struct seep_buf *out)
{
    size_t before = out->len;
    esc_term(out, name, strlen(name));
    for (size_t width = out->len - before; width < 27; width++)
        buf_char(out, ' ');
    buf_char(out, ' ');
}

static void put_rows(const struct variants *v, struct seep_buf *out)
{
    buf_printf(out, "%-28s", "figure");
    for (int k = 0; k < v->n; k++)
        buf_printf(out, "%-*s", k == 0 ? 14 : COLUMN, v->one[k].name);
    buf_char(out, '\n');
    for (size_t i = 0; i < v->n_figures; i++) {
        const struct variants_figure *f = &v->figure[i];
        if (!f->listed)
            continue;
        put_name(f->name, out);
        for (int k = 0; k < v->n; k++) {
            char value[48], ratio[64], cell[120];
            struct judge_paired p;
            judge_format(value, sizeof value, variants_median(v, f, k), f->unit);
            variants_ratio(v, f, k, &p);
            snprintf(cell, sizeof cell, k > 0 && p.n > 0 ? "%-12s x%s" : "%s", value,
                     variants_ratio_text(&p, ratio, sizeof ratio));
            buf_printf(out, "%-*s", k == 0 ? 14 : COLUMN, cell);
        }
        while (out->len > 0 && out->data[out->len - 1] == ' ')
            out->len--;
        buf_char(out, '\n');
    }
}

void variants_text(const struct variants *v, struct seep_buf *out)
{
    char text[400];
    buf_printf(out, "%s: %s\n\n", v->name, variants_title_text(v, text, sizeof text));
    put_rows(v, out);
    buf_char(out, '\n');
    for (int k = 1; k < v->n; k++)
        buf_printf(out, "  %s is worse than %s in %d of %d rounds (seep compare %s %s)\n", v->one[k].name,
                   v->one[0].name, v->one[k].rounds_worse, v->rounds, v->one[0].round[0].run, v->one[k].round[0].run);
    for (int k = 0; k < v->n; k++)
        if (*variants_scaling_text(v, k, text, sizeof text))
            buf_printf(out, "  scaling  %s\n", text);
    for (int i = 0; i < v->n_gates; i++) {
        const struct variants_gate *g = &v->gate[i];
        buf_printf(out, "  %s  ", variants_gate_word(g));
        esc_term(out, g->text, strlen(g->text));
        buf_printf(out, "  (%s%s", variants_gate_text(g, text, sizeof text), g->reason[0] ? "; " : "");
        esc_term(out, g->reason, strlen(g->reason));
        buf_str(out, ")\n");
    }
    if (v->ended_early)
        buf_printf(out, "  %s\n", v->ended_early);
}

// ---- JSON

static void put_paired(struct jsonw *w, const char *key, const struct judge_paired *p, double factor)
{
    jsonw_object(w, key);
    jsonw_int(w, "rounds", (int64_t)p->n);
    jsonw_double(w, "value", p->mean * factor);
    jsonw_array(w, "ci90");
    jsonw_double(w, NULL, p->lo * factor);
    jsonw_double(w, NULL, p->hi * factor);
    jsonw_end_array(w);
    jsonw_end_object(w);
}

static void put_variant(const struct variants *v, int k, struct jsonw *w)
{
    struct judge_paired p;
    jsonw_object(w, NULL);
    jsonw_string(w, "name", v->one[k].name);
    jsonw_array(w, "runs");
    for (int r = 0; r < v->rounds; r++)
        jsonw_string(w, NULL, v->one[k].round[r].run);
    jsonw_end_array(w);
    jsonw_array(w, "verdicts");
    for (int r = 0; r < v->rounds; r++)
        jsonw_string(w, NULL, v->one[k].round[r].verdict);
    jsonw_end_array(w);
    jsonw_int(w, "rounds_worse", v->one[k].rounds_worse);
    jsonw_double(w, "instances", v->one[k].instances);
    variants_scaling(v, k, &p);
    put_paired(w, "throughput_per_instance_ratio", &p, 1);
    jsonw_object(w, "figures");
    for (size_t i = 0; i < v->n_figures; i++) {
        double factor;
        report_json_measure_unit(v->figure[i].name, v->figure[i].unit, &factor);
        jsonw_double(w, v->figure[i].name, variants_median(v, &v->figure[i], k) * factor);
    }
    jsonw_end_object(w);
    jsonw_end_object(w);
}

// Every figure with its values round by round, and each variant against the first.
static void put_figure(const struct variants *v, const struct variants_figure *f, struct jsonw *w)
{
    double factor;
    jsonw_object(w, NULL);
    jsonw_string(w, "name", f->name);
    jsonw_string(w, "unit", report_json_measure_unit(f->name, f->unit, &factor));
    jsonw_object(w, "values");
    for (int k = 0; k < v->n; k++) {
        jsonw_array(w, v->one[k].name);
        for (int r = 0; r < v->rounds; r++)
            jsonw_double(w, NULL, f->value[k][r] * factor);
        jsonw_end_array(w);
    }
    jsonw_end_object(w);
    jsonw_object(w, "ratios");
    for (int k = 1; k < v->n; k++) {
        struct judge_paired p;
        variants_ratio(v, f, k, &p);
        put_paired(w, v->one[k].name, &p, 1);
    }
    jsonw_end_object(w);
    jsonw_end_object(w);
}

static void put_gate(const struct variants_gate *g, struct jsonw *w)
{
    double factor;
    jsonw_object(w, NULL);
    jsonw_string(w, "name", g->text);
    jsonw_string(w, "status", judge_status_name(g->status));
    jsonw_string(w, "unit", report_json_measure_unit("", g->unit, &factor));
    jsonw_double(w, "value", g->left * factor);
    jsonw_double(w, "limit", g->right * factor);
    put_paired(w, "margin", &g->margin, factor);
    jsonw_string(w, "reason", g->reason);
    jsonw_end_object(w);
}

void variants_json(const struct variants *v, struct seep_buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out, true);
    jsonw_object(&w, NULL);
    jsonw_string(&w, "schema", "seep.variants/1");
    jsonw_string(&w, "group", v->name);
    jsonw_int(&w, "rounds", v->rounds);
    jsonw_int(&w, "rounds_planned", v->planned);
    jsonw_bool(&w, "at_once", v->at_once);
    jsonw_string(&w, "ended_early", v->ended_early);
    jsonw_array(&w, "variants");
    for (int k = 0; k < v->n; k++)
        put_variant(v, k, &w);
    jsonw_end_array(&w);
    jsonw_array(&w, "figures");
    for (size_t i = 0; i < v->n_figures; i++)
        put_figure(v, &v->figure[i], &w);
    jsonw_end_array(&w);
    jsonw_array(&w, "gates");
    for (int i = 0; i < v->n_gates; i++)
        put_gate(&v->gate[i], &w);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    buf_char(out, '\n');
}
