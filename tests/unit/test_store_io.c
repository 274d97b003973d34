// The store on a disk that fails: EIO, a full disk, a failed sync and a power cut at every call that changes a file.
//
// The same short run is repeated with the fault at call 1, 2, 3, ... until the fault no longer comes. Whatever happens:
// what was acknowledged is there, no tick is half there, every file is whole, and the run can be gone on with.
#include "fault_vfs.h"
#include "store_rig.h"

#include "store/internal.h"

enum { TICKS = 8, LAST = TICKS - 1 };

struct outcome {
    bool made;
    int64_t acked; // last tick that was acknowledged at once
    int waited;    // calls that returned 1
};

static void note(struct outcome *o, int rc)
{
    assert_in_range(rc, 0, 1); // nothing here is refused
    o->waited += rc == 1;
}

// The run itself; `ack` is told of each durable tick when it is not negative.
static struct store *session(struct rig *r, struct outcome *o, size_t blob_bytes, int ack)
{
    struct store *st;
    struct world w;
    struct seep_err err = {0};
    *o = (struct outcome){.acked = -1};
    if (store_create(r->fd, &st, &err)) {
        assert_true(strlen(err.text) > 20);
        return NULL;
    }
    o->made = true;
    OK(world_names(st, &w, &fault));
    for (int64_t i = 0; i < TICKS; i++) {
        int rc = world_tick(st, &w, i, &err);
        note(o, rc);
        if (rc == 0)
            o->acked = i;
        if (rc == 0 && ack >= 0 && write(ack, &i, sizeof i) != sizeof i)
            _exit(2);
        if (i == TICKS / 2 && blob_bytes) {
            void *blob = calloc(1, blob_bytes);
            note(o, store_set_meta_blob(st, "blob", blob, blob_bytes, &err));
            free(blob);
        }
    }
    note(o, store_write_end(st, at_second(99), "done", 0, "{}", &err));
    return st;
}

static long calls_of_a_healthy_session(struct rig *r, size_t blob_bytes)
{
    struct outcome o;
    fault_arm(FAULT_NONE, 0, false);
    struct store *st = session(r, &o, blob_bytes, -1);
    assert_true(st && o.acked == LAST && o.waited == 0);
    store_close(st);
    long n = fault_vfs.calls;
    rig_empty(r);
    assert_in_range(n, 20, 5000);
    return n;
}

// What is on disk, after the fault: ticks 0..last and nothing else; then three more by a resumed run.
static void verify(struct rig *r, int64_t must_have, bool all)
{
    struct store *st;
    struct world w;
    fault_arm(FAULT_NONE, 0, false);
    OK(store_open_read(r->fd, &st, &fault));
    int64_t n = world_check(st, must_have);
    assert_true(n >= 0);
    if (all)
        assert_int_equal(n, TICKS);
    assert_int_equal(store_degraded(st), rig_has(r, "run.2.db"));
    assert_int_equal(count_events(st, "successor", NULL) > 0, rig_has(r, "run.2.db"));
    store_close(st);
    rig_integrity(r);
    OK(store_open_write(r->fd, &st, &fault));
    assert_int_equal(store_last_tick(st), n - 1);
    OK(world_names(st, &w, &fault));
    assert_int_equal(w.stacks[2], 3);
    for (int64_t i = n; i < n + 3; i++)
        OK(world_tick(st, &w, i, &fault));
    assert_int_equal(world_check(st, n + 2), n + 3);
    store_close(st);
    OK(store_open_read(r->fd, &st, &fault));
    assert_int_equal(world_check(st, n + 2), n + 3);
    store_close(st);
    rig_integrity(r);
}

static void nothing_was_made(struct rig *r)
{
    fault_arm(FAULT_NONE, 0, false);
    assert_false(rig_has(r, "run.db"));
    assert_false(rig_has(r, "run.2.db"));
    fill_run(r->fd, 2); // and can be made now
}

