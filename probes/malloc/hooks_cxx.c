// operator new and delete in all their forms.
//
// Where they live in the same object as malloc (jemalloc, tcmalloc, mimalloc) they do not pass by our malloc and are
// recorded here. Elsewhere (libstdc++) they call malloc, which is hooked, and these are nothing but a jump. What they
// throw passes through: nothing here needs cleaning up.
#include "malloc/probe.h"

#include <stdlib.h>

#define RTLD_LAZY_NOLOAD (1 | 4)
__asm__(".symver dlopen_old, dlopen@GLIBC_2.2.5");
void *dlopen_old(const char *file, int mode) __attribute__((weak)); // as in real.c
__asm__(".symver dlsym_old, dlsym@GLIBC_2.2.5");
void *dlsym_old(void *handle, const char *name) __attribute__((weak));

typedef void *(*new_fn)(size_t, uintptr_t, uintptr_t);
typedef void (*delete_fn)(void *, uintptr_t, uintptr_t);

// A C program that loads a C++ plug-in later: the C++ library is not behind us but beside us.
static void *find_late(const char *name)
{
    static const char *const libraries[] = {"libstdc++.so.6", "libc++.so.1", "libc++abi.so.1"};
    for (unsigned i = 0; dlopen_old && dlsym_old && i < sizeof libraries / sizeof *libraries; i++) {
        void *handle = dlopen_old(libraries[i], RTLD_LAZY_NOLOAD);
        void *symbol = handle ? dlsym_old(handle, name) : NULL;
        if (symbol)
            return symbol;
    }
    return NULL;
}

// What stands behind one form. direct: the same, once it is known that nothing is recorded on the way.
struct form {
    void *real, *direct;
};

// Each form for itself: an allocator may bring most of them and leave the rest to libstdc++, which comes back to us.
static int recorded_here(uintptr_t real)
{
    return real >= probe_real.allocator_start && real < probe_real.allocator_end;
}

static void *resolve(struct form *form, const char *name)
{
    void *symbol = load_acquire(&form->real);
    probe_need_real();
    if (unlikely(!symbol)) {
        symbol = probe_dlsym_next(name);
        if (!symbol)
            symbol = find_late(name);
        if (symbol)
            store_release(&form->real, symbol);
    }
    if (symbol && probe_real.allocator_end && !recorded_here((uintptr_t)symbol))
        store_release(&form->direct, symbol);
    return symbol;
}

// An allocator's own new may get its memory from its malloc by the public name, which is ours: then the block is in the
// books already. What it throws leaves `passing` as it is, which the next one puts right.
static void *new_recorded(new_fn real, size_t size, uintptr_t a, uintptr_t b, void *frame)
{
    struct probe_tls *t = &probe_tls;
    uintptr_t outer = t->passing;
    t->passing = 1;
    void *p = real(size, a, b);
    uintptr_t recorded = t->passing;
    t->passing = 0;
    if (p && recorded != ((uintptr_t)p | 1))
        probe_on_alloc(p, size, frame);
    if (unlikely(outer & 1))
        t->passing = (uintptr_t)p | 1;
    return p;
}

// And its delete may call free, or jemalloc's own calls: the block left the books before.
static void delete_recorded(delete_fn real, void *p, uintptr_t a, uintptr_t b, void *frame)
{
    struct probe_freed f;
    if (p) {
        probe_on_free(p, frame, &f);
        probe_tls.passing = (uintptr_t)p | 2;
    }
    real(p, a, b);
    probe_tls.passing = 0;
}

// Without any C++ library to be found there is still memory to be had; what cannot be had cannot be thrown either.
static void *new_without(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p)
        __builtin_trap();
    return p;
}

// Both are jumped to, so that their frame is the hook's: its return address is the program's.
static __attribute__((noinline)) void *new_further(size_t size, uintptr_t a, uintptr_t b, struct form *form,
                                                   const char *name)
{
    void *frame = __builtin_frame_address(0);
    new_fn real = (new_fn)resolve(form, name);
    if (unlikely(!real))
        return new_without(size);
    return recorded_here((uintptr_t)real) ? new_recorded(real, size, a, b, frame) : real(size, a, b);
}

static __attribute__((noinline)) void delete_further(void *p, uintptr_t a, uintptr_t b, struct form *form,
                                                     const char *name)
{
    void *frame = __builtin_frame_address(0);
    delete_fn real = (delete_fn)resolve(form, name);
    if (unlikely(!real || (p && probe_early_owns(p))))
        free(p);
    else if (recorded_here((uintptr_t)real))
        delete_recorded(real, p, a, b, frame);
    else
        real(p, a, b);
}

#define NEW(name)                                                                                                      \
    PROBE_EXPORT void *name(size_t size, uintptr_t a, uintptr_t b);                                                    \
    PROBE_EXPORT void *name(size_t size, uintptr_t a, uintptr_t b)                                                     \
    {                                                                                                                  \
        static struct form form;                                                                                       \
        new_fn direct = (new_fn)load_relaxed(&form.direct);                                                            \
        return likely(direct != NULL) ? direct(size, a, b) : new_further(size, a, b, &form, #name);                    \
    }

#define DELETE(name)                                                                                                   \
    PROBE_EXPORT void name(void *p, uintptr_t a, uintptr_t b);                                                         \
    PROBE_EXPORT void name(void *p, uintptr_t a, uintptr_t b)                                                          \
    {                                                                                                                  \
        static struct form form;                                                                                       \
        delete_fn direct = (delete_fn)load_relaxed(&form.direct);                                                      \
        if (likely(direct && !(p && probe_early_owns(p))))                                                             \
            direct(p, a, b);                                                                                           \
        else                                                                                                           \
            delete_further(p, a, b, &form, #name);                                                                     \
    }

NEW(_Znwm)
NEW(_Znam)
NEW(_ZnwmRKSt9nothrow_t)
NEW(_ZnamRKSt9nothrow_t)
NEW(_ZnwmSt11align_val_t)
NEW(_ZnamSt11align_val_t)
NEW(_ZnwmSt11align_val_tRKSt9nothrow_t)
NEW(_ZnamSt11align_val_tRKSt9nothrow_t)
DELETE(_ZdlPv)
DELETE(_ZdaPv)
DELETE(_ZdlPvm)
DELETE(_ZdaPvm)
DELETE(_ZdlPvRKSt9nothrow_t)
DELETE(_ZdaPvRKSt9nothrow_t)
DELETE(_ZdlPvSt11align_val_t)
DELETE(_ZdaPvSt11align_val_t)
DELETE(_ZdlPvmSt11align_val_t)
DELETE(_ZdaPvmSt11align_val_t)
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t)
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t)
