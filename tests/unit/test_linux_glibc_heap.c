// glibc's heap counted from outside against mallinfo2() inside: a child allocates by a pattern, tells what mallinfo2
// says, and waits.
#include "base/err.h"
#include "linux/glibc_heap.h"
#include "linux/mem.h"

#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// The children of a program with a sanitizer have its allocator.
static const char *libc_path(char path[512])
{
#ifdef __SANITIZE_ADDRESS__
    skip();
#endif
    char line[1024];
    FILE *f = fopen("/proc/self/maps", "r");
    assert_non_null(f);
    path[0] = 0;
    while (fgets(line, sizeof line, f))
        if (strstr(line, "/libc.so.6") && !path[0])
            sscanf(strchr(line, '/'), "%511s", path);
    fclose(f);
    return path;
}

static void nothing(unsigned seed)
{
    (void)seed;
}

// Blocks of all sizes, every third freed: bins of all kinds, the fast ones once the thread's cache is full.
static void mixed(unsigned seed)
{
    enum { N = 5000 };
    static void *p[N];
    for (int i = 0; i < N; i++)
        p[i] = malloc(16 + (size_t)(rand_r(&seed) % (i % 50 ? 900 : 60000)));
    for (int i = 0; i < N; i += 3)
        free(p[i]);
}

static void fast(unsigned seed)
{
    enum { N = 500 };
    static void *p[N];
    (void)seed;
    for (int i = 0; i < N; i++)
        p[i] = malloc(24 + 16u * (unsigned)(i % 6));
    for (int i = 0; i < N; i++)
        free(p[i]);
}

static void mapped(unsigned seed)
{
    mixed(seed);
    for (int i = 0; i < 20; i++)
        if (!malloc(300000 + (size_t)i * 4096))
            _exit(9);
}

static void own_mappings(unsigned seed)
{
    mixed(seed);
    for (int i = 0; i < 8; i++) {
        char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            _exit(9);
        memset(p, 1, 1 << 20);
    }
}

static pthread_barrier_t there;
static void *thread(void *arg)
{
    unsigned seed = (unsigned)(size_t)arg;
    void *p[400];
    for (int i = 0; i < 400; i++)
        p[i] = malloc(16 + (size_t)(rand_r(&seed) % 5000));
    for (int i = 0; i < 400; i += 2)
        free(p[i]);
    pthread_barrier_wait(&there);
    pause();
    return NULL;
}

static void threads(unsigned seed)
{
    pthread_t t;
    pthread_barrier_init(&there, NULL, 7);
    for (size_t i = 0; i < 6; i++)
        pthread_create(&t, NULL, thread, (void *)(seed + i));
    pthread_barrier_wait(&there);
    mixed(seed);
}

struct child {
    pid_t pid;
    int from;
};

static struct child begin(void (*pattern)(unsigned), unsigned seed)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pattern(seed);
        struct mallinfo2 m = mallinfo2();
        if (write(pipes[1], &m, sizeof m) != sizeof m)
            _exit(8);
        for (;;)
            pause();
    }
    close(pipes[1]);
    return (struct child){pid, pipes[0]};
}

static void end(struct child c)
{
    kill(c.pid, SIGKILL);
    waitpid(c.pid, NULL, 0);
    close(c.from);
}

static void as_mallinfo_says(void **state)
{
    (void)state;
    void (*patterns[])(unsigned) = {nothing, mixed, fast, mapped, threads};
    char path[512];
    libc_path(path);
    int proc = linux_proc_open(NULL);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct child c = begin(patterns[i], 7 + (unsigned)i);
        struct mallinfo2 m;
        struct linux_glibc_heap h;
        struct seep_err err = {0};
        assert_int_equal(read(c.from, &m, sizeof m), sizeof m);
        int rc = linux_glibc_heap_read(proc, c.pid, path, &h, &err);
        if (rc)
            print_error("%s\n", err.text);
        assert_int_equal(rc, 0);
        assert_int_equal(h.allocated_bytes, m.uordblks + m.hblkhd);
        assert_int_equal(h.mapped_bytes, m.arena + m.hblkhd);
        assert_true(h.arenas >= (patterns[i] == threads ? 2 : 1));
        assert_true(patterns[i] != mixed || h.free_chunks > 100);
        end(c);
    }
    close(proc);
}

