// What dependencies use, tick by tick: see deps.h.
//
// On the thread of the sample job. The keeper of a dependency is what stands above all of its processes; its number is
// fixed before the first tick and is checked by nobody else here: a keeper that is gone has no descendants.
#include "run/deps.h"
#include "run/deps_priv.h"
#include "run/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double known(int64_t v)
{
    return v == SEEP_UNKNOWN ? NAN : (double)v;
}

// What processes that ended had used is kept, so that the sum never runs backwards.
static double cpu_of(struct dep *d, const struct linux_sample *v)
{
    double now = (known(v->utime_us) + known(v->stime_us)) / 1e6;
    if (now < d->cpu_last_s)
        d->cpu_lost_s += d->cpu_last_s - now;
    d->cpu_last_s = isnan(now) ? d->cpu_last_s : now;
    return now + d->cpu_lost_s;
}

static void sample_one(struct run *r, struct dep *d, struct linux_tree *tree, struct run_tick *t)
{
    char labels[80];
    struct seep_err err;
    struct linux_sample v;
    if (d->link.keeper_pid <= 0 || linux_tree_walk(r->sampler.proc_fd, d->link.keeper_pid, tree, &err) ||
        tree->count == 0 || linux_tree_sample(r->sampler.proc_fd, tree, LINUX_WANT_FDS, 0, &v, &err))
        return;
    snprintf(labels, sizeof labels, "name=%.63s", d->want->name);
    tick_point(t, S_DEP_RSS, labels, UNIT_BYTES, SERIES_GAUGE, known(v.rss_bytes));
    tick_point(t, S_DEP_CPU, labels, UNIT_SECONDS, SERIES_COUNTER, cpu_of(d, &v));
    tick_point(t, S_DEP_FD, labels, UNIT_NONE, SERIES_GAUGE, known(v.fds));
    tick_point(t, S_DEP_THREADS, labels, UNIT_NONE, SERIES_GAUGE, known(v.threads));
}

void run_deps_sample(struct run *r, struct run_tick *t)
{
    struct run_deps *all = r->deps;
    if (!all || all->n == 0)
        return;
    if (!all->tree)
        all->tree = calloc(1, sizeof *all->tree);
    for (int i = 0; i < all->n && all->tree; i++)
        sample_one(r, &all->dep[i], all->tree, t);
}
