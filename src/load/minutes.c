// The last hour of the load in one-minute records: see minutes.h.
#include "load/minutes.h"

#include <math.h>

#define MINUTE_NS 60000000000

static void record(struct load_minutes *m, struct seep_time now, const struct load_counts *c,
                   const struct load_hist *latency, const struct load_generator *g, struct load_minute *out)
{
    *out = (struct load_minute){
        .end_ns = now.real_ns,
        .seconds = (double)(now.mono_ns - m->from_ns) / 1e9,
        .requests = c->completed - m->counts.completed,
        .errors = load_errors(c) - load_errors(&m->counts),
        .in_flight = g->in_flight,
        .users = g->users,
        .rss_bytes = g->rss_bytes,
        .cpu_ratio = NAN,
    };
    if (now.mono_ns > m->from_ns && g->cpu_us >= m->generator.cpu_us)
        out->cpu_ratio = (double)(g->cpu_us - m->generator.cpu_us) * 1e3 / (double)(now.mono_ns - m->from_ns);
    m->scratch = *latency;
    if (hist_subtract(&m->scratch, &m->latency, NULL) < 0)
        hist_reset(&m->scratch);
    out->mean_us = hist_mean(&m->scratch);
    out->p50_us = hist_quantile(&m->scratch, .5);
    out->p95_us = hist_quantile(&m->scratch, .95);
    out->p99_us = hist_quantile(&m->scratch, .99);
}

void minutes_look(struct load_minutes *m, struct seep_time now, const struct load_counts *counts,
                  const struct load_hist *latency, const struct load_generator *generator)
{
    if (m->begun && now.mono_ns - m->from_ns < MINUTE_NS)
        return;
    if (m->begun) {
        record(m, now, counts, latency, generator, &m->ring[m->next]);
        m->next = (m->next + 1) % LOAD_MINUTES;
        m->n += m->n < LOAD_MINUTES;
    }
    if (!m->begun) { // the first minute began with the load, before its first report
        m->begun = true;
        m->from_ns = now.mono_ns - generator->running_ns;
        return;
    }
    m->from_ns = now.mono_ns;
    m->counts = *counts;
    m->generator = *generator;
    m->latency = *latency;
}

int minutes_read(struct load_minutes *m, struct seep_time now, const struct load_counts *counts,
                 const struct load_hist *latency, const struct load_generator *generator, struct load_minute *out)
{
    for (int i = 0; i < m->n; i++)
        out[i] = m->ring[(m->next - m->n + i + LOAD_MINUTES) % LOAD_MINUTES];
    if (!m->begun || counts->completed == m->counts.completed)
        return m->n;
    record(m, now, counts, latency, generator, &out[m->n]);
    return m->n + 1;
}
