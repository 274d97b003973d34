// Functions, lines and inlined calls: see dies.h.
//
// Method: .debug_aranges is optional and often absent, so the address ranges of all units are read once from their root
// DIEs into a sorted table. A unit that is hit gets a table of its functions, made by one pass over its DIEs. From the
// function the tree is descended along inlined calls whose ranges hold the address. Everything is bounded, because the
// tree is hostile: siblings can form loops, ranges can be endless.
#include "resolve/dies.h"
#include "resolve/sandbox.h"

#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    UNITS_MAX = 1 << 20,
    RANGES_MAX = 4 << 20,
    DIES_MAX = 8 << 20, // of one unit
    TREE_DEPTH_MAX = 64,
    ORIGIN_MAX = 16,
    OVERLAP_MAX = 64 // ranges looked at backwards from the nearest start
};

struct range {
    uint64_t start, end;
    uint32_t index; // of the unit or function
};

struct ranges {
    struct range *at;
    size_t n, cap;
};

struct unit {
    Dwarf_Die die;  // of the program's own DWARF
    Dwarf_Die full; // with the functions; the same, or in a file of its own
    bool wants_split, asked;
    struct ranges function_ranges;
    Dwarf_Die *functions;
    size_t n_functions, cap_functions;
    bool indexed;
};

struct cu_index {
    Dwarf *dwarf; // libdwfl's; NULL: no debug information
    Dwarf_Addr bias;
    struct unit *units;
    size_t n_units, cap_units;
    struct ranges ranges;
};

static bool grow(void **at, size_t *cap, size_t n, size_t item, size_t max)
{
    if (n < *cap)
        return true;
    size_t wanted = *cap ? *cap * 2 : 64;
    void *p = n < max ? realloc(*at, wanted * item) : NULL;
    if (!p)
        return false;
    *at = p;
    *cap = wanted;
    return true;
}

static int by_start(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->end > y->end ? -1 : x->end < y->end; // the wider first: the search runs backwards and meets the inner one
}

static void sort_ranges(struct ranges *r)
{
    if (r->n > 1) // none are at NULL, which qsort does not take
        qsort(r->at, r->n, sizeof *r->at, by_start);
}

static void add_ranges(struct ranges *r, Dwarf_Die *die, uint32_t index)
{
    Dwarf_Addr base, start, end;
    ptrdiff_t at = 0;
    while ((at = dwarf_ranges(die, at, &base, &start, &end)) > 0) {
        if (start >= end || start == 0) // 0: discarded by the linker
            continue;
        if (!grow((void **)&r->at, &r->cap, r->n, sizeof *r->at, RANGES_MAX))
            return;
        r->at[r->n++] = (struct range){start, end, index};
    }
}

