// The search for the highest load that a target sustains: see limit.h.
#include "load/limit.h"

#include <math.h>

static const double even_within = 0.10;

void limit_start(struct limit_search *s, double first, double least, double most, double precision, bool whole)
{
    *s = (struct limit_search){.first = first,
                               .least = least,
                               .most = most,
                               .precision = precision,
                               .whole = whole,
                               .level = NAN,
                               .high = INFINITY};
}

static bool close_enough(const struct limit_search *s)
{
    return s->high <= s->low * (1 + s->precision) || (s->whole && s->high - s->low <= 1);
}

// Without a failure above it there is nothing to be close to, and no higher level may be tried.
static bool at_the_top(const struct limit_search *s)
{
    return s->low >= s->most && isinf(s->high);
}

static double wanted(const struct limit_search *s)
{
    if (s->tries == 0)
        return s->first;
    if (s->again > 0)
        return s->level;
    if (s->low == 0) {
        double down = s->whole ? floor(s->high / 2) : s->high / 2;
        return down >= s->least ? down : NAN;
    }
    if (at_the_top(s) || close_enough(s))
        return s->confirmations < LIMIT_CONFIRMATIONS ? s->low : NAN;
    if (isinf(s->high))
        return fmin(s->low * 2, s->most);
    double middle = sqrt(s->low * s->high);
    return s->whole ? fmin(fmax(round(middle), s->low + 1), s->high - 1) : middle;
}

double limit_next(struct limit_search *s)
{
    s->level = s->tries < LIMIT_TRIES_MAX ? wanted(s) : NAN;
    s->over = isnan(s->level);
    return s->level;
}

// The highest of the levels that held and lies below all that did not.
static double highest_held(const struct limit_search *s)
{
    double best = 0;
    for (int i = 0; i < s->n_held; i++)
        if (s->held[i] < s->high && s->held[i] > best)
            best = s->held[i];
    return best;
}

void limit_take(struct limit_search *s, enum limit_outcome outcome)
{
    s->tries++;
    if (outcome == LIMIT_GENERATOR && s->again < LIMIT_AGAIN) {
        s->again++;
        return;
    }
    s->again = 0;
    if (outcome == LIMIT_HELD) {
        s->confirmations = s->level == s->low ? s->confirmations + 1 : 0;
        s->low = fmax(s->low, s->level);
        s->held[s->n_held++] = s->level;
        return;
    }
    s->high = s->level;
    s->high_is_generator = outcome == LIMIT_GENERATOR;
    if (s->low >= s->high) {
        s->low = highest_held(s);
        s->confirmations = 0;
    }
}

bool limit_found(const struct limit_search *s)
{
    return s->low > 0 && isfinite(s->high) && !s->high_is_generator && s->confirmations >= LIMIT_CONFIRMATIONS;
}

double limit_stability(const double *count, int n)
{
    double sum = 0;
    int even = 0;
    for (int i = 0; i < n; i++)
        sum += count[i];
    double mean = sum / n, allowed = fmax(even_within * mean, 2 * sqrt(mean));
    for (int i = 0; i < n; i++)
        even += fabs(count[i] - mean) <= allowed;
    return n > 0 ? (double)even / n : NAN;
}
