// Which object a pc lies in, and the append-only log of objects for the outside.
//
// _dl_find_object answers without any lock (glibc 2.35 and later); it is asked for by name so that the probe also loads
// elsewhere. Without it the loader's link map is followed by hand, every pointer checked before it is used: slower, but
// answers are cached per pc. dl_iterate_phdr is out of the question: it takes the loader's lock inside malloc.
#include "malloc/probe.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

// As in glibc's manual for _dl_find_object on x86-64.
struct found_object {
    unsigned long long flags;
    void *map_start, *map_end;
    struct link_map *link_map;
    void *eh_frame;
    unsigned long long reserved[7];
};

static int (*find_object)(void *, struct found_object *);
static struct r_debug *loader_debug;
uint32_t probe_generation = 1;

void probe_modules_init(void)
{
    void *find = probe_flags & PROBE_FLAG_NO_FIND_OBJECT ? NULL : probe_dlsym_start("_dl_find_object", 0);
    memcpy(&find_object, &find, sizeof find);
    loader_debug = probe_dlsym_start("_r_debug", 0);
}

static int readable(const void *p, size_t bytes)
{
    uintptr_t first = (uintptr_t)p & ~7ul, last = ((uintptr_t)p + bytes - 1) & ~7ul;
    return sys_readable(first) && sys_readable(last);
}

// Bounds and unwind table of an object from its program headers; 0 if pc lies in it.
static int object_from_phdrs(const Elf64_Phdr *ph, unsigned n, uintptr_t bias, uintptr_t pc, struct probe_object *o)
{
    uintptr_t low = UINTPTR_MAX, high = 0;
    o->eh_frame_hdr = NULL;
    for (unsigned i = 0; i < n; i++) {
        if (ph[i].p_type == PT_LOAD) {
            uintptr_t start = bias + ph[i].p_vaddr, end = start + ph[i].p_memsz;
            low = start < low ? start : low;
            high = end > high ? end : high;
        } else if (ph[i].p_type == PT_GNU_EH_FRAME) {
            o->eh_frame_hdr = (const uint8_t *)(bias + ph[i].p_vaddr);
        }
    }
    o->start = low & ~4095ul;
    o->end = (high + 4095) & ~4095ul;
    o->bias = bias;
    return pc >= o->start && pc < o->end ? 0 : -1;
}

static int link_map_try(const struct link_map *l, int is_main, uintptr_t pc, struct probe_object *o)
{
    const Elf64_Ehdr *eh = (const Elf64_Ehdr *)l->l_addr;
    const Elf64_Phdr *ph = NULL;
    unsigned n = 0;
    if (is_main) {
        ph = (const Elf64_Phdr *)getauxval(AT_PHDR);
        n = (unsigned)getauxval(AT_PHNUM);
    } else if (eh && readable(eh, sizeof *eh) && !memcmp(eh->e_ident, ELFMAG, SELFMAG)) {
        ph = (const Elf64_Phdr *)((const char *)eh + eh->e_phoff);
        n = eh->e_phnum;
    }
    if (!ph || n > 64 || !readable(ph, n * sizeof *ph))
        return -1;
    o->path = l->l_name;
    o->tag = (uintptr_t)l;
    return object_from_phdrs(ph, n, l->l_addr, pc, o);
}

static int find_by_link_map(uintptr_t pc, struct probe_object *o)
{
    if (!loader_debug)
        return -1;
    const struct link_map *l = loader_debug->r_map;
    for (int i = 0; l && i < 4096; i++) {
        if (!readable(l, sizeof *l))
            return -1;
        if (link_map_try(l, i == 0, pc, o) == 0)
            return 0;
        l = l->l_next;
    }
    return -1;
}

int probe_object_find(uintptr_t pc, struct probe_object *o)
{
    if (!find_object)
        return find_by_link_map(pc, o);
    struct found_object f;
    if (find_object((void *)pc, &f) != 0)
        return -1;
    // An object with holes between its segments is answered with one segment only; its tables lie in another.
    uintptr_t table = (uintptr_t)f.eh_frame;
    if (table && f.link_map && (table < (uintptr_t)f.map_start || table >= (uintptr_t)f.map_end))
        return link_map_try(f.link_map, loader_debug && f.link_map == loader_debug->r_map, pc, o);
    o->start = (uintptr_t)f.map_start;
    o->end = (uintptr_t)f.map_end;
    o->eh_frame_hdr = f.eh_frame;
    o->bias = f.link_map ? f.link_map->l_addr : 0;
    o->path = f.link_map ? f.link_map->l_name : NULL;
    o->tag = (uintptr_t)f.link_map;
    return 0;
}

