// A sign-off on a terminal: what failed first, then what is missing, then what is met.
#include "report/text.h"
#include "base/clock.h"
#include "proof/proof.h"

static const enum text_colour colours[PROOF_STATUSES] = {TEXT_GREEN, TEXT_RED, TEXT_YELLOW};
static const char *const words[PROOF_STATUSES] = {"PASS", "FAIL", "MISSING"};
enum { STATUS_COLUMN = 2, NAME_COLUMN = 11 };

static void put_item(struct text *t, const struct proof_item *item)
{
    const struct checklist_requirement *q = item->asked;
    text_pad(t, STATUS_COLUMN);
    text_put(t, colours[item->status], words[item->status]);
    text_pad(t, NAME_COLUMN);
    if (q->id) {
        text_foreign(t, TEXT_DIM, q->id, 24);
        text_put(t, TEXT_PLAIN, "  ");
    }
    text_foreign(t, TEXT_BOLD, q->name, 0);
    text_end_line(t);
    text_pad(t, NAME_COLUMN);
    text_wrapped(t, TEXT_DIM, item->target, NAME_COLUMN + 2);
    text_end_line(t);
    text_pad(t, NAME_COLUMN);
    text_wrapped(t, TEXT_PLAIN, item->evidence, NAME_COLUMN + 2);
    text_end_line(t);
}

int proof_text(const struct proof *p, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    static const enum proof_status order[] = {PROOF_FAIL, PROOF_MISSING, PROOF_PASS};
    struct text t;
    char line[160], when[32];
    text_init(&t, style, out);
    text_put(&t, colours[p->status], words[p->status]);
    text_put(&t, TEXT_PLAIN, "  ");
    text_foreign(&t, TEXT_BOLD, p->list->name, 0);
    text_printf(&t, TEXT_BOLD, ": %s", proof_headline(p, line, sizeof line));
    text_printf(&t, TEXT_DIM, "   exit %d", proof_exit_code(p));
    text_end_line(&t);
    for (size_t k = 0; k < sizeof order / sizeof order[0]; k++)
        for (size_t i = 0; i < p->n_items; i++)
            if (p->items[i].status == order[k])
                put_item(&t, &p->items[i]);
    text_printf(&t, TEXT_DIM, "  looked at %s by ", clock_iso8601(when, p->made_ns));
    text_foreign(&t, TEXT_DIM, p->user, 40);
    text_put(&t, TEXT_DIM, " on ");
    text_foreign(&t, TEXT_DIM, p->host, 60);
    text_printf(&t, TEXT_DIM, "; checklist %.12s", p->list_sha256);
    text_end_line(&t);
    return buf_check(out, "The text of the sign-off", err);
}
