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

// What was left out comes first in mind when a stack was not seen.
static void put_faults(struct text *t, const struct confirm *c)
{
    char time[32];
    for (size_t i = 0; i < c->n_faults; i++) {
        const struct confirm_fault *f = &c->faults[i];
        text_put(t, f->times > 0 ? TEXT_PLAIN : TEXT_YELLOW, "  fault   ");
        text_foreign(t, TEXT_PLAIN, f->name, 40);
        if (f->times > 0)
            text_printf(t, TEXT_PLAIN, ": %s, %d time%s", f->what, f->times, f->times == 1 ? "" : "s");
        if (f->times > 0 && f->for_s > 0)
            text_printf(t, TEXT_PLAIN, " for %s", units_duration(time, sizeof time, f->for_s));
        if (f->why[0]) {
            text_put(t, TEXT_PLAIN, ". ");
            text_wrapped(t, TEXT_YELLOW, f->why, 10);
        }
        text_end_line(t);
    }
    for (size_t i = 0; i < c->n_probes; i++) {
        text_put(t, TEXT_DIM, "  probe   ");
        text_foreign(t, TEXT_PLAIN, c->probes[i].name, 40);
        text_printf(t, TEXT_DIM, ": asked %d times, %d failed", c->probes[i].runs, c->probes[i].failures);
        text_end_line(t);
    }
}

static void put_reason(struct text *t, const char *tool, const struct confirm_picture *p)
{
    if (!p->reason)
        return;
    text_printf(t, TEXT_YELLOW, "  %s", tool);
    text_pad(t, 10);
    text_wrapped(t, TEXT_YELLOW, p->reason, 10);
    text_end_line(t);
}

static void put_massif(struct text *t, const struct confirm_picture *p)
{
    char first[32], last[32], took[32];
    put_reason(t, "massif", p);
    if (p->n < 2)
        return;
    text_printf(t, TEXT_PLAIN, "  massif  heap %s -> %s in %s, %zu snapshots",
                units_bytes(first, sizeof first, p->bytes[0]), units_bytes(last, sizeof last, p->bytes[p->n - 1]),
                units_duration(took, sizeof took, p->at[p->n - 1] - p->at[0]), p->n);
    text_end_line(t);
}

static void put_dhat_path(struct text *t, const struct confirm_dhat_path *p, double instructions)
{
    char all[32], end[32], read[32];
    text_pad(t, 4);
    if (p->stack)
        text_printf(t, TEXT_PLAIN, "#%zu", p->stack->rank);
    text_pad(t, 10);
    if (p->total_blocks > 0)
        text_printf(t, TEXT_PLAIN, "keeps %s of %s, %.0f of %.0f blocks, read %s, lived %.3g %%",
                    units_bytes(end, sizeof end, p->end_bytes), units_bytes(all, sizeof all, p->total_bytes),
                    p->end_blocks, p->total_blocks, units_bytes(read, sizeof read, p->read_bytes),
                    100 * p->life_instructions / fmax(1, instructions));
    else
        text_put(t, TEXT_DIM, "no allocation of its path was seen");
    text_put(t, TEXT_PLAIN, "  ");
    if (p->stack)
        text_chain(t, p->stack->stack);
    else
        text_foreign(t, TEXT_PLAIN, p->where, text_room(t));
    text_end_line(t);
}

