// Program counters in, frames out: cache, grouping by file, questions to the resolver, and the way round its crashes.
// See resolve.h. Replies are hostile: every count and length is checked before it is believed.
#include "resolve/client.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARENA_CHUNK = 64 * 1024 };

struct chunk {
    struct chunk *next;
    size_t used, size;
    char bytes[];
};

struct job {
    struct resolve *r;
    const struct resolve_module *modules;
    const struct resolve_pc *pcs;
    struct resolve_frames *out;
    size_t cap_frames;
    bool no_memory;
    // Of the module at work:
    const struct resolve_module *module;
    const char *module_path, *module_name;
    enum resolve_class klass;
    uint32_t known; // UINT32_MAX: none
};

static char *keep(struct job *j, const void *bytes, size_t len)
{
    struct chunk *c = j->out->strings;
    if (!c || c->size - c->used < len + 1) {
        size_t size = len + 1 > ARENA_CHUNK ? len + 1 : ARENA_CHUNK;
        struct chunk *fresh = malloc(sizeof *fresh + size);
        if (!fresh) {
            j->no_memory = true;
            return NULL;
        }
        *fresh = (struct chunk){.next = c, .size = size};
        j->out->strings = c = fresh;
    }
    char *s = c->bytes + c->used;
    if (len > 0)
        memcpy(s, bytes, len);
    s[len] = '\0';
    c->used += len + 1;
    return s;
}

void resolve_frames_free(struct resolve_frames *f)
{
    for (struct chunk *c = f->strings, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(f->spans);
    free(f->frames);
    memset(f, 0, sizeof *f);
}

static struct resolve_frame *new_frame(struct job *j, uint32_t pc)
{
    struct resolve_frames *out = j->out;
    if (out->n_frames == j->cap_frames) {
        size_t cap = j->cap_frames * 2 + 64;
        struct resolve_frame *p = cap < UINT32_MAX ? realloc(out->frames, cap * sizeof *p) : NULL;
        if (!p) {
            j->no_memory = true;
            return NULL;
        }
        out->frames = p;
        j->cap_frames = cap;
    }
    struct resolve_frame *f = &out->frames[out->n_frames];
    *f = (struct resolve_frame){
        .module_path = j->module_path, .module_name = j->module_name, .klass = j->klass, .offset = j->pcs[pc].offset};
    const struct known *k = j->known != UINT32_MAX ? &j->r->known[j->known] : NULL;
    const struct resolve_module *m = j->module;
    if (k && k->build_id_len > 0) {
        memcpy(f->build_id, k->build_id, k->build_id_len);
        f->build_id_len = (uint8_t)k->build_id_len;
    } else if (m) {
        memcpy(f->build_id, m->build_id, m->build_id_len);
        f->build_id_len = (uint8_t)m->build_id_len;
    }
    if (out->spans[pc].n == 0)
        out->spans[pc].first = (uint32_t)out->n_frames;
    out->spans[pc].n++;
    out->n_frames++;
    return f;
}

static void unnamed(struct job *j, uint32_t pc, uint32_t flags, const char *reason)
{
    struct resolve_frame *f = new_frame(j, pc);
    if (!f)
        return;
    f->flags = RESOLVE_F_NO_NAME | flags;
    f->reason = keep(j, reason, strlen(reason));
}

// Strings of a reply end at their first NUL: the promise of resolve.h does not rest on the resolver's good will.
static const char *reply_string(struct job *j, struct proto_cursor *c, uint32_t len, size_t max)
{
    const uint8_t *p = len < max ? proto_bytes(c, len) : NULL;
    if (!p) {
        c->bad = true;
        return NULL;
    }
    return len == 0 ? NULL : keep(j, p, strnlen((const char *)p, len));
}

static bool decode_frame(struct job *j, uint32_t pc, struct proto_cursor *c)
{
    struct proto_frame pf;
    struct resolve_frame f = {0};
    if (!proto_take(c, &pf, sizeof pf))
        return false;
    f.function = reply_string(j, c, pf.function_len, RESOLVE_NAME_MAX);
    f.raw_name = reply_string(j, c, pf.raw_len, RESOLVE_NAME_MAX);
    f.file = reply_string(j, c, pf.file_len, RESOLVE_PATH_MAX);
    f.reason = reply_string(j, c, pf.reason_len, PROTO_REASON_MAX);
    if (c->bad)
        return false;
    struct resolve_frame *out = new_frame(j, pc);
    if (!out)
        return true; // no memory: said at the end
    out->function = f.function;
    out->raw_name = f.raw_name;
    out->file = f.file;
    out->line = pf.line;
    out->flags = pf.flags &
                 (RESOLVE_F_INLINED | RESOLVE_F_SYMTAB | RESOLVE_F_NAME_CUT | RESOLVE_F_CHANGED | RESOLVE_F_TRANSIENT);
    if (!f.function) {
        out->flags |= RESOLVE_F_NO_NAME;
        out->reason = f.reason ? f.reason : keep(j, "No name is recorded.", 20);
    }
    return true;
}

// One answer, of the resolver or of the cache. False: it makes no sense; then no frame of it is left in the result.
static bool decode(struct job *j, uint32_t pc, struct proto_cursor *c, uint32_t *flags)
{
    uint32_t n;
    size_t before = j->out->n_frames;
    *flags = 0;
    if (!proto_take(c, &n, sizeof n) || n == 0 || n > RESOLVE_INLINE_MAX)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        if (!decode_frame(j, pc, c)) {
            j->out->n_frames = before;
            j->out->spans[pc].n = 0;
            return false;
        }
        if (!j->no_memory)
            *flags |= j->out->frames[j->out->n_frames - 1].flags;
    }
    if (!(*flags & RESOLVE_F_NO_NAME))
        j->r->stats.pcs_named++;
    return true;
}

