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
#include "malloc/probe.h"

#include <emmintrin.h>
#include <string.h>

#define PRIME_A      0x9e3779b97f4a7c15ull
#define PRIME_B      0xd6e8feb86659fd93ull
#define PRIME_C      0xa0761d6478bd642full
#define SHAPE_PROBES 4u
#define SHAPE_STEP   4u // slots taken at a time
_Static_assert(SHAPE_STEP * sizeof(uint16_t) == sizeof(uint64_t), "a step's offsets are one word");

// Offsets are kept less this: SSE2, which every x86-64 has, compares 16 bits as signed numbers only.
#define OFFSET_BIAS 32768u

static uint64_t slot_key[SEEP_SHAPE_SLOTS + SHAPE_STEP]; // written once, before there is a region
static uint64_t frame_key;

void probe_known_init(void)
{
    uint64_t state = PRIME_C;
    for (unsigned i = 0; i <= SEEP_SHAPE_SLOTS; i++) { // splitmix64
        uint64_t z = state += PRIME_A;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ z >> 27) * 0x94d049bb133111ebull;
        *(i < SEEP_SHAPE_SLOTS ? &slot_key[i] : &frame_key) = (z ^ z >> 31) | 1;
    }
}

static inline uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t hash_final(uint64_t h, uintptr_t pc, unsigned klass)
{
    uint64_t kind = (uint64_t)load_relaxed(&probe_generation) << 8 | klass;
    return fold(h ^ pc, (kind * PRIME_B) ^ PRIME_C);
}

// The sum over n slots, a multiple of SHAPE_STEP; `less` is what each word counts from. No offset counts for more than
// the reach: a shape that changes under our eyes cannot lead beyond the stack.
static inline __attribute__((always_inline)) uint64_t sum_of(const uint16_t *offset, const uint64_t *key, uint32_t n,
                                                             __m128i reach, uintptr_t sp, uint64_t less)
{
    const uint64_t *middle = (const uint64_t *)(sp + 8ul * OFFSET_BIAS);
    uint64_t a = 0, b = 0;
    for (uint32_t i = 0; i < n; i += SHAPE_STEP) {
        int16_t at[SHAPE_STEP] __attribute__((aligned(8)));
        __m128i four = _mm_loadl_epi64((const __m128i *)(const void *)(offset + i));
        _mm_storel_epi64((__m128i *)(void *)at, _mm_min_epi16(four, reach));
        __asm__("" : "+m"(at)); // from memory again: gcc takes a vector apart with twice the instructions
        a += (middle[at[0]] - less) * key[i];
        b += (middle[at[1]] - less) * key[i + 1];
        a += (middle[at[2]] - less) * key[i + 2];
        b += (middle[at[3]] - less) * key[i + 3];
    }
    return a + b;
}

// What the stack above sp holds where the shape says, 0 when that cannot be told. That a shape changed meanwhile shows
// in its sequence.
static inline __attribute__((always_inline)) uint64_t
hash_of(const struct seep_shape *shape, uintptr_t pc, uintptr_t sp, uintptr_t bp, uintptr_t high, unsigned klass)
{
    uint32_t sequence = load_acquire(&shape->sequence);
    uint32_t values = load_relaxed(&shape->values), pointers = load_relaxed(&shape->pointers);
    uint16_t reach = load_relaxed(&shape->reach);
    if (unlikely(sequence & 1 || !values || values + pointers > SEEP_SHAPE_SLOTS || sp + 8ul * reach + 8 > high))
        return 0;
    __m128i most = _mm_set1_epi16((short)(reach - OFFSET_BIAS));
    uint64_t h = shape->salt + sum_of(shape->offset, slot_key, values, most, sp, 0);
    if (pointers)
        h += sum_of(shape->offset + values, slot_key + values, pointers, most, sp, sp);
    if (shape->frame)
        h += (bp - sp) * frame_key;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return likely(load_relaxed(&shape->sequence) == sequence) ? hash_final(h, pc, klass) : 0;
}