int probe_object_find_is_cheap(void)
{
    return find_object != NULL;
}

// The GNU build-id note within a mapped note segment. Returns its length, 0 for none.
static uint32_t note_build_id(const uint8_t *p, const uint8_t *end, uint8_t *id)
{
    while (end - p >= 12) {
        uint32_t head[3];
        memcpy(head, p, sizeof head);
        uint64_t name = (head[0] + 3ull) & ~3ull, desc = (head[1] + 3ull) & ~3ull;
        if (12 + name + desc > (uint64_t)(end - p))
            return 0;
        if (head[2] == 3 && head[0] == 4 && !memcmp(p + 12, "GNU", 4)) {
            uint32_t n = head[1] < SEEP_BUILD_ID_BYTES ? head[1] : SEEP_BUILD_ID_BYTES;
            memcpy(id, p + 12 + name, n);
            return n;
        }
        p += 12 + name + desc;
    }
    return 0;
}

static uint32_t object_build_id(const struct probe_object *o, uint8_t *id)
{
    const Elf64_Ehdr *eh = (const Elf64_Ehdr *)o->start;
    if (!readable(eh, sizeof *eh) || memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 || eh->e_phoff > 4096 ||
        eh->e_phnum > 64 || o->start + eh->e_phoff + eh->e_phnum * sizeof(Elf64_Phdr) > o->end)
        return 0;
    const Elf64_Phdr *ph = (const Elf64_Phdr *)(o->start + eh->e_phoff);
    for (unsigned i = 0; i < eh->e_phnum; i++) {
        uintptr_t at = o->bias + ph[i].p_vaddr;
        if (ph[i].p_type != PT_NOTE || at < o->start || ph[i].p_memsz > o->end - at ||
            !readable((const void *)at, ph[i].p_memsz))
            continue;
        uint32_t n = note_build_id((const uint8_t *)at, (const uint8_t *)at + ph[i].p_memsz, id);
        if (n)
            return n;
    }
    return 0;
}

static void copy_path(char *to, const char *from)
{
    size_t n = 0;
    for (; from && from[n] && n < SEEP_MODULE_PATH_BYTES - 1; n++)
        to[n] = from[n];
    memset(to + n, 0, SEEP_MODULE_PATH_BYTES - n);
}

static int same_module(const struct seep_module *m, const struct seep_module *want)
{
    return m->start == want->start && m->end == want->end && m->bias == want->bias &&
           m->build_id_bytes == want->build_id_bytes && !memcmp(m->build_id, want->build_id, sizeof m->build_id) &&
           !strcmp(m->path, want->path) && (want->build_id_bytes || m->tag == want->tag);
}

// Under the log's lock: the index of `want`, appended when new; what it displaced is marked as gone.
static uint32_t log_append(struct probe_region *r, struct seep_module *want)
{
    uint64_t count = load_relaxed(&r->header->module_count);
    for (uint32_t i = 1; i < count && i < r->layout.modules; i++) {
        struct seep_module *m = &r->modules[i];
        if (m->state != 1)
            continue;
        if (same_module(m, want))
            return i;
        if (m->start < want->end && want->start < m->end) {
            m->unload_epoch = want->load_epoch;
            store_release(&m->state, 2);
        }
    }
    if (count >= r->layout.modules) {
        add_relaxed(&r->header->module_overflow, 1);
        return 0;
    }
    struct seep_module *m = &r->modules[count];
    *m = *want;
    store_release(&m->state, 1);
    store_release(&r->header->module_count, count + 1);
    return (uint32_t)count;
}

uint32_t probe_module_index(struct probe_region *r, const struct probe_object *o)
{
    struct seep_module want = {.start = o->start, .end = o->end, .bias = o->bias, .tag = o->tag};
    want.load_epoch = SEEP_WORD_EPOCH(load_relaxed(&r->control->word));
    want.unload_epoch = UINT32_MAX;
    want.time_ns = sys_now_ns();
    want.build_id_bytes = object_build_id(o, want.build_id);
    copy_path(want.path, o->path);
    uint64_t *lock = &r->header->module_lock, free_value = 0;
    for (int i = 0; !__atomic_compare_exchange_n(lock, &free_value, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED); i++) {
        if (i == 1000 || probe_no_syscalls)
            return 0; // its holder does not get on: this frame stays without a module, nobody waits
        free_value = 0;
        sys3(SYS_sched_yield, 0, 0, 0);
    }
    uint32_t index = log_append(r, &want);
    store_release(lock, 0);
    return index;
}

void probe_code_changed(struct probe_region *r)
{
    add_relaxed(&probe_generation, 1);
    add_relaxed(&r->header->rule_flushes, 1);
}
