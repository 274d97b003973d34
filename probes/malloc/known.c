// Stacks that were walked before, found again without walking.
//
// A walk is decided by what it reads: the return addresses, and the frame pointers some frames depend on. Where it
// reads is its *shape*, a list of offsets from the sp it started at. If the same shape holds the same values under the
// same pc, each step must come out as before, by induction, so the stack is the same: its id is remembered under a hash
// of them all. Frame pointers and addresses on the stack count by their distance from sp, so threads share what they
// know.
//
// Which shape to try is guessed (by the pc and the depth of the stack, then by the three innermost pcs): a wrong guess
// finds nothing and costs a few nanoseconds.
//
// The hash is the sum of each word times a random odd number of its own, modulo 2^64 (Carter and Wegman's multilinear
// family): four instructions a word, none waiting for another. Two stacks of one shape that differ agree with a chance
// of 2^-64 for each difference that is odd, and twice as much for each power of two that divides all differences; those
// are distances of return addresses, so 2^-52 is what two copies of one object at the same distance have. The standing
// re-walk of one in 1024 would show it.
#include "malloc/known.h"

#include <string.h>

#define SHAPE_PROBES 4u

struct probe_known_keys probe_known_keys;

void probe_known_init(void)
{
    struct probe_known_keys *keys = &probe_known_keys;
    uint64_t state = KNOWN_PRIME_C;
    for (unsigned i = 0; i <= SEEP_SHAPE_SLOTS; i++) { // splitmix64
        uint64_t z = state += KNOWN_PRIME_A;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ z >> 27) * 0x94d049bb133111ebull;
        *(i < SEEP_SHAPE_SLOTS ? &keys->slot[i] : &keys->frame) = (z ^ z >> 31) | 1;
    }
    for (unsigned i = 0; i < SEEP_SHAPE_SLOTS; i++)
        keys->sum[i + 1] = keys->sum[i] + keys->slot[i];
}

static __attribute__((noinline)) uint64_t hash_apart(const struct seep_shape *shape, const struct probe_start *s,
                                                     uintptr_t high)
{
    return probe_known_hash(shape, s->pc, s->sp, s->bp, high, s->klass);
}

static void known_add(struct probe_region *r, uint64_t hash, uint32_t id)
{
    struct seep_known_slot *k = probe_known_at(r, hash);
    if (load_relaxed(&k->stack) && (!load_relaxed(&k[1].stack) || probe_tls.walks & 1))
        k++;
    store_relaxed(&k->check, hash ^ id);
    store_relaxed(&k->stack, id);
}

// ---- which shape to try ----

static inline uint16_t *guesses_at(struct probe_region *r, const struct probe_start *s, const uintptr_t *pc)
{
    uint64_t h = probe_known_fold(pc[0] ^ (probe_thread_pointer() - s->sp) << 20, KNOWN_PRIME_A) +
                 probe_known_fold(pc[1], KNOWN_PRIME_B) + probe_known_fold(pc[2], KNOWN_PRIME_C);
    uint64_t set = (h >> 24) & (r->layout.guesses - 1);
    return &r->guesses[r->layout.guesses + set * SEEP_GUESS_WAYS];
}

static uint32_t try_shape(struct probe_region *r, uint32_t shape, const struct probe_start *s, uintptr_t high)
{
    if (shape == 0 || shape >= r->layout.shapes)
        return SEEP_STACK_NONE;
    uint64_t hash = hash_apart(&r->shapes[shape], s, high);
    return hash ? probe_known_find(r, hash) : SEEP_STACK_NONE;
}

uint32_t probe_known_guess(struct probe_region *r, const struct probe_start *s, uintptr_t high)
{
    return try_shape(r, load_relaxed(probe_known_last(r, s->pc, s->sp)), s, high);
}

uint32_t probe_known_look(struct probe_region *r, const struct probe_start *s, const uintptr_t *pc, uintptr_t high)
{
    uint16_t *way = guesses_at(r, s, pc);
    uint16_t *last = probe_known_last(r, s->pc, s->sp);
    uint32_t tried = load_relaxed(last);
    for (uint32_t i = 0; i < SEEP_GUESS_WAYS; i++) {
        uint16_t shape = load_relaxed(&way[i]);
        uint32_t id = shape == tried ? SEEP_STACK_NONE : try_shape(r, shape, s, high);
        if (!id)
            continue;
        if (probe_tls.walks % 4 == 0) // not each time: two paths that alternate would only fight for the line
            store_relaxed(last, shape);
        if (i) { // what led here lately will most likely be asked for next
            store_relaxed(&way[i], load_relaxed(&way[0]));
            store_relaxed(&way[0], shape);
        }
        return id;
    }
    return SEEP_STACK_NONE;
}

// ---- learning ----

static int shape_of(const struct probe_path *path, struct seep_shape *out)
{
    uint16_t n = 0;
    memset(out, 0, sizeof *out);
    if (!path->values || path->values + path->pointers + KNOWN_STEP - 1 > SEEP_SHAPE_SLOTS)
        return -1;
    for (unsigned i = 0; i < path->values; i++)
        out->offset[n++] = (uint16_t)(path->offset[i] - KNOWN_OFFSET_BIAS);
    for (unsigned i = SEEP_SHAPE_SLOTS - path->pointers; i < SEEP_SHAPE_SLOTS; i++)
        out->offset[n++] = (uint16_t)(path->offset[i] - KNOWN_OFFSET_BIAS);
    for (; n % KNOWN_STEP; n++) // a whole number of steps: the last one counts again
        out->offset[n] = out->offset[n - 1];
    out->values = path->pointers ? path->values : n;
    out->pointers = (uint16_t)(n - out->values);
    out->frame = path->frame;
    uint64_t h = (uint64_t)out->values << 32 | (uint64_t)out->pointers << 16 | out->frame;
    for (unsigned i = 0; i < n; i += KNOWN_STEP) {
        uint64_t four;
        memcpy(&four, out->offset + i, sizeof four);
        h = probe_known_fold(h ^ four, KNOWN_PRIME_A) + KNOWN_PRIME_B;
    }
    uint16_t reach = 0;
    for (unsigned i = 0; i < n; i++) {
        uint16_t offset = (uint16_t)(out->offset[i] + KNOWN_OFFSET_BIAS);
        reach = offset > reach ? offset : reach;
    }
    out->reach = reach;
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
    uint64_t hash = hash_apart(&r->shapes[at], s, high);
    if (!hash || load_relaxed(&r->shapes[at].salt) != shape.salt)
        return;
    known_add(r, hash, id);
    store_relaxed(probe_known_last(r, s->pc, s->sp), (uint16_t)at);
    uint16_t *way = guesses_at(r, s, pc);
    uint32_t to = SEEP_GUESS_WAYS;
    for (uint32_t i = 0; i < SEEP_GUESS_WAYS && to == SEEP_GUESS_WAYS; i++)
        if (!load_relaxed(&way[i]) || load_relaxed(&way[i]) == at)
            to = i;
    store_relaxed(&way[to < SEEP_GUESS_WAYS ? to : probe_tls.walks % SEEP_GUESS_WAYS], (uint16_t)at);
}
