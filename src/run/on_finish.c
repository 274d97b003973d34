// run.on_finish: see on_finish.h.
//
// It runs after the end record is durable: whoever it calls finds a run that has ended, and a supervisor that is killed
// meanwhile leaves nothing to be judged again. So it runs at most once. Its environment is the supervisor's own with
// the verdict's facts; a secret in the command itself is not stored, so a run that is closed later by another process
// (seep resume, seep finish) does not run a command that had one.
#include "run/on_finish.h"
#include "base/fs.h"
#include "report/names.h"
#include "run/ask.h"
#include "run/state.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_NAME "on_finish.log"

enum { FACTS = 5, FACT_MAX = PATH_MAX + 64, LOG_MAX = 72 * 1024 };

extern char **environ;

int on_finish_check(const struct profile *p, struct seep_err *err)
{
    if (!p->run.on_finish)
        return 0;
    char *command = profile_expand_env(p->run.on_finish, err);
    free(command);
    return command ? 0 : -1;
}

static void trouble(struct run *r, const char *what)
{
    struct seep_err err;
    struct seep_time now = clock_read();
    char text[400];
    snprintf(text, sizeof text, "run.on_finish: %s", what);
    fprintf(stderr, "seep: %s\n", text);
    struct store_event event = {.kind = E_AFTER, .from = now, .to = now, .count = 1, .text = text};
    if (store_write_event(r->store, &event, &err) == 0)
        store_flush(r->store, &err);
}

// The words of the verdict as the profile's command gets them: $1 to $4, and by name.
struct facts {
    char verdict_file[PATH_MAX + 16], dir[PATH_MAX], word[24], code[16];
    char named[FACTS][FACT_MAX];
};

static void make_facts(const struct run *r, struct facts *f)
{
    char full[PATH_MAX];
    snprintf(f->dir, sizeof f->dir, "%s", realpath(r->dir, full) ? full : r->dir);
    snprintf(f->verdict_file, sizeof f->verdict_file, "%s/verdict.json", f->dir);
    snprintf(f->word, sizeof f->word, "%s", r->verdict_word ? r->verdict_word : "error");
    snprintf(f->code, sizeof f->code, "%d", r->exit_code);
    snprintf(f->named[0], FACT_MAX, "SEEP_RUN=%s", r->id);
    snprintf(f->named[1], FACT_MAX, "SEEP_RUN_DIR=%s", f->dir);
    snprintf(f->named[2], FACT_MAX, "SEEP_VERDICT_FILE=%s", f->verdict_file);
    snprintf(f->named[3], FACT_MAX, "SEEP_VERDICT=%s", f->word);
    snprintf(f->named[4], FACT_MAX, "SEEP_EXIT_CODE=%s", f->code);
}

// Our environment and the facts; the strings stay theirs.
static char **make_env(struct facts *f)
{
    size_t n = 0, k = 0;
    while (environ[n])
        n++;
    char **env = calloc(n + FACTS + 1, sizeof *env);
    for (size_t i = 0; env && i < n; i++) {
        bool ours = false;
        for (size_t j = 0; j < FACTS; j++) {
            size_t len = (size_t)(strchr(f->named[j], '=') - f->named[j]) + 1;
            ours |= strncmp(environ[i], f->named[j], len) == 0;
        }
        if (!ours)
            env[k++] = environ[i];
    }
    for (size_t j = 0; env && j < FACTS; j++)
        env[k++] = f->named[j];
    return env;
}

static void keep_output(struct run *r, const struct seep_buf *output)
{
    struct seep_err err;
    if (output->len > 0 && fs_write_file(r->dir_fd, LOG_NAME, output->data, output->len, &err))
        trouble(r, err.text);
}

static void run_command(struct run *r, char *command)
{
    struct facts *f = calloc(1, sizeof *f);
    char **env = NULL, why[RUN_ASK_WHY] = "there is no memory for it";
    bool cut = false, ok = false;
    struct seep_buf output;
    buf_init(&output, LOG_MAX);
    if (f) {
        make_facts(r, f);
        env = make_env(f);
    }
    if (env) {
        char *argv[] = {"/bin/sh", "-c", command, "seep", f->verdict_file, f->dir, f->word, f->code, NULL};
        struct run_ask_command ask = {.argv = argv,
                                      .last_ns = clock_mono_ns() + (int64_t)(r->profile->run.on_finish_within_s * 1e9),
                                      .env = env,
                                      .output = &output};
        ok = run_ask_command(&ask, &cut, why);
    }
    keep_output(r, &output);
    if (!ok)
        trouble(r, cut ? "the command took longer than run.on_finish_within and was killed." : why);
    buf_free(&output);
    free(env);
    free(f);
}

void on_finish_run(struct run *r)
{
    struct seep_err err;
    const char *command = r->profile ? r->profile->run.on_finish : NULL;
    if (!command)
        return;
    if (r->adopting && strstr(command, PROFILE_REDACTED)) {
        trouble(r, "the command holds a secret, which was not stored; it was not run.");
        return;
    }
    char *ready = profile_expand_env(command, &err);
    if (ready)
        run_command(r, ready);
    else
        trouble(r, err.text);
    free(ready);
}
