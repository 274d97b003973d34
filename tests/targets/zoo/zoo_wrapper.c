// A library that others preload: wraps malloc and free, and passes on to the next.
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

void *malloc(size_t size);
void free(void *p);

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

void *malloc(size_t size)
{
    static void *(*real)(size_t);
    if (!real) {
        void *symbol = next("malloc");
        memcpy(&real, &symbol, sizeof real);
    }
    return real(size);
}

void free(void *p)
{
    static void (*real)(void *);
    if (!real) {
        void *symbol = next("free");
        memcpy(&real, &symbol, sizeof real);
    }
    real(p);
}
