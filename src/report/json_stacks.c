// The call stacks of verdict.json: each with its rate, class, proof and frames, the allow-list, and what they add up
// to. Names in them are the target's own bytes; jsonw escapes them.
#include "report/json.h"
#include <stdio.h>

static const double hour_s = 3600;

void report_json_frames(struct jsonw *w, const struct report_stack *s)
{
    jsonw_array(w, "frames");
    for (size_t i = 0; i < s->n_frames; i++) {
        const struct report_frame *f = &s->frames[i];
        jsonw_object(w, NULL);
        jsonw_string(w, "function", f->function);
        jsonw_string(w, "file", f->file);
        jsonw_int(w, "line", f->line > 0 ? f->line : SEEP_UNKNOWN);
        jsonw_string(w, "module", f->module);
        char offset[32];
        snprintf(offset, sizeof offset, "0x%llx", (unsigned long long)f->offset);
        jsonw_string(w, "offset", offset);
        jsonw_string(w, "inlined", f->inlined ? "yes" : "no");
        jsonw_string(w, "library", f->library ? "yes" : "no");
        if (f->changed)
            jsonw_string(w, "file_changed", "yes");
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

void report_json_per_op(struct jsonw *w, const char *key, const struct report_per_op *ops, size_t n)
{
    jsonw_object(w, key);
    for (size_t i = 0; i < n; i++)
        jsonw_double(w, ops[i].operation, ops[i].value.bytes_per_op);
    jsonw_end_object(w);
}

static void put_unreachable(struct jsonw *w, const struct report_stack *s)
{
    if (s->unreachable_checked == SEEP_UNKNOWN) {
        jsonw_null(w, "unreachable");
        return;
    }
    jsonw_object(w, "unreachable");
    jsonw_int(w, "blocks", s->unreachable_blocks);
    jsonw_int(w, "checked", s->unreachable_checked);
    jsonw_int(w, "scans", s->unreachable_scans);
    jsonw_int(w, "agreed", s->unreachable_agreed);
    jsonw_int(w, "undecided", s->unreachable_undecided);
    jsonw_end_object(w);
}

static void put_holder(struct jsonw *w, const char *key, const struct report_holder *h)
{
    if (h->kind == NULL) {
        jsonw_null(w, key);
        return;
    }
    jsonw_object(w, key);
    jsonw_string(w, "kind", h->kind);
    jsonw_int(w, "blocks", h->blocks);
    jsonw_string(w, "name", h->name);
    jsonw_string(w, "file", h->file);
    jsonw_int(w, "line", h->line > 0 ? h->line : SEEP_UNKNOWN);
    jsonw_string(w, "module", h->module);
    jsonw_int(w, "thread", h->tid > 0 ? (int64_t)h->tid : SEEP_UNKNOWN);
    jsonw_end_object(w);
}

static void put_allows(struct jsonw *w, const struct report *r)
{
    jsonw_array(w, "allow");
    for (size_t i = 0; i < r->n_allows; i++) {
        const struct report_allow *a = &r->allows[i];
        jsonw_object(w, NULL);
        jsonw_string(w, "pattern", a->pattern);
        jsonw_string(w, "reason", a->reason);
        jsonw_string(w, "expires", a->expires);
        jsonw_double(w, "budget_bytes_per_hour", a->budget_per_s * hour_s);
        jsonw_string(w, "status", report_allow_word(a->status));
        jsonw_int(w, "stacks", (int64_t)a->n_stacks);
        jsonw_int(w, "growing", (int64_t)a->n_growing);
        jsonw_double(w, "slope_bytes_per_hour", a->slope_per_s * hour_s);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static const char *stack_kind(const struct report_stack *s)
{
    return s->flags & STACK_OTHER ? "other" : s->flags & STACK_MMAP ? "mmap" : "heap";
}

static void put_confirmed(struct jsonw *w, const struct report_stack *s)
{
    if (s->confirm_status == NULL) {
        jsonw_null(w, "confirmed");
        return;
    }
    jsonw_object(w, "confirmed");
    jsonw_string(w, "status", s->confirm_status);
    jsonw_string(w, "reason", s->confirm_why);
    jsonw_end_object(w);
}

static void put_stack(struct jsonw *w, const struct report_stack *s)
{
    const struct judge_stack *j = &s->judge;
    jsonw_object(w, NULL);
    jsonw_int(w, "rank", (int64_t)j->rank);
    jsonw_string(w, "grows", j->rejected ? "yes" : "no");
    jsonw_string(w, "kind", stack_kind(s));
    jsonw_string(w, "truncated", s->flags & STACK_TRUNCATED ? "yes" : "no");
    jsonw_string(w, "allowed", s->allowed);
    jsonw_double(w, "slope_bytes_per_hour", j->slope_per_s * hour_s);
    report_json_interval(w, j->lo_per_s * hour_s, j->hi_per_s * hour_s);
    jsonw_double(w, "mde_bytes_per_hour", j->mde_per_s * hour_s);
    jsonw_double(w, "p", j->p);
    jsonw_double(w, "share", j->share);
    jsonw_double(w, "live_bytes", j->live_bytes);
    jsonw_double(w, "live_blocks", s->live_blocks);
    jsonw_double(w, "survivor_bytes", j->survivor_bytes);
    jsonw_string(w, "class", judge_class_name(j->klass));
    put_unreachable(w, s);
    put_holder(w, "holder", &s->holder);
    put_holder(w, "entry", &s->entry);
    put_confirmed(w, s);
    report_json_per_op(w, "per_op", s->per_op, s->n_per_op);
    report_json_frames(w, s);
    jsonw_end_object(w);
}

static void put_not_covered(struct jsonw *w, const struct report *r)
{
    size_t n;
    const char *const *kind = report_not_covered(r->evidence.attached != NULL, &n);
    jsonw_array(w, "not_covered");
    for (size_t i = 0; i < n && report_any_unreachable(r, r->n_stacks); i++)
        jsonw_string(w, NULL, kind[i]);
    jsonw_end_array(w);
}

void report_json_stacks(struct jsonw *w, const struct report *r)
{
    jsonw_array(w, "stacks");
    for (size_t i = 0; i < r->n_stacks; i++)
        put_stack(w, &r->stacks[i]);
    jsonw_end_array(w);
    put_not_covered(w, r);
    put_allows(w, r);
    if (!r->stacks_known) {
        jsonw_null(w, "stacks_summary");
        return;
    }
    jsonw_object(w, "stacks_summary");
    jsonw_int(w, "total", (int64_t)r->n_stacks_total);
    jsonw_int(w, "growing", (int64_t)r->judge_stacks.n_rejected);
    jsonw_int(w, "over_budget", (int64_t)r->judge_stacks.n_over);
    jsonw_int(w, "not_resolved", (int64_t)r->judge_stacks.n_unresolved);
    jsonw_double(w, "attributed_bytes_per_hour", r->judge_stacks.attributed_lo_per_s * hour_s);
    jsonw_double(w, "other_live_bytes", r->other_live_bytes);
    jsonw_double(w, "other_slope_bytes_per_hour", r->other_slope_per_s * hour_s);
    jsonw_string(w, "reason", r->judge_stacks.reason);
    jsonw_end_object(w);
}
