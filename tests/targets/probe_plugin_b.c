// flags: -shared -fPIC
// The twin of probe_plugin_a: the same entry point, another frame size and another place of the call.
#include <stdlib.h>
#include <string.h>

static volatile int sink;

static __attribute__((noinline)) void *inner(size_t n)
{
    volatile char pad[304];
    pad[n % 300] = 1;
    void *p = malloc(n);
    sink += pad[n % 300];
    return p;
}

void *plugin_alloc(size_t n);
void *plugin_alloc(size_t n)
{
    void *p = inner(n);
    sink += 7;
    return p;
}
