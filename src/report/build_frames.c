// Names of frames: from the store, and from the resolver for those the store has no names for yet.
//
// All frames of the stacks are collected once, sorted and named; then each stack is put together from them and tidied
// (hooks and allocators cut, libraries marked). Without a resolver an unnamed frame stays "module+offset".
#include "report/build.h"
#include <stdlib.h>
#include <string.h>

struct named_frame {
    struct store_frame key;
    struct report_frame *names; // innermost inlined first; n 0: unknown
    size_t n;
    bool changed; // the file there now is another one
};

struct naming {
    struct build *b;
    struct named_frame *frames; // sorted by key, unique
    size_t n;
    struct store_module_info *modules;
    size_t n_modules;
    struct module_text { // of modules[i], kept as long as the report
        const char *path, *build_id;
    } * texts;
};

static int by_key(const void *a, const void *b)
{
    const struct store_frame *x = &((const struct named_frame *)a)->key, *y = &((const struct named_frame *)b)->key;
    if (x->module != y->module)
        return x->module < y->module ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

size_t build_position_of_stack(const struct build *b, uint32_t id)
{
    for (size_t i = 0; i < b->n_stack_infos; i++) // ids mostly are in order: try the likely place first
        if (b->stack_infos[(id - 1 + i) % b->n_stack_infos].id == id)
            return (id - 1 + i) % b->n_stack_infos;
    return SIZE_MAX;
}

static const struct store_stack_info *find_info(const struct build *b, uint32_t id)
{
    size_t at = build_position_of_stack(b, id);
    return at == SIZE_MAX ? NULL : &b->stack_infos[at];
}

static int collect(struct naming *nm, const struct report_stack *stacks, size_t n, struct seep_err *err)
{
    size_t room = 0, used = 0;
    for (size_t i = 0; i < n; i++)
        room += find_info(nm->b, stacks[i].id)->n_frames;
    nm->frames = calloc(room + 1, sizeof *nm->frames);
    if (nm->frames == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < n; i++) {
        const struct store_stack_info *info = find_info(nm->b, stacks[i].id);
        for (size_t f = 0; f < info->n_frames; f++)
            nm->frames[used++].key = info->frames[f];
    }
    qsort(nm->frames, used, sizeof *nm->frames, by_key);
    for (size_t i = 0; i < used; i++)
        if (nm->n == 0 || by_key(&nm->frames[i], &nm->frames[nm->n - 1]) != 0)
            nm->frames[nm->n++] = nm->frames[i];
    return 0;
}

static const struct store_module_info *find_module(const struct naming *nm, uint32_t id)
{
    for (size_t i = 0; i < nm->n_modules; i++)
        if (nm->modules[i].id == id)
            return &nm->modules[i];
    return NULL;
}

static int take_symbols(struct naming *nm, struct named_frame *f, const struct store_symbol *symbols, size_t n,
                        struct seep_err *err)
{
    f->names = report_alloc(nm->b->arena, n, sizeof *f->names);
    if (f->names == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < n; i++)
        f->names[i] = (struct report_frame){.function = report_strdup(nm->b->arena, symbols[i].function),
                                            .file = report_strdup(nm->b->arena, symbols[i].file),
                                            .line = symbols[i].line,
                                            .inlined = symbols[i].inlined};
    f->n = n;
    return 0;
}

static int names_from_store(struct naming *nm, struct seep_err *err)
{
    for (size_t i = 0; i < nm->n; i++) {
        struct store_symbol *symbols = NULL;
        size_t n = 0;
        if (store_read_symbols(nm->b->st, &nm->frames[i].key, &symbols, &n, err) != 0)
            return -1;
        int failed = n == 0 ? 0 : take_symbols(nm, &nm->frames[i], symbols, n, err);
        store_free_symbols(symbols, n);
        if (failed)
            return -1;
    }
    return 0;
}

// ---- the resolver ---------------------------------------------------------------------------------------------------

static enum resolve_module_kind kind_of(const char *path)
{
    if (strcmp(path, "[vdso]") == 0)
        return RESOLVE_VDSO;
    if (strncmp(path, "[kernel", 7) == 0)
        return RESOLVE_KERNEL;
    size_t len = strlen(path);
    if (strncmp(path, "/tmp/perf-", 10) == 0 && len > 4 && strcmp(path + len - 4, ".map") == 0)
        return RESOLVE_PERF_MAP;
    return path[0] == '/' ? RESOLVE_ELF : RESOLVE_ANONYMOUS;
}

static size_t parse_hex(const char *hex, uint8_t *out, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;
    while (hex[2 * n] != '\0' && hex[2 * n + 1] != '\0' && n < size) {
        const char *hi = strchr(digits, hex[2 * n]), *lo = strchr(digits, hex[2 * n + 1]);
        if (hi == NULL || lo == NULL)
            return 0;
        out[n++] = (uint8_t)((hi - digits) << 4 | (lo - digits));
    }
    return n;
}

static bool is_program(const struct build *b, const char *path)
{
    return b->r->target.exe != NULL && strcmp(path, b->r->target.exe) == 0;
}

static struct resolve_module *resolver_modules(const struct naming *nm)
{
    struct resolve_module *out = calloc(nm->n_modules + 1, sizeof *out);
    for (size_t i = 0; out != NULL && i < nm->n_modules; i++) {
        const struct store_module_info *m = &nm->modules[i];
        out[i] = (struct resolve_module){
            .kind = kind_of(m->path), .path = m->path, .fd = -1, .is_program = is_program(nm->b, m->path)};
        out[i].build_id_len = parse_hex(m->build_id, out[i].build_id, sizeof out[i].build_id);
        if (nm->b->opt.module_fd != NULL)
            out[i].fd = nm->b->opt.module_fd(nm->b->opt.module_fd_ctx, m->path, m->build_id);
    }
    return out;
}

// Keeps what the resolver found for one frame, in the report and, where asked, in the store.
static int take_resolved(struct naming *nm, struct named_frame *f, const struct resolve_frame *frames, size_t n,
                         struct seep_err *err)
{
    struct store_symbol *symbols = calloc(n + 1, sizeof *symbols);
    if (symbols == NULL)
        return build_no_memory(err);
    bool known = false, lasting = true;
    for (size_t i = 0; i < n; i++) {
        symbols[i] = (struct store_symbol){.function = frames[i].function,
                                           .file = frames[i].file,
                                           .line = (int)frames[i].line,
                                           .inlined = (frames[i].flags & RESOLVE_F_INLINED) != 0};
        known |= frames[i].function != NULL;
        lasting &= !(frames[i].flags & RESOLVE_F_TRANSIENT);
    }
    f->changed = !known && n > 0 && (frames[0].flags & RESOLVE_F_CHANGED) != 0;
    int failed = known ? take_symbols(nm, f, symbols, n, err) : 0;
    if (!failed && known && lasting && nm->b->opt.names_to != NULL)
        failed = store_symbols(nm->b->opt.names_to, &f->key, symbols, n, err);
    free(symbols);
    return failed;
}

static int ask(struct naming *nm, const struct resolve_module *modules, struct resolve_pc *pcs, size_t *which,
               struct seep_err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < nm->n; i++) {
        const struct store_module_info *m = find_module(nm, nm->frames[i].key.module);
        if (nm->frames[i].n > 0 || m == NULL)
            continue;
        pcs[n] = (struct resolve_pc){
            .module = (uint32_t)(m - nm->modules), .flags = RESOLVE_PC_RETURN, .offset = nm->frames[i].key.offset};
        which[n++] = i;
    }
    if (n == 0)
        return 0;
    struct resolve_frames found;
    if (resolve_symbolise(nm->b->opt.resolver, modules, nm->n_modules, pcs, n, &found, err) != 0)
        return -1;
    int failed = 0;
    for (size_t i = 0; !failed && i < n; i++)
        failed = take_resolved(nm, &nm->frames[which[i]], found.frames + found.spans[i].first, found.spans[i].n, err);
    resolve_frames_free(&found);
    return failed;
}

