// The grade: points by area and every requirement with its own.
#include "report/html.h"

#include <math.h>
#include <stdio.h>

static void put_areas(const struct judge_score *s, struct seep_buf *out)
{
    buf_str(out, "<dl class=\"facts\">");
    for (int a = 0; a < JUDGE_AREAS; a++)
        if (isfinite(s->area[a]))
            buf_printf(out, "<dt>%s</dt><dd>%.0f</dd>", judge_area_name((enum judge_area)a), s->area[a]);
    buf_str(out, "</dl>");
}

static void put_requirement(const struct report_requirement *q, struct seep_buf *out)
{
    const struct judge_gate_result *res = &q->gate.result;
    char value[48], points[16] = "unknown";
    if (isfinite(q->points))
        snprintf(points, sizeof points, "%.0f", q->points);
    buf_printf(out, "<tr><td>%s</td><td><code>", judge_area_name(q->area));
    html_name(out, q->gate.text);
    buf_printf(out, "</code></td><td class=\"num\">%s</td><td class=\"num\">%s</td><td class=\"why\">",
               judge_format(value, sizeof value, res->value, res->unit), points);
    html_name(out, res->reason);
    buf_str(out, "</td></tr>\n");
}

void html_score(const struct report *r, struct seep_buf *out)
{
    const struct report_score *s = &r->score;
    if (!s->known)
        return;
    buf_str(out, "<section aria-labelledby=\"h-grade\"><h2 id=\"h-grade\">Grade</h2>\n<div class=\"card wide\"><p><b>");
    buf_str(out, judge_grade_name(s->score.grade));
    buf_str(out, "</b>");
    if (isfinite(s->score.points))
        buf_printf(out, ", %.0f of 100", s->score.points);
    buf_str(out, ", by the set ");
    html_name(out, s->set);
    buf_str(out, ": ");
    html_name(out, s->score.reason);
    if (s->at_least != JUDGE_GRADE_NONE)
        buf_printf(out, "; demanded is %s", judge_grade_name(s->at_least));
    buf_str(out, ".</p>");
    put_areas(&s->score, out);
    buf_str(out, "<table><thead><tr><th>Area</th><th>Requirement</th><th class=\"num\">Value</th>"
                 "<th class=\"num\">Points</th><th>Why</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < s->n_requirements; i++)
        put_requirement(&s->requirements[i], out);
    buf_str(out, "</tbody></table></div></section>\n");
}
