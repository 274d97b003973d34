// flags: -fno-builtin
// Every way to allocate there is, at random, with a tally of its own. Told one letter at a time on standard input:
// g goes on for some thousand calls, f frees everything, and each answers "live BLOCKS REQUESTED USABLE CALLS NAMES",
// NAMES: x jemalloc's own, t tcmalloc's, m mimalloc's, j those of a jemalloc under je_, - no such names.
// usage: tally_all [SEED]
#include "tally_names.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <malloc.h>
#include <new>
#include <unistd.h>

extern "C" {
void *mallocx(size_t, int) __attribute__((weak));
void *rallocx(void *, size_t, int) __attribute__((weak));
size_t xallocx(void *, size_t, size_t, int) __attribute__((weak));
void dallocx(void *, int) __attribute__((weak));
void sdallocx(void *, size_t, int) __attribute__((weak));
size_t sallocx(const void *, int) __attribute__((weak));
size_t nallocx(size_t, int) __attribute__((weak));
int mallctl(const char *, void *, size_t *, void *, size_t) __attribute__((weak));
}

#ifdef TALLY_WRAPPED // with a malloc of the program's own, around the C library's
extern "C" {
void *malloc(size_t n)
{
    return __libc_malloc(n);
}
void *calloc(size_t n, size_t each)
{
    return __libc_calloc(n, each);
}
void *realloc(void *p, size_t n)
{
    return __libc_realloc(p, n);
}
void free(void *p)
{
    __libc_free(p);
}
}
#endif

#define MOST 20000

enum how { BY_MALLOC, BY_NEW, BY_NEW_ARRAY, BY_NEW_ALIGNED, BY_ARRAY_ALIGNED, BY_X, BY_JE };
struct block {
    void *p;
    size_t size;
    how by;
};
static block blocks[MOST];
static unsigned count;
static unsigned long long calls; // that made a block
static uint32_t state = 1;
static void (*free_sized_fn)(void *, size_t);
static void (*free_aligned_sized_fn)(void *, size_t, size_t);
static void (*cfree_fn)(void *);
static constexpr std::align_val_t AT{64};

static uint32_t random_bits()
{
    state = state * 1664525 + 1013904223;
    return state >> 8;
}

template <typename F> static void find(F *&fn, const char *name)
{
    void *symbol = dlsym(RTLD_DEFAULT, name);
    memcpy(&fn, &symbol, sizeof fn);
}

static bool has_x()
{
    return mallctl && mallocx && rallocx && xallocx && dallocx && sdallocx && sallocx && nallocx;
}

static char names()
{
    return has_x() ? 'x' : tc_malloc ? 't' : mi_malloc ? 'm' : je_malloc ? 'j' : '-';
}

// What the C library allocates for its callers.
static block libc_block(size_t n)
{
    static char text[300000];
    char *p = nullptr;
    memset(text, 'x', n);
    text[n] = 0;
    switch (random_bits() % 5) {
    case 0:
        return {strdup(text), n + 1, BY_MALLOC};
    case 1:
        return {strndup(text, n / 2), n / 2 + 1, BY_MALLOC};
    case 2: { // getdelim() says how much it asked for
        FILE *f = fmemopen(text, n, "r");
        size_t room = 0;
        if (!f || getdelim(&p, &room, 'y', f) < 0)
            abort();
        fclose(f);
        return {p, room, BY_MALLOC};
    }
    case 3:
        p = realpath("/", nullptr);
        return {p, 2, BY_MALLOC};
    default:
        return {asprintf(&p, "%s%d", text, 7) < 0 ? nullptr : p, n + 2, BY_MALLOC};
    }
}

