// flags: -fno-builtin
// Uses the allocator by its own names (tcmalloc's or mimalloc's, whichever is there, and the C library's): answers and
// errno at the edges, blocks that go from thread to thread and are freed by another name, forked children. Prints what
// it saw.
// usage: harm_names ROUNDS
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 6
#define PLACES  64
#define MAY_BE  __attribute__((weak))

void *__libc_malloc(size_t) MAY_BE;
void __libc_free(void *) MAY_BE;
void *mi_malloc(size_t) MAY_BE;
void *mi_zalloc_aligned(size_t, size_t) MAY_BE;
void *mi_calloc(size_t, size_t) MAY_BE;
void *mi_realloc(void *, size_t) MAY_BE;
void *mi_expand(void *, size_t) MAY_BE;
int mi_posix_memalign(void **, size_t, size_t) MAY_BE;
void mi_free(void *) MAY_BE;
void *mi_heap_new(void) MAY_BE;
void *mi_heap_malloc(void *, size_t) MAY_BE;
void mi_heap_destroy(void *) MAY_BE;
void *tc_malloc(size_t) MAY_BE;
void *tc_calloc(size_t, size_t) MAY_BE;
void *tc_realloc(void *, size_t) MAY_BE;
void *tc_new_nothrow(size_t, void *) MAY_BE;
int tc_posix_memalign(void **, size_t, size_t) MAY_BE;
void tc_free(void *) MAY_BE;
void tc_delete(void *) MAY_BE;

static void *places[PLACES];
static int bad;

static void expect(int ok, const char *what)
{
    if (ok)
        return;
    printf("not so: %s\n", what);
    __atomic_fetch_add(&bad, 1, __ATOMIC_RELAXED);
}

static void *give(unsigned pick, size_t n)
{
    void *p = NULL;
    if (pick % 5 == 0)
        return malloc(n);
    if (pick % 5 == 1)
        return __libc_malloc(n);
    if (mi_malloc)
        return pick % 5 == 2 ? mi_malloc(n) : pick % 5 == 3 ? mi_zalloc_aligned(n, 64) : mi_realloc(mi_malloc(8), n);
    if (pick % 5 == 2)
        return tc_posix_memalign(&p, 64, n) == 0 ? p : NULL;
    return pick % 5 == 3 ? tc_new_nothrow(n, NULL) : tc_realloc(tc_malloc(8), n);
}

static void take(unsigned pick, void *p)
{
    if (pick % 3 == 0)
        free(p);
    else if (pick % 3 == 1)
        __libc_free(p);
    else if (mi_free)
        mi_free(p);
    else
        (pick & 8 ? tc_delete : tc_free)(p);
}

// Each block begins with its length and ends with its lowest byte.
static void *churn(void *arg)
{
    uint32_t state = 77 + (uint32_t)(uintptr_t)arg;
    for (unsigned i = 0; i < 3000; i++) {
        state = state * 1664525 + 1013904223;
        uint32_t n = 16 + (state >> 8) % 3000;
        uint8_t *p = give(state >> 20, n), *old;
        memcpy(p, &n, sizeof n);
        p[n - 1] = (uint8_t)n;
        old = __atomic_exchange_n(&places[(state >> 12) % PLACES], p, __ATOMIC_ACQ_REL);
        if (!old)
            continue;
        memcpy(&n, old, sizeof n);
        expect(n < 3016 && old[n - 1] == (uint8_t)n, "a block is whole");
        take(state >> 24, old);
    }
    return NULL;
}

static void edges(void)
{
    void *p = malloc(1);
    errno = 77;
    if (mi_malloc) {
        mi_free(NULL);
        mi_free(mi_calloc(0, 0));
        expect(mi_realloc(p, SIZE_MAX / 4) == NULL && mi_calloc(SIZE_MAX / 2, 4) == NULL, "too much is refused");
        errno = 77;
        p = mi_realloc(p, 100000);
        expect(mi_expand(p, 1 << 30) == NULL, "no room in place");
        void *out = p;
        expect(mi_posix_memalign(&out, 3, 10) == EINVAL && out == p, "an alignment of three");
        void *heap = mi_heap_new();
        for (int i = 0; i < 500; i++)
            memset(mi_heap_malloc(heap, 100), 1, 100);
        mi_heap_destroy(heap);
    } else {
        tc_free(NULL);
        tc_free(tc_calloc(0, 0));
        p = tc_realloc(p, 100000);
        void *out = p;
        expect(tc_posix_memalign(&out, 3, 10) == EINVAL && out == p, "an alignment of three");
        expect(tc_realloc(tc_malloc(10), 0) == NULL, "realloc to nothing");
    }
    printf("errno %d\n", errno);
    free(p);
}

static void round_of_threads(void)
{
    pthread_t t[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, churn, (void *)i);
    pid_t child = fork();
    if (child == 0) {
        churn((void *)99);
        _exit(bad != 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    int status = -1;
    expect(waitpid(child, &status, 0) == child && status == 0, "the child is well");
}

int main(int argc, char **argv)
{
    if ((!mi_malloc && !tc_malloc) || !__libc_malloc)
        return 77; // neither is here
    setvbuf(stdout, NULL, _IONBF, 0);
    edges();
    for (int i = 0; i < (argc > 1 ? atoi(argv[1]) : 1); i++)
        round_of_threads();
    printf("%d bad\n", bad);
    return bad != 0;
}
