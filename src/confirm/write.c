// A confirmation as text and as JSON.
#include "base/jsonw.h"
#include "confirm/confirm.h"
#include "report/text.h"

#include <math.h>
#include <stdio.h>

static const char *const names[CONFIRM_STATUSES] = {"lost", "reachable_growth", "possibly_lost", "seen", "not_seen"};

const char *confirm_status_name(enum confirm_status status)
{
    return names[status];
}

static const char *headline(const struct confirm *c, char *out, size_t size)
{
    if (!c->stacks_known)
        snprintf(out, size, "the run has no call stacks: what grows in it is not known");
    else if (c->n_stacks == 0)
        snprintf(out, size, "no call stack of the run grows");
    else if (!c->ran)
        snprintf(out, size, "not confirmed (%s)", c->reason_word ? c->reason_word : "no_report");
    else
        snprintf(out, size, "%zu of %zu growing call stacks are confirmed by memcheck", c->n_confirmed, c->n_stacks);
    return out;
}

static void put_stack(struct text *t, const struct confirm_stack *s)
{
    bool good = s->status == CONFIRM_LOST || s->status == CONFIRM_GROWS;
    text_printf(t, TEXT_PLAIN, "  #%zu", s->rank);
    text_pad(t, 6);
    text_put(t, good ? TEXT_RED : TEXT_YELLOW, report_confirm_word(names[s->status]));
    text_pad(t, 24);
    text_chain(t, s->stack);
    text_end_line(t);
    text_pad(t, 8);
    text_wrapped(t, TEXT_DIM, s->why, 8);
    text_end_line(t);
}

static void put_elsewhere(struct text *t, const struct confirm *c)
{
    char bytes[32];
    for (size_t i = 0; i < c->n_elsewhere; i++) {
        if (i == 0) {
            text_put(t, TEXT_DIM, "  lost in other places, which do not grow in the run or are new");
            text_end_line(t);
        }
        text_pad(t, 6);
        text_printf(t, TEXT_PLAIN, "%s in %.0f blocks  ", units_bytes(bytes, sizeof bytes, c->elsewhere[i].bytes),
                    c->elsewhere[i].blocks);
        text_foreign(t, TEXT_PLAIN, c->elsewhere[i].where, text_room(t));
        text_end_line(t);
    }
}

static void put_massif(struct text *t, const struct confirm *c)
{
    char first[32], last[32], took[32];
    if (c->massif_reason) {
        text_put(t, TEXT_YELLOW, "  massif  ");
        text_wrapped(t, TEXT_YELLOW, c->massif_reason, 10);
        text_end_line(t);
    }
    if (c->n_massif < 2)
        return;
    text_printf(t, TEXT_PLAIN, "  massif  heap %s -> %s in %s, %zu snapshots",
                units_bytes(first, sizeof first, c->massif_bytes[0]),
                units_bytes(last, sizeof last, c->massif_bytes[c->n_massif - 1]),
                units_duration(took, sizeof took, c->massif_t_s[c->n_massif - 1] - c->massif_t_s[0]), c->n_massif);
    text_end_line(t);
}

static void put_cost(struct text *t, const struct confirm *c)
{
    char took[32], rss[32], time[32], factor[60] = "";
    if (isfinite(c->slow_down))
        snprintf(factor, sizeof factor, " at %.3g times the CPU of the run", c->slow_down);
    text_printf(t, TEXT_DIM,
                "  %s, %s under load at 1/%g, %llu requests%s, %zu process%s, %zu looks, at most %s, %s in all",
                c->tool ? c->tool : "no valgrind", units_duration(time, sizeof time, c->for_s), c->scale,
                (unsigned long long)c->requests, factor, c->processes, c->processes == 1 ? "" : "es", c->looks,
                units_bytes(rss, sizeof rss, c->peak_rss_bytes), units_duration(took, sizeof took, c->took_s));
    text_end_line(t);
}

