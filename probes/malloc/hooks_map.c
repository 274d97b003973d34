// mmap and its kin as a class of their own, and the call that tells the probe of code that goes away.
//
// What the allocator maps for itself (recognised by the caller's address) is not the program's doing; it is only
// summed.
#include "malloc/probe.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#define FRAME     __builtin_frame_address(0)
#define DONTUNMAP 4 // mremap leaves the old range mapped, and empty; older headers do not know it
#define CALLER    ((uintptr_t)__builtin_return_address(0))

static inline int from_allocator(uintptr_t caller)
{
    return caller >= probe_real.allocator_start && caller < probe_real.allocator_end;
}

static void count_entry(enum seep_entry_point e, int64_t allocator_bytes)
{
    struct probe_region *r = probe_ready();
    if (!r)
        return;
    add_relaxed(&r->header->entry_points[e], 1);
    if (allocator_bytes)
        add_relaxed(&r->header->allocator_map_bytes, (uint64_t)allocator_bytes);
}

static inline __attribute__((always_inline)) void *map_with(void *addr, size_t bytes, int prot, int flags, int fd,
                                                            off_t offset, uintptr_t caller, void *frame)
{
    probe_need_real();
    if (unlikely(!probe_real.mmap)) {
        errno = ENOSYS;
        return MAP_FAILED;
    }
    int own = from_allocator(caller);
    void *p = probe_real.mmap(addr, bytes, prot, flags, fd, offset);
    if (p == MAP_FAILED)
        return p;
    count_entry(SEEP_EP_MMAP, own ? (int64_t)bytes : 0);
    if (flags & MAP_FIXED)
        add_relaxed(&probe_map_generation, 1);
    if (!own) {
        if (flags & MAP_FIXED)
            probe_on_unmap(p, bytes, frame);
        probe_on_map(p, bytes, flags & MAP_ANONYMOUS ? SEEP_CLASS_MMAP : SEEP_CLASS_MMAP_FILE, frame);
    }
    return p;
}

PROBE_EXPORT void *mmap(void *addr, size_t bytes, int prot, int flags, int fd, off_t offset)
{
    return map_with(addr, bytes, prot, flags, fd, offset, CALLER, FRAME);
}

PROBE_EXPORT void *mmap64(void *addr, size_t bytes, int prot, int flags, int fd, long offset)
{
    return map_with(addr, bytes, prot, flags, fd, offset, CALLER, FRAME);
}

PROBE_EXPORT int munmap(void *addr, size_t bytes)
{
    probe_need_real();
    if (unlikely(!probe_real.munmap)) {
        errno = ENOSYS;
        return -1;
    }
    int own = from_allocator(CALLER);
    count_entry(SEEP_EP_MUNMAP, own ? -(int64_t)bytes : 0);
    add_relaxed(&probe_map_generation, 1);
    // Out of the books first. It fails only for arguments that name no mapping at all.
    if (!own && bytes && !((uintptr_t)addr & 4095))
        probe_on_unmap(addr, bytes, FRAME);
    return probe_real.munmap(addr, bytes);
}

PROBE_EXPORT void *mremap(void *addr, size_t old_bytes, size_t bytes, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    void *wanted = flags & MREMAP_FIXED ? va_arg(ap, void *) : NULL;
    va_end(ap);
    probe_need_real();
    if (unlikely(!probe_real.mremap)) {
        errno = ENOSYS;
        return MAP_FAILED;
    }
    int own = from_allocator(CALLER);
    struct probe_block was = {.size = 0};
    uintptr_t old = (uintptr_t)addr, rest = (old_bytes + 4095) & ~4095ul;
    // Out of the books first, as with munmap. Of no bytes: a second mapping of the same shared pages.
    int leaves = !own && old_bytes && !(flags & DONTUNMAP);
    unsigned klass = leaves ? probe_map_take(old, &was, FRAME) : 0;
    void *p = probe_real.mremap(addr, old_bytes, bytes, flags, wanted);
    if (p == MAP_FAILED) {
        if (klass)
            probe_map_put(old, &was, FRAME);
        return p;
    }
    count_entry(SEEP_EP_MREMAP, own ? (int64_t)bytes - (int64_t)old_bytes : 0);
    add_relaxed(&probe_map_generation, 1);
    if (own)
        return p;
    if (was.size > rest) {
        was.size -= rest;
        was.slack = 0;
        probe_map_put(old + rest, &was, FRAME);
    } else if (leaves && was.size < rest) {
        probe_on_unmap(addr, old_bytes, FRAME);
    }
    if (flags & MREMAP_FIXED)
        probe_on_unmap(p, bytes, FRAME);
    probe_on_map(p, bytes, klass ? klass : SEEP_CLASS_MMAP, FRAME);
    return p;
}

