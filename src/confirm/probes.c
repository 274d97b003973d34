// The profile's probes again: they are requests to the target too. Each has a thread of its own; what they say is
// counted and judged by nobody. See passing.h.
#include "base/clock.h"
#include "confirm/passing.h"
#include "run/ask.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WITHIN_MAX_S = 30 };

struct probing {
    const struct profile_probe *want;
    double every_s, within_s; // every 0: once
    atomic_bool *cancel;
    atomic_bool done;
    pthread_t thread;
    bool started;
    int runs, failures;
    char why[RUN_ASK_WHY]; // of the last failure
};

struct confirm_probes {
    atomic_bool cancel;
    int n;
    struct probing probe[];
};

// Returns early when it is to be over.
static void pause_for(const struct probing *p, double seconds)
{
    int64_t end = clock_mono_ns() + (int64_t)(seconds * 1e9);
    while (!atomic_load(p->cancel) && clock_mono_ns() < end)
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

static void *probe_thread(void *arg)
{
    struct probing *p = arg;
    char why[RUN_ASK_WHY];
    do {
        bool ok = run_ask_probe(p->want, p->within_s, p->cancel, why);
        if (atomic_load(p->cancel) && !ok)
            break; // cut short it said nothing
        p->runs++;
        p->failures += !ok;
        if (!ok)
            memcpy(p->why, why, sizeof p->why);
        if (p->every_s > 0)
            pause_for(p, p->every_s);
    } while (p->every_s > 0 && !atomic_load(p->cancel));
    atomic_store(&p->done, true);
    return NULL;
}

static void start(struct probing *p)
{
    atomic_store(&p->done, false);
    p->started = pthread_create(&p->thread, NULL, probe_thread, p) == 0;
}

static void join(struct passing *s, struct probing *p, const char *doing)
{
    while (p->started && !atomic_load(&p->done))
        if (!confirm_pass_watch(s, doing)) // the pass is over: nobody waits for it any more
            atomic_store(p->cancel, true);
    if (p->started)
        pthread_join(p->thread, NULL);
    p->started = false;
}

static void ask_edge(struct passing *s, enum profile_probe_when when)
{
    struct confirm_probes *all = s->probes;
    for (int i = 0; all && i < all->n; i++)
        if (all->probe[i].want->when == when || all->probe[i].want->when == PROBE_EDGES)
            start(&all->probe[i]);
    for (int i = 0; all && i < all->n; i++)
        if (all->probe[i].want->when != PROBE_CONTINUOUS)
            join(s, &all->probe[i], "asking probes");
}

void confirm_probes_begin(struct passing *s)
{
    const struct profile *p = s->p->plan;
    if (p->n_probes == 0)
        return;
    s->probes = calloc(1, sizeof *s->probes + (size_t)p->n_probes * sizeof *s->probes->probe);
    if (!s->probes) {
        confirm_pass_fail(s->p, "error", "There is no memory for the probes of the profile");
        return;
    }
    s->probes->n = p->n_probes;
    for (int i = 0; i < p->n_probes; i++) {
        struct probing *b = &s->probes->probe[i];
        b->want = &p->probes[i];
        b->cancel = &s->probes->cancel;
        b->within_s = fmin(b->want->within_s * s->p->scale, fmax(b->want->within_s, WITHIN_MAX_S));
        b->every_s = b->want->when == PROBE_CONTINUOUS ? b->want->every_s * s->p->scale : 0;
    }
    ask_edge(s, PROBE_BEFORE);
    for (int i = 0; i < s->probes->n && !s->ended && !s->p->word; i++)
        if (s->probes->probe[i].want->when == PROBE_CONTINUOUS)
            start(&s->probes->probe[i]);
}

void confirm_probes_end(struct passing *s)
{
    struct confirm_probes *all = s->probes;
    if (!all)
        return;
    atomic_store(&all->cancel, true);
    for (int i = 0; i < all->n; i++)
        join(s, &all->probe[i], "ending probes");
    atomic_store(&all->cancel, false);
    if (!s->ended && !s->p->word)
        ask_edge(s, PROBE_END);
    for (int i = 0; i < all->n && s->p->probe_results; i++) {
        struct confirm_probe *to = &s->p->probe_results[i];
        to->runs = all->probe[i].runs;
        to->failures = all->probe[i].failures;
        snprintf(to->why, sizeof to->why, "%s", all->probe[i].why);
    }
    free(all);
    s->probes = NULL;
}
