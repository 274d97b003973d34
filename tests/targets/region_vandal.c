// Turns on the region it shares with seep: writes anything into it, tells lies in it, tears holes into it. The program
// allocates nothing from then on, for what the probe then finds is its own doing. usage: region_vandal
// scribble|lie|tear SECONDS
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../probes/seep_region.h"

static uint8_t *region;
static size_t bytes, there; // mapped, and allocated by the keeper
static char link_of_map[96];
static struct seep_layout layout;
static void *volatile leaked;

static int find_region(void)
{
    char line[512], path[256];
    unsigned long from, to;
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f)) {
        path[0] = 0;
        if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %255s", &from, &to, path) == 3 && !strncmp(path, "/memfd:seep", 11)) {
            region = (uint8_t *)from;
            bytes = to - from;
            snprintf(link_of_map, sizeof link_of_map, "/proc/self/map_files/%lx-%lx", from, to);
        }
    }
    if (f)
        fclose(f);
    if (!region || seep_layout_compute(bytes, &layout) < 0)
        return -1;
    there = ((const struct seep_control *)(region + layout.control_offset))->committed_bytes;
    return there <= bytes ? 0 : -1;
}

// Without a stream, whose buffer would be allocated.
static void say(const char *what, const char *how)
{
    char line[128];
    size_t n = 0;
    for (const char *c = what; *c && n < 60; c++)
        line[n++] = *c;
    if (*how)
        line[n++] = ' ';
    for (const char *c = how; *c && n < 120; c++)
        line[n++] = *c;
    line[n++] = '\n';
    if (write(1, line, n) < 0)
        _exit(1);
}

static const char *result(int failed)
{
    return !failed ? "done" : errno == EPERM ? "not permitted" : "failed";
}

static uint64_t next(void)
{
    static uint64_t x = 88172645463325252ull;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void put(uint64_t at, uint64_t value)
{
    if (at + 8 <= there)
        __atomic_store_n((uint64_t *)(region + (at & ~7ull)), value, __ATOMIC_RELAXED);
}

static void scribble(double until_s)
{
    static const uint64_t nasty[] = {0, 1, UINT64_MAX, UINT32_MAX, 1ull << 63, 300};
    while (now_s() < until_s)
        for (int i = 0; i < 20000; i++) {
            uint64_t value = next() % 3 ? next() : nasty[next() % 6];
            // The header most of all, the control page, and everything else.
            put(next() % 4 == 0   ? next() % 4096
                : next() % 4 == 0 ? layout.control_offset + next() % sizeof(struct seep_control)
                                  : next() % there,
                value);
        }
}

static void lie(double until_s)
{
    struct seep_header *h = (struct seep_header *)region;
    struct seep_thread_slot *slot = (struct seep_thread_slot *)(region + layout.threads_offset);
    while (now_s() < until_s) {
        uint32_t chunk = *(uint32_t *)(region + layout.stack_dir_offset);
        struct seep_stack *stack =
            (struct seep_stack *)(region + layout.pool_offset + (uint64_t)chunk * SEEP_CHUNK_BYTES);
        h->pid = 1;
        for (unsigned i = 0; i < SEEP_THREAD_SLOTS; i++)
            slot[i].alloc_bytes += 1000000000000000000ull / SEEP_THREAD_SLOTS;
        for (unsigned i = SEEP_STACK_FIRST; i < SEEP_STACKS_PER_CHUNK; i++) {
            stack[i].shared.alloc_bytes += 1000000000000000ull;
            stack[i].shared.alloc_blocks_q8 += 256;
        }
        usleep(100000);
    }
}

static void tear(double until_s)
{
    int fd = open(link_of_map, O_RDWR);
    if (fd >= 0) {
        say("shrink", result(ftruncate(fd, 4096)));
        say("grow", result(ftruncate(fd, (off_t)bytes * 2)));
        close(fd);
    }
    while (now_s() < until_s) {
        uint64_t at = next() % there & ~4095ull;
        madvise(region + at, 4096 * (1 + next() % 64), MADV_REMOVE);
        usleep(2000);
    }
    say("unmap", result(syscall(SYS_munmap, region, bytes) != 0)); // not through the probe, which would look there
    usleep(1500000);
}

static void on_term(int sig)
{
    (void)sig;
    _exit(0);
}

int main(int argc, char **argv)
{
    for (int i = 0; i < 1000; i++)
        leaked = malloc(100);
    if (argc < 3 || find_region() < 0)
        return 77;
    signal(SIGTERM, on_term);
    double until_s = now_s() + atof(argv[2]);
    say(argv[1], "");
    (!strcmp(argv[1], "scribble") ? scribble : !strcmp(argv[1], "lie") ? lie : tear)(until_s);
    say("over", "");
    _exit(0);
}
