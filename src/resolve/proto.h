// What client and resolver process say to each other: a stream socket, one request, one reply, at most one descriptor.
//
// Both ends are the same build, so structures travel as they are. Neither trusts the other's numbers: the resolver may
// have been taken over by a hostile ELF file, so the client reads replies through a cursor that cannot leave the
// message.
#ifndef SEEP_RESOLVE_PROTO_H
#define SEEP_RESOLVE_PROTO_H

#include "base/buf.h"
#include "resolve/resolve.h"

enum {
    PROTO_MAGIC = 0x7265736f,
    PROTO_SLOTS = 256,                          // modules a resolver holds at a time
    PROTO_BATCH = 256,                          // program counters of one request
    PROTO_REPLY_SOFT = 1 << 20,                 // bytes after which a names reply stops early; the rest is asked again
    PROTO_BODY_MAX = 4 << 20,                   // bytes of any message
    PROTO_MAPS_MAX = 4096,                      // mappings of one unwind request
    PROTO_REASON_MAX = 200,                     // bytes of a reason
    PROTO_LINK_MAX = 256,                       // bytes of a debug link's name
    PROTO_PERF_MAP_MAX_BYTES = 64 * 1024 * 1024 // larger perf maps are read up to here
};

enum proto_type { PROTO_LOAD = 1, PROTO_NAMES, PROTO_UNWIND, PROTO_FIND, PROTO_SPLIT };
// PACKAGE is kept for the program; UNPACK brings sealed memory to write a unit of the package to, as its split file.
enum proto_part {
    PROTO_PART_MAIN,
    PROTO_PART_DEBUG,
    PROTO_PART_ALT,
    PROTO_PART_SPLIT,
    PROTO_PART_PACKAGE,
    PROTO_PART_UNPACK
};
enum proto_status { PROTO_OK, PROTO_CHANGED, PROTO_REFUSED };

struct proto_head {
    uint32_t magic;
    uint32_t type; // of the request; a reply repeats it
    uint32_t seq;
    uint32_t len;   // of the body
    uint32_t cpu_s; // of a request: the CPU time it may use
};

// PROTO_LOAD, with one descriptor: put a file into a slot. PART_MAIN empties the slot first.
struct proto_load {
    uint32_t slot, part, kind;
    uint32_t build_id_len; // 0: any
    uint8_t build_id[RESOLVE_BUILD_ID_MAX];
    uint32_t use_crc, crc; // a debug file found by debug link without build-id
    uint32_t unit;         // whose split file this may be, as PROTO_SPLIT numbered it
};

struct proto_loaded {
    uint32_t status; // enum proto_status
    uint32_t has_dwarf;
    uint32_t has_split; // it may have units whose debug information stands in files of their own
    uint32_t build_id_len;
    uint8_t build_id[RESOLVE_BUILD_ID_MAX];
    uint32_t link_crc;
    char link[PROTO_LINK_MAX]; // .gnu_debuglink, or empty
    uint32_t alt_id_len;
    uint8_t alt_id[RESOLVE_BUILD_ID_MAX];
    char alt[1024]; // .gnu_debugaltlink, or empty
    char reason[PROTO_REASON_MAX];
};

// PROTO_NAMES: head, then n struct proto_pc. The reply: uint32 answered, then for each its uint32 number of frames and
// the frames: struct proto_frame, then the strings without NUL in the order of the lengths.
struct proto_names {
    uint32_t slot, n;
};
struct proto_pc {
    uint64_t offset;
    uint32_t flags, pad;
};
struct proto_frame {
    uint32_t flags, line;
    uint32_t function_len, raw_len, file_len, reason_len;
};

// PROTO_SPLIT: as PROTO_NAMES, of a file with has_split. The reply: n struct proto_split, the units that cover those
// addresses and want a file of their own that was not asked for before.
enum { PROTO_SPLIT_NAME = 1024 };
struct proto_split {
    uint32_t unit, pad;
    char name[PROTO_SPLIT_NAME]; // of the file, perhaps relative to dir
    char dir[PROTO_SPLIT_NAME];  // where it was compiled, or empty
};

// PROTO_UNWIND: head, then n_maps struct proto_map, then stack_len bytes. The reply: struct proto_unwound, then n
// struct proto_step.
struct proto_unwind {
    struct resolve_regs regs;
    uint64_t stack_base;
    uint32_t stack_len, n_maps;
};
struct proto_map {
    uint64_t start, end, file_offset, bias;
    uint32_t slot, bias_known;
};
struct proto_unwound {
    uint32_t n, end, guessed_from, pad;
};
struct proto_step {
    uint64_t pc, sp, bp, bp_at, bias;
    uint32_t exact, pad;
};

// PROTO_FIND: head, then n names of PROTO_FIND_NAME bytes, NUL-terminated. The reply: n struct resolve_symbol.
struct proto_find {
    uint32_t slot, n;
};
enum { PROTO_FIND_NAME = 64, PROTO_FIND_MAX = 128 };

// A reader that never leaves its message: once `bad`, every answer is zero.
struct proto_cursor {
    const uint8_t *at;
    size_t left;
    bool bad;
};
bool proto_take(struct proto_cursor *c, void *out, size_t len);
const uint8_t *proto_bytes(struct proto_cursor *c, size_t len);

// Nanoseconds of the monotonic clock.
int64_t proto_now_ns(void);

// Sends one message; fd -1: none. deadline_ns on proto_now_ns(), or -1. Returns 0, or -1 with errno (ETIMEDOUT,
// EPIPE...).
int proto_send(int sock, const struct proto_head *head, const void *body, int fd, int64_t deadline_ns);

// Receives one message into body (cleared first, its ceiling is the limit). *fd gets a descriptor or -1; fd NULL: none
// is accepted. Returns 0, 1 when the peer closed between messages, -1 with errno.
int proto_recv(int sock, struct proto_head *head, struct seep_buf *body, int *fd, int64_t deadline_ns);

#endif