int confirm_text(const struct confirm *c, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    char line[160];
    struct text t;
    text_init(&t, style, out);
    bool all = confirm_exit_code(c) == 0;
    text_put(&t, all ? TEXT_GREEN : TEXT_YELLOW,
             all && c->n_stacks == 0        ? "NOTHING TO CONFIRM"
             : all                          ? "CONFIRMED"
             : c->ran && c->n_confirmed > 0 ? "PARTLY CONFIRMED"
                                            : "NOT CONFIRMED");
    text_put(&t, TEXT_PLAIN, "  ");
    text_wrapped(&t, TEXT_BOLD, headline(c, line, sizeof line), t.column);
    text_end_right(&t, c->run ? c->run : "unknown");
    if (c->reason) {
        text_put(&t, TEXT_YELLOW, "  ");
        text_wrapped(&t, TEXT_YELLOW, c->reason, 2);
        text_end_line(&t);
    }
    for (size_t i = 0; i < c->n_stacks; i++)
        put_stack(&t, &c->stacks[i]);
    put_elsewhere(&t, c);
    put_massif(&t, c);
    put_cost(&t, c);
    return buf_check(out, "The text of the confirmation", err);
}

static void json_stack(struct jsonw *w, const struct confirm_stack *s)
{
    jsonw_object(w, NULL);
    jsonw_int(w, "stack", s->stack->id);
    jsonw_int(w, "rank", (int64_t)s->rank);
    jsonw_string(w, "function", s->stack->n_frames > 0 ? s->stack->frames[0].function : NULL);
    jsonw_string(w, "status", names[s->status]);
    jsonw_string(w, "reason", s->why);
    jsonw_double(w, "lost_bytes", s->lost_bytes);
    jsonw_double(w, "lost_blocks", s->lost_blocks);
    jsonw_double(w, "possibly_lost_bytes", s->possible_bytes);
    jsonw_double(w, "reachable_bytes", s->reachable_bytes);
    jsonw_double(w, "reachable_blocks", s->reachable_blocks);
    jsonw_double(w, "grew_bytes", s->grew_bytes);
    jsonw_end_object(w);
}

static void json_rest(struct jsonw *w, const struct confirm *c)
{
    jsonw_array(w, "elsewhere");
    for (size_t i = 0; i < c->n_elsewhere; i++) {
        jsonw_object(w, NULL);
        jsonw_string(w, "where", c->elsewhere[i].where);
        jsonw_double(w, "bytes", c->elsewhere[i].bytes);
        jsonw_double(w, "blocks", c->elsewhere[i].blocks);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
    jsonw_object(w, "massif");
    jsonw_string(w, "reason", c->massif_reason);
    jsonw_array(w, "points");
    for (size_t i = 0; i < c->n_massif; i++) {
        jsonw_object(w, NULL);
        jsonw_double(w, "t_s", c->massif_t_s[i]);
        jsonw_double(w, "heap_bytes", c->massif_bytes[i]);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
    jsonw_end_object(w);
}

int confirm_json(const struct confirm *c, struct seep_buf *out, struct seep_err *err)
{
    struct jsonw w;
    char line[160];
    jsonw_init(&w, out, true);
    jsonw_object(&w, NULL);
    jsonw_string(&w, "schema", "seep.confirm/1");
    jsonw_string(&w, "run", c->run);
    jsonw_string(&w, "verdict",
                 confirm_exit_code(c) == 0 ? "confirmed"
                 : c->n_confirmed > 0      ? "partly"
                                           : "not_confirmed");
    jsonw_int(&w, "exit_code", confirm_exit_code(c));
    jsonw_string(&w, "headline", headline(c, line, sizeof line));
    jsonw_string(&w, "reason", c->reason_word);
    jsonw_string(&w, "reason_text", c->reason);
    jsonw_string(&w, "tool", c->tool);
    jsonw_double(&w, "for_s", c->for_s);
    jsonw_double(&w, "scale", c->scale);
    jsonw_double(&w, "took_s", c->took_s);
    jsonw_double(&w, "peak_rss_bytes", c->peak_rss_bytes > 0 ? c->peak_rss_bytes : NAN);
    jsonw_int(&w, "requests", (int64_t)c->requests);
    jsonw_int(&w, "offered", (int64_t)c->offered);
    jsonw_double(&w, "slow_down", c->slow_down);
    jsonw_int(&w, "looks", (int64_t)c->looks);
    jsonw_int(&w, "processes", (int64_t)c->processes);
    jsonw_string(&w, "final_report", c->final_report ? "whole" : "missing");
    jsonw_array(&w, "stacks");
    for (size_t i = 0; i < c->n_stacks; i++)
        json_stack(&w, &c->stacks[i]);
    jsonw_end_array(&w);
    json_rest(&w, c);
    jsonw_end_object(&w);
    buf_char(out, '\n');
    return buf_check(out, "The confirmation", err);
}
