// The standing cross-check by hand: runs a command under the probe, unwinds every copied stack with libunwind and
// compares with what the probe's walker had found. Prints the counts and the first differences.
// usage: walk_check [-s SHOW] COMMAND [ARG...]
#include "region_server.c"

#include "resolve/resolve.h"
#include "wire/wire.h"

struct tally {
    unsigned match, mismatch, gave_up, shown, show;
};

static size_t modules_of(struct wire *w, struct resolve_module *module, struct wire_module *known,
                         struct resolve_map *map, size_t max)
{
    size_t n = 0;
    for (uint32_t i = 1; i < wire_modules(w) && n < max; i++) {
        struct wire_module *m = &known[n];
        if (wire_module(w, i, m) < 0 || m->unload_epoch != UINT32_MAX)
            continue;
        int vdso = strstr(m->path, "linux-vdso") != NULL;
        module[n] = (struct resolve_module){.kind = vdso ? RESOLVE_VDSO : RESOLVE_ELF, .path = m->path, .fd = -1};
        map[n] = (struct resolve_map){.start = m->start, .end = m->end, .bias = m->bias, .bias_known = true};
        map[n].module = (uint32_t)n;
        n++;
    }
    return n;
}

static struct resolve_regs regs_of(const struct wire_copy *c)
{
    struct resolve_regs r = {0};
    const struct {
        int number;
        uint64_t value;
    } known[] = {{3, c->rbx},  {6, c->rbp},  {7, c->rsp},  {12, c->r12},
                 {13, c->r13}, {14, c->r14}, {15, c->r15}, {16, c->rip}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        r.value[known[i].number] = known[i].value;
        r.known |= 1u << known[i].number;
    }
    return r;
}

static void print_both(const struct wire_copy *c, const struct resolve_unwound *u, size_t skip, size_t at)
{
    printf("  stack %u why %u differs at %zu (authority ended %d)\n", c->stack, c->why, at, (int)u->end);
    for (size_t i = 0; i < c->frames || i + skip < u->n; i++)
        printf("    %2zu %16llx %16llx\n", i, i < c->frames ? (unsigned long long)c->frame[i].pc : 0,
               i + skip < u->n ? (unsigned long long)u->pc[i + skip] : 0);
}

static void check(struct resolve *res, struct wire *w, const struct wire_copy *c, struct tally *t)
{
    static struct wire_module known[1024];
    static struct resolve_module module[1024];
    static struct resolve_map map[1024];
    static struct resolve_unwound u;
    size_t n = modules_of(w, module, known, map, 1024), skip = 0, at = 0;
    struct resolve_regs regs = regs_of(c);
    uint64_t pcs[128];
    if (resolve_unwind(res, module, n, map, n, &regs, c->rsp, c->bytes, c->stack_bytes, &u, NULL) < 0)
        return;
    while (skip < u.n && c->frames && u.pc[skip] != c->frame[0].pc)
        skip++;
    for (size_t i = 0; i < c->frames; i++)
        pcs[i] = c->frame[i].pc;
    struct resolve_unwound rest = u;
    rest.n = u.n - skip;
    memmove(rest.pc, u.pc + skip, rest.n * sizeof *rest.pc);
    rest.guessed_from = u.guessed_from > skip ? u.guessed_from - skip : 0;
    enum resolve_check r = resolve_crosscheck(pcs, c->frames, c->why == 2, &rest, &at);
    t->match += r == RESOLVE_CHECK_MATCH;
    t->mismatch += r == RESOLVE_CHECK_MISMATCH;
    t->gave_up += r == RESOLVE_CHECK_GAVE_UP;
    if (r != RESOLVE_CHECK_MATCH && t->shown++ < t->show)
        print_both(c, &u, skip, at);
}

int main(int argc, char **argv)
{
    static struct wire_copy copy;
    struct region_server s = {.region_bytes = 256 << 20, .most = 1};
    struct tally t = {0};
    int c, out, status;
    while ((c = getopt(argc, argv, "+s:")) != -1)
        if (c == 's')
            t.show = (unsigned)atoi(optarg);
    region_server_start(&s, 0);
    struct resolve *res = resolve_start(NULL, NULL);
    int pid = region_spawn(&s, argv + optind, NULL, &out);
    struct wire *w = NULL;
    for (int ended = 0, idle = 0; idle < 3;) {
        if (!w && region_server_count(&s))
            w = wire_open(s.fd[0], NULL);
        int got = w ? wire_ring_read(w, &copy) : 0;
        if (got)
            check(res, w, &copy, &t);
        ended = ended || waitpid(pid, &status, WNOHANG) == pid;
        idle = ended && !got ? idle + 1 : 0;
        struct pollfd p = {.fd = out, .events = POLLIN};
        char buf[4096];
        if (!ended && poll(&p, 1, got ? 0 : 5) == 1 && read(out, buf, sizeof buf) < 0)
            break;
    }
    printf("%u match, %u differ, %u not decided by libunwind\n", t.match, t.mismatch, t.gave_up);
    resolve_stop(res);
    wire_close(w);
    region_server_stop(&s);
    return 0;
}
