// Makes children in every way there is, as often as asked, while two threads allocate: fork, vfork, posix_spawn, raw
// clone (a copy, and one that shares the memory like vfork), system, popen. Each child's exit status is checked.
// usage: harm_spawns fork|vfork|spawn|clone|clone_vm|system|popen TIMES
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static volatile int stop;
static char *const exit_seven[] = {"sh", "-c", "exit 7", NULL};

static void *churn(void *arg)
{
    while (!stop) {
        void *p[50];
        for (size_t i = 0; i < 50; i++)
            p[i] = malloc(i * 40 + (size_t)arg);
        for (size_t i = 0; i < 50; i++)
            free(p[i]);
        usleep(100);
    }
    return NULL;
}

static int status_of(pid_t pid)
{
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int by_fork(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        void *volatile p = realloc(malloc(100), 3000);
        free(p);
        _exit(p ? 7 : 8);
    }
    return status_of(pid);
}

static int by_vfork(void)
{
    pid_t pid = vfork();
    if (pid == 0) {
        execve("/bin/sh", exit_seven, environ);
        _exit(8);
    }
    return status_of(pid);
}

static int by_spawn(void)
{
    pid_t pid;
    return posix_spawnp(&pid, "sh", NULL, NULL, exit_seven, environ) == 0 ? status_of(pid) : -1;
}

// A copy made behind the C library's back: none of its fork handlers run. Only async-signal-safe calls are allowed
// then, unless no other thread holds a lock: the caller has none running.
static int by_clone(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        void *volatile p = malloc(100);
        free(p);
        _exit(p ? 7 : 8);
    }
    return status_of(pid);
}

static int in_our_memory(void *arg)
{
    void *volatile p = malloc(64); // into the parent's heap, which stands still meanwhile
    free(p);
    return *(int *)arg;
}

static int by_clone_vm(void)
{
    static _Alignas(16) char stack[65536];
    int seven = 7;
    return status_of(clone(in_our_memory, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &seven));
}

static int by_system(void)
{
    int status = system("exit 7");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int by_popen(void)
{
    FILE *f = popen("echo seven; exit 7", "r");
    char line[32] = "";
    if (!f || !fgets(line, sizeof line, f) || strcmp(line, "seven\n") != 0)
        return -1;
    int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*make)(void);
        int threads;
    } ways[] = {{"fork", by_fork, 1},     {"vfork", by_vfork, 1},       {"spawn", by_spawn, 1}, {"clone", by_clone, 0},
                {"system", by_system, 1}, {"clone_vm", by_clone_vm, 0}, {"popen", by_popen, 1}};
    int times = argc > 2 ? atoi(argv[2]) : 10, good = 0;
    size_t way = 0;
    while (way < sizeof ways / sizeof *ways && strcmp(ways[way].name, argc > 1 ? argv[1] : "fork") != 0)
        way++;
    if (way == sizeof ways / sizeof *ways)
        return 2;
    pthread_t t[2];
    for (size_t i = 0; ways[way].threads && i < 2; i++)
        pthread_create(&t[i], NULL, churn, (void *)(i + 1));
    for (int i = 0; i < times; i++)
        good += ways[way].make() == 7;
    stop = 1;
    for (size_t i = 0; ways[way].threads && i < 2; i++)
        pthread_join(t[i], NULL);
    printf("%d of %d\n", good, times);
    return good == times ? 0 : 1;
}
