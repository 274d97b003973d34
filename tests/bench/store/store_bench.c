// What the store costs: time per tick, size of a run directory, time to read it back. Prints a table; not run by ctest.
// Usage: store_bench [DIRECTORY]   (default: the current one; a run directory is made below it and removed)
#include "base/clock.h"
#include "store/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_STACKS = 5000, SERIES = 60 };

static const char *where = ".";
static char path[300];
static int dir;
static unsigned seed;

static void must(int rc, const struct seep_err *err)
{
    if (rc == 0)
        return;
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

static void begin(void)
{
    seed = 1;
    snprintf(path, sizeof path, "%s/store-bench-XXXXXX", where);
    dir = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (dir < 0) {
        perror(where);
        exit(1);
    }
}

// Bytes of all files of the run but the reserve, which goes with the end record.
static double finish_mib(void)
{
    struct stat sb;
    double bytes = 0;
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        if (strcmp(e->d_name, "run.reserve") != 0 && fstatat(dir, e->d_name, &sb, 0) == 0)
            bytes += (double)sb.st_blocks * 512;
        unlinkat(dir, e->d_name, 0);
    }
    if (d)
        closedir(d);
    close(dir);
    rmdir(path);
    return bytes / (1 << 20);
}

static void names(struct store *st, uint32_t *series, uint32_t *stacks, int n_stacks)
{
    struct seep_err err;
    uint32_t module;
    must(store_module(st, &(struct store_module){"/usr/bin/target", "abcdef", 1 << 20}, &module, &err), &err);
    for (int i = 0; i < SERIES; i++) {
        char name[32];
        snprintf(name, sizeof name, "series.%d", i);
        must(store_series(st, name, "", "bytes", SERIES_GAUGE, &series[i], &err), &err);
    }
    for (int i = 0; i < n_stacks; i++) {
        struct store_frame f[20];
        for (int k = 0; k < 20; k++)
            f[k] = (struct store_frame){module, (uint64_t)(0x10000 + (k < 4 ? i * 64 + k : k * 4096))};
        must(store_stack(st, 0, f, 20, &stacks[i], &err), &err);
    }
}

// Values as sampled estimates are: fractions, rising, with a variance.
static struct store_stack_point point(uint32_t id, int64_t tick)
{
    double live = 65536.5 + (double)(rand_r(&seed) % 10000000) / 7, total = live + (double)tick * 123456.7;
    return (struct store_stack_point){id, live, live / 48, total, total / 48, live * 524288.3};
}

static int64_t tick(struct store *st, int64_t i, const uint32_t *series, const uint32_t *stacks, int n, int changed)
{
    static struct store_stack_point s[MAX_STACKS];
    struct store_point p[SERIES];
    struct seep_err err;
    for (int k = 0; k < SERIES; k++)
        p[k] = (struct store_point){series[k], (double)(400000000 + rand_r(&seed) % 1000000 * 4096LL)};
    for (int k = 0; k < changed; k++)
        s[k] = point(stacks[((int64_t)k + i * changed) % n], i);
    struct store_tick t = {.index = i,
                           .time = clock_read(),
                           .phase = PHASE_MEASURE,
                           .points = p,
                           .n_points = SERIES,
                           .stacks = changed ? s : NULL,
                           .n_stacks = (size_t)changed};
    int64_t from = clock_mono_ns();
    must(store_write_tick(st, &t, &err), &err);
    return clock_mono_ns() - from;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static struct store *create(uint32_t *series, uint32_t *stacks, int n_stacks, bool sync)
{
    struct store *st;
    struct seep_err err;
    begin();
    must(store_create(dir, &st, &err), &err);
    names(st, series, stacks, n_stacks);
    must(store_flush(st, &err), &err);
    if (!sync)
        sqlite3_exec(st->parts[0].db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
    return st;
}

static void tick_time(bool sync)
{
    enum { N = 400 };
    static uint32_t series[SERIES], stacks[MAX_STACKS];
    static int64_t ns[N];
    struct store *st = create(series, stacks, MAX_STACKS, sync);
    for (int i = 0; i < N; i++)
        ns[i] = tick(st, i, series, stacks, MAX_STACKS, 300);
    store_close(st);
    finish_mib();
    qsort(ns, N, sizeof *ns, by_value);
    printf("tick of 60 points and 300 stacks, %s fsync   median %7.3f ms   p99 %7.3f ms   most %7.3f ms\n",
           sync ? "with   " : "without", (double)ns[N / 2] / 1e6, (double)ns[N * 99 / 100] / 1e6,
           (double)ns[N - 1] / 1e6);
}

static double read_back_s(void)
{
    struct store *st;
    struct seep_err err;
    struct store_ticks t;
    struct store_stack_matrix mx;
    double *v;
    int64_t from = clock_mono_ns();
    must(store_open_read(dir, &st, &err), &err);
    must(store_read_ticks(st, &t, &err), &err);
    for (uint32_t id = 1; id <= SERIES; id++) {
        must(store_read_series(st, id, t.n, &v, &err), &err);
        free(v);
    }
    must(store_read_stack_matrix(st, &mx, &err), &err);
    double seconds = (double)(clock_mono_ns() - from) / 1e9;
    store_free_stack_matrix(&mx);
    store_free_ticks(&t);
    store_close(st);
    return seconds;
}

static void run_size(const char *what, int n_ticks, int n_stacks, int changed)
{
    static uint32_t series[SERIES], stacks[MAX_STACKS];
    struct store *st = create(series, stacks, n_stacks, false);
    for (int i = 0; i < n_ticks; i++)
        tick(st, i, series, stacks, n_stacks ? n_stacks : 1, changed);
    store_close(st);
    double cold = read_back_s();
    printf("%-52s %6.1f MiB   read back %6.3f s\n", what, finish_mib(), cold);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        where = argv[1];
    tick_time(true);
    tick_time(false);
    run_size("24 h: 289 ticks, 5000 stacks, all changing", 289, MAX_STACKS, MAX_STACKS);
    run_size("24 h: 289 ticks, 5000 stacks, 300 changing", 289, MAX_STACKS, 300);
    run_size("1 h of 250 ms ticks, 60 series", 14400, 0, 0);
    return 0;
}
