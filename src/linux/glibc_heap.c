// Counting glibc's heap from outside: see glibc_heap.h.
//
// What is recognised. An arena is
//     lock and flags, 10 fast bins, top, last_remainder, 127 bins, binmap, next, next_free, attached_threads,
//     system_mem, max_system_mem
// where a bin is the two links of a ring that goes through the arena itself; an empty one points at itself, which no
// other data does by chance 127 times in a row. `next` of the arenas forms a ring too, and the way back to the first
// one tells where an arena begins. Bytes in mappings of their own stand in malloc's parameters, which are recognised by
// the beginning of the heap they name, and by counts that fit each other.
//
// Sizes. A chunk is preceded by its size; free in a bin are both links. Fast bins are lists with one link, mangled by
// its own address since glibc 2.32. top is the free rest at the end. All else is given out.
#include "linux/glibc_heap.h"
#include "linux/hold.h"
#include "linux/mem.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DATA_MAX   (4u << 20) // of the C library's writable data
#define ARENAS_MAX 4096
#define TRIES      4
#define WORD       8u
#define CHUNK_MIN  32u
#define FLAGS      7u // in a chunk's size
#define MAPPED     2u // of these: it has a mapping of its own
#define HEAP_MAX   (64ul << 20)
#define EXACT      65536
#define TOLERANCE  0.001 // two countings of a heap in use may differ by that much, or by EXACT bytes

enum { FAST_BINS = 10, BINS = 127 };
// Words from the first bin on.
enum { AT_BINMAP = 2 * BINS, AT_NEXT = AT_BINMAP + 2, AT_SYSTEM = AT_NEXT + 3, AT_MOST, WORDS_AFTER };
// Words before the first bin.
enum { BEFORE_REMAINDER = 1, BEFORE_TOP = 2, WORDS_BEFORE = BEFORE_TOP + FAST_BINS };

struct books {
    int mem;
    uint64_t data, heap; // where `words` was read; where [heap] begins, 0 without one
    uint64_t *words;
    size_t n;
    uint64_t arena;   // the main arena's address
    uint64_t head;    // from an arena's address to its first bin
    uint64_t mmapped; // bytes in mappings of their own
    bool knows_mmapped;
};

static bool read_at(const struct books *b, uint64_t at, void *to, size_t bytes)
{
    return pread(b->mem, to, bytes, (off_t)at) == (ssize_t)bytes;
}

// ---- recognising

static uint64_t address_of(const struct books *b, size_t word)
{
    return b->data + word * WORD;
}

// Are these the bins of an arena, whose first one lies at `bins`? Rings through chunks are believed for now.
static bool are_bins(const uint64_t *w, uint64_t bins)
{
    size_t empty = 0;
    for (size_t i = BINS; i-- > 0;) { // the last ones, of the largest chunks, are empty in almost every program
        uint64_t self = bins + (2 * i - 2) * WORD, next = w[2 * i], prev = w[2 * i + 1];
        if (next == self && prev == self)
            empty++;
        else if (next == self || prev == self || next == 0 || prev == 0 || (next | prev) % 16)
            return false;
    }
    return empty >= BINS / 4;
}

// Follows the ring of arenas from the one whose bins lie at `bins`: with the right distance it leads back to that one.
static bool leads_back(const struct books *b, uint64_t bins, uint64_t distance, uint64_t next)
{
    for (unsigned i = 0; i < ARENAS_MAX && next != bins - distance; i++)
        if (next == 0 || next % 16 || !read_at(b, next + distance + AT_NEXT * WORD, &next, sizeof next))
            return false;
    return next == bins - distance;
}

static bool find_beginning(struct books *b, uint64_t bins, uint64_t next)
{
    static const uint64_t words_before_bins[] = {WORDS_BEFORE + 2, WORDS_BEFORE + 1}; // since, and until glibc 2.26
    for (int i = 0; i < 2; i++) {
        b->head = words_before_bins[i] * WORD;
        b->arena = bins - b->head;
        if (leads_back(b, bins, b->head, next))
            return true;
    }
    return false;
}

static bool find_arena(struct books *b)
{
    for (size_t i = WORDS_BEFORE; i + WORDS_AFTER <= b->n; i++) {
        const uint64_t *w = b->words + i;
        if (are_bins(w, address_of(b, i)) && w[AT_SYSTEM] <= w[AT_MOST] &&
            find_beginning(b, address_of(b, i), w[AT_NEXT]))
            return true;
    }
    return false;
}

