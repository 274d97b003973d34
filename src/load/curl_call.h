// One exchange over libcurl: a handle with the options of a spec, what it takes in of a reply, and how it ended.
//
// Replies come from anyone: what is kept of them, their size and their time are bounded here. Redirects are not
// followed, proxies of the environment are not used, only http and https are spoken.
#ifndef SEEP_LOAD_CURL_CALL_H
#define SEEP_LOAD_CURL_CALL_H

#include "base/buf.h"
#include "load/transport.h"
#include <curl/curl.h>

struct curl_plan;

struct curl_call {
    CURL *easy;
    struct curl_plan *plan; // whose options `easy` has; NULL: none
    struct exchange *x;     // under way
    struct curl_call *next; // free ones of the plan
    uint64_t header_bytes, body_bytes;
    struct seep_buf head, body; // what was kept
    struct curl_slist *line;    // headers of a request of its own, n_lines of them
    size_t n_lines;
    struct curl_slist *rewritten;
    char error[CURL_ERROR_SIZE]; // what libcurl says of a failure; empty: nothing
};

// What of a spec curl wants in its own form. Owned by the transport, through spec->own.
struct curl_plan {
    const struct exchange_spec *spec;
    char *url;                  // of the constant request; NULL: each call sets its own
    struct curl_slist *headers; // the same
    struct curl_call *free;     // handles that have this plan's options
    struct curl_plan *next;
};
struct curl_plan *curl_plan_make(const struct exchange_spec *spec, struct seep_err *err);
void curl_plan_free(struct curl_plan *p);

// Sets all options of call->easy for the plan. 0 or -1 with err (which may be NULL).
int curl_call_prepare(struct curl_call *call, struct curl_plan *plan, long streams, struct seep_err *err);

// Sets what differs from exchange to exchange: nothing, when the request is constant and goes to its own origin.
int curl_call_aim(struct curl_call *call, struct exchange *x);
void curl_call_release(struct curl_call *call); // undoes it: the call belongs to no exchange

// How the exchange ended, with x->reply filled in. Strings in it stay call's.
enum exchange_end curl_call_end(struct curl_call *call, CURLcode code);

void curl_call_free(struct curl_call *call);

#endif
