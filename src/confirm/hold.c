// Each growing stack of the run held against what memcheck says of the same call path. See confirm.h.
#include "confirm/making.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ELSEWHERE_MAX = 10, LOST_FRAMES = 6 };
static const double enough_alike = 0.75;

static double sum(const struct confirm_site *s, int point, enum confirm_kind from, enum confirm_kind to, bool blocks)
{
    double v = 0;
    for (int k = (int)from; k <= (int)to; k++)
        v += blocks ? s->blocks[k][point] : s->bytes[k][point];
    return v;
}

size_t confirm_nearest(const struct making *m, char *const *keys, const struct confirm_site *site)
{
    size_t best = SIZE_MAX;
    double most = enough_alike;
    for (size_t i = 0; i < m->c->n_stacks; i++) {
        double like = confirm_likeness(keys[i], site->key);
        if (like < most || (like == most && best != SIZE_MAX))
            continue;
        most = like;
        best = i;
    }
    return best;
}

char **confirm_stack_keys(const struct making *m)
{
    size_t n = m->c->n_stacks;
    char **keys = calloc(n + 1, sizeof *keys);
    for (size_t i = 0; keys && i < n; i++)
        if (!(keys[i] = confirm_key_of(m->c->stacks[i].stack))) {
            confirm_stack_keys_free(m, keys);
            return NULL;
        }
    return keys;
}

void confirm_stack_keys_free(const struct making *m, char **keys)
{
    for (size_t i = 0; keys && i < m->c->n_stacks; i++)
        free(keys[i]);
    free(keys);
}

struct tally {
    double lost_bytes[CONFIRM_POINTS], lost_blocks[CONFIRM_POINTS], possible[CONFIRM_POINTS];
    double held_bytes[CONFIRM_POINTS], held_blocks[CONFIRM_POINTS], all[CONFIRM_POINTS];
    bool seen;
};

static void add_site(struct tally *t, const struct confirm_site *s)
{
    for (int k = 0; k < CONFIRM_POINTS; k++) {
        t->lost_bytes[k] += sum(s, k, CONFIRM_DEFINITE, CONFIRM_INDIRECT, false);
        t->lost_blocks[k] += sum(s, k, CONFIRM_DEFINITE, CONFIRM_INDIRECT, true);
        t->possible[k] += sum(s, k, CONFIRM_POSSIBLE, CONFIRM_POSSIBLE, false);
        t->held_bytes[k] += sum(s, k, CONFIRM_REACHABLE, CONFIRM_REACHABLE, false);
        t->held_blocks[k] += sum(s, k, CONFIRM_REACHABLE, CONFIRM_REACHABLE, true);
        t->all[k] += sum(s, k, CONFIRM_DEFINITE, CONFIRM_REACHABLE, false);
    }
    t->seen = true;
}

// What of it the time under valgrind was worth, by the run's own figures; NAN unknown.
static double expected_bytes(const struct making *m, const struct report_stack *s)
{
    double work = m->pass.driven_s / m->c->scale;
    const struct load_counts *whole = m->opt->report->has_load ? &m->opt->report->load.all.counts : NULL;
    double span = m->opt->report->measure_to_s - m->opt->report->measure_from_s;
    if (m->pass.requests > 0 && whole && whole->completed > 0)
        work = span * (double)m->pass.requests / (double)whole->completed;
    else if (m->opt->profile->n_loads == 0)
        work = m->pass.driven_s; // at its own pace
    return s->judge.slope_per_s * work;
}

static bool left_out(const struct making *m)
{
    for (size_t i = 0; i < m->c->n_faults; i++)
        if (m->c->faults[i].times == 0)
            return true;
    return false;
}

static const char *why_not_seen(const struct making *m, const struct confirm_stack *s)
{
    char bytes[32], time[32];
    double worth = expected_bytes(m, s->stack), block = s->stack->judge.live_bytes / fmax(1, s->stack->live_blocks);
    if (m->c->reason)
        return m->c->reason;
    units_duration(time, sizeof time, m->pass.driven_s);
    if (isfinite(worth) && worth < 2 * block)
        return report_strf(m->arena, "Too short: %s under valgrind are worth %s of it, less than two of its blocks",
                           time, units_bytes(bytes, sizeof bytes, fmax(0, worth)));
    return report_strf(m->arena,
                       "Its call path did not allocate in %s under valgrind, though %s were to be expected%s%s%s", time,
                       units_bytes(bytes, sizeof bytes, worth),
                       m->opt->profile->n_loads > 0 ? "" : " at its usual pace: valgrind may have held it up (--for)",
                       left_out(m) ? "; not all faults of the profile were replayed" : "",
                       m->opt->profile->confirm.n_suppressions > 0 ? "; or a suppression of the profile hides it" : "");
}

// The newest point that has something of the stack: the final report, or the last look when the target freed all at its
// end or never wrote one.
static int last_point(const struct making *m, const struct tally *t)
{
    if (m->c->final_report && t->all[CONFIRM_FINAL] > 0)
        return CONFIRM_FINAL;
    for (int k = CONFIRM_LOOKS - 1; k > 0; k--)
        if (t->all[k] > 0)
            return k;
    return t->all[CONFIRM_FINAL] > 0 ? CONFIRM_FINAL : 0;
}

