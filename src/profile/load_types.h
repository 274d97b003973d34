// What a profile says of load: named loads, scenarios, steps, checks, values taken from replies, metrics, drivers.
//
// Part of profile.h, which includes it and says who owns what. Texts marked "run-time" may hold references that are put
// in for each exchange (`${user:NAME}`, `${data:SOURCE.COLUMN}`, `${env:NAME}`, `${gen:...}`): profile/runtext.h reads
// them, and a validated profile holds only such as can be put in. All other texts hold `${env:NAME}` at most.
#ifndef SEEP_PROFILE_LOAD_TYPES_H
#define SEEP_PROFILE_LOAD_TYPES_H

#include "profile/types.h"
#include <stdbool.h>

enum {
    PROFILE_LOADS_MAX = 16,
    PROFILE_STEPS_MAX = 64,   // of a scenario
    PROFILE_METRICS_MAX = 64, // of all loads
    PROFILE_LOAD_WORKERS_MAX = 64,
    CONNECTIONS_AUTO = -1, // until a profile is checked
    CONNECTIONS_MAX = 65535,
};

struct profile_stage {
    double for_s;
    double to; // iterations per second (open) or users (closed)
    bool rate; // `to` is a rate; the same in all stages of a load
};

enum profile_think_kind { THINK_NONE, THINK_FIXED, THINK_UNIFORM };

struct profile_think {
    bool given; // said, even if it is 0s
    enum profile_think_kind kind;
    double min_s, max_s;
};

// Extra iterations of the open model that all fall due at one moment.
struct profile_bursts {
    bool present;
    double every_s; // > 0: at every_s, 2 * every_s, ... after the load's start
    int size;       // > 0
};

// An HTTP request. Fields that a step does not give come from its load when the profile is read (timeout, unix path),
// or are added by it on the wire (the load's headers).
struct profile_request {
    bool present;
    char *method;                 // upper case, default GET
    char *url;                    // run-time; scheme, host and port are fixed for the run
    struct profile_pair *headers; // values run-time
    int n_headers;
    char *body;       // run-time; NULL: none
    char *body_file;  // path of what is sent as it is; NULL: none. Never with body.
    char *unix_path;  // socket the exchange goes through, the url's host is then a name only; NULL: TCP
    double timeout_s; // > 0
};

// How the end of a reply is found on a raw connection.
enum profile_framing {
    FRAMING_LINE,      // up to and with LF
    FRAMING_UNTIL,     // up to and with the bytes of `until`
    FRAMING_LENGTH,    // `length_bytes` bytes
    FRAMING_PREFIXED,  // a binary length stands before; what is sent gets one too
    FRAMING_RESP,      // one Redis reply, versions 2 and 3 of the protocol
    FRAMING_MEMCACHED, // one reply of memcached's text protocol
    FRAMING_HTTP,      // one HTTP/1.1 reply, to a request written by hand
    FRAMING_NONE,      // nothing is read: the exchange ends when all is sent
};

struct profile_tcp {
    bool present;
    char *address;  // "HOST:PORT", "[IPV6]:PORT" or "unix:/path"; fixed for the run
    char *send;     // run-time; NULL with `command`
    char **command; // run-time words, sent as a RESP array of bulk strings; NULL with `send`
    int n_command;
    enum profile_framing framing;
    char *until;            // FRAMING_UNTIL; not empty
    double length_bytes;    // FRAMING_LENGTH, whole, > 0
    int prefix_bytes;       // FRAMING_PREFIXED: 1, 2, 4 or 8
    bool prefix_little;     // least significant byte first
    bool prefix_counts_all; // the number counts the prefix too
    int replies;            // that make one exchange: `send` holds as many requests; >= 1
    double timeout_s;       // > 0
};

struct profile_status { // accepted are low..high; "2xx" is 200..299
    int low, high;
};

enum profile_presence { PRESENCE_ANY, PRESENCE_THERE, PRESENCE_ABSENT };

struct profile_header_check { // all that is given must hold
    struct profile_where where;
    char *name;
    char *equals;   // run-time; without regard to blanks around it
    char *contains; // run-time
    char *matches;  // POSIX extended regular expression
    char **has;     // members of a comma list: "no-store", "max-age=300", "max-age>=300"; run-time
    int n_has;
    enum profile_presence presence;
};

