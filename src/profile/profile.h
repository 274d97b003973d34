// A profile: what to run, how long, under which load, and what must hold. YAML in, this struct out.
//
// Everything here is validated: after profile_load() no other module checks a profile again. Strings are NUL-terminated
// and owned by the profile; counts are exact; a value nobody gave has its default, or PROFILE_AUTO where "auto" is a
// choice.
// `${name}` of `vars` is expanded when the profile is loaded; `${env:NAME}` is kept as written and read only at use
// (profile_expand_env), so that no secret reaches the store or a report.
#ifndef SEEP_PROFILE_PROFILE_H
#define SEEP_PROFILE_PROFILE_H

#include "base/err.h"
#include "profile/faults.h"
#include "profile/load_types.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum profile_life { LIFE_JOB, LIFE_SERVICE, LIFE_TREE };
enum profile_attribution { ATTRIBUTION_AUTO, ATTRIBUTION_EXACT, ATTRIBUTION_SAMPLED, ATTRIBUTION_OFF };
enum profile_signal_exit { EXIT_CODE, EXIT_SIGNAL }; // what an entry of shutdown.exit accepts

struct profile_limit { // target.limits: an rlimit by its name, e.g. nofile, as, core
    char *name;
    double value; // bytes or count; HUGE_VAL for "unlimited"
};

struct profile_target {
    char **argv; // NULL-terminated; NULL when no command was given
    int argc;
    struct profile_pair *env; // set over the caller's environment; value NULL unsets
    int n_env;
    char *cwd;  // NULL: the caller's
    char *user; // NULL: the caller's
    struct profile_limit *limits;
    int n_limits;
    double memory_bytes; // all its processes together may have; 0: as much as there is
    double cpu;          // cores of CPU time for all of them; 0: all there are
    enum profile_life life;
    bool restart;    // start it again after a crash (counted, and shown)
    char **identity; // further files whose SHA-256 is the target's identity
    int n_identity;
    struct profile_ready ready;
};

struct profile_run {
    double duration_s; // > 0
    double interval_s; // PROFILE_AUTO or > 0
    double warmup_s;   // PROFILE_AUTO or >= 0
    double drain_s;    // PROFILE_AUTO or >= 0
    double period_s;   // declared load period, 0: none
    bool early_stop;
    bool reload;     // after drain run the load once more and tell retention from leak
    double keep_s;   // how long runs are kept by prune; PROFILE_AUTO: as prune says; INFINITY: for ever
    char *on_finish; // command run with the verdict's path; NULL: none
    double on_finish_within_s;
};

struct profile_attr {
    enum profile_attribution mode;
    double sampling_mean_bytes; // > 0, default 512 KiB
    double memory_bytes;        // ceiling of the shared region; PROFILE_AUTO: the larger of 64 MiB and 1/32 of memory
    double cost_s;              // processor time a second that seep attach's stacks may cost the target
    double events_per_s;        // the same by calls and returns a second; PROFILE_AUTO: no ceiling of its own
    bool follow_children;       // attribute forked and exec'ed processes too
};

// A gate as written; judge/gate.h parses the expression. Absent parts are NULL.
struct profile_gate {
    struct profile_where where;                       // of the expression's first character
    char *expr, *warn, *over, *hold_for, *vs, *floor; // warn "true": the gate itself only warns
};

// Areas of requirements, in the order of judge/score.h.
enum profile_area {
    PROFILE_LATENCY,
    PROFILE_THROUGHPUT,
    PROFILE_CPU,
    PROFILE_MEMORY,
    PROFILE_ERRORS,
    PROFILE_AVAILABILITY,
    PROFILE_AREAS
};

enum profile_grade { PROFILE_GRADE_NONE, PROFILE_POOR, PROFILE_FAIR, PROFILE_GOOD, PROFILE_EXCELLENT };

// A set of requirements that a run is graded by. Layering profiles replaces it area by area.
struct profile_requirements {
    bool present;
    char *name;                                // of the set, e.g. "strict"; NULL: none given
    enum profile_grade at_least;               // a worse grade fails the run; NONE: the grade is information
    struct profile_gate *gates[PROFILE_AREAS]; // n_gates of each
    int n_gates[PROFILE_AREAS];
};

struct profile_shutdown {
    int signal;      // default SIGTERM
    double within_s; // default 10
    int *exit_codes; // accepted exit statuses
    int n_exit_codes;
    bool exit_by_signal;           // death by the very signal sent is orderly (default)
    double back_to_baseline_bytes; // default 10 MB; PROFILE_AUTO: not checked
    bool no_children;
    bool port_released;
    bool skip; // `shutdown: off`
};

