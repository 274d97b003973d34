// The profile's allow list against the stacks of a run: which stack may grow by how much, and what became of each
// entry.
//
// "Today" is the day on which the run ended, in UTC, so that a stored run gets the same verdict on any later day.
#include "judge/allow.h"
#include "report/build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void day_of_run(const struct build *b, char day[16])
{
    const struct report *r = b->r;
    time_t at = (time_t)((r->ended_ns != SEEP_UNKNOWN ? r->ended_ns : clock_read().real_ns) / 1000000000);
    struct tm tm;
    gmtime_r(&at, &tm);
    strftime(day, 16, "%Y-%m-%d", &tm);
}

static int fill_entries(struct build *b, struct seep_err *err)
{
    struct report *r = b->r;
    char today[16];
    day_of_run(b, today);
    r->allows = report_alloc(b->arena, (size_t)b->profile->n_allow, sizeof *r->allows);
    if (r->allows == NULL)
        return build_no_memory(err);
    for (int a = 0; a < b->profile->n_allow; a++) {
        const struct profile_allow *p = &b->profile->allow[a];
        r->allows[r->n_allows++] = (struct report_allow){
            .pattern = report_strdup(b->arena, p->pattern),
            .reason = report_strdup(b->arena, p->reason),
            .expires = report_strdup(b->arena, p->expires),
            .budget_per_s = p->budget_bytes_per_s,
            .status = judge_allow_expired(p->expires, today) ? REPORT_ALLOW_EXPIRED : REPORT_ALLOW_UNMATCHED};
    }
    return 0;
}

// Frames as patterns see them, in the arena: names without what the compiler put behind them.
static struct judge_allow_frame *normalised(struct build *b, const struct report_stack *s)
{
    struct judge_allow_frame *out = report_alloc(b->arena, s->n_frames, sizeof *out);
    for (size_t i = 0; out != NULL && i < s->n_frames; i++) {
        const struct report_frame *f = &s->frames[i];
        char key[RESOLVE_NAME_MAX];
        out[i] = (struct judge_allow_frame){.function = f->function, .file = f->file, .module = f->module};
        if (f->function == NULL)
            continue;
        resolve_frame_key(&(struct resolve_frame){.function = f->function}, key, sizeof key);
        if (strcmp(key, f->function) != 0)
            out[i].function = report_strdup(b->arena, key);
    }
    return out;
}

// The entry with the largest budget of those that match and still count decides.
static int match_stack(struct build *b, size_t s, const struct report_stack *named, struct seep_err *err)
{
    struct judge_allow_frame *frames = normalised(b, named);
    if (frames == NULL)
        return build_no_memory(err);
    b->allow_budget[s] = NAN;
    b->allow_of[s] = -1;
    for (size_t a = 0; a < b->r->n_allows; a++) {
        struct report_allow *entry = &b->r->allows[a];
        if (!judge_allow_matches(entry->pattern, frames, named->n_frames))
            continue;
        entry->n_stacks++;
        if (entry->status == REPORT_ALLOW_EXPIRED)
            continue;
        entry->status = REPORT_ALLOW_QUIET;
        if (b->allow_of[s] >= 0 && entry->budget_per_s <= b->allow_budget[s])
            continue;
        b->allow_of[s] = (int)a;
        b->allow_budget[s] = entry->budget_per_s;
    }
    return 0;
}

int build_allow_read(struct build *b, struct seep_err *err)
{
    size_t n = b->n_stack_infos;
    if (b->profile->n_allow == 0)
        return 0;
    struct report_stack *named = calloc(n + 1, sizeof *named);
    b->allow_budget = calloc(n + 1, sizeof *b->allow_budget);
    b->allow_of = calloc(n + 1, sizeof *b->allow_of);
    int failed = named == NULL || b->allow_budget == NULL || b->allow_of == NULL ? build_no_memory(err) : 0;
    for (size_t s = 0; !failed && s < n; s++)
        named[s].id = b->stack_infos[s].id;
    if (!failed) // patterns are about names, so all stacks must have them first
        failed = fill_entries(b, err) != 0 || build_frames(b, named, n, err) != 0;
    for (size_t s = 0; !failed && s < n; s++)
        failed = match_stack(b, s, &named[s], err);
    free(named);
    b->stacks_input.allowed_per_s = b->allow_budget;
    return failed ? -1 : 0;
}

const char *build_allow_why(struct build *b, size_t s)
{
    if (b->allow_of == NULL || b->allow_of[s] < 0)
        return NULL;
    const struct report_allow *a = &b->r->allows[b->allow_of[s]];
    return a->expires == NULL ? a->reason : report_strf(b->arena, "%s, until %s", a->reason, a->expires);
}

static const char *sentence(struct build *b, const struct report_allow *a)
{
    char budget[48], rate[48];
    const char *name = report_strf(b->arena, "'%s' (%s)", a->pattern, a->reason);
    judge_format(budget, sizeof budget, a->budget_per_s, JUDGE_U_BYTES_PER_S);
    judge_format(rate, sizeof rate, a->slope_per_s, JUDGE_U_BYTES_PER_S);
    const char *until = a->expires == NULL ? "" : report_strf(b->arena, " until %s", a->expires);
    switch (a->status) {
    case REPORT_ALLOW_EXPIRED:
        return report_strf(b->arena, "%s expired on %s and counts no more; %zu stacks match it", name, a->expires,
                           a->n_stacks);
    case REPORT_ALLOW_UNMATCHED:
        return report_strf(b->arena, "%s matches no call stack of this run", name);
    case REPORT_ALLOW_QUIET:
        return report_strf(b->arena, "%s: none of the %zu stacks it matches grows", name, a->n_stacks);
    case REPORT_ALLOW_WITHIN:
        return report_strf(b->arena, "%s: allowed%s; %zu growing, %s in all, %s each may have", name, until,
                           a->n_growing, rate, budget);
    default:
        return report_strf(b->arena, "%s: over its budget; %zu growing, %s in all, %s each may have%s", name,
                           a->n_growing, rate, budget, until);
    }
}

void build_allow_conclude(struct build *b)
{
    for (size_t s = 0; b->allow_of != NULL && s < b->judged_stacks.n_stacks; s++) {
        const struct judge_stack *j = &b->judged_stacks.stack[s];
        if (b->allow_of[s] < 0 || !j->rejected)
            continue;
        struct report_allow *a = &b->r->allows[b->allow_of[s]];
        a->n_growing++;
        a->slope_per_s += j->slope_per_s;
        if (a->status != REPORT_ALLOW_OVER)
            a->status = j->over ? REPORT_ALLOW_OVER : REPORT_ALLOW_WITHIN;
    }
    for (size_t a = 0; a < b->r->n_allows; a++)
        b->r->allows[a].sentence = sentence(b, &b->r->allows[a]);
}

const char *report_allow_word(enum report_allow_status status)
{
    static const char *const words[] = {[REPORT_ALLOW_UNMATCHED] = "unmatched",
                                        [REPORT_ALLOW_EXPIRED] = "expired",
                                        [REPORT_ALLOW_QUIET] = "quiet",
                                        [REPORT_ALLOW_WITHIN] = "within",
                                        [REPORT_ALLOW_OVER] = "over"};
    return words[status];
}

bool report_allow_is_warning(const struct report_allow *a)
{
    return a->status != REPORT_ALLOW_WITHIN && a->status != REPORT_ALLOW_QUIET;
}
