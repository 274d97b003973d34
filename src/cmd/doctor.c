// `seep doctor`: what this machine can do, and the proof that a leak is found on it.
#include "cmd/doctor.h"
#include "base/check.h"
#include "base/esc.h"
#include "base/jsonw.h"

#include <stdarg.h>
#include <string.h>

struct doctor_opts {
    const char *results, *format;
    bool quick;
};

static const struct doctor_opts defaults = {.format = "text"};

static const struct cmd_option options[] = {
    {.name = "quick",
     .type = CMD_FLAG,
     .offset = offsetof(struct doctor_opts, quick),
     .help = "only look; do not plant a leak"},
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .type = CMD_CHOICE,
     .choices = "text|json",
     .offset = offsetof(struct doctor_opts, format),
     .help = "how to print (default text)"},
    CMD_OPTION_RESULTS(struct doctor_opts, results),
    {0},
};

static const char *const description[] = {
    "Says what this machine can do for a soak, one fact a line: ok, limited or missing, and where it is not ok, what "
    "to "
    "do about it. Then soaks two small programs of its own for some seconds, one with a planted leak and one without, "
    "and demands FAIL with the leaking function first, and PASS.",
    "The status is 0 when everything seep needs works here, with or without limits, and 3 when something it needs is "
    "missing or the planted leak was not found.",
    NULL,
};

static const struct cmd_example examples[] = {
    {"seep doctor", "look, and prove it with a planted leak"},
    {"seep doctor --quick -f json", "the facts alone, for a script"},
    {0},
};

static const char *const words[] = {[DOCTOR_OK] = "ok", [DOCTOR_LIMITED] = "limited", [DOCTOR_MISSING] = "missing"};

// Names of files and the words of another process stand in the facts: nothing of that reaches the terminal raw.
static void print_line(const char *lead, const char *text)
{
    struct seep_buf b;
    buf_init(&b, 4096);
    esc_term(&b, text, strlen(text));
    printf("%s%s\n", lead, b.data ? b.data : "");
    buf_free(&b);
}

static void print_fact(const struct doctor_fact *f)
{
    char lead[64];
    snprintf(lead, sizeof lead, "%-8s %-18s ", words[f->state], f->name);
    print_line(lead, f->text);
    if (f->way_out[0])
        print_line("                            -> ", f->way_out);
    fflush(stdout);
}

void doctor_add(struct doctor *d, const char *name, enum doctor_state state, bool needed, const char *way_out,
                const char *fmt, ...)
{
    SEEP_CHECK(d->n < sizeof d->facts / sizeof *d->facts);
    SEEP_CHECK(state == DOCTOR_OK || (way_out && *way_out));
    struct doctor_fact *f = &d->facts[d->n++];
    *f = (struct doctor_fact){.name = name, .state = state, .needed = needed};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->text, sizeof f->text, fmt, ap);
    va_end(ap);
    if (state != DOCTOR_OK)
        snprintf(f->way_out, sizeof f->way_out, "%s", way_out);
    if (d->as_text)
        print_fact(f);
}

static const struct doctor_fact *first_needed_missing(const struct doctor *d)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->facts[i].needed && d->facts[i].state == DOCTOR_MISSING)
            return &d->facts[i];
    return NULL;
}

static size_t count_limited(const struct doctor *d)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++)
        n += d->facts[i].state != DOCTOR_OK;
    return n;
}

static void conclusion(const struct doctor *d, bool quick, char *out, size_t size)
{
    const struct doctor_fact *missing = first_needed_missing(d);
    size_t limited = count_limited(d);
    if (missing)
        snprintf(out, size, "seep cannot do its main job here: %s: %s", missing->name, missing->text);
    else if (limited)
        snprintf(out, size, "seep works here%s, with %zu limit%s as said above",
                 quick ? " as far as looking tells" : "", limited, limited == 1 ? "" : "s");
    else
        snprintf(out, size, "seep works here%s", quick ? " as far as looking tells" : "");
}

static void print_json(const struct doctor *d, const char *sentence, int status)
{
    struct seep_buf b;
    struct jsonw w;
    buf_init(&b, 64 << 10);
    jsonw_init(&w, &b, true);
    jsonw_object(&w, NULL);
    jsonw_string(&w, "schema", "seep.doctor/1");
    jsonw_string(&w, "seep_version", SEEP_VERSION);
    jsonw_string(&w, "status", status ? words[DOCTOR_MISSING] : words[count_limited(d) ? DOCTOR_LIMITED : DOCTOR_OK]);
    jsonw_string(&w, "sentence", sentence);
    jsonw_array(&w, "facts");
    for (size_t i = 0; i < d->n; i++) {
        const struct doctor_fact *f = &d->facts[i];
        jsonw_object(&w, NULL);
        jsonw_string(&w, "name", f->name);
        jsonw_string(&w, "status", words[f->state]);
        jsonw_string(&w, "needed", f->needed ? "yes" : "no");
        jsonw_string(&w, "text", f->text);
        jsonw_string(&w, "way_out", f->way_out[0] ? f->way_out : NULL);
        jsonw_end_object(&w);
    }
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    puts(b.data ? b.data : "");
    buf_free(&b);
}

static int run(int argc, char **argv, void *opts)
{
    const struct doctor_opts *o = opts;
    if (argc > 0)
        return cmd_usage_error("doctor", "'%.60s' is too much: it takes no arguments", argv[0]);
    struct doctor d = {.as_text = !strcmp(o->format, "text"), .results_dir = cmd_results_dir(o->results)};
    doctor_machine(&d);
    doctor_rights(&d);
    doctor_parts(&d);
    doctor_results(&d);
    if (!o->quick)
        doctor_prove(&d);
    if (d.interrupted)
        return 128 + d.interrupted;
    char sentence[900];
    conclusion(&d, o->quick, sentence, sizeof sentence);
    int status = first_needed_missing(&d) ? CMD_INCONCLUSIVE : CMD_PASS;
    if (d.as_text)
        print_line("", sentence);
    else
        print_json(&d, sentence, status);
    return status;
}

const struct cmd_command cmd_doctor = {
    .name = "doctor",
    .summary = "say what this machine can do, and prove it with a planted leak",
    .usage = "",
    .description = description,
    .options = options,
    .examples = examples,
    .opts_size = sizeof(struct doctor_opts),
    .defaults = &defaults,
    .run = run,
};
