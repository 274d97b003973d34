// Baselines for the commands that compare: see default_baseline.h.
#include "cmd/default_baseline.h"
#include "base/fs.h"
#include "cmd/command.h"
#include "cmd/find_run.h"
#include "proof/baseline.h"
#include "report/digest.h"
#include "report/names.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *cmd_default_baseline(const char *results, const char *profile, const char *target, struct seep_err *err)
{
    struct baselines *all = NULL;
    const char *dir = cmd_results_dir(results), *slash = strrchr(target, '/');
    if (access(dir, F_OK) != 0) // the first run of all makes it
        return NULL;
    if (baseline_load(dir, false, &all, err))
        return NULL;
    const char *run = baseline_run(baseline_find(all, profile, slash ? slash + 1 : target));
    char *copy = run ? strdup(run) : NULL;
    baseline_free(all);
    return copy;
}

char *cmd_baseline_word(const char *results, const char *word, const struct report *candidate, struct seep_err *err)
{
    struct seep_err why = {0};
    if (strcmp(word, "baseline"))
        return strdup(word);
    char *run = cmd_default_baseline(results, candidate->profile_name, baseline_target(candidate), &why);
    if (run)
        return run;
    if (why.code)
        seep_fail(err, why.code, "%s", why.text);
    else
        seep_fail(err, SEEP_E_USAGE, "There is no baseline of profile '%.60s' and %.60s (seep baseline set RUN)",
                  candidate->profile_name, baseline_target(candidate));
    return NULL;
}

static struct store *open_run(const char *results, const char *name, struct seep_err *err)
{
    struct store *st = NULL;
    char *dir = cmd_find_run(cmd_results_dir(results), name, err);
    int fd = dir ? fs_open_dir(dir, false, err) : -1;
    free(dir);
    if (fd >= 0 && store_open_read(fd, &st, err))
        st = NULL;
    if (fd >= 0)
        close(fd);
    return st;
}

// Only a run with the mark is looked at closer.
static bool is_marked(const char *results, const char *name, const char *profile, const char *target)
{
    const struct report_options what = {.skip = REPORT_SKIP_STACKS | REPORT_SKIP_CHARTS | REPORT_SKIP_FRAMES};
    struct store *st = open_run(results, name, NULL);
    struct report *r = NULL;
    char *mark = NULL;
    bool marked = st && store_get_meta(st, M_BASELINE, &mark, NULL) == 0 && mark &&
                  report_build(st, &what, &r, NULL) == 0 && !strcmp(r->profile_name, profile) &&
                  !strcmp(baseline_target(r), target);
    report_free(r);
    free(mark);
    store_close(st);
    return marked;
}

char *cmd_marked_baseline(const char *results, const char *profile, const char *target)
{
    DIR *d = opendir(cmd_results_dir(results));
    char *found = NULL;
    for (struct dirent *e; d && !found && (e = readdir(d)) != NULL;)
        if (fs_name_ok(e->d_name) && is_marked(results, e->d_name, profile, target))
            found = strdup(e->d_name);
    if (d)
        closedir(d);
    return found;
}

int cmd_edited(const char *results, const char *run, struct seep_err *err)
{
    struct store *st = open_run(results, run, err);
    if (!st)
        return -1;
    bool edited = report_check_digest(st, NULL) == REPORT_EDITED;
    store_close(st);
    return edited ? seep_fail(err, SEEP_E_CORRUPT, "The database of run %s was edited after the run ended", run) : 0;
}