static int names_from_resolver(struct naming *nm, struct seep_err *err)
{
    struct resolve_module *modules = resolver_modules(nm);
    struct resolve_pc *pcs = calloc(nm->n + 1, sizeof *pcs);
    size_t *which = calloc(nm->n + 1, sizeof *which);
    int failed =
        modules == NULL || pcs == NULL || which == NULL ? build_no_memory(err) : ask(nm, modules, pcs, which, err);
    free(modules);
    free(pcs);
    free(which);
    return failed;
}

// ---- putting stacks together ----------------------------------------------------------------------------------------

struct composed {
    struct report_frame *shown;
    struct resolve_frame *tidy; // the same frames, as resolve_tidy() wants them
    size_t n;
};

static void compose_frame(struct naming *nm, const struct store_frame *frame, struct composed *c)
{
    struct named_frame key = {.key = *frame};
    const struct named_frame *f = bsearch(&key, nm->frames, nm->n, sizeof *nm->frames, by_key);
    const struct store_module_info *m = find_module(nm, frame->module);
    const struct module_text *text = m == NULL ? NULL : &nm->texts[m - nm->modules];
    const char *path = text == NULL ? "[unknown]" : text->path;
    const char *slash = strrchr(path, '/');
    for (size_t i = 0; i < (f->n == 0 ? 1 : f->n); i++) {
        struct report_frame *out = &c->shown[c->n];
        *out = f->n == 0 ? (struct report_frame){0} : f->names[i];
        out->module = path;
        out->build_id = text == NULL ? NULL : text->build_id;
        out->offset = frame->offset;
        out->changed = f->changed;
        c->tidy[c->n++] =
            (struct resolve_frame){.function = out->function,
                                   .raw_name = out->function,
                                   .file = out->file,
                                   .module_path = path,
                                   .module_name = slash == NULL ? path : slash + 1,
                                   .klass = resolve_class_of(kind_of(path), path, is_program(nm->b, path))};
    }
}

