// libunwind over a copied stack: see unwind.h.
//
// libunwind asks through accessors and never touches a live process: registers come from the copy, memory from the
// copied stack first, then from bytes of our own making (unwind_table.h), then from the files that were mapped there.
// What is in none of them is not guessed: the walk ends there and says so.
#include "resolve/unwind.h"

#include "resolve/unwind_table.h"

#include <libunwind.h>
#include <string.h>

// Exported by libunwind for exactly this use (a debugger with its own find_proc_info), but declared only in its own
// tree.
#define search_unwind_table UNW_OBJ(dwarf_search_unwind_table)
extern int search_unwind_table(unw_addr_space_t as, unw_word_t ip, unw_dyn_info_t *di, unw_proc_info_t *pi,
                               int need_unwind_info, void *arg);

struct copied {
    struct elf_file *files;
    const struct proto_map *maps;
    size_t n_maps;
    const struct proto_unwind *req;
    const uint8_t *stack;
    const struct synth *synth; // of the file whose rules were found last
    uint64_t synth_bias;
    bool no_rule;   // the last search found nothing
    bool off_stack; // memory was asked for that lies in no copy
};

static const struct proto_map *map_at(const struct copied *c, uint64_t addr)
{
    size_t lo = 0, hi = c->n_maps;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (c->maps[mid].start <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo > 0 && addr < c->maps[lo - 1].end ? &c->maps[lo - 1] : NULL;
}

static bool bias_of(struct elf_file *f, const struct proto_map *m, uint64_t *bias)
{
    uint64_t vaddr;
    if (m->bias_known)
        *bias = m->bias;
    else if (elf_file_offset_to_vaddr(f, m->file_offset, &vaddr))
        *bias = m->start - vaddr;
    else
        return false;
    return true;
}

static bool in_range(uint64_t addr, uint64_t base, uint64_t len)
{
    return addr >= base && addr - base < len && len - (addr - base) >= sizeof(unw_word_t);
}

// Rules lie in read-only segments of a file, which the caller's list of code mappings need not hold: find the file by
// the nearest code mapping whose file loads that address. The file's bytes bound every read.
static bool read_file_word(const struct copied *c, uint64_t addr, unw_word_t *value)
{
    for (size_t i = 0; i < c->n_maps; i++) {
        struct elf_file *f = &c->files[c->maps[i].slot];
        uint64_t bias;
        size_t available;
        if (!f->used || !f->elf || !bias_of(f, &c->maps[i], &bias))
            continue;
        const uint8_t *p = elf_file_bytes(f, addr - bias, &available);
        if (p) {
            // The last word of a segment may be shorter than a read of libunwind, which always takes whole aligned
            // words.
            size_t n = available < sizeof *value ? available : sizeof *value;
            *value = 0;
            memcpy(value, p, n);
            return true;
        }
    }
    return false;
}

static int access_mem(unw_addr_space_t as, unw_word_t addr, unw_word_t *value, int write, void *arg)
{
    (void)as;
    struct copied *c = arg;
    if (write)
        return -UNW_EINVAL;
    if (in_range(addr, c->req->stack_base, c->req->stack_len)) {
        memcpy(value, c->stack + (addr - c->req->stack_base), sizeof *value);
        return 0;
    }
    if (c->synth && in_range(addr, c->synth->base + c->synth_bias, c->synth->len)) {
        memcpy(value, c->synth->bytes + (addr - c->synth->base - c->synth_bias), sizeof *value);
        return 0;
    }
    if (read_file_word(c, addr, value))
        return 0;
    c->off_stack = true;
    return -UNW_EINVAL;
}

static int access_reg(unw_addr_space_t as, unw_regnum_t reg, unw_word_t *value, int write, void *arg)
{
    (void)as;
    const struct copied *c = arg;
    // libunwind's numbers for x86-64 are DWARF's.
    if (write || reg < 0 || reg >= RESOLVE_REGS || !(c->req->regs.known >> reg & 1))
        return -UNW_EBADREG;
    *value = c->req->regs.value[reg];
    return 0;
}

static int search(struct copied *c, unw_addr_space_t as, unw_word_t ip, const struct proto_map *m,
                  const struct unwind_table *t, uint64_t bias, unw_proc_info_t *pi, int need)
{
    unw_dyn_info_t di;
    memset(&di, 0, sizeof di);
    di.format = UNW_INFO_FORMAT_REMOTE_TABLE;
    di.start_ip = m->start;
    di.end_ip = m->end;
    di.u.rti.segbase = t->segbase + bias;
    di.u.rti.table_data = t->table + bias;
    di.u.rti.table_len = t->n * 8 / sizeof(unw_word_t);
    c->synth = t->synth;
    c->synth_bias = bias;
    return search_unwind_table(as, ip, &di, pi, need, c);
}

static int find_proc_info(unw_addr_space_t as, unw_word_t ip, unw_proc_info_t *pi, int need, void *arg)
{
    struct copied *c = arg;
    c->no_rule = true;
    const struct proto_map *m = map_at(c, ip);
    struct elf_file *f = m ? &c->files[m->slot] : NULL;
    uint64_t bias;
    if (!f || !f->used || f->status != PROTO_OK || !bias_of(f, m, &bias))
        return -UNW_ENOINFO;
    struct unwind_table t;
    int rc = -UNW_ENOINFO;
    if (unwind_table_eh(f, &t))
        rc = search(c, as, ip, m, &t, bias, pi, need);
    if (rc < 0 && unwind_table_debug(f, bias, &t))
        rc = search(c, as, ip, m, &t, bias, pi, need);
    c->no_rule = rc < 0;
    return rc < 0 ? -UNW_ENOINFO : rc;
}

static void put_unwind_info(unw_addr_space_t as, unw_proc_info_t *pi, void *arg)
{
    (void)as, (void)pi, (void)arg;
}

static int no_dyn_info(unw_addr_space_t as, unw_word_t *out, void *arg)
{
    (void)as, (void)out, (void)arg;
    return -UNW_ENOINFO;
}

static int access_fpreg(unw_addr_space_t as, unw_regnum_t reg, unw_fpreg_t *value, int write, void *arg)
{
    (void)as, (void)reg, (void)value, (void)write, (void)arg;
    return -UNW_EBADREG;
}

static int no_resume(unw_addr_space_t as, unw_cursor_t *cursor, void *arg)
{
    (void)as, (void)cursor, (void)arg;
    return -UNW_EINVAL;
}

static int no_name(unw_addr_space_t as, unw_word_t addr, char *name, size_t len, unw_word_t *off, void *arg)
{
    (void)as, (void)addr, (void)name, (void)len, (void)off, (void)arg;
    return -UNW_ENOINFO;
}

static unw_accessors_t accessors = {
    .find_proc_info = find_proc_info,
    .put_unwind_info = put_unwind_info,
    .get_dyn_info_list_addr = no_dyn_info,
    .access_mem = access_mem,
    .access_reg = access_reg,
    .access_fpreg = access_fpreg,
    .resume = no_resume,
    .get_proc_name = no_name,
};

static enum resolve_end reason_of_failure(const struct copied *c)
{
    if (c->no_rule)
        return RESOLVE_END_NO_RULE;
    return c->off_stack ? RESOLVE_END_STACK : RESOLVE_END_BAD;
}

// The code that a signal handler returns to: a call of rt_sigreturn, as glibc and musl write it. libunwind knows such a
// frame by its rules but does not say so before it has left it.
static bool is_trampoline(const struct copied *c, uint64_t pc)
{
    static const uint8_t glibc[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
    static const uint8_t musl[] = {0xb8, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
    unw_word_t code[2] = {0, 0};
    if (!read_file_word(c, pc, &code[0]))
        return false;
    read_file_word(c, pc + sizeof code[0], &code[1]);
    return memcmp(code, glibc, sizeof glibc) == 0 || memcmp(code, musl, sizeof musl) == 0;
}

static void note_frame(const struct copied *c, unw_cursor_t *cursor, unw_word_t pc, unw_word_t sp,
                       struct resolve_unwound *out)
{
    unw_word_t bp = 0;
    unw_save_loc_t at;
    const struct proto_map *m = map_at(c, pc);
    out->bias[out->n] = 0;
    if (m && c->files[m->slot].elf && !bias_of(&c->files[m->slot], m, &out->bias[out->n]))
        out->bias[out->n] = 0;
    out->sp[out->n] = sp;
    out->bp[out->n] = unw_get_reg(cursor, UNW_X86_64_RBP, &bp) == 0 ? bp : 0;
    bool saved = unw_get_save_loc(cursor, UNW_X86_64_RBP, &at) == 0 && at.type == UNW_SLT_MEMORY;
    out->bp_at[out->n] = saved ? at.u.addr : 0;
}

static void walk(struct copied *c, unw_cursor_t *cursor, struct resolve_unwound *out)
{
    bool after_signal = true; // frame 0 is where the program stood, as is a frame under a signal handler's trampoline
    unw_word_t last_sp = 0;
    for (;;) {
        unw_word_t pc = 0, sp = 0;
        unw_get_reg(cursor, UNW_REG_IP, &pc);
        unw_get_reg(cursor, UNW_REG_SP, &sp);
        bool trampoline = is_trampoline(c, pc);
        note_frame(c, cursor, pc, sp, out);
        out->pc[out->n] = pc;
        out->exact[out->n++] = after_signal || trampoline;
        after_signal = trampoline;
        if (out->n == RESOLVE_DEPTH_MAX) {
            out->end = RESOLVE_END_DEPTH;
            return;
        }
        c->no_rule = c->off_stack = false;
        int rc = unw_step(cursor);
        if (c->no_rule && out->guessed_from == RESOLVE_DEPTH_MAX)
            out->guessed_from = out->n; // whatever follows rests on a frame pointer
        if (rc <= 0) {
            out->end = rc == 0 && !c->no_rule ? RESOLVE_END_OUTERMOST : reason_of_failure(c);
            return;
        }
        unw_word_t next_sp = 0;
        unw_get_reg(cursor, UNW_REG_SP, &next_sp);
        // A caller's frame lies above, except across a signal on an alternate stack.
        if (next_sp <= sp && !trampoline && (next_sp != sp || last_sp == sp)) {
            out->end = RESOLVE_END_BAD;
            return;
        }
        last_sp = sp;
    }
}

void unwind_copied(struct elf_file *files, const struct proto_map *maps, size_t n_maps, const struct proto_unwind *req,
                   const uint8_t *stack, struct resolve_unwound *out)
{
    struct copied c = {.files = files, .maps = maps, .n_maps = n_maps, .req = req, .stack = stack};
    out->n = 0;
    out->end = RESOLVE_END_BAD;
    out->guessed_from = RESOLVE_DEPTH_MAX;
    unw_addr_space_t as = unw_create_addr_space(&accessors, 0);
    unw_cursor_t cursor;
    if (as) {
        unw_set_caching_policy(as, UNW_CACHE_NONE);
        if (unw_init_remote(&cursor, as, &c) == 0)
            walk(&c, &cursor, out);
        unw_destroy_addr_space(as);
    }
    if (out->n == 0) {
        out->pc[0] = req->regs.value[RESOLVE_REG_RIP];
        out->exact[0] = true;
        out->n = 1;
    }
    if (out->guessed_from > out->n)
        out->guessed_from = out->n;
}
