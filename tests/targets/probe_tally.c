// Allocates from eight call sites through sixteen frames, in as many threads as asked for, frees part of it, prints its
// own tally of what is live per call site, and waits to be killed (or for a line on its standard input).
// usage: probe_tally THREADS ROUNDS
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SITES 8
#define DEPTH 16
#define KEEP  512

struct worker {
    pthread_t thread;
    unsigned rounds, seed;
    void *kept[KEEP];
    size_t size[KEEP];
    unsigned site[KEEP];
    uint64_t live_bytes[SITES], live_blocks[SITES], alloc_blocks[SITES];
};

static volatile int sink;

#define SITE(n)                                                                                                        \
    static __attribute__((noinline)) void *site_##n(size_t size, unsigned how)                                         \
    {                                                                                                                  \
        void *p = how == 0 ? malloc(size) : how == 1 ? calloc(1, size) : realloc(NULL, size);                          \
        sink += n;                                                                                                     \
        return p;                                                                                                      \
    }
SITE(0)
SITE(1)
SITE(2)
SITE(3)
SITE(4)
SITE(5)
SITE(6)
SITE(7)
static void *(*const sites[SITES])(size_t, unsigned) = {site_0, site_1, site_2, site_3, site_4, site_5, site_6, site_7};

static __attribute__((noinline, noclone)) void *down(unsigned depth, unsigned site, size_t size, unsigned how)
{
    char pad[depth % 3 * 40 + 8]; // frames of varying size
    memset(pad, (int)depth, sizeof pad);
    void *p = depth ? down(depth - 1, site, size, how) : sites[site](size, how);
    sink += pad[depth % 8];
    return p;
}

static void drop(struct worker *w, unsigned i)
{
    if (!w->kept[i])
        return;
    w->live_bytes[w->site[i]] -= w->size[i];
    w->live_blocks[w->site[i]]--;
    free(w->kept[i]);
    w->kept[i] = NULL;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    uint32_t x = w->seed;
    for (unsigned n = 0; n < w->rounds; n++) {
        x = x * 1664525 + 1013904223;
        unsigned i = (x >> 8) % KEEP, site = (x >> 20) % SITES;
        drop(w, i);
        if ((x >> 28) == 0)
            continue;
        w->size[i] = (x >> 12) % 100 == 0 ? 200000 + (x >> 16) : 1 + (x >> 10) % 700;
        w->site[i] = site;
        w->kept[i] = down(DEPTH - 1, site, w->size[i], (x >> 24) % 3);
        w->live_bytes[site] += w->size[i];
        w->live_blocks[site]++;
        w->alloc_blocks[site]++;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned threads = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 10000;
    struct worker *w = calloc(threads, sizeof *w);
    for (unsigned i = 0; i < threads; i++) {
        w[i].rounds = rounds;
        w[i].seed = i * 7919 + 1;
        if (threads == 1)
            work(&w[i]);
        else
            pthread_create(&w[i].thread, NULL, work, &w[i]);
    }
    for (unsigned i = 0; threads > 1 && i < threads; i++)
        pthread_join(w[i].thread, NULL);
    for (unsigned s = 0; s < SITES; s++) {
        uint64_t bytes = 0, blocks = 0, allocs = 0;
        for (unsigned i = 0; i < threads; i++) {
            bytes += w[i].live_bytes[s];
            blocks += w[i].live_blocks[s];
            allocs += w[i].alloc_blocks[s];
        }
        dprintf(1, "site %lx %lx %llu %llu %llu\n", (unsigned long)sites[s], (unsigned long)down,
                (unsigned long long)bytes, (unsigned long long)blocks, (unsigned long long)allocs);
    }
    dprintf(1, "ready\n");
    char line[8];
    return read(0, line, sizeof line) < 0;
}