static void put_dhat(struct text *t, const struct confirm *c)
{
    char peak[32], end[32], all[32];
    const struct confirm_picture *p = &c->dhat;
    put_reason(t, "DHAT", p);
    if (p->n < 3)
        return;
    text_printf(t, TEXT_PLAIN,
                "  DHAT    heap %s at its peak, after %.0f %% of the instructions, %s at the end; %s in %.0f blocks "
                "were allocated",
                units_bytes(peak, sizeof peak, p->bytes[1]), p->at[2] > 0 ? 100 * p->at[1] / p->at[2] : 0,
                units_bytes(end, sizeof end, p->bytes[2]), units_bytes(all, sizeof all, c->dhat_total_bytes),
                c->dhat_total_blocks);
    text_end_line(t);
    for (size_t i = 0; i < c->n_dhat_paths; i++) {
        if (i == c->n_stacks) {
            text_put(t, TEXT_DIM, "    other call paths that hold most at the end");
            text_end_line(t);
        }
        put_dhat_path(t, &c->dhat_paths[i], p->at[2]);
    }
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
    put_faults(&t, c);
    put_massif(&t, &c->massif);
    put_dhat(&t, c);
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

// The object is left open.
static void json_picture(struct jsonw *w, const char *name, const char *at, const struct confirm_picture *p)
{
    jsonw_object(w, name);
    jsonw_string(w, "reason", p->reason);
    jsonw_array(w, "points");
    for (size_t i = 0; i < p->n; i++) {
        jsonw_object(w, NULL);
        jsonw_double(w, at, p->at[i]);
        jsonw_double(w, "heap_bytes", p->bytes[i]);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void json_faults(struct jsonw *w, const struct confirm *c)
{
    jsonw_array(w, "faults");
    for (size_t i = 0; i < c->n_faults; i++) {
        const struct confirm_fault *f = &c->faults[i];
        jsonw_object(w, NULL);
        jsonw_string(w, "name", f->name);
        jsonw_string(w, "what", f->what);
        jsonw_int(w, "times", f->times);
        jsonw_double(w, "at_s", f->at_s);
        jsonw_double(w, "for_s", f->for_s);
        jsonw_string(w, "reason", f->why[0] ? f->why : NULL);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
    jsonw_array(w, "probes");
    for (size_t i = 0; i < c->n_probes; i++) {
        jsonw_object(w, NULL);
        jsonw_string(w, "name", c->probes[i].name);
        jsonw_int(w, "runs", c->probes[i].runs);
        jsonw_int(w, "failures", c->probes[i].failures);
        jsonw_string(w, "reason", c->probes[i].why[0] ? c->probes[i].why : NULL);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void json_dhat_path(struct jsonw *w, const struct confirm_dhat_path *p)
{
    jsonw_object(w, NULL);
    if (p->stack) {
        jsonw_int(w, "stack", p->stack->stack->id);
        jsonw_int(w, "rank", (int64_t)p->stack->rank);
    } else {
        jsonw_null(w, "stack");
        jsonw_null(w, "rank");
    }
    jsonw_string(w, "where",
                 p->stack && p->stack->stack->n_frames > 0 ? p->stack->stack->frames[0].function : p->where);
    jsonw_double(w, "total_bytes", p->total_bytes);
    jsonw_double(w, "total_blocks", p->total_blocks);
    jsonw_double(w, "peak_bytes", p->peak_bytes);
    jsonw_double(w, "end_bytes", p->end_bytes);
    jsonw_double(w, "end_blocks", p->end_blocks);
    jsonw_double(w, "read_bytes", p->read_bytes);
    jsonw_double(w, "life_instructions", p->life_instructions);
    jsonw_end_object(w);
}

static void json_dhat(struct jsonw *w, const struct confirm *c)
{
    if (!c->with_dhat) {
        jsonw_null(w, "dhat");
        return;
    }
    json_picture(w, "dhat", "instructions", &c->dhat);
    jsonw_int(w, "processes", (int64_t)c->dhat_files);
    jsonw_double(w, "total_bytes", c->dhat_files > 0 ? c->dhat_total_bytes : NAN);
    jsonw_double(w, "total_blocks", c->dhat_files > 0 ? c->dhat_total_blocks : NAN);
    jsonw_array(w, "paths");
    for (size_t i = 0; i < c->n_dhat_paths; i++)
        json_dhat_path(w, &c->dhat_paths[i]);
    jsonw_end_array(w);
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
    json_faults(w, c);
    json_picture(w, "massif", "t_s", &c->massif);
    jsonw_end_object(w);
    json_dhat(w, c);
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
