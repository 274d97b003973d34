// What the memory scans say of a stack's blocks: how many nothing points at, and who holds the others.
//
// A variable is named while the run ends, when its file is still the one that was mapped; the name is kept as a fact,
// because a later look might find another file at that path.
#include "report/build.h"
#include "report/short_name.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct build_unreachable build_read_unreachable(struct build *b, uint32_t stack)
{
    struct build_unreachable u = {SEEP_UNKNOWN, SEEP_UNKNOWN, SEEP_UNKNOWN, SEEP_UNKNOWN, SEEP_UNKNOWN};
    char key[64], *text = NULL;
    long long blocks, checked, scans, agreed, undecided;
    snprintf(key, sizeof key, M_UNREACHABLE_PREFIX "%u", stack);
    if (store_get_meta(b->st, key, &text, NULL) == 0 && text != NULL) {
        int n = sscanf(text, "%lld %lld %lld %lld %lld", &blocks, &checked, &scans, &agreed, &undecided);
        bool whole = n >= 3 && blocks >= 0 && checked >= blocks && scans > 0;
        if (whole && n == 5 && agreed >= 0 && agreed <= scans && undecided >= 0)
            u = (struct build_unreachable){blocks, checked, scans, agreed, undecided};
        else if (whole)
            u = (struct build_unreachable){blocks, checked, scans, SEEP_UNKNOWN, SEEP_UNKNOWN};
    }
    free(text);
    return u;
}

// What is lost stands by itself. That nothing is lost follows only from most of the blocks, not from a few of them.
static double share_of(const struct build_unreachable *u)
{
    double share = u->checked > 0 ? (double)u->blocks / (double)u->checked : NAN;
    bool few = u->undecided != SEEP_UNKNOWN && u->undecided > 3 * u->checked;
    return few && u->blocks * 4 < u->checked ? NAN : share;
}

int build_unreachable_shares(struct build *b, struct seep_err *err)
{
    size_t n = b->n_stack_infos;
    b->unreachable = malloc((n + 1) * sizeof *b->unreachable);
    if (b->unreachable == NULL)
        return build_no_memory(err);
    for (size_t s = 0; s < n; s++) {
        struct build_unreachable u = build_read_unreachable(b, b->stack_infos[s].id);
        b->unreachable[s] = share_of(&u);
    }
    b->stacks_input.unreachable_share = b->unreachable;
    return 0;
}

// ---- holders

static const char *kept_name(struct build *b, const char *key)
{
    char *text = NULL;
    const char *copy = NULL;
    if (store_get_meta(b->st, key, &text, NULL) == 0 && text != NULL)
        copy = report_strdup(b->arena, text);
    free(text);
    return copy;
}

static const char *ask_name(struct build *b, const struct report_holder *h)
{
    struct resolve_module m = {.kind = RESOLVE_ELF, .path = h->module, .fd = -1};
    struct resolve_pc pc = {.module = 0, .offset = h->offset};
    struct resolve_frames frames = {0};
    const char *name = NULL;
    if (b->opt.module_fd != NULL)
        m.fd = b->opt.module_fd(b->opt.module_fd_ctx, h->module, "");
    if (resolve_symbolise(b->opt.resolver, &m, 1, &pc, 1, &frames, NULL) == 0 && frames.n_frames > 0)
        name = report_strdup(b->arena, frames.frames[0].function);
    resolve_frames_free(&frames);
    return name;
}

static void name_variable(struct build *b, const char *prefix, uint32_t stack, struct report_holder *h)
{
    char key[96];
    snprintf(key, sizeof key, "%sname.%u", prefix, stack);
    h->name = kept_name(b, key);
    if (h->name != NULL || b->opt.resolver == NULL || b->opt.names_to == NULL)
        return;
    h->name = ask_name(b, h);
    if (h->name != NULL)
        store_set_meta(b->opt.names_to, key, h->name, NULL);
}

// The first frame that is no library's, as for the stack itself.
static int name_stack(struct build *b, struct report_holder *h, struct seep_err *err)
{
    struct report_stack one = {.id = h->stack};
    if (build_position_of_stack(b, h->stack) == SIZE_MAX || (b->opt.skip & REPORT_SKIP_FRAMES))
        return 0;
    if (build_frames(b, &one, 1, err) != 0)
        return -1;
    const struct report_frame *f = one.n_frames > 0 ? &one.frames[0] : NULL;
    for (size_t i = 0; i < one.n_frames; i++)
        if (!one.frames[i].library) {
            f = &one.frames[i];
            break;
        }
    if (f == NULL)
        return 0;
    h->name = f->function;
    h->file = f->file;
    h->line = f->line;
    h->module = f->module;
    h->offset = f->offset;
    return 0;
}

