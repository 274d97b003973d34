// Opening a run for a report: see report_run.h.
#include "cmd/report_run.h"
#include "base/fs.h"
#include "cmd/command.h"
#include "cmd/find_run.h"
#include "run/run.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

// An end that is not stored was not reached yet, or was lost with a damaged file, or with everybody who could have
// written it.
static int look_at_end(struct store *st, const char *dir, struct report_options *options, struct seep_err *err)
{
    bool found = false;
    struct seep_time when;
    struct run_look look;
    char *reason = NULL, *json = NULL;
    int exit_code;
    int failed = store_read_end(st, &found, &when, &reason, &exit_code, &json, err);
    options->live = !found;
    options->cut = !found && (run_look(dir, &look, NULL) || look.alive == RUN_BROKEN || look.alive == RUN_ENDED);
    free(reason);
    free(json);
    return failed;
}

static int build(struct store *st, const char *dir, const struct report_options *wanted, struct report **out,
                 struct seep_err *err)
{
    struct report_options options = *wanted;
    struct resolve_options ropt = {.exe = "/proc/self/exe"};
    if (look_at_end(st, dir, &options, err))
        return -1;
    // Names that the run could not find then may be found now; without a resolver frames stay module+offset.
    options.resolver = options.skip & REPORT_SKIP_FRAMES ? NULL : resolve_start(&ropt, NULL);
    int failed = report_build(st, &options, out, err);
    resolve_stop(options.resolver);
    return failed;
}

int cmd_build_report(const char *results, const char *word, unsigned skip, struct report **out, struct seep_err *err)
{
    const struct report_options options = {.skip = skip};
    return cmd_build_report_with(results, word, &options, out, err);
}

// Opens the store of a run for reading, and says where the run is; the caller closes the one and frees the other.
static int open_run(const char *results, const char *word, struct store **st, char **dir, struct seep_err *err)
{
    *dir = cmd_find_run(cmd_results_dir(results), word, err);
    if (!*dir)
        return -1;
    int fd = fs_open_dir(*dir, false, err);
    if (fd < 0)
        return -1;
    int failed = store_open_read(fd, st, err);
    close(fd);
    return failed;
}

int cmd_build_report_with(const char *results, const char *word, const struct report_options *options,
                          struct report **out, struct seep_err *err)
{
    struct store *st = NULL;
    char *dir;
    int failed = open_run(results, word, &st, &dir, err);
    if (!failed)
        failed = build(st, dir, options, out, err);
    store_close(st);
    free(dir);
    return failed;
}

int cmd_stored_verdict(const char *results, const char *word, char **json, struct seep_err *err)
{
    struct store *st = NULL;
    struct seep_time when;
    char *reason = NULL, *dir;
    bool found;
    int exit_code, failed = open_run(results, word, &st, &dir, err);
    *json = NULL;
    if (!failed)
        failed = store_read_end(st, &found, &when, &reason, &exit_code, json, err);
    free(reason);
    free(dir);
    store_close(st);
    return failed;
}

struct report_style cmd_stdout_style(void)
{
    struct winsize size;
    struct report_style style = {0};
    if (!isatty(STDOUT_FILENO))
        return style;
    style.colour = getenv("NO_COLOR") == NULL;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        style.width = size.ws_col;
    return style;
}

const char *cmd_source_root(const char *given, char *out, size_t size)
{
    char found[PATH_MAX];
    if (realpath(given ? given : ".", found) == NULL)
        return NULL;
    return (size_t)snprintf(out, size, "%s", found) < size ? out : NULL;
}

static int write_stdout(const struct seep_buf *out, struct seep_err *err)
{
    if (out->len > 0 && (fwrite(out->data, 1, out->len, stdout) != out->len || fflush(stdout)))
        return seep_fail(err, SEEP_E_SYSTEM, "Standard output cannot be written");
    return 0;
}

int cmd_write_out(const char *path, const struct seep_buf *out, struct seep_err *err)
{
    if (!path || !strcmp(path, "-"))
        return write_stdout(out, err);
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!dir || !*name) {
        free(dir);
        return seep_fail(err, SEEP_E_USAGE, "'%.300s' is not the name of a file", path);
    }
    int fd = fs_open_dir(dir, false, err);
    free(dir);
    if (fd < 0)
        return -1;
    int failed = fs_write_file(fd, name, out->len ? out->data : "", out->len, err);
    close(fd);
    return failed;
}
