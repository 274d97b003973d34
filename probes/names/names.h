// What allocators call themselves (mi_malloc, tc_new, je_calloc), hooked: the part that all of them share. Each
// allocator has a library of its own, preloaded beside the probe only where that allocator is known to be: in the probe
// itself these names would make other programs believe in an allocator that is not there. A program that inherits such
// a library without the allocator gets what it asks for from malloc.
//
// Nothing is counted twice. An allocator comes back to itself by these names (malloc is often another name for its
// mi_malloc, its realloc calls its free): what is called from its own object, from the probe or from here passes. What
// the caller's address does not tell is told by nothing else, so there is no state that a signal or a throw could leave
// behind.
//
// The rules are the probe's (probes/README.md); included once in each library.
#ifndef NAMES_H
#define NAMES_H

#include "malloc/mallocx_books.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT    __attribute__((visibility("default")))
#define KNOWN(fn) (&(fn) != NULL)

enum kind {
    GIVES,         // returns a block
    GIVES_TEXT,    // returns a string that is a block
    GIVES_WIDE,    // of 16-bit letters
    STORES,        // 0 and a block where its first argument points
    STORES_TEXT,   // the same, a string
    CHANGES,       // realloc: NULL and the old block is as it was
    CHANGES_THERE, // the same where its first argument points, returns 0
    CHANGES_ENDS,  // NULL, and the old block is gone
    FREES,
};

#define NO 7 // no such argument

// An entry point: its kind, and the numbers of those arguments that are the old block (or the place of it), a count, a
// size (times the count) and an alignment. Of a string `old` is a buffer that the caller may have brought.
struct name {
    const char *name;
    uintptr_t (*real)(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t);
    enum kind kind;
    uint8_t old, count, size, alignment;
    uintptr_t
        past; // where the allocator is not what stands behind the name: who calls goes there, past everything here
} __attribute__((aligned(32))); // the table is what the linker puts side by side: without gaps
_Static_assert(offsetof(struct name, past) == 24, "as NAME has it");

// What stands behind a library: the object of the allocator, of the probe, and its own.
struct object {
    uintptr_t start, end;
};
static struct object objects[3];
static int is_prepared;
static int is_mallocs_own;                // malloc is this allocator's as well
static size_t (*usable_of)(const void *); // asked where it is not: by this name

// Defined by the including file. Whoever defines this is the allocator: other libraries have a tc_new or je_free too.
extern const char usable_name[] __attribute__((visibility("hidden")));

extern struct name first_name[] __asm__("__start_names") __attribute__((visibility("hidden")));
extern struct name past_names[] __asm__("__stop_names") __attribute__((visibility("hidden")));
extern const char own_dynamic[] __asm__("_DYNAMIC") __attribute__((visibility("hidden")));

__asm__(".symver dlsym_old, dlsym@GLIBC_2.2.5");
void *dlsym_old(void *handle, const char *name) __attribute__((weak)); // as in malloc/real.c

// A function of that name that is somebody else's may take and return what it likes.
static void settle(struct name *n, void *symbol)
{
    memcpy(&n->real, &symbol, sizeof symbol);
    if (symbol && (uintptr_t)symbol - objects[0].start >= objects[0].end - objects[0].start)
        n->past = (uintptr_t)symbol;
}

// All names at once and as early as can be: later a search would wait for the loader's lock, and who holds that may
// wait for our caller. Two threads at once find the same.
static __attribute__((constructor, noinline)) void prepare(void)
{
    const void *probe = NULL;
    if (is_prepared || !KNOWN(seep_probe_next) || !KNOWN(seep_probe_object))
        return;
    void *usable = seep_probe_next(usable_name, own_dynamic);
    memcpy(&usable_of, &usable, sizeof usable);
    int (*in_probe)(const void *, uintptr_t *, uintptr_t *) = seep_probe_object;
    memcpy(&probe, &in_probe, sizeof probe);
    is_mallocs_own = usable && seep_probe_object(usable, &objects[0].start, &objects[0].end) == 1;
    seep_probe_object(probe, &objects[1].start, &objects[1].end);
    seep_probe_object(own_dynamic, &objects[2].start, &objects[2].end);
    for (struct name *n = first_name; n < past_names; n++)
        settle(n, seep_probe_next(n->name, own_dynamic));
    __atomic_store_n(&is_prepared, 1, __ATOMIC_RELEASE);
}

