// Unwind rules of a file: see unwind_table.h.
//
// libunwind searches a sorted table of pairs (code start, rule address), both relative to a base, which is what linkers
// write into .eh_frame_hdr. Where that is missing, the same table is made here. .debug_frame differs from .eh_frame in
// two fields only (the mark of a CIE, and how an FDE points to its CIE), so a copy with those fields rewritten serves
// as .eh_frame.
#include "resolve/unwind_table.h"

#include <stdlib.h>
#include <string.h>

enum { PAIRS_MAX = 8 << 20, HDR_BYTES = 12 };

enum { // pointer encodings of the Linux Standard Base, chapter "DWARF extensions"
    ENC_ABS8 = 0x00,
    ENC_UDATA4 = 0x03,
    ENC_UDATA8 = 0x04,
    ENC_SDATA4 = 0x0b,
    ENC_SDATA8 = 0x0c,
    ENC_PCREL = 0x10,
    ENC_DATAREL = 0x30
};

struct pair {
    int32_t start, rule;
};

struct builder {
    Elf_Data *data;
    uint64_t vaddr; // of the section's bytes, as libunwind will see them
    uint64_t base;  // of the table
    uint64_t bias;  // added to absolute addresses; 0 for .eh_frame
    bool debug_frame;
    uint8_t *copy; // .debug_frame only
    struct pair *pairs;
    size_t n, cap;
};

static bool header_table(struct elf_file *f, struct unwind_table *t)
{
    size_t n;
    if (elf_getphdrnum(f->elf, &n) != 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        GElf_Phdr ph;
        size_t available;
        if (!gelf_getphdr(f->elf, (int)i, &ph) || ph.p_type != PT_GNU_EH_FRAME)
            continue;
        const uint8_t *h = elf_file_bytes(f, ph.p_vaddr, &available);
        if (!h || available < HDR_BYTES || h[0] != 1 || (h[1] & 0x0f) != ENC_SDATA4 || h[2] != ENC_UDATA4 ||
            h[3] != (ENC_DATAREL | ENC_SDATA4))
            return false;
        uint32_t count;
        memcpy(&count, h + 8, sizeof count);
        if (count == 0 || count > (available - HDR_BYTES) / sizeof(struct pair))
            return false;
        *t = (struct unwind_table){.segbase = ph.p_vaddr, .table = ph.p_vaddr + HDR_BYTES, .n = count};
        return true;
    }
    return false;
}

// First address behind everything the file loads, on a page.
static uint64_t end_of_file_image(struct elf_file *f)
{
    size_t n;
    uint64_t end = 0;
    if (elf_getphdrnum(f->elf, &n) != 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        GElf_Phdr ph;
        if (gelf_getphdr(f->elf, (int)i, &ph) && ph.p_type == PT_LOAD && ph.p_vaddr + ph.p_memsz > end)
            end = ph.p_vaddr + ph.p_memsz;
    }
    return (end + 4095) & ~(uint64_t)4095;
}

static size_t encoded_size(uint8_t enc)
{
    switch (enc & 0x0f) {
    case ENC_UDATA4:
    case ENC_SDATA4:
        return 4;
    case ENC_ABS8:
    case ENC_UDATA8:
    case ENC_SDATA8:
        return 8;
    default:
        return 0;
    }
}

// The pointer encoding of a CIE's FDEs, or 0xff for what we do not understand.
static uint8_t fde_encoding(const Dwarf_CIE *cie)
{
    const char *a = cie->augmentation;
    if (a[0] == '\0')
        return ENC_ABS8;
    const uint8_t *d = cie->augmentation_data, *end = d + cie->augmentation_data_size;
    if (a[0] != 'z' || !d)
        return 0xff;
    for (a++; *a && d < end; a++) {
        if (*a == 'R')
            return *d;
        if (*a == 'L')
            d++;
        else if (*a == 'P')
            d += 1 + encoded_size(*d);
        else if (*a != 'S' && *a != 'B')
            return 0xff;
    }
    return ENC_ABS8;
}

static bool code_start(const struct builder *b, const Dwarf_FDE *fde, uint64_t *start)
{
    Dwarf_CFI_Entry entry;
    Dwarf_Off next;
    char ident[EI_NIDENT] = {[EI_CLASS] = ELFCLASS64, [EI_DATA] = ELFDATA2LSB};
    if (dwarf_next_cfi((const unsigned char *)ident, b->data, !b->debug_frame, fde->CIE_pointer, &next, &entry) != 0 ||
        !dwarf_cfi_cie_p(&entry))
        return false;
    uint8_t enc = fde_encoding(&entry.cie);
    size_t size = encoded_size(enc);
    if (size == 0 || (size_t)(fde->end - fde->start) < size)
        return false;
    if (size == 4) {
        int32_t v;
        memcpy(&v, fde->start, 4);
        *start = (enc & 0x0f) == ENC_UDATA4 ? (uint64_t)(uint32_t)v : (uint64_t)(int64_t)v;
    } else {
        memcpy(start, fde->start, 8);
    }
    if ((enc & 0x70) == ENC_PCREL)
        *start += b->vaddr + (uint64_t)(fde->start - (const uint8_t *)b->data->d_buf);
    else if ((enc & 0x70) != 0)
        return false;
    return true;
}

static bool add_pair(struct builder *b, uint64_t start, uint64_t rule)
{
    int64_t s = (int64_t)(start - b->base), r = (int64_t)(rule - b->base);
    if (s != (int32_t)s || r != (int32_t)r)
        return true; // out of the reach of 32 bits: left out
    if (b->n == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 256;
        struct pair *p = cap <= PAIRS_MAX ? realloc(b->pairs, cap * sizeof *p) : NULL;
        if (!p)
            return false;
        b->pairs = p;
        b->cap = cap;
    }
    b->pairs[b->n++] = (struct pair){(int32_t)s, (int32_t)r};
    return true;
}

