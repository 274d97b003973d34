// Nothing but malloc and free through 12 to 20 frames with 64 MB live: the worst case for attribution.
// usage: churn THREADS ROUNDS
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LIVE 200000

struct worker {
    pthread_t thread;
    unsigned rounds, seed, slots;
    void **kept;
};

static volatile int sink;

#define LEVEL(name, next)                                                                                              \
    static __attribute__((noinline)) void *name##_a(unsigned path, size_t n)                                           \
    {                                                                                                                  \
        void *p = path & 1 ? next##_a(path >> 1, n) : next##_b(path >> 1, n);                                          \
        sink++;                                                                                                        \
        return p;                                                                                                      \
    }                                                                                                                  \
    static __attribute__((noinline)) void *name##_b(unsigned path, size_t n)                                           \
    {                                                                                                                  \
        void *p = path & 1 ? next##_a(path >> 1, n) : next##_b(path >> 1, n);                                          \
        sink += 2;                                                                                                     \
        return p;                                                                                                      \
    }
static __attribute__((noinline)) void *leaf_a(unsigned path, size_t n)
{
    void *p = malloc(n);
    sink += (int)path;
    return p;
}
static __attribute__((noinline)) void *leaf_b(unsigned path, size_t n)
{
    void *p = calloc(1, n);
    sink -= (int)path;
    return p;
}
LEVEL(l9, leaf)
LEVEL(l8, l9)
LEVEL(l7, l8)
LEVEL(l6, l7)
LEVEL(l5, l6)
LEVEL(l4, l5)
LEVEL(l3, l4)
LEVEL(l2, l3)
LEVEL(l1, l2)

static __attribute__((noinline, noclone)) void *enter(unsigned extra, unsigned path, size_t n)
{
    void *p = extra ? enter(extra - 1, path, n) : l1_a(path, n);
    sink++;
    return p;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    uint64_t x = w->seed * 0x9e3779b97f4a7c15ull + 1;
    for (unsigned i = 0; i < w->rounds; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        unsigned slot = (unsigned)(x >> 20) % w->slots;
        free(w->kept[slot]);
        // one in four of the paths at most: 1024 would be more stacks than a program's hot loop has
        w->kept[slot] = enter((unsigned)(x >> 8) % 8, (unsigned)(x >> 40) & 0x7f, 16 + (x >> 50) % 600);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned threads = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1000000;
    struct worker *w = calloc(threads, sizeof *w);
    for (unsigned i = 0; i < threads; i++) {
        w[i] = (struct worker){.rounds = rounds, .seed = i + 1, .slots = LIVE / threads};
        w[i].kept = calloc(w[i].slots, sizeof *w[i].kept);
        pthread_create(&w[i].thread, NULL, work, &w[i]);
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(w[i].thread, NULL);
    return 0;
}
