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

static void resolve(void *slot, const char *name)
{
    void *symbol = probe_dlsym_start(name, 1);
    memcpy(slot, &symbol, sizeof symbol);
}

// Called before the first use of any real function; harmless when two threads do it at once (same answers).
// `free` is stored last and released: whoever sees it sees them all.
void probe_real_init(void)
{
    static __thread int resolving;
    if (resolving)
        return;
    resolving = 1;
    struct probe_real real = {0};
    resolve(&real.malloc, "malloc");
    resolve(&real.calloc, "calloc");
    resolve(&real.realloc, "realloc");
    resolve(&real.posix_memalign, "posix_memalign");
    resolve(&real.aligned_alloc, "aligned_alloc");
    resolve(&real.memalign, "memalign");
    resolve(&real.valloc, "valloc");
    resolve(&real.pvalloc, "pvalloc");
    resolve(&real.free_sized, "free_sized");
    resolve(&real.free_aligned_sized, "free_aligned_sized");
    resolve(&real.usable, "malloc_usable_size");
    resolve(&real.dlclose, "dlclose");
    resolve(&real.mmap, "mmap");
    resolve(&real.munmap, "munmap");
    resolve(&real.mremap, "mremap");
    resolve(&real.brk, "brk");
    resolve(&real.sbrk, "sbrk");
    resolve(&real.mlockall, "mlockall");
    resolve(&real.prctl, "prctl");
    resolve(&real.syscall, "syscall");
    void (*real_free)(void *) = NULL;
    resolve(&real_free, "free");
    if (!load_relaxed(&probe_real.free)) {
        probe_real = real;
        store_release(&probe_real.free, real_free);
    }
    resolving = 0;
}
