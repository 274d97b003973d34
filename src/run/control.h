// The supervisor's control socket in the run directory: `seep status`, `wait` and `stop` talk to it.
//
// SOCK_SEQPACKET "control.sock", mode 0600 in a 0700 directory, same uid by SO_PEERCRED, fixed-size versioned messages.
// A peer that sends anything else is closed. At most CONTROL_CLIENTS at once.
#ifndef SEEP_RUN_CONTROL_H
#define SEEP_RUN_CONTROL_H

#include "base/err.h"
#include "load/minutes.h"
#include <stdint.h>

#define CONTROL_NAME    "control.sock"
#define CONTROL_MAGIC   0x6c746373u
#define CONTROL_VERSION 1
#define CONTROL_CLIENTS 8

enum control_verb { CONTROL_STATUS = 1, CONTROL_STOP = 2, CONTROL_HOUR = 3 };

struct control_request {
    uint32_t magic;
    uint16_t version, verb;
};

struct control_reply {
    uint32_t magic;
    uint16_t version, state; // enum run_state
    int32_t pid, target_pid;
    double elapsed_s, total_s;
    int64_t ticks;
    char line[400];
};

// The answer to CONTROL_HOUR: the newest minutes of the load, in order of time. A supervisor that does not know the
// question answers it as CONTROL_STATUS, which has another size.
struct control_hour {
    uint32_t magic;
    uint16_t version, n;
    struct load_minute minute[LOAD_MINUTES];
};

// Listens in dir_fd; replaces a socket left by a dead supervisor. Returns the listening descriptor or -1.
int control_listen(int dir_fd, struct seep_err *err);
// Takes one waiting client of the same user, or -1 (nobody, or a stranger who was closed).
int control_accept(int listen_fd);
// Reads one request. 1: *req holds a good one; 0: nothing yet; -1: closed or not of our kind.
int control_read(int fd, struct control_request *req);
// Answers; a peer that does not take it is the caller's to close (-1).
int control_answer(int fd, const struct control_reply *reply);
int control_answer_hour(int fd, const struct control_hour *hour);
// The client: connects, asks, waits at most timeout_ms. Returns the connected descriptor (for waiting on its close) or
// -1 with SEEP_E_TARGET when nobody listens. Who listens and does not answer in time has its pid in the reply and -1 in
// `ticks`, with SEEP_E_LIMIT in err: the question stays with it, and its answer may still come.
int control_ask(int dir_fd, enum control_verb verb, int timeout_ms, struct control_reply *reply, struct seep_err *err);
// The same for the last hour of the load: 0, or -1 when nobody listens or it is not told. Keeps no connection.
int control_ask_hour(int dir_fd, int timeout_ms, struct control_hour *out, struct seep_err *err);

#endif
