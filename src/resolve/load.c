// Files into the slots of the resolver process: see client.h.
#include "resolve/client.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STRIKES_MAX = 12, UNIT_ROOM_MAX = 64 << 20, UNPACKED_MAX = 256 << 20 };

static bool make_key(const struct resolve_module *m, int fd, struct known *k)
{
    k->key[0] = (uint8_t)m->kind;
    k->key_len = 1;
    if (m->kind == RESOLVE_VDSO)
        return true;
    if (m->kind == RESOLVE_ELF && m->build_id_len > 0) {
        memcpy(k->key + 1, m->build_id, m->build_id_len);
        k->key_len += m->build_id_len;
        return true;
    }
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return false;
    uint64_t parts[] = {st.st_dev, st.st_ino, (uint64_t)st.st_size, (uint64_t)st.st_mtim.tv_sec,
                        (uint64_t)st.st_mtim.tv_nsec};
    _Static_assert(sizeof parts + 1 <= KNOWN_KEY_MAX, "the key holds a file's identity");
    memcpy(k->key + 1, parts, sizeof parts);
    k->key_len += sizeof parts;
    return true;
}

uint32_t load_known(struct resolve *r, const struct resolve_module *m, int *fd, struct load *out)
{
    struct known k = {0};
    *fd = -1;
    *out = (struct load){0};
    bool by_file = m->kind == RESOLVE_PERF_MAP || (m->kind == RESOLVE_ELF && m->build_id_len == 0);
    if (by_file)
        *fd = files_open_module(m, out->reason, sizeof out->reason);
    if (!make_key(m, *fd, &k)) {
        out->transient = true;
        return UINT32_MAX;
    }
    for (size_t i = 0; i < r->n_known; i++) {
        if (r->known[i].key_len == k.key_len && memcmp(r->known[i].key, k.key, k.key_len) == 0)
            return (uint32_t)i;
    }
    if (r->n_known == r->cap_known) {
        size_t cap = r->cap_known ? r->cap_known * 2 : 32;
        struct known *p = realloc(r->known, cap * sizeof *p);
        if (!p) {
            snprintf(out->reason, sizeof out->reason, "There is no memory for another file.");
            out->transient = true;
            return UINT32_MAX;
        }
        r->known = p;
        r->cap_known = cap;
    }
    memcpy(k.build_id, m->build_id, m->build_id_len);
    k.build_id_len = m->build_id_len;
    r->known[r->n_known] = k;
    return (uint32_t)r->n_known++;
}

// The least recently used slot; those of the present call come last. UINT32_MAX: all belong to the present call.
static uint32_t free_slot(const struct resolve *r)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < PROTO_SLOTS; i++) {
        if (!r->slots[i].used)
            return i;
        if (r->slots[i].last_use < r->slots[best].last_use)
            best = i;
    }
    return r->slots[best].last_use == r->use ? UINT32_MAX : best;
}

static enum ask ask_load(struct resolve *r, const struct proto_load *req, int fd, struct proto_loaded *reply)
{
    buf_clear(&r->out);
    buf_add(&r->out, req, sizeof *req);
    enum ask outcome = client_ask(r, PROTO_LOAD, fd);
    if (outcome != ASK_OK)
        return outcome;
    struct proto_cursor c = {.at = (const uint8_t *)r->in.data, .left = r->in.len};
    if (!proto_take(&c, reply, sizeof *reply) || reply->build_id_len > RESOLVE_BUILD_ID_MAX ||
        reply->alt_id_len > RESOLVE_BUILD_ID_MAX) {
        client_end_process(r);
        r->stats.crashes++;
        return ASK_CRASHED;
    }
    reply->link[sizeof reply->link - 1] = '\0';
    reply->alt[sizeof reply->alt - 1] = '\0';
    reply->reason[sizeof reply->reason - 1] = '\0';
    return ASK_OK;
}

