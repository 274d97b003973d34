// report.html: one self-contained page. No external loads, no inline styles or handlers; the policy in its head forbids
// everything but its own style sheet and scripts, which carry a nonce made for this file.
#include "report/html.h"
#include "base/esc.h"
#include "base/fs.h"
#include "report/page.h"
#include <string.h>

void html_name(struct seep_buf *out, const char *foreign)
{
    struct seep_buf safe;
    buf_init(&safe, 256 * 1024);
    esc_term(&safe, foreign, strlen(foreign));
    if (safe.len > 0)
        esc_html(out, safe.data, safe.len);
    buf_free(&safe);
}

const char *html_status_class(enum judge_status status)
{
    static const char *const names[JUDGE_STATUSES] = {"pass", "fail", "inc", "skip", "warn"};
    return names[status];
}

void html_begin(const char *word, const char *run, const char *nonce, struct seep_buf *out)
{
    buf_str(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    buf_printf(out,
               "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'nonce-%s'; "
               "style-src 'nonce-%s'; base-uri 'none'; form-action 'none'\">\n",
               nonce, nonce);
    buf_str(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                 "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" "
                 "content=\"no-referrer\">\n<title>");
    buf_printf(out, "%s: ", word);
    html_name(out, run == NULL ? "unknown run" : run);
    buf_printf(out, " - seep</title>\n<style nonce=\"%s\">\n", nonce);
    buf_add(out, report_asset_uplot_css, report_asset_uplot_css_len);
    buf_add(out, report_asset_page_css, report_asset_page_css_len);
    buf_str(out, "</style>\n</head>\n<body>\n");
}

static void put_scripts(const struct html_charts *charts, const char *nonce, struct seep_buf *out)
{
    buf_str(out, "<script type=\"application/json\" id=\"data\">");
    html_charts_data(charts, out);
    buf_str(out, "</script>\n");
    if (report_asset_uplot_js_len > 0) {
        buf_printf(out, "<script nonce=\"%s\">\n", nonce);
        buf_add(out, report_asset_uplot_js, report_asset_uplot_js_len);
        buf_str(out, "</script>\n");
    }
    buf_printf(out, "<script nonce=\"%s\">\n", nonce);
    buf_add(out, report_asset_page_js, report_asset_page_js_len);
    buf_printf(out, "</script>\n<script nonce=\"%s\">\n", nonce);
    buf_add(out, report_asset_flame_js, report_asset_flame_js_len);
    buf_str(out, "</script>\n</body>\n</html>\n");
}

static void put_main(const struct report *r, const struct html_charts *charts, struct seep_buf *out)
{
    html_header(r, out);
    buf_str(out, "<main id=\"main\">\n");
    html_tiles(r, out);
    html_explained(r, out);
    html_stacks(r, out);
    html_flame(r, out);
    html_charts_draw(charts, out);
    html_gates(r, out);
    html_growths(r, out);
    html_score(r, out);
    html_marks(r, out);
    html_scraped(r, out);
    html_load(r, out);
    html_faults(r, out);
    html_shutdown(r, out);
    html_evidence(r, out);
    html_events(r, out);
    html_environment(r, out);
    buf_str(out, "</main>\n<footer>Made by seep");
    if (r->version != NULL) {
        buf_str(out, " ");
        html_name(out, r->version);
    }
    buf_str(out, ". Every figure can be recomputed from run.db: <code>seep report</code>, <code>seep analyze</code>."
                 "</footer>\n");
}

int report_html(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    (void)style; // the page follows the reader's own light or dark setting
    char nonce[33];
    if (fs_random_hex(nonce, err) != 0)
        return -1;
    struct html_charts *charts = html_charts_new(r);
    if (charts == NULL)
        return seep_fail(err, SEEP_E_SYSTEM, "There is not enough memory for the charts of the report.");
    html_begin(judge_final_name(r->final.verdict), r->run, nonce, out);
    put_main(r, charts, out);
    put_scripts(charts, nonce, out);
    html_charts_free(charts);
    return buf_check(out, "The HTML report", err);
}