// ..., n_mmaps, n_mmaps_max, max_n_mmaps, no_dyn_threshold (four ints, and a hole since another int came before them),
// mmapped_mem, max_mmapped_mem, sbrk_base
static bool fit_each_other(const int32_t *ints, uint64_t mmapped, uint64_t most)
{
    return ints[0] >= 0 && ints[2] >= ints[0] && ints[1] >= 0 && (ints[3] == 0 || ints[3] == 1) &&
           (ints[0] == 0) == (mmapped == 0) && mmapped <= most && (mmapped | most) % 4096 == 0 &&
           (ints[2] == 0) == (most == 0);
}

static void find_mmapped(struct books *b)
{
    for (size_t i = 8; b->heap && i < b->n && !b->knows_mmapped; i++) {
        const uint64_t *w = b->words + i;
        int32_t ints[6];
        if (w[0] < b->heap || w[0] >= b->heap + (1u << 20))
            continue;
        memcpy(ints, w - 5, sizeof ints);
        b->knows_mmapped =
            fit_each_other(ints + 2, w[-2], w[-1]) || (ints[5] == 0 && fit_each_other(ints + 1, w[-2], w[-1]));
        b->mmapped = w[-2];
    }
}

struct finding {
    struct books *b;
    const char *module;
    char exe[4096];
    uint64_t from, to; // writable data
    bool any_heap, found;
};

// Data of the file, and the nameless mapping right behind it, which holds what begins as zeros.
static int look_at_map(const struct linux_map *m, void *arg)
{
    struct finding *f = arg;
    bool writable = m->perms[0] == 'r' && m->perms[1] == 'w' && m->perms[3] == 'p';
    if (strcmp(m->path, "[heap]") == 0 && !f->any_heap) {
        f->b->heap = m->start;
        f->any_heap = true;
    }
    bool of_file = strcmp(m->path, f->module[0] ? f->module : f->exe) == 0;
    bool behind = f->found && m->path[0] == 0 && m->start == f->to;
    if (!writable || (!of_file && !behind))
        return 0;
    if (!f->found)
        f->from = m->start;
    f->found = true;
    if (m->start == f->to || f->to == 0)
        f->to = m->end;
    return 0;
}

static int find_data(struct books *b, int proc_fd, pid_t pid, const char *module, struct seep_err *err)
{
    struct finding f = {.b = b, .module = module};
    char link[64];
    snprintf(link, sizeof link, "%d/exe", (int)pid);
    ssize_t len = readlinkat(proc_fd, link, f.exe, sizeof f.exe - 1);
    f.exe[len > 0 ? len : 0] = 0;
    if (linux_maps_each(proc_fd, pid, look_at_map, &f, err) < 0)
        return -1;
    uint64_t bytes = f.found ? f.to - f.from : 0;
    if (bytes == 0 || bytes > DATA_MAX)
        return seep_fail(err, SEEP_E_UNSUPPORTED, "the C library's data is not among the mappings of process %d",
                         (int)pid);
    b->words = malloc(bytes);
    b->data = f.from;
    b->n = bytes / WORD;
    if (!b->words)
        return seep_fail(err, SEEP_E_SYSTEM, "there is no memory for the C library's data");
    ssize_t got = pread(b->mem, b->words, bytes, (off_t)f.from);
    b->n = got > 0 ? (size_t)got / WORD : 0;
    return 0;
}

// ---- counting

struct count {
    uint64_t free_bytes, free_chunks;
    bool too_many;
};

// One ring of free chunks. False: a link does not lead back, so it is being changed.
static bool count_ring(const struct books *b, uint64_t self, uint64_t first, uint64_t most, struct count *c)
{
    uint64_t prev = self;
    struct {
        uint64_t before, size, next, prev;
    } chunk;
    for (uint64_t at = first; at != self; at = chunk.next) {
        if (at % 16 || !read_at(b, at, &chunk, sizeof chunk) || chunk.prev != prev)
            return false;
        uint64_t size = chunk.size & ~(uint64_t)FLAGS;
        if (size < CHUNK_MIN || size > most)
            return false;
        c->free_bytes += size;
        if (++c->free_chunks > LINUX_GLIBC_FREE_MAX) {
            c->too_many = true;
            return false;
        }
        prev = at;
    }
    return true;
}

static bool count_bins(const struct books *b, uint64_t bins, const uint64_t *w, struct count *c)
{
    for (size_t i = 0; i < BINS; i++) {
        uint64_t self = bins + (2 * i - 2) * WORD, first = w[2 * i];
        struct count before = *c;
        int tries = 0;
        while (first != self && !count_ring(b, self, first, w[AT_SYSTEM], c)) {
            if (c->too_many || ++tries == TRIES || !read_at(b, bins + 2 * i * WORD, &first, sizeof first))
                return false;
            *c = before;
        }
    }
    return true;
}

