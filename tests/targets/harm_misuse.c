// Uses the heap in ways the C library notices and ends the program for, or answers with an error: the message, the
// signal and the answers must be the library's own.
// usage: harm_misuse double_free|bad_free|realloc_freed|overrun|sizes
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void free_sized(void *p, size_t n) __attribute__((weak));
void *volatile out_of_sight; // or the compiler sees through it all

static void sizes(void)
{
    volatile size_t zero = 0, odd = 24, huge = SIZE_MAX;
    errno = 0;
    void *p = realloc(malloc(10), zero);
    printf("realloc to 0: %s errno %d\n", p ? "block" : "null", errno);
    errno = 0;
    p = memalign(odd, 100);
    printf("memalign 24: %s aligned to 32 %d errno %d\n", p ? "block" : "null", (int)((uintptr_t)p % 32), errno);
    free(p);
    errno = 0;
    p = aligned_alloc(odd, 100);
    printf("aligned_alloc 24: %s errno %d\n", p ? "block" : "null", errno);
    free(p);
    errno = 0;
    p = calloc(huge / 2, 3);
    printf("calloc overflow: %s errno %d\n", p ? "block" : "null", errno);
    errno = 0;
    p = valloc(huge);
    printf("valloc huge: %s errno %d\n", p ? "block" : "null", errno);
    errno = 0;
    p = pvalloc(huge - 5000);
    printf("pvalloc huge: %s errno %d\n", p ? "block" : "null", errno);
    errno = EILSEQ;
    free(NULL);
    free(malloc(300000)); // mapped by itself: goes back by munmap
    printf("errno after free: %d\n", errno);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "sizes";
    char *p = out_of_sight = malloc(2000), *q = out_of_sight = malloc(100), *volatile guard = malloc(2000);
    setvbuf(stdout, NULL, _IONBF, 0);
    printf("%s\n", how);
    if (!strcmp(how, "double_free")) {
        free(q);
        free(out_of_sight = q);
    } else if (!strcmp(how, "bad_free")) {
        out_of_sight = p + 16;
        free(out_of_sight);
    } else if (!strcmp(how, "realloc_freed")) {
        free(p);
        out_of_sight = realloc(out_of_sight = p, 100000);
    } else if (!strcmp(how, "overrun")) {
        memset(out_of_sight = p, 0xff, (size_t)malloc_usable_size(p) + 8);
        free(p);
        free(q);
        free(guard);
        free(malloc(3000));
    } else {
        sizes();
    }
    puts("went on");
    return 0;
}
