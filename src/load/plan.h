// A load of the profile, compiled for the engine: every step with its address, limits, words, checks, and where it is
// counted. Made once; nothing of it changes while the load runs but what is marked.
//
// It holds secrets (`${env:...}` is replaced here): it lives in the worker only.
#ifndef SEEP_LOAD_PLAN_H
#define SEEP_LOAD_PLAN_H

#include "load/breaker.h"
#include "load/check.h"
#include "load/extract.h"
#include "load/measure.h"
#include "load/origin.h"
#include "load/request.h"
#include "load/session.h"
#include "load/tally.h"

enum { PLAN_TRANSPORTS_MAX = SESSION_HOMES, PLAN_HEAD_KEPT = 64 * 1024 };

struct value_plan { // one extract of a step
    struct extract *extract;
    struct template *fallback; // NULL: none
    int place;                 // of the variable
};

struct step_plan {
    const struct profile_step *step;
    struct load_plan *plan; // that it is of
    const char *part;       // "scenario", "setup", ...: for messages
    const char *scenario;   // its name; NULL: of no scenario
    struct exchange_spec spec;
    struct request_words words;
    struct request_room room; // of a constant request
    struct check *check;
    struct value_plan *value;       // step->n_extract
    const struct measure **measure; // n_measures: metrics that are about its replies
    int n_measures;
    struct transport *transport;
    int transport_index;    // of the load's
    int series;             // the leaf it is counted in; -1: none
    int transaction;        // series; -1: none
    bool told[LOAD_ERRORS]; // changes: the first error of a kind was noted
};

struct steps_plan {
    struct step_plan *step; // n
    int n;
};

struct scenario_plan {
    const struct profile_scenario *scenario;
    struct steps_plan steps;
    int series; // where passes are counted
};

struct load_plan {
    const struct profile_load *load;
    struct scenario_plan *scenario; // load->n_scenarios
    struct steps_plan setup, user_setup, teardown;
    struct session_plan sessions;
    struct measures measures;
    struct origin_table origins;
    struct breaker *breaker; // changes: of each origin, by its id
    struct transport *transport[PLAN_TRANSPORTS_MAX];
    int n_transports;
    bool needs_sessions;          // something differs from user to user
    bool pauses;                  // between the steps of an iteration
    struct seep_buf value_text;   // changes: of extraction
    struct check_room check_room; // changes
};

// Compiles profile->loads[index], for process `process` of `processes`. What it allocated before an error is freed by
// plan_free(), which may follow in any case.
int plan_read(struct load_plan *p, const struct profile *profile, int index, const struct load_tally *tally,
              int process, int processes, struct seep_err *err);
// What the load wants of transports; the loop, the number of connections and done() are the caller's to fill in.
struct transport_setup plan_setup(const struct profile_load *l);
// Whether every step can be sent, without opening anything. For a plan that is thrown away.
int plan_try(struct load_plan *p, struct seep_err *err);
// Opens the transports that its steps need, and prepares the steps.
int plan_connect(struct load_plan *p, const struct transport_setup *setup, struct seep_err *err);
void plan_disconnect(struct load_plan *p); // nothing is under way, all sessions left
void plan_free(struct load_plan *p);

// All its transports.
bool plan_turn(struct load_plan *p, int64_t now_ns);
int64_t plan_next_ns(const struct load_plan *p);
void plan_counters(const struct load_plan *p, struct transport_counters *sum); // adds
void plan_restart(struct load_plan *p);
void plan_leave(struct load_plan *p, struct session *s); // closes its own connections

// Where the user's own connections for the step stand; NULL: they are shared.
struct transport_home *plan_home(const struct step_plan *s, struct session *session);

// The request of a step whose words differ from time to time, in the session's memory until its next exchange. NULL:
// it cannot be written, and why is a clause.
const struct exchange_request *plan_request(const struct step_plan *s, struct session *session, struct load_rng *rng,
                                            char *why, size_t size);

// Where the reply of x redirects to, and the request that follows (in the session's memory).
enum plan_redirect { PLAN_REDIRECT_NONE, PLAN_REDIRECT_FOLLOW, PLAN_REDIRECT_ELSEWHERE };
enum plan_redirect plan_redirect(const struct step_plan *s, struct session *session, const struct exchange *x,
                                 const struct exchange_request **request);

// Takes the step's values from a whole reply into the session. False: one is not there and has no default; name tells
// which.
bool plan_extract(struct step_plan *s, struct session *session, const struct exchange_reply *reply,
                  struct load_rng *rng, const char **name);

#endif
