// The engine's own time: before the loop waits, its alarm is set for whoever is to begin first. Looked at where libuv
// is about to wait, so no clock decides.
#include "load/engine_state.h"
#include "load_rig.h"

struct watched {
    struct engine *engine;
    int waits, users_waited;
    bool idle, slept_over;
};

static void before_waiting(uv_prepare_t *prepare)
{
    struct watched *w = prepare->data;
    int64_t first_ns = users_first_ns(&w->engine->drive[0].users);
    w->waits++;
    if (w->engine->phase != ENGINE_RUNNING || w->engine->drive[0].phase != DRIVE_RUNNING || first_ns == INT64_MAX)
        return;
    w->users_waited++;
    w->slept_over |= w->engine->alarm_ns > first_ns;
}

static void on_idle(void *ctx)
{
    ((struct watched *)ctx)->idle = true;
}

static void on_note(void *ctx, const char *text)
{
    (void)ctx;
    (void)text;
}

static void nobody_is_slept_over(void **state)
{
    (void)state;
    struct profile *p = rig_profile(1, "version: 1\nname: t\nload:\n  users: 20\n  pace: 5/s\n  duration: 1s\n"
                                       "  scenarios: [ { request: 'http://127.0.0.1:@/' } ]\n");
    struct watched w = {0};
    struct load_series_table series;
    struct load_metric_table metrics;
    struct load_tally tally;
    struct seep_err err;
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_loop_init(&loop);
    load_metrics_build(p, &metrics);
    assert_int_equal(load_series_build(p, &series, &err), 0);
    assert_int_equal(tally_open(&series, &metrics, &tally, &err), 0);
    assert_int_equal(engine_open(&loop, p, &tally, &(struct engine_part){.processes = 1, .seed = 1},
                                 (struct engine_hooks){.on_idle = on_idle, .on_note = on_note, .ctx = &w}, &w.engine,
                                 &err),
                     0);
    uv_prepare_init(&loop, &prepare);
    prepare.data = &w;
    uv_prepare_start(&prepare, before_waiting);
    engine_begin(w.engine, 0, clock_mono_ns(), 1);
    while (!w.idle)
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&prepare, NULL);
    engine_close(w.engine);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_true(w.users_waited > 0);
    assert_false(w.slept_over);
    tally_close(&tally);
    load_series_free(&series);
    profile_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nobody_is_slept_over)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