// The narrowest of the nearest ranges that hold addr, or NULL.
static const struct range *find_range(const struct ranges *r, uint64_t addr)
{
    size_t lo = 0, hi = r->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (r->at[mid].start <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (size_t i = lo, looked = 0; i > 0 && looked < OVERLAP_MAX; i--, looked++) {
        if (addr < r->at[i - 1].end)
            return &r->at[i - 1];
    }
    return NULL;
}

static struct cu_index *index_units(struct elf_file *f)
{
    struct cu_index *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->dwarf = dwfl_module_getdwarf(f->mod, &x->bias);
    if (!x->dwarf)
        return x;
    Dwarf_CU *cu = NULL;
    Dwarf_Die die;
    uint8_t type;
    while (dwarf_get_units(x->dwarf, cu, &cu, NULL, &type, &die, NULL) == 0) { // no sub-DIE: it would be looked for

        if (type == DW_UT_type || type == DW_UT_split_type || dwarf_tag(&die) == DW_TAG_partial_unit)
            continue;
        if (!grow((void **)&x->units, &x->cap_units, x->n_units, sizeof *x->units, UNITS_MAX))
            break;
        x->units[x->n_units] = (struct unit){.die = die, .full = die, .wants_split = type == DW_UT_skeleton};
        add_ranges(&x->ranges, &die, (uint32_t)x->n_units++);
    }
    sort_ranges(&x->ranges);
    return x;
}

static void add_function(struct unit *u, Dwarf_Die *die)
{
    if (!grow((void **)&u->functions, &u->cap_functions, u->n_functions, sizeof *u->functions, DIES_MAX))
        return;
    size_t before = u->function_ranges.n;
    add_ranges(&u->function_ranges, die, (uint32_t)u->n_functions);
    if (u->function_ranges.n > before)
        u->functions[u->n_functions++] = *die;
}

// Functions stand in the unit, in namespaces and classes, and (nested ones) in functions and their blocks.
static void index_functions(struct unit *u, Dwarf_Die *parent, int depth, size_t *budget)
{
    Dwarf_Die die;
    if (depth > TREE_DEPTH_MAX || dwarf_child(parent, &die) != 0)
        return;
    do {
        if ((*budget)-- <= 1) {
            *budget = 1;
            return;
        }
        switch (dwarf_tag(&die)) {
        case DW_TAG_subprogram:
            add_function(u, &die);
            index_functions(u, &die, depth + 1, budget);
            break;
        case DW_TAG_namespace:
        case DW_TAG_module:
        case DW_TAG_class_type:
        case DW_TAG_structure_type:
        case DW_TAG_union_type:
        case DW_TAG_enumeration_type: // Rust puts methods of enums there
        case DW_TAG_lexical_block:
            index_functions(u, &die, depth + 1, budget);
            break;
        default:
            break;
        }
    } while (dwarf_siblingof(&die, &die) == 0);
}

static Dwarf_Die *function_at(struct unit *u, uint64_t addr)
{
    if (!u->indexed) {
        size_t budget = DIES_MAX;
        u->indexed = true;
        index_functions(u, &u->full, 0, &budget);
        sort_ranges(&u->function_ranges);
    }
    const struct range *r = find_range(&u->function_ranges, addr);
    return r ? &u->functions[r->index] : NULL;
}

// The declaration that carries the name and the enclosing scopes.
static void origin_of(const Dwarf_Die *die, Dwarf_Die *out)
{
    *out = *die;
    for (int i = 0; i < ORIGIN_MAX; i++) {
        Dwarf_Attribute attr;
        Dwarf_Die next;
        if (!dwarf_attr(out, DW_AT_abstract_origin, &attr) && !dwarf_attr(out, DW_AT_specification, &attr))
            return;
        if (!dwarf_formref_die(&attr, &next))
            return;
        *out = next;
    }
}

static bool scoped_language(Dwarf_Die *unit)
{
    switch (dwarf_srclang(unit)) {
    case DW_LANG_C:
    case DW_LANG_C89:
    case DW_LANG_C99:
    case DW_LANG_C11:
    case DW_LANG_Mips_Assembler:
        return false;
    default:
        return true;
    }
}

// "ns::cls" of a function without linkage name (lambdas, clones), or NULL. To be freed.
static char *scope_of(const Dwarf_Die *die)
{
    Dwarf_Die origin, *scopes = NULL;
    origin_of(die, &origin);
    int n = dwarf_getscopes_die(&origin, &scopes);
    struct seep_buf b;
    buf_init(&b, RESOLVE_NAME_MAX);
    for (int i = n - 1; i > 0; i--) {
        int tag = dwarf_tag(&scopes[i]);
        bool named = tag == DW_TAG_namespace || tag == DW_TAG_class_type || tag == DW_TAG_structure_type ||
                     tag == DW_TAG_union_type || tag == DW_TAG_enumeration_type || tag == DW_TAG_subprogram;
        if (!named)
            continue;
        const char *name = dwarf_diename(&scopes[i]);
        if (b.len > 0)
            buf_str(&b, "::");
        buf_str(&b, name ? name : tag == DW_TAG_namespace ? "(anonymous namespace)" : "(anonymous)");
    }
    free(scopes);
    if (b.failed) {
        buf_free(&b);
        return NULL;
    }
    return b.data;
}

static void name_frame(struct unit *u, Dwarf_Die *die, struct dies_frame *out)
{
    Dwarf_Attribute attr;
    const char *name = NULL;
    if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) ||
        dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr))
        name = dwarf_formstring(&attr);
    out->linkage = name != NULL;
    out->name = name ? name : dwarf_diename(die);
    if (out->name && !name && scoped_language(&u->full))
        out->scope = scope_of(die);
}

static void call_site(struct unit *u, Dwarf_Die *die, const char **file, uint32_t *line)
{
    Dwarf_Attribute attr;
    Dwarf_Word value;
    *file = NULL;
    *line = 0;
    if (dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attr), &value) == 0 && value <= UINT32_MAX)
        *line = (uint32_t)value;
    Dwarf_Files *files;
    size_t n;
    if (dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &attr), &value) == 0 &&
        dwarf_getsrcfiles(&u->full, &files, &n) == 0 && value < n)
        *file = dwarf_filesrc(files, (size_t)value, NULL, NULL);
}

// The inlined calls that hold addr, outermost first. Returns how many.
static size_t inlined_path(const Dwarf_Die *function, uint64_t addr, Dwarf_Die *path)
{
    size_t n = 0, budget = DIES_MAX;
    Dwarf_Die at = *function, child;
    int depth = 0;
    while (n < RESOLVE_INLINE_MAX - 1 && depth++ < 4 * TREE_DEPTH_MAX && dwarf_child(&at, &child) == 0) {
        bool found = false;
        do {
            int tag = dwarf_tag(&child);
            if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block)
                continue;
            if (dwarf_haspc(&child, addr) == 1) {
                found = true;
                if (tag == DW_TAG_inlined_subroutine)
                    path[n++] = child;
                at = child;
                break;
            }
        } while (--budget > 0 && dwarf_siblingof(&child, &child) == 0);
        if (!found)
            break;
    }
    return n;
}

