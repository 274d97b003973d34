// A load's engine in the test's own process and loop: opened, begun, run until nothing is left of it.
#ifndef SEEP_TESTS_ENGINE_RIG_H
#define SEEP_TESTS_ENGINE_RIG_H

#include "base/clock.h"
#include "load/engine_state.h"

#include <string.h>

struct engine_rig {
    uv_loop_t loop;
    struct load_series_table series;
    struct load_metric_table metrics;
    struct load_tally tally;
    struct engine *engine;
    bool idle;
    int notes;
};

static inline void engine_rig_on_idle(void *ctx)
{
    ((struct engine_rig *)ctx)->idle = true;
}

static inline void engine_rig_on_note(void *ctx, const char *text)
{
    ((struct engine_rig *)ctx)->notes += text[0] != '\0';
}

static inline int engine_rig_open(struct engine_rig *g, const struct profile *p, struct seep_err *err)
{
    memset(g, 0, sizeof *g);
    uv_loop_init(&g->loop);
    load_metrics_build(p, &g->metrics);
    if (load_series_build(p, &g->series, err) || tally_open(&g->series, &g->metrics, &g->tally, err))
        return -1;
    struct engine_hooks hooks = {.on_idle = engine_rig_on_idle, .on_note = engine_rig_on_note, .ctx = g};
    struct engine_part part = {.processes = 1, .seed = 1};
    return engine_open(&g->loop, p, &g->tally, &part, hooks, &g->engine, err);
}

static inline void engine_rig_run(struct engine_rig *g)
{
    engine_begin(g->engine, 0, clock_mono_ns(), 1);
    while (!g->idle)
        uv_run(&g->loop, UV_RUN_ONCE);
}

// 0 when the loop has nothing left. Handles of the test's own are closed by it before.
static inline int engine_rig_close(struct engine_rig *g)
{
    engine_close(g->engine);
    uv_run(&g->loop, UV_RUN_DEFAULT);
    tally_close(&g->tally);
    load_series_free(&g->series);
    return uv_loop_close(&g->loop);
}

#endif
