// The profile of a run from its options, and the start of it: see load_run_profile.h.
#include "cmd/load_run_profile.h"

#include <stdio.h>
#include <stdlib.h>

// The short options become overrides, so that there is one way in for every value.
int cmd_load_run_profile(const struct cmd_run_profile *o, const char *const *argv, int argc, struct profile **out,
                         struct seep_err *err)
{
    char duration[64], interval[64];
    const char **overrides = calloc((size_t)o->overrides.n + 2, sizeof *overrides);
    if (!overrides)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory");
    int n = 0;
    for (int i = 0; i < o->overrides.n; i++)
        overrides[n++] = o->overrides.items[i];
    if (o->duration_s > 0) {
        snprintf(duration, sizeof duration, "run.duration=%.9gs", o->duration_s);
        overrides[n++] = duration;
    }
    if (o->interval_s > 0) {
        snprintf(interval, sizeof interval, "run.interval=%.9gs", o->interval_s);
        overrides[n++] = interval;
    }
    char *shipped = cmd_own_path("share/seep/profiles", err);
    struct profile_sources sources = {.names = o->profiles.items,
                                      .n_names = o->profiles.n,
                                      .overrides = overrides,
                                      .n_overrides = n,
                                      .shipped_dir = shipped,
                                      .argv = argc > 0 ? argv : NULL,
                                      .argc = argc};
    int rc = shipped ? profile_load(&sources, out, err) : -1;
    free(shipped);
    free(overrides);
    return rc;
}

int cmd_start_run(const struct run_options *options, struct run_result *out)
{
    struct run_result result;
    struct seep_err err = {0};
    if (run_start(options, &result, &err))
        return cmd_fail(&err);
    if (out)
        *out = result;
    if (result.in_background)
        printf("%s\n", result.id);
    else if (result.has_report)
        printf("report  %s/report.html\n", result.dir);
    return result.exit_code;
}
