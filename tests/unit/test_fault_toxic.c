// What toxics do to bytes, with a clock that the test makes: delays in order, bandwidth to the byte, slices that add
// up, limits, toxicity, and what happens when they come and go.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "fault/toxic.h"

#define S 1000000000ll

struct rig {
    struct fault_set set;
    struct fault_lane lane;
    struct load_rng rng;
    int64_t now;
};

static struct rig *rig_new(struct rig *r, struct fault_toxic toxic)
{
    memset(r, 0, sizeof *r);
    r->rng.state = 7;
    r->now = 1000 * S;
    toxic.toxicity = toxic.toxicity > 0 ? toxic.toxicity : 1;
    fault_set_put(&r->set, 3, &toxic);
    fault_lane_follow(&r->lane, &r->set, &r->rng, r->now);
    return r;
}

// Sends n bytes at once and returns when the last of them is due; counts pieces and dropped bytes.
static int64_t send_all(struct rig *r, size_t n, size_t *pieces, size_t *dropped, bool *close)
{
    int64_t due = r->now, before = 0;
    *pieces = *dropped = 0;
    *close = false;
    while (n > 0) {
        struct fault_piece p = fault_lane_take(&r->lane, &r->set, &r->rng, r->now, n);
        assert_in_range(p.len, 1, n);
        assert_true(p.due_ns >= before && p.due_ns >= r->now);
        before = due = p.due_ns;
        *dropped += p.drop ? p.len : 0;
        *close |= p.close;
        (*pieces)++;
        n -= p.len;
    }
    return due;
}

static void nothing_is_at_once(void **state)
{
    (void)state;
    struct rig r;
    size_t pieces, dropped;
    bool close, reset;
    rig_new(&r, (struct fault_toxic){.kind = TOXIC_NONE});
    assert_int_equal(send_all(&r, 1000000, &pieces, &dropped, &close), r.now);
    assert_int_equal(pieces, 1);
    assert_int_equal(dropped, 0);
    assert_false(close);
    assert_int_equal(fault_lane_end_due(&r.lane, &r.set, r.now), r.now);
    assert_true(fault_lane_cut_ns(&r.lane, &r.set, &reset) == INT64_MAX);
}

static void latency_keeps_order(void **state)
{
    (void)state;
    struct rig r;
    size_t pieces, dropped;
    bool close;
    rig_new(&r, (struct fault_toxic){.kind = TOXIC_LATENCY, .latency_ns = S / 5, .jitter_ns = S / 10});
    int64_t before = 0, least = INT64_MAX, most = 0;
    for (int i = 0; i < 2000; i++) {
        int64_t due = send_all(&r, 10, &pieces, &dropped, &close);
        assert_true(due >= before);
        before = due;
        least = due - r.now < least ? due - r.now : least;
        most = due - r.now > most ? due - r.now : most;
        r.now += S; // far apart: each delay is its own
    }
    assert_in_range(least, S / 10, S / 10 + S / 100);
    assert_in_range(most, S * 3 / 10 - S / 100, S * 3 / 10);
    // The end of the data does not overtake the data.
    r.now = before - 1;
    assert_int_equal(fault_lane_end_due(&r.lane, &r.set, r.now), before);
}

static void bandwidth_is_exact(void **state)
{
    (void)state;
    struct rig r;
    size_t pieces, dropped;
    bool close;
    rig_new(&r, (struct fault_toxic){.kind = TOXIC_BANDWIDTH, .rate_bytes_per_s = 100000});
    int64_t begin = r.now, due = 0;
    for (int i = 0; i < 100; i++)
        due = send_all(&r, 12345, &pieces, &dropped, &close);
    double took = (double)(due - begin) / S;
    assert_true(fabs(took - 100 * 12345 / 100000.0) < 0.001);
    // Idle time is not saved up.
    r.now = due + 100 * S;
    due = send_all(&r, 100000, &pieces, &dropped, &close);
    assert_true(fabs((double)(due - r.now) / S - 1) < 0.001);
    assert_true(pieces >= 10);
}

static void slices_add_up(void **state)
{
    (void)state;
    struct rig r;
    size_t pieces, dropped;
    bool close;
    rig_new(&r,
            (struct fault_toxic){.kind = TOXIC_SLICER, .average_size = 100, .size_variation = 40, .delay_ns = S / 100});
    int64_t due = send_all(&r, 100000, &pieces, &dropped, &close);
    assert_in_range(pieces, 900, 1100);
    assert_true(fabs((double)(due - r.now) - (double)(pieces - 1) * S / 100) < 1000);
}

