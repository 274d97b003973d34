// `seep confirm`: does valgrind see the same leaks?
#include "confirm/confirm.h"
#include "base/fs.h"
#include "cmd/command.h"
#include "cmd/confirm.h"
#include "cmd/find_run.h"
#include "cmd/interrupt.h"
#include "cmd/report_run.h"
#include "report/names.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct confirm_opts {
    const char *results, *format, *output;
    double for_s, scale;
    bool growth, dhat, quiet;
    const char *scale_text;
};

static const struct confirm_opts defaults = {.format = "text"};

static const struct cmd_option options[] = {
    {.name = "for",
     .arg = "TIME",
     .type = CMD_DURATION,
     .offset = offsetof(struct confirm_opts, for_s),
     .help = "time under load (default: the profile's confirm.for, or a tenth of the run's, between 20s and 2m)"},
    {.name = "scale",
     .arg = "N",
     .type = CMD_STRING,
     .offset = offsetof(struct confirm_opts, scale_text),
     .help = "divide the load's rates and users by N, for valgrind's slowness (default: the profile's confirm.scale, "
             "or 20)"},
    {.name = "growth",
     .type = CMD_FLAG,
     .offset = offsetof(struct confirm_opts, growth),
     .help = "one more pass, under massif: how the heap grows"},
    {.name = "dhat",
     .type = CMD_FLAG,
     .offset = offsetof(struct confirm_opts, dhat),
     .help =
         "one more pass, under DHAT: how much each growing call stack allocated, held at the peak and kept, whether "
         "it was read again, and how long blocks lived"},
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .type = CMD_CHOICE,
     .choices = "text|json",
     .offset = offsetof(struct confirm_opts, format),
     .help = "how to write it (default text)"},
    {.name = "output",
     .letter = 'O',
     .arg = "FILE",
     .type = CMD_STRING,
     .offset = offsetof(struct confirm_opts, output),
     .help = "write to FILE, whole or not at all, instead of standard output"},
    {.name = "quiet",
     .letter = 'q',
     .type = CMD_FLAG,
     .offset = offsetof(struct confirm_opts, quiet),
     .help = "no progress line"},
    CMD_OPTION_RESULTS(struct confirm_opts, results),
    {0},
};

static const char *const description[] = {
    "Runs the command of a run again, with its load slowed down, under valgrind's memcheck, its children too, and "
    "holds "
    "the run's growing call stacks against what memcheck finds. Three times while the target works memcheck is asked "
    "for "
    "all blocks there are, so that what is held and grows is seen; at the end it reports what is lost.",
    "For each growing stack: confirmed lost; confirmed growth, still reachable; possibly lost; seen, but steady in "
    "this "
    "time; or not seen, and why: too short, crashed, an unsupported instruction, too slow, out of memory. What goes "
    "wrong "
    "with valgrind is never taken for a clean bill. The answer is kept with the run and shown in its reports.",
    "The exit status is 0 when every growing stack is confirmed, or none grows, and 3 when not. Time, memory and "
    "output "
    "are bounded by the profile's section confirm, which also names suppressions. Where the run's command held "
    "secrets, it "
    "is given again after --.",
    NULL,
};

static const struct cmd_example examples[] = {
    {"seep confirm last", "replay the last run for a tenth of its time"},
    {"seep confirm last --for 2m --scale 50 --growth", "longer, with less load, and a picture of the heap"},
    {"seep confirm last --dhat", "and what became of the blocks of each growing call stack"},
    {"seep confirm night-42 -- ./server --token \"$TOKEN\"", "with a command that was not stored whole"},
    {0},
};

static int run(int argc, char **argv, void *opts);

const struct cmd_command cmd_confirm = {
    .name = "confirm",
    .summary = "replay a run under valgrind and hold its growing stacks against memcheck",
    .usage = "RUN [-- CMD [ARG]...]",
    .description = description,
    .options = options,
    .examples = examples,
    .opts_size = sizeof(struct confirm_opts),
    .defaults = &defaults,
    .run = run,
};

// What stands with the run; a run that is kept read-only has been confirmed all the same.
static void keep(int dir_fd, const struct confirm *c)
{
    struct seep_buf json;
    struct store *st = NULL;
    struct seep_err err = {0};
    buf_init(&json, 16u << 20);
    if (confirm_json(c, &json, &err) || store_open_write(dir_fd, &st, &err) ||
        store_set_meta(st, M_CONFIRM, json.data, &err))
        fprintf(stderr, "seep: The answer could not be kept with the run: %s\n", err.text);
    store_close(st);
    buf_free(&json);
}

