// Threads: many short ones one after another, or many alive at once. Each allocates three blocks and frees two.
// usage: threads short N    prints microseconds of wall time per thread
//        threads many N     prints the resident KiB of the process while N threads are alive
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pthread_barrier_t arrived, leave;
static int many;

static void *work(void *arg)
{
    char *a = malloc(100), *b = malloc(200), *c = malloc(40);
    a[0] = b[0] = c[0] = (char)(size_t)arg;
    free(a);
    free(b);
    if (many) {
        pthread_barrier_wait(&arrived);
        pthread_barrier_wait(&leave);
    }
    free(c);
    return NULL;
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static long resident_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib;
}

static int run_short(unsigned long n)
{
    double start = now_us();
    for (unsigned long i = 0; i < n; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, work, NULL) != 0)
            return 1;
        pthread_join(t, NULL);
    }
    printf("%.3f us a thread\n", (now_us() - start) / (double)n);
    return 0;
}

static int run_many(unsigned long n)
{
    pthread_t *t = calloc(n, sizeof *t);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 64 << 10);
    pthread_barrier_init(&arrived, NULL, (unsigned)n + 1);
    pthread_barrier_init(&leave, NULL, (unsigned)n + 1);
    for (unsigned long i = 0; i < n; i++)
        if (pthread_create(&t[i], &attr, work, NULL) != 0)
            return 1;
    pthread_barrier_wait(&arrived);
    printf("%ld KiB resident\n", resident_kib());
    fflush(stdout);
    pthread_barrier_wait(&leave);
    for (unsigned long i = 0; i < n; i++)
        pthread_join(t[i], NULL);
    free(t);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned long n = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;
    many = argc > 1 && strcmp(argv[1], "many") == 0;
    return many ? run_many(n) : run_short(n);
}
