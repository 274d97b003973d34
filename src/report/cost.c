// What a request cost the target, for every format: see report.h. From the figures that comparisons use.
#include "report/report.h"

#include <math.h>
#include <stdio.h>

static double figure(const struct report *r, const char *name)
{
    const struct report_measure *m = report_find_measure(r, name);
    return m == NULL ? NAN : m->measure.value;
}

struct report_cost report_request_cost(const struct report *r)
{
    return (struct report_cost){.cpu_s = figure(r, "cpu.per_request"),
                                .disk_read_bytes = figure(r, "disk.read_per_request"),
                                .disk_written_bytes = figure(r, "disk.write_per_request"),
                                .network_bytes = figure(r, "net.per_request")};
}

char *report_request_cost_text(const struct report *r, char *out, size_t size)
{
    const struct report_cost c = report_request_cost(r);
    const struct {
        const char *before, *after;
        double value;
        enum judge_unit unit;
    } parts[] = {{"CPU ", "", c.cpu_s, JUDGE_U_SECONDS},
                 {"", " read from disk", c.disk_read_bytes, JUDGE_U_BYTES},
                 {"", " written", c.disk_written_bytes, JUDGE_U_BYTES},
                 {"", " of network", c.network_bytes, JUDGE_U_BYTES}};
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && n < size; i++) {
        char value[48];
        if (!isfinite(parts[i].value))
            continue;
        judge_format(value, sizeof value, parts[i].value, parts[i].unit);
        int more = snprintf(out + n, size - n, "%s%s%s%s", n > 0 ? ", " : "a request: ", parts[i].before, value,
                            parts[i].after);
        n += more > 0 ? (size_t)more : 0;
    }
    return out;
}
