// One unit out of a DWARF package: see package.h.
//
// libdw before 0.191 reads no packages, and it reads split files only from a file. So the unit's share of each section
// is copied to where the compiler would have left it: an object file with nothing but those sections. Strings are
// shared by all units, and are copied whole.
#include "resolve/package.h"
#include "resolve/elf_file.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 8, UNITS_MAX = 1 << 20, SECTIONS_MAX = COLUMNS_MAX + 3 };

struct part {
    const char *name;
    const uint8_t *at;
    size_t size;
};

struct index {
    uint32_t version, columns, units, slots;
    const uint8_t *ids, *rows, *sections, *offsets, *sizes;
};

static uint32_t u32_at(const uint8_t *p, size_t i)
{
    uint32_t v;
    memcpy(&v, p + 4 * i, sizeof v);
    return v;
}

static bool read_index(const Elf_Data *d, struct index *x)
{
    const uint8_t *p = d ? d->d_buf : NULL;
    if (!p || d->d_size < 16)
        return false;
    *x = (struct index){u32_at(p, 0), u32_at(p, 1), u32_at(p, 2), u32_at(p, 3), NULL, NULL, NULL, NULL, NULL};
    x->version &= 0xffff; // of version 5 the other half is padding
    uint64_t cells = 4ull * x->columns;
    uint64_t wanted = 16 + 12ull * x->slots + cells + 2 * cells * x->units;
    if ((x->version != 2 && x->version != 5) || x->columns == 0 || x->columns > COLUMNS_MAX || x->units > UNITS_MAX ||
        x->slots == 0 || (x->slots & (x->slots - 1)) || wanted > d->d_size)
        return false;
    x->ids = p + 16;
    x->rows = x->ids + 8ull * x->slots;
    x->sections = x->rows + 4ull * x->slots;
    x->offsets = x->sections + cells;
    x->sizes = x->offsets + cells * x->units;
    return true;
}

// Row of the unit, from 0; -1: not there.
static int64_t row_of(const struct index *x, uint64_t id)
{
    uint32_t mask = x->slots - 1, at = (uint32_t)id & mask, step = ((uint32_t)(id >> 32) & mask) | 1;
    for (uint32_t tries = 0; tries < x->slots; tries++, at = (at + step) & mask) {
        uint64_t there;
        uint32_t row = u32_at(x->rows, at);
        memcpy(&there, x->ids + 8ull * at, sizeof there);
        if (row == 0)
            return -1;
        if (there == id)
            return row <= x->units ? (int64_t)row - 1 : -1;
    }
    return -1;
}

static const char *name_of(uint32_t version, uint32_t section)
{
    static const char *const of_2[] = {[1] = ".debug_info.dwo",
                                       [3] = ".debug_abbrev.dwo",
                                       [4] = ".debug_line.dwo",
                                       [5] = ".debug_loc.dwo",
                                       [6] = ".debug_str_offsets.dwo"};
    static const char *const of_5[] = {
        [1] = ".debug_info.dwo",     [3] = ".debug_abbrev.dwo",      [4] = ".debug_line.dwo",
        [5] = ".debug_loclists.dwo", [6] = ".debug_str_offsets.dwo", [8] = ".debug_rnglists.dwo"};
    if (version == 2)
        return section < sizeof of_2 / sizeof *of_2 ? of_2[section] : NULL;
    return section < sizeof of_5 / sizeof *of_5 ? of_5[section] : NULL;
}

static size_t take_parts(Elf *elf, const struct index *x, size_t row, struct part *parts)
{
    size_t n = 0;
    for (uint32_t c = 0; c < x->columns; c++) {
        const char *name = name_of(x->version, u32_at(x->sections, c));
        Elf_Data *d = name ? elf_section(elf, name, NULL) : NULL;
        uint32_t from = u32_at(x->offsets, row * x->columns + c), size = u32_at(x->sizes, row * x->columns + c);
        if (!d || !d->d_buf || size == 0)
            continue;
        if (from > d->d_size || size > d->d_size - from)
            return 0;
        parts[n++] = (struct part){name, (const uint8_t *)d->d_buf + from, size};
    }
    Elf_Data *d = elf_section(elf, ".debug_str.dwo", NULL);
    if (d && d->d_buf)
        parts[n++] = (struct part){".debug_str.dwo", d->d_buf, d->d_size};
    return n;
}

