// A release checklist: named requirements, each met by stored evidence or by a check that runs now. YAML in, this
// struct out (the grammar is in docs/SIGNOFF.md); what is asked of each is decided in src/proof.
//
// Trust: the file is the user's own word, like a profile: what it names is run. Read by the same parser and table
// machinery, so errors are "file:line:column: sentence" with the line and a caret. Strings belong to the checklist.
#ifndef SEEP_PROFILE_CHECKLIST_H
#define SEEP_PROFILE_CHECKLIST_H

#include "profile/profile.h"

enum checklist_kind {
    CHECKLIST_RUN,     // stored runs of a profile on this very program
    CHECKLIST_COMMAND, // a command that ends with a status
    CHECKLIST_HTTP,    // a GET that is answered
    CHECKLIST_TCP,     // a port that accepts
    CHECKLIST_FILE,    // files of some age, size, content
    CHECKLIST_SQL,     // a query of psql or sqlite3
    CHECKLIST_MANUAL,  // somebody's word, with a name and a day
    CHECKLIST_KINDS
};

enum checklist_verdict { CHECKLIST_MUST_PASS, CHECKLIST_ANY_VERDICT };

// What is asked of an output. A number nobody gave is PROFILE_AUTO, a text NULL.
struct checklist_expect {
    char *equals;             // the output without blanks at its ends
    char *contains;           // a part of it
    double at_least, at_most; // the output as one number
    double rows;              // lines of it
};

struct checklist_run {
    bool present;
    char *profile;
    char **target; // files; empty: the checklist's
    int n_target;
    char **identity; // further files that the run must have had as they are now
    int n_identity;
    enum checklist_verdict verdict;
    double within_s;     // how old the end of the run may be; PROFILE_AUTO: any age
    double at_least_s;   // measured time without gaps and pauses; PROFILE_AUTO: any
    double max_gaps;     // PROFILE_AUTO: any number
    int runs;            // so many in a row, newest first
    int shutdown;        // 1: and each shut down gracefully
    char *no_regression; // "baseline", or a run; NULL: not asked
    double threshold;    // of the comparison, a share
    int allow_valid;     // 1: no allow-listed stack is past its day, or over its budget
    char **gates;        // names of gates that must be there and have passed
    int n_gates;
    char **judged_by; // profiles: the samples are judged by these gates now, besides the run's own
    int n_judged_by;
    enum profile_grade grade; // at least
};

struct checklist_command {
    bool present;
    char **argv; // NULL-terminated
    int argc;
    char *cwd;
    struct profile_pair *env;
    int n_env;
    int exit;
    double within_s;
    struct checklist_expect expect;
};

struct checklist_http {
    bool present;
    char *url;
    double status; // PROFILE_AUTO: any of 200..399
    char **contains;
    int n_contains;
    char **headers; // each a part of the reply's header, in any case
    int n_headers;
    double within_s;
    bool verify; // the certificate
};

struct checklist_tcp {
    bool present;
    char *address; // HOST:PORT
    double within_s;
};

struct checklist_file {
    bool present;
    char *path;                  // may hold * and ?: the newest that matches
    double max_age_s, min_age_s; // PROFILE_AUTO: any
    double min_bytes, max_bytes; // PROFILE_AUTO: any
    double count;                // at least so many match
    char *contains, *sha256;
    bool absent; // no file matches
};

struct checklist_sql {
    bool present;
    char *psql;   // a connection string or URL; NULL: it is sqlite's
    char *sqlite; // a database file
    char *query;
    double within_s;
    struct checklist_expect expect;
};

struct checklist_manual {
    bool present;
    char *by, *date, *note; // NULL: not given yet
    char *expires;          // a day
    double valid_s;         // from the day on; PROFILE_AUTO: for ever
};

struct checklist_requirement {
    struct profile_where where;
    char *name, *id, *about; // id and about may be NULL
    enum checklist_kind kind;
    struct checklist_run run;
    struct checklist_command command;
    struct checklist_http http;
    struct checklist_tcp tcp;
    struct checklist_file file;
    struct checklist_sql sql;
    struct checklist_manual manual;
};

struct checklist {
    unsigned magic;
    char *name, *about;
    char **target; // files: the program that is released
    int n_target;
    struct profile_pair *vars;
    int n_vars;
    struct checklist_requirement *requirements;
    int n_requirements;
    const char *path; // as given
    const char *text; // of the file, len bytes: what a seal covers
    size_t len;
    const char *const *overrides; // as given, n of them; the caller's
    int n_overrides;
};

// Reads a checklist. overrides: "key.path=value", as for a profile. On success *out is the caller's (checklist_free).
// Errors: SEEP_E_USAGE with the place.
int checklist_load(const char *path, const char *const *overrides, int n_overrides, struct checklist **out,
                   struct seep_err *err);
void checklist_free(struct checklist *c); // NULL is allowed

// "run", "command", "http", "tcp", "file", "sql", "manual".
const char *checklist_kind_name(enum checklist_kind kind);

// Every key, depth first, as profile_each_key() does.
void checklist_each_key(void (*each)(const char *path, const char *type, const char *def, const char *help, void *ctx),
                        void *ctx);

#endif