static void one_io_error_begins_a_successor(void **state)
{
    struct rig *r = *state;
    long n = calls_of_a_healthy_session(r, 0);
    int successors = 0;
    for (long at = 1; at <= n; at++) {
        struct outcome o;
        fault_arm(FAULT_EIO, at, false);
        struct store *st = session(r, &o, 0, -1);
        if (!st) {
            nothing_was_made(r);
        } else {
            // The successor takes everything at once: no call has to wait.
            assert_int_equal(o.waited, 0);
            assert_int_equal(o.acked, LAST);
            assert_int_equal(store_degraded(st), rig_has(r, "run.2.db"));
            assert_int_equal(store_trouble(st) != NULL, rig_has(r, "run.2.db"));
            assert_int_equal(world_check(st, LAST), TICKS); // the writer reads over both files
            store_close(st);
            successors += rig_has(r, "run.2.db");
            verify(r, LAST, true);
        }
        rig_empty(r);
    }
    assert_true(successors > TICKS);
}

// From some call on nothing works; later it works again, or never does.
static void lasting(struct rig *r, enum fault_kind kind, bool comes_back)
{
    long n = calls_of_a_healthy_session(r, 0);
    int outages = 0;
    for (long at = 1; at <= n; at++) {
        struct outcome o;
        fault_arm(kind, at, true);
        struct store *st = session(r, &o, 0, -1);
        if (!st) {
            nothing_was_made(r);
            rig_empty(r);
            continue;
        }
        outages += o.waited > 0;
        assert_true(!o.waited || (store_degraded(st) && store_trouble(st)));
        if (comes_back) {
            fault_arm(FAULT_NONE, 0, false);
            OK(store_flush(st, &fault));
            assert_int_equal(count_events(st, "storage", NULL), o.waited > 0);
        }
        store_close(st);
        verify(r, comes_back ? LAST : o.acked, comes_back);
        rig_empty(r);
    }
    assert_true(outages > TICKS);
}

static void lasting_io_errors_then_a_disk_again(void **state)
{
    lasting(*state, FAULT_EIO, true);
}

static void lasting_io_errors(void **state)
{
    lasting(*state, FAULT_EIO, false);
}

static void full_disk_then_room_again(void **state)
{
    lasting(*state, FAULT_FULL, true);
}

static void full_disk_for_good(void **state)
{
    lasting(*state, FAULT_FULL, false);
}

static void one_full_write_waits_and_is_told(void **state)
{
    struct rig *r = *state;
    long n = calls_of_a_healthy_session(r, 0);
    int waits = 0;
    for (long at = 1; at <= n; at++) {
        struct outcome o;
        fault_arm(FAULT_FULL, at, false);
        struct store *st = session(r, &o, 0, -1);
        if (st) {
            waits += o.waited > 0;
            OK(store_flush(st, &fault));
            store_close(st);
            verify(r, LAST, true);
        } else {
            nothing_was_made(r);
        }
        rig_empty(r);
    }
    assert_true(waits > TICKS);
}

// A log of 2 MiB is emptied into the database in the middle of the run: errors there lose nothing either.
static void errors_while_the_log_is_emptied(void **state)
{
    struct rig *r = *state;
    enum { BLOB = (2 << 20) - 4096 };
    long n = calls_of_a_healthy_session(r, BLOB);
    for (long at = 7; at <= n; at += 41) {
        for (int kind = FAULT_EIO; kind <= FAULT_FULL; kind++) {
            struct outcome o;
            fault_arm((enum fault_kind)kind, at, false);
            struct store *st = session(r, &o, BLOB, -1);
            if (st) {
                OK(store_flush(st, &fault));
                void *blob;
                size_t len;
                OK(store_get_meta_blob(st, "blob", &blob, &len, &fault));
                assert_int_equal(len, BLOB);
                free(blob);
                store_close(st);
                verify(r, LAST, true);
            }
            rig_empty(r);
        }
    }
}

static void power_cuts(struct rig *r, long from, long to, long step, size_t blob_bytes)
{
    int cuts = 0;
    for (long at = from; at <= to; at += step) {
        int ack[2];
        assert_int_equal(pipe(ack), 0);
        pid_t pid = fork();
        if (pid == 0) {
            struct outcome o;
            fault_arm(FAULT_POWER, at, false);
            struct store *st = session(r, &o, blob_bytes, ack[1]);
            if (st)
                store_close(st);
            _exit(0);
        }
        close(ack[1]);
        int status;
        int64_t acked = -1, i;
        while (read(ack[0], &i, sizeof i) == sizeof i)
            acked = i;
        close(ack[0]);
        waitpid(pid, &status, 0);
        assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == FAULT_POWER_EXIT));
        cuts += WEXITSTATUS(status) == FAULT_POWER_EXIT;
        struct store *st;
        struct seep_err err;
        fault_arm(FAULT_NONE, 0, false);
        if (store_open_read(r->fd, &st, &err) == 0) {
            store_close(st);
            verify(r, acked, false);
        } else {
            assert_int_equal(acked, -1); // cut while it was being made
        }
        rig_empty(r);
    }
    assert_true(cuts > 10);
}

