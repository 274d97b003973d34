// The life of a run as its table says it (run/machine.c), with actions that only note that they were asked.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "run/actions.h"
#include "run/state.h"

static char log_text[512];
static enum run_event answers[8]; // what the next action feeds, in order
static size_t n_answers;

static void note(struct run *r, const char *what)
{
    strcat(log_text, log_text[0] ? " " : "");
    strcat(log_text, what);
    size_t n = n_answers;
    n_answers = 0;
    for (size_t i = 0; i < n; i++) {
        enum run_state before = r->state;
        run_feed(r, answers[i]);
        assert_int_equal(r->state, before); // taken up after the action, not inside it
    }
}

#define ACTION(name)                                                                                                   \
    void run_act_##name(struct run *r)                                                                                 \
    {                                                                                                                  \
        note(r, #name);                                                                                                \
    }
ACTION(begin)
ACTION(readying)
ACTION(not_ready)
ACTION(baseline)
ACTION(measure)
ACTION(drain)
ACTION(settle)
ACTION(reload)
ACTION(redrain)
ACTION(close)
ACTION(completed)
ACTION(lost)
ACTION(stop)
ACTION(ended_after_stop)
ACTION(out_of_patience)
ACTION(kill)
ACTION(unkillable)
ACTION(finish)
ACTION(over)

static struct run run;

// One event in one state: the state after it, and what was done.
static enum run_state after(enum run_state state, enum run_event event, const char *done)
{
    log_text[0] = '\0';
    n_answers = 0;
    run.state = state;
    run_feed(&run, event);
    assert_string_equal(log_text, done);
    assert_false(run.feeding);
    assert_int_equal(run.n_queued, 0);
    return run.state;
}

static void a_whole_life(void **state)
{
    (void)state;
    static const struct {
        enum run_event event;
        enum run_state to;
        const char *done;
    } steps[] = {
        {RUN_EV_BEGIN, RUN_STARTING, "begin"},
        {RUN_EV_STARTED, RUN_READYING, "readying"},
        {RUN_EV_READY, RUN_BASELINE, "baseline"},
        {RUN_EV_PHASE_DONE, RUN_MEASURE, "measure"},
        {RUN_EV_PHASE_DONE, RUN_DRAIN, "drain"},
        {RUN_EV_PHASE_DONE, RUN_SETTLE, "settle"},
        {RUN_EV_PHASE_DONE, RUN_RELOAD, "reload"},
        {RUN_EV_PHASE_DONE, RUN_REDRAIN, "redrain"},
        {RUN_EV_PHASE_DONE, RUN_CLOSE, "close"},
        {RUN_EV_PHASE_DONE, RUN_STOPPING, "stop"},
        {RUN_EV_COMPLETED, RUN_STOPPING, "ended_after_stop"},
        {RUN_EV_EMPTY, RUN_FINISHING, "finish"},
        {RUN_EV_PHASE_DONE, RUN_OVER, "over"},
    };
    enum run_state at = RUN_NEW;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        at = after(at, steps[i].event, steps[i].done);
        assert_int_equal(at, steps[i].to);
    }
}

static void the_target_ends_in_any_phase(void **state)
{
    (void)state;
    for (enum run_state s = RUN_READYING; s <= RUN_CLOSE; s++) {
        assert_int_equal(after(s, RUN_EV_COMPLETED, "completed"), RUN_KILLING);
        assert_int_equal(after(s, RUN_EV_LOST, "lost"), RUN_KILLING);
    }
    // After seep's own signal its end is in order, however it looks.
    assert_int_equal(after(RUN_STOPPING, RUN_EV_COMPLETED, "ended_after_stop"), RUN_STOPPING);
    assert_int_equal(after(RUN_STOPPING, RUN_EV_LOST, "ended_after_stop"), RUN_STOPPING);
    assert_int_equal(after(RUN_KILLING, RUN_EV_LOST, ""), RUN_KILLING);
}

static void orders_to_stop(void **state)
{
    (void)state;
    for (enum run_state s = RUN_READYING; s <= RUN_CLOSE; s++) {
        assert_int_equal(after(s, RUN_EV_STOP, "stop"), RUN_STOPPING);
        assert_int_equal(after(s, RUN_EV_STOP_NOW, "kill"), RUN_KILLING);
    }
    assert_int_equal(after(RUN_NEW, RUN_EV_STOP, "finish"), RUN_FINISHING); // nothing runs yet
    assert_int_equal(after(RUN_NEW, RUN_EV_STOP_NOW, "finish"), RUN_FINISHING);
    assert_int_equal(after(RUN_STARTING, RUN_EV_STOP, "kill"), RUN_KILLING); // it may run by now
    assert_int_equal(after(RUN_STARTING, RUN_EV_STOP_NOW, "kill"), RUN_KILLING);
    assert_int_equal(after(RUN_STOPPING, RUN_EV_STOP, ""), RUN_STOPPING); // once is enough
    assert_int_equal(after(RUN_STOPPING, RUN_EV_STOP_NOW, "kill"), RUN_KILLING);
    assert_int_equal(after(RUN_KILLING, RUN_EV_STOP_NOW, ""), RUN_KILLING);
}

