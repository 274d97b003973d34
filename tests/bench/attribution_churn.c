// What attribution costs: the same work bare, under the probe turned off, exact and sampled; interleaved, medians of
// self CPU time. Prints one table; no limits are checked here.
// usage: attribution_churn [ROUNDS]   (default 7)
#include "region_server.c"

#include <sys/resource.h>

struct mode {
    const char *name;
    int preload;
    uint64_t mean;
    unsigned most;
};
static const struct mode modes[] = {
    {"bare", 0, 0, 0},
    {"probe off", 1, 0, 0},
    {"exact", 1, 0, REGION_SERVER_MAX},
    {"sampled 512 KiB", 1, 512 << 10, REGION_SERVER_MAX},
    {"sampled 64 KiB", 1, 64 << 10, REGION_SERVER_MAX},
};
#define MODES (sizeof modes / sizeof *modes)

static double run_once(const struct mode *m, char *const argv[])
{
    struct region_server s = {.mean_bytes = m->mean, .region_bytes = 256 << 20};
    if (m->preload)
        region_server_start(&s, 0);
    if (m->preload && !m->most)
        snprintf(s.setting, sizeof s.setting, "none");
    struct rusage before, after;
    getrusage(RUSAGE_CHILDREN, &before);
    int status = region_run(m->preload ? &s : NULL, argv, NULL, NULL, 0, 120);
    getrusage(RUSAGE_CHILDREN, &after);
    need(status == 0, "target");
    if (m->preload)
        region_server_stop(&s);
    return (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) +
           (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec -
                    before.ru_stime.tv_usec) /
               1e6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void table(const char *title, char *const argv[], int rounds)
{
    double t[MODES][64];
    for (int i = 0; i < rounds; i++)
        for (size_t m = 0; m < MODES; m++)
            t[m][i] = run_once(&modes[m], argv);
    for (size_t m = 0; m < MODES; m++)
        qsort(t[m], (size_t)rounds, sizeof t[m][0], by_value);
    for (size_t m = 0; m < MODES; m++)
        printf("%-16s %-16s %7.3f s  %5.2f of bare  %5.2f of the empty interposer\n", m ? "" : title, modes[m].name,
               t[m][rounds / 2], t[m][rounds / 2] / t[0][rounds / 2], t[m][rounds / 2] / t[1][rounds / 2]);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 7;
    rounds = rounds < 1 ? 1 : rounds > 64 ? 64 : rounds;
    char *churn[] = {SEEP_BUILD_DIR "/targets/probe_churn", "1", "3000000", NULL};
    char *two[] = {SEEP_BUILD_DIR "/targets/probe_churn", "2", "1500000", NULL};
    table("churn", churn, rounds);
    table("churn, 2 threads", two, rounds);
    return 0;
}
