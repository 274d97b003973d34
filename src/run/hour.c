// The last hour of the load as it is kept when the run has ended: one line a minute in the run's meta.
//
// What is read back was written by whoever wrote the file: at most LOAD_MINUTES lines, and only whole ones, are taken.
#include "run/hour.h"
#include "base/buf.h"
#include "report/names.h"
#include "run/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void run_keep_hour(struct run *r)
{
    struct load_minute all[LOAD_MINUTES + 1];
    int n = load_last_hour(r->load, all), first = n > LOAD_MINUTES ? n - LOAD_MINUTES : 0;
    struct seep_buf b;
    buf_init(&b, 64 * 1024);
    for (int i = first; i < n; i++) {
        const struct load_minute *m = &all[i];
        buf_printf(&b, "%" PRId64 " %" PRIu64 " %" PRIu64 " %.6g %.6g %.6g %.6g %.6g\n", m->end_ns, m->requests,
                   m->errors, m->seconds, m->mean_us, m->p50_us, m->p95_us, m->p99_us);
    }
    if (b.len && !b.failed)
        run_meta(r, M_LOAD_HOUR, b.data);
    buf_free(&b);
}

static bool read_minute(const char *line, struct load_minute *m)
{
    *m = (struct load_minute){0};
    return sscanf(line, "%" SCNd64 " %" SCNu64 " %" SCNu64 " %lf %lf %lf %lf %lf", &m->end_ns, &m->requests, &m->errors,
                  &m->seconds, &m->mean_us, &m->p50_us, &m->p95_us, &m->p99_us) == 8 &&
           m->errors <= m->requests;
}

int run_read_hour(struct store *st, struct load_minute *out)
{
    struct seep_err none;
    char *text = NULL;
    int n = 0;
    if (store_get_meta(st, M_LOAD_HOUR, &text, &none) || !text)
        return 0;
    for (char *line = text, *next; line && *line && n < LOAD_MINUTES; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        if (read_minute(line, &out[n]))
            n++;
    }
    free(text);
    return n;
}