static enum ask add_alt(struct resolve *r, uint32_t slot, const struct proto_loaded *from)
{
    int fd = from->alt[0] ? files_alt(r, from) : -1;
    if (fd < 0)
        return ASK_OK;
    struct proto_load req = {.slot = slot, .part = PROTO_PART_ALT, .build_id_len = from->alt_id_len};
    struct proto_loaded reply;
    memcpy(req.build_id, from->alt_id, sizeof req.build_id);
    enum ask outcome = ask_load(r, &req, fd, &reply);
    close(fd);
    return outcome;
}

// Offers every candidate for a separate debug file until the resolver accepts one.
static enum ask add_debug(struct resolve *r, const struct resolve_module *m, uint32_t slot,
                          const struct proto_loaded *main_file, bool *split)
{
    int step = 0, fd;
    while ((fd = files_next_debug(r, m, main_file, &step)) >= 0) {
        struct proto_load req = {
            .slot = slot, .part = PROTO_PART_DEBUG, .use_crc = main_file->link[0] != '\0', .crc = main_file->link_crc};
        struct proto_loaded reply;
        enum ask outcome = ask_load(r, &req, fd, &reply);
        close(fd);
        if (outcome != ASK_OK)
            return outcome;
        if (reply.status == PROTO_OK) {
            *split = reply.has_split;
            return add_alt(r, slot, &reply);
        }
    }
    return ASK_OK;
}

static enum ask fill_slot(struct resolve *r, const struct resolve_module *m, uint32_t known, int fd, struct load *out)
{
    struct proto_load req = {.slot = out->slot, .part = PROTO_PART_MAIN, .kind = m->kind};
    struct proto_loaded reply;
    if (m->kind == RESOLVE_ELF) {
        req.build_id_len = (uint32_t)m->build_id_len;
        memcpy(req.build_id, m->build_id, m->build_id_len);
    }
    enum ask outcome = ask_load(r, &req, fd, &reply);
    if (outcome != ASK_OK)
        return outcome;
    if (reply.status != PROTO_OK) {
        out->flags = reply.status == PROTO_CHANGED ? RESOLVE_F_CHANGED : 0;
        memcpy(out->reason, reply.reason, sizeof out->reason);
        return ASK_OK;
    }
    memcpy(r->known[known].build_id, reply.build_id, reply.build_id_len);
    r->known[known].build_id_len = reply.build_id_len;
    out->split = reply.has_split;
    if (m->kind == RESOLVE_ELF && !reply.has_dwarf)
        outcome = add_debug(r, m, out->slot, &reply, &out->split);
    else if (m->kind == RESOLVE_ELF)
        outcome = add_alt(r, out->slot, &reply);
    out->ok = outcome == ASK_OK;
    return outcome;
}

static bool in_slot(struct resolve *r, uint32_t known, struct load *out)
{
    for (uint32_t i = 0; i < PROTO_SLOTS; i++) {
        if (r->slots[i].used && r->slots[i].known == known) {
            r->slots[i].last_use = r->use;
            out->slot = i;
            out->ok = true;
            return true;
        }
    }
    return false;
}

static void load_from(struct resolve *r, const struct resolve_module *m, uint32_t known, int fd, struct load *out)
{
    out->slot = free_slot(r);
    if (out->slot == UINT32_MAX) {
        snprintf(out->reason, sizeof out->reason, "More files than the resolver holds at a time are in one stack.");
        return;
    }
    r->slots[out->slot].used = false;
    enum ask outcome = fill_slot(r, m, known, fd, out);
    if (outcome != ASK_OK) {
        out->transient = true;
        client_strike(r, known, outcome);
        snprintf(out->reason, sizeof out->reason, "%s", client_ask_reason(outcome));
    } else if (out->ok) {
        r->slots[out->slot] = (struct slot){.used = true, .split = out->split, .known = known, .last_use = r->use};
    }
}

void load_module(struct resolve *r, const struct resolve_module *m, uint32_t known, int fd, struct load *out)
{
    *out = (struct load){0};
    if (r->known[known].strikes >= STRIKES_MAX) {
        snprintf(out->reason, sizeof out->reason, "The resolver crashed or stalled on this file again and again.");
    } else if (!in_slot(r, known, out)) {
        if (fd < 0)
            fd = files_open_module(m, out->reason, sizeof out->reason);
        if (fd >= 0)
            load_from(r, m, known, fd, out);
        else
            out->transient = true;
    }
    if (fd >= 0)
        close(fd);
}

