// A sign-off as Markdown: criterion, target, status, evidence.
#include "base/clock.h"
#include "base/esc.h"
#include "proof/internal.h"

#include <string.h>

static void put(struct seep_buf *out, const char *text)
{
    esc_markdown(out, text, strlen(text));
}

// A path of ours may hold anything; in a link only what needs no quoting stays.
void proof_put_href(struct seep_buf *out, const char *path)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    for (const char *p = path; *p; p++)
        if (strchr(plain, *p))
            buf_char(out, *p);
        else
            buf_printf(out, "%%%02X", (unsigned char)*p);
}

static void put_item(struct seep_buf *out, const struct proof_item *item)
{
    static const char *const marks[PROOF_STATUSES] = {"pass", "**FAIL**", "**missing**"};
    buf_str(out, "| ");
    if (item->asked->id) {
        put(out, item->asked->id);
        buf_str(out, ": ");
    }
    put(out, item->asked->name);
    buf_str(out, " | ");
    put(out, item->target);
    buf_printf(out, " | %s | ", marks[item->status]);
    put(out, item->evidence);
    for (size_t i = 0; i < item->n_runs; i++) {
        buf_str(out, i ? ", [" : " ([");
        put(out, item->runs[i].run);
        buf_str(out, "](");
        proof_put_href(out, item->runs[i].link);
        buf_str(out, i + 1 < item->n_runs ? ")" : "))");
    }
    buf_str(out, " |\n");
}

int proof_markdown(const struct proof *p, struct seep_buf *out, struct seep_err *err)
{
    char line[160], when[32];
    buf_printf(out, "## Sign-off %s: ", proof_status_name(p->status));
    put(out, p->list->name);
    buf_printf(out, "\n\n%s.\n\n", proof_headline(p, line, sizeof line));
    buf_str(out, "| criterion | target | status | evidence |\n|---|---|---|---|\n");
    for (size_t i = 0; i < p->n_items; i++)
        put_item(out, &p->items[i]);
    for (size_t i = 0; i < p->n_targets; i++) {
        buf_str(out, i ? ", " : "\nTarget: ");
        put(out, p->targets[i].path);
        buf_printf(out, " SHA-256 %s", p->targets[i].sha256 ? p->targets[i].sha256 : "unknown");
    }
    buf_printf(out, "\n\nLooked at %s by ", clock_iso8601(when, p->made_ns));
    put(out, p->user);
    buf_str(out, " on ");
    put(out, p->host);
    buf_printf(out, "; SHA-256 of the checklist %s.\n", p->list_sha256);
    return buf_check(out, "The Markdown of the sign-off", err);
}