// The unit that covers *addr, which becomes an address of the DWARF's own; NULL: there is none.
static struct unit *unit_at(struct elf_file *f, uint64_t *addr)
{
    if (!f->cus)
        f->cus = index_units(f);
    if (!f->cus || !f->cus->dwarf)
        return NULL;
    *addr -= f->cus->bias;
    const struct range *r = find_range(&f->cus->ranges, *addr);
    return r ? &f->cus->units[r->index] : NULL;
}

size_t dies_lookup(struct elf_file *f, uint64_t addr, struct dies_frame *out)
{
    out[0] = (struct dies_frame){0};
    struct unit *u = unit_at(f, &addr);
    if (!u)
        return 0;
    const char *file = NULL;
    int line = 0;
    Dwarf_Line *row = dwarf_getsrc_die(&u->die, addr);
    if (row) {
        file = dwarf_linesrc(row, NULL, NULL);
        if (dwarf_lineno(row, &line) != 0 || line < 0)
            line = 0;
    }
    out[0].file = file;
    out[0].line = (uint32_t)line;
    Dwarf_Die *function = function_at(u, addr);
    if (!function)
        return 0;
    Dwarf_Die path[RESOLVE_INLINE_MAX];
    size_t n = inlined_path(function, addr, path), k = 0;
    for (size_t i = n; i > 0; i--, k++) {
        name_frame(u, &path[i - 1], &out[k]);
        out[k + 1] = (struct dies_frame){0};
        call_site(u, &path[i - 1], &out[k + 1].file, &out[k + 1].line);
    }
    name_frame(u, function, &out[k]);
    return k + 1;
}

// ---- split units

static bool copy_attribute(Dwarf_Die *die, unsigned name, char out[PROTO_SPLIT_NAME])
{
    Dwarf_Attribute attr;
    const char *text = dwarf_formstring(dwarf_attr(die, name, &attr));
    size_t n = text ? strnlen(text, PROTO_SPLIT_NAME) : 0;
    if (n == 0 || n == PROTO_SPLIT_NAME)
        return false;
    memcpy(out, text, n + 1);
    return true;
}

bool dies_wants_split(struct elf_file *f, uint64_t addr, struct proto_split *out)
{
    struct unit *u = unit_at(f, &addr);
    if (!u || !u->wants_split || u->asked)
        return false;
    u->asked = true;
    *out = (struct proto_split){.unit = (uint32_t)(u - f->cus->units)};
    copy_attribute(&u->die, DW_AT_comp_dir, out->dir);
    return copy_attribute(&u->die, DW_AT_dwo_name, out->name) || copy_attribute(&u->die, DW_AT_GNU_dwo_name, out->name);
}

static bool id_of(Dwarf_Die *die, uint64_t *id)
{
    return dwarf_cu_info(die->cu, NULL, NULL, NULL, NULL, id, NULL, NULL) == 0;
}

// libdw looks once and never again: it gets to see only a file that will do.
static bool holds_unit(int fd, uint64_t wanted)
{
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    Dwarf *dwarf = elf && elf_kind(elf) == ELF_K_ELF ? dwarf_begin_elf(elf, DWARF_C_READ, NULL) : NULL;
    Dwarf_CU *cu = NULL;
    uint8_t type;
    Dwarf_Die die;
    uint64_t id;
    bool found = false;
    for (size_t i = 0; dwarf && !found && i < UNITS_MAX; i++) {
        if (dwarf_get_units(dwarf, cu, &cu, NULL, &type, &die, NULL) != 0)
            break;
        found = type == DW_UT_split_compile && id_of(&die, &id) && id == wanted;
    }
    if (dwarf)
        dwarf_end(dwarf);
    elf_end(elf);
    return found;
}

bool dies_split_id(const struct elf_file *f, uint32_t unit, uint64_t *id)
{
    struct unit *u = f->cus && unit < f->cus->n_units ? &f->cus->units[unit] : NULL;
    return u && u->wants_split && id_of(&u->die, id);
}

bool dies_add_split(struct elf_file *f, uint32_t unit, int fd)
{
    Dwarf_Die full = {0};
    uint64_t id;
    if (!dies_split_id(f, unit, &id) || f->cus->units[unit].indexed || !holds_unit(fd, id))
        return false;
    struct unit *u = &f->cus->units[unit];
    sandbox_offer(fd);
    int failed = dwarf_cu_info(u->die.cu, NULL, NULL, NULL, &full, NULL, NULL, NULL);
    sandbox_offer(-1);
    if (failed || !full.addr)
        return false;
    u->full = full;
    u->wants_split = false;
    return true;
}

void dies_free(struct cu_index *index)
{
    if (!index)
        return;
    for (size_t i = 0; i < index->n_units; i++) {
        free(index->units[i].function_ranges.at);
        free(index->units[i].functions);
    }
    free(index->units);
    free(index->ranges.at);
    free(index);
}
