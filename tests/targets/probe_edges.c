// The edges of the malloc family: prints every result and errno that the standard or the C library fixes, so that two
// runs can be compared byte by byte. Addresses are never printed, alignments are.
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void show(const char *what, void *p, size_t align)
{
    printf("%s %s %d %d\n", what, p ? "block" : "null", errno, p && align ? (int)((uintptr_t)p % align) : 0);
    errno = 0;
}

int main(void)
{
    volatile size_t huge = SIZE_MAX / 2 + 10, zero = 0;
    void *p = malloc(zero), *q = NULL;
    errno = 0;
    show("malloc 0", p, 16);
    free(p);
    free(NULL);
    show("malloc huge", malloc(huge), 0);
    show("calloc overflow", calloc(huge, 4), 0);
    p = malloc(100);
    memset(p, 'x', 100);
    show("realloc huge", realloc(p, huge), 0);
    printf("kept %c\n", ((char *)p)[99]);
    show("reallocarray overflow", reallocarray(p, huge, 4), 0);
    p = reallocarray(p, 50, 4);
    show("reallocarray", p, 16);
    printf("kept %c\n", ((char *)p)[99]);
    show("realloc 0", realloc(p, zero), 0);
    show("realloc null", p = realloc(NULL, 10), 16);
    printf("usable >= %d, of null %zu\n", malloc_usable_size(p) >= 10, malloc_usable_size(NULL));
    errno = EDOM;
    free(p);
    printf("errno after free %d\n", errno);
    errno = 0;
    printf("posix_memalign 3: %d\n", posix_memalign(&q, 3, 100));
    printf("posix_memalign 0: %d\n", posix_memalign(&q, 0, 100));
    printf("posix_memalign 4096: %d\n", posix_memalign(&q, 4096, 100));
    show("posix_memalign", q, 4096);
    free(q);
    show("aligned_alloc", p = aligned_alloc(64, 128), 64);
    free(p);
    int of_glibc = dlsym(RTLD_DEFAULT, "mallctl") == NULL; // jemalloc wants powers of two, and knows no pvalloc
    if (of_glibc) {
        show("memalign 48", p = memalign(48, 100), 16);
        free(p);
    }
    show("valloc", p = valloc(10), 4096);
    free(p);
    if (of_glibc) {
        show("pvalloc", p = pvalloc(10), 4096);
        free(p);
    }
    char *s = strdup("text"), *t = NULL;
    printf("%s %d %s\n", s, asprintf(&t, "%d", 42), t);
    free(s);
    free(t);
    p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("munmap %d %d\n", munmap((char *)p + 4096, 8192), munmap(p, 65536));
    errno = 0;
    show("mmap bad", mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? NULL : p, 0);
    printf("munmap bad %d %d\n", munmap((void *)1, 4096), errno);
    for (size_t n = 1; n < 1 << 20; n = n * 3 + 1) {
        char *b = calloc(1, n);
        size_t sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += (unsigned char)b[i];
        b = realloc(b, 2 * n);
        b[2 * n - 1] = 1;
        printf("%zu %zu\n", n, sum);
        free(b);
    }
    return 0;
}