struct profile_json_check { // all that is given must hold
    struct profile_where where;
    char *path;    // profile/jsonpath.h
    char *equals;  // run-time; numbers compare as numbers, true, false and null by their word, strings by their text
    char *is;      // comparison of a number: "> 0", "<= 1.5"
    char *length;  // comparison of the length of a list, map or string, or of the number of matches of [*]: "> 0"
    char *matches; // POSIX extended regular expression on the string, or on the text of a number
    enum profile_presence presence;
};

struct profile_body_check {
    double at_least_bytes;    // 0: any
    double at_most_bytes;     // PROFILE_AUTO: any
    char **contains, **lacks; // run-time
    int n_contains, n_lacks;
    char *matches; // POSIX extended regular expression
};

// What counts as success of a step. Nothing given: status 2xx or 3xx of an HTTP request, any whole reply of a raw one
// that is no error reply of its protocol (RESP and memcached).
struct profile_expect {
    struct profile_status *status;
    int n_status;       // 0: see above
    double under_s;     // 0: no limit
    bool error_replies; // raw: an error reply of the protocol is accepted
    struct profile_header_check *headers;
    int n_headers;
    struct profile_json_check *json;
    int n_json;
    struct profile_body_check body;
};

// A value taken from a reply. Exactly one of the five sources is given.
struct profile_extract {
    struct profile_where where;
    char *name;     // of the session variable that gets it
    char *json;     // path
    char *header;   // name
    char *cookie;   // name, of Set-Cookie
    char *regex;    // POSIX extended; its first group, or all of the match without one
    char **between; // two texts: what stands before and behind it in the body
    int n_between;
    char *fallback; // run-time; used when the reply does not hold it. NULL: then the step fails
};

enum profile_on_failure { ON_FAILURE_STOP, ON_FAILURE_CONTINUE };

// One exchange, or a part of a one_of.
struct profile_step {
    struct profile_where where;
    char *name;                     // unique in its scenario
    struct profile_request request; // exactly one of the two is present
    struct profile_tcp tcp;
    struct profile_expect expect;
    struct profile_extract *extract;
    int n_extract;
    int repeat;                 // >= 1, back to back
    struct profile_think think; // after it (after the last of its repetitions)
    char *transaction;          // NULL: none. Neighbouring steps of one name are one transaction
    enum profile_on_failure on_failure;
    // Steps of a one_of stand next to each other: each has group_first, the index of the first of them, and group_n,
    // their number, and one is chosen in proportion to the weights. Other steps have group_n 0.
    double weight; // > 0
    int group_first, group_n;
};

struct profile_scenario {
    struct profile_where where;
    char *name;                 // unique in its load
    double weight;              // > 0
    struct profile_think think; // closed model: after each iteration; not given: the load's
    struct profile_step *steps; // n_steps >= 1; &single when the scenario is written as one request
    int n_steps;
    struct profile_step single;
};

enum profile_data_order { DATA_NEXT, DATA_RANDOM, DATA_PER_USER };

// A table of values for ${data:NAME.COLUMN}; the columns' names stand in its first row.
struct profile_data {
    struct profile_where where;
    char *name;
    char *file; // CSV; a relative path in a file stands in that file's directory and is joined with it when read
    enum profile_data_order order; // next: a row per iteration in turn; random; per user: user n keeps row n
};

enum profile_metric_kind { METRIC_NONE, METRIC_TREND, METRIC_RATE, METRIC_COUNTER };
enum profile_metric_source {
    METRIC_LATENCY,  // trend: time from the intended start
    METRIC_SERVICE,  // trend: time from the actual start
    METRIC_SIZE,     // trend: body bytes; counter: their sum
    METRIC_REQUESTS, // counter
    METRIC_ERRORS,   // counter; rate: of all
    METRIC_SUCCESS,  // rate: of all
    METRIC_CHECKS,   // rate: replies that meet `match`, of all
    METRIC_VALUE,    // trend: of values; counter: their sum
};