static block c_block(size_t n)
{
    void *p = nullptr;
    switch (random_bits() % 11) {
    case 0:
        return {calloc(3, n / 3 + 1), (n / 3 + 1) * 3, BY_MALLOC};
    case 1:
        return {realloc(nullptr, n), n, BY_MALLOC};
    case 2:
        return {reallocarray(nullptr, 7, n / 7 + 1), (n / 7 + 1) * 7, BY_MALLOC};
    case 3:
        return {posix_memalign(&p, 256, n) == 0 ? p : nullptr, n, BY_MALLOC};
    case 4:
        return {aligned_alloc(128, (n + 127) & ~size_t{127}), (n + 127) & ~size_t{127}, BY_MALLOC};
    case 5:
        return {memalign(512, n), n, BY_MALLOC};
    case 6:
        return {valloc(n), n, BY_MALLOC};
    case 7:
        if (mallctl) // jemalloc has none, and cannot free what the C library's gives
            return {malloc(n), n, BY_MALLOC};
        return {pvalloc(n), n, BY_MALLOC};
    case 8:
        return libc_block(n);
    default:
        return {malloc(n), n, BY_MALLOC};
    }
}

static block cxx_block(size_t n)
{
    n = (n + 63) &
        ~size_t{63}; // libstdc++ rounds up to the alignment before it asks malloc: then that is what is asked
    switch (random_bits() % 8) {
    case 0:
        return {operator new(n), n, BY_NEW};
    case 1:
        return {operator new(n, std::nothrow), n, BY_NEW};
    case 2:
        return {operator new[](n), n, BY_NEW_ARRAY};
    case 3:
        return {operator new[](n, std::nothrow), n, BY_NEW_ARRAY};
    case 4:
        return {operator new(n, AT), n, BY_NEW_ALIGNED};
    case 5:
        return {operator new(n, AT, std::nothrow), n, BY_NEW_ALIGNED};
    case 6:
        return {operator new[](n, AT), n, BY_ARRAY_ALIGNED};
    default:
        return {operator new[](n, AT, std::nothrow), n, BY_ARRAY_ALIGNED};
    }
}

static block x_block(size_t n)
{
    return {mallocx(n, random_bits() % 2 ? 7 | 0x40 : 0), n, BY_X}; // aligned to 128 and zeroed, or plain
}

// By the names of the allocators' own.
static block named_block(size_t n)
{
    bool is_je = names() == 'j' && random_bits() % 2;
    unsigned pick = random_bits();
    named b = is_je                                 ? je_named(pick, n)
              : names() == 't'                      ? tc_named(pick, n)
              : names() == 'm' && random_bits() % 2 ? mi_named(pick, n)
              : __libc_malloc && !mallctl           ? libc_named(pick, n) // jemalloc leaves these to the C library
                                                    : named{malloc(n), n};
    return {b.p, b.size, is_je ? BY_JE : BY_MALLOC};
}

static size_t usable_of(const block &b)
{
    return b.by == BY_JE ? je_malloc_usable_size(b.p) : malloc_usable_size(b.p);
}

static size_t random_size()
{
    return random_bits() % 50 == 0 ? 150000 + random_bits() % 100000 : 1 + random_bits() % 2000;
}

static void make(block &b)
{
    unsigned kind = random_bits() % (has_x() ? 4 : 3);
    size_t n = random_size();
    b = kind == 0 ? c_block(n) : kind == 1 ? cxx_block(n) : kind == 2 ? named_block(n) : x_block(n);
    if (!b.p)
        abort();
    memset(b.p, 1, b.size);
    calls++;
}

static void free_c(block &b)
{
    unsigned kind = random_bits() % 8, pick = random_bits();
    if (kind == 4 && __libc_free && !mallctl)
        __libc_free(b.p);
    else if (kind >= 5 && mi_malloc)
        mi_dropped(pick, {b.p, b.size});
    else if (kind >= 5 && tc_malloc)
        tc_dropped(pick, {b.p, b.size});
    else if (kind == 0 && cfree_fn)
        cfree_fn(b.p);
    else if (kind == 1 && free_sized_fn)
        free_sized_fn(b.p, b.size);
    else if (kind == 2 && free_aligned_sized_fn)
        free_aligned_sized_fn(b.p, 16, b.size);
    else
        free(b.p);
}

