// A program to be attached to: attach_kinds KIND, prints "ready" and goes on until it is ended.
//
//   leak     loses a block of 4 kB every 5 ms, in lost_here()
//   steady   allocates and frees the same amount
//   busy     the same without a pause
//   replace  a full cache of 20 000 entries made before "ready"; then every step one old entry makes room for a new one
//   threads  leaks from threads that come and go, in lost_here()
//   list     a list that grows at its head, from attach_list in the data; list_new() makes the entries
//   table    the same list, but its head lies in a block that was allocated before "ready"
//   dropped  tables of 20 entries that are forgotten one after the other
//   forks    children that come and go leak and end; the program itself is steady
//   dies N   loses blocks as leak does, for 2 s, then exits with status N
//   realloc  one block that grows by 4 kB every 5 ms, in grow_here()
//   sealed   leaks as leak does, and is killed by the kernel for any system call that this does not need
//   closed   leaks as leak does; what /proc says of it is root's, as of a program that has changed its user
// libs: pthread
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#if __has_include(<linux/filter.h>) // not with every C library's compiler
#include <linux/filter.h>
#include <linux/seccomp.h>
#endif

#define ENTRIES 20000

static void *volatile keep;
static char *cache[ENTRIES];

__attribute__((noinline)) static void lost_here(size_t size)
{
    char *p = malloc(size);
    if (p)
        memset(p, 1, size);
    keep = p;
}

__attribute__((noinline)) static void steady_step(void)
{
    void *p[16];
    for (int i = 0; i < 16; i++)
        p[i] = malloc(100 + (size_t)i * 40);
    for (int i = 0; i < 16; i++)
        free(p[i]);
}

__attribute__((noinline)) static char *cache_entry_new(size_t i)
{
    char *p = malloc(1000);
    if (p)
        memset(p, (int)i, 1000);
    return p;
}

__attribute__((noinline)) static void *grow_here(void *p, size_t size)
{
    char *grown = realloc(p, size);
    if (grown)
        memset(grown + size - 4000, 1, 4000);
    return grown;
}

struct entry {
    struct entry *next;
    char text[500];
};
struct entry *attach_list;
static struct entry **old_head;

__attribute__((noinline)) static struct entry *list_new(struct entry *next)
{
    struct entry *e = calloc(1, sizeof *e);
    if (e)
        e->next = next;
    return e;
}

// The entries are held by the table alone; who loses it loses them all.
__attribute__((noinline)) static void table_step(size_t n)
{
    static void **table;
    if (n % 10 == 0)
        table = calloc(20, sizeof *table);
    for (size_t i = 0; table && i < 2; i++)
        table[n % 10 * 2 + i] = list_new(NULL);
}

static void *leaking_thread(void *arg)
{
    (void)arg;
    lost_here(4000);
    return NULL;
}

static void thread_step(void)
{
    pthread_t t;
    if (pthread_create(&t, NULL, leaking_thread, NULL) == 0)
        pthread_join(t, NULL);
}

static void fork_step(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 20; i++)
            lost_here(4000);
        _exit(0);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
    steady_step();
}

#ifndef SECCOMP_RET_ALLOW
static int seal(void)
{
    return -1;
}
#else
#define MAY(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
static int seal(void)
{
    struct sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                                 MAY(brk),
                                 MAY(mmap),
                                 MAY(munmap),
                                 MAY(clock_nanosleep),
                                 MAY(nanosleep),
                                 MAY(exit_group),
                                 MAY(write),
                                 BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
#endif

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "steady";
    for (size_t i = 0; !strcmp(kind, "replace") && i < ENTRIES; i++)
        cache[i] = cache_entry_new(i);
    old_head = calloc(1, sizeof *old_head);
    if (!old_head)
        return 1;
    if (!strcmp(kind, "closed"))
        prctl(PR_SET_DUMPABLE, 0);
    printf("ready\n");
    fflush(stdout);
    if (!strcmp(kind, "sealed") && seal())
        return 1;
    void *grown = NULL;
    for (size_t n = 0;; n++) {
        if (!strcmp(kind, "leak") || !strcmp(kind, "dies") || !strcmp(kind, "sealed") || !strcmp(kind, "closed"))
            lost_here(4000);
        else if (!strcmp(kind, "threads"))
            thread_step();
        else if (!strcmp(kind, "forks"))
            fork_step();
        else if (!strcmp(kind, "list"))
            attach_list = list_new(attach_list);
        else if (!strcmp(kind, "table"))
            *old_head = list_new(*old_head);
        else if (!strcmp(kind, "dropped"))
            table_step(n);
        else if (!strcmp(kind, "realloc"))
            grown = grow_here(grown, 4000 * (n + 1));
        else if (!strcmp(kind, "replace")) {
            free(cache[n % ENTRIES]);
            cache[n % ENTRIES] = cache_entry_new(n);
        } else
            steady_step();
        if (!strcmp(kind, "dies") && n == 400)
            return argc > 2 ? atoi(argv[2]) : 0;
        if (strcmp(kind, "busy") != 0)
            usleep(5000);
    }
}
