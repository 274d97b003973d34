// Programs built with a sanitizer, started somewhere in the target's tree with the probe in their LD_PRELOAD.
//
// A sanitizer keeps the program's allocator for itself: its race detector would report the probe's tables as races, its
// search for leaks would find lost blocks in them. Such a process is left alone for good: the hooks only pass on. What
// the main program is built with the supervisor looks at before it starts; these it never sees beforehand.
#include "malloc/probe.h"

// The loader's own list, not dlsym: a name that is not found would leave a word for the program's dlerror().
int probe_is_sanitized(void)
{
    static const char *const runtimes[] = {"__asan_init", "__tsan_init", "__lsan_do_leak_check", "__hwasan_init",
                                           "__msan_init"};
    for (unsigned i = 0; i < sizeof runtimes / sizeof *runtimes; i++)
        if (probe_lookup(runtimes[i], 0))
            return 1;
    return 0;
}

// AddressSanitizer's shared runtime ends a program in which any other library stands before it, as a preloaded one
// does. It asks this function for its defaults, wherever it is found first (sanitizer/asan_interface.h); what
// ASAN_OPTIONS says comes on top. A program with a function of that name of its own keeps its own.
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "verify_asan_link_order=0";
}
