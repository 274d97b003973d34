// Every format of a run as one directory: whole or not at all.
#include "report_rig.h"
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>

static size_t files_in(const char *path, bool *hidden)
{
    DIR *dir = opendir(path);
    struct dirent *d;
    size_t n = 0;
    assert_non_null(dir);
    *hidden = false;
    while ((d = readdir(dir)) != NULL) {
        n += d->d_name[0] != '.';
        *hidden |= strncmp(d->d_name, ".seep-report-", 13) == 0;
    }
    closedir(dir);
    return n;
}

static size_t n_formats(void)
{
    size_t n = 0;
    while (report_formats[n].name != NULL)
        n++;
    return n;
}

// Makes the report and leaves the rig's directory empty.
static struct report *make(struct rig *rig)
{
    struct synth s = hour_run();
    struct report *r = synth_report(rig, &s, NULL);
    rig_empty(rig);
    return r;
}

static void clean(const struct rig *rig)
{
    assert_int_equal(shell("rm -rf '%s/set' '%s/deep'", rig->path, rig->path), 0);
}

static void all_formats_and_an_index(void **state)
{
    struct rig *rig = *state;
    bool hidden;
    char path[300];
    struct report *r = make(rig);
    snprintf(path, sizeof path, "%s/deep/er/set", rig->path);
    OK(report_write_set(r, NULL, NULL, path, &fault));
    assert_int_equal(files_in(path, &hidden), n_formats() + 1);
    assert_int_equal(
        shell("cd '%s' && /usr/bin/python3 -c 'import json,os,hashlib; v=json.load(open(\"index.json\")); "
              "assert v[\"schema\"] == \"seep.reports/1\" and v[\"verdict\"] == \"fail\" and v[\"exit_code\"] == 1; "
              "[(lambda b: (len(b), hashlib.sha256(b).hexdigest()) == (f[\"bytes\"], f[\"sha256\"]) or 1/0)"
              "(open(f[\"file\"],\"rb\").read()) for f in v[\"files\"]]; "
              "assert {f[\"file\"] for f in v[\"files\"]} | {\"index.json\"} == set(os.listdir(\".\"))'",
              path),
        0);
    clean(rig);
    report_free(r);
}

static void a_set_replaces_a_set(void **state)
{
    struct rig *rig = *state;
    bool hidden;
    char path[300];
    struct report *r = make(rig);
    snprintf(path, sizeof path, "%s/set/", rig->path); // a slash at the end is no other name
    for (int i = 0; i < 2; i++)
        OK(report_write_set(r, NULL, NULL, path, &fault));
    assert_int_equal(files_in(path, &hidden), n_formats() + 1);
    assert_int_equal(files_in(rig->path, &hidden), 1);
    assert_false(hidden);
    clean(rig);
    report_free(r);
}

static void what_is_not_ours_is_left_alone(void **state)
{
    static const char *const makers[] = {"mkdir set && touch set/notes.txt", "mkdir set && touch set/report.txt",
                                         "touch set", "ln -s / set",
                                         "mkdir set && touch set/index.json && mkdir set/sub"};
    struct rig *rig = *state;
    struct report *r = make(rig);
    struct seep_err refused = {0};
    char path[300];
    bool hidden;
    snprintf(path, sizeof path, "%s/set", rig->path);
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
        assert_int_equal(shell("cd '%s' && %s", rig->path, makers[i]), 0);
        assert_int_equal(report_write_set(r, NULL, NULL, path, &refused), -1);
        assert_int_equal(refused.code, SEEP_E_USAGE);
        assert_int_equal(files_in(rig->path, &hidden), 1);
        assert_false(hidden);
        clean(rig);
    }
    assert_int_equal(report_write_set(r, NULL, NULL, "/", &refused), -1);
    assert_int_equal(report_write_set(r, NULL, NULL, "", &refused), -1);
    assert_int_equal(report_write_set(r, NULL, NULL, "..", &refused), -1);
    report_free(r);
}

// A directory that cannot be written leaves neither half a set nor a temporary one.
static void a_failure_leaves_nothing(void **state)
{
    struct rig *rig = *state;
    struct report *r = make(rig);
    struct rlimit was, small;
    struct seep_err refused = {0};
    char path[300];
    bool hidden;
    snprintf(path, sizeof path, "%s/set", rig->path);
    OK(report_write_set(r, NULL, NULL, path, &fault));
    getrlimit(RLIMIT_FSIZE, &was);
    small = was;
    small.rlim_cur = 10000; // the page does not fit
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    assert_int_equal(report_write_set(r, NULL, NULL, path, &refused), -1);
    setrlimit(RLIMIT_FSIZE, &was);
    assert_int_equal(files_in(rig->path, &hidden), 1);
    assert_false(hidden);
    assert_int_equal(files_in(path, &hidden), n_formats() + 1); // the old one, whole
    clean(rig);
    report_free(r);
}

#define T(f) cmocka_unit_test_setup_teardown(f, synth_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(all_formats_and_an_index),
        T(a_set_replaces_a_set),
        T(what_is_not_ours_is_left_alone),
        T(a_failure_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
