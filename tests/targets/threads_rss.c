// Many threads alive at once, each of which has allocated and freed: how much memory one more takes. Prints "BYTES a
// thread", of the process's resident memory. usage: threads_rss THREADS
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_barrier_t all_there, all_done;

static void *work(void *arg)
{
    void *volatile p = malloc(100 + (size_t)arg % 100);
    free(p);
    p = malloc(24);
    pthread_barrier_wait(&all_there);
    pthread_barrier_wait(&all_done);
    free(p);
    return NULL;
}

static long resident_bytes(void)
{
    char line[256];
    long kib = -1;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Rss: %ld kB", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib * 1024;
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? (size_t)atol(argv[1]) : 1000;
    pthread_t *t = calloc(n, sizeof *t);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    pthread_barrier_init(&all_there, NULL, (unsigned)n + 1);
    pthread_barrier_init(&all_done, NULL, (unsigned)n + 1);
    long before = resident_bytes();
    for (size_t i = 0; i < n; i++)
        if (!t || pthread_create(&t[i], &small, work, (void *)i) != 0)
            return 77;
    pthread_barrier_wait(&all_there);
    printf("%ld a thread\n", (resident_bytes() - before) / (long)n);
    pthread_barrier_wait(&all_done);
    for (size_t i = 0; i < n; i++)
        pthread_join(t[i], NULL);
    return 0;
}
