// Facts of one process: hostile and strange text in a fake tree, plausibility on ourselves.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fake_tree.h"
#include "linux/mem.h"
#include "linux/pidfd.h"
#include "linux/proc.h"

static struct seep_err err;

static void hostile_names(void **state)
{
    (void)state;
    static const char *const names[] = {
        "a) R 1 1 1", "((((",         "))))", ") Z 9 9 9 9", "new\nline",
        "a b c",      "\x1b]0;x\x07", "",     "\xff\xfe",    "x) S 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"};
    struct fake f;
    struct linux_stat st;
    fake_open(&f);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        fake_stat(&f, 100, names[i], 'S', 7, 4242);
        assert_int_equal(linux_stat_read(f.fd, 100, &st, &err), 0);
        assert_string_equal(st.comm, names[i]);
        assert_int_equal(st.state, 'S');
        assert_int_equal(st.ppid, 7);
        assert_int_equal(st.starttime_ticks, 4242);
        assert_int_equal(st.threads, 3);
        assert_int_equal(st.vsize_bytes, 1000000);
    }
    fake_close(&f);
}

static void broken_stat_is_an_error(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "\n",
                                        "100 (x",
                                        "100 x) S 1 2 3",
                                        "100 (x) ",
                                        "100 (x) S 1 2 3",
                                        "100 (x) S a b c d e f g h i j k l m n o p q r s t u v w",
                                        ")(",
                                        "100 (x)S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
                                        "100 (x) S 1 1 1 1 1 1 99999999999999999999999 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"};
    struct fake f;
    struct linux_stat st;
    fake_open(&f);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        fake_file(&f, "100/stat", texts[i]);
        assert_int_equal(linux_stat_read(f.fd, 100, &st, &err), -1);
        assert_int_equal(err.code, SEEP_E_CORRUPT);
    }
    assert_int_equal(linux_stat_read(f.fd, 101, &st, &err), -1);
    assert_int_equal(err.code, SEEP_E_TARGET);
    fake_close(&f);
}

static void unknown_is_not_zero(void **state)
{
    (void)state;
    struct fake f;
    struct linux_status st;
    struct linux_rollup ro;
    struct linux_io io;
    fake_open(&f);
    fake_file(&f, "100/status",
              "Name:\tRssAnon: 7 kB\nState:\tS\nRssFile:\t    12 kB\nThreads:\t4\nUid:\t1\t2\t3\t4\n"
              "SigIgn:\t0000000000001000\n");
    assert_int_equal(linux_status_read(f.fd, 100, &st, &err), 0);
    assert_int_equal(st.rss_anon_bytes, SEEP_UNKNOWN); // what the name says does not count
    assert_int_equal(st.rss_file_bytes, 12 * 1024);
    assert_int_equal(st.threads, 4);
    assert_int_equal(st.uid, 1);
    assert_int_equal(st.euid, 2);
    assert_int_equal(st.gid, SEEP_UNKNOWN);
    assert_int_equal(st.sig_ignored, 0x1000);
    fake_file(&f, "100/smaps_rollup",
              "55-66 ---p 0 00:00 0 [rollup]\nRss:    10 kB\nPss:     9 kB\nSwap:  99999999999999999999 kB\n");
    assert_int_equal(linux_rollup_read(f.fd, 100, &ro, &err), 0);
    assert_int_equal(ro.rss_bytes, 10240);
    assert_int_equal(ro.pss_anon_bytes, SEEP_UNKNOWN);
    assert_int_equal(ro.swap_bytes, SEEP_UNKNOWN);
    assert_int_equal(linux_io_read(f.fd, 100, &io, &err), -1); // the process is there, the file is not
    assert_int_equal(err.code, SEEP_E_UNSUPPORTED);
    fake_close(&f);
}

static void a_mapping_that_smaps_tells_twice_counts_once(void **state)
{
    (void)state;
    struct fake f;
    struct linux_map_sum parts[LINUX_MAP_PARTS];
    fake_open(&f);
    fake_stat(&f, 100, "x", 'S', 1, 5);
    fake_file(&f, "100/smaps",
              "00001000-00002000 r-xp 00000000 08:01 7 /bin/x\nRss:  4 kB\nPss:  4 kB\n"
              "00010000-00020000 rw-p 00000000 00:00 0 [heap]\nRss:  60 kB\nPss:  60 kB\n"
              "00010000-00024000 rw-p 00000000 00:00 0 [heap]\nRss:  70 kB\nPss:  70 kB\n"
              "00010000-00028000 rw-p 00000000 00:00 0 [heap]\nRss:  80 kB\nPss:  80 kB\n"
              "00030000-00032000 rw-p 00000000 00:00 0 \nRss:  8 kB\nPss:  8 kB\n");
    assert_int_equal(linux_maps_split(f.fd, 100, parts, &err), 0);
    assert_int_equal(parts[LINUX_MAP_HEAP].mappings, 1);
    assert_int_equal(parts[LINUX_MAP_HEAP].rss_bytes, 80 * 1024);
    assert_int_equal(parts[LINUX_MAP_HEAP].size_bytes, 0x18000);
    assert_int_equal(parts[LINUX_MAP_FILE].rss_bytes, 4 * 1024);
    assert_int_equal(parts[LINUX_MAP_ANON].rss_bytes, 8 * 1024);
    fake_close(&f);
}

