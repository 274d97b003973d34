// The store on a file system that is really full: a small tmpfs in a mount namespace of the test's own.
#include "store_rig.h"

#include "store/internal.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

static char why_not[160];

// Root only; otherwise the tests skip with the reason.
static int own_namespace(void **state)
{
    (void)state;
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
        snprintf(why_not, sizeof why_not, "no mount namespace of our own: %s", strerror(errno));
    return 0;
}

static int begin(void **state)
{
    if (rig_setup(state))
        return -1;
    struct rig *r = *state;
    if (!why_not[0] && mount("seep-test", r->path, "tmpfs", 0, "size=20m,mode=0700"))
        snprintf(why_not, sizeof why_not, "cannot mount a tmpfs: %s", strerror(errno));
    close(r->fd);
    r->fd = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return r->fd < 0 ? -1 : 0;
}

static int end(void **state)
{
    struct rig *r = *state;
    close(r->fd);
    umount2(r->path, MNT_DETACH);
    rmdir(r->path);
    free(r);
    return 0;
}

#define NEEDS_NAMESPACE()                                                                                              \
    do {                                                                                                               \
        if (why_not[0]) {                                                                                              \
            print_message("skipped: %s\n", why_not);                                                                   \
            skip();                                                                                                    \
        }                                                                                                              \
    } while (0)

// Takes every byte that is left.
static void fill_disk(struct rig *r)
{
    static char block[65536];
    int fd = openat(r->fd, "ballast", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    for (size_t size = sizeof block; size >= 512;)
        if (write(fd, block, size) < (ssize_t)size)
            size /= 2;
    close(fd);
}

static void room_comes_back(void **state)
{
    NEEDS_NAMESPACE();
    struct rig *r = *state;
    struct store *st;
    struct world w;
    struct seep_err err;
    OK(store_create(r->fd, &st, &fault));
    OK(world_names(st, &w, &fault));
    int64_t i = 0, sum = 0;
    unsigned seed = 5;
    int waits = 0;
    for (int outage = 0; outage < 8; outage++) {
        for (int n = 1 + rand_r(&seed) % 10; n > 0; n--)
            OK(world_tick(st, &w, i++, &fault));
        fill_disk(r);
        for (int n = 20 + rand_r(&seed) % 300; n > 0; n--) {
            int rc = world_tick(st, &w, i++, &err);
            assert_in_range(rc, 0, 1); // what is left of the log's last block may still take some
            waits += rc;
            if (rc == 1)
                assert_non_null(strstr(err.text, "full"));
        }
        assert_true(store_degraded(st));
        unlinkat(r->fd, "ballast", 0);
        OK(store_flush(st, &fault));
        assert_false(store_degraded(st));
    }
    store_close(st);
    OK(store_open_read(r->fd, &st, &fault));
    assert_int_equal(world_check(st, i - 1), i); // 512 ticks fit into memory: none was dropped
    assert_int_equal(count_events(st, "storage", &sum), 8);
    assert_int_equal(sum, waits);
    assert_int_equal(count_events(st, "gap", NULL), 0);
    assert_false(rig_has(r, "run.2.db"));
    store_close(st);
    rig_integrity(r);
}

// Longer than memory lasts: ticks are thinned, and every one is either a row or counted in a gap.
static void long_outage_is_thinned_and_counted(void **state)
{
    NEEDS_NAMESPACE();
    struct rig *r = *state;
    struct store *st;
    struct world w;
    struct seep_err err;
    enum { N = 5000 };
    OK(store_create(r->fd, &st, &fault));
    OK(world_names(st, &w, &fault));
    OK(world_tick(st, &w, 0, &fault));
    fill_disk(r);
    for (int64_t i = 1; i < N; i++) {
        world_tick(st, &w, i, &err);
        assert_true(st->queue.n_ticks <= QUEUE_MAX_TICKS + 1 && st->queue.op_bytes <= QUEUE_MAX_OP_BYTES + 4096);
        if (i % 500 == 0)
            store_flush(st, &err); // tries in between, as back-off does
    }
    unlinkat(r->fd, "ballast", 0);
    OK(store_flush(st, &fault));
    store_close(st);
    OK(store_open_read(r->fd, &st, &fault));
    int64_t rows = world_compare(st, N - 1, WORLD_HOLES), dropped = 0;
    assert_in_range(rows, QUEUE_MAX_TICKS / 2, QUEUE_MAX_TICKS + 200);
    count_events(st, "gap", &dropped);
    assert_int_equal(rows + dropped, N);
    store_close(st);
    rig_integrity(r);
}

static void end_record_is_written_through_the_reserve(void **state)
{
    NEEDS_NAMESPACE();
    struct rig *r = *state;
    struct store *st;
    struct world w;
    struct seep_err err;
    OK(store_create(r->fd, &st, &fault));
    assert_true(rig_has(r, "run.reserve"));
    OK(world_names(st, &w, &fault));
    OK(world_tick(st, &w, 0, &fault));
    fill_disk(r);
    for (int64_t i = 1; i < 400; i++)
        world_tick(st, &w, i, &err);
    assert_true(store_degraded(st));
    char *verdict = calloc(1, 500001);
    memset(verdict, 'v', 500000);
    OK(store_write_end(st, at_second(400), "the disk is full", 6, verdict, &fault));
    assert_false(rig_has(r, "run.reserve"));
    store_close(st);
    OK(store_open_read(r->fd, &st, &fault));
    assert_int_equal(world_check(st, 399), 400);
    bool found;
    struct seep_time when;
    char *reason, *text;
    int code;
    OK(store_read_end(st, &found, &when, &reason, &code, &text, &fault));
    assert_true(found && code == 6 && strcmp(text, verdict) == 0);
    free(reason), free(text), free(verdict);
    store_close(st);
}

// Killed on a full disk, gone on with on a full disk: the reserve makes the room that recovery needs.
static void full_disk_does_not_keep_a_run_from_being_finished(void **state)
{
    NEEDS_NAMESPACE();
    struct rig *r = *state;
    struct store *st;
    pid_t pid = fork();
    if (pid == 0) {
        struct world w;
        struct seep_err err;
        if (store_create(r->fd, &st, &err) || world_names(st, &w, &err))
            _exit(1);
        for (int64_t i = 0; i < 50; i++)
            if (world_tick(st, &w, i, &err))
                _exit(2);
        _exit(0); // without closing: the log stays
    }
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    unlinkat(r->fd, "run.db-shm", 0);
    fill_disk(r);
    OK(store_open_write(r->fd, &st, &fault));
    assert_int_equal(store_last_tick(st), 49);
    OK(store_write_end(st, at_second(50), "finished", 5, "{}", &fault));
    store_close(st);
    OK(store_open_read(r->fd, &st, &fault));
    assert_int_equal(world_check(st, 49), 50);
    store_close(st);
    rig_integrity(r);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(room_comes_back),
        T(long_outage_is_thinned_and_counted),
        T(end_record_is_written_through_the_reserve),
        T(full_disk_does_not_keep_a_run_from_being_finished),
    };
    return cmocka_run_group_tests(tests, own_namespace, NULL);
}
