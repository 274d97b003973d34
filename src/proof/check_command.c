// Requirements met by a program that runs now: any command, and the clients of two databases. What it must say is
// compared with its output; what it said is kept, shortened, with the SHA-256 of what was kept.
#include "linux/exe.h"
#include "proof/exec.h"
#include "proof/internal.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OUTPUT_KEPT = 64 << 10, OUTPUT_SHOWN = 600, LINE_SHOWN = 120 };
static const uint64_t flood_bytes = 64u << 20;

static void keep_output(struct proof_work *w, struct proof_item *item, const struct seep_buf *out)
{
    uint8_t sum[32];
    char hex[65];
    char *safe = profile_redact_text(out->data ? out->data : "");
    if (safe)
        item->output = proof_say(w, "%.*s%s", OUTPUT_SHOWN, safe, strlen(safe) > OUTPUT_SHOWN ? " ..." : "");
    free(safe);
    if (linux_sha256(out->data ? out->data : "", out->len, sum, NULL) == 0) {
        linux_hex(sum, sizeof sum, hex);
        item->output_sha256 = report_strdup(w->arena, hex);
    }
}

// The output without blanks at its ends, as a copy with the proof.
static const char *trimmed(struct proof_work *w, const struct seep_buf *out)
{
    const char *from = out->data ? out->data : "";
    while (isspace((unsigned char)*from))
        from++;
    size_t len = strlen(from);
    while (len > 0 && isspace((unsigned char)from[len - 1]))
        len--;
    return proof_say(w, "%.*s", (int)len, from);
}

// What a sentence may show of an output: its first line, shortened and without secrets.
static const char *first_line(struct proof_work *w, const char *text)
{
    char *safe = profile_redact_text(text);
    size_t len = safe ? strcspn(safe, "\r\n") : 0;
    const char *shown = proof_say(w, "%.*s%s", len > LINE_SHOWN ? LINE_SHOWN : (int)len, safe ? safe : "",
                                  len > LINE_SHOWN ? " ..." : "");
    free(safe);
    return shown;
}

