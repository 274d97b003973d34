// The end of a run, on a worker thread, with nobody left alive: what still waits is written, facts are added, frames
// are named, the report is built by the same function that `seep report` uses, and the verdict is put into the store
// and the directory.
#include "load/summary.h"
#include "run/attach.h"
#include "run/hour.h"
#include "run/on_finish.h"
#include "run/state.h"

#include "base/fs.h"
#include "report/digest.h"
#include "resolve/resolve.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void run_error(struct run *r, const struct seep_err *err)
{
    if (r->outcome.error)
        return;
    r->outcome.error = true;
    snprintf(r->outcome.text, sizeof r->outcome.text, "%s", err->text);
    live_say(&r->live, err->text);
    if (r->state < RUN_STOPPING)
        run_feed(r, RUN_EV_STOP);
}

// ---- facts

static void exit_facts(struct run *r)
{
    char text[300];
    const struct keeper_exit_record *e = &r->exit;
    if (!r->have_exit)
        return;
    run_exit_text(r, text, sizeof text);
    bool by_signal = e->how == KEEPER_HOW_SIGNALLED || e->how == KEEPER_HOW_CORE;
    bool oom = e->oom == KEEPER_OOM_YES;
    run_meta(r, M_EXIT_KIND, oom ? "oom" : e->how == KEEPER_HOW_EXITED ? "exited" : by_signal ? "signaled" : "unknown");
    run_meta_f(r, M_EXIT_SENTENCE, "The target %s.", text);
    if (e->how == KEEPER_HOW_EXITED)
        run_meta_f(r, M_EXIT_STATUS, "%d", e->status);
    if (by_signal) {
        run_meta_f(r, M_EXIT_SIGNAL, "%d", e->status);
        run_meta(r, M_EXIT_CORE, e->how == KEEPER_HOW_CORE ? "yes" : "no");
    }
}

static void outcome_facts(struct run *r)
{
    const struct run_outcome *o = &r->outcome;
    const char *word = o->error            ? "error"
                       : o->target_failed  ? "target_failed"
                       : o->early          ? "early_stop"
                       : o->stopped        ? "stopped"
                       : o->interrupted_by ? "interrupted"
                                           : "completed";
    run_meta(r, M_OUTCOME, word);
    run_meta(r, M_OUTCOME_SENTENCE, o->text);
    if (o->interrupted_by)
        run_meta_f(r, M_OUTCOME_SIGNAL, "%d", o->interrupted_by);
}

// What the probe counted is not the heap; the allocator itself may have told, where its calls are visible.
static void past_facts(struct run *r, const char *asked)
{
    const char *name = heap_past_allocator(r->sampler.heap);
    bool told = name[0] && !strcmp(name, asked);
    run_meta_f(r, M_HEAP_SOURCE, "%s%s", told ? name : "", told ? " " HEAP_SOURCE_STATS : "");
    if (name[0])
        run_meta_f(r, M_TARGET_ALLOCATOR, "%s, inside the program", name);
}

static void attribution_facts(struct run *r)
{
    struct heap_evidence ev;
    if (!r->sampler.heap)
        return;
    heap_evidence(r->sampler.heap, &ev);
    bool failed = !ev.any || ev.main_unseen || ev.main_gave_up || ev.past;
    if (ev.past)
        past_facts(r, ev.allocator);
    if (failed) {
        run_meta(r, M_ATTRIBUTION, "failed");
        run_meta(r, M_ATTRIBUTION_REASON, ev.trouble);
    }
    if (ev.gave_up || (!failed && ev.trouble[0]))
        run_event_note(r, E_DEGRADED, "%s", ev.trouble);
    char sentence[400];
    for (size_t i = 0; i < heap_processes(r->sampler.heap); i++)
        if (heap_process(r->sampler.heap, i, sentence, sizeof sentence))
            run_event_note(r, E_PROCESS, "%s", sentence);
    uint64_t decided = r->crosscheck.checked - r->crosscheck.gave_up;
    if (decided > 0)
        run_meta_f(r, M_COVERAGE, "%.6f", (double)r->crosscheck.agreed / (double)decided);
    if (decided > r->crosscheck.agreed)
        run_event_note(r, E_WARNING, "Of %llu stacks checked against libunwind %llu differed.",
                       (unsigned long long)decided, (unsigned long long)(decided - r->crosscheck.agreed));
    if (ev.lost > 0) {
        struct seep_time now = clock_read();
        run_event_span(r, E_LOST, r->began, now, (int64_t)ev.lost,
                       "The probe's tables were full; what did not fit counts as (other).");
    }
}

