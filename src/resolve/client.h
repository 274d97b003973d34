// The client's side of the resolver, shared by its files only.
#ifndef SEEP_RESOLVE_CLIENT_H
#define SEEP_RESOLVE_CLIENT_H

#include "resolve/proto.h"

#include <sys/types.h>

enum { CLIENT_MAGIC = 0x52534c56, KNOWN_KEY_MAX = 1 + RESOLVE_BUILD_ID_MAX };

// One file ever seen: what names are remembered under. Kept for the client's life, so that its index is stable.
struct known {
    uint8_t key[KNOWN_KEY_MAX]; // kind, then the expected build-id or device, inode, size and mtime
    size_t key_len;
    uint8_t build_id[RESOLVE_BUILD_ID_MAX]; // of the file, once read
    size_t build_id_len;
    unsigned strikes; // crashes and timeouts it caused
};

struct slot {
    bool used;
    enum { PACKAGE_UNASKED, PACKAGE_THERE, PACKAGE_NONE } package; // of split files
    off_t package_bytes;
    bool split; // it may have units whose debug information stands in files of their own
    uint32_t known;
    uint64_t last_use;
};

struct cache;

struct resolve {
    uint32_t magic;
    char *exe;
    char **debug_roots;
    size_t n_debug_roots;
    bool debuginfod;
    unsigned deadline_ms, cpu_limit_s;
    uint64_t memory_limit;
    int sock; // -1: no process
    pid_t pid;
    uint32_t seq;
    uint64_t use; // counts calls; slots of the present call are not replaced
    struct slot slots[PROTO_SLOTS];
    uint64_t unpacked_bytes; // memory that the present process holds of packages
    struct known *known;
    size_t n_known, cap_known;
    struct cache *cache;
    struct seep_buf in, out;
    struct resolve_stats stats;
};

// How a question to the process ended. All but OK end the process.
enum ask { ASK_OK, ASK_CRASHED, ASK_LATE, ASK_NO_PROCESS };

// Sends r->out as one request, with fd or -1, and waits for the reply in r->in, within the deadline.
enum ask client_ask(struct resolve *r, enum proto_type type, int fd);

// Kills and reaps the process, empties the slots. For replies that make no sense, too.
void client_end_process(struct resolve *r);

// Charges a crash or a timeout to the file that was asked about. A timeout costs a deadline of the user's time, so
// fewer of them end the game.
void client_strike(struct resolve *r, uint32_t known, enum ask outcome);

// The sentence for an outcome other than ASK_OK.
const char *client_ask_reason(enum ask outcome);

// ---- files.c: what may be opened, and where debug files are ----

// A descriptor of the module's file to pass on (owned by the caller of this function), or -1 with a reason sentence.
int files_open_module(const struct resolve_module *m, char *reason, size_t size);

// The next candidate for a separate debug file, *step counts from 0; -1 with *step < 0: no more.
int files_next_debug(const struct resolve *r, const struct resolve_module *m, const struct proto_loaded *main_file,
                     int *step);

// The alternative (dwz) file that a debug file names, or -1.
int files_alt(const struct resolve *r, const struct proto_loaded *debug_file);

// The next candidate for the file of a split unit, as above.
int files_next_split(const struct resolve *r, const struct resolve_module *m, const struct proto_split *split,
                     int *step);

// The package of its split files (PROGRAM.dwp, beside it or below a debug root), or -1.
int files_package(const struct resolve *r, const struct resolve_module *m);

// ---- load.c: files into slots ----

struct load {
    bool ok;
    bool transient; // worth another try later
    bool split;     // see struct slot
    uint32_t flags; // RESOLVE_F_CHANGED
    uint32_t slot;
    char reason[PROTO_REASON_MAX];
};

// The client's index of the file (stable), or UINT32_MAX when memory is lacking. *fd: -1, or a descriptor opened on the
// way.
uint32_t load_known(struct resolve *r, const struct resolve_module *m, int *fd, struct load *out);

// Puts the module's file, with its debug files, into a slot unless it is in one already. Closes fd (-1: none yet).
void load_module(struct resolve *r, const struct resolve_module *m, uint32_t known, int fd, struct load *out);

// Finds the files of split units that cover these pcs (at most PROTO_BATCH, in the wire's form) and offers them.
enum ask load_split(struct resolve *r, const struct resolve_module *m, uint32_t slot, const struct proto_pc *pcs,
                    uint32_t n);

// ---- cache.c: answers remembered as the bytes of the reply ----

struct cache *cache_new(uint64_t limit);
void cache_free(struct cache *c);
// NULL: not remembered.
const uint8_t *cache_get(const struct cache *c, uint32_t known, const struct proto_pc *pc, size_t *len);
// Remembers a copy; at the ceiling everything is forgotten first (counted in *flushes).
void cache_put(struct cache *c, uint32_t known, const struct proto_pc *pc, const uint8_t *bytes, size_t len,
               uint64_t *flushes);
uint64_t cache_bytes(const struct cache *c);

#endif