static void limit_ends_after_its_bytes(void **state)
{
    (void)state;
    struct rig r;
    size_t pieces, dropped;
    bool close;
    rig_new(&r, (struct fault_toxic){.kind = TOXIC_LIMIT_DATA, .bytes = 1000});
    send_all(&r, 999, &pieces, &dropped, &close);
    assert_false(close);
    send_all(&r, 500, &pieces, &dropped, &close);
    assert_true(close);
    assert_int_equal(dropped, 499);
}

static void timeouts_and_resets_cut(void **state)
{
    (void)state;
    struct rig r;
    size_t pieces, dropped;
    bool close, reset;
    rig_new(&r, (struct fault_toxic){.kind = TOXIC_TIMEOUT, .timeout_ns = 2 * S});
    send_all(&r, 100, &pieces, &dropped, &close);
    assert_int_equal(dropped, 100);
    assert_int_equal(fault_lane_cut_ns(&r.lane, &r.set, &reset), r.now + 2 * S);
    assert_false(reset);
    rig_new(&r, (struct fault_toxic){.kind = TOXIC_TIMEOUT});
    assert_true(fault_lane_cut_ns(&r.lane, &r.set, &reset) == INT64_MAX); // only when it is taken out
    rig_new(&r, (struct fault_toxic){.kind = TOXIC_RESET_PEER});
    assert_int_equal(fault_lane_cut_ns(&r.lane, &r.set, &reset), r.now);
    assert_true(reset);
    rig_new(&r, (struct fault_toxic){.kind = TOXIC_SLOW_CLOSE, .delay_ns = 3 * S});
    assert_int_equal(fault_lane_end_due(&r.lane, &r.set, r.now), r.now + 3 * S);
    assert_int_equal(send_all(&r, 10, &pieces, &dropped, &close), r.now);
}

static void only_its_direction(void **state)
{
    (void)state;
    struct rig r;
    size_t pieces, dropped;
    bool close;
    rig_new(&r, (struct fault_toxic){.kind = TOXIC_LATENCY, .latency_ns = S, .upstream = 1});
    assert_int_equal(send_all(&r, 10, &pieces, &dropped, &close), r.now);
    memset(&r.lane, 0, sizeof r.lane);
    r.lane.upstream = true;
    assert_true(fault_lane_follow(&r.lane, &r.set, &r.rng, r.now));
    assert_int_equal(send_all(&r, 10, &pieces, &dropped, &close), r.now + S);
}

static void toxicity_is_a_share_of_connections(void **state)
{
    (void)state;
    struct rig r;
    int hit = 0;
    rig_new(&r, (struct fault_toxic){.kind = TOXIC_LATENCY, .latency_ns = S, .toxicity = 0.25});
    for (int i = 0; i < 4000; i++) {
        memset(&r.lane, 0, sizeof r.lane);
        fault_lane_follow(&r.lane, &r.set, &r.rng, r.now);
        struct fault_piece first = fault_lane_take(&r.lane, &r.set, &r.rng, r.now, 1),
                           later = fault_lane_take(&r.lane, &r.set, &r.rng, r.now + S, 1);
        assert_int_equal(first.due_ns > r.now, later.due_ns > r.now + S); // one answer a connection
        hit += first.due_ns > r.now;
    }
    assert_in_range(hit, 850, 1150);
}

static void coming_and_going(void **state)
{
    (void)state;
    struct rig r;
    size_t pieces, dropped;
    bool close;
    static const struct fault_toxic none;
    struct fault_toxic slow = {.kind = TOXIC_LATENCY, .latency_ns = 10 * S, .toxicity = 1}, down = {.kind = TOXIC_DOWN};
    rig_new(&r, none);
    assert_false(fault_lane_follow(&r.lane, &r.set, &r.rng, r.now)); // nothing new
    fault_set_put(&r.set, 5, &slow);
    assert_true(fault_lane_follow(&r.lane, &r.set, &r.rng, r.now));
    assert_int_equal(send_all(&r, 10, &pieces, &dropped, &close), r.now + 10 * S);
    fault_set_put(&r.set, 5, &none);
    assert_true(fault_lane_follow(&r.lane, &r.set, &r.rng, r.now + S));
    r.now += S;
    assert_int_equal(send_all(&r, 10, &pieces, &dropped, &close), r.now); // what waited does not hold up what comes
    assert_false(fault_set_down(&r.set));
    fault_set_put(&r.set, FAULT_SLOTS - 1, &down);
    assert_true(fault_set_down(&r.set));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_at_once),         cmocka_unit_test(latency_keeps_order),
        cmocka_unit_test(bandwidth_is_exact),         cmocka_unit_test(slices_add_up),
        cmocka_unit_test(limit_ends_after_its_bytes), cmocka_unit_test(timeouts_and_resets_cut),
        cmocka_unit_test(only_its_direction),         cmocka_unit_test(toxicity_is_a_share_of_connections),
        cmocka_unit_test(coming_and_going),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
