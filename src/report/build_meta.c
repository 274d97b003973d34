// Facts by name: what the run, its target and its machine are.
#include "report/build.h"
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int build_get(struct build *b, const char *key, const char **value, struct seep_err *err)
{
    char *text = NULL;
    *value = NULL;
    if (store_get_meta(b->st, key, &text, err) != 0)
        return -1;
    if (text == NULL)
        return 0;
    *value = report_strdup(b->arena, text);
    free(text);
    return *value == NULL ? build_no_memory(err) : 0;
}

double build_number(const char *text)
{
    if (text == NULL || text[0] == '\0')
        return NAN;
    char *end;
    double value = strtod(text, &end);
    return *end == '\0' && isfinite(value) ? value : NAN;
}

int64_t build_integer(const char *text)
{
    if (text == NULL || text[0] == '\0')
        return SEEP_UNKNOWN;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    return *end == '\0' && errno == 0 ? value : SEEP_UNKNOWN;
}

// The argument vector is kept as a JSON array; without one (a run that never started) the profile's stands in.
static int fill_argv(struct build *b, const char *json, struct seep_err *err)
{
    struct report_target *t = &b->r->target;
    json_t *list = json == NULL ? NULL : json_loads(json, 0, NULL);
    size_t n = json_is_array(list) ? json_array_size(list) : (size_t)b->profile->target.argc;
    t->argv = report_alloc(b->arena, n + 1, sizeof *t->argv);
    if (t->argv == NULL) {
        json_decref(list);
        return build_no_memory(err);
    }
    for (size_t i = 0; i < n; i++) {
        const char *word =
            json_is_array(list) ? json_string_value(json_array_get(list, i)) : b->profile->target.argv[i];
        t->argv[i] = report_strdup(b->arena, word == NULL ? "" : word);
    }
    t->argc = (int)n;
    json_decref(list);
    return 0;
}

static int fill_identity(struct build *b, const char *text, struct seep_err *err)
{
    if (text == NULL)
        return 0;
    json_t *list = json_loads(text, 0, NULL);
    char *dump = json_is_array(list) ? json_dumps(list, JSON_COMPACT) : NULL; // only what is JSON reaches verdict.json
    json_decref(list);
    if (dump == NULL)
        return 0;
    b->r->target.identity_json = report_strdup(b->arena, dump);
    free(dump);
    return b->r->target.identity_json == NULL ? build_no_memory(err) : 0;
}

static int fill_strings(struct build *b, struct seep_err *err)
{
    struct report *r = b->r;
    const struct {
        const char *key, **value;
    } facts[] = {
        {M_RUN, &r->run},
        {M_VERSION, &r->version},
        {M_REDACTED, &r->redacted},
        {M_OUTCOME, &r->outcome},
        {M_OUTCOME_SENTENCE, &r->outcome_sentence},
        {M_TARGET_EXE, &r->target.exe},
        {M_TARGET_VERSION, &r->target.version},
        {M_TARGET_SHA256, &r->target.sha256},
        {M_TARGET_BUILD_ID, &r->target.build_id},
        {M_TARGET_ALLOCATOR, &r->target.allocator},
        {M_READY_HOW, &r->target.ready_how},
        {M_EXIT_KIND, &r->target.exit_kind},
        {M_EXIT_CORE, &r->target.exit_core},
        {M_EXIT_SENTENCE, &r->target.exit_sentence},
        {M_ATTRIBUTION, &r->evidence.attribution},
        {M_ATTRIBUTION_REASON, &r->evidence.attribution_reason},
        {M_HEAP_SOURCE, &r->evidence.heap_source},
        {M_ATTACHED, &r->evidence.attached},
    };
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++)
        if (build_get(b, facts[i].key, facts[i].value, err) != 0)
            return -1;
    if (r->outcome_sentence != NULL && r->outcome_sentence[0] == '\0')
        r->outcome_sentence = NULL;
    return 0;
}

static int fill_integer(struct build *b, const char *key, int64_t *value, struct seep_err *err)
{
    const char *text;
    if (build_get(b, key, &text, err) != 0)
        return -1;
    *value = build_integer(text);
    return 0;
}

static int fill_number(struct build *b, const char *key, double *value, struct seep_err *err)
{
    const char *text;
    if (build_get(b, key, &text, err) != 0)
        return -1;
    *value = build_number(text);
    return 0;
}

static int fill_numbers(struct build *b, struct seep_err *err)
{
    struct report *r = b->r;
    if (fill_integer(b, M_TARGET_PID, &r->target.pid, err) != 0 ||
        fill_integer(b, M_EXIT_STATUS, &r->target.exit_status, err) != 0 ||
        fill_integer(b, M_EXIT_SIGNAL, &r->target.exit_signal, err) != 0 ||
        fill_integer(b, M_STARTED, &r->started_ns, err) != 0 || fill_number(b, M_READY_S, &r->target.ready_s, err) != 0)
        return -1;
    if (fill_number(b, M_INTERVAL, &r->interval_s, err) != 0 || fill_number(b, M_DURATION, &r->planned_s, err) != 0 ||
        fill_number(b, M_SAMPLING_MEAN, &r->evidence.sampling_mean_bytes, err) != 0 ||
        fill_number(b, M_COVERAGE, &r->evidence.coverage, err) != 0)
        return -1;
    if (isnan(r->interval_s))
        r->interval_s = profile_interval_s(b->profile);
    if (isnan(r->planned_s))
        r->planned_s = b->profile->run.duration_s;
    return 0;
}

static int fill_host(struct build *b, struct seep_err *err)
{
    static const char *const keys[] = {M_HOST_NAME,   M_HOST_OS,   M_HOST_KERNEL, M_HOST_CPUS,
                                       M_HOST_MEMORY, M_HOST_LIBC, M_HOST_CGROUP};
    enum { N = sizeof keys / sizeof keys[0] };
    b->r->host = report_alloc(b->arena, N, sizeof *b->r->host);
    if (b->r->host == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < N; i++) {
        const char *value;
        if (build_get(b, keys[i], &value, err) != 0)
            return -1;
        if (value != NULL)
            b->r->host[b->r->n_host++] = (struct report_pair){.key = keys[i] + strlen("host."), .value = value};
    }
    return 0;
}

static int fill_end(struct build *b, struct seep_err *err)
{
    bool found = false;
    struct seep_time when = {0};
    char *reason = NULL, *json = NULL;
    int exit_code;
    if (store_read_end(b->st, &found, &when, &reason, &exit_code, &json, err) != 0)
        return -1;
    b->r->ended_ns = found ? when.real_ns : SEEP_UNKNOWN;
    free(reason);
    free(json);
    return 0;
}

int build_meta(struct build *b, struct seep_err *err)
{
    const char *argv, *identity;
    b->r->profile_name = report_strdup(b->arena, b->profile->name == NULL ? "default" : b->profile->name);
    if (fill_strings(b, err) != 0 || fill_numbers(b, err) != 0 || fill_host(b, err) != 0 || fill_end(b, err) != 0)
        return -1;
    if (build_get(b, M_ARGV, &argv, err) != 0 || build_get(b, M_TARGET_IDENTITY, &identity, err) != 0)
        return -1;
    return fill_argv(b, argv, err) == 0 && fill_identity(b, identity, err) == 0 ? 0 : -1;
}