static struct proto_pc to_wire(const struct resolve_pc *pc)
{
    return (struct proto_pc){.offset = pc->offset, .flags = pc->flags & (RESOLVE_PC_RETURN | RESOLVE_PC_FILE_OFFSET)};
}

static bool from_cache(struct job *j, uint32_t pc)
{
    size_t len;
    struct proto_pc wire = to_wire(&j->pcs[pc]);
    const uint8_t *bytes = cache_get(j->r->cache, j->known, &wire, &len);
    if (!bytes)
        return false;
    struct proto_cursor c = {.at = bytes, .left = len};
    uint32_t flags;
    bool ok = decode(j, pc, &c, &flags);
    SEEP_CHECK(ok); // it was decoded once before it was remembered
    j->r->stats.pcs_cached++;
    return true;
}

// Takes the answers of one reply. Returns how many pcs were answered; 0: the reply makes no sense.
static uint32_t take_reply(struct job *j, const uint32_t *todo, uint32_t asked)
{
    struct proto_cursor c = {.at = (const uint8_t *)j->r->in.data, .left = j->r->in.len};
    uint32_t answered, i;
    if (!proto_take(&c, &answered, sizeof answered) || answered > asked)
        return 0;
    for (i = 0; i < answered && !j->no_memory; i++) {
        const uint8_t *start = c.at;
        uint32_t flags;
        if (!decode(j, todo[i], &c, &flags))
            return i;
        struct proto_pc wire = to_wire(&j->pcs[todo[i]]);
        if (!(flags & (RESOLVE_F_TRANSIENT | RESOLVE_F_CHANGED)))
            cache_put(j->r->cache, j->known, &wire, start, (size_t)(c.at - start), &j->r->stats.cache_flushes);
    }
    return answered;
}

