// The parts of a sign-off; private to src/proof.
#ifndef SEEP_PROOF_INTERNAL_H
#define SEEP_PROOF_INTERNAL_H

#include "proof/proof.h"
#include "store/store.h"

// A stored run, by what its store says at first sight.
struct proof_run {
    char *id, *dir;
    char *profile; // its name; NULL: the store has none
    char *sha256, *build_id;
    char *identity;               // JSON array; NULL
    int64_t started_ns, ended_ns; // SEEP_UNKNOWN
    bool ended;
};

struct proof_runs {
    struct proof_run *list; // newest first, by their ends
    size_t n;
    size_t n_unreadable; // directories with a run.db that could not be opened, or does not say which profile it was
    char *unreadable;    // the first of them, with the reason; NULL
};
int proof_list_runs(const char *results_dir, struct proof_runs *out, struct seep_err *err);
void proof_free_runs(struct proof_runs *runs);

struct proof_work {
    struct proof *p;
    struct report_arena *arena;
    const struct proof_options *opt;
    struct proof_runs runs;
};

// "..." kept with the proof; never NULL.
const char *proof_say(struct proof_work *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Each fills item->status, target and evidence.
void proof_check_run(struct proof_work *w, struct proof_item *item);
void proof_check_command(struct proof_work *w, struct proof_item *item);
void proof_check_sql(struct proof_work *w, struct proof_item *item);
void proof_check_http(struct proof_work *w, struct proof_item *item);
void proof_check_tcp(struct proof_work *w, struct proof_item *item);
void proof_check_file(struct proof_work *w, struct proof_item *item);
void proof_check_manual(struct proof_work *w, struct proof_item *item);
void proof_set(struct proof_item *item, enum proof_status status, const char *evidence);

// A file as the identity of a run holds it: SHA-256 in hexadecimal and build-id ("" when it has none).
int proof_identity_of(const char *path, char sha256[65], char build_id[129], struct seep_err *err);

// A path as it stands in a link, percent-encoded where needed.
void proof_put_href(struct seep_buf *out, const char *path);

// Text with ${env:NAME} put in, kept with the proof; NULL with the item marked missing.
const char *proof_expand(struct proof_work *w, struct proof_item *item, const char *text);

// What is asked of a run, with the files as they are now.
enum { PROOF_TARGETS_MAX = 64 };
struct proof_asked {
    struct proof_work *w;
    struct proof_item *item;
    const struct checklist_run *run;
    struct proof_file files[PROOF_TARGETS_MAX];
    size_t n_files;
};

// What one run comes to: decided by `status`; MISSING passes it over.
struct proof_answer {
    enum proof_status status;
    const char *why;
};

// figures.c: is that the gate a checklist names, by its metric or as written in the profile? And what the run says of
// all that a requirement asks of it: its gates and shutdown with their figures; without any, the run's own headline.
bool proof_gate_is(const struct report_gate *g, const char *name);
const char *proof_figures(struct proof_asked *a, const struct report *r);

// one_run.c: is verdict.json in that directory what the run stored (or not there)?
bool proof_copy_is_true(int dir_fd, const char *stored);

// one_run.c: one run of the right profile and program against all that is asked. A run that is decided, for or against,
// is added to the item's evidence.
struct proof_answer proof_look_at(struct proof_asked *a, const struct proof_run *run);

#endif
