// flags: -shared -fPIC
// An allocator that may be called anywhere, also in a handler that interrupted it: hands memory out and never takes it
// back. Preloaded behind the probe it makes allocation in any handler legal, so that only the probe itself can fail.
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define ROOM (1ul << 30)
static char *base;
static size_t used;

static void *take(size_t bytes, size_t alignment)
{
    char *b = __atomic_load_n(&base, __ATOMIC_ACQUIRE);
    if (!b) {
        void *p = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED)
            return NULL;
        if (!__atomic_compare_exchange_n(&base, &b, p, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            munmap(p, ROOM);
        else
            b = p;
    }
    if (alignment < 16)
        alignment = 16;
    size_t need = ((bytes + 15) & ~15ul) + 16 + alignment;
    size_t at = __atomic_fetch_add(&used, need, __ATOMIC_RELAXED);
    if (at + need > ROOM)
        return NULL;
    uintptr_t p = ((uintptr_t)b + at + 16 + alignment - 1) & ~(alignment - 1);
    ((size_t *)p)[-1] = bytes;
    return (void *)p;
}

void *malloc(size_t n)
{
    return take(n, 16);
}

void free(void *p)
{
    (void)p;
}

void *calloc(size_t n, size_t each)
{
    size_t bytes;
    return __builtin_mul_overflow(n, each, &bytes) ? NULL : take(bytes, 16); // mapped memory is zero and never reused
}

size_t malloc_usable_size(void *p)
{
    return p ? ((size_t *)p)[-1] : 0;
}

void *realloc(void *old, size_t n)
{
    void *p = take(n, 16);
    size_t have = malloc_usable_size(old);
    if (p && old)
        memcpy(p, old, have < n ? have : n);
    return p;
}

void *aligned_alloc(size_t alignment, size_t n)
{
    return take(n, alignment);
}

void *memalign(size_t alignment, size_t n)
{
    return take(n, alignment);
}

int posix_memalign(void **out, size_t alignment, size_t n)
{
    *out = take(n, alignment);
    return *out ? 0 : 12;
}
