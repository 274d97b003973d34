// The standing cross-check by hand: runs a command under the probe, unwinds every copied stack with libunwind and
// compares with what the probe's walker had found. Prints the counts and the first differences.
// Follows forked and executed processes too. Exit 1 when any walk differs.
// usage: walk_check [-s SHOW] [-t SECONDS until SIGTERM] [-n NAME to print] COMMAND [ARG...]
#include "region_server.c"

#include "resolve/resolve.h"
#include "wire/wire.h"

#include <limits.h>

struct tally {
    unsigned match, mismatch, shown, show;
    unsigned cut;       // agreed as far as the walker went, which said itself that it stopped early
    unsigned no_rule;   // libunwind has no rule from some frame on: generated code, assembler; nothing is proved
    unsigned undecided; // libunwind stopped for another reason
};

static size_t modules_of(struct wire *w, struct resolve_module *module, struct wire_module *known,
                         struct resolve_map *map, size_t max)
{
    size_t n = 0;
    for (uint32_t i = 1; i < wire_modules(w) && n < max; i++) {
        struct wire_module *m = &known[n];
        char real[PATH_MAX]; // the loader's names may be symbolic links, which the resolver does not follow
        if (wire_module(w, i, m) < 0 || m->unload_epoch != UINT32_MAX)
            continue;
        if (m->path[0] == '/' && realpath(m->path, real) && strlen(real) < sizeof m->path)
            strcpy(m->path, real);
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
    bool cut = c->why == 2 || c->frames == sizeof c->frame / sizeof *c->frame;
    enum resolve_check r = resolve_crosscheck(pcs, c->frames, cut, &rest, &at);
    bool guessed = rest.guessed_from < rest.n || rest.end == RESOLVE_END_NO_RULE;
    t->match += r == RESOLVE_CHECK_MATCH && !cut;
    t->cut += r == RESOLVE_CHECK_MATCH && cut;
    t->mismatch += r == RESOLVE_CHECK_MISMATCH;
    t->no_rule += r == RESOLVE_CHECK_GAVE_UP && guessed;
    t->undecided += r == RESOLVE_CHECK_GAVE_UP && !guessed;
    if ((r == RESOLVE_CHECK_MISMATCH || (r == RESOLVE_CHECK_GAVE_UP && !guessed)) && t->shown++ < t->show)
        print_both(c, &u, skip, at);
}

// One copy of each process in turn. Returns how many there were.
static unsigned check_some(struct region_server *s, struct wire **w, struct resolve *res, struct tally *t)
{
    static struct wire_copy copy;
    unsigned regions = region_server_count(s), got = 0;
    for (unsigned i = 0; i < regions; i++) {
        if (!w[i])
            w[i] = wire_open(s->fd[i], NULL);
        if (w[i] && wire_ring_read(w[i], &copy) == 1) {
            check(res, w[i], &copy, t);
            got++;
        }
    }
    return got;
}

static void drain_output(int out, int wait_ms)
{
    char buf[4096];
    struct pollfd p = {.fd = out, .events = POLLIN};
    if (poll(&p, 1, wait_ms) == 1 && read(out, buf, sizeof buf) <= 0)
        usleep((useconds_t)wait_ms * 1000);
}

static void print_tally(const char *name, const struct tally *t)
{
    printf("%-14s %7u walks %7u agree %5u agree, cut %4u differ %5u beyond libunwind's rules %4u undecided\n", name,
           t->match + t->cut + t->mismatch + t->no_rule + t->undecided, t->match, t->cut, t->mismatch, t->no_rule,
           t->undecided);
}

int main(int argc, char **argv)
{
    static struct wire *w[REGION_SERVER_MAX];
    struct region_server s = {.region_bytes = 128 << 20};
    struct tally t = {0};
    const char *name = NULL;
    int c, out, status, seconds = 0, ended = 0;
    while ((c = getopt(argc, argv, "+s:t:n:")) != -1) {
        if (c == 's')
            t.show = (unsigned)atoi(optarg);
        else if (c == 't')
            seconds = atoi(optarg);
        else if (c == 'n')
            name = optarg;
    }
    if (optind >= argc)
        return 2;
    region_server_start(&s, 0);
    struct resolve *res = resolve_start(NULL, NULL);
    int pid = region_spawn(&s, argv + optind, NULL, &out);
    uint64_t until = seconds ? now_ms() + (uint64_t)seconds * 1000 : UINT64_MAX;
    for (int idle = 0; idle < 3;) {
        unsigned got = check_some(&s, w, res, &t);
        if (!ended && now_ms() >= until) {
            kill(pid, SIGTERM);
            until = UINT64_MAX;
        }
        ended = ended || waitpid(pid, &status, WNOHANG) == pid;
        idle = ended && !got ? idle + 1 : 0;
        drain_output(out, got || ended ? 0 : 5);
    }
    print_tally(name ? name : basename(argv[optind]), &t);
    resolve_stop(res);
    for (unsigned i = 0; i < REGION_SERVER_MAX; i++)
        wire_close(w[i]);
    region_server_stop(&s);
    return t.mismatch != 0;
}