static enum ask ask_names(struct job *j, uint32_t slot, const uint32_t *todo, uint32_t n)
{
    if (j->r->slots[slot].split) {
        struct proto_pc pcs[PROTO_BATCH];
        for (uint32_t i = 0; i < n; i++)
            pcs[i] = to_wire(&j->pcs[todo[i]]);
        enum ask outcome = load_split(j->r, j->module, slot, pcs, n);
        if (outcome != ASK_OK)
            return outcome;
    }
    struct proto_names head = {.slot = slot, .n = n};
    buf_clear(&j->r->out);
    buf_add(&j->r->out, &head, sizeof head);
    for (uint32_t i = 0; i < n; i++) {
        struct proto_pc wire = to_wire(&j->pcs[todo[i]]);
        buf_add(&j->r->out, &wire, sizeof wire);
    }
    return client_ask(j->r, PROTO_NAMES, -1);
}

static void give_up(struct job *j, const uint32_t *todo, size_t n, const struct load *why)
{
    for (size_t i = 0; i < n; i++)
        unnamed(j, todo[i], why->flags | (why->transient ? RESOLVE_F_TRANSIENT : 0), why->reason);
}

// After a crash the batch shrinks, so that one poisonous program counter costs only itself; each crash is a strike
// against the file, and load_module() ends the game when there are too many.
static void ask_all(struct job *j, const uint32_t *todo, size_t n, int fd)
{
    uint32_t batch = PROTO_BATCH;
    const uint32_t *crashed_on = NULL;
    while (n > 0 && !j->no_memory) {
        struct load l;
        load_module(j->r, j->module, j->known, fd, &l);
        fd = -1;
        if (!l.ok && l.transient && j->r->known[j->known].strikes > 0 && batch > 1) {
            batch = 1; // the load itself crashed; a debug file may be at fault and the strikes bound the attempts
            continue;
        }
        if (!l.ok) {
            give_up(j, todo, n, &l);
            return;
        }
        uint32_t now = n < batch ? (uint32_t)n : batch;
        enum ask outcome = ask_names(j, l.slot, todo, now);
        uint32_t answered = outcome == ASK_OK ? take_reply(j, todo, now) : 0;
        if (answered > 0) {
            todo += answered;
            n -= answered;
            continue;
        }
        if (outcome == ASK_OK) {
            client_end_process(j->r);
            j->r->stats.crashes++;
            outcome = ASK_CRASHED;
        }
        client_strike(j->r, j->known, outcome);
        if (now > 1) {
            batch = now / 4 > 0 ? now / 4 : 1;
            continue;
        }
        // A process that somebody killed between two questions looks like a crash: one pc is tried twice.
        if (outcome == ASK_CRASHED && crashed_on != todo) {
            crashed_on = todo;
            continue;
        }
        l.transient = true;
        snprintf(l.reason, sizeof l.reason, "%s", client_ask_reason(outcome));
        give_up(j, todo, 1, &l);
        todo++;
        n--;
    }
    if (fd >= 0)
        close(fd);
}

static const char *shown_path(const struct resolve_module *m)
{
    static const char *const fixed[] = {[RESOLVE_VDSO] = "[vdso]",
                                        [RESOLVE_KERNEL] = "[kernel]",
                                        [RESOLVE_PERF_MAP] = "[jit]",
                                        [RESOLVE_ANONYMOUS] = "[anonymous]"};
    if (!m)
        return "[unknown]";
    if (m->kind != RESOLVE_ELF)
        return fixed[m->kind];
    return m->path ? m->path : "[unknown]";
}

static bool begin_module(struct job *j, const struct resolve_module *m)
{
    const char *path = shown_path(m);
    const char *slash = strrchr(path, '/');
    j->module = m;
    j->known = UINT32_MAX;
    j->klass = m ? resolve_class_of(m->kind, path, m->is_program) : RESOLVE_CLASS_UNKNOWN;
    j->module_path = keep(j, path, strlen(path));
    j->module_name = j->module_path && slash && slash[1] ? j->module_path + (slash + 1 - path) : j->module_path;
    return j->module_path != NULL;
}

