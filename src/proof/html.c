// A sign-off as one self-contained page: no script, no external loads, its own style sheet under a policy that forbids
// all else.
#include "report/html.h"
#include "base/clock.h"
#include "base/fs.h"
#include "proof/internal.h"

#include <stdio.h>

static const char *const classes[PROOF_STATUSES] = {"pass", "fail", "inc"};

static void put_header(const struct proof *p, struct seep_buf *out)
{
    char line[160], when[32];
    buf_printf(out,
               "<a class=\"jump\" href=\"#main\">Skip to the table</a>\n<header class=\"top %s\">\n<div class=\"in\">"
               "<p class=\"brand\">seep</p>\n<h1><span class=\"badge %s\">%s</span> <span class=\"headline\">",
               classes[p->status], classes[p->status], proof_status_name(p->status));
    html_name(out, p->list->name);
    buf_printf(out, ": %s</span></h1>\n<p class=\"sub\"><span>made <b>%s</b></span><span>by <b>",
               proof_headline(p, line, sizeof line), clock_iso8601(when, p->made_ns));
    html_name(out, p->user);
    buf_str(out, "</b></span><span>on <b>");
    html_name(out, p->host);
    buf_printf(out, "</b></span><span>exit code <b>%d</b></span></p>\n</div></header>\n", proof_exit_code(p));
}

static void put_runs(const struct proof_item *item, struct seep_buf *out)
{
    for (size_t i = 0; i < item->n_runs; i++) {
        buf_str(out, "<br><a href=\"");
        proof_put_href(out, item->runs[i].link);
        buf_str(out, "\">");
        html_name(out, item->runs[i].run);
        buf_str(out, "</a>");
    }
    if (item->output && item->output[0]) {
        buf_str(out, "<details><summary>what it said</summary><pre>");
        html_name(out, item->output);
        buf_str(out, "</pre></details>");
    }
}

static void put_item(const struct proof_item *item, struct seep_buf *out)
{
    buf_str(out, "<tr><td>");
    if (item->asked->id) {
        html_name(out, item->asked->id);
        buf_str(out, ": ");
    }
    html_name(out, item->asked->name);
    if (item->asked->about) {
        buf_str(out, "<br><small>");
        html_name(out, item->asked->about);
        buf_str(out, "</small>");
    }
    buf_str(out, "</td><td>");
    html_name(out, item->target);
    buf_printf(out, "</td><td><span class=\"badge %s\">%s</span></td><td>", classes[item->status],
               proof_status_name(item->status));
    html_name(out, item->evidence);
    put_runs(item, out);
    buf_str(out, "</td></tr>\n");
}

static void put_files(const struct proof *p, struct seep_buf *out)
{
    buf_str(out, "<section aria-labelledby=\"h-what\"><h2 id=\"h-what\">What was signed off</h2>\n"
                 "<div class=\"card\"><dl class=\"facts\">\n<dt>checklist</dt><dd>");
    html_name(out, p->list->path);
    buf_printf(out, "<br><code>%s</code></dd>\n", p->list_sha256);
    for (size_t i = 0; i < p->n_targets; i++) {
        buf_str(out, "<dt>target</dt><dd>");
        html_name(out, p->targets[i].path);
        buf_printf(out, "<br><code>%s</code></dd>\n", p->targets[i].sha256 ? p->targets[i].sha256 : "unknown");
    }
    buf_str(out, "</dl></div></section>\n");
}

int proof_html(const struct proof *p, struct seep_buf *out, struct seep_err *err)
{
    char nonce[33], word[40];
    if (fs_random_hex(nonce, err) != 0)
        return -1;
    snprintf(word, sizeof word, "sign-off %s", proof_status_name(p->status));
    html_begin(word, p->list->name, nonce, out);
    put_header(p, out);
    buf_str(out,
            "<main id=\"main\">\n<section aria-labelledby=\"h-all\"><h2 id=\"h-all\">Requirements</h2>\n"
            "<div class=\"card wide\"><table>"
            "<thead><tr><th>criterion</th><th>target</th><th>status</th><th>evidence</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < p->n_items; i++)
        put_item(&p->items[i], out);
    buf_str(out, "</tbody></table></div></section>\n");
    put_files(p, out);
    buf_str(out, "</main>\n<footer>Made by seep. Sealed JSON: <code>seep signoff --seal</code>.</footer>\n</body>\n"
                 "</html>\n");
    return buf_check(out, "The page of the sign-off", err);
}