// ---- packages of split files

// Memory that cannot grow or shrink, for one unit and all strings of the package; most of it is never touched.
static int room_for_unit(off_t package_bytes)
{
    off_t most = UNIT_ROOM_MAX, bytes = package_bytes + 4096 < most ? package_bytes + 4096 : most;
    int fd = memfd_create("seep-split", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 &&
        (ftruncate(fd, bytes) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

static enum ask give_package(struct resolve *r, const struct resolve_module *m, uint32_t slot)
{
    struct proto_load req = {.slot = slot, .part = PROTO_PART_PACKAGE};
    struct proto_loaded reply;
    struct stat st;
    int fd = files_package(r, m);
    r->slots[slot].package = PACKAGE_NONE;
    if (fd < 0)
        return ASK_OK;
    enum ask outcome = fstat(fd, &st) == 0 ? ask_load(r, &req, fd, &reply) : ASK_OK;
    if (outcome == ASK_OK && reply.status == PROTO_OK) {
        r->slots[slot].package = PACKAGE_THERE;
        r->slots[slot].package_bytes = st.st_size;
    }
    close(fd);
    return outcome;
}

static enum ask unpack_split(struct resolve *r, const struct resolve_module *m, uint32_t slot,
                             const struct proto_split *split)
{
    struct proto_load req = {.slot = slot, .part = PROTO_PART_UNPACK, .unit = split->unit};
    struct proto_loaded reply;
    struct stat st;
    enum ask outcome = r->slots[slot].package == PACKAGE_UNASKED ? give_package(r, m, slot) : ASK_OK;
    if (outcome != ASK_OK || r->slots[slot].package != PACKAGE_THERE || r->unpacked_bytes >= UNPACKED_MAX)
        return outcome;
    int fd = room_for_unit(r->slots[slot].package_bytes);
    if (fd < 0)
        return ASK_OK;
    outcome = ask_load(r, &req, fd, &reply);
    if (outcome == ASK_OK && fstat(fd, &st) == 0)
        r->unpacked_bytes += (uint64_t)st.st_blocks * 512;
    close(fd);
    return outcome;
}

// One unit: candidates until the resolver takes one.
static enum ask offer_split(struct resolve *r, const struct resolve_module *m, uint32_t slot,
                            const struct proto_split *split)
{
    int step = 0, fd;
    while ((fd = files_next_split(r, m, split, &step)) >= 0) {
        struct proto_load req = {.slot = slot, .part = PROTO_PART_SPLIT, .unit = split->unit};
        struct proto_loaded reply;
        enum ask outcome = ask_load(r, &req, fd, &reply);
        close(fd);
        if (outcome != ASK_OK || reply.status == PROTO_OK)
            return outcome;
    }
    return unpack_split(r, m, slot, split);
}

enum ask load_split(struct resolve *r, const struct resolve_module *m, uint32_t slot, const struct proto_pc *pcs,
                    uint32_t n)
{
    struct proto_names head = {.slot = slot, .n = n};
    buf_clear(&r->out);
    buf_add(&r->out, &head, sizeof head);
    buf_add(&r->out, pcs, n * sizeof *pcs);
    enum ask outcome = client_ask(r, PROTO_SPLIT, -1);
    if (outcome != ASK_OK || r->in.len == 0)
        return outcome;
    size_t wanted = r->in.len / sizeof(struct proto_split);
    struct proto_split *list = malloc(r->in.len);
    if (!list)
        return ASK_OK;                               // names without them
    memcpy(list, r->in.data, wanted * sizeof *list); // the buffer is that of the next answer, too
    for (size_t i = 0; i < wanted && i < n && outcome == ASK_OK; i++) {
        list[i].name[PROTO_SPLIT_NAME - 1] = list[i].dir[PROTO_SPLIT_NAME - 1] = '\0';
        outcome = offer_split(r, m, slot, &list[i]);
    }
    free(list);
    return outcome;
}