// ---- what waits

static void write_notes(struct run *r)
{
    struct seep_err err;
    for (size_t i = 0; r->notes && i < r->notes->n_events; i++) {
        const struct tick_event *e = &r->notes->events[i];
        struct store_event se = {.kind = e->kind, .from = e->from, .to = e->to, .count = e->count, .text = e->text};
        store_write_event(r->store, &se, &err);
    }
    tick_free(r->notes);
    r->notes = NULL;
}

// A last tick, after the end: what the main process never freed.
static void put_exit_tick(struct run *r)
{
    struct run_tick *t = r->sampler.heap && r->has_measure && r->have_exit ? tick_new() : NULL;
    if (!t)
        return;
    t->time = clock_read();
    t->phase = PHASE_STOP;
    if (!heap_at_exit(r->sampler.heap, t)) {
        tick_free(t);
        return;
    }
    t->index = r->tick_index++;
    writer_put(&r->writer, t);
}

// Values that came after the last tick: of the probes at the end, of a recovery just in time.
static void put_last_points(struct run *r)
{
    struct run_tick *t = r->notes && r->notes->n_points > 0 ? tick_new() : NULL;
    if (!t)
        return;
    t->time = clock_read();
    t->phase = PHASE_STOP;
    t->index = r->tick_index++;
    run_take_notes(r, t);
    writer_put(&r->writer, t);
}

struct age_ctx {
    struct run *r;
    struct seep_err *err;
};

static int write_age(uint32_t stack, const uint64_t *bytes, const uint64_t *blocks, size_t n, void *arg)
{
    struct age_ctx *ctx = arg;
    uint32_t id = writer_stack_id(&ctx->r->writer, stack);
    return id ? store_ages(ctx->r->store, id, bytes, blocks, n, ctx->err) < 0 : 0;
}

static void write_ages(struct run *r)
{
    struct seep_err err;
    struct age_ctx ctx = {r, &err};
    if ((!r->sampler.heap && !r->sampler.tap) || !r->has_measure)
        return;
    if (r->sampler.heap && !heap_ages_taken(r->sampler.heap)) // the target ended unasked: what lived at its end
        heap_take_ages(r->sampler.heap, &err);
    if (r->sampler.heap)
        heap_each_age(r->sampler.heap, write_age, &ctx);
    if (r->sampler.tap && !tap_ages_taken(r->sampler.tap))
        tap_take_ages(r->sampler.tap, &err);
    if (r->sampler.tap)
        tap_each_age(r->sampler.tap, write_age, &ctx);
    for (uint32_t e = 0; e <= HEAP_EPOCHS; e++) {
        struct seep_time began = r->measure_began;
        int64_t into = e ? (int64_t)((e - 1) * r->duration_s / HEAP_EPOCHS * 1e9) : 0;
        if (e == 0)
            began = r->began;
        began.mono_ns += into, began.real_ns += into, began.boot_ns += into;
        store_epoch(r->store, e, began, &err);
    }
}

static void write_histogram(struct run *r, const char *name, const char *labels, const struct load_hist *h)
{
    struct seep_err err;
    struct seep_buf blob;
    buf_init(&blob, 4u << 20);
    hist_pack(h, &blob);
    if (!blob.failed && blob.len)
        store_histogram(r->store, name, labels, blob.data, blob.len, &err);
    buf_free(&blob);
}

