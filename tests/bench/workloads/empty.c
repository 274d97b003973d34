// An interposer that does nothing but hand each call on: what any preloaded library costs at the least, and so what the
// probe's sampled mode is measured against.
#include <dlfcn.h>
#include <stddef.h>

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);

// The C library's dlsym allocates nothing since 2.36, and the constructor runs before any other thread.
static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void find(void)
{
    void *p[] = {next("malloc"), next("calloc"), next("realloc"), next("free")};
    __builtin_memcpy(&real_malloc, &p[0], sizeof p[0]);
    __builtin_memcpy(&real_calloc, &p[1], sizeof p[1]);
    __builtin_memcpy(&real_realloc, &p[2], sizeof p[2]);
    __builtin_memcpy(&real_free, &p[3], sizeof p[3]);
}

void *malloc(size_t size)
{
    if (__builtin_expect(!real_malloc, 0))
        find();
    return real_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    if (__builtin_expect(!real_calloc, 0))
        find();
    return real_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    if (__builtin_expect(!real_realloc, 0))
        find();
    return real_realloc(old, size);
}

void free(void *p)
{
    if (__builtin_expect(!real_free, 0))
        find();
    real_free(p);
}