static __attribute__((noinline)) uint64_t hash_apart(const struct seep_shape *shape, const struct probe_start *s,
                                                     uintptr_t high)
{
    return hash_of(shape, s->pc, s->sp, s->bp, high, s->klass);
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
static inline uint16_t *guess_at(struct probe_region *r, uintptr_t pc, uintptr_t sp)
{
    uint64_t h = (pc ^ (thread_pointer() - sp) << 21) * PRIME_A;
    return &r->guesses[(h >> 40) & (r->layout.guesses - 1)];
}

static inline uint16_t *guesses_at(struct probe_region *r, const struct probe_start *s, const uintptr_t *pc)
{
    uint64_t h = fold(pc[0] ^ (thread_pointer() - s->sp) << 20, PRIME_A) + fold(pc[1], PRIME_B) + fold(pc[2], PRIME_C);
    uint64_t set = (h >> 24) & (r->layout.guesses - 1);
    return &r->guesses[r->layout.guesses + set * SEEP_GUESS_WAYS];
}

uint32_t probe_known_guess(struct probe_region *r, uintptr_t pc, uintptr_t sp, uintptr_t bp, uintptr_t high,
                           unsigned klass)
{
    uint32_t shape = load_relaxed(guess_at(r, pc, sp));
    if (unlikely(shape == 0 || shape >= r->layout.shapes))
        return SEEP_STACK_NONE;
    uint64_t hash = hash_of(&r->shapes[shape], pc, sp, bp, high, klass);
    return likely(hash) ? known_find(r, hash) : SEEP_STACK_NONE;
}

uint32_t probe_known_look(struct probe_region *r, const struct probe_start *s, const uintptr_t *pc, uintptr_t high)
{
    uint16_t *way = guesses_at(r, s, pc);
    uint16_t *last = guess_at(r, s->pc, s->sp);
    uint32_t tried = load_relaxed(last);
    for (uint32_t i = 0; i < SEEP_GUESS_WAYS; i++) {
        uint16_t shape = load_relaxed(&way[i]);
        if (!shape || shape == tried || shape >= r->layout.shapes)
            continue;
        uint64_t hash = hash_apart(&r->shapes[shape], s, high);
        uint32_t id = hash ? known_find(r, hash) : SEEP_STACK_NONE;
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

// A whole number of steps: the last offset counts again where there are fewer.
static uint16_t fill_up(uint16_t *to, const uint16_t *from, uint16_t n)
{
    uint16_t i = 0;
    for (; i < n || i % SHAPE_STEP; i++)
        to[i] = (uint16_t)(from[i < n ? i : n - 1] - OFFSET_BIAS);
    return i;
}

static int shape_of(const struct probe_path *path, struct seep_shape *out)
{
    memset(out, 0, sizeof *out);
    if (!path->values || path->values + path->pointers + 2 * (SHAPE_STEP - 1) > SEEP_SHAPE_SLOTS)
        return -1;
    out->values = fill_up(out->offset, path->offset, path->values);
    out->pointers =
        fill_up(out->offset + out->values, path->offset + SEEP_SHAPE_SLOTS - path->pointers, path->pointers);
    out->frame = path->frame;
    uint64_t h = (uint64_t)out->values << 32 | (uint64_t)out->pointers << 16 | out->frame;
    for (unsigned i = 0; i < out->values + (unsigned)out->pointers; i += SHAPE_STEP) {
        uint64_t four;
        memcpy(&four, out->offset + i, sizeof four);
        h = fold(h ^ four, PRIME_A) + PRIME_B;
    }
    uint16_t reach = 0;
    for (unsigned i = 0; i < path->values; i++)
        reach = path->offset[i] > reach ? path->offset[i] : reach;
    for (unsigned i = SEEP_SHAPE_SLOTS - path->pointers; i < SEEP_SHAPE_SLOTS; i++)
        reach = path->offset[i] > reach ? path->offset[i] : reach;
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
    store_relaxed(guess_at(r, s->pc, s->sp), (uint16_t)at);
    uint16_t *way = guesses_at(r, s, pc);
    uint32_t to = SEEP_GUESS_WAYS;
    for (uint32_t i = 0; i < SEEP_GUESS_WAYS && to == SEEP_GUESS_WAYS; i++)
        if (!load_relaxed(&way[i]) || load_relaxed(&way[i]) == at)
            to = i;
    store_relaxed(&way[to < SEEP_GUESS_WAYS ? to : probe_tls.walks % SEEP_GUESS_WAYS], (uint16_t)at);
}
