// Tidying of named stacks: what a reader sees and how runs are compared. Pure: see resolve.h.
//
// The innermost frames of an allocation are seep's own hook and the allocator's entry point: the same in every stack,
// so they are cut. What follows, operator new and the containers' allocators, says how the memory was asked for: it
// stays, marked as library, so that a report can name the first frame that is the program's own.
#include "resolve/resolve.h"

#include <stdio.h>
#include <string.h>

static const char *const entry_points[] = {
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "posix_memalign",
    "aligned_alloc",
    "memalign",
    "valloc",
    "pvalloc",
    "mallocx",
    "rallocx",
    "xallocx",
    "sallocx",
    "free",
    "cfree",
    "free_sized",
    "dallocx",
    "sdallocx",
    "free_aligned_sized",
    "malloc_usable_size",
    "mmap",
    "mmap64",
    "mremap",
    "munmap",
    "brk",
    "sbrk",
    "shmat",
    "shmdt",
    "__libc_malloc",
    "__libc_calloc",
    "__libc_realloc",
    "__libc_memalign",
    "__libc_valloc",
    "__libc_pvalloc",
    "__libc_free",
    "_int_malloc",
    "_int_realloc",
    "_int_memalign",
    "__posix_memalign",
    "_mid_memalign",
    "sysmalloc",
    "_int_free",
};

static const char *const library_prefixes[] = {
    "operator new",
    "operator delete",
    "std::allocator<",
    "std::__new_allocator<",
    "std::allocator_traits<",
    "__gnu_cxx::new_allocator<",
    "__gnu_cxx::__alloc_traits<",
    "__gnu_cxx::malloc_allocator<",
    "std::__allocate_guarded",
    "std::_Vector_base<",
    "std::_Deque_base<",
    "std::__cxx11::_List_base<",
    "std::_Rb_tree<",
    "std::_Hashtable<",
    "std::__detail::_Hashtable_alloc<",
    "std::__cxx11::basic_string<",
    "std::pmr::",
    "std::__1::allocator<",
    "std::__1::__libcpp_allocate",
    "std::__1::__libcpp_operator_new",
    "std::__1::allocator_traits<",
    "void* std::__1::__libcpp_operator_new",
    "alloc::alloc::",
    "alloc::raw_vec::",
    "<alloc::alloc::Global",
    "__rust_alloc",
    "__rust_realloc",
    "__rdl_alloc",
    "__rdl_realloc",
    "__rg_alloc",
    "__rg_realloc",
};

// The first of these that `name` begins with, as its length; 0 for none.
static size_t begins_with_one(const char *name, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strncmp(name, words[i], strlen(words[i])) == 0)
            return strlen(words[i]);
    return 0;
}
#define BEGINS_WITH_ONE(name, words) begins_with_one(name, words, sizeof(words) / sizeof *(words))

// Allocators' own names are many, and all made of the same words: mi_heap_zalloc_aligned_at, tc_newarray_nothrow. With
// any other word in it (tc_new_session) it is somebody else's.
static bool is_allocators_name(const char *name)
{
    static const char *const prefixes[] = {"je_", "tc_", "mi_heap_", "mi_"};
    static const char *const verbs[] = {
        "malloc",  "zalloc",  "calloc",         "realloc",  "rezalloc",      "recalloc",
        "valloc",  "pvalloc", "posix_memalign", "memalign", "aligned_alloc", "cfree",
        "free",    "new",     "delete",         "expand",   "strdup",        "strndup",
        "rallocx", "xallocx", "dallocx",        "sdallocx", "alloc_new",     "aligned_recalloc"};
    static const char *const rest[] = {"_aligned", "_at",   "_nothrow", "_small", "_sized", "_size",
                                       "_n",       "array", "_realloc", "x",      "n",      "f"};
    size_t prefix = BEGINS_WITH_ONE(name, prefixes), verb = prefix ? BEGINS_WITH_ONE(name + prefix, verbs) : 0;
    if (!verb)
        return false;
    name += prefix + verb;
    for (size_t word; (word = BEGINS_WITH_ONE(name, rest)) != 0;)
        name += word;
    return !*name;
}

static bool is_entry_point(const char *name)
{
    for (size_t i = 0; i < sizeof entry_points / sizeof entry_points[0]; i++) {
        if (strcmp(name, entry_points[i]) == 0)
            return true;
    }
    return is_allocators_name(name);
}

static bool is_allocator_internal(const char *name)
{
    for (size_t i = 0; i < sizeof library_prefixes / sizeof library_prefixes[0]; i++) {
        if (strncmp(name, library_prefixes[i], strlen(library_prefixes[i])) == 0)
            return true;
    }
    return false;
}

// Templates of the standard library are compiled into the program but are nobody's own code there: what a reader looks
// for is the caller. Told by the name's outermost namespace and by where the source file lies.
static bool is_library_code(const struct resolve_frame *f)
{
    static const char *const namespaces[] = {
        "std::",    "__gnu_cxx::", "core::", "alloc::",     "boost::",
        "<alloc::", "<core::",     "<std::", "hashbrown::", "runtime."}; // the last one is Go's
    // Rust's own library was compiled in its source tree, and names its files from there.
    static const char *const places[] = {"/usr/include/",    "/usr/lib/",          "/rustc/",
                                         "library/std/src/", "library/alloc/src/", "library/core/src/"};
    for (size_t i = 0; f->function && i < sizeof namespaces / sizeof *namespaces; i++)
        if (strncmp(f->function, namespaces[i], strlen(namespaces[i])) == 0)
            return true;
    for (size_t i = 0; f->file && i < sizeof places / sizeof *places; i++)
        if (strncmp(f->file, places[i], strlen(places[i])) == 0)
            return true;
    return f->function && is_allocator_internal(f->function);
}

