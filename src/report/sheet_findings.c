// The growing call stacks of a sheet: one finding a place in the program, with its level, its state against a base, and
// where to point. See sheet.h.
#include "base/esc.h"
#include "linux/exe.h"
#include "report/arena.h"
#include "report/build.h"
#include "report/profile_text.h"
#include "report/sheet.h"
#include "report/stack_key.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FINDINGS_MAX = 250, KEY_BYTES_MAX = 256 * 1024, MESSAGE_MAX = 4096 };

// The longest tail of a path that is a file below root: debug information names files as they lay when they were built,
// "../src/a.c" or "/build/1/src/a.c". A bare file name is no proof unless that is all there is.
static const char *tail_below(const char *root, const char *path)
{
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    const char *found = NULL;
    for (const char *tail = path; fd >= 0 && tail != NULL && found == NULL;) {
        while (*tail == '/' || strncmp(tail, "../", 3) == 0 || strncmp(tail, "./", 2) == 0)
            tail += *tail == '/' ? 1 : tail[1] == '.' ? 3 : 2;
        const char *slash = strchr(tail, '/');
        bool telling = slash != NULL || tail == path;
        if (telling && strstr(tail, "../") == NULL && fstatat(fd, tail, &st, 0) == 0 && S_ISREG(st.st_mode))
            found = tail;
        tail = slash == NULL ? NULL : slash + 1;
    }
    if (fd >= 0)
        close(fd);
    return found;
}

const char *sheet_path(const struct sheet *s, const char *path)
{
    size_t len = s->root == NULL ? 0 : strlen(s->root);
    while (len > 0 && s->root[len - 1] == '/')
        len--;
    if (s->root == NULL)
        return path;
    if (strncmp(path, s->root, len) == 0 && path[len] == '/') {
        for (path += len; *path == '/';)
            path++;
        return path;
    }
    const char *tail = tail_below(s->root, path);
    return tail == NULL ? path : tail;
}

void sheet_chain(const struct sheet *s, const struct report_stack *stack, size_t n, struct seep_buf *out)
{
    if (stack->n_frames == 0)
        buf_str(out, profile_frameless_name(stack));
    size_t first = profile_first_own(stack);
    for (size_t i = first; i < stack->n_frames && i < first + n; i++) {
        const struct report_frame *f = &stack->frames[i];
        buf_str(out, i == first ? "" : " < ");
        profile_put_name(out, f);
        if (i == first && f->file != NULL) {
            const char *path = sheet_path(s, f->file);
            buf_char(out, ' ');
            esc_term(out, path, strlen(path));
            if (f->line > 0)
                buf_printf(out, ":%d", f->line);
        }
        if (f->function != NULL && strcmp(f->function, "main") == 0) // what the C library does before it is no news
            break;
    }
}

// Where to point: the innermost own frame with a source, else a library's that one of ours called. Who called us (what
// starts programs and threads) is no place to look at.
static const struct report_frame *place_of(const struct report_stack *stack)
{
    const struct report_frame *other = NULL;
    bool own = false;
    for (size_t i = 0; i < stack->n_frames; i++) {
        const struct report_frame *f = &stack->frames[i];
        own |= !f->library;
        if (f->file == NULL || f->file[0] == '\0' || f->line <= 0)
            continue;
        if (!f->library)
            return f;
        if (other == NULL && !own)
            other = f;
    }
    return other;
}