// A list of fast chunks; mangled: each link is exclusive-ored with its own address shifted by a page. Returns their
// number, -1 when it leads nowhere.
static int64_t fast_chunks(const struct books *b, uint64_t at, uint64_t size, bool mangled)
{
    int64_t n = 0;
    uint64_t chunk[3];
    for (; at; n++) {
        if (n > LINUX_GLIBC_FREE_MAX || at % 16 || !read_at(b, at, chunk, sizeof chunk) ||
            (chunk[1] & ~(uint64_t)FLAGS) != size)
            return -1;
        at = mangled ? chunk[2] ^ (at + 2 * WORD) >> 12 : chunk[2];
    }
    return n;
}

static bool count_fast(const struct books *b, const uint64_t *fast, struct count *c)
{
    for (size_t i = 0; i < FAST_BINS; i++) {
        uint64_t size = CHUNK_MIN + 16 * i;
        int64_t n = fast_chunks(b, fast[i], size, true);
        if (n < 0)
            n = fast_chunks(b, fast[i], size, false);
        if (n < 0)
            return false;
        c->free_chunks += (uint64_t)n;
        c->free_bytes += (uint64_t)n * size;
    }
    return true;
}

struct arena {
    uint64_t before[WORDS_BEFORE], w[WORDS_AFTER];
};

static bool read_arena(const struct books *b, uint64_t arena, struct arena *a)
{
    return read_at(b, arena + b->head - sizeof a->before, a, sizeof *a);
}

// What one arena has given out; false: it changed under our eyes.
static bool count_once(const struct books *b, uint64_t arena, const struct arena *a, int64_t *out, struct count *c)
{
    uint64_t bins = arena + b->head, top = a->before[WORDS_BEFORE - BEFORE_TOP], top_size = 0;
    bool none_yet = top == bins - 2 * WORD;
    if (!none_yet && !read_at(b, top + WORD, &top_size, sizeof top_size))
        return false;
    top_size &= ~(uint64_t)FLAGS;
    if (top % 16 || top_size > a->w[AT_SYSTEM] || !count_fast(b, a->before, c) || !count_bins(b, bins, a->w, c))
        return false;
    uint64_t unused = c->free_bytes + top_size;
    if (unused > a->w[AT_SYSTEM])
        return false;
    *out = (int64_t)(a->w[AT_SYSTEM] - unused);
    return true;
}

// A heap in use is never at rest: what was counted is believed when the arena is as before, or when counting again
// comes to much the same.
static bool count_arena(const struct books *b, uint64_t arena, struct arena *a, int64_t *out, struct count *total)
{
    int64_t last = -1;
    for (int i = 0; i < 2 * TRIES; i++) {
        struct count c = {0};
        struct arena now;
        int64_t n;
        if (!read_arena(b, arena, a))
            return false;
        bool counted = count_once(b, arena, a, &n, &c);
        total->too_many |= c.too_many;
        if (c.too_many || !read_arena(b, arena, &now))
            return false;
        if (!counted)
            continue;
        int64_t apart = last < 0 ? INT64_MAX : n > last ? n - last : last - n;
        if (memcmp(a, &now, sizeof now) == 0 || apart <= EXACT || (double)apart <= TOLERANCE * (double)n) {
            *out = n;
            total->free_chunks += c.free_chunks;
            return true;
        }
        last = n;
    }
    return false;
}

static int count_all(const struct books *b, pid_t pid, struct linux_glibc_heap *out, struct seep_err *err)
{
    struct count total = {0};
    *out = (struct linux_glibc_heap){.allocated_bytes = (int64_t)b->mmapped, .mapped_bytes = (int64_t)b->mmapped};
    for (uint64_t at = b->arena; out->arenas < ARENAS_MAX;) {
        struct arena a;
        int64_t bytes = 0;
        if (!count_arena(b, at, &a, &bytes, &total))
            return total.too_many ? seep_fail(err, SEEP_E_UNSUPPORTED,
                                              "the heap of process %d has more than %d free chunks to count", (int)pid,
                                              LINUX_GLIBC_FREE_MAX)
                                  : seep_fail(err, SEEP_E_CORRUPT,
                                              "the heap of process %d changes faster than it can be counted", (int)pid);
        out->allocated_bytes += bytes;
        out->mapped_bytes += (int64_t)a.w[AT_SYSTEM];
        out->arenas++;
        at = a.w[AT_NEXT];
        if (at == b->arena)
            break;
    }
    out->free_chunks = (int64_t)total.free_chunks;
    return 0;
}

// ---- what of it is resident