// Rewrites the entry at off of the copy in .eh_frame's form. The 64-bit format is refused: nobody writes it.
static bool rewrite_entry(struct builder *b, Dwarf_Off off, const Dwarf_CFI_Entry *entry)
{
    uint32_t length, id = 0;
    memcpy(&length, b->copy + off, 4);
    if (length == 0xffffffffu)
        return false;
    if (!dwarf_cfi_cie_p((Dwarf_CFI_Entry *)(uintptr_t)entry)) {
        id = (uint32_t)(off + 4 - entry->fde.CIE_pointer);
        size_t at = (size_t)(entry->fde.start - (const uint8_t *)b->data->d_buf);
        uint64_t start;
        memcpy(&start, b->copy + at, 8);
        start += b->bias;
        memcpy(b->copy + at, &start, 8);
    }
    memcpy(b->copy + off + 4, &id, 4);
    return true;
}

static int by_start(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

static bool collect(struct builder *b)
{
    const unsigned char ident[EI_NIDENT] = {[EI_CLASS] = ELFCLASS64, [EI_DATA] = ELFDATA2LSB};
    Dwarf_Off off = 0, next;
    Dwarf_CFI_Entry entry;
    int rc;
    // On an error in one entry libdw still says where the next begins; -1 with no progress ends the pass.
    for (;;) {
        next = (Dwarf_Off)-1;
        rc = dwarf_next_cfi(ident, b->data, !b->debug_frame, off, &next, &entry);
        if (rc == 1)
            break;
        if (rc == 0) {
            uint64_t start;
            if (!dwarf_cfi_cie_p(&entry) && code_start(b, &entry.fde, &start) && !add_pair(b, start, b->vaddr + off))
                return false;
            if (b->copy && !rewrite_entry(b, off, &entry))
                return false;
        }
        if (next == (Dwarf_Off)-1 || next <= off)
            break;
        off = next;
    }
    if (b->n > 1)
        qsort(b->pairs, b->n, sizeof *b->pairs, by_start);
    return b->n > 0;
}

// Table first, then the copy (if any); one allocation.
static struct synth *assemble(struct elf_file *f, Elf_Data *data, uint64_t vaddr, bool debug_frame, uint64_t bias)
{
    struct builder b = {.data = data, .base = end_of_file_image(f), .bias = bias, .debug_frame = debug_frame};
    struct synth *s = NULL;
    size_t copy_len = debug_frame ? data->d_size : 0;
    // The copy comes first, so that its address is known before the table's length is.
    b.vaddr = debug_frame ? b.base : vaddr;
    b.copy = copy_len ? malloc(copy_len) : NULL;
    if (b.base == 0 || (copy_len && !b.copy))
        goto done;
    if (b.copy)
        memcpy(b.copy, data->d_buf, copy_len);
    if (!collect(&b))
        goto done;
    s = calloc(1, sizeof *s);
    size_t table_at = (copy_len + 7) & ~(size_t)7, table_len = b.n * sizeof *b.pairs;
    if (s)
        s->bytes = calloc(1, table_at + table_len);
    if (!s || !s->bytes) {
        free(s);
        s = NULL;
        goto done;
    }
    if (b.copy)
        memcpy(s->bytes, b.copy, copy_len);
    memcpy(s->bytes + table_at, b.pairs, table_len);
    s->base = b.base;
    s->bias = bias;
    s->len = table_at + table_len;
    s->table = b.base + table_at;
    s->n = b.n;
done:
    free(b.copy);
    free(b.pairs);
    return s;
}

static bool from_synth(const struct synth *s, struct unwind_table *t)
{
    if (!s)
        return false;
    *t = (struct unwind_table){.segbase = s->base, .table = s->table, .n = s->n, .synth = s};
    return true;
}

bool unwind_table_eh(struct elf_file *f, struct unwind_table *t)
{
    if (!f->elf)
        return false;
    if (header_table(f, t))
        return true;
    if (!f->eh_tried) {
        f->eh_tried = true;
        uint64_t vaddr = 0;
        Elf_Data *d = elf_section(f->elf, ".eh_frame", &vaddr);
        if (d && d->d_buf && vaddr)
            f->eh_synth = assemble(f, d, vaddr, false, 0);
    }
    return from_synth(f->eh_synth, t);
}

bool unwind_table_debug(struct elf_file *f, uint64_t bias, struct unwind_table *t)
{
    if (!f->elf)
        return false;
    if (f->debug_synth && f->debug_synth->bias != bias) {
        unwind_table_free(f->debug_synth);
        f->debug_synth = NULL;
        f->debug_tried = false;
    }
    if (!f->debug_tried) {
        f->debug_tried = true;
        Elf_Data *d = elf_section(f->elf, ".debug_frame", NULL);
        Elf *debug = !d && f->debug_fd >= 0 ? elf_begin(f->debug_fd, ELF_C_READ_MMAP, NULL) : NULL;
        if (debug)
            d = elf_section(debug, ".debug_frame", NULL);
        if (d && d->d_buf)
            f->debug_synth = assemble(f, d, 0, true, bias);
        if (debug)
            elf_end(debug);
    }
    return from_synth(f->debug_synth, t);
}

void unwind_table_free(struct synth *s)
{
    if (!s)
        return;
    free(s->bytes);
    free(s);
}
