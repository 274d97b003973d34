// What toxics do to a stream of bytes: see toxic.h.
#include "fault/toxic.h"

#include <math.h>
#include <string.h>

#define NS_PER_S 1e9

static int64_t ns_of(double seconds)
{
    return (int64_t)(seconds * NS_PER_S);
}

struct fault_toxic fault_toxic_of(const struct profile_fault *f)
{
    return (struct fault_toxic){.kind = (uint32_t)f->toxic,
                                .upstream = f->upstream,
                                .toxicity = f->toxicity,
                                .latency_ns = ns_of(f->latency_s),
                                .jitter_ns = ns_of(f->jitter_s),
                                .delay_ns = ns_of(f->delay_s),
                                .timeout_ns = ns_of(f->timeout_s),
                                .rate_bytes_per_s = f->rate_bytes_per_s,
                                .average_size = (uint32_t)f->average_size,
                                .size_variation = (uint32_t)f->size_variation,
                                .bytes = (uint64_t)f->bytes};
}

void fault_set_put(struct fault_set *set, unsigned slot, const struct fault_toxic *toxic)
{
    set->slot[slot] = *toxic;
    set->generation[slot]++;
    set->changes++;
}

bool fault_set_down(const struct fault_set *set)
{
    for (unsigned i = 0; i < FAULT_SLOTS; i++)
        if (set->slot[i].kind == TOXIC_DOWN)
            return true;
    return false;
}

// Resets end a connection, so they need no direction.
static bool concerns(const struct fault_toxic *t, const struct fault_lane *lane)
{
    return t->kind != TOXIC_NONE && t->kind != TOXIC_DOWN && (t->upstream != 0) == lane->upstream;
}

bool fault_lane_follow(struct fault_lane *lane, const struct fault_set *set, struct load_rng *rng, int64_t now_ns)
{
    bool changed = false;
    if (lane->changes == set->changes)
        return false;
    lane->changes = set->changes;
    for (unsigned i = 0; i < FAULT_SLOTS; i++) {
        struct fault_lane_slot *s = &lane->slot[i];
        if (s->generation == set->generation[i])
            continue;
        bool acts = concerns(&set->slot[i], lane) && rng_unit(rng) < set->slot[i].toxicity;
        changed |= acts || s->acts;
        *s = (struct fault_lane_slot){.generation = set->generation[i], .acts = acts, .since_ns = now_ns};
    }
    if (changed)
        lane->last_due_ns = now_ns;
    return changed;
}

static int64_t latency(const struct fault_toxic *t, struct load_rng *rng)
{
    double jitter = t->jitter_ns ? (2 * rng_unit(rng) - 1) * (double)t->jitter_ns : 0;
    double sum = (double)t->latency_ns + jitter;
    return sum > 0 ? (int64_t)sum : 0;
}

static size_t at_most(size_t len, double limit)
{
    return limit < 1 ? 1 : limit < (double)len ? (size_t)limit : len;
}

// How much of len one piece may be: slices, a tenth of a second's bandwidth, what is left of a limit.
static size_t piece_len(struct fault_lane *lane, const struct fault_set *set, struct load_rng *rng, size_t len)
{
    for (unsigned i = 0; i < FAULT_SLOTS; i++) {
        const struct fault_toxic *t = &set->slot[i];
        if (!lane->slot[i].acts)
            continue;
        if (t->kind == TOXIC_SLICER)
            len = at_most(len, t->average_size + (2 * rng_unit(rng) - 1) * t->size_variation);
        else if (t->kind == TOXIC_BANDWIDTH)
            len = at_most(len, t->rate_bytes_per_s / 10);
        else if (t->kind == TOXIC_LIMIT_DATA && lane->slot[i].passed < t->bytes)
            len = at_most(len, (double)(t->bytes - lane->slot[i].passed));
    }
    return len;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void pass(struct fault_lane *lane, unsigned i, const struct fault_toxic *t, struct load_rng *rng,
                 struct fault_piece *p)
{
    struct fault_lane_slot *s = &lane->slot[i];
    switch (t->kind) {
    case TOXIC_LATENCY:
        p->due_ns += latency(t, rng);
        break;
    case TOXIC_BANDWIDTH:
        s->free_ns = later(s->free_ns, p->due_ns) + (int64_t)((double)p->len / t->rate_bytes_per_s * NS_PER_S);
        p->due_ns = s->free_ns;
        break;
    case TOXIC_SLICER:
        p->due_ns = later(p->due_ns, s->free_ns);
        s->free_ns = p->due_ns + t->delay_ns;
        break;
    case TOXIC_LIMIT_DATA:
        p->drop |= s->passed >= t->bytes;
        s->passed += p->len;
        p->close |= s->passed >= t->bytes;
        break;
    case TOXIC_TIMEOUT:
    case TOXIC_RESET_PEER:
        p->drop = true;
        break;
    default:
        break;
    }
}

struct fault_piece fault_lane_take(struct fault_lane *lane, const struct fault_set *set, struct load_rng *rng,
                                   int64_t now_ns, size_t len)
{
    struct fault_piece p = {.len = piece_len(lane, set, rng, len), .due_ns = now_ns};
    for (unsigned i = 0; i < FAULT_SLOTS; i++)
        if (lane->slot[i].acts)
            pass(lane, i, &set->slot[i], rng, &p);
    p.due_ns = lane->last_due_ns = later(p.due_ns, lane->last_due_ns);
    lane->dropped |= p.drop;
    return p;
}

int64_t fault_lane_end_due(const struct fault_lane *lane, const struct fault_set *set, int64_t now_ns)
{
    int64_t due = now_ns;
    for (unsigned i = 0; i < FAULT_SLOTS; i++)
        if (lane->slot[i].acts && set->slot[i].kind == TOXIC_SLOW_CLOSE)
            due = later(due, now_ns + set->slot[i].delay_ns);
    return later(due, lane->last_due_ns);
}

int64_t fault_lane_cut_ns(const struct fault_lane *lane, const struct fault_set *set, bool *reset)
{
    int64_t cut = INT64_MAX;
    *reset = false;
    for (unsigned i = 0; i < FAULT_SLOTS; i++) {
        const struct fault_toxic *t = &set->slot[i];
        bool resets = t->kind == TOXIC_RESET_PEER;
        if (!lane->slot[i].acts || !(resets || (t->kind == TOXIC_TIMEOUT && t->timeout_ns > 0)))
            continue;
        if (lane->slot[i].since_ns + t->timeout_ns < cut) {
            cut = lane->slot[i].since_ns + t->timeout_ns;
            *reset = resets;
        }
    }
    return cut;
}
