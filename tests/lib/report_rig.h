// What tests of the formats share: a file for what a format wrote, and programs that check it.
#ifndef SEEP_TESTS_REPORT_RIG_H
#define SEEP_TESTS_REPORT_RIG_H

#include "nasty_names.h"
#include "synthetic_run.h"

static inline void write_temp(const struct rig *rig, const char *name, const char *text, size_t len, char path[300])
{
    snprintf(path, 300, "%s/%s", rig->path, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

// Exit status of a shell command; what it prints is shown when it fails.
__attribute__((format(printf, 1, 2))) static inline int shell(const char *fmt, ...)
{
    char command[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(command, sizeof command, fmt, ap);
    va_end(ap);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Whether a third-party reader of `format` takes files that write_temp() left and finds
// `expression` true of each; see read_report.py. Skips the test when the reader is not installed.
static inline void assert_read(const struct rig *rig, const char *format, const char *files, const char *expression)
{
    char path[300];
    write_temp(rig, "expression", expression, strlen(expression), path); // no quoting for a shell
    int status = shell("cd '%s' && /usr/bin/python3 '%s/tests/lib/read_report.py' %s -e \"$(cat expression)\" %s",
                       rig->path, SEEP_SOURCE_DIR, format, files);
    unlink(path);
    if (status == 77)
        skip();
    assert_int_equal(status, 0);
}

// For tests that hold memory when they come to assert_read(), which skips them without their reader: first of all.
static inline void need_reader(const struct rig *rig, const char *format)
{
    char path[300];
    write_temp(rig, "probe", "{}", 2, path);
    int status = shell("/usr/bin/python3 '%s/tests/lib/read_report.py' %s -e True '%s' >/dev/null 2>&1",
                       SEEP_SOURCE_DIR, format, path);
    unlink(path);
    if (status == 77)
        skip();
}

// A run of an hour with a leak, start-up memory and a cache; enough for every format and quick to judge.
static inline struct synth hour_run(void)
{
    return (struct synth){.ticks = 61,
                          .interval_s = 60,
                          .stacks = 6,
                          .leak_per_s = 900,
                          .idle_ticks = 12,
                          .profile = "version: 1\nname: synthetic\n"
                                     "target: { command: [./server, --port, \"8080\"], life: service }\n"
                                     "run: { duration: 60m, interval: 1m }\n"
                                     "gates:\n  - heap.growth < 1MB/h\n  - stack.growth < 1MB/h\n"
                                     "  - rss.total_growth < 200MB\n  - fd.growth < 60/h\n"
                                     "shutdown: { signal: TERM, within: 10s, back_to_baseline: 10MB }\n"};
}

// The format over runs whose every name is one of the nasty ones: each is read, and `expression` holds of it.
static inline void assert_hostile_runs_read(struct rig *rig, const char *format, const char *expression,
                                            void (*look)(const char *text))
{
    char path[300], name[64];
    char *texts[NASTY_NAMES];
    for (size_t i = 0; i < NASTY_NAMES; i++) {
        struct synth s = hour_run();
        s.name = nasty_names[i];
        struct report *r = synth_report(rig, &s, NULL);
        texts[i] = synth_format(r, format, NULL, NULL);
        report_free(r);
        rig_empty(rig);
        if (look)
            look(texts[i]);
    }
    for (size_t i = 0; i < NASTY_NAMES; i++) {
        snprintf(name, sizeof name, "hostile.%zu", i);
        write_temp(rig, name, texts[i], strlen(texts[i]), path);
        free(texts[i]);
    }
    if (expression)
        assert_read(rig, format, "hostile.*", expression);
}

static inline bool have_jsonschema(void)
{
    return shell("/usr/bin/python3 -c 'import jsonschema' 2>/dev/null") == 0;
}

static inline int check_json_schema(const char *schema, const char *path)
{
    return shell("/usr/bin/python3 -c 'import json,sys,jsonschema; s=json.load(open(sys.argv[1])); "
                 "jsonschema.Draft7Validator.check_schema(s); jsonschema.validate(json.load(open(sys.argv[2])), s)' "
                 "'%s/%s' '%s'",
                 SEEP_SOURCE_DIR, schema, path);
}

#endif
