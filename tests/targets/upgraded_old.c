// flags: -shared -fPIC -g
// A library that leaks, as it is when a program loads it; upgraded_new takes its place while the program runs.
#include <stdlib.h>

static void *volatile kept;

static __attribute__((noinline)) void old_record_new(size_t n)
{
    kept = malloc(n);
}

void library_leak(void);
void library_leak(void)
{
    old_record_new(1000);
    __asm__ volatile("" : : : "memory");
}
