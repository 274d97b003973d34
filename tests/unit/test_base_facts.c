// Quantities with units, the deadline ticker, and files by directory descriptor.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct seep_err err;

// ---- units ----------------------------------------------------------------------------------------------------------

static void quantities_that_are_taken(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
        enum seep_unit unit;
    } cases[] = {
        {"7", 7, UNIT_NONE},
        {"-7.5", -7.5, UNIT_NONE},
        {"1e3", 1000, UNIT_NONE},
        {".5", .5, UNIT_NONE},
        {" 12 MB ", 12e6, UNIT_BYTES},
        {"1KiB", 1024, UNIT_BYTES},
        {"1.5GiB", 1610612736, UNIT_BYTES},
        {"2TB", 2e12, UNIT_BYTES},
        {"250ms", .25, UNIT_SECONDS},
        {"3us", 3e-6, UNIT_SECONDS},
        {"5m", 300, UNIT_SECONDS},
        {"24h", 86400, UNIT_SECONDS},
        {"2d", 172800, UNIT_SECONDS},
        {"95%", .95, UNIT_RATIO},
        {"2000/s", 2000, UNIT_PER_SECOND},
        {"60/min", 1, UNIT_PER_SECOND},
        {"36 MB/h", 1e4, UNIT_BYTES_PER_SECOND},
        {"86400B / day", 1, UNIT_BYTES_PER_SECOND},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct seep_quantity q;
        if (units_parse(cases[i].text, &q, NULL, &err))
            fail_msg("'%s': %s", cases[i].text, err.text);
        assert_int_equal(q.unit, cases[i].unit);
        assert_true(fabs(q.value - cases[i].value) <= fabs(cases[i].value) * 1e-12);
    }
}

static void quantities_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t bad_at;
    } cases[] = {
        {"", 0},      {"  ", 2},   {"MB", 0},       {"+5", 0},        {"inf", 0},  {"nan", 0},    {"0x10", 1},
        {"1e999", 0}, {"12mb", 2}, {"12Mb", 2},     {"5 minutes", 2}, {"5s5s", 1}, {"1,5MB", 1},  {"5s/h", 3},
        {"5%/h", 3},  {"5MB/", 4}, {"5MB/week", 4}, {"5MB/h/h", 4},   {"--5", 0},  {"5 MB x", 2}, {"1e300TB/", 8},
        {".", 0},     {"-", 0},    {"5e", 1},       {"1e308TB", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct seep_quantity q = {-1, UNIT_NONE};
        size_t at = 99;
        if (units_parse(cases[i].text, &q, &at, &err) == 0)
            fail_msg("'%s' was taken as %g", cases[i].text, q.value);
        assert_int_equal(err.code, SEEP_E_USAGE);
        if (at != cases[i].bad_at)
            fail_msg("'%s': bad at %zu, expected %zu", cases[i].text, at, cases[i].bad_at);
        assert_true(q.value == -1);
    }
}

static void wanted_units(void **state)
{
    (void)state;
    double v;
    assert_int_equal(units_parse_as("0", UNIT_BYTES, &v, NULL, &err), 0); // nothing is nothing in every unit
    assert_true(v == 0);
    assert_int_equal(units_parse_as("12", UNIT_SECONDS, &v, NULL, &err), -1);
    assert_string_equal(err.text, "'12' should be a duration such as 30s");
    assert_int_equal(units_parse_as("12s", UNIT_BYTES, &v, NULL, &err), -1);
    assert_int_equal(units_parse_as("12s", UNIT_NONE, &v, NULL, &err), -1);
    assert_int_equal(units_parse_as("12s", UNIT_SECONDS, &v, NULL, &err), 0);
    assert_true(v == 12);
}

static void quantities_printed(void **state)
{
    (void)state;
    char t[32];
    assert_string_equal(units_bytes(t, sizeof t, 412.6e6), "412.6 MB");
    assert_string_equal(units_bytes(t, sizeof t, 0), "0 B");
    assert_string_equal(units_bytes(t, sizeof t, -1500), "-1.50 kB");
    assert_string_equal(units_bytes(t, sizeof t, NAN), "unknown");
    assert_string_equal(units_bytes(t, sizeof t, (double)SEEP_UNKNOWN), "unknown");
    assert_string_equal(units_rate_per_h(t, sizeof t, 3.21e6 / 3600), "3.21 MB/h");
    assert_string_equal(units_rate_per_h(t, sizeof t, NAN), "unknown");
    assert_string_equal(units_duration(t, sizeof t, 4.1e-3), "4.10 ms");
    assert_string_equal(units_duration(t, sizeof t, 7560), "2.10 h");
    assert_string_equal(units_duration(t, sizeof t, 0), "0 s");
    assert_string_equal(units_clock(t, sizeof t, 3723), "1:02:03");
    assert_string_equal(units_clock(t, sizeof t, 59.6), "1:00");
    assert_string_equal(units_clock(t, sizeof t, -1), "unknown");
    assert_string_equal(units_count(t, sizeof t, 12345), "12 345");
    assert_string_equal(units_count(t, sizeof t, -1234567), "-1 234 567");
    assert_string_equal(units_count(t, sizeof t, 9007199254740992.0), "9 007 199 254 740 992");
    assert_string_equal(units_value(t, sizeof t, .003, UNIT_RATIO), "0.30 %");
    assert_string_equal(units_value(t, sizeof t, NAN, UNIT_PER_SECOND), "unknown");
    assert_string_equal(units_value(t, sizeof t, 17, UNIT_NONE), "17");
    assert_string_equal(units_name(UNIT_BYTES_PER_SECOND), "bytes/s");
    char small[5];
    assert_string_equal(units_bytes(small, sizeof small, 412.6e6), "412.");
    assert_int_equal(strlen(units_count(small, sizeof small, 1234567)) < sizeof small, 1);
}