// What the C library's own malloc does with the break does not pass by here. Where it stands is asked before and after:
// a break below its start is no failure there and moves nothing. Programs that move it from several threads at once
// have no answer they could rely on, and neither have we.
static uintptr_t break_now(void)
{
    return (uintptr_t)probe_real.sbrk(0);
}

static void break_moved(uintptr_t from, uintptr_t caller, void *frame)
{
    uintptr_t to = break_now();
    int own = from_allocator(caller);
    count_entry(SEEP_EP_BRK, own ? (int64_t)(to - from) : 0);
    if (to < from)
        add_relaxed(&probe_map_generation, 1);
    if (!own && to != from && from != ~0ul && to != ~0ul)
        probe_on_break(from, to, frame);
}

PROBE_EXPORT int brk(void *end)
{
    probe_need_real();
    if (unlikely(!probe_real.brk || !probe_real.sbrk)) {
        errno = ENOSYS;
        return -1;
    }
    uintptr_t from = break_now();
    int ret = probe_real.brk(end);
    if (ret == 0)
        break_moved(from, CALLER, FRAME);
    return ret;
}

PROBE_EXPORT void *sbrk(intptr_t by)
{
    probe_need_real();
    if (unlikely(!probe_real.sbrk)) {
        errno = ENOSYS;
        return (void *)-1;
    }
    void *from = probe_real.sbrk(by);
    if (from != (void *)-1 && by)
        break_moved((uintptr_t)from, CALLER, FRAME);
    return from;
}

// Segments of System V are mappings like any other, except that the kernel knows their size and the caller need not.
PROBE_EXPORT void *shmat(int id, const void *addr, int flags)
{
    probe_need_real();
    if (unlikely(!probe_real.shmat)) {
        errno = ENOSYS;
        return (void *)-1;
    }
    void *p = probe_real.shmat(id, addr, flags);
    struct shmid_ds segment;
    if (p == (void *)-1 || !probe_ready() || probe_no_syscalls || sys3(SYS_shmctl, id, IPC_STAT, (long)&segment) != 0)
        return p;
    count_entry(SEEP_EP_SHMAT, 0);
    if (flags & SHM_REMAP) {
        add_relaxed(&probe_map_generation, 1);
        probe_on_unmap(p, segment.shm_segsz, FRAME);
    }
    probe_on_map(p, segment.shm_segsz, SEEP_CLASS_MMAP_FILE, FRAME);
    return p;
}

PROBE_EXPORT int shmdt(const void *addr)
{
    probe_need_real();
    if (unlikely(!probe_real.shmdt)) {
        errno = ENOSYS;
        return -1;
    }
    struct probe_block was = {.slack = 0};
    unsigned klass = probe_map_take((uintptr_t)addr, &was, FRAME);
    int ret = probe_real.shmdt(addr);
    if (ret == 0) {
        count_entry(SEEP_EP_SHMDT, 0);
        add_relaxed(&probe_map_generation, 1);
        if (was.slack != PROBE_MAP_WHOLE) // munmap had cut it: the kernel has taken all the pieces
            probe_maps_sweep(FRAME);
    } else if (klass) {
        probe_map_put((uintptr_t)addr, &was, FRAME);
    }
    return ret;
}

// A program with a limit may lock all it has mapped, or not: the region must not be what makes the difference. Its
// pages need no lock either.
PROBE_EXPORT int mlockall(int flags)
{
    probe_need_real();
    if (unlikely(!probe_real.mlockall)) {
        errno = ENOSYS;
        return -1;
    }
    int ret = probe_real.mlockall(flags);
    struct probe_region *r = probe_ready();
    if (ret == 0 && r && !probe_no_syscalls)
        sys3(SYS_munlock, (long)r->header, (long)r->mapped_bytes, 0);
    if (ret == 0 || errno != ENOMEM || !r || probe_leave_alone(SEEP_OFF_LOCKED) < 0)
        return ret;
    return probe_real.mlockall(flags);
}

// Not dlopen: who wraps it breaks the caller's RPATH.
PROBE_EXPORT int dlclose(void *handle)
{
    probe_need_real();
    struct probe_region *r = probe_get();
    if (unlikely(!probe_real.dlclose)) { // an old libc, and libdl came later
        void *late = probe_dlsym_next("dlclose");
        memcpy(&probe_real.dlclose, &late, sizeof late);
    }
    if (unlikely(!probe_real.dlclose))
        return -1;
    if (r) {
        add_relaxed(&r->header->entry_points[SEEP_EP_DLCLOSE], 1);
        probe_code_changed(r); // before, so that destructors that allocate leave nothing behind that survives ...
    }
    int ret = probe_real.dlclose(handle);
    if (r)
        probe_code_changed(r); // ... and after, when the code is gone
    return ret;
}
