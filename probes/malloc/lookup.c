// The next definition of a symbol where there is no dlsym: before glibc 2.34 it lives in libdl, which a program need
// not have, and a probe that demanded it would end such a program before it begins.
//
// Walks the loader's list of objects as dlsym(RTLD_NEXT) would for the objects a program starts with, and reads their
// hash tables. Only what the loader itself has built is read. Besides old libcs only the search for what need not be
// there comes here (sanitizer.c).
#include "malloc/probe.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

extern const Elf64_Dyn own_dynamic[] __asm__("_DYNAMIC") __attribute__((visibility("hidden")));

static const struct link_map *first_object(void)
{
    const Elf64_Phdr *ph = (const Elf64_Phdr *)getauxval(AT_PHDR);
    const Elf64_Dyn *dynamic = NULL;
    uintptr_t bias = 0;
    for (unsigned long i = 0, n = ph ? getauxval(AT_PHNUM) : 0; i < n; i++) {
        if (ph[i].p_type == PT_PHDR)
            bias = (uintptr_t)ph - ph[i].p_vaddr;
        if (ph[i].p_type == PT_DYNAMIC)
            dynamic = (const Elf64_Dyn *)(bias + ph[i].p_vaddr); // PT_PHDR comes before it
    }
    for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++)
        if (dynamic->d_tag == DT_DEBUG && dynamic->d_un.d_ptr)
            return ((const struct r_debug *)dynamic->d_un.d_ptr)->r_map;
    return NULL;
}

// The loader adds the base to these in place, but not in objects it cannot write to.
static const void *table(const struct link_map *l, int64_t tag)
{
    for (const Elf64_Dyn *d = l->l_ld; d && d->d_tag != DT_NULL; d++)
        if (d->d_tag == tag)
            return (const void *)(d->d_un.d_ptr < l->l_addr ? d->d_un.d_ptr + l->l_addr : d->d_un.d_ptr);
    return NULL;
}

// Whether a name stands in this object, under any version and of any kind.
static int defines(const struct link_map *l, const char *name, uint32_t hash)
{
    const uint32_t *gnu = table(l, DT_GNU_HASH), *plain = table(l, DT_HASH);
    const Elf64_Sym *symbols = table(l, DT_SYMTAB);
    const char *strings = table(l, DT_STRTAB);
    if (!symbols || !strings)
        return 0;
    uint32_t at = gnu && gnu[0] ? gnu[4 + 2ul * gnu[2] + hash % gnu[0]] : 0;
    const uint32_t *chain = gnu ? gnu + 4 + 2ul * gnu[2] + gnu[0] : NULL;
    for (int last = !gnu || at < gnu[1]; !last; at++) {
        last = chain[at - gnu[1]] & 1;
        if (symbols[at].st_shndx != SHN_UNDEF && !strcmp(strings + symbols[at].st_name, name))
            return 1;
    }
    for (uint32_t i = 0; !gnu && plain && i < plain[1]; i++)
        if (symbols[i].st_shndx != SHN_UNDEF && !strcmp(strings + symbols[i].st_name, name))
            return 1;
    return 0;
}

static void *find_in(const struct link_map *l, const char *name, uint32_t hash)
{
    const uint32_t *gnu = table(l, DT_GNU_HASH);
    const Elf64_Sym *symbols = table(l, DT_SYMTAB);
    const char *strings = table(l, DT_STRTAB);
    const uint16_t *versions = table(l, DT_VERSYM);
    if (!gnu || !symbols || !strings || !gnu[0])
        return NULL;
    const uint32_t *buckets = gnu + 4 + 2ul * gnu[2], *chain = buckets + gnu[0];
    uint32_t at = buckets[hash % gnu[0]];
    for (int last = at < gnu[1]; !last; at++) {
        const Elf64_Sym *s = &symbols[at];
        uint32_t there = chain[at - gnu[1]];
        unsigned type = ELF64_ST_TYPE(s->st_info);
        last = there & 1;
        if ((there ^ hash) < 2 && s->st_shndx != SHN_UNDEF && type <= STT_FUNC &&
            !(versions && versions[at] & 0x8000) && !strcmp(strings + s->st_name, name))
            return (void *)(l->l_addr + s->st_value);
    }
    return NULL;
}

static uint32_t hash_name(const char *name)
{
    uint32_t hash = 5381;
    for (const char *c = name; *c; c++)
        hash = hash * 33 + (uint8_t)*c;
    return hash;
}

int probe_is_defined(const char *name, int behind_us)
{
    uint32_t hash = hash_name(name);
    const struct link_map *l = first_object();
    int found = !l;
    for (; l && !found; l = l->l_next) {
        found = !behind_us && defines(l, name, hash);
        behind_us &= l->l_ld != own_dynamic;
    }
    return found;
}

void *probe_lookup_behind(const char *name, const void *dynamic)
{
    uint32_t hash = hash_name(name);
    void *found = NULL;
    for (const struct link_map *l = first_object(); l && !found; l = l->l_next) {
        if (!dynamic)
            found = find_in(l, name, hash);
        dynamic = l->l_ld == dynamic ? NULL : dynamic;
    }
    return found;
}

void *probe_lookup(const char *name, int behind_us)
{
    return probe_lookup_behind(name, behind_us ? own_dynamic : NULL);
}