static int read_holder(struct build *b, const char *prefix, uint32_t stack, struct report_holder *h,
                       struct seep_err *err)
{
    char key[64], kind[16] = "", *text = NULL;
    unsigned blocks, by, tid;
    unsigned long long offset;
    int at = 0;
    snprintf(key, sizeof key, "%s%u", prefix, stack);
    if (store_get_meta(b->st, key, &text, NULL) != 0 || text == NULL)
        return 0;
    if (sscanf(text, "%15s %u %u %u %llx %n", kind, &blocks, &by, &tid, &offset, &at) == 5 && at > 0) {
        *h = (struct report_holder){.kind = report_strdup(b->arena, kind),
                                    .blocks = blocks,
                                    .stack = by,
                                    .tid = tid,
                                    .offset = offset,
                                    .module = text[at] ? report_strdup(b->arena, text + at) : NULL};
    }
    free(text);
    if (h->kind == NULL)
        return 0;
    if (strcmp(h->kind, "data") == 0 && h->module != NULL)
        name_variable(b, prefix, stack, h);
    return h->stack != 0 ? name_stack(b, h, err) : 0;
}

int build_holders(struct build *b, struct report_stack *s, struct seep_err *err)
{
    if (s->unreachable_checked == SEEP_UNKNOWN)
        return 0;
    return read_holder(b, M_HOLDER_PREFIX, s->id, &s->holder, err) != 0 ||
                   read_holder(b, M_ENTRY_PREFIX, s->id, &s->entry, err) != 0
               ? -1
               : 0;
}

const char *report_holder_text(const struct report_holder *h, char *out, size_t size)
{
    char name[320];
    const char *module = h->module != NULL ? h->module : "[unknown]", *slash = strrchr(module, '/');
    module = slash != NULL ? slash + 1 : module;
    if (h->name != NULL)
        report_short_name(h->name, name, sizeof name);
    else
        snprintf(name, sizeof name, "%s+0x%llx", module, (unsigned long long)h->offset);
    if (h->kind == NULL || strcmp(h->kind, "none") == 0)
        snprintf(out, size, "an unknown holder");
    else if (strcmp(h->kind, "stack") == 0)
        snprintf(out, size, "blocks of %s", name);
    else if (strcmp(h->kind, "own") == 0)
        snprintf(out, size, "each other");
    else if (strcmp(h->kind, "data") == 0)
        snprintf(out, size, "the variable %s of %s", name, module);
    else if (strcmp(h->kind, "thread") == 0)
        snprintf(out, size, "the stack or thread-local storage of thread %u", h->tid);
    else if (strcmp(h->kind, "shared") == 0)
        snprintf(out, size, "shared memory %s", h->module != NULL ? h->module : "");
    else if (strcmp(h->kind, "kernel") == 0)
        snprintf(out, size, "an epoll registration or timer");
    else if (strcmp(h->kind, "unknown") == 0)
        snprintf(out, size, "heap memory from before the attach, or free");
    else
        snprintf(out, size, "memory that the program maps itself");
    return out;
}

const char *const *report_not_covered(bool attached, size_t *n)
{
    static const char *const kinds[] = {
        "addresses that are compressed, XORed or otherwise encoded",
        "addresses that lie before their block",
        "memory of other processes",
        "memory of devices",
        "files that are not mapped, or mapped shared for reading only",
        "pipes and sockets",
        "queued signals",
        "registers of threads that are awake, beyond what is allowed for them",
        "blocks from before the attach: they are not checked, and what they alone point at is not decided",
    };
    *n = sizeof kinds / sizeof *kinds - !attached;
    return kinds;
}

const char *report_not_covered_text(bool attached, char *out, size_t size)
{
    size_t n, used = 0;
    const char *const *kind = report_not_covered(false, &n);
    used = (size_t)snprintf(out, size, "Unreachable as far as the scans see. They do not look into ");
    for (size_t i = 0; i < n && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i == 0 ? "" : i + 1 == n ? ", or " : ", ", kind[i]);
    if (used + 1 < size)
        snprintf(out + used, size - used, "%s",
                 attached ? ". Blocks from before the attach are not checked, and what they alone point at is not "
                            "decided."
                          : ".");
    return out;
}

bool report_any_unreachable(const struct report *r, size_t n)
{
    for (size_t i = 0; i < r->n_stacks && i < n; i++)
        if (r->stacks[i].unreachable_checked != SEEP_UNKNOWN && r->stacks[i].unreachable_blocks > 0)
            return true;
    return false;
}