static size_t count_frames(const struct naming *nm, const struct store_stack_info *info)
{
    size_t n = 0;
    for (size_t i = 0; i < info->n_frames; i++) {
        struct named_frame key = {.key = info->frames[i]};
        const struct named_frame *f = bsearch(&key, nm->frames, nm->n, sizeof *nm->frames, by_key);
        n += f->n == 0 ? 1 : f->n;
    }
    return n;
}

static int compose(struct naming *nm, struct report_stack *stack, struct seep_err *err)
{
    const struct store_stack_info *info = find_info(nm->b, stack->id);
    size_t room = count_frames(nm, info);
    struct composed c = {.shown = report_alloc(nm->b->arena, room, sizeof *c.shown),
                         .tidy = calloc(room + 1, sizeof *c.tidy)};
    if (c.shown == NULL || c.tidy == NULL) {
        free(c.tidy);
        return build_no_memory(err);
    }
    for (size_t i = 0; i < info->n_frames; i++)
        compose_frame(nm, &info->frames[i], &c);
    stack->frames = c.shown;
    for (size_t i = resolve_tidy(c.tidy, c.n); i < c.n; i++) {
        c.shown[i].library = (c.tidy[i].flags & RESOLVE_F_LIBRARY) != 0;
        c.shown[stack->n_frames++] = c.shown[i];
    }
    free(c.tidy);
    return 0;
}

static int keep_module_texts(struct naming *nm, struct seep_err *err)
{
    nm->texts = report_alloc(nm->b->arena, nm->n_modules, sizeof *nm->texts);
    for (size_t i = 0; nm->texts != NULL && i < nm->n_modules; i++) {
        const struct store_module_info *m = &nm->modules[i];
        nm->texts[i].path = report_strdup(nm->b->arena, m->path);
        if (nm->texts[i].path == NULL)
            return build_no_memory(err);
        if (m->build_id[0] != '\0')
            nm->texts[i].build_id = report_strdup(nm->b->arena, m->build_id);
    }
    return nm->texts == NULL ? build_no_memory(err) : 0;
}

int build_frames(struct build *b, struct report_stack *stacks, size_t n, struct seep_err *err)
{
    struct naming nm = {.b = b};
    int failed = store_list_modules(b->st, &nm.modules, &nm.n_modules, err);
    if (!failed)
        failed = keep_module_texts(&nm, err);
    if (!failed)
        failed = collect(&nm, stacks, n, err) != 0 || names_from_store(&nm, err) != 0;
    if (!failed && b->opt.resolver != NULL)
        failed = names_from_resolver(&nm, err);
    for (size_t i = 0; !failed && i < n; i++)
        failed = compose(&nm, &stacks[i], err);
    store_free_modules(nm.modules, nm.n_modules);
    free(nm.frames);
    return failed ? -1 : 0;
}