struct profile_metric {
    struct profile_where where;
    char *name; // unique in the profile
    enum profile_metric_kind kind;
    enum profile_metric_source source;
    struct profile_expect match;  // METRIC_CHECKS
    struct profile_extract value; // METRIC_VALUE; its name is the metric's
    char *of;                     // SCENARIO, SCENARIO.STEP or the name of a transaction; NULL: the whole load
};

struct profile_exec_counter {
    struct profile_where where;
    char *name;
    char *regex; // POSIX extended, tried on each line of output; its first group is the number
    char *json;  // path, tried on each line that is JSON. Exactly one of the two.
    bool total;  // the number only grows and its rate counts; else the last one said counts
};

// Another program as the driver.
struct profile_exec {
    bool present;
    char **argv; // NULL-terminated; words may hold ${env:NAME}
    int argc;
    struct profile_pair *env; // set over seep's own; value NULL unsets
    int n_env;
    char *cwd;         // NULL: seep's
    double interval_s; // > 0; how often its counters are taken into the run
    bool again;        // start it again until the load's duration is over
    int *exit_codes;   // accepted; n >= 1
    int n_exit_codes;
    struct profile_exec_counter *counters;
    int n_counters;
};

enum profile_sessions { SESSIONS_AUTO, SESSIONS_KEPT, SESSIONS_FRESH };
enum profile_connection { CONNECTION_SHARED, CONNECTION_PER_USER, CONNECTION_FRESH };
enum profile_http { PROFILE_HTTP_1_1, PROFILE_HTTP_2 };
enum profile_engine { PROFILE_ENGINE_AUTO, PROFILE_ENGINE_OWN, PROFILE_ENGINE_CURL };
enum profile_follow { FOLLOW_OFF, FOLLOW_SAME_HOST };

struct profile_tls {
    char *ca;         // PEM file of accepted authorities; NULL: the system's
    bool insecure;    // any certificate is accepted
    char *cert, *key; // PEM files of the client; both or none
};

// One arrival process with its scenarios.
struct profile_load {
    struct profile_where where;
    char *name;      // unique; "main" when a single load has none
    double start_s;  // >= 0 after the beginning of the load phase; schedules and durations count from there
    bool open_model; // rate given; else users
    double rate_per_s;
    double users;
    double hatch_per_s; // closed: users begun a second until `users` are there; 0: all at once
    double pace_per_s;  // closed: a user begins at most so many iterations a second, evenly; 0: no pace
    struct profile_think think;
    bool poisson; // arrivals of the open model: Poisson, else evenly spaced
    struct profile_bursts bursts;
    double duration_s; // PROFILE_AUTO: to the end of the run's load
    double iterations; // whole; it ends after so many; 0: no limit
    int workers;       // processes it is split over, each with its share of rate, users and connections
    int connections;   // most connections at once, > 0
    enum profile_connection connection;
    enum profile_sessions sessions; // profile_load_keeps_sessions() resolves auto
    struct profile_stage *stages;
    int n_stages;
    struct profile_pair *variables; // what a session begins with; values run-time (without ${user:...} but id)
    int n_variables;
    struct profile_data *data;
    int n_data;
    struct profile_pair *headers; // sent with every HTTP request that has none of that name; run-time
    int n_headers;
    bool cookies; // a jar per session
    enum profile_http http;
    int streams;                // HTTP/2: requests at once on one connection, >= 1
    enum profile_engine engine; // what carries the exchanges
    struct profile_tls tls;
    char *unix_path; // for requests without one of their own
    enum profile_follow follow;
    double timeout_s;         // for requests without one of their own
    double connect_timeout_s; // > 0
    double body_max_bytes;    // a longer reply is an error
    double body_kept_bytes;   // what checks and extraction see at most
    struct profile_step *setup, *teardown, *user_setup;
    int n_setup, n_teardown, n_user_setup;
    struct profile_scenario *scenarios; // n_scenarios >= 1, or 0 with exec
    int n_scenarios;
    struct profile_metric *metrics;
    int n_metrics;
    struct profile_exec exec; // present: the load is that program, and nothing of the above but name, start, duration
};

#endif