static void all_unnamed(struct job *j, const uint32_t *todo, size_t n, const char *reason)
{
    for (size_t i = 0; i < n; i++)
        unnamed(j, todo[i], 0, reason);
}

// Names the pcs todo[0..n), all of one module. The array is reused for those the cache does not hold.
static void name_module(struct job *j, const struct resolve_module *m, uint32_t *todo, size_t n)
{
    if (!begin_module(j, m))
        return;
    if (!m || m->kind == RESOLVE_KERNEL || m->kind == RESOLVE_ANONYMOUS) {
        all_unnamed(j, todo, n,
                    !m ? "The address lies in no file that was mapped."
                    : m->kind == RESOLVE_KERNEL
                        ? "Kernel code is not named."
                        : "The code lies in memory without a file, and no perf map describes it.");
        return;
    }
    struct load l;
    int fd;
    j->known = load_known(j->r, m, &fd, &l);
    if (j->known == UINT32_MAX) {
        give_up(j, todo, n, &l);
        return;
    }
    size_t missing = 0;
    for (size_t i = 0; i < n && !j->no_memory; i++) {
        if (!from_cache(j, todo[i]))
            todo[missing++] = todo[i];
    }
    if (missing > 0)
        ask_all(j, todo, missing, fd);
    else if (fd >= 0)
        close(fd);
}

struct order {
    uint32_t module, pc;
};

static int by_module(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    if (x->module != y->module)
        return x->module < y->module ? -1 : 1;
    return x->pc < y->pc ? -1 : x->pc > y->pc;
}

static void name_groups(struct job *j, struct order *order, uint32_t *todo, size_t n_modules, size_t n)
{
    qsort(order, n, sizeof *order, by_module);
    for (size_t i = 0, k; i < n && !j->no_memory; i = k) {
        for (k = i; k < n && order[k].module == order[i].module; k++)
            todo[k - i] = order[k].pc;
        j->r->use++;
        name_module(j, order[i].module < n_modules ? &j->modules[order[i].module] : NULL, todo, k - i);
    }
}

int resolve_symbolise(struct resolve *r, const struct resolve_module *modules, size_t n_modules,
                      const struct resolve_pc *pcs, size_t n_pcs, struct resolve_frames *out, struct seep_err *err)
{
    SEEP_CHECK_OBJ(r, CLIENT_MAGIC);
    memset(out, 0, sizeof *out);
    if (n_pcs >= UINT32_MAX || n_modules >= UINT32_MAX)
        return seep_fail(err, SEEP_E_LIMIT, "More than 4 billion program counters cannot be named at once.");
    for (size_t i = 0; i < n_modules; i++) {
        if (modules[i].build_id_len > RESOLVE_BUILD_ID_MAX)
            return seep_fail(err, SEEP_E_CORRUPT, "A build-id of %zu bytes is not possible.", modules[i].build_id_len);
    }
    struct job j = {.r = r, .modules = modules, .pcs = pcs, .out = out};
    out->n_pcs = n_pcs;
    out->spans = calloc(n_pcs + 1, sizeof *out->spans);
    struct order *order = calloc(n_pcs + 1, sizeof *order);
    uint32_t *todo = calloc(n_pcs + 1, sizeof *todo);
    j.no_memory = !out->spans || !order || !todo;
    for (size_t i = 0; i < n_pcs && !j.no_memory; i++)
        order[i] = (struct order){.module = pcs[i].module < n_modules ? pcs[i].module : UINT32_MAX, .pc = (uint32_t)i};
    if (!j.no_memory)
        name_groups(&j, order, todo, n_modules, n_pcs);
    r->stats.pcs_asked += n_pcs;
    free(order);
    free(todo);
    if (j.no_memory) {
        resolve_frames_free(out);
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the names of %zu program counters.", n_pcs);
    }
    return 0;
}
