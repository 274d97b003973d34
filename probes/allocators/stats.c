// The allocator's own figures, read inside the target by whichever thread calls it next after a request.
//
// Each interface is looked up by name: nothing is linked. glibc's mallinfo2 walks every free chunk under the arena
// lock, so it is used only while its own measured cost stays under a millisecond.
#include "malloc/probe.h"

#include <string.h>

#define UNKNOWN          UINT64_MAX
#define MALLINFO_MOST_NS 1000000u

typedef int (*mallctl_fn)(const char *, void *, size_t *, void *, size_t);
typedef int (*tc_numeric_fn)(const char *, size_t *);
typedef void (*mi_process_info_fn)(size_t *, size_t *, size_t *, size_t *, size_t *, size_t *, size_t *, size_t *);
struct mallinfo2_result {
    size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};
typedef struct mallinfo2_result (*mallinfo2_fn)(void);

static mallctl_fn mallctl_of;
static tc_numeric_fn tc_numeric;
static mi_process_info_fn mi_process_info;
static mallinfo2_fn mallinfo2_of;
static uint32_t kind;

static int find(void *slot, const char *name)
{
    void *symbol = probe_dlsym_start(name, 0);
    memcpy(slot, &symbol, sizeof symbol);
    return symbol != NULL;
}

static void find_objects(void)
{
    struct probe_object o;
    if (probe_real.malloc && probe_object_find((uintptr_t)probe_real.malloc, &o) == 0) {
        probe_real.allocator_start = o.start;
        probe_real.allocator_end = o.end;
    }
    void *operator_new = probe_dlsym_start("_Znwm", 1);
    if (operator_new && probe_object_find((uintptr_t)operator_new, &o) == 0)
        probe_real.new_start = o.start;
}

// tcmalloc makes an object of its own when it is first asked for a size: once it is on, the probe would count that
// block, ask for its size, and so on without end. And a preloaded library that wraps malloc finds the real one now,
// before a search of ours fails: the loader frees its message of that within the wrapper's own search, without end.
static void ask_once(void)
{
    void *p = probe_real.malloc && probe_real.usable ? probe_real.malloc(1) : NULL;
    if (p) {
        probe_real.usable(p);
        probe_real.free(p);
    }
}

void probe_allocator_init(void)
{
    ask_once();
    find_objects();
    probe_glibc_init();
    if (find(&mallctl_of, "mallctl") || find(&mallctl_of, "je_mallctl") || find(&mallctl_of, "_rjem_mallctl"))
        kind = SEEP_ALLOC_JEMALLOC;
    else if (find(&tc_numeric, "MallocExtension_GetNumericProperty"))
        kind = SEEP_ALLOC_TCMALLOC;
    else if (find(&mi_process_info, "mi_process_info"))
        kind = SEEP_ALLOC_MIMALLOC;
    else if (find(&mallinfo2_of, "mallinfo2"))
        kind = SEEP_ALLOC_GLIBC;
    probe_dlsym_start("malloc", 0); // found: nothing of our failed searches is left for the program's dlerror()
}

static uint64_t je_value(const char *name)
{
    size_t v = 0, bytes = sizeof v;
    return mallctl_of(name, &v, &bytes, NULL, 0) == 0 && bytes == sizeof v ? v : UNKNOWN;
}

static void read_jemalloc(struct seep_allocator_stats *s)
{
    uint64_t epoch = 1;
    size_t bytes = sizeof epoch;
    if (mallctl_of("epoch", &epoch, &bytes, &epoch, sizeof epoch) != 0)
        return;
    s->allocated_bytes = je_value("stats.allocated");
    s->active_bytes = je_value("stats.active");
    s->resident_bytes = je_value("stats.resident");
    s->retained_bytes = je_value("stats.retained");
    s->mapped_bytes = je_value("stats.mapped");
    s->metadata_bytes = je_value("stats.metadata");
}

static uint64_t tc_value(const char *name)
{
    size_t v = 0;
    return tc_numeric(name, &v) ? v : UNKNOWN;
}

static void read_tcmalloc(struct seep_allocator_stats *s)
{
    s->allocated_bytes = tc_value("generic.current_allocated_bytes");
    s->mapped_bytes = tc_value("generic.heap_size");
    uint64_t unmapped = tc_value("tcmalloc.pageheap_unmapped_bytes");
    if (s->mapped_bytes != UNKNOWN && unmapped != UNKNOWN && unmapped <= s->mapped_bytes)
        s->resident_bytes = s->mapped_bytes - unmapped;
    s->retained_bytes = unmapped;
    uint64_t free_pages = tc_value("tcmalloc.pageheap_free_bytes");
    if (s->resident_bytes != UNKNOWN && free_pages != UNKNOWN && free_pages <= s->resident_bytes)
        s->active_bytes = s->resident_bytes - free_pages;
}

static void read_mimalloc(struct seep_allocator_stats *s)
{
    size_t rss = 0, commit = 0;
    mi_process_info(NULL, NULL, NULL, &rss, NULL, &commit, NULL, NULL);
    s->mapped_bytes = commit; // what mimalloc has committed; it has no count of allocated bytes in release builds
}

static void read_glibc(struct seep_allocator_stats *s)
{
    struct mallinfo2_result m = mallinfo2_of();
    s->allocated_bytes = m.uordblks + m.hblkhd;
    s->active_bytes = m.arena + m.hblkhd;
    s->mapped_bytes = m.arena + m.hblkhd;
}

static void read_by_kind(struct seep_allocator_stats *s)
{
    switch (kind) {
    case SEEP_ALLOC_JEMALLOC:
        read_jemalloc(s);
        break;
    case SEEP_ALLOC_TCMALLOC:
        read_tcmalloc(s);
        break;
    case SEEP_ALLOC_MIMALLOC:
        read_mimalloc(s);
        break;
    default:
        read_glibc(s);
    }
}

// Runs with the thread marked as inside the probe: what the allocator allocates meanwhile is counted as nested.
void probe_allocator_read(struct probe_region *r, uint32_t tick)
{
    struct seep_allocator_stats *out = &r->header->allocator;
    struct seep_allocator_stats s = {.kind = kind, .tick = tick, .state = kind ? 1 : 3};
    s.allocated_bytes = s.active_bytes = s.resident_bytes = s.retained_bytes = s.mapped_bytes = s.metadata_bytes =
        UNKNOWN;
    if (kind == SEEP_ALLOC_GLIBC && out->cost_ns > MALLINFO_MOST_NS) {
        s.state = 2;
        s.cost_ns = out->cost_ns;
    }
    uint64_t start = sys_now_ns();
    if (s.state == 1) {
        read_by_kind(&s);
        s.cost_ns = sys_now_ns() - start;
    }
    s.time_ns = start;
    uint64_t sequence = load_relaxed(&out->sequence) | 1;
    store_relaxed(&out->sequence, sequence);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    s.sequence = sequence;
    *out = s;
    store_release(&out->sequence, sequence + 1);
}
