// flags: -fno-builtin
// An allocator within the program, as browsers have one: its first page is asked for under its lock, before any
// constructor ran, by functions that a probe may stand in front of. Whoever comes back to it from there would wait for
// ever; here it says so and ends with 3.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define POOL_BYTES (256u << 10)

static char *pool;
static size_t used;
static int locked;
static __thread int inside __attribute__((tls_model("initial-exec")));

static void enter(void)
{
    static const char text[] = "the allocator was entered from within\n";
    if (inside) {
        (void)!write(1, text, sizeof text - 1);
        _exit(3);
    }
    inside = 1;
    while (__atomic_exchange_n(&locked, 1, __ATOMIC_ACQUIRE))
        ;
}

static void leave(void)
{
    __atomic_store_n(&locked, 0, __ATOMIC_RELEASE);
    inside = 0;
}

static char *pages(void)
{
    if (syscall(SYS_gettid) <= 0)
        return NULL;
    char *p = mmap(NULL, POOL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

// Blocks are never reused; each has its size before it.
static void *take(size_t bytes, size_t alignment)
{
    enter();
    size_t at = 0;
    char *p = NULL;
    if (pool)
        at = (used + 16 + alignment - 1) & ~(alignment - 1);
    if (!pool || at + bytes > POOL_BYTES) {
        pool = bytes + 16 + alignment <= POOL_BYTES ? pages() : NULL;
        at = (16 + alignment - 1) & ~(alignment - 1);
    }
    if (pool) {
        p = pool + at;
        memcpy(p - 8, &bytes, sizeof bytes);
        used = at + bytes;
    }
    leave();
    if (!p)
        errno = ENOMEM;
    return p;
}

void *malloc(size_t bytes)
{
    return take(bytes, 16);
}

void *calloc(size_t n, size_t each)
{
    return take(n * each, 16); // pages are zero, and none is given twice
}

void *realloc(void *old, size_t bytes)
{
    size_t had = 0;
    void *p = take(bytes, 16);
    if (old)
        memcpy(&had, (char *)old - 8, sizeof had);
    if (p && old)
        memcpy(p, old, had < bytes ? had : bytes);
    return p;
}

int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    return (*out = take(bytes, alignment)) ? 0 : ENOMEM;
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return take(bytes, alignment);
}

void *memalign(size_t alignment, size_t bytes)
{
    return take(bytes, alignment);
}

void free(void *p)
{
    (void)p;
}

static char *first;

static void before_all(void)
{
    first = malloc(100);
    if (first)
        strcpy(first, "early");
}
__attribute__((section(".preinit_array"), used)) static void (*const preinit)(void) = before_all;

static void *work(void *arg)
{
    unsigned long *sum = arg;
    for (unsigned i = 0; i < 20000; i++) {
        unsigned char *p = calloc(1, i % 300 + 1);
        p[i % 300] = (unsigned char)i;
        *sum += p[i % 300];
        free(p);
    }
    return NULL;
}

int main(void)
{
    unsigned long sum[2] = {0, 0};
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, &sum[1]))
        return 1;
    work(&sum[0]);
    pthread_join(thread, NULL);
    printf("%s %lu %lu\n", first, sum[0], sum[1]);
    return 0;
}
