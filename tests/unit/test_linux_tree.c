// Trees of processes: walking both ways, ceilings, sums, pids that are somebody else's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>

#include "fake_tree.h"
#include "linux/tree.h"

static struct seep_err err;
static struct linux_tree tree, other;

static void children(struct fake *f, int pid, const char *list)
{
    char path[64];
    snprintf(path, sizeof path, "%d/task/%d/children", pid, pid);
    fake_file(f, path, list);
}

static void family(struct fake *f)
{
    fake_open(f);
    fake_stat(f, 10, "keeper", 'S', 1, 100);
    fake_stat(f, 20, "main) Z 1", 'S', 10, 200);
    fake_stat(f, 30, "zombie", 'Z', 20, 300);
    fake_stat(f, 40, "grand", 'T', 20, 400);
    fake_stat(f, 50, "stranger", 'S', 1, 500);
    children(f, 10, "20 ");
    children(f, 20, "30 40 ");
    children(f, 30, "");
    children(f, 40, "");
    children(f, 50, "");
}

static void walk_and_scan_agree(void **state)
{
    (void)state;
    struct fake f;
    family(&f);
    assert_int_equal(linux_tree_walk(f.fd, 10, &tree, &err), 0);
    assert_int_equal(linux_tree_scan(f.fd, 10, &other, &err), 0);
    assert_int_equal(tree.count, 3);
    assert_int_equal(other.count, 3);
    assert_int_equal(tree.zombies, 1);
    assert_int_equal(tree.nodes[0].pid, 20);
    assert_int_equal(tree.nodes[0].depth, 1);
    assert_int_equal(tree.nodes[2].depth, 2);
    assert_int_equal(linux_tree_walk(f.fd, 11, &tree, &err), -1);
    assert_int_equal(err.code, SEEP_E_TARGET);
    fake_close(&f);
}

static void a_loop_and_garbage_end(void **state)
{
    (void)state;
    struct fake f;
    family(&f);
    children(&f, 40, "20 40 30 -5 0 99999999999 x 7 ");
    assert_int_equal(linux_tree_walk(f.fd, 10, &tree, &err), 0);
    assert_int_equal(tree.count, 3);
    fake_close(&f);
}

static void ceiling_is_counted(void **state)
{
    (void)state;
    enum { MORE = 50 };
    struct fake f;
    char *list = calloc(LINUX_TREE_MAX + MORE, 8);
    size_t len = 0;
    fake_open(&f);
    fake_stat(&f, 10, "keeper", 'S', 1, 100);
    for (int i = 0; i < LINUX_TREE_MAX + MORE; i++) {
        fake_stat(&f, 1000 + i, "x", 'S', 10, 100);
        len += (size_t)sprintf(list + len, "%d ", 1000 + i);
    }
    children(&f, 10, list);
    assert_int_equal(linux_tree_walk(f.fd, 10, &tree, &err), 0);
    assert_int_equal(tree.count, LINUX_TREE_MAX);
    assert_int_equal(tree.beyond, MORE);
    free(list);
    fake_close(&f);
}

static void sums_of_a_fake_family(void **state)
{
    (void)state;
    struct fake f;
    struct linux_sample s;
    family(&f);
    fake_file(&f, "20/status", "RssAnon: 10 kB\nRssFile: 20 kB\nRssShmem: 30 kB\nVmSwap: 1 kB\n");
    fake_file(&f, "20/smaps_rollup", "x [rollup]\nRss: 60 kB\nPss: 50 kB\n");
    fake_file(&f, "40/statm", "100 7 3 1 0 50 0\n"); // status is hidden, statm is not
    assert_int_equal(linux_tree_walk(f.fd, 10, &tree, &err), 0);
    tree.nodes[tree.count++] = (struct linux_tree_node){.pid = 50, .starttime_ticks = 499}; // a reused pid
    assert_int_equal(linux_tree_sample(f.fd, &tree, LINUX_WANT_ROLLUP, 0, &s, &err), 0);
    assert_int_equal(s.processes, 2);
    assert_int_equal(s.zombies, 1);
    assert_int_equal(s.stopped, 1);
    assert_int_equal(s.gone, 1);
    assert_int_equal(s.denied, 1);
    assert_int_equal(s.rss_bytes, 60 * 1024 + 7 * sysconf(_SC_PAGESIZE));
    assert_int_equal(s.rss_anon_bytes, 10 * 1024);
    assert_int_equal(s.pss_bytes, 50 * 1024);
    assert_int_equal(s.pss_anon_bytes, SEEP_UNKNOWN);
    assert_int_equal(s.fds, SEEP_UNKNOWN); // not wanted, so not known
    assert_int_equal(s.threads, 6);
    fake_close(&f);
}

static void a_real_family(void **state)
{
    (void)state;
    struct linux_sample s;
    int gate[2], proc = linux_proc_open(&err);
    char text[64], c;
    assert_int_equal(pipe(gate), 0);
    pid_t pids[3];
    for (int i = 0; i < 3; i++)
        if ((pids[i] = fork()) == 0) {
            close(gate[1]);
            _exit(read(gate[0], &c, 1) == 0 ? 0 : 1);
        }
    assert_int_equal(linux_tree_walk(proc, getpid(), &tree, &err), 0);
    assert_int_equal(linux_tree_scan(proc, getpid(), &other, &err), 0);
    assert_int_equal(tree.count, 3);
    assert_int_equal(other.count, 3);
    assert_int_equal(linux_tree_sample(proc, &tree, LINUX_WANT_ALL, 0, &s, &err), 0);
    assert_int_equal(s.processes, 3);
    assert_int_equal(s.denied, 0);
    assert_true(s.rss_bytes > 0 && s.pss_bytes > 0 && s.pss_bytes < s.rss_bytes && s.fds >= 3 && s.maps > 10);
    assert_true(linux_tree_describe(proc, &tree.nodes[0], text, sizeof text) > 0);
    assert_non_null(strstr(text, "(test_linux_tree)"));
    close(gate[1]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
    assert_int_equal(linux_tree_sample(proc, &tree, LINUX_WANT_ALL, 0, &s, &err), 0);
    assert_int_equal(s.gone, 3);
    assert_int_equal(s.rss_bytes, SEEP_UNKNOWN);
    close(gate[0]);
    close(proc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walk_and_scan_agree), cmocka_unit_test(a_loop_and_garbage_end),
        cmocka_unit_test(ceiling_is_counted),  cmocka_unit_test(sums_of_a_fake_family),
        cmocka_unit_test(a_real_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
