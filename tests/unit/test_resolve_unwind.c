// Copied stacks: a child stops itself at a known depth; what is unwound from copies of its registers and stack must be
// the chain of calls that its source says.
#include "resolve_help.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

enum { MODULES = 16, MAPS = 32 };

struct copy {
    pid_t pid;
    struct resolve_module modules[MODULES];
    char paths[MODULES][256];
    size_t n_modules;
    struct resolve_map maps[MAPS];
    size_t n_maps;
    struct resolve_regs regs;
    uint8_t *stack;
    uint64_t stack_base;
    size_t stack_len;
};

static uint32_t module_of(struct copy *c, const char *path)
{
    for (size_t i = 0; i < c->n_modules; i++) {
        if (strcmp(c->paths[i], path) == 0)
            return (uint32_t)i;
    }
    assert_true(c->n_modules < MODULES);
    size_t i = c->n_modules++;
    snprintf(c->paths[i], sizeof c->paths[i], "%s", path);
    c->modules[i] = help_module(c->paths[i]);
    if (strcmp(path, "[vdso]") == 0)
        c->modules[i].kind = RESOLVE_VDSO;
    return (uint32_t)i;
}

// Code mappings, and the end of the mapping that holds sp.
static uint64_t read_maps(struct copy *c, uint64_t sp)
{
    char name[64], line[512];
    snprintf(name, sizeof name, "/proc/%d/maps", (int)c->pid);
    FILE *f = fopen(name, "r");
    assert_non_null(f);
    uint64_t stack_end = 0;
    while (fgets(line, sizeof line, f)) {
        uint64_t start, end, off;
        char mode[8], path[256] = "";
        assert_true(sscanf(line, "%lx-%lx %7s %lx %*s %*s %255s", &start, &end, mode, &off, path) >= 4);
        if (sp >= start && sp < end)
            stack_end = end;
        if (mode[2] == 'x' && (path[0] == '/' || strcmp(path, "[vdso]") == 0)) {
            assert_true(c->n_maps < MAPS);
            c->maps[c->n_maps++] =
                (struct resolve_map){.start = start, .end = end, .file_offset = off, .module = module_of(c, path)};
        }
    }
    fclose(f);
    assert_true(stack_end > sp);
    return stack_end;
}

static void copy_regs(struct copy *c)
{
    struct user_regs_struct u;
    assert_int_equal(ptrace(PTRACE_GETREGS, c->pid, NULL, &u), 0);
    const uint64_t values[RESOLVE_REGS] = {u.rax, u.rdx, u.rcx, u.rbx, u.rsi, u.rdi, u.rbp, u.rsp, u.r8,
                                           u.r9,  u.r10, u.r11, u.r12, u.r13, u.r14, u.r15, u.rip};
    memcpy(c->regs.value, values, sizeof values);
    // What a probe copies: the registers that calls preserve.
    c->regs.known =
        1u << RESOLVE_REG_RBX | 1u << RESOLVE_REG_RBP | 1u << RESOLVE_REG_RSP | 0xfu << 12 | 1u << RESOLVE_REG_RIP;
}

static void copy_start(struct copy *c, const char *program, const char *mode, const char *depth)
{
    memset(c, 0, sizeof *c);
    c->pid = fork();
    assert_true(c->pid >= 0);
    if (c->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); // a failed assertion must not leave a stopped program behind
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        execl(program, program, mode, depth, (char *)NULL);
        _exit(127);
    }
    int status, signo = 0;
    // Each stop but the wanted one is passed through: exec's own trap is swallowed, a fault is delivered.
    for (;;) {
        assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
        if (!WIFSTOPPED(status))
            fail_msg("%s ended with %#x before it stopped itself", program, status);
        signo = WSTOPSIG(status);
        if (signo == SIGSTOP)
            break;
        assert_int_equal(ptrace(PTRACE_CONT, c->pid, NULL, (void *)(intptr_t)(signo == SIGTRAP ? 0 : signo)), 0);
    }
    copy_regs(c);
    uint64_t sp = c->regs.value[RESOLVE_REG_RSP];
    uint64_t end = read_maps(c, sp);
    c->stack_base = sp;
    c->stack_len = end - sp < RESOLVE_STACK_MAX ? end - sp : RESOLVE_STACK_MAX;
    c->stack = malloc(c->stack_len);
    struct iovec local = {c->stack, c->stack_len}, remote = {(void *)(uintptr_t)sp, c->stack_len};
    assert_int_equal(process_vm_readv(c->pid, &local, 1, &remote, 1, 0), (ssize_t)c->stack_len);
}

