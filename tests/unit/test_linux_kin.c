// Processes that left their parent, files behind mappings, and numbers in PID namespaces: on real processes.
#include "linux/mapped.h"
#include "linux/tree.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_tree.h"

static uint64_t starttime(int proc, pid_t pid)
{
    struct linux_stat st;
    assert_int_equal(linux_stat_read(proc, pid, &st, NULL), 0);
    return st.starttime_ticks;
}

// A child that has a child, which waits; both end with us.
static pid_t family(pid_t *grandchild)
{
    int told[2];
    assert_int_equal(pipe(told), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pid_t inner = fork();
        if (inner == 0) { // it tells itself, as it would outlive a parent that ends before it has asked for the signal
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            inner = getpid();
            if (write(told[1], &inner, sizeof inner) != sizeof inner)
                _exit(1);
        }
        for (;;)
            pause();
    }
    assert_int_equal(read(told[0], grandchild, sizeof *grandchild), sizeof *grandchild);
    close(told[0]);
    close(told[1]);
    return pid;
}

static void who_is_joined_brings_its_children_and_only_itself(void **state)
{
    (void)state;
    static struct linux_tree t;
    int proc = linux_proc_open(NULL);
    pid_t inner, pid = family(&inner);
    uint64_t since = starttime(proc, pid);
    memset(&t, 0, sizeof t);
    linux_tree_join(proc, &t, pid, since + 1); // that number is another process now
    assert_int_equal(t.count, 0);
    linux_tree_join(proc, &t, pid, since);
    assert_int_equal(t.count, 2);
    assert_int_equal(t.nodes[0].pid, pid);
    assert_int_equal(t.nodes[1].pid, inner);
    assert_int_equal(t.nodes[1].depth, 2);
    linux_tree_join(proc, &t, inner, t.nodes[1].starttime_ticks); // twice is once
    assert_int_equal(t.count, 2);
    kill(pid, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    memset(&t, 0, sizeof t);
    linux_tree_join(proc, &t, pid, since); // a zombie is nobody
    assert_int_equal(t.count, 0);
    waitpid(pid, NULL, 0);
    linux_tree_join(proc, &t, pid, since);
    assert_int_equal(t.count, 0);
    close(proc);
}

static int first_code(const struct linux_map *m, void *arg)
{
    struct linux_map *out = arg;
    if (m->perms[2] != 'x' || m->path[0] != '/')
        return 0;
    *out = *m;
    out->path = strdup(m->path);
    return 1;
}

static void the_name_of_a_mapping_leads_to_its_file(void **state)
{
    (void)state;
    struct linux_map m = {0};
    char name[LINUX_MAPPED_NAME_MAX], missing[] = "/nowhere/at/all";
    int proc = linux_proc_open(NULL);
    assert_true(linux_maps_each(proc, getpid(), first_code, &m, NULL) >= 0 && m.path);
    linux_mapped_name(getpid(), &m, name);
    assert_true(strstr(name, "/root/") != NULL && access(name, R_OK) == 0);
    char *path = (char *)m.path;
    m.path = missing; // as of a program that was deleted: only the kernel's link is left, if we may follow it
    linux_mapped_name(getpid(), &m, name);
    if (getuid() == 0)
        assert_true(strstr(name, "/map_files/") != NULL && access(name, R_OK) == 0);
    else
        assert_true(strstr(name, missing) != NULL);
    free(path);
    close(proc);
}

static void a_number_in_a_namespace_is_the_innermost(void **state)
{
    (void)state;
    struct fake f;
    fake_open(&f);
    fake_file(&f, "100/status", "Name:\tNSpid:\t7\nTgid:\t100\nNSpid:\t100\t33\t2\nNSpgid:\t5\n");
    assert_int_equal(linux_inner_pid(f.fd, 100), 2);
    fake_file(&f, "101/status", "Name:\tx\nNSpid:\t101\n");
    assert_int_equal(linux_inner_pid(f.fd, 101), 101);
    fake_file(&f, "102/status", "Name:\tx\n");
    assert_int_equal(linux_inner_pid(f.fd, 102), 102);
    assert_int_equal(linux_inner_pid(f.fd, 103), 103);
    fake_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_joined_brings_its_children_and_only_itself),
        cmocka_unit_test(the_name_of_a_mapping_leads_to_its_file),
        cmocka_unit_test(a_number_in_a_namespace_is_the_innermost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