static int fingerprint_of(const struct report_stack *stack, char out[SHEET_FINGERPRINT], struct seep_err *err)
{
    struct seep_buf key;
    uint8_t digest[32];
    buf_init(&key, KEY_BYTES_MAX);
    report_stack_key(stack, &key); // past the ceiling the first 256 KiB of names tell stacks apart
    int failed = linux_sha256(key.data == NULL ? "" : key.data, key.len, digest, err);
    for (int i = 0; !failed && i < (SHEET_FINGERPRINT - 1) / 2; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    buf_free(&key);
    return failed;
}

// ---- levels ---------------------------------------------------------------------------------------------------------

// The worst that gates on growing memory came to: FAIL, WARN, else PASS.
static enum judge_status memory_status(const struct report *r, bool stack_gates)
{
    enum judge_status worst = JUDGE_S_PASS;
    for (size_t i = 0; i < r->n_gates; i++) {
        const struct report_gate *g = &r->gates[i];
        bool of_stacks = g->gate.kind == JUDGE_M_STACK_GROWTH;
        bool of_memory = of_stacks || strcmp(g->gate.gauge, "heap") == 0 || strcmp(g->gate.gauge, "rss") == 0 ||
                         strcmp(g->gate.gauge, "pss") == 0;
        if (!of_memory || of_stacks != stack_gates)
            continue;
        if (g->result.status == JUDGE_S_FAIL || (g->result.status == JUDGE_S_WARN && worst == JUDGE_S_PASS))
            worst = g->result.status;
    }
    return worst;
}

static enum sheet_level level_of(const struct report *r, const struct report_stack *stack)
{
    bool stacks_fail = memory_status(r, true) == JUDGE_S_FAIL, memory_fails = memory_status(r, false) == JUDGE_S_FAIL;
    if (stack->judge.allowed)
        return SHEET_NOTE;
    if (stack->judge.over)
        return stacks_fail || memory_fails ? SHEET_ERROR : SHEET_WARNING;
    return memory_fails ? SHEET_WARNING : SHEET_NOTE;
}

static enum sheet_state state_of(enum judge_stack_change change)
{
    switch (change) {
    case JUDGE_STACK_NEW:
        return SHEET_NEW;
    case JUDGE_STACK_STEEPER:
    case JUDGE_STACK_SLOWER:
        return SHEET_UPDATED;
    case JUDGE_STACK_GONE:
        return SHEET_ABSENT;
    default:
        return SHEET_UNCHANGED;
    }
}

// ---- messages -------------------------------------------------------------------------------------------------------

static void put_rate(struct seep_buf *out, double per_s)
{
    char text[48];
    buf_str(out, judge_format(text, sizeof text, per_s, JUDGE_U_BYTES_PER_S));
}

static void put_interval(struct seep_buf *out, double lo, double hi)
{
    if (!isfinite(lo) || !isfinite(hi))
        return;
    buf_str(out, " (90 % interval ");
    put_rate(out, lo);
    buf_str(out, " to ");
    put_rate(out, hi);
    buf_char(out, ')');
}

static void put_details(struct seep_buf *out, const struct report_stack *stack)
{
    char bytes[48];
    for (size_t i = 0; i < stack->n_per_op; i++) {
        const struct report_per_op *op = &stack->per_op[i];
        if (!(op->value.lo > 0))
            continue;
        buf_printf(out, ", %s per `", units_bytes(bytes, sizeof bytes, op->value.bytes_per_op));
        esc_term(out, op->operation, strlen(op->operation));
        buf_char(out, '`');
        break;
    }
    buf_printf(out, ", %s", judge_class_name(stack->judge.klass));
    if (stack->unreachable_checked != SEEP_UNKNOWN && stack->unreachable_blocks > 0)
        buf_printf(out, ", %lld of %lld checked blocks unreachable", (long long)stack->unreachable_blocks,
                   (long long)stack->unreachable_checked);
    if (stack->allowed != NULL) {
        buf_str(out, ", allowed: ");
        esc_term(out, stack->allowed, strlen(stack->allowed));
    }
}

static const char *message_of(struct sheet *s, const struct sheet_finding *f, const struct judge_stack_difference *d)
{
    struct seep_buf out;
    buf_init(&out, MESSAGE_MAX);
    if (f->state == SHEET_ABSENT) {
        buf_str(&out, "Memory allocated here grew in the base run and no longer does: ");
    } else {
        buf_printf(&out, "Memory allocated here grows by ");
        put_rate(&out, f->slope_per_s);
        put_interval(&out, f->lo_per_s, f->hi_per_s);
        buf_printf(&out, ", %.0f %% of what grows", f->share * 100);
        put_details(&out, f->stack);
        if (d != NULL && isfinite(d->value)) {
            buf_printf(&out, "; %s than in the base by ", d->value < 0 ? "less" : "more");
            put_rate(&out, fabs(d->value));
        }
        buf_str(&out, ": ");
    }
    sheet_chain(s, f->stack, 8, &out);
    const char *copy = out.data == NULL ? NULL : report_strdup(s->arena, out.data);
    buf_free(&out);
    return copy;
}

// ---- collecting -----------------------------------------------------------------------------------------------------

static struct sheet_finding *find(struct sheet *s, const char *fingerprint)
{
    for (size_t i = 0; i < s->n_findings; i++)
        if (strcmp(s->findings[i].fingerprint, fingerprint) == 0)
            return &s->findings[i];
    return NULL;
}

// Rates add up, their half-widths as squares.
static void add_stack(struct sheet_finding *f, const struct report_stack *stack)
{
    double down = hypot(f->slope_per_s - f->lo_per_s, stack->judge.slope_per_s - stack->judge.lo_per_s);
    double up = hypot(f->hi_per_s - f->slope_per_s, stack->judge.hi_per_s - stack->judge.slope_per_s);
    f->n_stacks++;
    f->slope_per_s += stack->judge.slope_per_s;
    f->lo_per_s = f->slope_per_s - down;
    f->hi_per_s = f->slope_per_s + up;
    f->share += stack->judge.share;
}

static int take_stack(struct sheet *s, const struct report_stack *stack, enum sheet_level level, enum sheet_state state,
                      struct seep_err *err)
{
    char fingerprint[SHEET_FINGERPRINT];
    if (fingerprint_of(stack, fingerprint, err))
        return -1;
    struct sheet_finding *f = find(s, fingerprint);
    if (f == NULL && s->n_findings == FINDINGS_MAX) {
        s->n_more++;
        return 0;
    }
    if (f == NULL) {
        f = &s->findings[s->n_findings++];
        *f = (struct sheet_finding){.stack = stack, .state = state, .at = place_of(stack)};
        memcpy(f->fingerprint, fingerprint, sizeof fingerprint);
    }
    if (level > f->level)
        f->level = level;
    add_stack(f, stack);
    return 0;
}

static const struct compare_stack *changed(const struct compare *c, const struct report_stack *stack)
{
    for (size_t i = 0; c != NULL && i < c->n_stacks; i++)
        if (c->stacks[i].candidate == stack)
            return &c->stacks[i];
    return NULL;
}

// Whether the base has a growing stack of that name.
static int grew(const struct compare *c, const char *fingerprint, bool *yes, struct seep_err *err)
{
    char other[SHEET_FINGERPRINT];
    *yes = false;
    for (size_t i = 0; !*yes && i < c->base->n_stacks; i++) {
        if (!c->base->stacks[i].judge.rejected)
            continue;
        if (fingerprint_of(&c->base->stacks[i], other, err))
            return -1;
        *yes = strcmp(other, fingerprint) == 0;
    }
    return 0;
}

static int take_growing(struct sheet *s, const struct report *r, const struct compare *c, struct seep_err *err)
{
    size_t growing = 0;
    for (size_t i = 0; i < r->n_stacks; i++) {
        if (!r->stacks[i].judge.rejected)
            continue;
        growing++;
        if (take_stack(s, &r->stacks[i], level_of(r, &r->stacks[i]), SHEET_STATE_NONE, err))
            return -1;
    }
    if (r->judge_stacks.n_rejected > growing) // a report keeps the first only
        s->n_more += r->judge_stacks.n_rejected - growing;
    for (size_t i = 0; c != NULL && c->stacks_compared && i < s->n_findings; i++) {
        struct sheet_finding *f = &s->findings[i];
        const struct compare_stack *d = changed(c, f->stack);
        bool before = true;
        if (d == NULL && grew(c, f->fingerprint, &before, err))
            return -1;
        f->state = d != NULL ? state_of(d->difference.change) : before ? SHEET_UNCHANGED : SHEET_NEW;
    }
    return 0;
}

static int take_changed(struct sheet *s, const struct compare *c, bool gone_only, struct seep_err *err)
{
    for (size_t i = 0; i < c->n_stacks; i++) {
        const struct compare_stack *d = &c->stacks[i];
        enum judge_stack_change change = d->difference.change;
        bool worse = change == JUDGE_STACK_NEW || change == JUDGE_STACK_STEEPER;
        const struct report_stack *stack = change == JUDGE_STACK_GONE || d->candidate == NULL ? d->base : d->candidate;
        if (stack == NULL || (gone_only && change != JUDGE_STACK_GONE))
            continue;
        if (take_stack(s, stack, worse ? SHEET_ERROR : SHEET_NOTE, state_of(change), err))
            return -1;
    }
    return 0;
}

// Errors first, then by how much grows; what no longer grows last.
static int by_weight(const void *a, const void *b)
{
    const struct sheet_finding *x = a, *y = b;
    if ((x->state == SHEET_ABSENT) != (y->state == SHEET_ABSENT))
        return x->state == SHEET_ABSENT ? 1 : -1;
    if (x->level != y->level)
        return x->level < y->level ? 1 : -1;
    return (x->slope_per_s < y->slope_per_s) - (x->slope_per_s > y->slope_per_s);
}

int sheet_findings(struct sheet *s, const struct report *r, const struct compare *c, bool changed_only,
                   struct seep_err *err)
{
    s->findings = report_alloc(s->arena, FINDINGS_MAX, sizeof *s->findings);
    if (s->findings == NULL)
        return build_no_memory(err);
    if (!changed_only && take_growing(s, r, c, err))
        return -1;
    if (c != NULL && take_changed(s, c, !changed_only, err))
        return -1;
    if (s->n_findings > 1)
        qsort(s->findings, s->n_findings, sizeof *s->findings, by_weight);
    for (size_t i = 0; i < s->n_findings; i++) {
        const struct compare_stack *d = changed(c, s->findings[i].stack);
        s->findings[i].message = message_of(s, &s->findings[i], d == NULL ? NULL : &d->difference);
        if (s->findings[i].message == NULL)
            return build_no_memory(err);
    }
    return 0;
}
