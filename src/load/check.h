// What a step expects of a whole reply: status, time, header fields, JSON, body.
//
// Compiled once from a validated profile. Replies come from anyone: a check reads what was kept of them and never fails
// otherwise than by saying no. The common case, a status and a time, looks at two numbers.
#ifndef SEEP_LOAD_CHECK_H
#define SEEP_LOAD_CHECK_H

#include "load/template.h"
#include "load/transport.h"
#include "profile/profile.h"
#include <stdbool.h>
#include <stdint.h>

struct check;

enum check_end {
    CHECK_PASSED,
    CHECK_STATUS, // another status; of a raw reply: it is an error reply of its protocol
    CHECK_REPLY,  // a header field, the JSON or the body
    CHECK_SLOW,   // all is well but the time
};

// Which of them failed. Points into the check and the profile.
struct check_failure {
    const char *part; // "status", "header", "json", "body", "time"
    const char *name; // of the header, or the path; NULL: none
    const char *key;  // of the profile: "equals", "has", "length", ...
    const char *wanted;
};

// Buffers of the caller that every check may overwrite.
struct check_room {
    struct seep_buf wanted, found;
};

// `expect` stays the caller's until close; names and feeds as for template_open().
int check_open(const struct profile_expect *expect, struct template_names *names, const struct feeds *feeds,
               struct check **out, struct seep_err *err);
void check_close(struct check *c); // NULL is allowed

// What of the reply must be kept for it.
bool check_wants_head(const struct check *c);
bool check_wants_body(const struct check *c);

// service_ns: from the actual start to the end of the reply. *why is set unless it passed.
enum check_end check_reply(const struct check *c, const struct exchange_reply *reply, int64_t service_ns,
                           const struct template_scope *scope, struct check_room *room, struct check_failure *why);

// "header Cache-Control: has no-store" for a message.
void check_describe(const struct check_failure *why, char *out, size_t size);

#endif
