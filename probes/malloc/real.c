// What is behind us: the next definition of every hooked symbol, and memory for the time before we know it.
//
// dlsym may call calloc (old libcs) or malloc: those calls are served from a static pool that free, realloc and
// malloc_usable_size recognise for ever. RTLD_NEXT per symbol keeps the program's own allocator in charge.
#include "malloc/probe.h"

#include <string.h>

// Bound to the oldest version, so that loading the probe never demands a newer libc than the program itself; and
// weakly, because before glibc 2.34 a program has it only together with libdl.
__asm__(".symver dlsym_old, dlsym@GLIBC_2.2.5");
void *dlsym_old(void *handle, const char *name) __attribute__((weak));

struct probe_real probe_real;

_Alignas(4096) char probe_early_pool[PROBE_EARLY_BYTES];
static uint32_t early_used;

void *probe_early_alloc(size_t bytes, size_t alignment)
{
    if (bytes > PROBE_EARLY_BYTES || alignment > 4096)
        return NULL;
    if (alignment < 16)
        alignment = 16;
    uint32_t old = load_relaxed(&early_used), at, end;
    do {
        at = (uint32_t)((old + 16 + alignment - 1) & ~(alignment - 1));
        end = (uint32_t)(at + ((bytes + 15) & ~(size_t)15));
        if (end > PROBE_EARLY_BYTES)
            return NULL;
    } while (!__atomic_compare_exchange_n(&early_used, &old, end, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    memcpy(probe_early_pool + at - 8, &bytes, sizeof bytes);
    return probe_early_pool + at;
}

size_t probe_early_usable(const void *p)
{
    size_t bytes;
    memcpy(&bytes, (const char *)p - 8, sizeof bytes);
    return bytes;
}

#define RTLD_NEXT_HANDLE    ((void *)-1l)
#define RTLD_DEFAULT_HANDLE ((void *)0)

void *probe_dlsym_next(const char *name)
{
    return dlsym_old ? dlsym_old(RTLD_NEXT_HANDLE, name) : probe_lookup(name, 1);
}

// A search that fails writes its message into memory of the program's malloc. An allocator of the program's own may be
// asking for its very first pages just now, under its lock: what is not there is not searched.
void *probe_dlsym_start(const char *name, int behind_us)
{
    if (!dlsym_old)
        return probe_lookup(name, behind_us);
    void *where = behind_us ? RTLD_NEXT_HANDLE : RTLD_DEFAULT_HANDLE;
    return probe_is_defined(name, behind_us) ? dlsym_old(where, name) : NULL;
}

// In the order of struct probe_real, which begins with a pointer for each of them.
static const char names[] =
    "malloc\0calloc\0realloc\0free\0malloc_usable_size\0posix_memalign\0aligned_alloc\0memalign\0valloc\0pvalloc\0"
    "free_sized\0free_aligned_sized\0dlclose\0mmap\0munmap\0mremap\0brk\0sbrk\0shmat\0shmdt\0mlockall\0prctl\0syscall\0"
    "__libc_malloc\0__libc_calloc\0__libc_realloc\0__libc_memalign\0__libc_valloc\0__libc_pvalloc\0__libc_free\0";

// Called before the first use of any real function; harmless when two threads do it at once (same answers).
// `free` is stored last and released: whoever sees it sees them all.
void probe_real_init(void)
{
    static __thread int resolving;
    if (resolving)
        return;
    resolving = 1;
    struct probe_real real = {0};
    char *slot = (char *)&real;
    for (const char *name = names; *name; name += strlen(name) + 1, slot += sizeof(void *)) {
        void *symbol = probe_dlsym_start(name, 1);
        memcpy(slot, &symbol, sizeof symbol);
    }
    void (*real_free)(void *) = real.free;
    real.free = NULL;
    if (!load_relaxed(&probe_real.free)) {
        probe_real = real;
        store_release(&probe_real.free, real_free);
    }
    resolving = 0;
}
