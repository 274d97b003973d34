// The sign-off: what a checklist demands, held against stored runs and against checks that run now.
//
// Place: checklist in (profile/checklist.h), one struct proof out, written as text, Markdown, HTML or sealed JSON.
// Nothing passes without evidence: what could not be looked at is missing, never passed. Runs are judged anew from
// their stored samples; the verdict that was written down is compared with that.
// Trust: stored runs may be of unknown origin, and outputs of checks are foreign bytes; both are escaped at each sink.
#ifndef SEEP_PROOF_PROOF_H
#define SEEP_PROOF_PROOF_H

#include "base/buf.h"
#include "base/err.h"
#include "profile/checklist.h"
#include "report/arena.h"
#include "report/report.h"
#include <stdint.h>

enum proof_status { PROOF_PASS, PROOF_FAIL, PROOF_MISSING, PROOF_STATUSES };
const char *proof_status_name(enum proof_status status); // "pass", "fail", "missing"

// One run that is evidence.
struct proof_evidence {
    const char *run, *link; // its id, and its report.html as a person would open it
    const char *made_as;    // the id it was made with, when its directory was renamed since; else NULL
    int64_t started_ns, ended_ns;
    const char *verdict, *sha256, *build_id, *digest; // digest: report/digest.h; build_id may be NULL
    double measured_s;                                // without gaps and pauses
    int64_t samples, gaps;
    const char *figures; // the headline
};

struct proof_item {
    const struct checklist_requirement *asked;
    enum proof_status status;
    const char *target;   // what was asked, in words
    const char *evidence; // what was found, a sentence
    const char *output;   // of a check: the first bytes; NULL: none
    const char *output_sha256;
    int64_t at_ns; // when it was looked at
    struct proof_evidence *runs;
    size_t n_runs;
};

struct proof_file {                       // whose SHA-256 the seal covers
    const char *path, *sha256, *build_id; // sha256 NULL: it could not be read
};

struct proof {
    const struct checklist *list; // the caller's, must outlive this
    const char *results;          // the results directory, absolute
    char list_sha256[65];
    int64_t made_ns;
    const char *host, *user, *version;
    struct proof_file *targets; // the checklist's own
    size_t n_targets;
    struct proof_item *items; // as in the checklist
    size_t n_items, n_by_status[PROOF_STATUSES];
    enum proof_status status; // fail when one failed, else missing when one is missing
    struct report_arena *arena;
};

struct proof_options {
    const char *results_dir, *shipped_dir; // where runs and shipped profiles are
    // Called before each requirement is looked at; may be NULL.
    void (*progress)(const struct checklist_requirement *q, void *ctx);
    void *progress_ctx;
};

// Looks at every requirement. 0 with *out the caller's (proof_free); -1 when memory ran out or the results directory
// cannot be read. A requirement that cannot be decided is an item with the reason, never an error.
int proof_make(const struct checklist *list, const struct proof_options *options, struct proof **out,
               struct seep_err *err);
void proof_free(struct proof *p); // NULL is allowed

int proof_exit_code(const struct proof *p); // 0, 1 a requirement failed, 3 evidence is missing

int proof_text(const struct proof *p, const struct report_style *style, struct seep_buf *out, struct seep_err *err);
int proof_markdown(const struct proof *p, struct seep_buf *out, struct seep_err *err);
int proof_html(const struct proof *p, struct seep_buf *out, struct seep_err *err);
// Schema seep.signoff/1, sealed: docs/schema/seep.signoff.1.json. seal (65 bytes, may be NULL) gets the hash.
int proof_json(const struct proof *p, char *seal, struct seep_buf *out, struct seep_err *err);

// The status and colour of text, shared by the formats.
const char *proof_headline(const struct proof *p, char *out, size_t size);

#endif
