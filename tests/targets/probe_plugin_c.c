// flags: -shared -fPIC
// A plug-in that allocates and frees, for programs that load it where the probe does not see it.
#include <stdlib.h>

void *plugin_alloc(size_t n);
void *plugin_alloc(size_t n)
{
    return malloc(n);
}

void plugin_free(void *p);
void plugin_free(void *p)
{
    free(p);
}
