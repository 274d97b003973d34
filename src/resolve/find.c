// A symbol by its name: the server's side (find.h) runs in the resolver process, the client's asks and checks.
#include "resolve/find.h"
#include "resolve/client.h"

#include <string.h>
#include <unistd.h>

static bool is_it(const GElf_Sym *sym, const char *have, const char *name, bool defined)
{
    int type = GELF_ST_TYPE(sym->st_info);
    if (!have || strcmp(have, name) != 0)
        return false;
    if (!defined)
        return sym->st_shndx == SHN_UNDEF;
    return sym->st_shndx != SHN_UNDEF && sym->st_value != 0 && (type == STT_FUNC || type == STT_OBJECT);
}

static bool in_table(Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh, const char *name, bool defined, GElf_Sym *out)
{
    Elf_Data *data = elf_getdata(scn, NULL);
    size_t n = sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0;
    for (size_t i = 0; data && i < n; i++) {
        GElf_Sym sym;
        if (gelf_getsym(data, (int)i, &sym) && is_it(&sym, elf_strptr(elf, sh->sh_link, sym.st_name), name, defined)) {
            *out = sym;
            return true;
        }
    }
    return false;
}

static bool in_elf(Elf *elf, Elf64_Word type, const char *name, bool defined, GElf_Sym *out)
{
    for (Elf_Scn *scn = NULL; elf && (scn = elf_nextscn(elf, scn));) {
        GElf_Shdr sh;
        if (gelf_getshdr(scn, &sh) && sh.sh_type == type && in_table(elf, scn, &sh, name, defined, out))
            return true;
    }
    return false;
}

// The debug file repeats the link-time addresses; only its symbol table is of interest.
static bool in_debug_file(const struct elf_file *f, const char *name, GElf_Sym *out)
{
    if (f->debug_fd < 0)
        return false;
    Elf *elf = elf_begin(f->debug_fd, ELF_C_READ_MMAP, NULL);
    bool found = in_elf(elf, SHT_SYMTAB, name, true, out);
    elf_end(elf);
    return found;
}

static uint64_t file_offset_of(Elf *elf, uint64_t vaddr)
{
    size_t n = 0;
    elf_getphdrnum(elf, &n);
    for (size_t i = 0; i < n; i++) {
        GElf_Phdr ph;
        if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD && vaddr >= ph.p_vaddr &&
            vaddr - ph.p_vaddr < ph.p_filesz)
            return vaddr - ph.p_vaddr + ph.p_offset;
    }
    return UINT64_MAX;
}

void find_symbol(struct elf_file *f, const char *name, struct resolve_symbol *out)
{
    GElf_Sym sym;
    memset(out, 0, sizeof *out);
    out->file_offset = UINT64_MAX;
    if (!f->used || !f->elf || f->status != PROTO_OK)
        return;
    out->imported = in_elf(f->elf, SHT_DYNSYM, name, false, &sym);
    if (!in_elf(f->elf, SHT_DYNSYM, name, true, &sym) && !in_elf(f->elf, SHT_SYMTAB, name, true, &sym) &&
        !in_debug_file(f, name, &sym))
        return;
    size_t available = 0;
    const uint8_t *code = elf_file_bytes(f, sym.st_value, &available);
    out->found = 1;
    out->vaddr = sym.st_value;
    out->size = sym.st_size;
    out->is_function = GELF_ST_TYPE(sym.st_info) == STT_FUNC;
    out->file_offset = file_offset_of(f->elf, sym.st_value);
    out->n_code = (uint8_t)(!code ? 0 : available < RESOLVE_CODE_BYTES ? available : RESOLVE_CODE_BYTES);
    if (out->n_code)
        memcpy(out->code, code, out->n_code);
}

// ---- the client's side

static int ask_find(struct resolve *r, uint32_t slot, const char *const *names, size_t n, struct resolve_symbol *out,
                    struct seep_err *err)
{
    struct proto_find head = {.slot = slot, .n = (uint32_t)n};
    buf_clear(&r->out);
    buf_add(&r->out, &head, sizeof head);
    for (size_t i = 0; i < n; i++) {
        char name[PROTO_FIND_NAME] = "";
        if (strlen(names[i]) >= sizeof name)
            return seep_fail(err, SEEP_E_LIMIT, "The symbol name '%.80s' is too long", names[i]);
        memcpy(name, names[i], strlen(names[i]));
        buf_add(&r->out, name, sizeof name);
    }
    enum ask outcome = client_ask(r, PROTO_FIND, -1);
    if (outcome != ASK_OK)
        return seep_fail(err, SEEP_E_SYSTEM, "%s", client_ask_reason(outcome));
    if (r->in.len != n * sizeof *out) {
        client_end_process(r);
        return seep_fail(err, SEEP_E_CORRUPT, "The resolver's answer makes no sense");
    }
    memcpy(out, r->in.data, n * sizeof *out);
    for (size_t i = 0; i < n; i++)
        if (out[i].n_code > RESOLVE_CODE_BYTES)
            out[i].n_code = 0;
    return 0;
}

int resolve_find(struct resolve *r, const struct resolve_module *module, const char *const *names, size_t n,
                 struct resolve_symbol *out, struct seep_err *err)
{
    struct load l;
    int fd;
    memset(out, 0, n * sizeof *out);
    if (n > PROTO_FIND_MAX || module->build_id_len > RESOLVE_BUILD_ID_MAX)
        return seep_fail(err, SEEP_E_LIMIT, "Too many symbols are asked for at once");
    r->use++;
    uint32_t known = load_known(r, module, &fd, &l);
    if (known == UINT32_MAX)
        return seep_fail(err, SEEP_E_UNSUPPORTED, "%s", l.reason);
    load_module(r, module, known, fd, &l);
    if (!l.ok)
        return seep_fail(err, SEEP_E_UNSUPPORTED, "%s", l.reason);
    return ask_find(r, l.slot, names, n, out, err);
}