static bool is_probe(const struct resolve_frame *f)
{
    return strncmp(f->module_name, "libseep-probe", 13) == 0;
}

// operator new of the probe itself is a hook and goes; that of the C++ library stays.
static bool is_cut(const struct resolve_frame *f)
{
    return is_probe(f) || (f->function && is_entry_point(f->function));
}

size_t resolve_tidy(struct resolve_frame *frames, size_t n)
{
    size_t first = 0;
    bool innermost = true, probe_new = false;
    for (size_t i = 0; i < n; i++) {
        struct resolve_frame *f = &frames[i];
        f->flags &= ~(uint32_t)(RESOLVE_F_CUT | RESOLVE_F_LIBRARY);
        if (f->klass == RESOLVE_CLASS_LIBRARY || is_library_code(f))
            f->flags |= RESOLVE_F_LIBRARY;
        if (innermost && is_cut(f)) {
            // The hook of operator new stands for operator new, unless the C++ library's own follows: keep the
            // outermost one.
            if (f->function && strncmp(f->function, "operator new", 12) == 0)
                probe_new = true;
            f->flags |= RESOLVE_F_CUT;
            first = i + 1;
            continue;
        }
        innermost = false;
    }
    bool new_follows = first < n && frames[first].function && strncmp(frames[first].function, "operator new", 12) == 0;
    if (probe_new && !new_follows && first > 0 && frames[first - 1].function &&
        strncmp(frames[first - 1].function, "operator new", 12) == 0) {
        first--;
        frames[first].flags = (frames[first].flags & ~(uint32_t)RESOLVE_F_CUT) | RESOLVE_F_LIBRARY;
    }
    if (first == n && n > 0) {
        first = n - 1;
        frames[first].flags &= ~(uint32_t)RESOLVE_F_CUT;
    }
    return first;
}

static bool starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

enum resolve_class resolve_class_of(enum resolve_module_kind kind, const char *path, bool is_program)
{
    static const char *const system_dirs[] = {"/lib/",         "/lib32/",     "/lib64/",     "/libx32/",
                                              "/usr/lib/",     "/usr/lib32/", "/usr/lib64/", "/usr/local/lib/",
                                              "/usr/libexec/", "/nix/store/", "/gnu/store/", "/snap/"};
    if (kind == RESOLVE_KERNEL || kind == RESOLVE_VDSO)
        return RESOLVE_CLASS_KERNEL;
    if (is_program || kind == RESOLVE_PERF_MAP)
        return RESOLVE_CLASS_PROGRAM;
    if (kind != RESOLVE_ELF || !path || path[0] != '/')
        return RESOLVE_CLASS_UNKNOWN;
    const char *name = strrchr(path, '/') + 1;
    if (starts_with(name, "libseep-probe"))
        return RESOLVE_CLASS_LIBRARY;
    for (size_t i = 0; i < sizeof system_dirs / sizeof system_dirs[0]; i++) {
        if (starts_with(path, system_dirs[i]))
            return RESOLVE_CLASS_LIBRARY;
    }
    return RESOLVE_CLASS_PROGRAM; // the target's own libraries and plug-ins
}

// Length of a raw name without what compilers append to copies of a function: these change with every build.
static size_t stem_length(const char *raw)
{
    static const char *const suffixes[] = {".constprop.", ".isra.", ".part.", ".cold", ".lto_priv.", ".llvm.", "@"};
    size_t len = strlen(raw);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        const char *at = strstr(raw + (len > 0), suffixes[i]);
        if (at && (size_t)(at - raw) < len)
            len = (size_t)(at - raw);
    }
    return len;
}

static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3u; // FNV-1a
    return h;
}

// Puts "text" into key; when it is too long, its beginning and '~' and 16 digits of its hash.
static size_t put_key(char *key, size_t size, const char *text, size_t len)
{
    if (len < size) {
        memcpy(key, text, len);
        key[len] = '\0';
        return len;
    }
    size_t head = size - 18;
    memcpy(key, text, head);
    snprintf(key + head, 18, "~%016llx", (unsigned long long)hash_bytes(0xcbf29ce484222325u, text, len));
    return size - 1;
}

size_t resolve_frame_key(const struct resolve_frame *frame, char *key, size_t size)
{
    const char *name = frame->raw_name ? frame->raw_name : frame->function;
    if (name && name[0])
        return put_key(key, size, name, stem_length(name));
    char text[RESOLVE_PATH_MAX + 2 * RESOLVE_BUILD_ID_MAX + 32];
    int n = snprintf(text, sizeof text - 2 * RESOLVE_BUILD_ID_MAX - 24, "%s@", frame->module_name);
    size_t at = n < 0 ? 0 : (size_t)n;
    if (at >= sizeof text - 2 * RESOLVE_BUILD_ID_MAX - 24)
        at = sizeof text - 2 * RESOLVE_BUILD_ID_MAX - 25;
    for (size_t i = 0; i < frame->build_id_len && i < RESOLVE_BUILD_ID_MAX; i++)
        at += (size_t)snprintf(text + at, 3, "%02x", frame->build_id[i]);
    at += (size_t)snprintf(text + at, sizeof text - at, "+0x%llx", (unsigned long long)frame->offset);
    return put_key(key, size, text, at);
}
