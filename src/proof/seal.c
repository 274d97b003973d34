// Sealing, signing, and holding a sealed document against the world: see seal.h.
#include "proof/seal.h"
#include "base/esc.h"
#include "base/fs.h"
#include "linux/exe.h"
#include "proof/exec.h"
#include "proof/internal.h"
#include "report/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DOCUMENT_MAX = 64 << 20 };
#define NAMESPACE "seep"

int seal_of(json_t *doc, char hash[65], struct seep_err *err)
{
    uint8_t sum[32];
    json_t *copy = json_is_object(doc) ? json_copy(doc) : NULL;
    if (copy)
        json_object_del(copy, "seal");
    char *text = copy ? json_dumps(copy, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    json_decref(copy);
    if (!text)
        return seep_fail(err, SEEP_E_CORRUPT, "A sign-off is a JSON object, and this is none");
    int failed = linux_sha256(text, strlen(text), sum, err);
    if (!failed)
        linux_hex(sum, sizeof sum, hash);
    free(text);
    return failed;
}

// ---- holding against the world --------------------------------------------------------------------------------------

struct verifying {
    const struct seal_options *opt;
    struct seep_buf *out;
    enum seal_answer answer;
    const char *results;
};

static const char *member(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

// DIFFERS outweighs OPEN.
static void note(struct verifying *v, enum seal_answer answer, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void note(struct verifying *v, enum seal_answer answer, const char *what, const char *fmt, ...)
{
    static const char *const words[] = {"right", "DIFFERS", "open"};
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_printf(v->out, "%-8s ", words[answer]);
    esc_term(v->out, what, strlen(what));
    buf_str(v->out, ": ");
    esc_term(v->out, text, strlen(text));
    buf_char(v->out, '\n');
    if (answer == SEAL_DIFFERS || v->answer == SEAL_RIGHT)
        v->answer = answer;
}

static void verify_seal(struct verifying *v, json_t *doc)
{
    char now[65];
    const json_t *seal = json_object_get(doc, "seal");
    const char *kept = member(seal, "hash"), *algorithm = member(seal, "algorithm");
    if (!kept || !algorithm || strcmp(algorithm, "sha256"))
        note(v, SEAL_DIFFERS, "seal", "the document has none");
    else if (seal_of(doc, now, NULL) || strcmp(now, kept))
        note(v, SEAL_DIFFERS, "seal", "the document was changed after it was sealed");
    else
        note(v, SEAL_RIGHT, "seal", "%s", now);
}

static void verify_file(struct verifying *v, const char *what, const char *path, const char *sha256)
{
    char now[65], build_id[129];
    struct seep_err err = {0};
    if (!path || !sha256)
        note(v, SEAL_OPEN, what, "%s was not known when the document was made", path ? path : "a file");
    else if (proof_identity_of(path, now, build_id, &err))
        note(v, SEAL_OPEN, what, "%s", err.text);
    else if (strcmp(now, sha256))
        note(v, SEAL_DIFFERS, what, "%s is another file now: SHA-256 %.12s..., it was %.12s...", path, now, sha256);
    else
        note(v, SEAL_RIGHT, what, "%s", path);
}

static bool verdict_is_copied(struct store *st, int dir_fd)
{
    struct seep_time when;
    bool found = false;
    int code;
    char *reason = NULL, *stored = NULL;
    bool right = store_read_end(st, &found, &when, &reason, &code, &stored, NULL) == 0 && found && stored &&
                 proof_copy_is_true(dir_fd, stored);
    free(reason);
    free(stored);
    return right;
}

static void verify_run(struct verifying *v, const json_t *evidence)
{
    const char *run = member(evidence, "run"), *digest = member(evidence, "digest");
    char now[REPORT_DIGEST_SIZE], what[120], *dir = NULL;
    struct store *st = NULL;
    struct seep_err err = {0};
    if (!run || !fs_name_ok(run) || !digest) {
        note(v, SEAL_DIFFERS, "run", "the document names a run that can be none");
        return;
    }
    snprintf(what, sizeof what, "run %s", run);
    int fd = asprintf(&dir, "%s/%s", v->results, run) < 0 ? -1 : fs_open_dir(dir, false, &err);
    free(dir);
    if (fd < 0 || store_open_read(fd, &st, &err)) {
        note(v, SEAL_OPEN, what, "%s", err.text);
    } else {
        report_check_digest(st, now);
        bool copied = verdict_is_copied(st, fd);
        if (!strcmp(now, digest) && !copied)
            note(v, SEAL_DIFFERS, what, "its verdict.json is not what it stored");
        else if (strcmp(now, digest))
            note(v, SEAL_DIFFERS, what, "%s",
                 now[0] ? "its database is not what it was" : "its database cannot be read");
        else
            note(v, SEAL_RIGHT, what, "as it was");
    }
    store_close(st);
    if (fd >= 0)
        close(fd);
}

// A run that several requirements stand on is looked at once. One that is named with two checksums is looked at twice.
static bool seen_before(json_t *seen, const json_t *evidence)
{
    const char *run = member(evidence, "run"), *digest = member(evidence, "digest");
    char *key = NULL;
    if (!run || asprintf(&key, "%s\n%s", run, digest ? digest : "") < 0)
        return false;
    bool there = json_object_get(seen, key) != NULL;
    json_object_set_new(seen, key, json_true());
    free(key);
    return there;
}

static void verify_evidence(struct verifying *v, const json_t *doc)
{
    const json_t *list = json_object_get(doc, "checklist"), *targets = json_object_get(doc, "targets");
    const json_t *requirements = json_object_get(doc, "requirements");
    verify_file(v, "checklist", member(list, "file"), member(list, "sha256"));
    for (size_t i = 0; i < json_array_size(targets); i++)
        verify_file(v, "target", member(json_array_get(targets, i), "path"),
                    member(json_array_get(targets, i), "sha256"));
    json_t *seen = json_object();
    for (size_t i = 0; i < json_array_size(requirements); i++) {
        const json_t *runs = json_object_get(json_array_get(requirements, i), "runs");
        for (size_t k = 0; k < json_array_size(runs); k++)
            if (!seen_before(seen, json_array_get(runs, k)))
                verify_run(v, json_array_get(runs, k));
    }
    json_decref(seen);
}

// ---- signatures -----------------------------------------------------------------------------------------------------

static int ssh_keygen(const char *const *argv, const char *stdin_path, char *said, size_t size, struct seep_err *err)
{
    static const struct profile_pair env[] = {{"SSH_ASKPASS_REQUIRE", "never"}, {"LC_ALL", "C"}};
    const struct proof_exec what = {.argv = argv,
                                    .env = env,
                                    .n_env = 2,
                                    .stdin_path = stdin_path,
                                    .within_s = 60,
                                    .keep_bytes = 4096,
                                    .flood_bytes = 1 << 20};
    struct proof_exec_result r;
    proof_exec(&what, &r);
    char *first = r.out.data ? r.out.data : (char *)"";
    snprintf(said, size, "%.*s", (int)strcspn(first, "\r\n"), first);
    buf_free(&r.out);
    if (r.how == PROOF_NOT_STARTED)
        return seep_fail(err, SEEP_E_UNSUPPORTED, "ssh-keygen cannot be run: %s", r.why);
    return r.how == PROOF_EXITED ? r.status : -1;
}

int seal_sign(const char *path, const char *key, struct seep_err *err)
{
    const char *argv[] = {"ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", NAMESPACE, path, NULL};
    char said[200], *sig = NULL;
    struct seep_err why = {0};
    if (asprintf(&sig, "%s.sig", path) < 0)
        return seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
    unlink(sig); // it would ask whether to overwrite
    int rc = ssh_keygen(argv, NULL, said, sizeof said, &why);
    bool there = access(sig, R_OK) == 0;
    free(sig);
    if (why.code)
        return seep_fail(err, why.code, "%s", why.text);
    if (rc != 0 || !there)
        return seep_fail(err, SEEP_E_USAGE, "The sign-off could not be signed with '%.120s': %s", key,
                         said[0] ? said : "ssh-keygen failed");
    return 0;
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, R_OK) == 0;
}

static void verify_signature(struct verifying *v, const char *path)
{
    char said[300], *sig = NULL;
    struct seep_err err = {0};
    if (asprintf(&sig, "%s.sig", path) < 0)
        return;
    const char *with[] = {"ssh-keygen", "-Y", "verify", "-f", v->opt->signers, "-I", v->opt->signer, "-n",
                          NAMESPACE,    "-s", sig,      NULL};
    const char *without[] = {"ssh-keygen", "-Y", "check-novalidate", "-n", NAMESPACE, "-s", sig, NULL};
    bool there = is_file(sig), known = v->opt->signers != NULL;
    int rc = there ? ssh_keygen(known ? with : without, path, said, sizeof said, &err) : 0;
    if (!there)
        note(v, known ? SEAL_DIFFERS : SEAL_RIGHT, "signature",
             known ? "there is no %s" : "none (no %s): nothing is claimed against forgery", sig);
    else if (err.code)
        note(v, SEAL_OPEN, "signature", "%s", err.text);
    else if (rc != 0)
        note(v, SEAL_DIFFERS, "signature", "it does not fit: %s", said);
    else
        note(v, SEAL_RIGHT, "signature", "%s%s", said,
             known ? "" : " (whose key that is was not asked: --signers, --signer)");
    free(sig);
}

int seal_verify(const char *path, const struct seal_options *options, enum seal_answer *answer, struct seep_buf *out,
                struct seep_err *err)
{
    struct seep_buf text;
    json_error_t why;
    buf_init(&text, DOCUMENT_MAX);
    int failed = fs_read_file(AT_FDCWD, path, &text, err);
    json_t *doc = failed ? NULL : json_loads(text.data ? text.data : "", JSON_REJECT_DUPLICATES, &why);
    const char *schema = member(doc, "schema");
    buf_free(&text);
    if (failed && err)
        err->code = SEEP_E_USAGE;
    if (!failed && (!schema || strcmp(schema, "seep.signoff/1")))
        failed = seep_fail(err, SEEP_E_USAGE, "'%.200s' is no sealed sign-off%s%.100s", path, doc ? "" : ": ",
                           doc ? "" : why.text);
    if (!failed) {
        const char *results = options->results_dir ? options->results_dir : member(doc, "results");
        struct verifying v = {.opt = options, .out = out, .answer = SEAL_RIGHT, .results = results ? results : "."};
        verify_seal(&v, doc);
        verify_evidence(&v, doc);
        verify_signature(&v, path);
        *answer = v.answer;
    }
    json_decref(doc);
    return failed ? -1 : 0;
}
