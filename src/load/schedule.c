// Schedules and arrivals: see schedule.h. Input is a validated profile; what it leaves out counts as 0.
#include "load/schedule.h"

#include <math.h>
#include <stdlib.h>

static double at_least_zero(double v)
{
    return v > 0 && isfinite(v) ? v : 0;
}

int schedule_build(const struct profile_load *load, struct load_schedule *out, struct seep_err *err)
{
    int n = load->n_stages + 1;
    double *room = calloc((size_t)n * 3, sizeof *room);
    if (!room)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the load's schedule.");
    *out = (struct load_schedule){.n = n, .t_s = room, .value = room + n, .before = room + 2 * n};
    out->value[0] = at_least_zero(load->open_model ? load->rate_per_s : load->users);
    for (int i = 1; i < n; i++) {
        double for_s = at_least_zero(load->stages[i - 1].for_s);
        out->value[i] = at_least_zero(load->stages[i - 1].to);
        out->t_s[i] = out->t_s[i - 1] + for_s;
        out->before[i] = out->before[i - 1] + for_s * (out->value[i - 1] + out->value[i]) / 2;
    }
    return 0;
}

void schedule_free(struct load_schedule *s)
{
    free(s->t_s);
    *s = (struct load_schedule){0};
}

// The last corner at or before t_s.
static int corner_at(const struct load_schedule *s, double t_s)
{
    int i = s->n - 1;
    while (i > 0 && s->t_s[i] > t_s)
        i--;
    return i;
}

// Change of the value per second in the line that leaves corner i.
static double slope(const struct load_schedule *s, int i)
{
    return i == s->n - 1 ? 0 : (s->value[i + 1] - s->value[i]) / (s->t_s[i + 1] - s->t_s[i]);
}

double schedule_value(const struct load_schedule *s, double t_s)
{
    int i = corner_at(s, t_s);
    return t_s <= s->t_s[i] ? s->value[i] : s->value[i] + slope(s, i) * (t_s - s->t_s[i]);
}

double schedule_max(const struct load_schedule *s)
{
    double max = 0;
    for (int i = 0; i < s->n; i++)
        max = s->value[i] > max ? s->value[i] : max;
    return max;
}

double schedule_count(const struct load_schedule *s, double t_s)
{
    int i = corner_at(s, t_s);
    double dt = t_s - s->t_s[i];
    if (dt <= 0)
        return s->before[i];
    return s->before[i] + dt * (s->value[i] + slope(s, i) * dt / 2);
}

// Solves value * dt + slope * dt^2 / 2 = count for the smaller dt >= 0, in the form that does not cancel.
static double solve(double value, double rise, double count)
{
    double root = sqrt(fmax(0, value * value + 2 * rise * count));
    return value + root > 0 ? 2 * count / (value + root) : INFINITY;
}

double schedule_when(const struct load_schedule *s, double count)
{
    int i = s->n - 1;
    while (i > 0 && s->before[i] >= count)
        i--;
    double left = count - s->before[i];
    if (left <= 0)
        return s->t_s[i];
    double t_s = s->t_s[i] + solve(s->value[i], slope(s, i), left);
    return i < s->n - 1 && t_s > s->t_s[i + 1] ? s->t_s[i + 1] : t_s;
}

static void aim(struct load_arrivals *a)
{
    double number = (double)(a->taken - a->of_burst) * a->share.of + a->share.index;
    double at = a->poisson ? a->passed : number + 0.5;
    a->regular_s = a->share.index >= a->share.of ? INFINITY : schedule_when(a->schedule, a->from + at);
}

static void choose(struct load_arrivals *a)
{
    a->next_s = a->burst_s < a->regular_s ? a->burst_s : a->regular_s;
}

static void pass(struct load_arrivals *a, int starts)
{
    for (int i = 0; a->poisson && i < starts; i++)
        a->passed += rng_exponential(&a->rng);
}

void arrivals_start(struct load_arrivals *a, const struct load_schedule *s, bool poisson, struct load_share share,
                    double from_s, uint64_t seed)
{
    *a = (struct load_arrivals){.schedule = s,
                                .poisson = poisson,
                                .share = share,
                                .rng = {seed},
                                .from = schedule_count(s, from_s < 0 ? 0 : from_s),
                                .burst_s = INFINITY};
    pass(a, share.index + 1);
    aim(a);
    choose(a);
}

void arrivals_add_bursts(struct load_arrivals *a, const struct profile_bursts *bursts, double from_s)
{
    int size = bursts->present ? share_part(a->share, bursts->size) : 0;
    if (size <= 0 || bursts->every_s <= 0)
        return;
    a->burst_every_s = bursts->every_s;
    a->burst_size = (uint64_t)size;
    a->burst_s = (floor((from_s < 0 ? 0 : from_s) / bursts->every_s) + 1) * bursts->every_s;
    choose(a);
}

static void take_of_burst(struct load_arrivals *a)
{
    a->of_burst++;
    if (a->of_burst % a->burst_size == 0)
        a->burst_s += a->burst_every_s;
}

void arrivals_take(struct load_arrivals *a)
{
    a->taken++;
    if (a->burst_s < a->regular_s) {
        take_of_burst(a);
    } else {
        pass(a, a->share.of);
        aim(a);
    }
    choose(a);
}

int pick_build(const struct profile_load *load, struct load_pick *out, struct seep_err *err)
{
    *out = (struct load_pick){.n = load->n_scenarios, .up_to = calloc((size_t)load->n_scenarios, sizeof(double))};
    if (!out->up_to)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the load's weights.");
    double sum = 0;
    for (int i = 0; i < out->n; i++)
        out->up_to[i] = sum += at_least_zero(load->scenarios[i].weight);
    return 0;
}

void pick_free(struct load_pick *p)
{
    free(p->up_to);
    *p = (struct load_pick){0};
}

int pick_next(const struct load_pick *p, struct load_rng *rng)
{
    double at = rng_unit(rng) * p->up_to[p->n - 1];
    int low = 0, high = p->n - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (p->up_to[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
