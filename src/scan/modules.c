// Whose data lies at an address? With a probe its log of modules says so. Without one the mappings do, together with
// the program headers that lie in the target's memory: its data behind the file's end (.bss) has no name in the
// mappings.
//
// Trust: names and headers are the target's. They decide a name in the report, nothing else; every length is bounded.
#include "scan/internal.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HEADERS_MAX 64
#define PAGE        4096ull

static int by_log(struct scan *s, uint64_t address, uint64_t *offset, char path[SCAN_PATH_BYTES])
{
    uint32_t n = wire_modules(s->table->wire);
    for (uint32_t i = 1; i < n; i++) {
        struct wire_module m;
        if (wire_module(s->table->wire, i, &m) || m.unload_epoch != UINT32_MAX || address < m.start || address >= m.end)
            continue;
        *offset = address - m.bias;
        snprintf(path, SCAN_PATH_BYTES, "%.255s", m.path);
        return 0;
    }
    return -1;
}

// The mapping of the beginning of the file that a mapping belongs to, or lies directly behind; NULL: none.
static const struct scan_span *beginning(const struct scan *s, uint32_t i)
{
    while (i > 0 && !s->span[i].path[0] && s->span[i - 1].end == s->span[i].start)
        i--;
    const struct scan_span *named = &s->span[i];
    if (!named->file_private)
        return NULL;
    while (i > 0 && (s->span[i].offset != 0 || strcmp(s->span[i].path, named->path) != 0))
        i--;
    return strcmp(s->span[i].path, named->path) == 0 && s->span[i].offset == 0 ? &s->span[i] : NULL;
}

static bool place_of(struct scan *s, const struct scan_span *p, uint64_t *bias, uint64_t *end)
{
    Elf64_Ehdr e;
    Elf64_Phdr h[HEADERS_MAX];
    uint64_t low = UINT64_MAX, high = 0;
    if (pread(s->memory_fd, &e, sizeof e, (off_t)p->start) != (ssize_t)sizeof e ||
        memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 || e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_phentsize != sizeof h[0] ||
        e.e_phnum > HEADERS_MAX || e.e_phoff > p->end - p->start ||
        pread(s->memory_fd, h, e.e_phnum * sizeof h[0], (off_t)(p->start + e.e_phoff)) !=
            (ssize_t)(e.e_phnum * sizeof h[0]))
        return false;
    for (int i = 0; i < e.e_phnum; i++)
        if (h[i].p_type == PT_LOAD && h[i].p_memsz < 1ull << 46 && h[i].p_vaddr < 1ull << 47) {
            low = h[i].p_vaddr < low ? h[i].p_vaddr : low;
            high = h[i].p_vaddr + h[i].p_memsz > high ? h[i].p_vaddr + h[i].p_memsz : high;
        }
    if (low > high)
        return false;
    *bias = p->start - (low & ~(PAGE - 1));
    *end = *bias + high;
    return true;
}

static void look_up(struct scan *s, const struct scan_span *p)
{
    s->place.of = p;
    s->place.known = place_of(s, p, &s->place.bias, &s->place.end);
}

static int by_mappings(struct scan *s, uint32_t span, uint64_t address, uint64_t *offset, char path[SCAN_PATH_BYTES])
{
    static const char gone[] = " (deleted)";
    const struct scan_place *place = &s->place;
    const struct scan_span *p = beginning(s, span);
    if (p && p != place->of) // many pointers lie in few files
        look_up(s, p);
    if (!p || !place->known || address >= place->end)
        return -1;
    size_t len = strlen(p->path);
    if (len > sizeof gone && strcmp(p->path + len + 1 - sizeof gone, gone) == 0)
        len -= sizeof gone - 1;
    *offset = address - place->bias;
    snprintf(path, SCAN_PATH_BYTES, "%.*s", (int)len, p->path);
    return 0;
}

int scan_module_at(struct scan *s, uint32_t span, uint64_t address, uint64_t *offset, char path[SCAN_PATH_BYTES])
{
    return s->table->wire ? by_log(s, address, offset, path) : by_mappings(s, span, address, offset, path);
}
