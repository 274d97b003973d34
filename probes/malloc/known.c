// Stacks that were walked before, found again without walking.
//
// A walk is decided by what it reads: the return addresses, and the frame pointers some frames depend on. Where it
// reads is its *shape*, a list of offsets from the sp it started at. If the same shape holds the same values under the
// same pc, each step must come out as before, by induction, so the stack is the same: its id is remembered under a hash
// of them all. Frame pointers and addresses on the stack count by their distance from sp, so threads share what they
// know.
//
// Which shape to try is guessed (by the pc and the depth of the stack, then by the three innermost pcs): a wrong guess
// finds nothing and costs a few nanoseconds. The hash has 64 bits over all values: two stacks that differ agree with a
// chance of 2^-64, and the standing re-walk of one in 1024 would show it.
#include "malloc/probe.h"

#include <string.h>

#define PRIME_A      0x9e3779b97f4a7c15ull
#define PRIME_B      0xd6e8feb86659fd93ull
#define PRIME_C      0xa0761d6478bd642full
#define SHAPE_PROBES 4u

static inline uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t hash_final(uint64_t h, const struct probe_start *s)
{
    uint64_t kind = (uint64_t)load_relaxed(&probe_generation) << 8 | s->klass;
    return fold(h ^ s->pc, (kind * PRIME_B) ^ PRIME_C);
}

// What the stack above s holds where the shape says, 0 when that cannot be told. Every offset is kept below `reach`, so
// a shape that changes under our eyes cannot lead beyond the stack; that it changed shows in its sequence.
static inline uint64_t hash_of(const struct seep_shape *shape, const struct probe_start *s, uintptr_t high)
{
    uint32_t sequence = load_acquire(&shape->sequence);
    uint32_t values = load_relaxed(&shape->values), all = values + load_relaxed(&shape->pointers);
    uint16_t reach = load_relaxed(&shape->reach);
    if (sequence & 1 || !values || all > SEEP_SHAPE_SLOTS || s->sp + 8ul * reach + 8 > high)
        return 0;
    const uint64_t *word = (const uint64_t *)s->sp;
    const uint16_t *offset = shape->offset;
    uint64_t h = shape->salt, key = PRIME_A;
    uint32_t i = 0;
    for (; i < values; i += 2, key += PRIME_B) {
        uint16_t a = offset[i] < reach ? offset[i] : reach, b = offset[i + 1] < reach ? offset[i + 1] : reach;
        h += fold(word[a] ^ key, word[b] ^ (key ^ PRIME_C));
    }
    for (; i < all; i += 2, key += PRIME_B) {
        uint16_t a = offset[i] < reach ? offset[i] : reach, b = offset[i + 1] < reach ? offset[i + 1] : reach;
        h += fold((word[a] - s->sp) ^ key, (word[b] - s->sp) ^ (key ^ PRIME_C));
    }
    if (shape->frame)
        h += fold((s->bp - s->sp) ^ key, PRIME_C);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return load_relaxed(&shape->sequence) == sequence ? hash_final(h, s) : 0;
}

// ---- remembered ids ----

static inline struct seep_known_slot *known_at(struct probe_region *r, uint64_t hash)
{
    return &r->known[(hash >> 20) & (r->layout.known - 1) & ~1u]; // and the one after it
}

static inline uint32_t known_find(struct probe_region *r, uint64_t hash)
{
    const struct seep_known_slot *k = known_at(r, hash);
    uint64_t first = load_relaxed(&k[0].stack), second = load_relaxed(&k[1].stack);
    if (likely((load_relaxed(&k[0].check) ^ first) == hash))
        return (uint32_t)first;
    return (load_relaxed(&k[1].check) ^ second) == hash ? (uint32_t)second : SEEP_STACK_NONE;
}

static void known_add(struct probe_region *r, uint64_t hash, uint32_t id)
{
    struct seep_known_slot *k = known_at(r, hash);
    if (load_relaxed(&k->stack) && (!load_relaxed(&k[1].stack) || probe_tls.walks & 1))
        k++;
    store_relaxed(&k->check, hash ^ id);
    store_relaxed(&k->stack, id);
}

// ---- which shape to try ----

static inline uintptr_t thread_pointer(void)
{
    uintptr_t tp;
    __asm__("mov %%fs:0, %0" : "=r"(tp));
    return tp;
}

// By pc and how deep the stack is: threads that run the same code at the same depth share it.
static inline uint16_t *guess_at(struct probe_region *r, const struct probe_start *s)
{
    uint64_t h = (s->pc ^ (thread_pointer() - s->sp) << 21) * PRIME_A;
    return &r->guesses[(h >> 40) & (r->layout.guesses - 1)];
}

static inline uint16_t *guesses_at(struct probe_region *r, const struct probe_start *s, const uintptr_t *pc)
{
    uint64_t h = fold(pc[0] ^ (thread_pointer() - s->sp) << 20, PRIME_A) + fold(pc[1], PRIME_B) + fold(pc[2], PRIME_C);
    uint64_t set = (h >> 24) & (r->layout.guesses - 1);
    return &r->guesses[r->layout.guesses + set * SEEP_GUESS_WAYS];
}

