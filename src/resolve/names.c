// One program counter to frames: DWARF first, then the symbol tables, then a reason. See names.h.
#include "resolve/names.h"

#include "resolve/demangle.h"
#include "resolve/dies.h"
#include "resolve/perf_map.h"

#include <stdlib.h>
#include <string.h>

struct answer {
    const char *function, *raw, *file, *reason;
    uint32_t flags, line;
};

static uint32_t length(const char *s, size_t max)
{
    return s ? (uint32_t)strnlen(s, max - 1) : 0;
}

static void put(struct seep_buf *out, const struct answer *a)
{
    struct proto_frame pf = {
        .flags = a->flags,
        .line = a->line,
        .function_len = length(a->function, RESOLVE_NAME_MAX),
        .raw_len = length(a->raw, RESOLVE_NAME_MAX),
        .file_len = length(a->file, RESOLVE_PATH_MAX),
        .reason_len = length(a->reason, PROTO_REASON_MAX),
    };
    if (a->raw && a->raw[pf.raw_len] != '\0')
        pf.flags |= RESOLVE_F_NAME_CUT;
    buf_add(out, &pf, sizeof pf);
    const struct {
        const char *s;
        uint32_t len;
    } strings[] = {
        {a->function, pf.function_len}, {a->raw, pf.raw_len}, {a->file, pf.file_len}, {a->reason, pf.reason_len}};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        if (strings[i].len > 0)
            buf_add(out, strings[i].s, strings[i].len);
    }
}

static void put_count(struct seep_buf *out, uint32_t n)
{
    buf_add(out, &n, sizeof n);
}

static void put_unnamed(struct seep_buf *out, uint32_t flags, const char *reason)
{
    put_count(out, 1);
    put(out, &(struct answer){.flags = RESOLVE_F_NO_NAME | flags, .reason = reason});
}

static void put_named(struct seep_buf *out, const char *raw, const char *scope, struct answer *a)
{
    char function[RESOLVE_NAME_MAX], scoped[RESOLVE_NAME_MAX];
    if (demangle_name(raw, function, sizeof function))
        a->flags |= RESOLVE_F_NAME_CUT;
    a->raw = raw;
    a->function = function;
    if (scope) {
        size_t s = length(scope, sizeof scoped - 2), n = length(function, sizeof scoped);
        if (s + 2 + n >= sizeof scoped) {
            n = sizeof scoped - 3 - s;
            a->flags |= RESOLVE_F_NAME_CUT;
        }
        memcpy(scoped, scope, s);
        memcpy(scoped + s, "::", 2);
        memcpy(scoped + s + 2, function, n);
        scoped[s + 2 + n] = '\0';
        a->function = scoped;
        a->raw = scoped;
    }
    put(out, a);
}

static const char *symbol_at(struct elf_file *f, uint64_t addr)
{
    GElf_Off offset;
    GElf_Sym sym;
    GElf_Word section;
    const char *name = dwfl_module_addrinfo(f->mod, addr, &offset, &sym, &section, NULL, NULL);
    return name && name[0] ? name : NULL;
}

static void put_dies(struct elf_file *f, uint64_t addr, struct dies_frame *frames, size_t n, struct seep_buf *out)
{
    put_count(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        struct dies_frame *d = &frames[i];
        struct answer a = {.file = d->file, .line = d->line};
        a.flags = i + 1 < n ? RESOLVE_F_INLINED : 0;
        const char *raw = d->name;
        const char *symbol = i + 1 == n && (!d->linkage && (!raw || d->scope)) ? symbol_at(f, addr) : NULL;
        // A C++ function without linkage name in the DWARF still has its mangled name in the symbol table.
        if (symbol && (!raw || symbol[0] == '_')) {
            raw = symbol;
            free(d->scope);
            d->scope = NULL;
        }
        if (raw) {
            put_named(out, raw, d->scope, &a);
        } else {
            a.flags |= RESOLVE_F_NO_NAME;
            a.reason = "The debug information gives this function no name.";
            put(out, &a);
        }
        free(d->scope);
    }
}

static void lookup_elf(struct elf_file *f, uint64_t addr, struct seep_buf *out)
{
    struct dies_frame frames[RESOLVE_INLINE_MAX];
    size_t n = dies_lookup(f, addr, frames);
    if (n > 0) {
        put_dies(f, addr, frames, n, out);
        return;
    }
    const char *symbol = symbol_at(f, addr);
    if (!symbol) {
        put_unnamed(out, 0, "Neither debug information nor a symbol of the file covers this address.");
        return;
    }
    struct answer a = {.file = frames[0].file, .line = frames[0].line, .flags = RESOLVE_F_SYMTAB};
    put_count(out, 1);
    put_named(out, symbol, NULL, &a);
}

static void lookup_perf(struct elf_file *f, uint64_t addr, struct seep_buf *out)
{
    size_t len;
    const char *name = perf_map_find(f->perf, addr, &len);
    if (!name) {
        put_unnamed(out, RESOLVE_F_TRANSIENT, "The perf map has no entry for this address.");
        return;
    }
    char copy[RESOLVE_NAME_MAX];
    struct answer a = {.function = copy, .raw = copy};
    if (len >= sizeof copy) {
        len = sizeof copy - 1;
        a.flags |= RESOLVE_F_NAME_CUT;
    }
    memcpy(copy, name, len);
    copy[len] = '\0';
    put_count(out, 1);
    put(out, &a);
}

// The link-time address a pc stands for; false: no segment holds it.
static bool address_of(struct elf_file *f, const struct proto_pc *pc, uint64_t *addr)
{
    *addr = pc->offset;
    if ((pc->flags & RESOLVE_PC_FILE_OFFSET) && f->elf && !elf_file_offset_to_vaddr(f, *addr, addr))
        return false;
    if (pc->flags & RESOLVE_PC_RETURN)
        (*addr)--;
    return true;
}

void names_split(struct elf_file *f, const struct proto_pc *pc, struct seep_buf *out)
{
    uint64_t addr;
    struct proto_split split;
    if (f->used && f->status == PROTO_OK && !f->perf && address_of(f, pc, &addr) && dies_wants_split(f, addr, &split))
        buf_add(out, &split, sizeof split);
}

void names_lookup(struct elf_file *f, const struct proto_pc *pc, struct seep_buf *out)
{
    if (!f->used || f->status != PROTO_OK) {
        put_unnamed(out, f->used && f->status == PROTO_CHANGED ? RESOLVE_F_CHANGED : 0,
                    f->used ? f->reason : "The file was not loaded.");
        return;
    }
    uint64_t addr;
    if (!address_of(f, pc, &addr)) {
        put_unnamed(out, 0, "No loaded segment of the file covers this offset.");
        return;
    }
    if (f->perf)
        lookup_perf(f, addr, out);
    else
        lookup_elf(f, addr, out);
}