struct profile_allow { // stacks that may grow
    char *pattern;     // see judge/allow.h
    double budget_bytes_per_s;
    char *reason;
    char *expires; // "YYYY-MM-DD" or NULL
};

struct profile_confirm { // how a run is replayed under valgrind; PROFILE_AUTO where "auto" is a choice
    double for_s, scale, memory_bytes, within_s;
    char **suppressions; // files
    int n_suppressions;
    char **args; // further options of valgrind
    int n_args;
};

struct profile {
    unsigned magic;
    char *name;
    struct profile_pair *vars;
    int n_vars;
    struct profile_target target;
    struct profile_run run;
    struct profile_attr attribution;
    struct profile_load *loads; // all run at once; n_loads 0: the target is left to itself
    int n_loads;
    struct profile_gate
        *gates; // n 0 only when the profile says `gates: []`; else the defaults of product.md stand here
    int n_gates;
    struct profile_requirements requirements;
    struct profile_shutdown shutdown;
    struct profile_allow *allow;
    int n_allow;
    struct profile_dependency *dependencies;
    int n_dependencies;
    struct profile_proxy *proxies;
    int n_proxies;
    struct profile_fault *faults;
    int n_faults;
    struct profile_probe *probes;
    int n_probes;
    struct profile_scrape *scrapes;
    int n_scrapes;
    struct profile_confirm confirm;
};

// One source of a profile: a shipped name ("pr-10m"), or a path (anything with a '/' or ending in .yaml/.yml/.json).
struct profile_sources {
    const char *const *names; // later ones win, key by key
    int n_names;
    const char *const *overrides; // "key.path=value", values parsed as YAML; applied last
    int n_overrides;
    const char *shipped_dir; // where shipped profiles are, e.g. <prefix>/share/seep/profiles
    const char *const *argv; // the command after "--", or NULL; taken as it is, without variables
    int argc;
    bool keep_unknown_vars; // leave ${name} that nobody set as it is, to show a profile that waits for its base_url
};

// Loads, merges and validates. On success *out is owned by the caller (profile_free). Errors carry "file:line:col:
// sentence" and, on further lines, the source line with a caret under the column; code SEEP_E_USAGE.
int profile_load(const struct profile_sources *sources, struct profile **out, struct seep_err *err);

// The same from the text of profile_dump(): what the store keeps and the load worker gets.
int profile_parse(const char *text, size_t len, const char *file_name, struct profile **out, struct seep_err *err);

void profile_free(struct profile *p); // NULL is allowed

// The whole merged profile as JSON (which is YAML), keys as in product.md, `${env:...}` unexpanded, secrets in argv and
// URLs redacted when `redact`. malloc'ed; NULL when memory ran out.
char *profile_dump(const struct profile *p, bool redact);

// Replaces every `${env:NAME}` in `text` by the environment's value. malloc'ed. NULL with an error when NAME is not
// set.
char *profile_expand_env(const char *text, struct seep_err *err);

// An error that points into the profile: "file:line:col: sentence", the line and a caret, `column_offset` characters
// right of `where`. Returns -1. Without a line (defaults) only the sentence.
int profile_fail_at(const struct profile *p, const struct profile_where *where, int column_offset, struct seep_err *err,
                    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#define PROFILE_REDACTED "[redacted]"
// `text` with what looks like a secret replaced by "[redacted]": URL user information, and values of names such as
// password, token, secret, key, authorization in `name=value`, `--name=value`, `name: value` and JSON. malloc'ed.
char *profile_redact_text(const char *text);

// The same for one word of a command line; `before` is the word before it (NULL: none), so that "--password", "x" is
// seen too. malloc'ed.
char *profile_redact_word(const char *before, const char *word);

// Every key of a profile, depth first: its path ("load.scenarios[].weight"), what its value looks like, its default
// ("" for none) and its meaning.
void profile_each_key(void (*each)(const char *path, const char *type, const char *def, const char *help, void *ctx),
                      void *ctx);

// What "auto" means for this profile (product.md): interval = duration/288 within 250 ms .. 5 min; drain 60 s, 25 s in
// runs under 30 min; exact up to 1 h, else sampled.
double profile_interval_s(const struct profile *p);
bool profile_load_keeps_sessions(const struct profile_load *l); // auto: in the closed model
int profile_load_workers(const struct profile *p);              // the most any of the loads asks for; 1 without one
double profile_drain_s(const struct profile *p);
enum profile_attribution profile_attribution_mode(const struct profile *p);

// Shipped profiles: calls `each` with name, path and the first comment line, sorted by name. Stops when it returns
// non-zero.
int profile_each_shipped(const char *shipped_dir,
                         int (*each)(const char *name, const char *path, const char *about, void *ctx), void *ctx,
                         struct seep_err *err);

#endif