static inline uint32_t try_shape(struct probe_region *r, uint32_t shape, const struct probe_start *s, uintptr_t high)
{
    if (shape == 0 || shape >= r->layout.shapes)
        return SEEP_STACK_NONE;
    uint64_t hash = hash_of(&r->shapes[shape], s, high);
    return likely(hash) ? known_find(r, hash) : SEEP_STACK_NONE;
}

uint32_t probe_known_guess(struct probe_region *r, const struct probe_start *s, uintptr_t high)
{
    return try_shape(r, load_relaxed(guess_at(r, s)), s, high);
}

uint32_t probe_known_look(struct probe_region *r, const struct probe_start *s, const uintptr_t *pc, uintptr_t high)
{
    const uint16_t *way = guesses_at(r, s, pc);
    uint16_t *last = guess_at(r, s);
    uint32_t tried = load_relaxed(last);
    for (uint32_t i = 0; i < SEEP_GUESS_WAYS; i++) {
        uint16_t shape = load_relaxed(&way[i]);
        if (!shape || shape == tried)
            continue;
        uint32_t id = try_shape(r, shape, s, high);
        if (!id)
            continue;
        if (probe_tls.walks % 4 == 0) // not each time: two paths that alternate would only fight for the line
            store_relaxed(last, shape);
        return id;
    }
    return SEEP_STACK_NONE;
}

// ---- learning ----

static uint16_t fill_even(uint16_t *to, const uint16_t *from, uint16_t n)
{
    memcpy(to, from, 2ul * n);
    if (n & 1)
        to[n] = to[n - 1];
    return (uint16_t)(n + (n & 1));
}

static int shape_of(const struct probe_path *path, struct seep_shape *out)
{
    memset(out, 0, sizeof *out);
    if (!path->values || path->values + path->pointers + 2u > SEEP_SHAPE_SLOTS)
        return -1;
    out->values = fill_even(out->offset, path->offset, path->values);
    out->pointers =
        fill_even(out->offset + out->values, path->offset + SEEP_SHAPE_SLOTS - path->pointers, path->pointers);
    out->frame = path->frame;
    uint64_t h = (uint64_t)out->values << 32 | (uint64_t)out->pointers << 16 | out->frame;
    for (unsigned i = 0; i < out->values + (unsigned)out->pointers; i++) {
        out->reach = out->offset[i] > out->reach ? out->offset[i] : out->reach;
        h = fold(h ^ out->offset[i], PRIME_A) + PRIME_B;
    }
    out->salt = h;
    return 0;
}

static void shape_write(struct seep_shape *to, const struct seep_shape *from)
{
    uint32_t sequence = load_relaxed(&to->sequence);
    if (sequence & 1 ||
        !__atomic_compare_exchange_n(&to->sequence, &sequence, sequence + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    memcpy(&to->values, &from->values, sizeof *to - offsetof(struct seep_shape, values));
    store_release(&to->sequence, sequence + 2);
}

// The place of this very shape, written when it is new, perhaps over another.
static uint32_t shape_place(struct probe_region *r, const struct seep_shape *want)
{
    uint32_t start = (uint32_t)(want->salt >> 32), mask = r->layout.shapes - 1, at = 0;
    for (uint32_t i = 0; i < SHAPE_PROBES; i++) {
        at = (start + i) & mask;
        if (at && load_relaxed(&r->shapes[at].salt) == want->salt)
            return at;
        if (at && !load_relaxed(&r->shapes[at].salt))
            break;
        at = 0;
    }
    at = at ? at : (start + probe_tls.walks % SHAPE_PROBES) & mask;
    at = at ? at : 1;
    shape_write(&r->shapes[at], want);
    return at;
}

void probe_known_learn(struct probe_region *r, const struct probe_start *s, const uintptr_t *pc,
                       const struct probe_path *path, uintptr_t high, uint32_t id)
{
    struct seep_shape shape;
    if (shape_of(path, &shape) < 0)
        return;
    uint32_t at = shape_place(r, &shape);
    uint64_t hash = hash_of(&r->shapes[at], s, high);
    if (!hash || load_relaxed(&r->shapes[at].salt) != shape.salt)
        return;
    known_add(r, hash, id);
    store_relaxed(guess_at(r, s), (uint16_t)at);
    uint16_t *way = guesses_at(r, s, pc);
    uint32_t to = SEEP_GUESS_WAYS;
    for (uint32_t i = 0; i < SEEP_GUESS_WAYS && to == SEEP_GUESS_WAYS; i++)
        if (!load_relaxed(&way[i]) || load_relaxed(&way[i]) == at)
            to = i;
    store_relaxed(&way[to < SEEP_GUESS_WAYS ? to : probe_tls.walks % SEEP_GUESS_WAYS], (uint16_t)at);
}