static int write_out(const struct confirm *c, const char *format, const char *output, struct seep_err *err)
{
    struct seep_buf out;
    struct report_style style = output ? (struct report_style){0} : cmd_stdout_style();
    buf_init(&out, 16u << 20);
    int failed = strcmp(format, "json") ? confirm_text(c, &style, &out, err) : confirm_json(c, &out, err);
    if (!failed)
        failed = cmd_write_out(output, &out, err);
    buf_free(&out);
    return failed;
}

// The profile that the run was made with, with the command of the line when there is one. malloc'ed text of the store.
// *files: see confirm.h.
static struct profile *stored_profile(int dir_fd, char **argv, int argc, double *files, struct seep_err *err)
{
    struct store *st = NULL;
    struct profile *p = NULL;
    char *dump = NULL, *limit = NULL;
    if (store_open_read(dir_fd, &st, err))
        return NULL;
    if (store_get_meta(st, M_PROFILE, &dump, err) == 0 && !dump)
        seep_fail(err, SEEP_E_USAGE, "The run has no profile in its store: it ended before it began");
    if (dump && profile_parse(dump, strlen(dump), "(the run's profile)", &p, err) == 0 && argc > 0) {
        p->target.argv = argv;
        p->target.argc = argc;
    }
    if (p && store_get_meta(st, M_TARGET_FILES, &limit, NULL) == 0 && limit)
        *files = (double)strtoull(limit, NULL, 10);
    free(limit);
    free(dump);
    store_close(st);
    if (p && p->target.argc == 0) {
        profile_free(p);
        p = NULL;
        seep_fail(err, SEEP_E_USAGE,
                  "The run has no command to replay (was it attached?); give one: seep confirm RUN -- CMD");
    }
    return p;
}

static int confirm(const struct cmd_confirming *how, const char *format, const char *output)
{
    struct report *r = NULL;
    struct confirm *c = NULL;
    struct seep_err err = {0};
    double files = 0;
    const struct report_options what = {.skip = REPORT_SKIP_CHARTS};
    char *dir = cmd_find_run(cmd_results_dir(how->results), how->word, &err);
    int dir_fd = dir ? fs_open_dir(dir, false, &err) : -1;
    struct profile *p = dir_fd < 0 ? NULL : stored_profile(dir_fd, how->argv, how->argc, &files, &err);
    int failed = !p || cmd_build_report_with(how->results, how->word, &what, &r, &err);
    if (!failed && r->live)
        failed = seep_fail(&err, SEEP_E_USAGE, "The run has not ended: what grows is not known yet");
    cmd_catch_signals(confirm_interrupt); // some of what it starts runs as other users, all of it beside a terminal
    if (!failed)
        failed = confirm_make(&(struct confirm_options){.profile = p,
                                                        .report = r,
                                                        .files = files,
                                                        .for_s = how->for_s > 0 ? how->for_s : PROFILE_AUTO,
                                                        .scale = how->scale > 0 ? how->scale : PROFILE_AUTO,
                                                        .growth = how->growth,
                                                        .dhat = how->dhat,
                                                        .progress = !how->quiet && isatty(STDERR_FILENO)},
                              &c, &err);
    if (!failed) {
        keep(dir_fd, c);
        failed = write_out(c, format, output, &err);
    }
    int status = failed ? cmd_fail(&err) : confirm_exit_code(c);
    if (failed && cmd_interrupted())
        status = cmd_interrupted();
    confirm_free(c);
    report_free(r);
    profile_free(p);
    if (dir_fd >= 0)
        close(dir_fd);
    free(dir);
    return status;
}

int cmd_confirm_run(const struct cmd_confirming *how)
{
    return confirm(how, "text", NULL);
}

static int run(int argc, char **argv, void *opts)
{
    const struct confirm_opts *o = opts;
    struct cmd_confirming how = {.results = o->results,
                                 .word = argc > 0 ? argv[0] : NULL,
                                 .argv = argv + 1,
                                 .argc = argc > 1 ? argc - 1 : 0,
                                 .for_s = o->for_s,
                                 .growth = o->growth,
                                 .dhat = o->dhat,
                                 .quiet = o->quiet};
    struct seep_err err;
    if (o->scale_text && (units_parse_as(o->scale_text, UNIT_NONE, &how.scale, NULL, &err) || how.scale < 1))
        return cmd_usage_error("confirm", "--scale is a number from 1 on, not '%.40s'", o->scale_text);
    return confirm(&how, o->format, o->output);
}