static void power_cut_at_each_call(void **state)
{
    struct rig *r = *state;
    power_cuts(r, 1, calls_of_a_healthy_session(r, 0), 1, 0);
}

static void power_cut_while_the_log_is_emptied(void **state)
{
    struct rig *r = *state;
    enum { BLOB = (2 << 20) - 4096 };
    power_cuts(r, 11, calls_of_a_healthy_session(r, BLOB), 53, BLOB);
}

// A second fault during the recovery from the first: at each call of it.
static void error_in_the_successor_too(void **state)
{
    struct rig *r = *state;
    for (long gap = 1; gap < 70; gap++) {
        struct store *st;
        struct world w;
        struct seep_err err;
        OK(store_create(r->fd, &st, &fault));
        OK(world_names(st, &w, &fault));
        OK(world_tick(st, &w, 0, &fault));
        fault_arm(FAULT_EIO, 1, false);
        fault_vfs.period = gap;
        world_tick(st, &w, 1, &err);
        world_tick(st, &w, 2, &err);
        fault_arm(FAULT_NONE, 0, false);
        OK(store_flush(st, &fault));
        for (int64_t i = 3; i < TICKS; i++)
            OK(world_tick(st, &w, i, &fault));
        store_close(st);
        verify(r, LAST, true);
        rig_empty(r);
    }
}

// A disk on which files can be made and then not be written, again and again, must not use up the names of files.
static void a_disk_that_keeps_failing_does_not_end_the_run(void **state)
{
    struct rig *r = *state;
    struct store *st;
    struct world w;
    struct seep_err err;
    OK(store_create(r->fd, &st, &fault));
    OK(world_names(st, &w, &fault));
    OK(world_tick(st, &w, 0, &fault));
    int written_in_vain = 0;
    for (long period = 20; period < 80; period++) {
        // The first error ends a file that is in use; those after it meet files that are new.
        fault_arm(FAULT_EIO, st->blocked ? period : 1, false);
        fault_vfs.period = period;
        int rc = store_set_meta(st, "k", "v", &err);
        for (int i = 0; i < 10 && rc == 1; i++) {
            rc = store_flush(st, &err);
            written_in_vain += rc == 1 && strstr(err.text, "Cannot write the database") != NULL;
        }
        if (rc == 0) // longer periods let everything through
            break;
    }
    assert_in_range(written_in_vain, STORE_MAX_PARTS, 100000);
    fault_arm(FAULT_NONE, 0, false);
    OK(store_flush(st, &fault));
    for (int64_t i = 1; i < TICKS; i++)
        OK(world_tick(st, &w, i, &fault));
    store_close(st);
    verify(r, LAST, true);
}

// In memory where there is such a place: the shim decides what is durable, not the disk.
static int begin(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    *state = r;
    return r && (rig_begin(r, "/dev/shm") == 0 || rig_begin(r, "/tmp") == 0) ? 0 : -1;
}

static int install(void **state)
{
    (void)state;
    return fault_install();
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, rig_teardown)
    const struct CMUnitTest tests[] = {
        T(one_io_error_begins_a_successor),
        T(lasting_io_errors_then_a_disk_again),
        T(lasting_io_errors),
        T(full_disk_then_room_again),
        T(full_disk_for_good),
        T(one_full_write_waits_and_is_told),
        T(errors_while_the_log_is_emptied),
        T(power_cut_at_each_call),
        T(power_cut_while_the_log_is_emptied),
        T(error_in_the_successor_too),
        T(a_disk_that_keeps_failing_does_not_end_the_run),
    };
    return cmocka_run_group_tests(tests, install, NULL);
}
