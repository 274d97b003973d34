// flags: -shared -fPIC
// A plug-in that allocates; its twin has other code at the same addresses.
#include <stdlib.h>

static volatile int sink;

void *plugin_alloc(size_t n);
void *plugin_alloc(size_t n)
{
    void *p = malloc(n);
    sink++;
    return p;
}
