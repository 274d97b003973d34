// What every command shares: lookup, dispatch, messages, and where seep's own parts are. See command.h.
#include "cmd/command.h"
#include "base/check.h"
#include "base/esc.h"
#include "base/fs.h"
#include "base/near.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const struct cmd_command *cmd_find(const char *name)
{
    for (size_t i = 0; cmd_commands[i]; i++)
        if (!strcmp(cmd_commands[i]->name, name))
            return cmd_commands[i];
    return NULL;
}

// Messages may quote a file or a command line: nothing of that may reach the terminal as a control sequence.
static void print_safe(FILE *out, const char *lead, const char *text)
{
    struct seep_buf b;
    buf_init(&b, 8192);
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        esc_term(&b, line, len);
        line += len;
        if (*line == '\n') {
            buf_char(&b, '\n');
            line++;
        }
    }
    fprintf(out, "%s%s\n", lead, b.data ? b.data : "");
    buf_free(&b);
}

int cmd_fail(const struct seep_err *err)
{
    print_safe(stderr, "seep: ", err->text);
    int status = seep_codes[err->code].exit_status;
    return status ? status : CMD_ERROR;
}

int cmd_usage_error(const char *name, const char *fmt, ...)
{
    char text[600], lead[80];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    snprintf(lead, sizeof lead, "seep %s: ", name);
    print_safe(stderr, lead, text);
    fprintf(stderr, "See 'seep %s --help'.\n", name);
    return CMD_USAGE;
}

static const char *command_name(size_t i, const void *ctx)
{
    (void)ctx;
    size_t shown = 0;
    for (size_t k = 0; cmd_commands[k]; k++)
        if (!cmd_commands[k]->hidden && shown++ == i)
            return cmd_commands[k]->name;
    return NULL;
}

int cmd_unknown(const char *name)
{
    const char *meant = near_find(name, command_name, NULL);
    char text[200];
    if (meant)
        snprintf(text, sizeof text, "there is no command '%.60s'; did you mean '%s'?", name, meant);
    else
        snprintf(text, sizeof text, "there is no command '%.60s'; 'seep help' lists all", name);
    print_safe(stderr, "seep: ", text);
    return CMD_USAGE;
}

// What a command printed must have arrived: a full disk or a closed pipe under standard output is a failure.
static int flush_output(int status)
{
    errno = 0;
    bool failed = ferror(stdout) != 0;
    if ((fflush(stdout) || failed) && errno != EPIPE) {
        struct seep_err err;
        seep_fail_errno(&err, errno ? errno : EIO, "The output could not be written");
        int code = cmd_fail(&err);
        return status == CMD_PASS ? code : status;
    }
    return status;
}

int cmd_dispatch(const struct cmd_command *c, int argc, char **argv)
{
    if (c->raw)
        return c->run(argc - 1, argv + 1, NULL);
    void *opts = calloc(1, c->opts_size ? c->opts_size : 1);
    SEEP_CHECK(opts);
    if (c->defaults)
        memcpy(opts, c->defaults, c->opts_size);
    struct seep_err err;
    int first = argc, status = CMD_PASS;
    switch (cmd_options_parse(c->options, argc, argv, c->first_stops, opts, &first, &err)) {
    case CMD_PARSED_HELP:
        cmd_print_help(stdout, c);
        break;
    case CMD_PARSED_ERROR:
        status = cmd_usage_error(c->name, "%s", err.text);
        break;
    case CMD_PARSED_RUN:
        status = c->run(argc - first, argv + first, opts);
        break;
    }
    cmd_options_free(c->options, opts);
    free(opts);
    return flush_output(status);
}

const char *cmd_results_dir(const char *given)
{
    if (given)
        return given;
    const char *env = getenv("SEEP_RESULTS");
    return env && *env ? env : "./results";
}

char *cmd_own_path(const char *what, struct seep_err *err)
{
    char *prefix = fs_prefix(err), *path = NULL;
    if (!prefix)
        return NULL;
    if (asprintf(&path, "%s/%s", prefix, what) < 0) {
        seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
        path = NULL;
    }
    free(prefix);
    return path;
}