// ---- clock ----------------------------------------------------------------------------------------------------------

static struct seep_time virtual_time;

static void at(int64_t ms)
{
    virtual_time.mono_ns = ms * 1000000;
    clock_set_virtual(&virtual_time);
}

static void expect_tick(struct clock_ticker *t, int64_t index, int64_t late_ms, int64_t missed)
{
    int64_t late = -1, lost = -1;
    assert_int_equal(clock_ticker_wait_ns(t, clock_mono_ns()), 0);
    assert_int_equal(clock_ticker_take(t, clock_mono_ns(), &late, &lost), index);
    assert_int_equal(late, late_ms * 1000000);
    assert_int_equal(lost, missed);
}

static void ticks_stay_on_their_deadlines(void **state)
{
    (void)state;
    struct clock_ticker t;
    at(5000);
    clock_ticker_start(&t, clock_mono_ns(), 100 * 1000000);
    expect_tick(&t, 0, 0, 0);
    assert_int_equal(clock_ticker_wait_ns(&t, clock_mono_ns()), 100 * 1000000);
    at(5130);
    expect_tick(&t, 1, 30, 0);
    assert_int_equal(clock_ticker_wait_ns(&t, clock_mono_ns()), 70 * 1000000); // lateness does not add up
    at(5199);
    assert_true(clock_ticker_wait_ns(&t, clock_mono_ns()) > 0);
    at(5200);
    expect_tick(&t, 2, 0, 0);
    clock_set_virtual(NULL);
}

static void missed_ticks_are_counted_not_made_up(void **state)
{
    (void)state;
    struct clock_ticker t;
    at(0);
    clock_ticker_start(&t, clock_mono_ns(), 100 * 1000000);
    expect_tick(&t, 0, 0, 0);
    at(1050);
    expect_tick(&t, 10, 50, 9);
    assert_int_equal(clock_ticker_wait_ns(&t, clock_mono_ns()), 50 * 1000000); // no burst
    at(1100);
    expect_tick(&t, 11, 0, 0);
    at(86400 * 1000LL);
    expect_tick(&t, 864000, 0, 863988);
    clock_set_virtual(NULL);
}

static void clocks_run_and_print(void **state)
{
    (void)state;
    struct seep_time a = clock_read(), b = clock_read();
    assert_true(b.mono_ns >= a.mono_ns && a.boot_ns >= a.mono_ns && a.real_ns > 1600000000LL * 1000000000);
    char t[32];
    assert_string_equal(clock_iso8601(t, 0), "1970-01-01T00:00:00Z");
    assert_string_equal(clock_iso8601(t, 1795231082LL * 1000000000 + 999999999), "2026-11-21T03:18:02Z");
    assert_string_equal(clock_iso8601(t, SEEP_UNKNOWN), "unknown");
}

// ---- fs -------------------------------------------------------------------------------------------------------------

static char dir_path[64];
static int dir_fd;

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir_path, sizeof dir_path, "/tmp/seep-test-fs.XXXXXX");
    if (!mkdtemp(dir_path))
        return -1;
    dir_fd = fs_open_dir(dir_path, false, &err);
    return dir_fd >= 0 ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    static const char *const files[] = {"file", "link", "fifo", "target", "private"};
    static const char *const dirs[] = {"private", "a/b/c", "a/b", "a"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlinkat(dir_fd, files[i], 0);
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        unlinkat(dir_fd, dirs[i], AT_REMOVEDIR);
    close(dir_fd);
    return rmdir(dir_path); // fails when something else was left
}

