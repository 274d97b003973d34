// The memory scans of a run: when, within what budget, and what of them goes into the store.
//
// Twice before half of the measured time, because an early stop may end the run there, and twice later. A scan is left
// out when those before it have used more than 3 % of the time so far.
#include "base/check.h"
#include "run/state.h"

#include <math.h>
#include <stdio.h>

static const double remember_at = .2;
static const double scan_at[] = {.33, .46, .65, .85};
#define SCANS        (sizeof scan_at / sizeof *scan_at)
#define CPU_SHARE    .03
#define SCAN_LEAST_S 2.0
#define SCAN_MOST_S  60.0
#define RUN_LEAST_S  4.0 // shorter runs have no time for it

enum suspects_step run_scan_due(const struct run *r)
{
    const struct run_suspects *s = &r->sampler.suspects;
    double elapsed = run_elapsed_s(r);
    if ((!r->sampler.heap && !r->sampler.tap) || r->phase != PHASE_MEASURE || r->duration_s < RUN_LEAST_S ||
        r->scanning || r->last_tick)
        return SUSPECTS_REST;
    if (!s->has_then)
        return elapsed >= remember_at * r->duration_s ? SUSPECTS_REMEMBER : SUSPECTS_REST;
    bool due = s->steps < SCANS && elapsed >= scan_at[s->steps] * r->duration_s;
    return due && s->cpu_s <= CPU_SHARE * elapsed ? SUSPECTS_CHOOSE : SUSPECTS_REST;
}

// ---- facts

static void holder_fact(struct run *r, const char *prefix, uint32_t stack, const struct suspects_case *c,
                        const struct scan_holder *h)
{
    char key[64];
    uint32_t number = c->tap ? h->stack : heap_number(r->sampler.heap, c->region, h->stack);
    uint32_t held_by = h->kind == SCAN_BY_STACK || h->kind == SCAN_BY_OWN ? writer_stack_id(&r->writer, number) : 0;
    snprintf(key, sizeof key, "%s%u", prefix, stack);
    run_meta_f(r, key, "%s %u %u %u %llx %s", scan_holder_word((enum scan_holder_kind)h->kind), h->blocks, held_by,
               h->tid, (unsigned long long)h->offset, h->path);
}

static void suspect_facts(uint32_t number, const struct suspects_case *c, const struct scan_sum *sum, void *ctx)
{
    struct run *r = ctx;
    char key[64];
    uint32_t stack = writer_stack_id(&r->writer, number);
    if (stack == 0)
        return;
    snprintf(key, sizeof key, M_UNREACHABLE_PREFIX "%u", stack);
    run_meta_f(r, key, "%u %u %u %u %u", sum->lost, sum->checked, sum->scans, sum->agreed, sum->undecided);
    if (sum->holder.blocks > 0)
        holder_fact(r, M_HOLDER_PREFIX, stack, c, &sum->holder);
    if (sum->entry.blocks > 0 && sum->holder.kind == SCAN_BY_OWN)
        holder_fact(r, M_ENTRY_PREFIX, stack, c, &sum->entry);
}

// What is known so far, for the store; no sample or write job.
static void put_facts(struct run *r)
{
    if (r->sampler.suspects.n_cases == 0)
        return;
    suspects_each(&r->sampler.suspects, suspect_facts, r);
    run_meta_f(r, M_SCAN_CPU, "%.3f", r->sampler.suspects.cpu_s);
}

// ---- scans

static void scan_job(uv_work_t *req)
{
    struct run *r = req->data;
    suspects_scan(&r->sampler.suspects, fmin(SCAN_MOST_S, fmax(SCAN_LEAST_S, .05 * r->duration_s)));
}

static void scan_done(uv_work_t *req, int status)
{
    struct run *r = req->data;
    struct run_suspects *s = &r->sampler.suspects;
    (void)status;
    r->scanning = false;
    if (s->trouble == SCAN_SWAPPED)
        run_event_note(r, E_WARNING, "Blocks of process %d cannot be called unreachable: %s.", (int)s->trouble_pid,
                       scan_trouble_text(s->trouble));
    else if (s->trouble != SCAN_FINE && r->state < RUN_STOPPING)
        run_event_note(r, E_WARNING, "A scan of the memory of process %d gave no answer: %s.", (int)s->trouble_pid,
                       scan_trouble_text(s->trouble));
    if (!r->sampling && !r->writing)
        put_facts(r);
    run_after_job(r);
}

void run_start_scan(struct run *r)
{
    if (r->sampler.suspects_step != SUSPECTS_CHOOSE || r->scanning)
        return;
    r->scanning = true;
    SEEP_CHECK(uv_queue_work(&r->loop, &r->scan_work, scan_job, scan_done) == 0);
}

void run_scan_end(struct run *r)
{
    const struct run_suspects *s = &r->sampler.suspects;
    if (s->n_cases == 0 && s->err.code != SEEP_OK)
        run_event_note(r, E_WARNING, "Whether blocks are reachable was not looked at: %s.", s->err.text);
    put_facts(r);
}
