// `seep signoff`: is all there that a release needs? And was a sign-off made of what is there?
#include "base/esc.h"
#include "base/fs.h"
#include "cmd/command.h"
#include "cmd/interrupt.h"
#include "cmd/report_run.h"
#include "proof/baseline.h"
#include "proof/exec.h"
#include "proof/proof.h"
#include "proof/seal.h"
#include "report/names.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct signoff_opts {
    const char *results, *format, *output, *seal, *sign, *verify, *signers, *signer;
    struct cmd_list overrides;
    bool quiet, keys;
};

enum { DOCUMENT_MAX = 64 << 20 };

static const struct signoff_opts defaults = {.format = "text"};

static const struct cmd_option options[] = {
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .type = CMD_CHOICE,
     .choices = "text|md|html|json",
     .offset = offsetof(struct signoff_opts, format),
     .help = "how to write it (default text); json is sealed"},
    {.name = "output",
     .letter = 'O',
     .arg = "FILE",
     .type = CMD_STRING,
     .offset = offsetof(struct signoff_opts, output),
     .help = "write to FILE, whole or not at all, instead of standard output"},
    {.name = "seal",
     .arg = "FILE",
     .type = CMD_STRING,
     .offset = offsetof(struct signoff_opts, seal),
     .help = "write the sealed JSON to FILE as well, and keep its runs from being pruned"},
    {.name = "sign",
     .arg = "KEY",
     .type = CMD_STRING,
     .offset = offsetof(struct signoff_opts, sign),
     .help = "sign the sealed file with ssh-keygen -Y and this key (makes FILE.sig)"},
    {.name = "verify",
     .arg = "FILE",
     .type = CMD_STRING,
     .offset = offsetof(struct signoff_opts, verify),
     .help = "hold a sealed file against its seal, checklist, target, runs and signature"},
    {.name = "signers",
     .arg = "FILE",
     .type = CMD_STRING,
     .offset = offsetof(struct signoff_opts, signers),
     .help = "with --verify: the allowed signers, as ssh-keygen wants them"},
    {.name = "signer",
     .arg = "WHO",
     .type = CMD_STRING,
     .offset = offsetof(struct signoff_opts, signer),
     .help = "with --signers: the identity that must have signed"},
    {.name = "override",
     .letter = 'o',
     .arg = "KEY=VALUE",
     .type = CMD_LIST,
     .offset = offsetof(struct signoff_opts, overrides),
     .help = "override a key of the checklist, e.g. -o vars.base_url=http://127.0.0.1:8080 (repeatable)"},
    {.name = "keys",
     .type = CMD_FLAG,
     .offset = offsetof(struct signoff_opts, keys),
     .help = "list every key of a checklist with type, default and meaning"},
    {.name = "quiet",
     .letter = 'q',
     .type = CMD_FLAG,
     .offset = offsetof(struct signoff_opts, quiet),
     .help = "no progress lines"},
    CMD_OPTION_RESULTS(struct signoff_opts, results),
    {0},
};

static const char *const description[] = {
    "Looks at every requirement of a checklist: stored runs of exactly the program that is to be released, by SHA-256; "
    "commands, HTTP endpoints, ports, files and SQL queries as they are now; and people's word with name and day. Runs "
    "are judged again from their stored samples, and a database that was edited since its run ended is no evidence. "
    "Nothing passes without evidence.",
    "The exit status is 0 when all are met, 1 when one failed, and 3 when none failed but evidence is missing.",
    "A sealed file holds a SHA-256 over the checklist, the targets, every answer and the checksums of the runs. "
    "--verify "
    "says what is no longer as it was (exit 1) or cannot be compared any more (exit 3). A seal does not keep anybody "
    "from "
    "making another; for that it takes --sign, and --verify with --signers and --signer.",
    NULL,
};

static const struct cmd_example examples[] = {
    {"seep signoff release.yaml", "what is met, what failed, what is missing"},
    {"seep signoff release.yaml -f md --seal signoff.json --sign ~/.ssh/release", "a table for the release, sealed and "
                                                                                  "signed"},
    {"seep signoff --verify signoff.json --signers allowed --signer release@example.org", "is it still true?"},
    {0},
};

static int run(int argc, char **argv, void *opts);

const struct cmd_command cmd_signoff = {
    .name = "signoff",
    .summary = "hold a release checklist against stored runs and checks that run now",
    .usage = "CHECKLIST | --verify FILE",
    .description = description,
    .options = options,
    .examples = examples,
    .opts_size = sizeof(struct signoff_opts),
    .defaults = &defaults,
    .run = run,
};

static void show_progress(const struct checklist_requirement *q, void *ctx)
{
    struct seep_buf b;
    (void)ctx;
    buf_init(&b, 400);
    esc_term(&b, q->name, strnlen(q->name, 80));
    fprintf(stderr, "\r\033[Kseep: %s ...", b.data ? b.data : "");
    buf_free(&b);
}