static double lines_of(const char *text)
{
    double n = *text != '\0';
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

// The first demand that does not hold, as a clause; NULL: all do.
static const char *unmet(struct proof_work *w, const struct checklist_expect *e, const char *text)
{
    bool wants_number = e->at_least != PROFILE_AUTO || e->at_most != PROFILE_AUTO;
    char *end;
    double value = strtod(text, &end);
    if (e->equals && strcmp(text, e->equals))
        return proof_say(w, "it says '%s' and not '%.120s'", first_line(w, text), e->equals);
    if (e->contains && !strstr(text, e->contains))
        return proof_say(w, "'%.120s' is not in its output", e->contains);
    if (e->rows != PROFILE_AUTO && lines_of(text) != e->rows)
        return proof_say(w, "it has %g lines and not %g", lines_of(text), e->rows);
    if (wants_number && (end == text || *end || !isfinite(value)))
        return proof_say(w, "its output '%s' is no number", first_line(w, text));
    if (e->at_least != PROFILE_AUTO && value < e->at_least)
        return proof_say(w, "%g is less than %g", value, e->at_least);
    if (e->at_most != PROFILE_AUTO && value > e->at_most)
        return proof_say(w, "%g is more than %g", value, e->at_most);
    return NULL;
}

static void describe_expect(struct seep_buf *b, const struct checklist_expect *e)
{
    if (e->equals)
        buf_printf(b, ", says '%.60s'", e->equals);
    if (e->contains)
        buf_printf(b, ", output has '%.60s'", e->contains);
    if (e->rows != PROFILE_AUTO)
        buf_printf(b, ", %g lines", e->rows);
    if (e->at_least != PROFILE_AUTO)
        buf_printf(b, ", at least %g", e->at_least);
    if (e->at_most != PROFILE_AUTO)
        buf_printf(b, ", at most %g", e->at_most);
}

static void conclude(struct proof_work *w, struct proof_item *item, const struct proof_exec *what, int wanted,
                     const struct checklist_expect *expect, struct proof_exec_result *r)
{
    char took[32];
    const char *text = trimmed(w, &r->out), *why;
    units_duration(took, sizeof took, r->took_s);
    if (r->how != PROOF_NOT_STARTED)
        keep_output(w, item, &r->out);
    switch (r->how) {
    case PROOF_NOT_STARTED:
        proof_set(item, PROOF_MISSING, proof_say(w, "It could not be run: %s", r->why));
        return;
    case PROOF_TOO_LONG:
        proof_set(item, PROOF_FAIL, proof_say(w, "%.80s did not end within %s and was killed", what->argv[0], took));
        return;
    case PROOF_FLOOD:
        proof_set(item, PROOF_FAIL,
                  proof_say(w, "%.80s wrote more than %llu MiB and was killed", what->argv[0],
                            (unsigned long long)(what->flood_bytes >> 20)));
        return;
    case PROOF_SIGNALLED:
        proof_set(item, PROOF_FAIL,
                  proof_say(w, "%.80s died of signal %d (%s)", what->argv[0], r->status, strsignal(r->status)));
        return;
    case PROOF_EXITED:
        break;
    }
    if (r->status != wanted) {
        proof_set(item, PROOF_FAIL,
                  proof_say(w, "%.80s exited with %d and not %d%s%s", what->argv[0], r->status, wanted,
                            *text ? ": " : "", first_line(w, text)));
        return;
    }
    if (r->out.len > 0 && memchr(r->out.data, '\0', r->out.len) &&
        (expect->equals || expect->contains || expect->rows != PROFILE_AUTO || expect->at_least != PROFILE_AUTO ||
         expect->at_most != PROFILE_AUTO))
        why = "its output is no text: there is a NUL byte in it";
    else if (r->written > what->keep_bytes && (expect->equals || expect->contains || expect->rows != PROFILE_AUTO))
        why = proof_say(w, "its output is larger than the %zu KiB that are looked at", what->keep_bytes >> 10);
    else
        why = unmet(w, expect, text);
    if (why)
        proof_set(item, PROOF_FAIL, proof_say(w, "%.80s: %s", what->argv[0], why));
    else
        proof_set(item, PROOF_PASS,
                  proof_say(w, "exit %d after %s%s%s", r->status, took, *text ? ": " : "", first_line(w, text)));
}

static void run_it(struct proof_work *w, struct proof_item *item, const struct proof_exec *what, int wanted,
                   const struct checklist_expect *expect)
{
    struct proof_exec_result r;
    proof_exec(what, &r);
    conclude(w, item, what, wanted, expect, &r);
    buf_free(&r.out);
}

void proof_check_command(struct proof_work *w, struct proof_item *item)
{
    const struct checklist_command *c = &item->asked->command;
    struct profile_pair *env = report_alloc(w->arena, (size_t)c->n_env + 1, sizeof *env);
    const char **argv = report_alloc(w->arena, (size_t)c->argc + 1, sizeof *argv);
    struct seep_buf b;
    buf_init(&b, 4000);
    for (int i = 0; i < c->argc; i++) {
        char *safe = profile_redact_word(i ? c->argv[i - 1] : NULL, c->argv[i]);
        buf_printf(&b, "%s%.200s", i ? " " : "`", safe ? safe : "?");
        free(safe);
    }
    buf_printf(&b, "` exits with %d", c->exit);
    describe_expect(&b, &c->expect);
    item->target = proof_say(w, "%s", b.data ? b.data : "");
    buf_free(&b);
    for (int i = 0; i < c->argc; i++)
        if (!(argv[i] = proof_expand(w, item, c->argv[i])))
            return;
    for (int i = 0; i < c->n_env; i++) {
        env[i].key = c->env[i].key;
        if (!(env[i].value = (char *)proof_expand(w, item, c->env[i].value)))
            return;
    }
    const struct proof_exec what = {.argv = argv,
                                    .cwd = c->cwd,
                                    .env = env,
                                    .n_env = c->n_env,
                                    .within_s = c->within_s,
                                    .keep_bytes = OUTPUT_KEPT,
                                    .flood_bytes = flood_bytes};
    run_it(w, item, &what, c->exit, &c->expect);
}

// Read-only by the server's own word where it has one, without anybody's start-up file, and bounded on both sides.
static void ask_psql(struct proof_work *w, struct proof_item *item, const char *database, const char *query)
{
    const struct checklist_sql *q = &item->asked->sql;
    const char *argv[] = {"psql", "-X",     "-A", "-t",  "-q", "-w", "-v", "ON_ERROR_STOP=1",
                          "-d",   database, "-c", query, NULL};
    const struct profile_pair env[] = {
        {"PGCONNECT_TIMEOUT", (char *)proof_say(w, "%d", q->within_s < 2 ? 2 : (int)q->within_s)},
        {"PGOPTIONS", (char *)proof_say(w, "-c default_transaction_read_only=on -c statement_timeout=%lld",
                                        (long long)(q->within_s * 1000))},
        {"PGAPPNAME", (char *)"seep signoff"},
    };
    const struct proof_exec what = {.argv = argv,
                                    .env = env,
                                    .n_env = sizeof env / sizeof env[0],
                                    .within_s = q->within_s + 1,
                                    .keep_bytes = OUTPUT_KEPT,
                                    .flood_bytes = flood_bytes};
    run_it(w, item, &what, 0, &q->expect);
}

static void ask_sqlite(struct proof_work *w, struct proof_item *item, const char *file, const char *query)
{
    const struct checklist_sql *q = &item->asked->sql;
    const char *argv[] = {"sqlite3", "-init",     "/dev/null", "-batch", "-readonly", "-bail",
                          "-list",   "-noheader", file,        query,    NULL};
    const struct proof_exec what = {
        .argv = argv, .within_s = q->within_s, .keep_bytes = OUTPUT_KEPT, .flood_bytes = flood_bytes};
    run_it(w, item, &what, 0, &q->expect);
}

void proof_check_sql(struct proof_work *w, struct proof_item *item)
{
    const struct checklist_sql *q = &item->asked->sql;
    struct seep_buf b;
    char *safe = profile_redact_text(q->psql ? q->psql : q->sqlite);
    buf_init(&b, 4000);
    buf_printf(&b, "%s %.120s: %.400s", q->psql ? "psql" : "sqlite", safe ? safe : "?", q->query);
    describe_expect(&b, &q->expect);
    free(safe);
    item->target = proof_say(w, "%s", b.data ? b.data : "");
    buf_free(&b);
    const char *database = proof_expand(w, item, q->psql ? q->psql : q->sqlite);
    const char *query = database ? proof_expand(w, item, q->query) : NULL;
    if (!query)
        return;
    if (q->psql)
        ask_psql(w, item, database, query);
    else
        ask_sqlite(w, item, database, query);
}