static void write_load(struct run *r)
{
    struct load_summary summary;
    struct seep_err err;
    if (!r->load)
        return;
    for (int i = 0; i < load_series_of(r->load)->n; i++) {
        const struct load_series *s = &load_series_of(r->load)->row[i];
        if (s->kind == LOAD_SERIES_TRANSACTION) {
            write_histogram(r, H_HTTP_LATENCY, s->labels, load_hist(r->load, i, LOAD_PASS));
            continue;
        }
        write_histogram(r, H_HTTP_LATENCY, s->labels, load_hist(r->load, i, LOAD_LATENCY));
        write_histogram(r, H_HTTP_SERVICE, s->labels, load_hist(r->load, i, LOAD_SERVICE));
        if (s->passes && !s->leaf)
            write_histogram(r, H_LOAD_DURATION, s->labels, load_hist(r->load, i, LOAD_PASS));
    }
    const struct load_metric_table *metrics = load_metrics_of(r->load);
    for (int i = 0; i < metrics->n; i++)
        if (metrics->row[i].kind == METRIC_TREND)
            write_histogram(r, H_METRIC_VALUES, metrics->row[i].labels, load_metric_hist(r->load, i));
    run_keep_hour(r);
    if (load_summary(r->load, &summary, &err) == 0) {
        if (summary.saturated)
            run_meta(r, M_LOAD_SATURATED, summary.why_saturated);
        load_summary_free(&summary);
    }
}

// ---- the verdict

static char *text_of(const struct report *rep)
{
    struct seep_buf out;
    struct seep_err err;
    struct report_style style = {.width = 100, .colour = isatty(1) && !getenv("NO_COLOR")};
    const struct report_format *f = report_find_format("text");
    buf_init(&out, f->ceiling_bytes);
    if (f->write(rep, &style, &out, &err))
        buf_clear(&out);
    char *copy = out.data ? strdup(out.data) : NULL;
    buf_free(&out);
    return copy;
}

// So that whoever relies on the run later sees whether its database was edited since. Without it the run is as good as
// before, but no evidence for a sign-off.
static void keep_digest(struct run *r)
{
    char digest[REPORT_DIGEST_SIZE];
    struct seep_err err = {0};
    if (report_digest(r->store, digest, &err) || store_set_meta(r->store, M_DIGEST, digest, &err))
        fprintf(stderr, "seep: The checksum of the run could not be kept: %s\n", err.text);
}

static int judge(struct run *r, struct seep_err *err)
{
    struct report *rep = NULL;
    char *json = NULL;
    struct resolve_options ropt = {.exe = "/proc/self/exe"};
    struct resolve *resolver = resolve_start(&ropt, NULL);
    struct report_options options = {.resolver = resolver, .names_to = r->store};
    if (r->writer.table) {
        options.module_fd = stack_table_module_fd;
        options.module_fd_ctx = r->writer.table;
    }
    int rc = report_build(r->store, &options, &rep, err);
    if (rc == 0) {
        r->exit_code = rep->final.exit_code;
        r->verdict_word = judge_final_name(rep->final.verdict);
        r->report_text = text_of(rep);
        if (report_save(rep, r->dir_fd, &json, err)) { // the store has it all; say so and go on
            fprintf(stderr, "seep: %s\n", err->text);
            run_event_note(r, E_DEGRADED, "The report could not be written: %s", err->text);
        }
        rc = store_write_end(r->store, clock_read(), r->outcome.text, r->exit_code, json ? json : "", err) ? -1 : 0;
        if (rc == 0)
            keep_digest(r);
    }
    free(json);
    report_free(rep);
    resolve_stop(resolver);
    return rc;
}

int run_end(struct run *r, struct seep_err *err)
{
    exit_facts(r);
    outcome_facts(r);
    attribution_facts(r);
    attach_facts(r);
    write_load(r);
    put_exit_tick(r);
    put_last_points(r);
    writer_flush(&r->writer);
    run_scan_end(r);
    writer_flush(&r->writer);
    write_ages(r);
    write_notes(r);
    if (shutdown_write(&r->shutdown, r->sampler.proc_fd, r->store, err) < 0)
        return -1;
    int rc = store_flush(r->store, err);
    // Still full: the room set aside is given up for what waits, before the judge reads it. The true end replaces this
    // one.
    if (rc == 1)
        rc = store_write_end(r->store, clock_read(), err->text, seep_codes[SEEP_E_SYSTEM].exit_status, "", err);
    if (rc < 0 || judge(r, err))
        return -1;
    on_finish_run(r);
    return 0;
}