static int make(const struct checklist *list, const struct signoff_opts *o, struct proof **out, struct seep_err *err)
{
    char *shipped = cmd_own_path("share/seep/profiles", err);
    bool progress = !o->quiet && isatty(STDERR_FILENO);
    const struct proof_options how = {.results_dir = cmd_results_dir(o->results),
                                      .shipped_dir = shipped,
                                      .progress = progress ? show_progress : NULL};
    cmd_catch_signals(proof_interrupt); // no check outlives it
    int failed = !shipped || proof_make(list, &how, out, err);
    if (!failed && proof_interrupted())
        failed = seep_fail(err, SEEP_E_SYSTEM, "The sign-off was interrupted: nothing is signed off");
    if (progress)
        fprintf(stderr, "\r\033[K");
    free(shipped);
    return failed;
}

// Runs that a seal names are never pruned.
static int mark_runs(const struct proof *p, const char *seal, struct seep_err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_items; i++)
        n += p->items[i].n_runs;
    int fd = n > 0 ? fs_open_dir(p->results, false, err) : -1, failed = n > 0 && fd < 0;
    for (size_t i = 0; !failed && i < p->n_items; i++)
        for (size_t k = 0; !failed && k < p->items[i].n_runs; k++)
            failed = baseline_mark(fd, p->items[i].runs[k].run, M_SEALED, seal, err);
    if (fd >= 0)
        close(fd);
    return failed;
}

static int write_sealed(const struct proof *p, const char *path, const char *key, struct seep_err *err)
{
    struct seep_buf out;
    char seal[65];
    buf_init(&out, DOCUMENT_MAX);
    int failed = proof_json(p, seal, &out, err);
    if (!failed)
        failed = mark_runs(p, seal, err);
    if (!failed)
        failed = cmd_write_out(path, &out, err);
    buf_free(&out);
    return !failed && key ? seal_sign(path, key, err) : failed;
}

static int write_shown(const struct proof *p, const struct signoff_opts *o, struct seep_err *err)
{
    struct seep_buf out;
    struct report_style style = o->output ? (struct report_style){0} : cmd_stdout_style();
    buf_init(&out, DOCUMENT_MAX);
    int failed = !strcmp(o->format, "md")     ? proof_markdown(p, &out, err)
                 : !strcmp(o->format, "html") ? proof_html(p, &out, err)
                                              : proof_text(p, &style, &out, err);
    if (!failed)
        failed = cmd_write_out(o->output, &out, err);
    buf_free(&out);
    return failed;
}

// JSON is the sealed document, wherever it goes; with --seal it goes there too.
static int write_all(const struct proof *p, const struct signoff_opts *o, struct seep_err *err)
{
    bool json = !strcmp(o->format, "json");
    const char *key = o->seal ? NULL : o->sign;
    int failed = json ? write_sealed(p, o->output, key, err) : write_shown(p, o, err);
    return failed || (o->seal && write_sealed(p, o->seal, o->sign, err));
}

static int sign_off(const char *path, const struct signoff_opts *o)
{
    struct checklist *list = NULL;
    struct proof *p = NULL;
    struct seep_err err = {0};
    int failed = checklist_load(path, o->overrides.items, o->overrides.n, &list, &err) || make(list, o, &p, &err) ||
                 write_all(p, o, &err);
    int status = failed ? cmd_fail(&err) : proof_exit_code(p);
    if (failed && cmd_interrupted())
        status = cmd_interrupted();
    proof_free(p);
    checklist_free(list);
    return status;
}

static int verify(const struct signoff_opts *o)
{
    static const int statuses[] = {[SEAL_RIGHT] = CMD_PASS, [SEAL_DIFFERS] = CMD_FAIL, [SEAL_OPEN] = CMD_INCONCLUSIVE};
    const struct seal_options how = {.results_dir = o->results, .signers = o->signers, .signer = o->signer};
    enum seal_answer answer;
    struct seep_err err = {0};
    struct seep_buf out;
    buf_init(&out, DOCUMENT_MAX);
    int failed = seal_verify(o->verify, &how, &answer, &out, &err);
    if (!failed)
        failed = cmd_write_out(o->output, &out, &err);
    buf_free(&out);
    return failed ? cmd_fail(&err) : statuses[answer];
}

static void print_key(const char *path, const char *type, const char *def, const char *help, void *ctx)
{
    (void)ctx;
    printf("%-40s %s%s%s\n%-40s   %s\n", path, type, *def ? ", default " : "", def, "", help);
}

static int run(int argc, char **argv, void *opts)
{
    const struct signoff_opts *o = opts;
    if (o->keys) {
        checklist_each_key(print_key, NULL);
        return CMD_PASS;
    }
    if (!o->signers != !o->signer)
        return cmd_usage_error("signoff", "--signers and --signer go together");
    if (o->verify)
        return argc > 0 ? cmd_usage_error("signoff", "--verify takes no checklist: '%s'", argv[0]) : verify(o);
    if (argc != 1)
        return cmd_usage_error("signoff", "one checklist is needed");
    bool sealed_file = o->seal || (!strcmp(o->format, "json") && o->output && strcmp(o->output, "-"));
    if (o->sign && !sealed_file)
        return cmd_usage_error("signoff", "--sign signs a file: give --seal FILE, or -f json -O FILE");
    return sign_off(argv[0], o);
}
