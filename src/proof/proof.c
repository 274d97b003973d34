// A sign-off, requirement by requirement: see proof.h.
#include "proof/proof.h"
#include "base/check.h"
#include "base/clock.h"
#include "linux/exe.h"
#include "proof/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const status_names[PROOF_STATUSES] = {"pass", "fail", "missing"};

const char *proof_status_name(enum proof_status status)
{
    return status_names[status];
}

const char *proof_say(struct proof_work *w, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    const char *kept = n < 0 ? NULL : report_strdup(w->arena, text);
    free(n < 0 ? NULL : text);
    return kept ? kept : "(memory ran out)";
}

void proof_set(struct proof_item *item, enum proof_status status, const char *evidence)
{
    item->status = status;
    item->evidence = evidence;
}

const char *proof_expand(struct proof_work *w, struct proof_item *item, const char *text)
{
    struct seep_err err = {0};
    char *expanded = profile_expand_env(text, &err);
    if (!expanded) {
        proof_set(item, PROOF_MISSING, proof_say(w, "%s", err.text));
        return NULL;
    }
    const char *kept = proof_say(w, "%s", expanded);
    free(expanded);
    return kept;
}

int proof_identity_of(const char *path, char sha256[65], char build_id[129], struct seep_err *err)
{
    struct linux_exe exe;
    uint8_t sum[32];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return seep_fail_errno(err, errno, "'%.200s' cannot be opened", path);
    int failed = linux_sha256_fd(fd, sum, err);
    build_id[0] = '\0';
    if (!failed) {
        linux_hex(sum, sizeof sum, sha256);
        if (linux_exe_read_fd(fd, path, false, &exe, NULL) == 0 && exe.build_id_len > 0)
            linux_hex(exe.build_id, exe.build_id_len, build_id);
    }
    close(fd);
    return failed;
}

static void take_targets(struct proof_work *w)
{
    struct proof *p = w->p;
    const struct checklist *c = p->list;
    p->targets = report_alloc(w->arena, (size_t)c->n_target, sizeof *p->targets);
    for (int i = 0; p->targets && i < c->n_target; i++) {
        char sha256[65], build_id[129];
        struct proof_file *f = &p->targets[p->n_targets++];
        f->path = c->target[i];
        if (proof_identity_of(f->path, sha256, build_id, NULL))
            continue;
        f->sha256 = report_strdup(w->arena, sha256);
        f->build_id = build_id[0] ? report_strdup(w->arena, build_id) : NULL;
    }
}

static void take_facts(struct proof_work *w)
{
    struct proof *p = w->p;
    char host[128] = "unknown", *real = realpath(w->opt->results_dir, NULL);
    uint8_t sum[32];
    struct passwd *pw = getpwuid(geteuid());
    gethostname(host, sizeof host - 1);
    p->made_ns = clock_read().real_ns;
    p->host = proof_say(w, "%s", host);
    p->user = pw ? proof_say(w, "%s", pw->pw_name) : proof_say(w, "%d", (int)geteuid());
    p->version = SEEP_VERSION;
    p->results = proof_say(w, "%s", real ? real : w->opt->results_dir);
    free(real);
    if (linux_sha256(p->list->text, p->list->len, sum, NULL) == 0)
        linux_hex(sum, sizeof sum, p->list_sha256);
    take_targets(w);
}

static void check(struct proof_work *w, struct proof_item *item)
{
    static void (*const checks[CHECKLIST_KINDS])(struct proof_work *, struct proof_item *) = {
        [CHECKLIST_RUN] = proof_check_run,      [CHECKLIST_COMMAND] = proof_check_command,
        [CHECKLIST_HTTP] = proof_check_http,    [CHECKLIST_TCP] = proof_check_tcp,
        [CHECKLIST_FILE] = proof_check_file,    [CHECKLIST_SQL] = proof_check_sql,
        [CHECKLIST_MANUAL] = proof_check_manual};
    if (w->opt->progress)
        w->opt->progress(item->asked, w->opt->progress_ctx);
    proof_set(item, PROOF_MISSING, "It was not looked at");
    item->at_ns = clock_read().real_ns;
    checks[item->asked->kind](w, item);
}

static void sum_up(struct proof *p)
{
    for (size_t i = 0; i < p->n_items; i++)
        p->n_by_status[p->items[i].status]++;
    p->status = p->n_by_status[PROOF_FAIL] > 0      ? PROOF_FAIL
                : p->n_by_status[PROOF_MISSING] > 0 ? PROOF_MISSING
                                                    : PROOF_PASS;
}

static bool wants_runs(const struct checklist *c)
{
    for (int i = 0; i < c->n_requirements; i++)
        if (c->requirements[i].kind == CHECKLIST_RUN)
            return true;
    return false;
}

int proof_make(const struct checklist *list, const struct proof_options *options, struct proof **out,
               struct seep_err *err)
{
    struct proof *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p || !(p->arena = report_arena_new())) {
        free(p);
        return seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
    }
    struct proof_work w = {.p = p, .arena = p->arena, .opt = options};
    p->list = list;
    p->n_items = (size_t)list->n_requirements;
    p->items = report_alloc(p->arena, p->n_items, sizeof *p->items);
    if (!p->items || (wants_runs(list) && proof_list_runs(options->results_dir, &w.runs, err))) {
        if (!p->items)
            seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
        proof_free(p);
        return -1;
    }
    take_facts(&w);
    for (size_t i = 0; i < p->n_items; i++) {
        p->items[i].asked = &list->requirements[i];
        check(&w, &p->items[i]);
    }
    sum_up(p);
    proof_free_runs(&w.runs);
    *out = p;
    return 0;
}

void proof_free(struct proof *p)
{
    if (!p)
        return;
    report_arena_free(p->arena);
    free(p);
}

int proof_exit_code(const struct proof *p)
{
    static const int codes[PROOF_STATUSES] = {0, 1, 3};
    return codes[p->status];
}

const char *proof_headline(const struct proof *p, char *out, size_t size)
{
    if (p->status == PROOF_PASS)
        snprintf(out, size, "all %zu requirements are met", p->n_items);
    else
        snprintf(out, size, "%zu of %zu requirements are met, %zu failed, evidence for %zu is missing",
                 p->n_by_status[PROOF_PASS], p->n_items, p->n_by_status[PROOF_FAIL], p->n_by_status[PROOF_MISSING]);
    return out;
}
