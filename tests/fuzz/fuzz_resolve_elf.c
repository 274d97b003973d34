// ELF and DWARF of unknown origin, in process, as the resolver reads them: names and unwind rules of a file.
//
// A crash inside elfutils or libunwind is theirs and costs names only (the resolver is a process of its own, see
// test_resolve_hostile); a crash or a broken promise in our own code is what this looks for. The tests replay the
// seeds unmutated; mutations are for tests/fuzz/run, where a person looks at what is found.
#include "fuzz.h"
#include "resolve/names.h"
#include "resolve/unwind.h"
#include "resolve/unwind_table.h"

#include <sys/mman.h>
#include <unistd.h>

static struct elf_file files[PROTO_SLOTS];

static int memory_file(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_NEED(fd >= 0 && (size == 0 || write(fd, data, size) == (ssize_t)size));
    return fd;
}

// The reply must hold together as the client will read it.
static void check_reply(const struct seep_buf *out)
{
    struct proto_cursor c = {.at = (const uint8_t *)out->data, .left = out->len};
    uint32_t n;
    FUZZ_NEED(!out->failed && proto_take(&c, &n, sizeof n) && n >= 1 && n <= RESOLVE_INLINE_MAX);
    for (uint32_t i = 0; i < n; i++) {
        struct proto_frame f;
        FUZZ_NEED(proto_take(&c, &f, sizeof f) && f.function_len < RESOLVE_NAME_MAX && f.raw_len < RESOLVE_NAME_MAX &&
                  f.file_len < RESOLVE_PATH_MAX && f.reason_len < PROTO_REASON_MAX);
        proto_bytes(&c, (size_t)f.function_len + f.raw_len + f.file_len + f.reason_len);
    }
    FUZZ_NEED(!c.bad && c.left == 0);
}

static void ask_names(struct elf_file *f, uint64_t pc, uint32_t flags)
{
    struct seep_buf out;
    struct proto_pc ask = {.offset = pc, .flags = flags};
    buf_init(&out, PROTO_BODY_MAX);
    names_lookup(f, &ask, &out);
    check_reply(&out);
    buf_free(&out);
}

static void ask_stack(struct elf_file *f, uint64_t pc, const uint8_t *stack, size_t len)
{
    struct resolve_unwound u;
    struct proto_map map = {.start = 0x1000, .end = 1ull << 40, .bias = 0, .bias_known = 1, .slot = 0};
    struct proto_unwind req = {.stack_base = 0x7ffff0000000, .stack_len = (uint32_t)len};
    for (int i = 0; i < RESOLVE_REGS; i++)
        req.regs.value[i] = 0x7ffff0000000 + 64;
    req.regs.value[RESOLVE_REG_RSP] = 0x7ffff0000000;
    req.regs.value[RESOLVE_REG_RIP] = pc;
    req.regs.known = (1u << RESOLVE_REGS) - 1;
    unwind_copied(f, &map, 1, &req, stack, &u);
    FUZZ_NEED(u.n >= 1 && u.n <= RESOLVE_DEPTH_MAX && u.guessed_from <= u.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proto_load req = {.part = PROTO_PART_MAIN, .kind = RESOLVE_ELF};
    struct proto_loaded reply;
    struct unwind_table t;
    GElf_Ehdr eh;
    elf_version(EV_CURRENT);
    memset(&reply, 0, sizeof reply);
    elf_file_open(&files[0], &req, memory_file(data, size), &reply);
    FUZZ_NEED(memchr(reply.reason, 0, sizeof reply.reason) != NULL && memchr(reply.link, 0, sizeof reply.link) != NULL);
    if (files[0].status == PROTO_OK && files[0].elf != NULL && gelf_getehdr(files[0].elf, &eh) != NULL) {
        (void)unwind_table_eh(&files[0], &t);
        (void)unwind_table_debug(&files[0], 0, &t);
        for (uint64_t i = 0; i < 6; i++) {
            ask_names(&files[0], eh.e_entry + 97 * i, i & 1 ? RESOLVE_PC_RETURN : 0);
            ask_stack(&files[0], eh.e_entry + 97 * i, data, size < 4096 ? size : 4096);
        }
        ask_names(&files[0], 0x10, RESOLVE_PC_FILE_OFFSET);
        ask_names(&files[0], UINT64_MAX, RESOLVE_PC_RETURN);
    }
    elf_file_close(&files[0]);
    return 0;
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    static const char *const targets[] = {"resolve_debug_frame", "resolve_no_hdr", "resolve_inlined", "leak_stripped",
                                          "resolve_deep"};
    char path[512];
    if (i >= sizeof targets / sizeof *targets)
        return 0;
    snprintf(path, sizeof path, SEEP_BUILD_DIR "/targets/%s", targets[i]);
    return fuzz_seed_file(path, out, 0);
}
