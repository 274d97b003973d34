// The faults of a run: when each was there, and when the target was well again.
#include "report/html.h"

#include <math.h>
#include <string.h>

enum { FAULTS_SHOWN = 200 };

static void put_when(double s, struct seep_buf *out)
{
    char text[32];
    buf_printf(out, "<td class=\"num\">%s%s</td>", s < 0 ? "-" : "", units_clock(text, sizeof text, fabs(s)));
}

static void put_fault(const struct report_fault *f, struct seep_buf *out)
{
    char text[48];
    const char *klass = !f->told ? "skip" : isfinite(f->recovery_s) ? "pass" : "fail";
    buf_str(out, "<tr><td><code>");
    html_name(out, f->name);
    buf_printf(out, "</code></td><td class=\"num\">%lld</td>", (long long)f->count);
    put_when(f->from_s, out);
    buf_printf(out, "<td class=\"num\">%s</td>", units_duration(text, sizeof text, f->to_s - f->from_s));
    buf_printf(out, "<td><span class=\"badge %s\">%s</span></td><td class=\"num\">%s</td><td class=\"why\">", klass,
               !f->told                  ? "not told"
               : isfinite(f->recovery_s) ? "recovered"
                                         : "not recovered",
               isfinite(f->recovery_s) ? units_duration(text, sizeof text, f->recovery_s) : "");
    html_name(out, f->what);
    if (f->sentence != NULL && !isfinite(f->recovery_s)) {
        buf_char(out, ' ');
        html_name(out, f->sentence);
    }
    buf_str(out, f->cut ? "</td></tr>\n" : " Its time counts in gates.</td></tr>\n");
}

void html_faults(const struct report *r, struct seep_buf *out)
{
    if (r->n_faults == 0)
        return;
    buf_str(out, "<section aria-labelledby=\"h-faults\"><h2 id=\"h-faults\">Faults</h2>\n<div class=\"card wide\">"
                 "<table><thead><tr><th>Fault</th><th class=\"num\">Time</th><th class=\"num\">At</th>"
                 "<th class=\"num\">For</th><th></th><th class=\"num\">After</th><th>What</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < r->n_faults && i < FAULTS_SHOWN; i++)
        put_fault(&r->faults[i], out);
    buf_str(out, "</tbody></table>");
    if (r->n_faults > FAULTS_SHOWN)
        buf_printf(out, "<p>and %zu more in run.db</p>", r->n_faults - FAULTS_SHOWN);
    buf_str(out, "</div></section>\n");
}