static void descriptors_by_kind(void **state)
{
    (void)state;
    struct linux_fds before, after;
    int proc = linux_proc_open(&err), p[2], made[10];
    sigset_t none;
    sigemptyset(&none);
    assert_int_equal(linux_fds_count(proc, getpid(), 0, &before, &err), 0);
    assert_int_equal(pipe(p), 0);
    made[0] = socket(AF_UNIX, SOCK_STREAM, 0);
    made[1] = eventfd(0, 0);
    made[2] = epoll_create1(0);
    made[3] = timerfd_create(CLOCK_MONOTONIC, 0);
    made[4] = signalfd(-1, &none, 0);
    made[5] = memfd_create("x", 0);
    made[6] = open("/dev/null", O_RDONLY);
    made[7] = open("/etc/passwd", O_RDONLY);
    assert_int_equal(linux_fds_count(proc, getpid(), 0, &after, &err), 0);
    assert_int_equal(after.total - before.total, 10);
    static const struct {
        enum linux_fd_kind kind;
        int more;
    } want[] = {{LINUX_FD_PIPE, 2},  {LINUX_FD_SOCKET, 1},  {LINUX_FD_EVENTFD, 1},
                {LINUX_FD_EPOLL, 1}, {LINUX_FD_TIMERFD, 1}, {LINUX_FD_SIGNALFD, 1},
                {LINUX_FD_MEMFD, 1}, {LINUX_FD_DEVICE, 1},  {LINUX_FD_FILE, 1}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        assert_int_equal(after.by_kind[want[i].kind] - before.by_kind[want[i].kind], want[i].more);
    for (int i = 0; i < 8; i++)
        close(made[i]);
    close(p[0]);
    close(p[1]);
    close(proc);
}

static void budget_keeps_the_total_exact(void **state)
{
    (void)state;
    struct linux_fds f;
    int proc = linux_proc_open(&err), made[300];
    for (int i = 0; i < 300; i++)
        made[i] = open("/dev/null", O_RDONLY);
    assert_int_equal(linux_fds_count(proc, getpid(), 1, &f, &err), 0);
    assert_true(f.total >= 300 && f.unclassified > 0);
    int64_t sum = f.unclassified;
    for (int k = 0; k < LINUX_FD_KINDS; k++)
        sum += f.by_kind[k];
    assert_int_equal(sum, f.total);
    for (int i = 0; i < 300; i++)
        close(made[i]);
    close(proc);
}

static void ourselves_are_plausible(void **state)
{
    (void)state;
    int proc = linux_proc_open(&err);
    struct linux_stat st;
    struct linux_status su;
    struct linux_rollup ro;
    struct linux_statm sm;
    int64_t maps;
    assert_int_equal(linux_stat_read(proc, getpid(), &st, &err), 0);
    assert_int_equal(st.ppid, getppid());
    assert_int_equal(st.state, 'R');
    assert_int_equal(linux_status_read(proc, getpid(), &su, &err), 0);
    assert_true(su.rss_anon_bytes > 0 && su.voluntary_switches >= 0 && su.uid == getuid());
    assert_int_equal(linux_rollup_read(proc, getpid(), &ro, &err), 0);
    assert_true(ro.pss_bytes > 0 && ro.pss_bytes <= ro.rss_bytes);
    assert_int_equal(linux_statm_read(proc, getpid(), &sm, &err), 0);
    assert_true(sm.resident_bytes > 0 && sm.resident_bytes <= sm.size_bytes);
    assert_int_equal(linux_maps_count(proc, getpid(), &maps, &err), 0);
    assert_true(maps > 5);
    close(proc);
}

static void identity_by_start_time(void **state)
{
    (void)state;
    int proc = linux_proc_open(&err);
    struct linux_process p;
    assert_int_equal(linux_process_open(proc, getpid(), 0, &p, &err), 0);
    assert_true(linux_process_alive(&p) && p.starttime_ticks > 0);
    uint64_t start = p.starttime_ticks;
    linux_process_close(&p);
    assert_int_equal(linux_process_open(proc, getpid(), start + 1, &p, &err), -1); // the pid is somebody else's
    assert_int_equal(err.code, SEEP_E_TARGET);
    assert_int_equal(p.pidfd, -1);
    assert_int_equal(linux_process_open(proc, 0x3ffffff, 0, &p, &err), -1);
    assert_int_equal(err.code, SEEP_E_TARGET);
    close(proc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_names),           cmocka_unit_test(broken_stat_is_an_error),
        cmocka_unit_test(unknown_is_not_zero),     cmocka_unit_test(a_mapping_that_smaps_tells_twice_counts_once),
        cmocka_unit_test(descriptors_by_kind),     cmocka_unit_test(budget_keeps_the_total_exact),
        cmocka_unit_test(ourselves_are_plausible), cmocka_unit_test(identity_by_start_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