static void names(void **state)
{
    (void)state;
    char longest[66];
    memset(longest, 'n', sizeof longest);
    longest[65] = 0;
    assert_false(fs_name_ok(longest));
    assert_true(fs_name_ok(longest + 1));
    static const char *const good[] = {"a", "7", "20261121-0318-ab12", "My_run.2"};
    static const char *const bad[] = {"", ".", "..", ".hidden", "-x", "_x", "a/b", "a b", "a\n", "\xc3\xa4", "a*"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(fs_name_ok(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(fs_name_ok(bad[i]));
}

static void written_whole_or_not_at_all(void **state)
{
    (void)state;
    struct seep_buf b;
    struct stat st;
    buf_init(&b, 64);
    assert_int_equal(fs_write_file(dir_fd, "file", "old", 3, &err), 0);
    assert_int_equal(fs_write_file(dir_fd, "file", "newer", 5, &err), 0);
    assert_int_equal(fs_read_file(dir_fd, "file", &b, &err), 0);
    assert_string_equal(b.data, "newer");
    assert_int_equal(fstatat(dir_fd, "file", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    // A directory in the place: the rename fails, and no temporary file is left (remove_dir would notice).
    assert_int_equal(mkdirat(dir_fd, "private", 0700), 0);
    assert_int_equal(fs_write_file(dir_fd, "private", "x", 1, &err), -1);
    assert_int_equal(err.sys_errno, EISDIR);
    buf_free(&b);
}

static void writing_replaces_a_link_and_not_what_it_points_to(void **state)
{
    (void)state;
    struct seep_buf b;
    buf_init(&b, 64);
    assert_int_equal(fs_write_file(dir_fd, "target", "precious", 8, &err), 0);
    assert_int_equal(symlinkat("target", dir_fd, "link"), 0);
    assert_int_equal(fs_read_file(dir_fd, "link", &b, &err), -1);
    assert_int_equal(err.sys_errno, ELOOP);
    assert_int_equal(fs_write_file(dir_fd, "link", "mine", 4, &err), 0);
    assert_int_equal(fs_read_file(dir_fd, "target", &b, &err), 0);
    assert_string_equal(b.data, "precious");
    buf_free(&b);
}

static void only_regular_files_are_read(void **state)
{
    (void)state;
    struct seep_buf b;
    buf_init(&b, 4);
    assert_int_equal(mkfifoat(dir_fd, "fifo", 0600), 0);
    assert_int_equal(fs_read_file(dir_fd, "fifo", &b, &err), -1); // and does not wait for a writer
    assert_non_null(strstr(err.text, "'fifo' is not a regular file"));
    assert_int_equal(fs_read_file(dir_fd, "nothing", &b, &err), -1);
    assert_int_equal(err.sys_errno, ENOENT);
    assert_int_equal(fs_write_file(dir_fd, "file", "12345", 5, &err), 0);
    assert_int_equal(fs_read_file(dir_fd, "file", &b, &err), -1);
    assert_int_equal(err.code, SEEP_E_LIMIT);
    buf_free(&b);
}

static void directories(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/a/b/c", dir_path);
    assert_int_equal(fs_open_dir(path, false, &err), -1);
    for (int again = 0; again < 2; again++) {
        int fd = fs_open_dir(path, true, &err);
        assert_true(fd >= 0);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        close(fd);
    }
    assert_int_equal(fs_open_dir("", true, &err), -1);
    int fd = fs_make_private_dir(dir_fd, "private", &err);
    struct stat st;
    assert_true(fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0700);
    close(fd);
    assert_int_equal(fs_make_private_dir(dir_fd, "private", &err), -1);
    assert_int_equal(err.sys_errno, EEXIST);
}

static void randomness_and_prefix(void **state)
{
    (void)state;
    char a[33], b[33];
    assert_int_equal(fs_random_hex(a, &err), 0);
    assert_int_equal(fs_random_hex(b, &err), 0);
    assert_int_equal(strlen(a), 32);
    assert_int_equal(strspn(a, "0123456789abcdef"), 32);
    assert_string_not_equal(a, b);
    char *prefix = fs_prefix(&err);
    assert_string_equal(prefix, SEEP_BUILD_DIR); // tests/ stands where bin/ does
    free(prefix);
}

static void written_all_or_an_error(void **state)
{
    (void)state;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fs_write_all(fd, "x", 1, &err), -1);
    assert_int_equal(err.sys_errno, ENOSPC);
    assert_int_equal(fs_write_all(fd, "", 0, &err), 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantities_that_are_taken),
        cmocka_unit_test(quantities_that_are_refused),
        cmocka_unit_test(wanted_units),
        cmocka_unit_test(quantities_printed),
        cmocka_unit_test(ticks_stay_on_their_deadlines),
        cmocka_unit_test(missed_ticks_are_counted_not_made_up),
        cmocka_unit_test(clocks_run_and_print),
        cmocka_unit_test(names),
        cmocka_unit_test_setup_teardown(written_whole_or_not_at_all, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(writing_replaces_a_link_and_not_what_it_points_to, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(only_regular_files_are_read, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(directories, make_dir, remove_dir),
        cmocka_unit_test(randomness_and_prefix),
        cmocka_unit_test(written_all_or_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
