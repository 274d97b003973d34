// What the report says of each process: of the program that it executes in the end, not of the one it was met as.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "linux/proc.h"
#include "run/followed.h"

#define LIMIT_S 60

// A shell that executes sleep once it reads a line from *tell.
static pid_t start(int *tell)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)"read line; exec sleep 1000", NULL}, *envp[] = {NULL};
    posix_spawn_file_actions_t fa;
    int line[2];
    pid_t pid;
    assert_int_equal(pipe(line), 0);
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_adddup2(&fa, line[0], 0);
    posix_spawn_file_actions_addclose(&fa, line[1]);
    assert_int_equal(posix_spawn(&pid, "/bin/sh", &fa, NULL, argv, envp), 0);
    posix_spawn_file_actions_destroy(&fa);
    close(line[0]);
    *tell = line[1];
    return pid;
}

static void until_it_is(int proc_fd, pid_t pid, const char *comm, struct linux_tree_node *node)
{
    struct linux_stat st = {0};
    for (time_t end = time(NULL) + LIMIT_S; strcmp(st.comm, comm) != 0; poll(NULL, 0, 10)) {
        assert_true(time(NULL) < end);
        assert_int_equal(linux_stat_read(proc_fd, pid, &st, NULL), 0);
    }
    *node = (struct linux_tree_node){.pid = pid, .starttime_ticks = st.starttime_ticks, .state = st.state};
}

static void assert_said(const struct followed *f, const char *words)
{
    char text[400];
    assert_true(followed_sentence(f, 0, text, sizeof text));
    if (!strstr(text, words))
        fail_msg("no '%s' in '%s'", words, text);
}

static void named_by_what_it_executes_in_the_end(void **state)
{
    (void)state;
    static struct followed f;
    struct linux_tree_node node;
    char text[400];
    int tell, proc_fd = linux_proc_open(NULL);
    pid_t pid = start(&tell);
    until_it_is(proc_fd, pid, "sh", &node);
    followed_note(&f, proc_fd, &node, FOLLOWED_NO, "for a reason");
    assert_false(followed_sentence(&f, 0, text, sizeof text)); // met in passing
    followed_note(&f, proc_fd, &node, FOLLOWED_NO, "for a reason");
    assert_said(&f, "(sh) is not attributed: for a reason.");
    assert_int_equal(write(tell, "\n", 1), 1);
    until_it_is(proc_fd, pid, "sleep", &node);
    for (int look = 3; look <= 4; look++)
        followed_note(&f, proc_fd, &node, FOLLOWED_NO, "for another");
    assert_said(&f, "(sleep) is not attributed: for another.");
    assert_int_equal(f.count, 1);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    for (int look = 5; look <= 16; look++) // it is gone: what was known stays
        followed_note(&f, proc_fd, &node, FOLLOWED_NO, "for none");
    assert_said(&f, "(sleep) is not attributed: for another.");
    close(tell);
    close(proc_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_by_what_it_executes_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