static void copy_end(struct copy *c)
{
    kill(c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
    free(c->stack);
}

static void unwind(struct resolve *r, const struct copy *c, size_t stack_len, struct resolve_unwound *out)
{
    struct seep_err err = {0};
    if (resolve_unwind(r, c->modules, c->n_modules, c->maps, c->n_maps, &c->regs, c->stack_base, c->stack, stack_len,
                       out, &err) != 0)
        fail_msg("%s", err.text);
}

// Physical function names of the unwound stack, innermost first.
static void name_stack(struct resolve *r, const struct copy *c, const struct resolve_unwound *u,
                       struct resolve_frames *out)
{
    struct resolve_pc pcs[RESOLVE_DEPTH_MAX];
    for (size_t i = 0; i < u->n; i++) {
        pcs[i] = (struct resolve_pc){.module = UINT32_MAX};
        for (size_t k = 0; k < c->n_maps; k++) {
            const struct resolve_map *m = &c->maps[k];
            if (u->pc[i] >= m->start && u->pc[i] < m->end)
                pcs[i] = (struct resolve_pc){.module = m->module,
                                             .offset = u->pc[i] - m->start + m->file_offset,
                                             .flags = RESOLVE_PC_FILE_OFFSET | (u->exact[i] ? 0 : RESOLVE_PC_RETURN)};
        }
    }
    struct seep_err err;
    assert_int_equal(resolve_symbolise(r, c->modules, c->n_modules, pcs, u->n, out, &err), 0);
}

static const char *name_at(const struct resolve_frames *f, size_t i)
{
    const struct resolve_span *s = &f->spans[i];
    const char *name = f->frames[s->first + s->n - 1].function;
    return name ? name : "?";
}

static size_t find_name(const struct resolve_frames *f, size_t from, const char *name)
{
    for (size_t i = from; i < f->n_pcs; i++) {
        if (strcmp(name_at(f, i), name) == 0)
            return i;
    }
    fail_msg("no frame %s from %zu on", name, from);
    return 0;
}

static void expect_tail(const struct resolve_frames *f, size_t at, size_t digs)
{
    for (size_t i = 0; i < digs; i++)
        assert_string_equal(name_at(f, at + i), "dig");
    assert_string_equal(name_at(f, at + digs), "main");
    assert_string_equal(name_at(f, f->n_pcs - 1), "_start");
    assert_true(f->n_pcs - 1 > at + digs && f->n_pcs - 1 <= at + digs + 3); // __libc_start_main and its helper
}

static void unwind_deep(const char *mode, const char *depth, size_t digs)
{
    struct copy c;
    copy_start(&c, TARGET("resolve_deep"), mode, depth);
    struct resolve *r = help_start(NULL, 0);
    struct resolve_unwound u;
    struct resolve_frames f;
    unwind(r, &c, c.stack_len, &u);
    assert_int_equal(u.end, RESOLVE_END_OUTERMOST);
    assert_int_equal(u.guessed_from, u.n);
    name_stack(r, &c, &u, &f);
    size_t at = find_name(&f, 0, "stop_here");
    if (strcmp(mode, "plain") != 0) {
        assert_string_equal(name_at(&f, at + 1), "on_signal");
        assert_true(u.exact[at + 2]); // the trampoline
        assert_true(u.exact[at + 3]); // the interrupted instruction
        assert_string_equal(name_at(&f, at + 3), "leaf");
        at += 2;
    } else {
        assert_string_equal(name_at(&f, at + 1), "leaf");
        assert_false(u.exact[at + 1]);
    }
    expect_tail(&f, at + 2, digs);
    // The authority agrees with itself, and a wrong frame is found where it stands.
    size_t where;
    assert_int_equal(resolve_crosscheck(u.pc, u.n, false, &u, &where), RESOLVE_CHECK_MATCH);
    uint64_t wrong[RESOLVE_DEPTH_MAX];
    memcpy(wrong, u.pc, sizeof wrong);
    wrong[4]++;
    assert_int_equal(resolve_crosscheck(wrong, u.n, false, &u, &where), RESOLVE_CHECK_MISMATCH);
    assert_int_equal(where, 4);
    resolve_frames_free(&f);
    resolve_stop(r);
    copy_end(&c);
}

static void test_plain_chain(void **state)
{
    (void)state;
    unwind_deep("plain", "5", 5);
}

static void test_long_chain(void **state)
{
    (void)state;
    unwind_deep("plain", "300", 300);
}

static void test_through_a_signal_frame(void **state)
{
    (void)state;
    unwind_deep("signal", "7", 7);
}

static void test_deeper_than_the_limit(void **state)
{
    (void)state;
    struct copy c;
    copy_start(&c, TARGET("resolve_deep"), "plain", "2000");
    struct resolve *r = help_start(NULL, 0);
    struct resolve_unwound u;
    unwind(r, &c, c.stack_len, &u);
    assert_int_equal(u.end, RESOLVE_END_DEPTH);
    assert_int_equal(u.n, RESOLVE_DEPTH_MAX);
    resolve_stop(r);
    copy_end(&c);
}

static void test_stripped_program(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/deep", help_dir);
    help_run("strip -o %s %s", path, TARGET("resolve_deep"));
    struct copy c;
    copy_start(&c, path, "plain", "20");
    struct resolve *r = help_start(NULL, 0);
    struct resolve_unwound u;
    unwind(r, &c, c.stack_len, &u);
    assert_int_equal(u.end, RESOLVE_END_OUTERMOST);
    assert_true(u.n >= 20 + 6);
    resolve_stop(r);
    copy_end(&c);
}

// A stack copy that ends early gives the frames it holds and says where it ended.
static void test_short_copy(void **state)
{
    (void)state;
    struct copy c;
    copy_start(&c, TARGET("resolve_deep"), "plain", "50");
    struct resolve *r = help_start(NULL, 0);
    struct resolve_unwound whole, cut;
    size_t where;
    unwind(r, &c, c.stack_len, &whole);
    unwind(r, &c, 2048, &cut);
    assert_int_equal(cut.end, RESOLVE_END_STACK);
    assert_true(cut.n > 4 && cut.n < whole.n);
    assert_memory_equal(cut.pc, whole.pc, cut.n * sizeof cut.pc[0]);
    assert_int_equal(resolve_crosscheck(whole.pc, whole.n, false, &cut, &where), RESOLVE_CHECK_GAVE_UP);
    assert_int_equal(where, cut.n);
    assert_int_equal(resolve_crosscheck(cut.pc, cut.n, true, &whole, &where), RESOLVE_CHECK_MATCH);
    assert_int_equal(resolve_crosscheck(cut.pc, cut.n, false, &whole, &where), RESOLVE_CHECK_MISMATCH);
    resolve_stop(r);
    copy_end(&c);
}

static void test_rules_in_debug_frame_only(void **state)
{
    (void)state;
    struct copy c;
    copy_start(&c, TARGET("resolve_debug_frame"), "x", "x");
    struct resolve *r = help_start(NULL, 0);
    struct resolve_unwound u;
    struct resolve_frames f;
    unwind(r, &c, c.stack_len, &u);
    name_stack(r, &c, &u, &f);
    size_t at = find_name(&f, 0, "stop_here");
    assert_string_equal(name_at(&f, at + 1), "second");
    assert_string_equal(name_at(&f, at + 2), "first");
    assert_string_equal(name_at(&f, at + 3), "main");
    assert_string_equal(name_at(&f, f.n_pcs - 1), "_start");
    assert_int_equal(u.end, RESOLVE_END_OUTERMOST);
    assert_int_equal(u.guessed_from, u.n);
    resolve_frames_free(&f);
    resolve_stop(r);
    copy_end(&c);
}

// .eh_frame without its search table: the table is made by the resolver.
static void test_without_eh_frame_hdr(void **state)
{
    (void)state;
    struct copy c;
    copy_start(&c, TARGET("resolve_no_hdr"), "plain", "6");
    struct resolve *r = help_start(NULL, 0);
    struct resolve_unwound u;
    struct resolve_frames f;
    unwind(r, &c, c.stack_len, &u);
    name_stack(r, &c, &u, &f);
    size_t at = find_name(&f, 0, "stop_here");
    assert_string_equal(name_at(&f, at + 1), "second");
    assert_string_equal(name_at(&f, at + 2), "first");
    assert_string_equal(name_at(&f, at + 3), "main");
    assert_int_equal(u.guessed_from, u.n);
    resolve_frames_free(&f);
    resolve_stop(r);
    copy_end(&c);
}

// Nothing that the registers or the stack say may crash or stall the client or invent an ending.
static void test_nonsense_registers_and_stacks(void **state)
{
    (void)state;
    struct copy c;
    copy_start(&c, TARGET("resolve_deep"), "plain", "30");
    struct resolve *r = help_start(NULL, 0);
    unsigned seed = 1;
    for (int round = 0; round < 300; round++) {
        struct copy bad = c;
        uint8_t *stack = malloc(c.stack_len);
        memcpy(stack, c.stack, c.stack_len);
        bad.stack = stack;
        for (int k = 0; k < 1 + round % 20; k++)
            stack[(size_t)rand_r(&seed) % c.stack_len] = (uint8_t)rand_r(&seed);
        if (round % 3 == 0)
            bad.regs.value[rand_r(&seed) % RESOLVE_REGS] ^= 1ULL << rand_r(&seed) % 64;
        struct resolve_unwound u;
        unwind(r, &bad, c.stack_len, &u);
        assert_true(u.n >= 1 && u.n <= RESOLVE_DEPTH_MAX);
        assert_int_equal(u.pc[0], bad.regs.value[RESOLVE_REG_RIP]);
        assert_true(u.end <= RESOLVE_END_FAILED);
        free(stack);
    }
    resolve_stop(r);
    copy_end(&c);
}

static void test_missing_registers_are_an_error(void **state)
{
    (void)state;
    struct resolve *r = help_start(NULL, 0);
    struct resolve_regs regs = {.known = 1};
    struct resolve_unwound u;
    struct seep_err err = {0};
    assert_int_equal(resolve_unwind(r, NULL, 0, NULL, 0, &regs, 0, NULL, 0, &u, &err), -1);
    assert_int_equal(err.code, SEEP_E_CORRUPT);
    regs.known = 1u << RESOLVE_REG_RSP | 1u << RESOLVE_REG_RIP;
    assert_int_equal(resolve_unwind(r, NULL, 0, NULL, 0, &regs, 0, NULL, 0, &u, &err), 0);
    assert_int_equal(u.n, 1);
    assert_int_equal(u.end, RESOLVE_END_NO_RULE);
    resolve_stop(r);
}

static void test_alternate_stack_ends_at_the_copy(void **state)
{
    (void)state;
    struct copy c;
    copy_start(&c, TARGET("resolve_deep"), "altstack", "3");
    struct resolve *r = help_start(NULL, 0);
    struct resolve_unwound u;
    struct resolve_frames f;
    unwind(r, &c, c.stack_len, &u); // only the alternate stack was copied
    assert_int_equal(u.end, RESOLVE_END_STACK);
    name_stack(r, &c, &u, &f);
    size_t at = find_name(&f, 0, "on_signal");
    assert_string_equal(name_at(&f, at + 2), "leaf");
    resolve_frames_free(&f);
    resolve_stop(r);
    copy_end(&c);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "resolver") == 0)
        return resolve_main(3);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_chain),
        cmocka_unit_test(test_long_chain),
        cmocka_unit_test(test_through_a_signal_frame),
        cmocka_unit_test(test_deeper_than_the_limit),
        cmocka_unit_test(test_stripped_program),
        cmocka_unit_test(test_short_copy),
        cmocka_unit_test(test_rules_in_debug_frame_only),
        cmocka_unit_test(test_without_eh_frame_hdr),
        cmocka_unit_test(test_nonsense_registers_and_stacks),
        cmocka_unit_test(test_missing_registers_are_an_error),
        cmocka_unit_test(test_alternate_stack_ends_at_the_copy),
    };
    return cmocka_run_group_tests(tests, help_make_dir, help_drop_dir);
}
