// flags: -shared -fPIC -g
// A library that leaks, as it is after an upgrade: other functions at the same places.
#include <stdlib.h>

static void *volatile kept;

static __attribute__((noinline)) void new_session_copy(size_t n)
{
    kept = malloc(n);
}

void library_leak(void);
void library_leak(void)
{
    new_session_copy(1000);
    __asm__ volatile("" : : : "memory");
}
