// What a load needs besides its profile: see validate.h.
#include "load/validate.h"
#include "load/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int check_file(const char *what, const char *path, struct seep_err *err)
{
    if (!path)
        return 0;
    char *name = profile_expand_env(path, err);
    if (!name)
        return -1;
    int failed = access(name, R_OK);
    if (failed)
        seep_fail(err, SEEP_E_USAGE, "%s: the file of %s cannot be read: %s.", name, what, strerror(errno));
    free(name);
    return failed;
}

static int check_one(const struct profile *p, int index, const struct load_tally *tally, struct seep_err *err)
{
    const struct profile_tls *tls = &p->loads[index].tls;
    struct load_plan plan;
    if (p->loads[index].exec.present)
        return 0;
    if (check_file("tls.ca", tls->ca, err) || check_file("tls.cert", tls->cert, err) ||
        check_file("tls.key", tls->key, err))
        return -1;
    int failed = plan_read(&plan, p, index, tally, 0, 1, err);
    if (!failed)
        failed = plan_try(&plan, err);
    plan_free(&plan);
    return failed;
}

int load_validate(const struct profile *p, struct seep_err *err)
{
    struct load_series_table series = {0};
    struct load_metric_table metrics;
    struct load_tally tally = {0};
    load_metrics_build(p, &metrics);
    int failed = p->n_loads > 0 ? load_series_build(p, &series, err) : 0;
    if (!failed && p->n_loads > 0)
        failed = tally_open(&series, &metrics, &tally, err);
    for (int i = 0; !failed && i < p->n_loads; i++)
        failed = check_one(p, i, &tally, err);
    tally_close(&tally);
    load_series_free(&series);
    if (failed)
        err->code = SEEP_E_USAGE; // whatever it is, it is what the profile asks for
    return failed;
}
