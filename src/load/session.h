// What one user has of its own while it goes through iterations: variables, rows of data, cookies, connections, room
// for its requests.
//
// Users share nothing of it. Values come from replies, that is from anyone: their size is bounded by what is kept of a
// reply. A load none of whose requests differ from user to user has no sessions at all.
#ifndef SEEP_LOAD_SESSION_H
#define SEEP_LOAD_SESSION_H

#include "load/cookies.h"
#include "load/feed.h"
#include "load/request.h"
#include "load/template.h"
#include "load/transport.h"

enum { SESSION_HOMES = 4 }; // kinds of transports in a load, at most

// What all sessions of a load have in common.
struct session_plan {
    const struct profile_load *load;
    struct template_names names; // of variables
    struct feeds *feeds;         // NULL: no tables
    struct template **first;     // what load->variables begin with; load->n_variables
    int *first_at;               // their places
};
// Reads the tables and compiles the first values. What an error leaves behind is freed by session_plan_close().
int session_plan_open(struct session_plan *p, const struct profile_load *load, int process, int processes,
                      struct seep_err *err);
void session_plan_close(struct session_plan *p);

struct session_room {
    char *text;
    size_t size;
};

struct session {
    const struct session_plan *plan;
    uint64_t id;                 // from 1 over all processes; 0: that of setup and teardown
    bool begun;                  // its variables have their first values
    bool set_up;                 // the user's own setup is behind it
    uint64_t iteration;          // number of the present one over all processes, from 1
    struct load_text *value;     // by place; text NULL: unset. NULL until one is set
    struct session_room *memory; // of the values, by place
    uint32_t *row;               // of each table; NULL until the first iteration
    struct cookie_jar cookies;
    struct transport_home home[SESSION_HOMES];
    struct request_room room_of_request;
};

void session_open(struct session *s, const struct session_plan *plan, uint64_t id);
void session_close(struct session *s); // its connections were closed

// Forgets everything; variables become those of `from`, the session of setup (NULL: none).
void session_reset(struct session *s, const struct session *from);

// The next iteration: rows are taken, and a session that is new or not kept begins anew. -1: a first value cannot be
// rendered, or no memory; *why is a clause.
int session_begin(struct session *s, const struct session *from, uint64_t iteration, struct load_rng *rng,
                  const char **why);

// -1: no memory; the variable is then unset.
int session_set(struct session *s, int place, const char *text, size_t len);

// What references stand for now; valid until a value changes.
struct template_scope session_scope(const struct session *s, struct load_rng *rng);

#endif