struct writer {
    uint8_t *out;
    size_t room, at;
};

static bool put(struct writer *w, const void *bytes, size_t size, size_t align)
{
    w->at = (w->at + align - 1) & ~(align - 1);
    if (w->at > w->room || size > w->room - w->at)
        return false;
    if (size > 0)
        memcpy(w->out + w->at, bytes, size);
    w->at += size;
    return true;
}

// Header, parts, names, table of sections.
static bool write_object(const struct part *parts, size_t n, unsigned machine, struct writer *w)
{
    Elf64_Shdr table[SECTIONS_MAX] = {{.sh_type = SHT_NULL}};
    char names[512] = "";
    size_t used = 1;
    w->at = sizeof(Elf64_Ehdr);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(parts[i].name) + 1;
        if (!put(w, parts[i].at, parts[i].size, 8))
            return false;
        table[i + 1] = (Elf64_Shdr){.sh_name = (Elf64_Word)used,
                                    .sh_type = SHT_PROGBITS,
                                    .sh_offset = w->at - parts[i].size,
                                    .sh_size = parts[i].size,
                                    .sh_addralign = 1};
        memcpy(names + used, parts[i].name, len);
        used += len;
    }
    static const char last[] = ".shstrtab";
    memcpy(names + used, last, sizeof last);
    table[n + 1] = (Elf64_Shdr){.sh_name = (Elf64_Word)used, .sh_type = SHT_STRTAB, .sh_addralign = 1};
    used += sizeof last;
    if (!put(w, names, used, 8))
        return false;
    table[n + 1].sh_offset = w->at - used;
    table[n + 1].sh_size = used;
    if (!put(w, table, (n + 2) * sizeof *table, 8))
        return false;
    Elf64_Ehdr head = {.e_type = ET_REL,
                       .e_machine = (Elf64_Half)machine,
                       .e_version = EV_CURRENT,
                       .e_shoff = w->at - (n + 2) * sizeof *table,
                       .e_ehsize = sizeof head,
                       .e_shentsize = sizeof *table,
                       .e_shnum = (Elf64_Half)(n + 2),
                       .e_shstrndx = (Elf64_Half)(n + 1)};
    memcpy(head.e_ident, ELFMAG, SELFMAG);
    head.e_ident[EI_CLASS] = ELFCLASS64;
    head.e_ident[EI_DATA] = ELFDATA2LSB;
    head.e_ident[EI_VERSION] = EV_CURRENT;
    memcpy(w->out, &head, sizeof head);
    return true;
}

static Elf *open_package(int fd, struct index *x, GElf_Ehdr *head)
{
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    if (elf && elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, head) && head->e_ident[EI_CLASS] == ELFCLASS64 &&
        head->e_ident[EI_DATA] == ELFDATA2LSB && read_index(elf_section(elf, ".debug_cu_index", NULL), x))
        return elf;
    if (elf)
        elf_end(elf);
    return NULL;
}

bool package_is_one(int fd)
{
    struct index x;
    GElf_Ehdr head;
    Elf *elf = open_package(fd, &x, &head);
    if (elf)
        elf_end(elf);
    return elf != NULL;
}

bool package_unit(int fd, uint64_t id, uint8_t *out, size_t room)
{
    struct index x;
    GElf_Ehdr head;
    struct part parts[COLUMNS_MAX + 1];
    struct writer w = {.out = out, .room = room};
    Elf *elf = open_package(fd, &x, &head);
    if (!elf)
        return false;
    int64_t row = row_of(&x, id);
    size_t n = row >= 0 && room >= sizeof(Elf64_Ehdr) ? take_parts(elf, &x, (size_t)row, parts) : 0;
    bool done = n > 0 && write_object(parts, n, head.e_machine, &w);
    elf_end(elf);
    return done;
}