// The memory of an arena but the main one: stretches of at most HEAP_MAX at multiples of it, from the one top lies in;
// each begins with the arena's address, where the one before lies, and its size.
static int arena_resident(const struct books *b, int proc_fd, pid_t pid, uint64_t arena, uint64_t top, int64_t *sum,
                          struct seep_err *err)
{
    struct {
        uint64_t arena, before, size;
    } head;
    uint64_t at = top & ~(uint64_t)(HEAP_MAX - 1);
    for (unsigned i = 0; at && i < ARENAS_MAX; i++, at = head.before) {
        int64_t resident = 0;
        if (!read_at(b, at, &head, sizeof head) || head.arena != arena || head.size > HEAP_MAX || head.size % 4096)
            return seep_fail(err, SEEP_E_UNSUPPORTED, "an arena of process %d is not built as known", (int)pid);
        if (linux_range_resident(proc_fd, pid, at, head.size, &resident, err))
            return -1;
        *sum += resident;
    }
    return 0;
}

struct chunks {
    const struct books *b;
    int proc_fd;
    pid_t pid;
    uint64_t found;
    int64_t resident;
};

// Large blocks in one mapping: neighbours are merged, so one may follow another.
static int look_for_chunks(const struct linux_map *m, void *arg)
{
    struct chunks *c = arg;
    struct {
        uint64_t before, size;
    } head;
    if (m->path[0] || strcmp(m->perms, "rw-p") != 0)
        return 0;
    uint64_t at = m->start;
    while (at < m->end && read_at(c->b, at, &head, sizeof head)) {
        uint64_t size = head.size & ~(uint64_t)FLAGS;
        if (head.before != 0 || (head.size & FLAGS) != MAPPED || size == 0 || size % 4096 || size > m->end - at)
            break;
        at += size;
    }
    int64_t resident = 0;
    if (at > m->start && linux_range_resident(c->proc_fd, c->pid, m->start, at - m->start, &resident, NULL) == 0) {
        c->found += at - m->start;
        c->resident += resident;
    }
    return 0;
}

static int sum_resident(const struct books *b, int proc_fd, pid_t pid, int64_t *out, struct seep_err *err)
{
    struct arena a;
    struct chunks c = {.b = b, .proc_fd = proc_fd, .pid = pid};
    *out = 0;
    if (!read_arena(b, b->arena, &a))
        return seep_fail(err, SEEP_E_CORRUPT, "the heap of process %d changes", (int)pid);
    uint64_t at = a.w[AT_NEXT];
    for (unsigned i = 0; at != b->arena && i < ARENAS_MAX; i++, at = a.w[AT_NEXT])
        if (!read_arena(b, at, &a) ||
            arena_resident(b, proc_fd, pid, at, a.before[WORDS_BEFORE - BEFORE_TOP], out, err))
            return seep_fail(err, SEEP_E_CORRUPT, "the heap of process %d changes, or cannot be followed", (int)pid);
    if (b->mmapped > 0 && linux_maps_each(proc_fd, pid, look_for_chunks, &c, err) < 0)
        return -1;
    if (c.found != b->mmapped)
        return seep_fail(err, SEEP_E_UNSUPPORTED, "large blocks of process %d cannot be told from its own mappings",
                         (int)pid);
    *out += c.resident;
    return 0;
}

static int open_books(struct books *b, int proc_fd, pid_t pid, const char *module, bool *none, struct seep_err *err)
{
    *none = false;
    *b = (struct books){.mem = linux_memory_open(proc_fd, pid, err)};
    if (b->mem < 0 || find_data(b, proc_fd, pid, module, err))
        return -1;
    if (!find_arena(b)) {
        *none = b->heap == 0; // it never allocated
        return *none ? 0
                     : seep_fail(err, SEEP_E_UNSUPPORTED,
                                 "the books of process %d's malloc are not where a glibc known to seep has them",
                                 (int)pid);
    }
    find_mmapped(b);
    if (!b->knows_mmapped)
        return seep_fail(err, SEEP_E_UNSUPPORTED,
                         "malloc's parameters in process %d are not those of a glibc known to seep", (int)pid);
    return 0;
}

static void close_books(struct books *b)
{
    free(b->words);
    if (b->mem >= 0)
        close(b->mem);
}

int linux_glibc_heap_read(int proc_fd, pid_t pid, const char *module, struct linux_glibc_heap *out,
                          struct seep_err *err)
{
    struct books b;
    bool none;
    *out = (struct linux_glibc_heap){0};
    int rc = open_books(&b, proc_fd, pid, module, &none, err);
    rc = rc || none ? rc : count_all(&b, pid, out, err);
    close_books(&b);
    return rc;
}

int linux_glibc_heap_resident(int proc_fd, pid_t pid, const char *module, int64_t *resident_bytes, struct seep_err *err)
{
    struct books b;
    bool none;
    *resident_bytes = 0;
    int rc = open_books(&b, proc_fd, pid, module, &none, err);
    rc = rc || none ? rc : sum_resident(&b, proc_fd, pid, resident_bytes, err);
    close_books(&b);
    return rc;
}
