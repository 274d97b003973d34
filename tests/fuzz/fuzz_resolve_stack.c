// Copied registers and stacks against good rules: whatever a target left there, the walk over it ends within its copy.
#include "fuzz.h"
#include "resolve/unwind.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <unistd.h>

static struct elf_file files[PROTO_SLOTS];
static uint64_t entry;

static void prepare(void)
{
    struct proto_load req = {.part = PROTO_PART_MAIN, .kind = RESOLVE_ELF};
    struct proto_loaded reply;
    GElf_Ehdr eh;
    elf_version(EV_CURRENT);
    memset(&reply, 0, sizeof reply);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    FUZZ_NEED(fd >= 0);
    elf_file_open(&files[0], &req, fd, &reply);
    FUZZ_NEED(files[0].status == PROTO_OK && gelf_getehdr(files[0].elf, &eh) != NULL);
    entry = eh.e_entry;
}

// Words near code, near the stack, or any: the two bits that say which come from the input, too.
static uint64_t place(struct fuzz_in *in)
{
    uint64_t v;
    uint8_t how = fuzz_u8(in);
    fuzz_take(in, &v, sizeof v);
    if (how % 4 == 0)
        return 0x555555550000ull + entry + v % 0x200000;
    return how % 4 == 1 ? 0x7ffff0000000ull + v % 65536 : v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct resolve_unwound u;
    static uint8_t stack[8192];
    if (entry == 0)
        prepare();
    struct proto_map maps[2] = {
        {.start = 0x555555550000ull, .end = 0x555566660000ull, .bias = 0x555555550000ull, .bias_known = 1},
        {.start = 0x7fff00000000ull, .end = 0x7fff00100000ull, .slot = 1}};
    struct proto_unwind req = {.stack_base = 0x7ffff0000000ull, .n_maps = 2};
    for (int i = 0; i < RESOLVE_REGS; i++)
        req.regs.value[i] = place(&in);
    fuzz_take(&in, &req.regs.known, 4);
    req.regs.known |= 1u << RESOLVE_REG_RSP | 1u << RESOLVE_REG_RIP;
    for (size_t at = 0; at + 8 <= sizeof stack && in.left > 0; at += 8) {
        uint64_t v = place(&in);
        memcpy(stack + at, &v, sizeof v);
        req.stack_len = (uint32_t)at + 8;
    }
    unwind_copied(files, maps, 2, &req, stack, &u);
    FUZZ_NEED(u.n >= 1 && u.n <= RESOLVE_DEPTH_MAX && u.guessed_from <= u.n);
    FUZZ_NEED(u.pc[0] == req.regs.value[RESOLVE_REG_RIP]);
    return 0;
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    if (i > 2)
        return 0;
    size_t n = 0;
    for (int k = 0; k < 120; k++) {
        uint64_t v = k == RESOLVE_REG_RSP ? 64 : (uint64_t)k * (i + 1) * 16;
        out[n++] = (uint8_t)(k == RESOLVE_REG_RSP ? 1 : k % 2 ? 0 : 1);
        memcpy(out + n, &v, sizeof v);
        n += sizeof v;
    }
    return n;
}
