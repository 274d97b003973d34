// One reply of a protocol that is not HTTP, read as it comes in: where does it end, and is it an error?
//
// Pure: no I/O, no clock, no allocation; the state is a few hundred bytes a connection, and what it says does not
// depend on how the bytes were cut. What comes in was sent by anyone: every length is bounded before it is believed.
//
// Sources: RESP2 and RESP3 (redis.io/docs/reference/protocol-spec; RESP3's streamed strings and aggregates are refused,
// no server sends them unasked), memcached's doc/protocol.txt (text and meta commands).
#ifndef SEEP_LOAD_RAW_REPLY_H
#define SEEP_LOAD_RAW_REPLY_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum raw_framing {
    RAW_RESP,      // redis and its kin
    RAW_MEMCACHED, // the text protocol
    RAW_LINE,      // up to and with a line feed
    RAW_UNTIL,     // up to and with given bytes
    RAW_FIXED,     // a number of bytes
    RAW_PREFIX,    // a length in 1, 2, 4 or 8 bytes, and so many bytes after it
    RAW_FRAMINGS
};
enum { RAW_UNTIL_MAX = 64, RAW_DEPTH = 16 };

// How replies end. Made by raw_frame_make(), then only read, by any number of replies.
struct raw_frame {
    enum raw_framing framing;
    uint32_t replies;  // how many make one exchange (a pipeline of commands), >= 1
    uint64_t size_max; // bytes of all of them
    uint8_t until[RAW_UNTIL_MAX];
    uint8_t fall_back[RAW_UNTIL_MAX]; // of the search for `until`: bytes of it still matched when byte i does not
    unsigned until_len;               // 1..RAW_UNTIL_MAX
    uint64_t fixed_bytes;             // > 0
    unsigned prefix_bytes;            // 1, 2, 4 or 8
    bool prefix_little;               // the least significant byte comes first
    bool prefix_counts_all;           // the number counts its own bytes too
};
// Checks what the framing needs (the members above; replies 0 means 1) and prepares the search. -1: SEEP_E_USAGE with
// what is wrong.
int raw_frame_make(struct raw_frame *f, struct seep_err *err);

enum raw_step {
    RAW_MORE,  // all input was taken; the reply goes on
    RAW_DONE,  // whole. Input that is left belongs to no request
    RAW_BAD,   // it breaks the protocol; `why` says how
    RAW_LARGE, // it is, or says it will be, larger than size_max
};

struct raw_reply {
    const char *why;  // of RAW_BAD: a few words, static; else NULL
    uint64_t bytes;   // taken so far
    uint32_t replies; // whole ones so far
    uint32_t errors;  // replies, or parts of them, with which the server refused a command

    // private
    const struct raw_frame *frame;
    uint64_t left;   // of a run of bytes, or a length as far as it was read
    uint8_t state;   // of the framing
    uint8_t type;    // RESP: of the value begun; memcached: of the line
    uint8_t matched; // bytes of a fixed text
    uint8_t digits, minus, depth, word_len, token;
    char word[16];
    uint64_t open[RAW_DEPTH]; // RESP: values missing in each aggregate around
};

void raw_begin(struct raw_reply *r, const struct raw_frame *frame);

// Takes input until the exchange's replies are whole; *used is how much it took. After RAW_DONE, RAW_BAD or RAW_LARGE
// call raw_begin() first.
enum raw_step raw_feed(struct raw_reply *r, const char *data, size_t len, size_t *used);

#endif