// What is no glibc is not taken for one.
static void unknown_books_are_no_zero(void **state)
{
    (void)state;
    char exe[512] = "";
    char path[512];
    libc_path(path);
    assert_true(readlink("/proc/self/exe", exe, sizeof exe - 1) > 0);
    struct child c = begin(mixed, 3);
    struct mallinfo2 m;
    struct linux_glibc_heap h;
    struct seep_err err;
    assert_int_equal(read(c.from, &m, sizeof m), sizeof m);
    int proc = linux_proc_open(NULL);
    assert_int_equal(linux_glibc_heap_read(proc, c.pid, "", &h, &err), -1); // the test itself holds no malloc
    assert_int_equal(err.code, SEEP_E_UNSUPPORTED);
    assert_int_equal(linux_glibc_heap_read(proc, c.pid, "/no/such/library", &h, &err), -1);
    assert_int_equal(err.code, SEEP_E_UNSUPPORTED);
    end(c);
    assert_int_equal(linux_glibc_heap_read(proc, c.pid, exe, &h, &err), -1);
    close(proc);
}

static int anonymous(const struct linux_map *m, void *arg)
{
    if (strcmp(m->perms, "rw-p") == 0 && !m->path[0])
        *(uint64_t *)arg += m->end - m->start;
    return 0;
}

// Large blocks, arenas of threads, and mappings of the program's own beside them: only the first two are malloc's.
static void mallocs_memory_is_told_from_other_mappings(void **state)
{
    (void)state;
    void (*patterns[])(unsigned) = {mixed, mapped, threads, own_mappings};
    char path[512];
    libc_path(path);
    int proc = linux_proc_open(NULL);
    int64_t resident[4];
    for (size_t i = 0; i < 4; i++) {
        struct child c = begin(patterns[i], 5);
        struct mallinfo2 m;
        struct seep_err err = {0};
        uint64_t all = 0;
        assert_int_equal(read(c.from, &m, sizeof m), sizeof m);
        int rc = linux_glibc_heap_resident(proc, c.pid, path, &resident[i], &err);
        if (rc)
            print_error("%s\n", err.text);
        assert_int_equal(rc, 0);
        linux_maps_each(proc, c.pid, anonymous, &all, NULL);
        assert_true((uint64_t)resident[i] <= all);
        end(c);
    }
    close(proc);
    assert_true(resident[1] >= 20 * 4096 && resident[1] <= 20 * 400000); // a page of each is touched
    assert_true(resident[2] > 6 * 100000);                               // 400 blocks of 2.5 kB a thread
    assert_int_equal(resident[3], resident[0]);                          // 8 MB of the program's own are not malloc's
}

// A program that allocates and frees without a pause: a count, when there is one, is one the heap has had.
static void *churn(void *arg)
{
    unsigned seed = 5;
    void *p[64] = {0};
    (void)arg;
    for (;;) {
        int i = rand_r(&seed) % 64;
        free(p[i]);
        p[i] = malloc(16 + (size_t)(rand_r(&seed) % 3000));
    }
    return NULL;
}

static void churning(unsigned seed)
{
    pthread_t t;
    mixed(seed);
    pthread_create(&t, NULL, churn, NULL);
}

static void a_heap_in_use_is_counted_or_not(void **state)
{
    (void)state;
    char path[512];
    libc_path(path);
    struct child c = begin(churning, 11);
    struct mallinfo2 m;
    assert_int_equal(read(c.from, &m, sizeof m), sizeof m);
    int proc = linux_proc_open(NULL), counted = 0;
    for (int i = 0; i < 50; i++) {
        struct linux_glibc_heap h;
        struct seep_err err;
        if (linux_glibc_heap_read(proc, c.pid, path, &h, &err)) {
            assert_int_equal(err.code, SEEP_E_CORRUPT);
            continue;
        }
        counted++;
        double away = (double)h.allocated_bytes - (double)(m.uordblks + m.hblkhd);
        assert_true(away > -400e3 && away < 400e3); // 64 blocks of 3 kB, and what the thread's cache keeps
    }
    assert_true(counted > 0);
    close(proc);
    end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_mallinfo_says),
        cmocka_unit_test(mallocs_memory_is_told_from_other_mappings),
        cmocka_unit_test(unknown_books_are_no_zero),
        cmocka_unit_test(a_heap_in_use_is_counted_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