// A kind of symbol that prepare() does not find, or an object that came later.
static __attribute__((noinline)) void resolve_late(struct name *n)
{
    static __thread int searching; // the search may allocate
    if (searching)
        return;
    searching = 1;
    int saved = errno;
    void *symbol = dlsym_old ? dlsym_old((void *)-1l, n->name) : NULL;
    settle(n, symbol);
    errno = saved;
    searching = 0;
}

static int is_inside(uintptr_t caller)
{
    for (unsigned i = 0; i < sizeof objects / sizeof *objects; i++)
        if (caller - objects[i].start < objects[i].end - objects[i].start)
            return 1;
    return 0;
}

// ---- the books ----

static size_t usable(const void *p)
{
    return is_mallocs_own ? SEEP_BOOKS_ASK : usable_of(p);
}

// Blocks of nobody that could be asked for their size stay out of the books, all of them.
static int has_books(const struct name *n)
{
    return KNOWN(seep_probe_born) && is_prepared && usable_of && !n->past;
}

static uintptr_t text_bytes(const char *s)
{
    return strlen(s) + 1;
}

static uintptr_t wide_bytes(const uint16_t *s)
{
    size_t n = 0;
    while (s[n])
        n++;
    return 2 * (n + 1);
}

static size_t bytes_of(const struct name *n, const uintptr_t *a, const void *block)
{
    if (n->kind == GIVES_TEXT || n->kind == STORES_TEXT)
        return text_bytes(block);
    if (n->kind == GIVES_WIDE)
        return wide_bytes(block);
    return a[n->size] * (n->count == NO ? 1 : a[n->count]);
}

// ---- without the allocator ----

static void *plain(const struct name *n, const uintptr_t *a)
{
    size_t count = n->count == NO ? 1 : a[n->count], bytes;
    void *p = NULL;
    if (n->alignment == NO || a[n->alignment] <= 16)
        return calloc(count, a[n->size]);
    if (__builtin_mul_overflow(count, a[n->size], &bytes) || posix_memalign(&p, a[n->alignment], bytes) != 0)
        return NULL;
    return memset(p, 0, bytes);
}

static void *moved(const struct name *n, const uintptr_t *a, void *old)
{
    void *p = plain(n, a);
    size_t had = old ? malloc_usable_size(old) : 0, has = p ? malloc_usable_size(p) : 0;
    if (p && old)
        memcpy(p, old, had < has ? had : has);
    if (p || n->kind == CHANGES_ENDS)
        free(old);
    return p;
}

// Zeroed in any case, as some of them promise; strings and what else is made of text is not to be had.
static uintptr_t without(const struct name *n, const uintptr_t *a)
{
    void *p = NULL;
    switch (n->kind) {
    case FREES:
        free((void *)a[n->old]);
        return 0;
    case GIVES:
        return (uintptr_t)plain(n, a);
    case CHANGES:
    case CHANGES_ENDS:
        return (uintptr_t)moved(n, a, (void *)a[n->old]);
    case STORES:
    case CHANGES_THERE:
        if (n->kind == CHANGES_THERE)
            memcpy(&p, (void *)a[n->old], sizeof p);
        p = moved(n, a, p);
        if (p)
            memcpy((void *)a[n->old], &p, sizeof p);
        return p ? 0 : ENOMEM;
    default:
        errno = ENOMEM;
        return n->kind == STORES_TEXT ? ENOMEM : 0;
    }
}

// ---- one call ----