static void drop(block &b)
{
    unsigned kind = random_bits() % 3;
    switch (b.by) {
    case BY_MALLOC:
        free_c(b);
        break;
    case BY_NEW:
        kind == 0   ? operator delete(b.p)
        : kind == 1 ? operator delete(b.p, b.size)
                    :
                    operator delete(b.p, std::nothrow);
        break;
    case BY_NEW_ARRAY:
        kind == 0   ? operator delete[](b.p)
        : kind == 1 ? operator delete[](b.p, b.size)
                    :
                    operator delete[](b.p, std::nothrow);
        break;
    case BY_NEW_ALIGNED:
        kind == 0   ? operator delete(b.p, AT)
        : kind == 1 ? operator delete(b.p, b.size, AT)
                    :
                    operator delete(b.p, AT, std::nothrow);
        break;
    case BY_ARRAY_ALIGNED:
        kind == 0   ? operator delete[](b.p, AT)
        : kind == 1 ? operator delete[](b.p, b.size, AT)
                    :
                    operator delete[](b.p, AT, std::nothrow);
        break;
    case BY_JE:
        je_dropped(kind, {b.p, b.size});
        break;
    default:
        kind ? dallocx(b.p, 0) : free(b.p); // sdallocx wants the very alignment, so x_change uses it
    }
}

static void x_change(block &b)
{
    size_t n = random_size();
    if (random_bits() % 2) {
        b.p = rallocx(b.p, n, 0);
        b.size = n;
    } else if (xallocx(b.p, n, 0, 0) >= n) {
        b.size = n;
    } else {
        return;
    }
    calls++;
}

// -1: not this time.
static int change_by_name(block &b, size_t n)
{
    named was = {b.p, b.size}, is = was;
    unsigned pick = random_bits();
    if (b.by == BY_JE)
        is = je_changed(pick, was, n);
    else if (pick % 2 == 0)
        return -1;
    else if (mi_malloc)
        is = mi_changed(pick / 2, was, n);
    else if (tc_malloc)
        is = {tc_realloc(b.p, n), n};
    else if (__libc_realloc && !mallctl)
        is = {__libc_realloc(b.p, n), n};
    else
        return -1;
    if (!is.p)
        abort();
    calls += is.p != was.p || is.size != was.size;
    b.p = is.p;
    b.size = is.size;
    return 0;
}

static void change(block &b)
{
    size_t n = random_size();
    if (b.by == BY_X) {
        x_change(b);
        return;
    }
    if ((b.by == BY_MALLOC || b.by == BY_JE) && change_by_name(b, n) == 0)
        return;
    if (b.by != BY_MALLOC)
        return;
    if (random_bits() % 2 && !realloc(b.p, SIZE_MAX / 4) && random_bits() % 2) // fails: the block is as it was
        return;
    void *p = random_bits() % 2 ? realloc(b.p, n) : reallocarray(b.p, 1, n);
    if (!p)
        abort();
    b.p = p;
    b.size = n;
    calls++;
}

static void go_on()
{
    for (int i = 0; i < 6000; i++) {
        unsigned what = random_bits() % 8;
        if (what < 4 && count < MOST) {
            make(blocks[count]);
            count++;
        } else if (what < 6 && count) {
            change(blocks[random_bits() % count]);
        } else if (count) {
            unsigned at = random_bits() % count;
            drop(blocks[at]);
            blocks[at] = blocks[--count];
        }
    }
    if (has_x()) {
        void *p = mallocx(100, 0);
        if (sallocx(p, 0) != nallocx(100, 0)) // they tell sizes and allocate nothing
            abort();
        sdallocx(p, 100, 0);
        calls++;
    }
    names_come_and_go();
    free(nullptr);
    operator delete(nullptr);
}

int main(int argc, char **argv)
{
    char c;
    state = argc > 1 ? static_cast<uint32_t>(atoi(argv[1])) : 1;
    find(free_sized_fn, "free_sized");
    find(free_aligned_sized_fn, "free_aligned_sized");
    find(cfree_fn, "cfree");
    while (read(0, &c, 1) == 1) {
        unsigned long long requested = 0, usable = 0;
        if (c == 'g')
            go_on();
        for (; c == 'f' && count; count--)
            drop(blocks[count - 1]);
        for (unsigned i = 0; i < count; i++) {
            requested += blocks[i].size;
            usable += usable_of(blocks[i]);
        }
        char line[128];
        int n = snprintf(line, sizeof line, "live %u %llu %llu %llu %c\n", count, requested, usable, calls, names());
        if (write(1, line, static_cast<size_t>(n)) != n)
            return 1;
    }
    return 0;
}