static void decide(struct making *m, struct confirm_stack *s, const struct tally *t)
{
    char a[32], b[32];
    int at = last_point(m, t), looks = (int)m->pass.looks, end = looks > 0 ? looks - 1 : 0;
    if (t->lost_blocks[end] > t->lost_blocks[at]) // of forked processes, which write no report of their own at the end
        at = end;
    s->lost_bytes = t->lost_bytes[at];
    s->lost_blocks = t->lost_blocks[at];
    s->possible_bytes = t->possible[at];
    s->reachable_bytes = t->held_bytes[end];
    s->reachable_blocks = t->held_blocks[end];
    s->grew_bytes = looks > 1 ? t->all[end] - t->all[0] : NAN;
    bool rises = looks > 2 ? t->all[1] > t->all[0] && t->all[2] > t->all[1] : looks > 1 && t->all[1] > t->all[0];
    if (!t->seen) {
        s->status = CONFIRM_NOT_SEEN;
        s->why = why_not_seen(m, s);
    } else if (s->lost_blocks >= 2) {
        s->status = CONFIRM_LOST;
        s->why = report_strf(m->arena, "%s in %.0f blocks are lost", units_bytes(a, sizeof a, s->lost_bytes),
                             s->lost_blocks);
    } else if (rises) {
        s->status = CONFIRM_GROWS;
        bool inner = t->possible[end] > t->held_bytes[end];
        s->why = report_strf(m->arena, "%s, and more at each of %d looks: %s, then %s",
                             inner ? "Reached by inner pointers" : "Still reachable", looks,
                             units_bytes(a, sizeof a, t->all[0]), units_bytes(b, sizeof b, t->all[end]));
    } else if (s->possible_bytes > 0 && s->possible_bytes >= s->reachable_bytes) {
        s->status = CONFIRM_POSSIBLY;
        s->why = report_strf(m->arena, "%s are possibly lost, only inner pointers lead to them",
                             units_bytes(a, sizeof a, s->possible_bytes));
    } else {
        s->status = CONFIRM_STEADY;
        s->why = m->c->reason && looks < 2
                     ? report_strf(m->arena, "Seen under valgrind, and whether it grows is not known: %s", m->c->reason)
                     : report_strf(m->arena, "Seen under valgrind, %s, and it did not grow from look to look",
                                   units_bytes(a, sizeof a, t->all[end]));
    }
    m->c->n_confirmed += s->status == CONFIRM_LOST || s->status == CONFIRM_GROWS;
}

const char *confirm_where(struct report_arena *arena, const char *key)
{
    struct seep_buf where;
    size_t frames = 0;
    buf_init(&where, 4096);
    for (const char *p = key; *p && frames < LOST_FRAMES; frames++) {
        size_t n = strcspn(p, "\n");
        buf_printf(&where, "%s%.*s", frames ? " < " : "", n < 200 ? (int)n : 200, p);
        p += n + (p[n] == '\n');
    }
    const char *text = report_strdup(arena, where.data ? where.data : "");
    buf_free(&where);
    return text;
}

static void note_elsewhere(struct making *m, const struct confirm_site *s)
{
    int at = m->c->final_report ? CONFIRM_FINAL : m->pass.looks > 0 ? (int)m->pass.looks - 1 : CONFIRM_FINAL;
    double bytes = sum(s, at, CONFIRM_DEFINITE, CONFIRM_DEFINITE, false);
    struct confirm *c = m->c;
    size_t to = c->n_elsewhere < ELSEWHERE_MAX ? c->n_elsewhere : ELSEWHERE_MAX - 1;
    if (bytes <= 0 || (c->n_elsewhere == ELSEWHERE_MAX && bytes <= c->elsewhere[to].bytes))
        return;
    const char *text = confirm_where(m->arena, s->key);
    while (to > 0 && c->elsewhere[to - 1].bytes < bytes) {
        c->elsewhere[to] = c->elsewhere[to - 1];
        to--;
    }
    c->elsewhere[to] = (struct confirm_elsewhere){
        .where = text, .bytes = bytes, .blocks = sum(s, at, CONFIRM_DEFINITE, CONFIRM_DEFINITE, true)};
    c->n_elsewhere += c->n_elsewhere < ELSEWHERE_MAX;
}

int confirm_hold_against(struct making *m, struct seep_err *err)
{
    size_t n = m->c->n_stacks;
    char **keys = confirm_stack_keys(m);
    struct tally *tallies = calloc(n + 1, sizeof *tallies);
    m->c->elsewhere = report_alloc(m->arena, ELSEWHERE_MAX, sizeof *m->c->elsewhere);
    bool right = keys && tallies && m->c->elsewhere;
    for (size_t i = 0; right && i < m->sites.n; i++) {
        size_t k = confirm_nearest(m, keys, &m->sites.list[i]);
        if (k == SIZE_MAX)
            note_elsewhere(m, &m->sites.list[i]);
        else
            add_site(&tallies[k], &m->sites.list[i]);
    }
    for (size_t i = 0; right && i < n; i++)
        decide(m, &m->c->stacks[i], &tallies[i]);
    confirm_stack_keys_free(m, keys);
    free(tallies);
    return right ? 0 : seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
}

int confirm_take_stacks(struct making *m, struct seep_err *err)
{
    const struct report *r = m->opt->report;
    m->c->stacks = report_alloc(m->arena, r->n_stacks, sizeof *m->c->stacks);
    if (!m->c->stacks)
        return seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
    for (size_t i = 0; i < r->n_stacks; i++)
        if (r->stacks[i].judge.rejected && !(r->stacks[i].flags & (STACK_OTHER | STACK_MMAP)))
            m->c->stacks[m->c->n_stacks++] = (struct confirm_stack){.stack = &r->stacks[i], .rank = i + 1};
    return 0;
}