static uintptr_t call(const struct name *n, const uintptr_t *a)
{
    return n->real(a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void *stored(const struct name *n, const uintptr_t *a)
{
    void *p;
    memcpy(&p, (void *)a[n->old], sizeof p);
    return p;
}

static uintptr_t give(const struct name *n, const uintptr_t *a, const void *frame)
{
    int stores = n->kind == STORES || n->kind == STORES_TEXT;
    int is_callers = n->kind == GIVES_TEXT && n->old != NO && a[n->old]; // the caller's own buffer
    uintptr_t ret = call(n, a);
    void *p = stores ? ret == 0 ? stored(n, a) : NULL : (void *)ret;
    if (p && !is_callers)
        seep_probe_born(p, bytes_of(n, a, p), usable(p), frame);
    return ret;
}

// As in malloc/hooks.c: out of the books before it goes, back when it did not.
static uintptr_t change(const struct name *n, const uintptr_t *a, const void *frame)
{
    struct mallocx_books was;
    int there = n->kind == CHANGES_THERE;
    void *old = there ? stored(n, a) : (void *)a[n->old];
    if (old)
        seep_probe_dies(old, usable(old), frame, &was);
    uintptr_t ret = call(n, a);
    void *p = there ? ret == 0 ? stored(n, a) : NULL : (void *)ret;
    size_t bytes = bytes_of(n, a, p);
    if (p)
        seep_probe_born(p, bytes, usable(p), frame);
    else if (old && bytes && n->kind != CHANGES_ENDS)
        seep_probe_undo(old, frame, &was);
    return ret;
}

static uintptr_t end(const struct name *n, const uintptr_t *a, const void *frame)
{
    struct mallocx_books was;
    void *p = (void *)a[n->old];
    if (p)
        seep_probe_dies(p, usable(p), frame, &was);
    return call(n, a);
}

// Whether there is anything behind a name.
static int is_ready(struct name *n)
{
    if (__builtin_expect(!__atomic_load_n(&is_prepared, __ATOMIC_ACQUIRE), 0))
        prepare();
    if (__builtin_expect(!n->real, 0))
        resolve_late(n);
    return n->real != NULL;
}

static __attribute__((noinline)) uintptr_t pass(struct name *n, const uintptr_t *a, const void *frame, uintptr_t caller)
{
    if (!is_ready(n))
        return without(n, a);
    if (is_inside(caller) || !has_books(n) || (n->kind == CHANGES_THERE && !a[n->old]))
        return call(n, a);
    return n->kind == FREES ? end(n, a, frame) : n->kind >= CHANGES ? change(n, a, frame) : give(n, a, frame);
}

// Whatever the arguments of these are, they are integers and pointers, and no more than fit into registers.
#define NAME(symbol, ...)                                                                                              \
    static struct name symbol##_name                                                                                   \
        __attribute__((section("names"), used)) = {#symbol, NULL, __VA_ARGS__, .past = 0};                             \
    static __attribute__((used))                                                                                       \
    uintptr_t symbol##_hook(uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e, uintptr_t f)              \
    {                                                                                                                  \
        const uintptr_t all[] = {a, b, c, d, e, f};                                                                    \
        return pass(&symbol##_name, all, __builtin_frame_address(0), (uintptr_t)__builtin_return_address(0));          \
    }                                                                                                                  \
    __asm__(".pushsection .text\n.globl " #symbol "\n.type " #symbol ", @function\n" #symbol ":\n"                     \
            ".cfi_startproc\nendbr64\nmov " #symbol "_name+24(%rip), %r11\ntest %r11, %r11\njz " #symbol "_hook\n"     \
            "jmp *%r11\n.cfi_endproc\n.size " #symbol ", .-" #symbol "\n.popsection");

// The usual shapes, by the numbers of their arguments.
#define GIVE(symbol, size)                        NAME(symbol, GIVES, NO, NO, size, NO)
#define GIVE_MANY(symbol, count, size)            NAME(symbol, GIVES, NO, count, size, NO)
#define GIVE_AT(symbol, size, align)              NAME(symbol, GIVES, NO, NO, size, align)
#define GIVE_MANY_AT(symbol, count, size, align)  NAME(symbol, GIVES, NO, count, size, align)
#define TEXT(symbol)                              NAME(symbol, GIVES_TEXT, NO, NO, 0, NO)
#define CHANGE(symbol, p, size)                   NAME(symbol, CHANGES, p, NO, size, NO)
#define CHANGE_MANY(symbol, p, count, size)       NAME(symbol, CHANGES, p, count, size, NO)
#define CHANGE_AT(symbol, p, size, align)         NAME(symbol, CHANGES, p, NO, size, align)
#define CHANGE_MANY_AT(symbol, p, count, size, a) NAME(symbol, CHANGES, p, count, size, a)
#define FREE(symbol)                              NAME(symbol, FREES, 0, NO, NO, NO)

#endif
