// The engine's own time: before the loop waits, its alarm is set for whoever is to begin first. Looked at where libuv
// is about to wait, so no clock decides.
#include "engine_rig.h"
#include "load_rig.h"

struct watched {
    struct engine_rig rig;
    int users_waited;
    bool slept_over;
};

static void before_waiting(uv_prepare_t *prepare)
{
    struct watched *w = prepare->data;
    const struct engine *e = w->rig.engine;
    int64_t first_ns = users_first_ns(&e->drive[0].users);
    if (e->phase != ENGINE_RUNNING || e->drive[0].phase != DRIVE_RUNNING || first_ns == INT64_MAX)
        return;
    w->users_waited++;
    w->slept_over |= e->alarm_ns > first_ns;
}

static void nobody_is_slept_over(void **state)
{
    (void)state;
    struct profile *p = rig_profile(1, "version: 1\nname: t\nload:\n  users: 20\n  pace: 5/s\n  duration: 1s\n"
                                       "  scenarios: [ { request: 'http://127.0.0.1:@/' } ]\n");
    struct watched w = {0};
    struct seep_err err;
    uv_prepare_t prepare;
    assert_int_equal(engine_rig_open(&w.rig, p, &err), 0);
    uv_prepare_init(&w.rig.loop, &prepare);
    prepare.data = &w;
    uv_prepare_start(&prepare, before_waiting);
    engine_rig_run(&w.rig);
    uv_close((uv_handle_t *)&prepare, NULL);
    assert_int_equal(engine_rig_close(&w.rig), 0);
    assert_true(w.users_waited > 0);
    assert_false(w.slept_over);
    profile_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nobody_is_slept_over)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
