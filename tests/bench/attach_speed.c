// What seep attach leaves behind of speed: a program that does nothing but allocate and free, in nanoseconds of its own
// processor time a pair, before, while and after it is watched; and with mappings. Prints a table, checks nothing.
//
//   build/bench/attach_speed [ROUNDS=5]
//
// The budget that would end the watching of such a program (attribution.cost) is out of the way. Before and after
// alternate in each round; what is told are the medians and the median of the ratios within a round.
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCH      200
#define ROUNDS_MAX 50
#define PHASE_MS   1500

enum { BEFORE, WATCHED, AFTER, PHASES };
enum { PAIRS, MAPPINGS, KINDS };
static const char *const kind_names[KINDS] = {"malloc and free", "mmap and munmap"};

struct shared {
    atomic_int phase, kind;
    atomic_llong ns[PHASES], pairs[PHASES];
};

static long long cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void one_batch(int kind)
{
    for (int i = 0; i < BATCH; i++) {
        if (kind == PAIRS) {
            void *volatile p = malloc(100 + (size_t)i);
            free(p);
        } else {
            void *p = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            munmap(p, 65536);
        }
    }
}

static void work(struct shared *s)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int phase = atomic_load(&s->phase), kind = atomic_load(&s->kind);
        long long began = cpu_ns();
        one_batch(kind);
        long long spent = cpu_ns() - began;
        if (phase != atomic_load(&s->phase) || phase == PHASES)
            continue;
        atomic_fetch_add(&s->ns[phase], spent);
        atomic_fetch_add(&s->pairs[phase], BATCH);
    }
}

static void nap(int ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

static void attend(struct shared *s, int phase)
{
    atomic_store(&s->ns[phase], 0);
    atomic_store(&s->pairs[phase], 0);
    atomic_store(&s->phase, phase);
    nap(PHASE_MS);
    atomic_store(&s->phase, PHASES); // nothing counts
}

static void watch(struct shared *s, pid_t target, const char *results)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)target);
    pid_t seep = fork();
    if (seep == 0) {
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
            _exit(127);
        execl(SEEP_BUILD_DIR "/bin/seep", "seep", "attach", "-q", "--results", results, "--duration", "5s",
              "--interval", "250ms", "-o", "attribution.cost=60s", "-o", "attribution.memory=64MiB", pid, (char *)NULL);
        _exit(127);
    }
    nap(2500); // it finds its points, and its first stacks are known
    attend(s, WATCHED);
    int status = 0;
    waitpid(seep, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) == 2 || WEXITSTATUS(status) == 127)
        fprintf(stderr, "attach_speed: seep attach did not run (status %d)\n", status);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, compare);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void measure(struct shared *s, pid_t target, const char *results, int kind, int rounds)
{
    double ns[PHASES][ROUNDS_MAX], ratio[ROUNDS_MAX];
    atomic_store(&s->kind, kind);
    for (int i = 0; i < rounds; i++) {
        attend(s, BEFORE);
        watch(s, target, results);
        attend(s, AFTER);
        for (int p = 0; p < PHASES; p++)
            ns[p][i] =
                (double)atomic_load(&s->ns[p]) / (double)(atomic_load(&s->pairs[p]) + !atomic_load(&s->pairs[p]));
        ratio[i] = ns[AFTER][i] / ns[BEFORE][i];
    }
    printf("%-16s %12.1f %12.1f %12.1f %10.3f\n", kind_names[kind], median(ns[BEFORE], rounds),
           median(ns[WATCHED], rounds), median(ns[AFTER], rounds), median(ratio, rounds));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    char results[] = "/tmp/seep-attach-speed.XXXXXX", command[64];
    struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (rounds < 1 || rounds > ROUNDS_MAX || s == MAP_FAILED || !mkdtemp(results))
        return 2;
    atomic_store(&s->phase, PHASES);
    pid_t target = fork();
    if (target == 0)
        work(s);
    printf("ns a pair        %12s %12s %12s %10s\n", "before", "watched", "after", "after/before");
    for (int kind = 0; kind < KINDS; kind++)
        measure(s, target, results, kind, rounds);
    kill(target, SIGKILL);
    waitpid(target, NULL, 0);
    snprintf(command, sizeof command, "rm -rf %s", results);
    return system(command) != 0;
}
