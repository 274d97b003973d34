// What tests of the formats share: a file for what a format wrote, and programs that check it.
#ifndef SEEP_TESTS_REPORT_RIG_H
#define SEEP_TESTS_REPORT_RIG_H

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
