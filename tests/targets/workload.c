// libs: m
// A program whose memory behaves as its arguments say, so that the truth about its growth is known:
//
//   workload [seconds=S] [seed=N] [rate=OPS/s] [live=BLOCKS] [sizes=small|heavy] [base=BYTES]
//            [leak=BYTES/s] [block=BYTES] [every=S] [after=S] [untouched=1]
//            [fill=BYTES] [tau=S] [saw=BYTES] [period=S] [step=BYTES] [at=S] [map=BYTES/s]
//
// Always: `rate` operations a second, each replacing one of `live` blocks through one of eight call paths; small sizes
// are 16 to 512 bytes, heavy ones follow a power law up to 256 KiB. `leak` forgets blocks of `block` bytes, in bursts
// `every` so many seconds, from `after` on, never written to with `untouched`. `fill` is a cache that approaches its
// size with the time constant `tau`; `saw` a batch that grows to its size in `period` and is dropped; `step` a table
// made once `at` a time; `map` forgets mappings rather than heap. At the end it prints what it lost. SIGTERM ends it
// with status 0.
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define LIVE_MAX  200000
#define CHUNK     4096
#define CHUNK_MAX (512 * 1024)

static struct {
    double seconds, rate, live, base, leak, block, every, after, fill, tau, saw, period, step, at, map, untouched, seed;
    int heavy;
} opt = {.rate = 2000, .live = 500, .block = 200, .tau = 10, .period = 5, .at = 10, .seed = 1};

static volatile sig_atomic_t stop;
static void *live[LIVE_MAX];
static uint64_t random_state;
static double leaked, mapped;

static void on_term(int sig)
{
    (void)sig;
    stop = 1;
}

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double uniform(void) // (0, 1]
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return ((double)(random_state >> 11) + 1) / 9007199254740992.0;
}

static size_t size_of_request(void)
{
    if (!opt.heavy)
        return 16 + (size_t)(496 * uniform());
    double size = 64 / pow(uniform(), 1 / 1.1); // Pareto: most are tiny, a few hold most of the bytes
    return size > 262144 ? 262144 : (size_t)size;
}

static void *filled(size_t n)
{
    char *p = malloc(n);
    if (p)
        memset(p, 0x5a, n);
    return p;
}

#define PATH(name)                                                                                                     \
    __attribute__((noinline)) static void *name(size_t n)                                                              \
    {                                                                                                                  \
        void *p = filled(n);                                                                                           \
        __asm__ volatile("" : : "r"(p) : "memory"); /* no tail call: the path keeps its frame */                       \
        return p;                                                                                                      \
    }
PATH(path_login)
PATH(path_list)
PATH(path_search)
PATH(path_upload)
PATH(path_render)
PATH(path_notify)
PATH(path_export)
PATH(path_import)
static void *(*const paths[])(size_t) = {path_login,  path_list,   path_search, path_upload,
                                         path_render, path_notify, path_export, path_import};

__attribute__((noinline)) static void operate(void)
{
    size_t slot = (size_t)((opt.live - 1) * uniform());
    free(live[slot]);
    live[slot] = paths[(unsigned)(8 * uniform()) & 7](size_of_request());
}

__attribute__((noinline)) static void forget_record(void)
{
    size_t n = (size_t)opt.block;
    void *p = opt.untouched > 0 ? malloc(n) : filled(n);
    __asm__ volatile("" : : "r"(p) : "memory");
    leaked += p ? (double)n : 0;
}

// Bytes that should have been lost by time t: a line from `after` on, or the same line in bursts.
static double owed(double rate, double t)
{
    double since = t - opt.after;
    if (since <= 0)
        return 0;
    return rate * (opt.every > 0 ? floor(since / opt.every) * opt.every : since);
}

__attribute__((noinline)) static void forget_mapping(void)
{
    char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED) {
        memset(p, 1, 65536);
        mapped += 65536;
    }
}

// A set of chunks that is kept at a wanted size.
struct hoard {
    void *chunk[CHUNK_MAX];
    size_t n;
};
static struct hoard cache, batch;

__attribute__((noinline)) static void keep_at(struct hoard *h, double bytes)
{
    size_t want = bytes <= 0 ? 0 : (size_t)(bytes / CHUNK);
    want = want > CHUNK_MAX ? CHUNK_MAX : want;
    while (h->n < want)
        h->chunk[h->n++] = filled(CHUNK);
    while (h->n > want)
        free(h->chunk[--h->n]);
}

static void *table;

static void at_time(double t)
{
    while (leaked + opt.block <= owed(opt.leak, t))
        forget_record();
    while (mapped + 65536 <= owed(opt.map, t))
        forget_mapping();
    if (opt.fill > 0)
        keep_at(&cache, opt.fill * (1 - exp(-t / opt.tau)));
    if (opt.saw > 0)
        keep_at(&batch, opt.saw * fmod(t, opt.period) / opt.period);
    if (opt.step > 0 && !table && t >= opt.at)
        table = filled((size_t)opt.step);
}

static void serve(void)
{
    double begin = now_s(), done = 0, t;
    while (!stop && ((t = now_s() - begin) < opt.seconds || opt.seconds == 0)) {
        at_time(t);
        if (t * opt.rate - done > opt.rate / 2)
            done = t * opt.rate - opt.rate / 2; // after a stall of the machine: not all at once
        for (; done < t * opt.rate; done++)
            operate();
        usleep(5000);
    }
}

static int set(const char *name, const char *value)
{
    static const struct {
        const char *name;
        double *at;
    } known[] = {{"seconds", &opt.seconds},    {"seed", &opt.seed}, {"rate", &opt.rate},   {"live", &opt.live},
                 {"base", &opt.base},          {"leak", &opt.leak}, {"block", &opt.block}, {"every", &opt.every},
                 {"after", &opt.after},        {"fill", &opt.fill}, {"tau", &opt.tau},     {"saw", &opt.saw},
                 {"period", &opt.period},      {"step", &opt.step}, {"at", &opt.at},       {"map", &opt.map},
                 {"untouched", &opt.untouched}};
    if (!strcmp(name, "sizes")) {
        opt.heavy = !strcmp(value, "heavy");
        return opt.heavy || !strcmp(value, "small") ? 0 : -1;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(name, known[i].name)) {
            char *end;
            *known[i].at = strtod(value, &end);
            return *value && !*end ? 0 : -1;
        }
    return -1;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (equals)
            *equals = '\0';
        if (!equals || set(argv[i], equals + 1) != 0) {
            fprintf(stderr, "workload: '%s' is not understood\n", argv[i]);
            return 2;
        }
    }
    if (opt.live < 1 || opt.live > LIVE_MAX || opt.block < 1) {
        fprintf(stderr, "workload: live is 1 to %d, block at least 1\n", LIVE_MAX);
        return 2;
    }
    random_state = 88172645463325252u ^ ((uint64_t)opt.seed * 2654435761u);
    signal(SIGTERM, on_term);
    void *base = opt.base > 0 ? filled((size_t)opt.base) : NULL;
    serve();
    printf("leaked %.0f mapped %.0f cached %zu\n", leaked, mapped, cache.n * (size_t)CHUNK);
    for (size_t i = 0; i < LIVE_MAX; i++)
        free(live[i]);
    keep_at(&cache, 0);
    keep_at(&batch, 0);
    free(table);
    free(base);
    return 0;
}
