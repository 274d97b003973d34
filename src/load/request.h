// One HTTP request over libcurl: what a scenario asks for, and what came of it.
//
// The only hosts reached are those of the profile: redirects are not followed, proxies of the environment are not used,
// only http and https are spoken. Replies come from anyone: nothing of them is kept, their size and time are bounded,
// and they are not decompressed.
#ifndef SEEP_LOAD_REQUEST_H
#define SEEP_LOAD_REQUEST_H

#include "load/load.h"
#include <curl/curl.h>

enum { REQUEST_HEADER_MAX = 256 * 1024, REQUEST_BODY_MAX = 64 * 1024 * 1024 };

// A scenario with its `${env:...}` replaced. Lives in the worker only: it holds secrets.
struct request_plan {
    const struct profile_scenario *scenario; // not owned
    char *url, *body;                        // body NULL: none
    size_t body_len;
    struct curl_slist *headers;
};
int request_plan(const struct profile_scenario *scenario, struct request_plan *out, struct seep_err *err);
void request_plan_free(struct request_plan *p);

// What is counted while a reply comes in.
struct request_reply {
    uint64_t header_bytes, body_bytes;
};

// Sets all options of `easy` for the plan. `reply` is written to while the request is under way.
int request_prepare(CURL *easy, const struct request_plan *plan, struct request_reply *reply, struct seep_err *err);

// What came of a finished request.
struct request_result {
    bool ok;
    enum load_error kind; // when not ok
    bool timed;           // its durations count: there was a whole reply, or the time ran out
    long status;          // 0: none
    uint64_t sent_bytes, received_bytes;
};
void request_judge(CURL *easy, CURLcode code, const struct request_plan *plan, const struct request_reply *reply,
                   int64_t service_ns, struct request_result *out);

#endif