static void every_wait_ends(void **state)
{
    (void)state;
    assert_int_equal(after(RUN_STARTING, RUN_EV_START_FAILED, "finish"), RUN_FINISHING);
    assert_int_equal(after(RUN_READYING, RUN_EV_NOT_READY, "not_ready"), RUN_STOPPING);
    assert_int_equal(after(RUN_STOPPING, RUN_EV_PATIENCE, "out_of_patience"), RUN_KILLING);
    assert_int_equal(after(RUN_KILLING, RUN_EV_PATIENCE, "unkillable"), RUN_FINISHING);
    assert_int_equal(after(RUN_KILLING, RUN_EV_EMPTY, "finish"), RUN_FINISHING);
}

// What comes too early, too late or twice changes nothing.
static void what_means_nothing_is_ignored(void **state)
{
    (void)state;
    for (enum run_event e = 0; e < RUN_EVENTS; e++)
        assert_int_equal(after(RUN_OVER, e, ""), RUN_OVER);
    for (enum run_event e = 0; e < RUN_EVENTS; e++)
        if (e != RUN_EV_PHASE_DONE)
            assert_int_equal(after(RUN_FINISHING, e, ""), RUN_FINISHING);
    for (enum run_state s = RUN_STARTING; s < RUN_STATES; s++)
        assert_int_equal(after(s, RUN_EV_BEGIN, ""), s);
    for (enum run_state s = RUN_READYING; s < RUN_STATES; s++) {
        assert_int_equal(after(s, RUN_EV_STARTED, ""), s); // a planned restart of the target
        assert_int_equal(after(s, RUN_EV_START_FAILED, ""), s);
    }
    for (enum run_state s = RUN_BASELINE; s < RUN_STATES; s++) {
        assert_int_equal(after(s, RUN_EV_READY, ""), s);
        assert_int_equal(after(s, RUN_EV_NOT_READY, ""), s);
    }
    for (enum run_state s = RUN_NEW; s <= RUN_CLOSE; s++) { // children may all be gone while the main process lives
        assert_int_equal(after(s, RUN_EV_EMPTY, ""), s);
        assert_int_equal(after(s, RUN_EV_PATIENCE, ""), s);
    }
    for (enum run_state s = RUN_NEW; s <= RUN_READYING; s++)
        assert_int_equal(after(s, RUN_EV_PHASE_DONE, ""), s);
    assert_int_equal(after(RUN_STOPPING, RUN_EV_PHASE_DONE, ""), RUN_STOPPING); // the tick that was under way
    assert_int_equal(after(RUN_KILLING, RUN_EV_PHASE_DONE, ""), RUN_KILLING);
}

// Phases that do not apply are passed at once: their actions feed, and each is done before what it fed.
static void actions_feed_in_order(void **state)
{
    (void)state;
    log_text[0] = '\0';
    run.state = RUN_READYING;
    answers[0] = RUN_EV_PHASE_DONE; // from baseline: on to measure,
    answers[1] = RUN_EV_STOP;       // then stopped,
    answers[2] = RUN_EV_PHASE_DONE; // which makes this one mean nothing,
    answers[3] = RUN_EV_EMPTY;      // and ends it
    n_answers = 4;
    run_feed(&run, RUN_EV_READY);
    assert_string_equal(log_text, "baseline measure stop finish");
    assert_int_equal(run.state, RUN_FINISHING);
    assert_int_equal(run.n_queued, 0);
    assert_int_equal(after(RUN_MEASURE, RUN_EV_PHASE_DONE, "drain"), RUN_DRAIN); // and the queue is empty again
}

static void states_have_names(void **state)
{
    (void)state;
    for (enum run_state s = 0; s < RUN_STATES; s++)
        for (enum run_state o = 0; o < s; o++)
            assert_string_not_equal(run_state_names[s], run_state_names[o]);
    assert_string_equal(run_state_names[RUN_MEASURE], "measure");
    assert_string_equal(run_state_names[RUN_OVER], "over");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_life),
        cmocka_unit_test(the_target_ends_in_any_phase),
        cmocka_unit_test(orders_to_stop),
        cmocka_unit_test(every_wait_ends),
        cmocka_unit_test(what_means_nothing_is_ignored),
        cmocka_unit_test(actions_feed_in_order),
        cmocka_unit_test(states_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
